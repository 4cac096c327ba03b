import { type Bytes, equal, fromBase64, toBase64, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import {
  type Bundle,
  decodeBundle,
  encodeBundle,
  formatFingerprint,
} from "../../crypto/identity.ts";
import { encapsulate } from "../../crypto/kem.ts";
import { RefusedError } from "../../protocol/refused.ts";
import type { Response, RotateBeginRequest } from "../../protocol/request.ts";
import {
  type Certificate,
  decodeCertificate,
  ROTATION_SLACK,
  rotationProof,
  verifyCertificate,
} from "../../protocol/rotation.ts";
import type { AuditLog } from "../observe/audit.ts";
import type { Log } from "../observe/log.ts";
import type { Account, Store } from "../store/store.ts";

/** Most rotations of one account in a day: each is kept for good. */
const MAX_A_DAY = 10;
const DAY = 86_400_000;

/** What taking a rotation needs. */
export interface RotationContext {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly log: Log;
  /** The fingerprint of the server's own key. */
  readonly serverFp: Bytes;
}

/** Whose session it is. */
export interface RotationOwner {
  readonly name: string;
  readonly peer: string;
  /** The fingerprint of the key that the session has proven. */
  readonly fp: Bytes;
  /** The session's exporter; null unless it began with the password. */
  readonly exporter: ((label: string, context: Bytes) => Promise<Bytes>) | null;
}

/** A new key that was offered, and what proves it. */
interface Offer {
  readonly bundle: Bundle;
  readonly certificate: Certificate;
  readonly encoded: Bytes;
  readonly proof: Bytes;
}

/** The rotation of one session's key: offered, then proven. */
export class KeyChange {
  readonly #owner: RotationOwner;
  readonly #context: RotationContext;
  #offer: Offer | null = null;

  constructor(owner: RotationOwner, context: RotationContext) {
    this.#owner = owner;
    this.#context = context;
  }

  /**
   * Checks a new key with its certificate, and encapsulates a secret for it. Throws `login-refused`
   * (the session began with a ticket), `format`, `key-changed` (the key has been replaced already),
   * `limit`.
   */
  async begin(request: RotateBeginRequest): Promise<Response<"rotate-begin">> {
    this.#offer = null;
    const { name, exporter } = this.#owner;
    if (exporter === null) {
      throw new SealpostError(
        "login-refused",
        "a new key is taken only after a login with the password, not with a ticket",
      );
    }
    const encoded = fromBase64(request.certificate);
    const certificate = decodeCertificate(encoded);
    const bundle = await readBundle(request.bundle);
    const account = await this.#account();
    await this.#check(certificate, account, bundle);
    const now = Date.now();
    if (await this.#context.store.countRotations(name, now - DAY) >= MAX_A_DAY) {
      throw new RefusedError("limit", `a key changes at most ${MAX_A_DAY} times a day`, {
        retryAfter: DAY / 1000,
      });
    }
    const { ctRsa, ctMlkem, secret } = await encapsulate(bundle, "rotate");
    const proof = await rotationProof(secret, encoded, exporter);
    wipe(secret);
    this.#offer = { bundle, certificate, encoded, proof };
    return { ok: true, ctRsa: toBase64(ctRsa), ctMlkem: toBase64(ctMlkem) };
  }

  /**
   * Binds the key that was offered, if `proof` is what only its owner can know. There is one attempt
   * for each offer. Throws `format` (nothing was offered, or the proof is wrong), `key-changed`,
   * `disk-full`, `file-io`.
   */
  async commit(proof: Bytes): Promise<void> {
    const offer = this.#offer;
    this.#offer = null;
    const { name, peer } = this.#owner;
    const { store, audit, log } = this.#context;
    if (offer === null) throw new SealpostError("format", "no new key was offered before");
    if (!equal(offer.proof, proof)) {
      log.warn("rotation-refused", { name, peer, why: "proof" });
      throw new SealpostError("format", "the new key was not proven; nothing was changed");
    }
    const account = await this.#account();
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
    const facts = { from: formatFingerprint(fpOld), to: formatFingerprint(fpNew), seq };
    const origin = { via: "session", peer } as const;
    const result = outcome === "rotated" ? "done" : outcome;
    await audit.record({ action: "key-rotated", name, origin, result, details: facts });
    if (outcome !== "rotated") {
      log.warn("rotation-refused", { name, peer, why: outcome });
      throw outcome === "used" ? usedBefore() : replaced();
    }
    log.info("key-rotated", { name, peer, ...facts });
  }

  /** The account, whose key is still the session's. Throws `key-changed`. */
  async #account(): Promise<Account & { readonly bundle: Bytes }> {
    const account = await this.#context.store.account(this.#owner.name);
    const { fp } = this.#owner;
    if (!account?.bundle || !account.fp || !equal(account.fp, fp)) throw replaced();
    return { ...account, bundle: account.bundle };
  }

  async #check(
    certificate: Certificate,
    account: Account & { readonly bundle: Bytes },
    bundle: Bundle,
  ): Promise<void> {
    const wrong = (what: string) => new SealpostError("format", `the certificate ${what}`);
    if (certificate.name !== this.#owner.name) throw wrong("is for another user");
    if (!equal(certificate.serverFp, this.#context.serverFp)) throw wrong("is for another server");
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

function replaced(): SealpostError {
  return new SealpostError("key-changed", "the key of this session is not the account's any more");
}

function usedBefore(): SealpostError {
  return new SealpostError(
    "format",
    "the new key is or was somebody's; keys that were left never come back",
  );
}
