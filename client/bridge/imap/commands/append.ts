import type { Bytes } from "../../../../crypto/bytes.ts";
import type { ImapCommand, PendingMessage } from "../command.ts";
import { bad, ImapError } from "../error.ts";
import { checkFlags } from "./store.ts";

/** The bytes of a message, and then what ends the command. Throws `BAD` if that is something else. */
async function* whole(message: PendingMessage, utf8: boolean): AsyncGenerator<Bytes> {
  yield* message.accept();
  const rest = await message.rest();
  if (utf8) rest.expect(")");
  rest.end();
}

/** APPEND (RFC 9051, section 6.3.12), and with UTF8 (RFC 6855, section 4). */
export const APPEND: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: async (context, args, _byUid, message) => {
    const { store } = context;
    args.space();
    const mailbox = context.mailboxName(args);
    args.space();
    const flags = args.peek() === "(" ? args.list(() => args.flag()) : [];
    if (flags.length > 0 || args.peek() === " ") args.take(" ");
    const receivedAt = args.peek() === '"' ? args.dateTime() : null;
    if (receivedAt !== null) args.space();
    const utf8 = args.take("UTF8 (");
    args.end();
    if (!message) throw bad("the message is missing");
    const { size } = message;
    checkFlags(flags);
    if (await store.view(mailbox) === null) {
      throw new ImapError("NO", "there is no such mailbox", "TRYCREATE");
    }
    if (size > store.appendLimit) {
      throw new ImapError("NO", "the message is larger than the server takes", "TOOBIG");
    }
    if (size === 0) throw new ImapError("NO", "an empty message is not stored");
    const placed = await store.append({
      mailbox,
      flags,
      receivedAt,
      size,
      bytes: whole(message, utf8),
    });
    if (!placed) return;
    return { code: `APPENDUID ${placed.validity} ${placed.uids.join(",")}` };
  },
};
