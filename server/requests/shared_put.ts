import { receiveWhole } from "./receive_whole.ts";
import type { Handler } from "./request_context.ts";

/**
 * Puts another record in the place of the one with the version that the request names. Throws
 * `version-conflict` if that is not the one that is there, `format` if its data have another size.
 */
export const handleSharedPut: Handler<"shared-put"> = async (request, context, data) => {
  const { store, session, registry } = context;
  const sealed = await receiveWhole(data, request.size);
  const version = await store.putSharedRecord(session.name, request.version, sealed);
  registry.tellOthers(session, { event: "shared", version });
  return { response: { ok: true, version } };
};
