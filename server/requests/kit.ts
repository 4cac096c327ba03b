import { fromHex } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { decodeKit } from "../../protocol/kit.ts";
import { receiveWhole } from "./receive_whole.ts";
import type { Handler, RequestContext } from "./request_context.ts";

/**
 * Keeps a kit, which the server cannot open, in the place of the one that is there. Throws
 * `login-refused` (the session began with a ticket), `format`, `id-conflict`, `disk-full`, `file-io`.
 */
export const handleKitPut: Handler<"kit-put"> = async ({ id, size }, context, data) => {
  const { session: { name, peer }, store, log } = context;
  const sealed = await receiveWhole(data, size);
  requirePassword(context);
  const kit = decodeKit(sealed);
  if (kit.name !== name) throw new SealpostError("format", "the kit is for another user");
  const at = Date.now();
  const bytes = fromHex(id);
  if (!kit.id.every((byte, i) => byte === bytes[i])) {
    throw new SealpostError("format", "the kit has another id than it was announced with");
  }
  await store.putKit(name, { id: bytes, at, sealed });
  log.info("kit-kept", { name, peer });
  return { response: { ok: true, at } };
};

/** Removes the kit, if there is one. Throws `login-refused` (the session began with a ticket). */
export const handleKitDrop: Handler<"kit-drop"> = async (_request, context) => {
  const { session: { name, peer }, store, log } = context;
  requirePassword(context);
  if (await store.dropKit(name)) log.info("kit-removed", { name, peer });
  return { response: { ok: true } };
};

function requirePassword({ session }: RequestContext): void {
  if (session.exporter !== null) return;
  throw new SealpostError(
    "login-refused",
    "a kit is kept and removed only after a login with the password, not with a ticket",
  );
}
