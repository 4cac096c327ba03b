import {
  type Bytes,
  concat,
  equal,
  fromUtf8,
  lp,
  readU32,
  readU64,
  u64,
  utf8,
} from "../crypto/bytes.ts";
import { sign, verify } from "../crypto/ed25519.ts";
import { SealpostError } from "../crypto/error.ts";
import { hmacSha256, sha256 } from "../crypto/hash.ts";
import { type Bundle, decodeBundle, type Identity } from "../crypto/identity.ts";
import { isName } from "./name.ts";

const LABEL = utf8("sealpost/1 rotate");
const SERVER_LABEL = utf8("sealpost/1 server rotate");
const FP_SIZE = 32;
const SIGNATURE_SIZE = 64;
/** What follows the name: server's fp, seq, both fps, time, both signatures. */
const FIXED = FP_SIZE + 8 + 2 * FP_SIZE + 8 + 2 * SIGNATURE_SIZE;

/** Largest certificate, bytes: that of a name of 32 characters. */
export const MAX_CERTIFICATE = 4 + 32 + FIXED;

/** Most links of a chain in one answer: with the largest bundles they fit one JSON. */
export const MAX_LINKS = 16;

/** Most links that a client follows in all. */
export const MAX_CHAIN = 256;

/** How far a certificate's time may be from the server's clock when it is taken, milliseconds. */
export const ROTATION_SLACK = 10 * 60_000;

/** For how long a server answers logins under a key that it has left, milliseconds (90 days). */
export const SERVER_GRACE = 90 * 86_400_000;

/** The exporter's label that binds the proof of a new key to its session. */
export const ROTATION_LABEL = "sealpost/1 rotation";

