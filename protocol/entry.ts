import { type Bytes, concat, lp, readU32, readU64, u32, u64 } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { HEADER_SIZE } from "./header.ts";

/** The folders that every mailbox has, in the order of their number on the wire and in the store. */
export const BUILT_IN_FOLDERS = ["inbox", "sent", "archive", "trash", "drafts"] as const;
export type BuiltInFolder = typeof BUILT_IN_FOLDERS[number];

/** The lowest number of a folder of a person's own. */
export const FIRST_OWN_FOLDER = 16;

/** The highest number of a folder. */
export const MAX_FOLDER = 0xffff_ffff;

/**
 * A folder: one that every mailbox has, by its name; or one of a person's own, by its number from
 * {@linkcode FIRST_OWN_FOLDER} on. What that is called is sealed to its owner.
 */
export type Folder = BuiltInFolder | number;

/** The flags that mean the same to everybody, in the order of their bit, lowest first. */
export const NAMED_FLAGS = ["seen", "answered", "flagged", "forwarded"] as const;
export type NamedFlag = typeof NAMED_FLAGS[number];

/** The lowest bit of a keyword of a person's own. */
export const FIRST_KEYWORD = 4;

/** The highest bit of a keyword: 59 are a person's own. */
export const LAST_KEYWORD = 62;

/** A flag: by its name; or a keyword of a person's own, by its bit, 4 to 62. */
export type Flag = NamedFlag | number;

/** An entry of a mailbox, without the body. */
export interface Entry {
  /** Only grows within a mailbox; from 1. Stays when the entry moves. */
  readonly uid: number;
  /** The mailbox's modification sequence when the entry changed last, from 1. */
  readonly modseq: number;
  readonly folder: Folder;
  /** Its number in the folder: only grows there, from 1; another one after each move. */
  readonly number: number;
  /** In the order of their bits. */
  readonly flags: readonly Flag[];
  /** When the server stored it, or what `append` said, milliseconds since 1970. */
  readonly receivedAt: number;
  /** The fixed header, {@linkcode HEADER_SIZE} bytes. */
  readonly header: Bytes;
  /** This mailbox's stanza. */
  readonly stanza: Bytes;
  /** The sealed summary. */
  readonly summary: Bytes;
  /** The sealed note of the sender's own copy, else null. */
  readonly note: Bytes | null;
  /** Size of the sealed body, bytes. */
  readonly bodySize: number;
}

/** The number of a folder, u32. */
export function folderNumber(folder: Folder): number {
  return typeof folder === "number" ? folder : BUILT_IN_FOLDERS.indexOf(folder);
}

/** The folder with a number. Throws `format` for a number that no folder has. */
export function folderOf(number: number): Folder {
  const builtIn = BUILT_IN_FOLDERS[number];
  if (builtIn !== undefined) return builtIn;
  if (number >= FIRST_OWN_FOLDER && number <= MAX_FOLDER) return number;
  throw new SealpostError("format", `there is no folder ${number}`);
}

/** The bits of flags: 0 to 31 in `low`, 32 to 62 in `high`, both unsigned. */
export interface FlagBits {
  readonly low: number;
  readonly high: number;
}

/** The bits of `flags`. */
export function flagBits(flags: readonly Flag[]): FlagBits {
  let [low, high] = [0, 0];
  for (const flag of flags) {
    const bit = typeof flag === "number" ? flag : NAMED_FLAGS.indexOf(flag);
    if (bit < 32) low |= 1 << bit;
    else high |= 1 << (bit - 32);
  }
  return { low: low >>> 0, high: high >>> 0 };
}

/** The flags of bits, in their order. Throws `format` if bit 63 is set. */
export function flagsOf({ low, high }: FlagBits): Flag[] {
  if (high >>> 31 === 1) throw new SealpostError("format", "a flag that nobody has");
  const flags: Flag[] = NAMED_FLAGS.filter((_, bit) => low >>> bit & 1);
  for (let bit = FIRST_KEYWORD; bit <= LAST_KEYWORD; bit++) {
    if ((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1) flags.push(bit);
  }
  return flags;
}

/** `high (4) ‖ low (4)`: the flags as one u64. */
export function encodeFlags(flags: readonly Flag[]): Bytes {
  const { low, high } = flagBits(flags);
  return concat(u32(high), u32(low));
}

/** The flags at `at`. Throws `format`. */
export function decodeFlags(bytes: Bytes, at: number): Flag[] {
  return flagsOf({ high: readU32(bytes, at), low: readU32(bytes, at + 4) });
}

const FIXED = 48 + HEADER_SIZE;

/**
 * An entry as `list`, `fetch` and `changes` send it:
 * `uid (8) ‖ modseq (8) ‖ received (8) ‖ body size (8) ‖ folder (4) ‖ number (4) ‖ flags (8) ‖
 * header (81) ‖ LP(stanza) ‖ LP(summary) ‖ LP(note, empty if there is none)`.
 */
export function encodeEntry(entry: Entry): Bytes {
  return concat(
    u64(entry.uid),
    u64(entry.modseq),
    u64(entry.receivedAt),
    u64(entry.bodySize),
    u32(folderNumber(entry.folder)),
    u32(entry.number),
    encodeFlags(entry.flags),
    entry.header,
    lp(entry.stanza),
    lp(entry.summary),
    lp(entry.note ?? new Uint8Array(0)),
  );
}

/** The inverse of {@linkcode encodeEntry}. Throws `format`. */
export function decodeEntry(bytes: Bytes): Entry {
  if (bytes.length < FIXED) throw new SealpostError("format", "a mailbox entry that is cut");
  let at = FIXED;
  const part = () => {
    const length = readU32(bytes, at);
    if (at + 4 + length > bytes.length) {
      throw new SealpostError("format", "a mailbox entry that is cut");
    }
    const value = bytes.slice(at + 4, at + 4 + length);
    at += 4 + length;
    return value;
  };
  const entry: Entry = {
    uid: readU64(bytes, 0),
    modseq: readU64(bytes, 8),
    receivedAt: readU64(bytes, 16),
    bodySize: readU64(bytes, 24),
    folder: folderOf(readU32(bytes, 32)),
    number: readU32(bytes, 36),
    flags: decodeFlags(bytes, 40),
    header: bytes.slice(48, FIXED),
    stanza: part(),
    summary: part(),
    note: part(),
  };
  if (at !== bytes.length || entry.uid < 1 || entry.modseq < 1 || entry.number < 1) {
    throw new SealpostError("format", "a malformed mailbox entry");
  }
  return entry.note?.length === 0 ? { ...entry, note: null } : entry;
}
