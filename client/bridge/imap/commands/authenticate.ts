import { fromBase64, fromUtf8 } from "../../../../crypto/bytes.ts";
import { isSealpostError } from "../../../../crypto/error.ts";
import type { Context, ImapCommand } from "../command.ts";
import { bad, ImapBye, ImapError } from "../error.ts";
import { logIn } from "./login.ts";

/** AUTHENTICATE (RFC 9051, section 6.2.2), with an initial response (RFC 4959): PLAIN and LOGIN. */
export const AUTHENTICATE: ImapCommand = {
  when: "before-login",
  removals: false,
  run: async (context, args) => {
    args.space();
    const mechanism = args.word();
    const initial = args.take(" ") ? args.take("=") ? "" : args.astringBytes() : null;
    args.end();
    if (mechanism === "PLAIN") {
      const text = decoded(initial ?? await asked(context, ""));
      const [authorized, name, password, more] = text.split("\0");
      if (name === undefined || password === undefined || more !== undefined) {
        throw bad("not what PLAIN has");
      }
      if (authorized !== "" && authorized !== name) {
        throw new ImapError("NO", "nobody acts for others here", "AUTHORIZATIONFAILED");
      }
      return await logIn(context, name, password);
    }
    if (mechanism === "LOGIN") {
      const name = decoded(initial ?? await asked(context, btoa("User Name\0")));
      return await logIn(context, name, decoded(await asked(context, btoa("Password\0"))));
    }
    throw new ImapError("NO", "there are PLAIN and LOGIN", "CANNOT");
  },
};

async function asked(context: Context, prompt: string): Promise<string> {
  const line = await context.continueWith(prompt);
  if (line === null) throw new ImapBye("goodbye");
  if (line === "*") throw bad("as you wish");
  return line;
}

function decoded(text: string): string {
  try {
    return fromUtf8(fromBase64(text));
  } catch (error) {
    if (!isSealpostError(error, "format")) throw error;
    throw bad("not base64");
  }
}
