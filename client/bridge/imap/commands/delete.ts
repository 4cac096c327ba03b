import type { ImapCommand } from "../command.ts";

/** DELETE (RFC 9051, section 6.3.5): the mailbox, and what is in it, for good. */
export const DELETE: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: async (context, args) => {
    args.space();
    const name = context.mailboxName(args);
    args.end();
    if (context.selectedOrNull?.name === name) context.select(null);
    await context.store.delete(name);
  },
};
