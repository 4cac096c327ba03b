import { type Bytes, concat, readU32, readU64, u32, u64 } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import {
  decodeEntry,
  decodeFlags,
  encodeEntry,
  encodeFlags,
  type Entry,
  type Flag,
  type Folder,
  folderNumber,
  folderOf,
} from "./entry.ts";

/** Where an entry is, or was. */
export interface EntryPlace {
  readonly uid: number;
  readonly folder: Folder;
  /** Its number in the folder, from 1. */
  readonly number: number;
}

/**
 * One change of a mailbox (PROTOCOL.md, 10.13). `new`: an entry that came since; `changed`: flags or
 * folder of one that was there; `gone`: one that was removed for good; `left`: a place that a move
 * left; `skipped`: UIDs that were never given. An entry appears once, with its last change.
 */
export type MailboxChange =
  | { readonly kind: "new"; readonly modseq: number; readonly entry: Entry }
  | {
    readonly kind: "changed";
    readonly modseq: number;
    readonly flags: readonly Flag[];
  } & EntryPlace
  | { readonly kind: "gone"; readonly modseq: number } & EntryPlace
  | { readonly kind: "left"; readonly modseq: number } & EntryPlace
  | {
    readonly kind: "skipped";
    readonly modseq: number;
    /** The first and the last of them. */
    readonly from: number;
    readonly to: number;
  };

/** Kinds of changes, by their code on the wire and in the store. */
export const CHANGE_KINDS = { new: 1, changed: 2, gone: 3, left: 4, skipped: 5 } as const;

const HEAD = 9;
const PLACE = 16;

/**
 * `kind (1) ‖ modseq (8)`, and then: `new`, the entry; `changed`, `uid (8) ‖ folder (4) ‖ number (4) ‖
 * flags (8)`; `gone` and `left`, `uid (8) ‖ folder (4) ‖ number (4)`; `skipped`, `from (8) ‖ to (8)`.
 */
export function encodeChange(change: MailboxChange): Bytes {
  const head = concat(new Uint8Array([CHANGE_KINDS[change.kind]]), u64(change.modseq));
  switch (change.kind) {
    case "new":
      return concat(head, encodeEntry(change.entry));
    case "changed":
      return concat(head, encodePlace(change), encodeFlags(change.flags));
    case "gone":
    case "left":
      return concat(head, encodePlace(change));
    case "skipped":
      return concat(head, u64(change.from), u64(change.to));
  }
}

/** The inverse of {@linkcode encodeChange}. Throws `format`. */
export function decodeChange(bytes: Bytes): MailboxChange {
  const modseq = readU64(bytes, 1);
  if (modseq < 1) throw malformed();
  switch (bytes[0]) {
    case CHANGE_KINDS.new: {
      const entry = decodeEntry(bytes.slice(HEAD));
      if (entry.modseq !== modseq) throw malformed();
      return { kind: "new", modseq, entry };
    }
    case CHANGE_KINDS.changed:
      requireSize(bytes, HEAD + PLACE + 8);
      return {
        kind: "changed",
        modseq,
        ...decodePlace(bytes),
        flags: decodeFlags(bytes, HEAD + PLACE),
      };
    case CHANGE_KINDS.gone:
    case CHANGE_KINDS.left:
      requireSize(bytes, HEAD + PLACE);
      return {
        kind: bytes[0] === CHANGE_KINDS.gone ? "gone" : "left",
        modseq,
        ...decodePlace(bytes),
      };
    case CHANGE_KINDS.skipped: {
      requireSize(bytes, HEAD + PLACE);
      const [from, to] = [readU64(bytes, HEAD), readU64(bytes, HEAD + 8)];
      if (from < 1 || to < from) throw malformed();
      return { kind: "skipped", modseq, from, to };
    }
    default:
      throw malformed();
  }
}

function encodePlace({ uid, folder, number }: EntryPlace): Bytes {
  return concat(u64(uid), u32(folderNumber(folder)), u32(number));
}

function decodePlace(bytes: Bytes): EntryPlace {
  const place = {
    uid: readU64(bytes, HEAD),
    folder: folderOf(readU32(bytes, HEAD + 8)),
    number: readU32(bytes, HEAD + 12),
  };
  if (place.uid < 1 || place.number < 1) throw malformed();
  return place;
}

function requireSize(bytes: Bytes, size: number): void {
  if (bytes.length !== size) throw malformed();
}

function malformed(): SealpostError {
  return new SealpostError("format", "a malformed change of a mailbox");
}
