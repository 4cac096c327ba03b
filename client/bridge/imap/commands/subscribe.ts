import type { ImapCommand } from "../command.ts";

/** SUBSCRIBE and UNSUBSCRIBE (RFC 9051, sections 6.3.7 and 6.3.8), for this machine. */
export const SUBSCRIBE: ImapCommand = changing(true);
export const UNSUBSCRIBE: ImapCommand = changing(false);

function changing(subscribed: boolean): ImapCommand {
  return {
    when: "logged-in",
    removals: true,
    run: async (context, args) => {
      args.space();
      const name = context.mailboxName(args);
      args.end();
      await context.store.subscribe(name, subscribed);
    },
  };
}
