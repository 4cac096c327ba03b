import { fromBase64, toBase64 } from "../../crypto/bytes.ts";
import { MAX_LINKS } from "../../protocol/rotation.ts";
import type { Handler } from "./request_context.ts";

/** The certificates that lead from a key of a user to later ones. */
export const handleRotations: Handler<"rotations"> = async ({ name, since }, { store }) => {
  const kept = await store.rotations(name, fromBase64(since), MAX_LINKS);
  const links = kept.map(({ certificate, bundle }) => {
    return { certificate: toBase64(certificate), bundle: toBase64(bundle) };
  });
  return { response: { ok: true, links } };
};
