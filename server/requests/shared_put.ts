import { type Bytes, concat } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Handler } from "./request_context.ts";

/**
 * Puts another record in the place of the one with the version that the request names. Throws
 * `version-conflict` if that is not the one that is there, `format` if its data have another size.
 */
export const handleSharedPut: Handler<"shared-put"> = async (request, context, data) => {
  const { store, session, registry } = context;
  const pieces: Bytes[] = [];
  let received = 0;
  for await (const piece of data) {
    received += piece.length;
    if (received > request.size) throw wrongSize();
    pieces.push(piece);
  }
  if (received !== request.size) throw wrongSize();
  const version = await store.putSharedRecord(session.name, request.version, concat(...pieces));
  registry.tellOthers(session, { event: "shared", version });
  return { response: { ok: true, version } };
};

function wrongSize(): SealpostError {
  return new SealpostError("format", "the record does not have the size it was announced with");
}
