import { type Bytes, equal, fromBase64, toBase64, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Bundle, decodeBundle } from "../../crypto/identity.ts";
import { encapsulate } from "../../crypto/kem.ts";
import { RefusedError } from "../../protocol/refused.ts";
import {
  type Certificate,
  decodeCertificate,
  ROTATION_SLACK,
  rotationProof,
  verifyCertificate,
} from "../../protocol/rotation.ts";
import type { Account } from "../store/store.ts";
import { ownAccount } from "./own_account.ts";
import type { Handler, RequestContext } from "./request_context.ts";

/** Most rotations of one account in a day: each is kept for good. */
const MAX_A_DAY = 10;
const DAY = 86_400_000;

/**
 * Checks a new key with its certificate, and encapsulates a secret for it, which `rotate` has to prove.
 * Throws `login-refused` (the session began with a ticket), `format`, `key-changed` (the key has been
 * replaced already), `limit`.
 */
export const handleRotateBegin: Handler<"rotate-begin"> = async (request, context) => {
  const { session, store } = context;
  session.rotationOffer = null;
  if (session.exporter === null) {
    throw new SealpostError(
      "login-refused",
      "a new key is taken only after a login with the password, not with a ticket",
    );
  }
  const encoded = fromBase64(request.certificate);
  const certificate = decodeCertificate(encoded);
  const bundle = await readBundle(request.bundle);
  await checkCertificate(certificate, bundle, context);
  const now = Date.now();
  if (await store.countRotations(session.name, now - DAY) >= MAX_A_DAY) {
    throw new RefusedError("limit", `a key changes at most ${MAX_A_DAY} times a day`, {
      retryAfter: DAY / 1000,
    });
  }
  const { ctRsa, ctMlkem, secret } = await encapsulate(bundle, "rotate");
  const proof = await rotationProof(secret, encoded, session.exporter);
  wipe(secret);
  session.rotationOffer = { bundle, certificate, encoded, proof };
  return { response: { ok: true, ctRsa: toBase64(ctRsa), ctMlkem: toBase64(ctMlkem) } };
};

async function checkCertificate(
  certificate: Certificate,
  bundle: Bundle,
  context: RequestContext,
): Promise<void> {
  const account = await boundAccount(context);
  const wrong = (what: string) => new SealpostError("format", `the certificate ${what}`);
  if (certificate.name !== context.session.name) throw wrong("is for another user");
  if (!equal(certificate.serverFp, context.serverFp)) throw wrong("is for another server");
  if (certificate.seq !== account.seq + 1) throw wrong(`does not have number ${account.seq + 1}`);
  if (Math.abs(Date.now() - certificate.time) > ROTATION_SLACK) {
    throw new SealpostError(
      "limit",
      "the certificate is from another time than the server's clock shows; " +
        "check this computer's date and try again",
    );
  }
  try {
    await verifyCertificate(certificate, await decodeBundle(account.bundle), bundle);
  } catch (cause) {
    if (!isSealpostError(cause, "authentication")) throw cause;
    throw new SealpostError("format", cause.message, { cause });
  }
}

/** The session's account, which the session's key is still bound to. Throws `key-changed`. */
export async function boundAccount(
  context: RequestContext,
): Promise<Account & { readonly bundle: Bytes }> {
  const account = await ownAccount(context);
  const { bundle, fp } = account;
  if (!bundle || !fp || !equal(fp, context.session.fp)) throw replaced();
  return { ...account, bundle };
}

/** The error for a key that is not the account's any more. */
export function replaced(): SealpostError {
  return new SealpostError("key-changed", "the key of this session is not the account's any more");
}

/** A bundle in base64. A client may see no other code than `format` for it. */
async function readBundle(text: string): Promise<Bundle> {
  try {
    return await decodeBundle(fromBase64(text));
  } catch (cause) {
    if (!isSealpostError(cause, "key-format")) throw cause;
    throw new SealpostError("format", `the new key: ${cause.message}`, { cause });
  }
}
