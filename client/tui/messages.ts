import type { BuiltInFolder, Flag, Folder } from "../../protocol/entry.ts";
import { MAX_UIDS } from "../../protocol/limits.ts";
import type { Item } from "../mailbox/open.ts";
import type { Action } from "./keys.ts";
import type { Host, LastMove } from "./screen.ts";

const FOLDER_NAMES: Readonly<Record<BuiltInFolder, string>> = {
  inbox: "Inbox",
  sent: "Sent",
  archive: "Archive",
  trash: "Trash",
  drafts: "Drafts",
};

/** A folder of the mailbox, or one that is only on this disk. */
export type ListFolder = BuiltInFolder | "outbox";

/** All of them, in the order of their numbers on the keyboard. */
export const LIST_FOLDERS: readonly ListFolder[] = [
  "inbox",
  "sent",
  "archive",
  "trash",
  "drafts",
  "outbox",
];

/** The name of a folder on the screen. */
export function folderName(folder: ListFolder | Folder): string {
  if (typeof folder === "number") return `folder ${folder}`;
  return folder === "outbox" ? "Outbox" : FOLDER_NAMES[folder];
}

/** The actions of {@linkcode organize}. */
const ORGANIZING: readonly Action[] = ["archive", "delete", "undelete", "move", "flag", "unread"];

/** Whether an action archives, deletes, moves, flags or marks messages. */
export function organizes(action: Action): boolean {
  return ORGANIZING.includes(action);
}

/**
 * Archives, deletes, moves, flags or marks messages, or takes that back. False if
 * nothing was done. Throws what the server refuses.
 */
export async function organize(
  host: Host,
  action: Action,
  items: readonly Item[],
): Promise<boolean> {
  if (action === "undelete" && host.lastMove) return await undo(host, host.lastMove);
  if (items.length === 0) return false;
  const all = (flag: Flag) => items.every(({ entry }) => entry.flags.includes(flag));
  switch (action) {
    case "archive":
      return await moveAll(host, items, "archive");
    case "undelete":
      return await moveAll(host, items, "inbox");
    case "move":
      return await chooseFolder(host, items);
    case "delete":
      return await deleteAll(host, items);
    case "flag":
      await flagAll(host, items, "flagged", !all("flagged"));
      return true;
    case "unread":
      await flagAll(host, items, "seen", !all("seen"));
      return true;
    default:
      return false;
  }
}

function count(items: readonly Item[]): string {
  return items.length === 1 ? "The message" : `${items.length} messages`;
}

function* batches(items: readonly Item[]): Generator<number[]> {
  const uids = items.map(({ entry }) => entry.uid);
  for (let i = 0; i < uids.length; i += MAX_UIDS) yield uids.slice(i, i + MAX_UIDS);
}

async function flagAll(
  host: Host,
  items: readonly Item[],
  flag: Flag,
  on: boolean,
): Promise<void> {
  for (const uids of batches(items)) {
    await host.mailbox.flag(uids, on ? [flag] : [], on ? [] : [flag]);
  }
}

async function moveAll(
  host: Host,
  items: readonly Item[],
  folder: BuiltInFolder,
): Promise<boolean> {
  const moved = items.filter(({ entry }) => entry.folder !== folder);
  if (moved.length === 0) {
    host.say(`${count(items)} is in ${folderName(folder)} already.`);
    return false;
  }
  for (const uids of batches(moved)) await host.mailbox.flag(uids, [], [], folder);
  host.lastMove = { from: Map.groupBy(moved, ({ entry }) => entry.folder) };
  host.say(`${count(moved)} moved to ${folderName(folder)}; u takes that back.`);
  return true;
}

/** Moves back what the last action has moved. */
async function undo(host: Host, { from }: LastMove): Promise<true> {
  host.lastMove = null;
  for (const [folder, items] of from) {
    for (const uids of batches(items)) await host.mailbox.flag(uids, [], [], folder);
  }
  const all = [...from.values()].flat();
  const folders = [...from.keys()].map(folderName).join(" and ");
  host.say(`${count(all)} ${all.length === 1 ? "is" : "are"} back in ${folders}.`, "good");
  return true;
}

async function chooseFolder(host: Host, items: readonly Item[]): Promise<boolean> {
  const answer = await host.choose("Move to: (i)nbox, (s)ent, (a)rchive, (t)rash?", "isat");
  const folder = ({ i: "inbox", s: "sent", a: "archive", t: "trash" } as const)[answer ?? ""];
  return folder === undefined ? false : await moveAll(host, items, folder);
}

async function deleteAll(host: Host, items: readonly Item[]): Promise<boolean> {
  const gone = items.filter(({ entry }) => entry.folder === "trash");
  if (gone.length === 0) return await moveAll(host, items, "trash");
  const what = gone.length === 1 ? "this message" : `these ${gone.length} messages`;
  if (await host.choose(`Delete ${what} for good? (y/n)`, "yn") !== "y") return false;
  for (const uids of batches(gone)) await host.mailbox.remove(uids);
  host.say(`${count(gone)} deleted for good.`);
  return true;
}
