import type { ImapCommand } from "../command.ts";
import { ImapError } from "../error.ts";

/** CREATE (RFC 9051, section 6.3.4). */
export const CREATE: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: async (context, args) => {
    args.space();
    const name = context.mailboxName(args).replace(/\/$/, "");
    if (args.take(" ")) {
      // CREATE-SPECIAL-USE is not announced: the special ones are there for everybody.
      throw new ImapError("NO", "mailboxes with a special use are there already", "USEATTR");
    }
    args.end();
    await context.store.create(name);
    const view = await context.mailbox(name);
    return { code: `MAILBOXID (${view.id})` };
  },
};
