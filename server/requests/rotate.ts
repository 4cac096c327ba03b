import { equal, fromBase64 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { encodeBundle, formatFingerprint } from "../../crypto/identity.ts";
import type { Handler } from "./request_context.ts";
import { boundAccount, replaced } from "./rotate_begin.ts";

/** How long the requests in progress of a session that must end may take, milliseconds. */
const LAST_REQUESTS = 5000;

/**
 * Binds the key that `rotate-begin` offered, if the proof is what only its owner can know; then all
 * sessions of the user end. There is one attempt for each offer. Throws `format` (nothing was offered,
 * the proof is wrong, or the new key was somebody's before), `key-changed`, `disk-full`, `file-io`.
 */
export const handleRotate: Handler<"rotate"> = async (request, context) => {
  const { session, store, registry, audit, log } = context;
  const { name, peer, rotationOffer: offer } = session;
  session.rotationOffer = null;
  if (offer === null) throw new SealpostError("format", "no new key was offered before");
  if (!equal(offer.proof, fromBase64(request.proof))) {
    log.warn("rotation-refused", { name, peer, why: "proof" });
    throw new SealpostError("format", "the new key was not proven; nothing was changed");
  }
  const account = await boundAccount(context);
  const { fpOld, fpNew, seq } = offer.certificate;
  const outcome = await store.rotateKey({
    name,
    fpOld,
    fpNew,
    bundleOld: account.bundle,
    bundleNew: encodeBundle(offer.bundle),
    seq,
    certificate: offer.encoded,
    at: Date.now(),
  });
  const details = { from: formatFingerprint(fpOld), to: formatFingerprint(fpNew), seq };
  await audit.record({
    action: "key-rotated",
    name,
    origin: { via: "session", peer },
    result: outcome === "rotated" ? "done" : outcome,
    details,
  });
  if (outcome !== "rotated") {
    log.warn("rotation-refused", { name, peer, why: outcome });
    throw outcome === "used" ? usedBefore() : replaced();
  }
  log.info("key-rotated", { name, peer, ...details });
  return {
    response: { ok: true },
    // Not waited for: this session's own end comes after what it is doing now. An upload that is
    // stored in this moment is still acknowledged, so that nobody sends it again under another key.
    afterwards: () => {
      registry.finishAll(name, "your key was replaced by a new one", LAST_REQUESTS).catch(() => {});
    },
  };
};

function usedBefore(): SealpostError {
  return new SealpostError(
    "format",
    "the new key is or was somebody's; keys that were left never come back",
  );
}
