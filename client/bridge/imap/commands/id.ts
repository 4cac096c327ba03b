import type { ImapCommand } from "../command.ts";
import { bad } from "../error.ts";

/** ID (RFC 2971). What a mail program says of itself is not kept. */
export const ID: ImapCommand = {
  when: "always",
  removals: true,
  run: (context, args) => {
    args.space();
    if (!args.take("NIL")) {
      const values = args.list(() => args.take("NIL") ? null : args.string());
      if (values.length > 60 || values.length % 2 !== 0) throw bad("not what ID has");
    }
    args.end();
    context.output.line('* ID ("name" "Sealpost")');
    return Promise.resolve();
  },
};
