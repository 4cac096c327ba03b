import { capabilities } from "../capabilities.ts";
import type { ImapCommand } from "../command.ts";

/** CAPABILITY (RFC 9051, section 6.1.1). */
export const CAPABILITY: ImapCommand = {
  when: "always",
  removals: true,
  run: (context, args) => {
    args.end();
    const limit = context.isLoggedIn ? context.store.appendLimit : null;
    context.output.line(`* CAPABILITY ${capabilities(limit)}`);
    return Promise.resolve();
  },
};
