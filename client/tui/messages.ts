import { printable } from "../../cli/printable.ts";
import { SealpostError } from "../../crypto/error.ts";
import {
  BUILT_IN_FOLDERS,
  type BuiltInFolder,
  type Flag,
  type Folder,
} from "../../protocol/entry.ts";
import { MAX_UIDS } from "../../protocol/limits.ts";
import { FLAG_WORDS, type OwnNames } from "../mailbox/own_names.ts";
import type { Item } from "../mailbox/open.ts";
import { completeWord } from "./complete.ts";
import type { Action } from "./keys.ts";
import type { Host, LastMove } from "./screen.ts";

const FOLDER_NAMES: Readonly<Record<BuiltInFolder, string>> = {
  inbox: "Inbox",
  sent: "Sent",
  archive: "Archive",
  trash: "Trash",
  drafts: "Drafts",
};

/** A folder of the mailbox, or the outbox, which is only on this disk. */
export type ListFolder = Folder | "outbox";

/** Those that everybody has, in the order of their numbers on the keyboard. */
export const NUMBERED_FOLDERS: readonly (BuiltInFolder | "outbox")[] = [
  ...BUILT_IN_FOLDERS,
  "outbox",
];

/** All folders: those with numbers on the keyboard, then the person's own in the order of their names. */
export function listFolders({ names, mailbox }: Pick<Host, "names" | "mailbox">): ListFolder[] {
  const own = names.folders.map(({ number }) => number);
  // Another machine may have removed the name while a message went there.
  const unnamed = mailbox.folders().filter((folder): folder is number => {
    return typeof folder === "number" && !own.includes(folder);
  });
  return [...NUMBERED_FOLDERS, ...own, ...unnamed];
}

/** The name of a folder on the screen, safe to print. */
export function folderName(folder: ListFolder, names: OwnNames): string {
  if (typeof folder === "number") return printable(names.folderName(folder));
  return folder === "outbox" ? "Outbox" : FOLDER_NAMES[folder];
}

/**
 * Asks for a folder of the mailbox, by its name or a beginning that no other has; Tab completes.
 * Undefined if the person leaves the question, null if they name none. Throws `usage` if several
 * begin so.
 */
export async function askForFolder(
  host: Host,
  question: string,
): Promise<Folder | null | undefined> {
  const words = [...BUILT_IN_FOLDERS, ...host.names.folders.map(({ shown }) => shown)];
  const answer = (await host.input(question, {
    complete: (text) => Promise.resolve(completeWord(text, words)),
  }))?.trim();
  if (answer === undefined) return undefined;
  if (answer === "") return null;
  const { names } = host;
  const folder = names.findFolder(answer) ?? names.findFolder(theOneThatBegins(answer, words));
  if (folder !== null) return folder;
  if (!await agreesToMake(host, "folder", answer)) return undefined;
  const made = await host.mail.makeFolder(answer);
  await host.reloadNames();
  return made;
}

/** The only one of `words` that begins with `text`, else `text`. Throws `usage` if several do. */
function theOneThatBegins(text: string, words: readonly string[]): string {
  const { choices } = completeWord(text, words);
  if (choices.length > 1) {
    throw new SealpostError("usage", `several begin so: ${choices.slice(0, 10).join(", ")}`);
  }
  return choices[0] ?? text;
}

async function agreesToMake(
  host: Host,
  kind: "folder" | "keyword",
  name: string,
): Promise<boolean> {
  const question = `There is no ${kind} ${printable(JSON.stringify(name))}. Make it? (y/n)`;
  return await host.choose(question, "yn") === "y";
}

/** The actions of {@linkcode organize}. */
const ORGANIZING: readonly Action[] = [
  "archive",
  "delete",
  "undelete",
  "move",
  "flag",
  "unread",
  "keyword",
];

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
    case "keyword":
      return await chooseKeyword(host, items);
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
  folder: Folder,
): Promise<boolean> {
  const moved = items.filter(({ entry }) => entry.folder !== folder);
  if (moved.length === 0) {
    host.say(`${count(items)} is in ${folderName(folder, host.names)} already.`);
    return false;
  }
  for (const uids of batches(moved)) await host.mailbox.flag(uids, [], [], folder);
  host.lastMove = { from: Map.groupBy(moved, ({ entry }) => entry.folder) };
  host.say(`${count(moved)} moved to ${folderName(folder, host.names)}; u takes that back.`);
  return true;
}

/** Moves back what the last action has moved. */
async function undo(host: Host, { from }: LastMove): Promise<true> {
  host.lastMove = null;
  for (const [folder, items] of from) {
    for (const uids of batches(items)) await host.mailbox.flag(uids, [], [], folder);
  }
  const all = [...from.values()].flat();
  const folders = [...from.keys()].map((folder) => folderName(folder, host.names)).join(" and ");
  host.say(`${count(all)} ${all.length === 1 ? "is" : "are"} back in ${folders}.`, "good");
  return true;
}

async function chooseFolder(host: Host, items: readonly Item[]): Promise<boolean> {
  const folder = await askForFolder(host, "Move to (Tab completes):");
  return folder == null ? false : await moveAll(host, items, folder);
}

/** Sets a keyword, or clears it where all have it. */
async function chooseKeyword(host: Host, items: readonly Item[]): Promise<boolean> {
  const words = [...FLAG_WORDS, ...host.names.keywords.map(({ shown }) => shown)];
  const answer = (await host.input("Keyword to set or clear (Tab completes):", {
    complete: (text) => Promise.resolve(completeWord(text, words)),
  }))?.trim() ?? "";
  if (answer === "") return false;
  let flag = host.names.findFlag(answer);
  if (flag === null) {
    if (!await agreesToMake(host, "keyword", answer)) return false;
    flag = await host.mail.makeKeyword(answer);
    await host.reloadNames();
  }
  const found = flag;
  const on = !items.every(({ entry }) => entry.flags.includes(found));
  await flagAll(host, items, found, on);
  const name = printable(JSON.stringify(host.names.flagName(found)));
  const all = `${count(items)} ${items.length === 1 ? "has" : "have"}`;
  host.say(on ? `${all} the keyword ${name} now.` : `${all} the keyword ${name} no more.`);
  return true;
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
