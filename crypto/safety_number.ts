import { createHash } from "node:crypto";
import { type Bytes, concat, equal, lp, utf8 } from "./bytes.ts";
import { SealpostError } from "./error.ts";

const LABEL = "sealpost/1 safety number";
/** How often SHA-512 is repeated, as Signal does: each guess at a colliding key costs as much. */
const ROUNDS = 5200;
/** Bytes of a digest that become digits: six groups of five. */
const DIGIT_BYTES = 30;
/** Bytes of a digest in the text that a machine compares. */
const TEXT_BYTES = 32;
const PREFIX = "SEALPOST1:";
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A name and the fingerprint, 32 bytes, that is held to be its. */
export interface NamedKey {
  readonly name: string;
  readonly fp: Bytes;
}

/** What two people compare to know that each has the other's key. */
export interface SafetyNumber {
  /** Twelve groups of five digits: the same on both sides. */
  readonly groups: readonly string[];
  /**
   * What this side shows to a machine: `SEALPOST1:` and 103 characters of base32, all of them
   * alphanumeric in the sense of QR codes.
   */
  readonly shown: string;
  /** What the other side shows if it holds the same two keys. */
  readonly expected: string;
}

/**
 * The safety number of two people. Of each, `d = h(5200)` with `h(0) = "sealpost/1 safety number" ‖
 * LP(name) ‖ fp` and `h(i) = SHA-512(h(i-1) ‖ fp)`. Each group is five bytes of a `d`, as a
 * big-endian integer modulo 100,000; the smaller of the two halves of 30 digits comes first. The
 * text is the first 32 bytes of the `d` of whoever shows it, then of the other's, in base32 (RFC
 * 4648, section 6) without padding. Throws `usage` for two of the same name.
 */
export function safetyNumber(own: NamedKey, other: NamedKey): SafetyNumber {
  if (own.name === other.name) {
    throw new SealpostError("usage", "a key is compared with that of somebody else");
  }
  const [mine, theirs] = [digest(own), digest(other)];
  const halves = [mine, theirs].map(groupsOf).sort((a, b) => a.join("") < b.join("") ? -1 : 1);
  const text = (first: Bytes, second: Bytes) => {
    return PREFIX + base32(concat(first.subarray(0, TEXT_BYTES), second.subarray(0, TEXT_BYTES)));
  };
  return { groups: halves.flat(), shown: text(mine, theirs), expected: text(theirs, mine) };
}

/**
 * Whether `text`, which the other side showed, is what it has to be; white space in it is passed
 * over. Throws `format` for what no client shows, and `usage` for what this side shows itself.
 */
export function matchesSafetyNumber(number: SafetyNumber, text: string): boolean {
  const given = text.replace(/\s+/g, "");
  if (!/^SEALPOST1:[A-Z2-7]{103}$/.test(given)) {
    throw new SealpostError(
      "format",
      `that is not the text of a code: it begins with ${PREFIX} and has 113 characters`,
    );
  }
  if (equal(utf8(given), utf8(number.shown))) {
    throw new SealpostError(
      "usage",
      "that is the text that you show yourself; take the one from the other's screen",
    );
  }
  return equal(utf8(given), utf8(number.expected));
}

function digest({ name, fp }: NamedKey): Bytes {
  let hash = concat(utf8(LABEL), lp(utf8(name)), fp);
  // Not crypto.subtle, whose every call crosses threads: this is twenty times as fast.
  for (let i = 0; i < ROUNDS; i++) {
    hash = new Uint8Array(createHash("sha512").update(hash).update(fp).digest());
  }
  return hash;
}

function groupsOf(digest: Bytes): string[] {
  const groups: string[] = [];
  for (let at = 0; at < DIGIT_BYTES; at += 5) {
    let value = 0;
    for (const byte of digest.subarray(at, at + 5)) value = value * 256 + byte;
    groups.push(String(value % 100_000).padStart(5, "0"));
  }
  return groups;
}

function base32(bytes: Bytes): string {
  let out = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += BASE32[(held >>> bits) & 31] ?? "";
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? out : out + (BASE32[(held << (5 - bits)) & 31] ?? "");
}
