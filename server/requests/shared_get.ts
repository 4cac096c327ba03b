import type { Bytes } from "../../crypto/bytes.ts";
import type { Handler } from "./request_context.ts";

/** The record that all machines of the user share, as it was put. */
export const handleSharedGet: Handler<"shared-get"> = async (_request, { store, session }) => {
  const { version, sealed } = await store.sharedRecord(session.name);
  return { response: { ok: true, version, size: sealed.length }, data: whole(sealed) };
};

async function* whole(sealed: Bytes) {
  if (sealed.length > 0) yield sealed;
}
