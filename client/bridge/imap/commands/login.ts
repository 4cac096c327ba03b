import { capabilities } from "../capabilities.ts";
import type { Context, Done, ImapCommand } from "../command.ts";
import { ImapError } from "../error.ts";

/** LOGIN (RFC 9051, section 6.2.3). */
export const LOGIN: ImapCommand = {
  when: "before-login",
  removals: false,
  run: async (context, args) => {
    args.space();
    const name = args.astring();
    args.space();
    const password = args.astring();
    args.end();
    return await logIn(context, name, password);
  },
};

/** Logs in. Throws `NO [AUTHENTICATIONFAILED]`. */
export async function logIn(context: Context, name: string, password: string): Promise<Done> {
  const store = await context.accounts.logIn(name, password);
  if (!store) {
    throw new ImapError("NO", "wrong name or password of the bridge", "AUTHENTICATIONFAILED");
  }
  context.logIn(store);
  if (store.alert !== null) context.output.line(`* OK [ALERT] ${store.alert}`);
  return { code: `CAPABILITY ${capabilities(store.appendLimit)}`, text: "welcome" };
}
