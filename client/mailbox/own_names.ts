import * as v from "valibot";
import { printable } from "../../cli/printable.ts";
import { SealpostError } from "../../crypto/error.ts";
import {
  BUILT_IN_FOLDERS,
  FIRST_KEYWORD,
  FIRST_OWN_FOLDER,
  type Flag,
  type Folder,
  LAST_KEYWORD,
  MAX_FOLDER,
  NAMED_FLAGS,
} from "../../protocol/entry.ts";
import { MAX_OWN_FOLDERS } from "../../protocol/limits.ts";
import type { SharedEntry, SharedRecord } from "../../protocol/shared_record.ts";

/** Longest name of a folder or keyword, characters. */
export const MAX_OWN_NAME = 100;

const named = v.object({ name: v.string() });
const searched = v.object({ name: v.string(), search: v.string() });

/** The kinds of things that have names of a person's own, and the numbers they may have. */
const KINDS = {
  folder: { first: FIRST_OWN_FOLDER, last: MAX_FOLDER },
  keyword: { first: FIRST_KEYWORD, last: LAST_KEYWORD },
  search: { first: 1, last: MAX_FOLDER },
} as const;
type Kind = keyof typeof KINDS;

/** A folder or keyword with the name that is shown, which no other one of its kind has. */
export interface OwnName {
  /** The number of a folder, the bit of a keyword. */
  readonly number: number;
  readonly shown: string;
  /** As it stands in the record: two may be the same there. */
  readonly name: string;
}

/** A search that is kept under a name, which no folder has. */
export interface SavedSearch extends OwnName {
  /** As the person wrote it; it may be one that is understood no more. */
  readonly search: string;
}

/** A change of one entry: what it says from now on; undefined: nothing, it is removed. */
export interface EntryChange {
  readonly key: string;
  readonly value: unknown;
  /** Whether the key must not be there: where it is by now, another one has to be found. */
  readonly isNew: boolean;
}

/** What a person's folders and keywords are called. */
export class OwnNames {
  /** In the order of their names. */
  readonly folders: readonly OwnName[];
  readonly keywords: readonly OwnName[];
  readonly searches: readonly SavedSearch[];

  constructor(record: SharedRecord) {
    this.folders = namesOf(record, "folder", BUILT_IN_FOLDERS);
    this.keywords = namesOf(record, "keyword", FLAG_WORDS);
    const taken = [...BUILT_IN_FOLDERS, ...this.folders.map(({ shown }) => shown)];
    this.searches = namesOf(record, "search", taken).flatMap((one) => {
      const parsed = v.safeParse(searched, record.entries.get(`search/${one.number}`)?.value);
      return parsed.success ? [{ ...one, search: parsed.output.search }] : [];
    });
  }

  /** What a folder is called; `#16` for one without a name. */
  folderName(folder: Folder): string {
    return typeof folder === "string" ? folder : shownOf(this.folders, folder);
  }

  /** What a flag is called, as `--json` has it; `#5` for a keyword without a name. */
  flagName(flag: Flag): string {
    return typeof flag === "string" ? flag : shownOf(this.keywords, flag);
  }

  /** The folder that `text` names, in any case of letters; null if there is none. */
  findFolder(text: string): Folder | null {
    const builtIn = BUILT_IN_FOLDERS.find((name) => name === text.toLowerCase());
    return builtIn ?? find(this.folders, text, "folder");
  }

  /** The search that is kept under the name `text`, in any case of letters; null if there is none. */
  findSearch(text: string): SavedSearch | null {
    const number = find(this.searches, text, "search");
    return this.searches.find((one) => one.number === number) ?? null;
  }

  /** The flag or keyword that `text` names, in any case of letters; null if there is none. */
  findFlag(text: string): Flag | null {
    const word = text.toLowerCase();
    const flag = NAMED_FLAGS.find((name) => name === (word === "read" ? "seen" : word));
    return flag ?? find(this.keywords, text, "keyword");
  }
}

/** Most searches that are kept. */
const MAX_SEARCHES = 200;

/** What people call the flags. */
export const FLAG_WORDS: readonly string[] = NAMED_FLAGS.map((flag) => {
  return flag === "seen" ? "read" : flag;
});

function shownOf(names: readonly OwnName[], number: number): string {
  return names.find((one) => one.number === number)?.shown ?? `#${number}`;
}

