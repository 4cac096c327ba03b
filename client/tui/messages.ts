import { printable } from "../../cli/printable.ts";
import { SealpostError } from "../../crypto/error.ts";
import {
  BUILT_IN_FOLDERS,
  type BuiltInFolder,
  type Flag,
  type Folder,
} from "../../protocol/entry.ts";
import { FLAG_WORDS, type OwnNames } from "../mailbox/own_names.ts";
import type { Item } from "../mailbox/open.ts";
import { completeWord } from "./complete.ts";
import type { Action } from "./keys.ts";
import type { Host } from "./screen.ts";

const FOLDER_NAMES: Readonly<Record<BuiltInFolder, string>> = {
  inbox: "Inbox",
  sent: "Sent",
  archive: "Archive",
  trash: "Trash",
  drafts: "Drafts",
};

/** A folder of the mailbox, the outbox, which is only on this disk, or a search that the person keeps. */
export type ListFolder = Folder | "outbox" | SearchKey;

/** A search that is kept, by its number. */
export type SearchKey = `search/${number}`;

/** Whether something in the list of folders is a search. */
export function isSearch(folder: ListFolder): folder is SearchKey {
  return typeof folder === "string" && folder.startsWith("search/");
}

/** The search of a {@linkcode SearchKey}, as it was written; null if it is kept no more. */
export function keptSearch(folder: SearchKey, names: OwnNames): string | null {
  return names.searches.find(({ number }) => `search/${number}` === folder)?.search ?? null;
}

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
  const searches = names.searches.map(({ number }): SearchKey => `search/${number}`);
  return [...NUMBERED_FOLDERS, ...own, ...unnamed, ...searches];
}

/** The key that goes to a folder; a space if none does. */
export function digitOf(folder: ListFolder): string {
  const at = NUMBERED_FOLDERS.findIndex((one) => one === folder);
  return at < 0 ? " " : `${at + 1}`;
}

/** The name of a folder on the screen, safe to print. */
export function folderName(folder: ListFolder, names: OwnNames): string {
  if (typeof folder === "number") return printable(names.folderName(folder));
  if (isSearch(folder)) {
    const kept = names.searches.find(({ number }) => `search/${number}` === folder);
    return printable(kept?.shown ?? "?");
  }
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
  const answer = await askForName(host, question, foldersOf(host.names));
  if (answer === undefined || answer === "") return answer === "" ? null : undefined;
  const { names } = host;
  const folder = names.findFolder(answer) ??
    names.findFolder(theOneThatBegins(answer, foldersOf(names)));
  return folder ?? await makeIfAgreed(host, answer);
}

/** As {@linkcode askForFolder}; it may be the outbox, or a search that is kept. */
export async function askForPlace(
  host: Host,
  question: string,
): Promise<ListFolder | null | undefined> {
  const { names } = host;
  const words = [...foldersOf(names), ...names.searches.map(({ shown }) => shown), "outbox"];
  const answer = await askForName(host, question, words);
  if (answer === undefined || answer === "") return answer === "" ? null : undefined;
  for (const name of [answer, theOneThatBegins(answer, words)]) {
    const folder = names.findFolder(name);
    if (folder !== null) return folder;
    const kept = names.findSearch(name);
    if (kept) return `search/${kept.number}`;
    if (name.toLowerCase() === "outbox") return "outbox";
  }
  return await makeIfAgreed(host, answer);
}

/** A folder that is made, if the person agrees. */
async function makeIfAgreed(host: Host, name: string): Promise<Folder | undefined> {
  if (!await agreesToMake(host, "folder", name)) return undefined;
  const made = await host.mail.makeFolder(name);
  await host.reloadNames();
  return made;
}

function foldersOf(names: OwnNames): string[] {
  return [...BUILT_IN_FOLDERS, ...names.folders.map(({ shown }) => shown)];
}

/** What the person types, completed by Tab; undefined if they leave the question. */
async function askForName(
  host: Host,
  question: string,
  words: readonly string[],
): Promise<string | undefined> {
  const complete = (text: string) => Promise.resolve(completeWord(text, words));
  return (await host.input(question, { complete }))?.trim();
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
  if (action === "undelete" && host.undoable) return await undo(host);
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

function uidsOf(items: readonly Item[]): number[] {
  return items.map(({ entry }) => entry.uid);
}

async function flagAll(
  host: Host,
  items: readonly Item[],
  flag: Flag,
  on: boolean,
): Promise<void> {
  await host.mailbox.change(uidsOf(items), { set: on ? [flag] : [], clear: on ? [] : [flag] });
  host.undoable = true;
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
  await host.mailbox.change(uidsOf(moved), { set: [], clear: [], folder });
  host.undoable = true;
  host.say(`${count(moved)} moved to ${folderName(folder, host.names)}; u takes that back.`);
  return true;
}

/** Takes back what the last action has changed. */
async function undo(host: Host): Promise<boolean> {
  host.undoable = false;
  const { undone, moved } = await host.mailbox.undo();
  if (undone.length === 0) {
    host.say("There is nothing to take back: it was changed again since.");
    return false;
  }
  const folders = [...new Set(undone.map(({ folder }) => folderName(folder, host.names)))];
  const many = undone.length === 1 ? "The message is" : `${undone.length} messages are`;
  host.say(`${many} ${moved ? `back in ${folders.join(" and ")}` : "marked as before"}.`, "good");
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
  await host.mailbox.remove(uidsOf(gone));
  host.undoable = false;
  host.say(`${count(gone)} deleted for good.`);
  return true;
}

/** Has the person say what program gets `text`, which is safe to print, and gives it. */
export async function pipeTo(host: Host, text: string): Promise<void> {
  const { tools } = host;
  if (!tools) return host.say("Here no program can be started.");
  let done = false;
  await host.lend(async () => {
    done = await tools.pipe(text);
  });
  host.say(done ? "The program has ended." : "Nothing was given to a program.");
}
