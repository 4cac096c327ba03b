import type { ImapCommand } from "../command.ts";

/** RENAME (RFC 9051, section 6.3.6), with what is in it. */
export const RENAME: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: async (context, args) => {
    args.space();
    const from = context.mailboxName(args);
    args.space();
    const to = context.mailboxName(args);
    args.end();
    await context.store.rename(from, to);
    // Whoever has it open knows it by a name that is gone.
    const selected = context.selectedOrNull?.name;
    if (selected !== undefined && selected !== "INBOX" && `${selected}/`.startsWith(`${from}/`)) {
      context.select(null);
    }
  },
};
