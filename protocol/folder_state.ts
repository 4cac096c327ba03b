import { type Bytes, concat, readU32, readU64, u32, u64 } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { type Folder, folderNumber, folderOf } from "./entry.ts";

/** Size of an encoded {@linkcode FolderState}, bytes. */
export const FOLDER_STATE_SIZE = 40;

/** What a mailbox says of one of its folders. */
export interface FolderState {
  readonly folder: Folder;
  /** Numbers of the folder mean something under the same validity only; u32, only grows. */
  readonly validity: number;
  /** The number that the next entry gets, from 1; u32. */
  readonly next: number;
  /** How many entries there are, and how many of them are not `seen`. */
  readonly count: number;
  readonly unseen: number;
  /** Stored bytes of the entries. */
  readonly bytes: number;
  /** The modification sequence of its last change, departures included; 0 before the first. */
  readonly modseq: number;
}

/** `folder (4) ‖ validity (4) ‖ next (4) ‖ count (4) ‖ unseen (4) ‖ 0 (4) ‖ bytes (8) ‖ modseq (8)`. */
export function encodeFolderState(state: FolderState): Bytes {
  return concat(
    u32(folderNumber(state.folder)),
    u32(state.validity),
    u32(state.next),
    u32(state.count),
    u32(state.unseen),
    u32(0),
    u64(state.bytes),
    u64(state.modseq),
  );
}

/** The inverse of {@linkcode encodeFolderState}. Throws `format`. */
export function decodeFolderState(bytes: Bytes): FolderState {
  const state = {
    folder: folderOf(readU32(bytes, 0)),
    validity: readU32(bytes, 4),
    next: readU32(bytes, 8),
    count: readU32(bytes, 12),
    unseen: readU32(bytes, 16),
    bytes: readU64(bytes, 24),
    modseq: readU64(bytes, 32),
  };
  const { validity, next, count, unseen } = state;
  if (
    bytes.length !== FOLDER_STATE_SIZE || readU32(bytes, 20) !== 0 || validity < 1 || next < 1 ||
    count >= next || unseen > count
  ) throw new SealpostError("format", "a malformed state of a folder");
  return state;
}
