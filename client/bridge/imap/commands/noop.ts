import type { ImapCommand } from "../command.ts";

/** NOOP and CHECK (RFC 9051, section 6.1.2; RFC 3501, section 6.4.1): what is new is told. */
export const NOOP: ImapCommand = {
  when: "always",
  removals: true,
  run: async (context, args) => {
    args.end();
    if (context.isLoggedIn) await context.store.refresh();
  },
};

export const CHECK: ImapCommand = { ...NOOP, when: "selected" };