function find(names: readonly OwnName[], text: string, kind: Kind): number | null {
  const wanted = text.normalize("NFC");
  const exact = names.find(({ shown }) => shown === wanted);
  if (exact) return exact.number;
  const alike = names.filter(({ shown }) => shown.toLowerCase() === wanted.toLowerCase());
  if (alike.length === 1 && alike[0]) return alike[0].number;
  const [, digits] = /^#(\d{1,10})$/.exec(text) ?? [];
  const { first, last } = KINDS[kind];
  const number = Number(digits);
  return number >= first && number <= last ? number : null;
}

/** The names of one kind; the later of two that are the same is shown as `name (2)`. */
function namesOf(record: SharedRecord, kind: Kind, reserved: readonly string[]): OwnName[] {
  const all: { number: number; name: string }[] = [];
  for (const { key, value } of record.entries.values()) {
    const number = numberIn(key, kind);
    const parsed = v.safeParse(named, value);
    if (number === null || !parsed.success) continue;
    all.push({ number, name: parsed.output.name });
  }
  all.sort((a, b) => a.number - b.number);
  const taken = new Set<string>(reserved);
  const shown = new Map<number, string>();
  for (const { number, name } of all) {
    if (taken.has(name) || problemWith(name, kind) !== null) continue;
    taken.add(name);
    shown.set(number, name);
  }
  for (const { number, name } of all) {
    if (shown.has(number)) continue;
    // What another version of this program allows may be nothing that can be shown here.
    const base = problemWith(name, kind) === null ? name : `#${number}`;
    let text = base;
    for (let i = 2; taken.has(text); i++) text = `${base} (${i})`;
    taken.add(text);
    shown.set(number, text);
  }
  return all.map(({ number, name }) => ({ number, name, shown: shown.get(number) ?? name }))
    .sort((a, b) => a.shown < b.shown ? -1 : 1);
}

/** The number in the key of an entry of this kind; null for another key. */
function numberIn(key: string, kind: Kind): number | null {
  const [, found, digits] = /^([a-z]+)\/([1-9]\d{0,9})$/.exec(key) ?? [];
  const { first, last } = KINDS[kind];
  const number = Number(digits);
  return found === kind && number >= first && number <= last ? number : null;
}

/** What keeps a name from being one, as the end of a sentence; null for a good one. */
function problemWith(name: string, kind: Kind): string | null {
  const length = [...name].length;
  if (length < 1 || length > MAX_OWN_NAME) {
    return `has ${length} characters, not 1 to ${MAX_OWN_NAME}`;
  }
  if (printable(name) !== name || /[\p{C}\p{Zl}\p{Zp}]/u.test(name)) {
    return "has characters that cannot be seen";
  }
  if (name.startsWith("#")) return 'begins with "#"';
  if (kind === "keyword") return /[\s/]/.test(name) ? "has a space or a slash in it" : null;
  const parts = name.split("/");
  if (parts.some((part) => part.trim() !== part || part === "")) {
    return "has an empty part, or one that begins or ends with a space";
  }
  return null;
}

/** A name of a folder or keyword of one's own, in NFC. Throws `usage` for what can be none. */
export function parseOwnName(text: string, kind: Kind): string {
  const name = text.normalize("NFC");
  const word = name.toLowerCase();
  const reserved = kind === "folder" ? BUILT_IN_FOLDERS : [...FLAG_WORDS, "seen", "new"];
  const problem = reserved.some((one) => one === word)
    ? "is there for everybody already"
    : problemWith(name, kind);
  if (problem === null) return name;
  const quoted = printable(JSON.stringify(text));
  throw new SealpostError("usage", `${quoted} is no name of a ${kind}: it ${problem}`);
}

/**
 * A folder with a new number, above all that ever had a name, and above `highest`. Throws `usage` if
 * the name is taken, `limit`.
 */
export function planFolder(record: SharedRecord, name: string, highest: number): EntryChange[] {
  const names = new OwnNames(record);
  refuseTakenPlace(names, name);
  if (names.folders.length >= MAX_OWN_FOLDERS) {
    throw new SealpostError("limit", `you have ${MAX_OWN_FOLDERS} folders of your own: remove one`);
  }
  const number = Math.max(FIRST_OWN_FOLDER - 1, highest, highestOf(record, "folder"));
  return [{ key: `folder/${number + 1}`, value: { name }, isNew: true }];
}

/** A search that is kept under a name. Throws `usage` if the name is taken, `limit`. */
export function planSearch(record: SharedRecord, name: string, search: string): EntryChange[] {
  const names = new OwnNames(record);
  refuseTakenPlace(names, name);
  if (names.searches.length >= MAX_SEARCHES) {
    throw new SealpostError("limit", `you keep ${MAX_SEARCHES} searches: remove one`);
  }
  const key = `search/${highestOf(record, "search") + 1}`;
  return [{ key, value: { name, search }, isNew: true }];
}