/** That one key takes the place of another. */
export interface Rotation {
  /** Whose keys they are, canonical; empty for those of the server itself. */
  readonly name: string;
  /** The server at which it is so, by its key; of the server's own, that which is left. */
  readonly serverFp: Bytes;
  /** How many times this key's owner has rotated, with this time: from 1. */
  readonly seq: number;
  readonly fpOld: Bytes;
  readonly fpNew: Bytes;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** A rotation with its two signatures, which nobody has verified yet. */
export interface Certificate extends Rotation {
  readonly signatureOld: Bytes;
  readonly signatureNew: Bytes;
}

/** What both keys sign: `"sealpost/1 rotate"`, or `"sealpost/1 server rotate"`, and {@linkcode body}. */
function signed(rotation: Rotation): Bytes {
  return concat(rotation.name === "" ? SERVER_LABEL : LABEL, body(rotation));
}

/** `LP(name) ‖ server's fp ‖ seq (8) ‖ fp_old ‖ fp_new ‖ time (8)`. */
function body({ name, serverFp, seq, fpOld, fpNew, time }: Rotation): Bytes {
  return concat(lp(utf8(name)), serverFp, u64(seq), fpOld, fpNew, u64(time));
}

/**
 * A certificate: `LP(name) ‖ server's fp (32) ‖ seq (8) ‖ fp_old (32) ‖ fp_new (32) ‖ time (8) ‖
 * signature by the old key (64) ‖ signature by the new key (64)`, both over `"sealpost/1 rotate" ‖` all
 * before them. 245 to 276 bytes.
 */
export async function certify(
  rotation: Omit<Rotation, "fpOld" | "fpNew">,
  from: Identity,
  to: Identity,
): Promise<Bytes> {
  const whole = { ...rotation, fpOld: from.bundle.fp, fpNew: to.bundle.fp };
  const message = signed(whole);
  return concat(
    body(whole),
    await sign(from.ed25519Key, message),
    await sign(to.ed25519Key, message),
  );
}

/** {@linkcode certify} for the server's own keys: an empty name, and the key that is left for the server's. */
export function certifyServer(
  { seq, time }: Pick<Rotation, "seq" | "time">,
  from: Identity,
  to: Identity,
): Promise<Bytes> {
  return certify({ name: "", serverFp: from.bundle.fp, seq, time }, from, to);
}

/** Takes a person's certificate apart; verifies nothing. Throws `format`. */
export function decodeCertificate(bytes: Bytes): Certificate {
  const certificate = decodeAny(bytes);
  if (isName(certificate.name)) return certificate;
  throw new SealpostError("format", "a certificate for what is no name");
}

/** Takes a certificate of the server's own keys apart, 244 bytes; verifies nothing. Throws `format`. */
export function decodeServerCertificate(bytes: Bytes): Certificate {
  const certificate = decodeAny(bytes);
  if (certificate.name === "" && equal(certificate.serverFp, certificate.fpOld)) return certificate;
  throw new SealpostError("format", "a certificate that is not of a server's own keys");
}

function decodeAny(bytes: Bytes): Certificate {
  const size = readU32(bytes, 0);
  if (size > 32 || bytes.length !== 4 + size + FIXED) {
    throw new SealpostError("format", "a certificate of the wrong size");
  }
  let at = 4;
  const take = (length: number) => bytes.slice(at, at += length);
  const name = fromUtf8(take(size));
  const serverFp = take(FP_SIZE);
  const seq = readU64(take(8), 0);
  const fpOld = take(FP_SIZE);
  const fpNew = take(FP_SIZE);
  const time = readU64(take(8), 0);
  if (seq < 1) throw new SealpostError("format", "a certificate without a number");
  if (equal(fpOld, fpNew)) throw new SealpostError("format", "a certificate from a key to itself");
  const signatureOld = take(SIGNATURE_SIZE);
  const signatureNew = take(SIGNATURE_SIZE);
  return { name, serverFp, seq, fpOld, fpNew, time, signatureOld, signatureNew };
}

/** Throws `authentication` unless `certificate` is from `from` to `to` and both have signed it. */
export async function verifyCertificate(
  certificate: Certificate,
  from: Bundle,
  to: Bundle,
): Promise<void> {
  if (!equal(certificate.fpOld, from.fp) || !equal(certificate.fpNew, to.fp)) {
    throw new SealpostError("authentication", "the certificate is about other keys");
  }
  const message = signed(certificate);
  if (!await verify(from.ed25519Key, certificate.signatureOld, message)) {
    throw new SealpostError("authentication", "the old key did not sign the certificate");
  }
  if (!await verify(to.ed25519Key, certificate.signatureNew, message)) {
    throw new SealpostError("authentication", "the new key did not sign the certificate");
  }
}

/** One link of a chain as a server gives it: a certificate, and the bundle that it leads away from. */
export interface ChainLink {
  readonly certificate: Bytes;
  readonly bundle: Bytes;
}

/** A key of somebody, and how many rotations led to it. */
export interface ChainKey {
  readonly bundle: Bundle;
  readonly seq: number;
}

/** A key that a chain leads away from. */
export interface ReplacedChainKey extends ChainKey {
  /** When it was left, as both keys have signed, milliseconds since 1970. */
  readonly time: number;
}

/** Whose chain it is, and at which server. */
export interface ChainOf {
  readonly name: string;
  /** The fingerprints of the server's key, the present one and those it had. */
  readonly serverFps: readonly Bytes[];
  /** Keys of that person that were left before: a chain that leads to one is refused. */
  readonly retired: readonly Bytes[];
}

/** The keys that a chain leaves, in their order, and where it ends. */
export interface FollowedChain {
  readonly left: readonly ReplacedChainKey[];
  readonly now: ChainKey;
}

/**
 * Follows a chain from `start` to the key `end`, link by link: each is about this name and this server,
 * begins at the key and the number where the one before ended, leads to a key that was never left, and
 * is signed by both. Returns the keys that are left, in their order, and where it ends. Throws
 * `authentication` (also for no links at all), `format`, `key-format`, `limit`.
 */
export async function followChain(
  { name, serverFps, retired }: ChainOf,
  start: ChainKey,
  links: readonly ChainLink[],
  end: Bundle,
): Promise<FollowedChain> {
  return await follow(links, start, end, retired, (link) => {
    const certificate = decodeCertificate(link);
    if (certificate.name !== name) throw foreign("another name");
    if (serverFps.some((fp) => equal(fp, certificate.serverFp))) return certificate;
    throw foreign("another server");
  });
}

/**
 * {@linkcode followChain} for the server's own keys, from `start`, of which the number need not be known
 * (null): the first link says it.
 */
export async function followServerChain(
  start: { readonly bundle: Bundle; readonly seq: number | null },
  links: readonly ChainLink[],
  end: Bundle,
  retired: readonly Bytes[] = [],
): Promise<FollowedChain> {
  const first = links[0];
  const seq = start.seq ?? (first ? decodeServerCertificate(first.certificate).seq - 1 : 0);
  return await follow(links, { ...start, seq }, end, retired, decodeServerCertificate);
}

async function follow(
  links: readonly ChainLink[],
  start: ChainKey,
  end: Bundle,
  retired: readonly Bytes[],
  decode: (certificate: Bytes) => Certificate,
): Promise<FollowedChain> {
  if (links.length > MAX_CHAIN) {
    throw new SealpostError("limit", `a chain of more than ${MAX_CHAIN} certificates`);
  }
  if (links.length === 0) throw new SealpostError("authentication", "there is no certificate");
  const left: ReplacedChainKey[] = [];
  let now = start;
  for (const [i, link] of links.entries()) {
    const certificate = decode(link.certificate);
    const following = links[i + 1];
    const next = following === undefined ? end : await decodeBundle(following.bundle);
    if (certificate.seq !== now.seq + 1) {
      throw foreign(`the number ${certificate.seq} in the place of ${now.seq + 1}`);
    }
    const gone = [...retired, ...left.map(({ bundle }) => bundle.fp), now.bundle.fp];
    if (gone.some((fp) => equal(fp, certificate.fpNew))) {
      throw foreign("a key that was left before");
    }
    await verifyCertificate(certificate, now.bundle, next);
    left.push({ ...now, time: certificate.time });
    now = { bundle: next, seq: certificate.seq };
  }
  return { left, now };
}

function foreign(what: string): SealpostError {
  return new SealpostError("authentication", `the certificate is for ${what}`);
}

/**
 * What proves that whoever sent `certificate` has the private encryption keys of its new bundle:
 * HMAC-SHA-256 with the secret that the server encapsulated for them (use `rotate`), over
 * `exported ‖ SHA-256(certificate)`; `exported` is the session's
 * `exporter("sealpost/1 rotation", SHA-256(certificate))`. 32 bytes.
 */
export async function rotationProof(
  secret: Bytes,
  certificate: Bytes,
  exporter: (label: string, context: Bytes) => Promise<Bytes>,
): Promise<Bytes> {
  const digest = await sha256(certificate);
  return await hmacSha256(secret, concat(await exporter(ROTATION_LABEL, digest), digest));
}
