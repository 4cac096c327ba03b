import { type Bytes, lp } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { encodeEntry, type Entry } from "../../protocol/entry.ts";
import type { Handler } from "./request_context.ts";

/** One entry and its sealed body. Throws `no-such-message`. */
export const handleFetch: Handler<"fetch"> = async ({ uid, offset = 0 }, { store, session }) => {
  const { name } = session;
  const entry = await store.entry(name, uid);
  const body = entry && offset <= entry.bodySize ? await store.readBody(name, uid, offset) : null;
  if (!entry || !body) {
    throw new SealpostError("no-such-message", "that message is not in your mailbox any more");
  }
  return {
    response: { ok: true, size: entry.bodySize - offset },
    data: entryAndBody(entry, body),
  };
};

async function* entryAndBody(
  entry: Entry,
  body: AsyncIterable<Bytes>,
): AsyncGenerator<Bytes, void, undefined> {
  yield lp(encodeEntry(entry));
  yield* body;
}