/** The highest number that ever had a name. */
function highestOf(record: SharedRecord, kind: Kind): number {
  let highest = 0;
  for (const key of record.entries.keys()) highest = Math.max(highest, numberIn(key, kind) ?? 0);
  return highest;
}

/** A keyword with the lowest bit that never had a name. Throws `usage` if the word is taken, `limit`. */
export function planKeyword(record: SharedRecord, word: string): EntryChange[] {
  refuseTaken(new OwnNames(record).findFlag(word), "keyword", word);
  for (let bit = FIRST_KEYWORD; bit <= LAST_KEYWORD; bit++) {
    const key = `keyword/${bit}`;
    if (!record.entries.has(key)) return [{ key, value: { name: word }, isNew: true }];
  }
  throw new SealpostError(
    "limit",
    `you have ${LAST_KEYWORD - FIRST_KEYWORD + 1} keywords, and there can be no more`,
  );
}

/**
 * Another name for a folder, and with it for the folders in it. Throws `usage` if there is no folder
 * `from`, or one that would be called like another.
 */
export function planRename(record: SharedRecord, from: string, to: string): EntryChange[] {
  const names = new OwnNames(record);
  const number = names.findFolder(from);
  if (typeof number === "string") {
    throw new SealpostError("usage", `${number} is there for everybody, and keeps its name`);
  }
  if (number === null) {
    const kept = names.findSearch(from);
    if (kept === null) throw noSuchFolder(from, names);
    refuseTakenPlace(names, to);
    const value = { name: to, search: kept.search };
    return [{ key: `search/${kept.number}`, value, isNew: false }];
  }
  const former = names.folders.find((one) => one.number === number);
  const inside = former && former.shown === former.name ? `${former.name}/` : null;
  const renamed = [{ number, name: to }];
  for (const one of names.folders) {
    if (inside === null || !one.name.startsWith(inside)) continue;
    const name = parseOwnName(`${to}/${one.name.slice(inside.length)}`, "folder");
    renamed.push({ number: one.number, name });
  }
  const moving = new Set(renamed.map(({ number }) => number));
  for (const { name } of renamed) {
    const there = names.findFolder(name);
    if (typeof there === "number" && moving.has(there)) continue;
    if (there !== null || names.findSearch(name)) refuseTakenPlace(names, name);
  }
  return renamed.map(({ number, name }) => ({
    key: `folder/${number}`,
    value: { name },
    isNew: false,
  }));
}

/** A folder of one's own, or a search that is kept, loses its name. */
export function planRemoval(number: number, kind: "folder" | "search" = "folder"): EntryChange[] {
  return [{ key: `${kind}/${number}`, value: undefined, isNew: false }];
}

function refuseTakenPlace(names: OwnNames, name: string): void {
  refuseTaken(names.findFolder(name), "folder", name);
  refuseTaken(names.findSearch(name)?.number ?? null, "search", name);
}

function refuseTaken(there: Folder | Flag | null, kind: Kind, name: string): void {
  if (there === null) return;
  throw new SealpostError("usage", `there is a ${kind} ${printable(JSON.stringify(name))} already`);
}

/** The error for a folder that is not there, with those that are. */
export function noSuchFolder(text: string, names: OwnNames): SealpostError {
  const { folders } = names;
  if (names.findSearch(text)) {
    return new SealpostError(
      "usage",
      `${
        printable(JSON.stringify(text))
      } is a search that you keep, and no folder: no message is in it`,
    );
  }
  const there = [...BUILT_IN_FOLDERS, ...folders.map(({ shown }) => shown)];
  const more = there.length > MAX_NAMED ? ` and others, as "folders list" shows` : "";
  return new SealpostError(
    "usage",
    `there is no folder ${printable(JSON.stringify(text))}; there are ` +
      `${printable(there.slice(0, MAX_NAMED).join(", "))}${more}`,
  );
}

/** How many folders an error names. */
const MAX_NAMED = 20;

/** Says that a change of this machine's lost against one that was made at the same time. */
export function overtakenLine(mine: SharedEntry, theirs: SharedEntry): string {
  const said = ({ value }: SharedEntry) => {
    const parsed = v.safeParse(named, value);
    return parsed.success ? `called ${JSON.stringify(parsed.output.name)}` : "removed";
  };
  return printable(
    `${mine.key.replace("/", " ")} is ${said(theirs)}, not ${
      said(mine)
    }: another machine of yours ` +
      "changed it at the same time",
  );
}
