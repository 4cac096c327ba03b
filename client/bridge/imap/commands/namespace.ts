import type { ImapCommand } from "../command.ts";

/** NAMESPACE (RFC 9051, section 6.3.10): one's own mailboxes, and no others. */
export const NAMESPACE: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: (context, args) => {
    args.end();
    context.output.line('* NAMESPACE (("" "/")) NIL NIL');
    return Promise.resolve();
  },
};
