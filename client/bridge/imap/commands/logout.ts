import type { ImapCommand } from "../command.ts";

/** LOGOUT (RFC 9051, section 6.1.3). */
export const LOGOUT: ImapCommand = {
  when: "always",
  removals: false,
  run: (context, args) => {
    args.end();
    context.output.line("* BYE goodbye");
    context.leave();
    return Promise.resolve();
  },
};
