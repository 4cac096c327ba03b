import { CHANGE_KINDS, type EntryPlace } from "../../protocol/change.ts";
import { flagsOf, folderOf } from "../../protocol/entry.ts";
import { blob, integer, nullable, type SqlRow, text } from "./statements.ts";
import type { Account, Entry, Flag, FolderState, StoredChange, StoredTicket } from "./store.ts";

// What the rows of both stores mean: their columns have the same names.

/** The account in a row of it and the number of its rotations; null for no row. */
export function accountOf(row: SqlRow | undefined): Account | null {
  if (row === undefined) return null;
  return {
    name: text(row, "name"),
    fullName: nullable(row, "full_name", text),
    since: integer(row, "since"),
    fp: nullable(row, "fp", blob),
    bundle: nullable(row, "bundle", blob),
    boundAt: nullable(row, "bound_at", integer),
    epoch: blob(row, "epoch"),
    nextUid: integer(row, "next_uid"),
    modseq: integer(row, "modseq"),
    seq: integer(row, "seq"),
  };
}

/** The ticket in a row; null for no row. */
export function ticketOf(row: SqlRow | undefined): StoredTicket | null {
  if (row === undefined) return null;
  return {
    id: blob(row, "id"),
    account: text(row, "name"),
    fp: blob(row, "fp"),
    credential: blob(row, "credential"),
    wrapped: blob(row, "wrapped"),
    fullAt: integer(row, "full_at"),
    expires: integer(row, "expires"),
  };
}

function flagsOfRow(row: SqlRow): Flag[] {
  return flagsOf({ low: integer(row, "flags"), high: integer(row, "flags_high") });
}

function placeOf(row: SqlRow): EntryPlace {
  return {
    uid: integer(row, "uid"),
    folder: folderOf(integer(row, "folder")),
    number: integer(row, "number"),
  };
}

/** The change that a row of an entry is, for who knows of the UIDs below `knownUid`. */
export function changeOf(row: SqlRow, knownUid: number): StoredChange {
  const modseq = integer(row, "modseq");
  const place = placeOf(row);
  return place.uid >= knownUid
    ? { kind: "new", modseq, ...place }
    : { kind: "changed", modseq, ...place, flags: flagsOfRow(row) };
}

/** What a change of the past left, in a row. */
export function departureOf(row: SqlRow): StoredChange {
  const modseq = integer(row, "modseq");
  switch (integer(row, "kind")) {
    case CHANGE_KINDS.gone:
      return { kind: "gone", modseq, ...placeOf(row) };
    case CHANGE_KINDS.left:
      return { kind: "left", modseq, ...placeOf(row) };
    default:
      return { kind: "skipped", modseq, from: integer(row, "uid"), to: integer(row, "number") };
  }
}

/** The state of a folder in a row. */
export function folderStateOf(row: SqlRow): FolderState {
  return {
    folder: folderOf(integer(row, "folder")),
    validity: integer(row, "validity"),
    next: integer(row, "next"),
    count: integer(row, "count"),
    unseen: integer(row, "unseen"),
    bytes: integer(row, "bytes"),
    modseq: integer(row, "modseq"),
  };
}

/** The entry in a row of it and its message. */
export function entryOf(row: SqlRow): Entry {
  return {
    ...placeOf(row),
    modseq: integer(row, "modseq"),
    flags: flagsOfRow(row),
    receivedAt: integer(row, "received_at"),
    header: blob(row, "header"),
    stanza: blob(row, "stanza"),
    summary: blob(row, "summary"),
    note: nullable(row, "note", blob),
    bodySize: integer(row, "body_size"),
  };
}
