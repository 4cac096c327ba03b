import { type Bytes, concat, lp, readU32, readU64, u64 } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { HEADER_SIZE } from "./header.ts";

/** The folders of a mailbox, in the order of their code on the wire and in the store. */
export const FOLDERS = ["inbox", "sent", "archive", "trash"] as const;
export type Folder = typeof FOLDERS[number];

/** The flags of an entry, in the order of their bit, lowest first. */
export const FLAGS = ["seen", "answered", "flagged"] as const;
export type Flag = typeof FLAGS[number];

/** An entry of a mailbox, without the body. */
export interface Entry {
  /** Only grows within a mailbox; from 1. */
  readonly uid: number;
  readonly folder: Folder;
  readonly flags: readonly Flag[];
  /** When the server stored it, milliseconds since 1970. */
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

/** The bit mask of `flags`. */
export function flagBits(flags: readonly Flag[]): number {
  let bits = 0;
  for (const flag of flags) bits |= 1 << FLAGS.indexOf(flag);
  return bits;
}

/** The flags of a bit mask. */
export function flagsOf(bits: number): Flag[] {
  return FLAGS.filter((_, i) => bits & (1 << i));
}

const FIXED = 8 + 8 + 8 + 1 + 1 + HEADER_SIZE;

/**
 * An entry as `list` and `fetch` send it:
 * `uid (8) ‖ received (8) ‖ body size (8) ‖ folder (1) ‖ flags (1) ‖ header (81) ‖ LP(stanza) ‖
 * LP(summary) ‖ LP(note, empty if there is none)`.
 */
export function encodeEntry(entry: Entry): Bytes {
  return concat(
    u64(entry.uid),
    u64(entry.receivedAt),
    u64(entry.bodySize),
    new Uint8Array([FOLDERS.indexOf(entry.folder), flagBits(entry.flags)]),
    entry.header,
    lp(entry.stanza),
    lp(entry.summary),
    lp(entry.note ?? new Uint8Array(0)),
  );
}

/** The inverse of {@linkcode encodeEntry}. Throws `format`. */
export function decodeEntry(bytes: Bytes): Entry {
  const folder = FOLDERS[bytes[24] ?? -1];
  const bits = bytes[25] ?? -1;
  if (folder === undefined || bits < 0 || bits >= 1 << FLAGS.length) {
    throw new SealpostError("format", "a malformed mailbox entry");
  }
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
    receivedAt: readU64(bytes, 8),
    bodySize: readU64(bytes, 16),
    folder,
    flags: flagsOf(bits),
    header: bytes.slice(26, FIXED),
    stanza: part(),
    summary: part(),
    note: part(),
  };
  if (at !== bytes.length || entry.uid < 1) {
    throw new SealpostError("format", "a malformed mailbox entry");
  }
  return entry.note?.length === 0 ? { ...entry, note: null } : entry;
}
