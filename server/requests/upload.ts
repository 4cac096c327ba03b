import { equal, fromBase64 } from "../../crypto/bytes.ts";
import { parseMessageId } from "../../protocol/uuid.ts";
import type { Handler } from "./request_context.ts";

/** What the server has of a message that the session's key sends; nobody learns of another's. */
export const handleUpload: Handler<"upload"> = async ({ id, size, digest }, { store, session }) => {
  const messageId = parseMessageId(id);
  const before = await store.delivered(session.fp, messageId);
  if (before) {
    return {
      response: equal(before.digest, fromBase64(digest))
        ? { ok: true, offset: size, at: before.at }
        : { ok: true, offset: 0 },
    };
  }
  const offset = await store.uploaded({ senderFp: session.fp, messageId, size });
  return { response: { ok: true, offset } };
};
