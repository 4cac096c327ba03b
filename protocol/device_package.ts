import * as v from "valibot";
import {
  type Bytes,
  concat,
  fromBase64,
  fromUtf8,
  isZero,
  readU32,
  toBase64,
  u32,
  utf8,
} from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { padme } from "../crypto/padme.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import { MAX_PACKAGE } from "./limits.ts";
import { headField, nameField, parseJson } from "./schema.ts";
import { decodeRecord, encodeRecord, type SharedRecord } from "./shared_record.ts";

/** Most bundles of a server that a package names, and most retired keys. */
const MAX_BUNDLES = 1000;
const MAX_RETIRED = 1000;
/** Longest key file, characters. */
const MAX_KEY_FILE = 65_536;
/** What an answer or a kit has beside the package, and more, bytes. */
const MARGIN = 4096;

/** A key file that was replaced, under the name of its fingerprint. */
export interface RetiredKeyFile {
  /** The first 4 bytes of the fingerprint, hexadecimal, or more. */
  readonly short: string;
  /** `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY` blocks. */
  readonly pem: string;
}

/** All that another machine of a person needs. */
export interface DevicePackage {
  readonly name: string;
  /** Where the server is reached, best first. */
  readonly servers: readonly Address[];
  /** The server's bundles that the person's machines have ever pinned, the present one last. */
  readonly chain: readonly Bytes[];
  /** The person's bundle, as `encodeBundle` gives it, and the private key file. */
  readonly bundle: Bytes;
  readonly key: string;
  readonly retired: readonly RetiredKeyFile[];
  /** The shared record as the machine knew it, and its highest version on the server. */
  readonly record: SharedRecord;
  readonly seen: number;
  /** The newest head of the server's key log that the machine had (`encodeHead`). */
  readonly head: Bytes;
}

const base64 = v.pipe(v.string(), v.check(isBase64));
const keyFile = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_KEY_FILE));
const schema = v.strictObject({
  version: v.literal(1),
  name: nameField,
  servers: v.pipe(
    v.array(v.pipe(v.string(), v.check(isAddress))),
    v.minLength(1),
    v.maxLength(8),
  ),
  chain: v.pipe(v.array(base64), v.minLength(1), v.maxLength(MAX_BUNDLES)),
  bundle: base64,
  key: keyFile,
  retired: v.pipe(
    v.array(v.strictObject({
      short: v.pipe(v.string(), v.regex(/^[0-9a-f]{8,64}$/)),
      pem: keyFile,
    })),
    v.maxLength(MAX_RETIRED),
  ),
  record: base64,
  seen: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  head: headField,
});

function isBase64(text: string): boolean {
  try {
    fromBase64(text);
    return true;
  } catch {
    return false;
  }
}

function isAddress(text: string): boolean {
  try {
    return formatAddress(parseAddress(text)) === text;
  } catch {
    return false;
  }
}

/**
 * `u32(length) ‖ JSON ‖ zeros`, padded by Padmé: for a box of its own only, it has private keys. Throws
 * `limit` if it does not fit.
 */
export function encodePackage(one: DevicePackage): Bytes {
  const json = utf8(JSON.stringify({
    version: 1,
    name: one.name,
    servers: one.servers.map(formatAddress),
    chain: one.chain.map(toBase64),
    bundle: toBase64(one.bundle),
    key: one.key,
    retired: one.retired,
    record: toBase64(encodeRecord(one.record)),
    seen: one.seen,
    head: toBase64(one.head),
  }));
  const size = padme(4 + json.length);
  if (size + MARGIN > MAX_PACKAGE) {
    throw new SealpostError(
      "limit",
      "your keys and what your machines share do not fit into a package for another machine; remove " +
        "folders or keywords",
    );
  }
  return concat(u32(json.length), json, new Uint8Array(size - 4 - json.length));
}

/** The inverse of {@linkcode encodePackage}. Throws `format`. */
export function decodePackage(padded: Bytes): DevicePackage {
  const length = readU32(padded, 0);
  if (padme(4 + length) !== padded.length || !isZero(padded.subarray(4 + length))) {
    throw new SealpostError("format", "a package with wrong padding");
  }
  const { version: _, ...parts } = parseJson(schema, fromUtf8(padded.slice(4, 4 + length)));
  return {
    ...parts,
    servers: parts.servers.map(parseAddress),
    chain: parts.chain.map(fromBase64),
    bundle: fromBase64(parts.bundle),
    record: decodeRecord(fromBase64(parts.record)),
    head: fromBase64(parts.head),
  };
}
