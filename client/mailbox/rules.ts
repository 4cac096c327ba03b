import * as v from "valibot";
import { printable } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import type { Flag, Folder } from "../../protocol/entry.ts";
import { canonicalJson, type SharedRecord } from "../../protocol/shared_record.ts";
import { epochField, flagsField, folderField, machineField } from "../../protocol/request.ts";
import type { Fetched } from "../state/cache.ts";
import type { Item, Opened } from "./open.ts";
import type { EntryChange, OwnNames } from "./own_names.ts";
import { fits, FoldedMessage, parseQuery, type Query, type Searchable } from "./query.ts";
import { isRemoved } from "./removed_machines.ts";

/** Most rules, longest name and longest condition of one, characters. */
const MAX_RULES = 200;
const MAX_NAME = 100;
const MAX_CONDITION = 1000;

const LIST = "rules/list";
const MACHINE = "rules/machine";

const kept = v.object({
  rules: v.pipe(
    v.array(v.object({
      name: v.string(),
      if: v.string(),
      folder: v.optional(folderField),
      flags: v.optional(flagsField),
    })),
    v.maxLength(MAX_RULES),
  ),
});
const runner = v.object({
  machine: machineField,
  epoch: epochField,
  after: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
});

/** What is done with a message of the inbox that fits a search. */
export interface Rule {
  readonly name: string;
  /** The search, as the person wrote it; it may be one that is understood no more. */
  readonly condition: string;
  /** Where the message is moved; null: it stays. */
  readonly folder: Folder | null;
  /** What it is marked with. */
  readonly flags: readonly Flag[];
}

/** A rule whose search is understood, and whose folder and keywords are there. */
export interface UsableRule extends Rule {
  readonly query: Query;
}

/** Which machine runs the rules, and the messages for which it does: those after `after`. */
export type Runner = v.InferOutput<typeof runner>;

/** The rules in a record, in their order. */
export function rulesOf(record: SharedRecord): readonly Rule[] {
  const parsed = v.safeParse(kept, record.entries.get(LIST)?.value);
  if (!parsed.success) return [];
  return parsed.output.rules.map(({ name, if: condition, folder = null, flags = [] }) => {
    return { name, condition, folder, flags };
  });
}

/** Which machine runs the rules of a record; null if none was said to. */
export function runnerOf(record: SharedRecord): Runner | null {
  const parsed = v.safeParse(runner, record.entries.get(MACHINE)?.value);
  return parsed.success ? parsed.output : null;
}

/** {@linkcode runnerOf}, but null too for a machine that was removed. */
export function presentRunner(record: SharedRecord): Runner | null {
  const found = runnerOf(record);
  return found === null || isRemoved(record, found.machine, null) ? null : found;
}

/**
 * Other rules in the place of those in the record. `machine` runs them if no other one does; where there
 * were none, from what comes after `fetched` on.
 */
export function planRules(
  record: SharedRecord,
  rules: readonly Rule[],
  machine: string,
  fetched: Pick<Fetched, "epoch" | "top">,
): EntryChange[] {
  const value = {
    rules: rules.map(({ name, condition, folder, flags }) => ({
      name,
      if: condition,
      ...defined({ folder: folder ?? undefined }),
      ...flags.length === 0 ? {} : { flags },
    })),
  };
  const present = presentRunner(record);
  const changes: EntryChange[] = sameRules(rules, rulesOf(record))
    ? []
    : [{ key: LIST, value, isNew: false }];
  if (present === null || (rulesOf(record).length === 0 && rules.length > 0)) {
    changes.push(...planRunner(present?.machine ?? machine, fetched));
  }
  return changes;
}

/** The machine that runs the rules from what comes after `fetched` on. */
export function planRunner(
  machine: string,
  { epoch, top }: Pick<Fetched, "epoch" | "top">,
): EntryChange[] {
  return [{ key: MACHINE, value: { machine, epoch, after: top }, isNew: true }];
}

/** Whether both are the same rules in the same order. */
export function sameRules(a: readonly Rule[], b: readonly Rule[]): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/**
 * The rules that `value`, the setting `rules` of the file `path`, has. Throws `config`, with the file, the
 * rule and what to write, for one that cannot be used.
 */
export function parseRules(path: string, value: unknown, names: OwnNames): Rule[] {
  if (value === undefined) return [];
  const wrong = (which: string, why: string, cause?: unknown) => {
    return new SealpostError("config", printable(`${path}: ${which}: ${why}`), { cause });
  };
  if (!Array.isArray(value) || !value.every(isTable)) {
    throw wrong("rules", `each one begins with [[rules]]; ${EXAMPLE}`);
  }
  if (value.length > MAX_RULES) throw wrong("rules", `there can be ${MAX_RULES} at the most`);
  const taken = new Set<string>();
  return value.map((table, i) => {
    const { name } = table;
    const nth = `rule ${i + 1}`;
    if (typeof name !== "string" || name === "") throw wrong(nth, `it needs a name; ${EXAMPLE}`);
    if ([...name].length > MAX_NAME || /[\p{C}\p{Zl}\p{Zp}]/u.test(name)) {
      throw wrong(nth, `its name has at most ${MAX_NAME} characters, all of which can be seen`);
    }
    const which = `rule ${JSON.stringify(name)}`;
    if (taken.has(name)) throw wrong(which, "there are two of this name; each needs its own");
    taken.add(name);
    try {
      return { name, ...parseRule(table, names) };
    } catch (error) {
      if (!isSealpostError(error, "usage")) throw error;
      throw wrong(which, error.message, error);
    }
  });
}

const EXAMPLE = 'for example name = "bills", if = "from:bob subject:bill", move = "archive"';
const MEMBERS = ["name", "if", "move", "mark"];

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a rule says but its name. Throws `usage`. */
function parseRule(table: Readonly<Record<string, unknown>>, names: OwnNames): Omit<Rule, "name"> {
  const unknown = Object.keys(table).find((key) => !MEMBERS.includes(key));
  if (unknown !== undefined) {
    throw new SealpostError(
      "usage",
      `a rule has no ${JSON.stringify(unknown)}, only ${
        MEMBERS.join(", ")
      }; other settings stand ` +
        "above the first [[rules]]",
    );
  }
  const { if: condition, move, mark = [] } = table;
  if (typeof condition !== "string") {
    throw new SealpostError("usage", 'it needs a search, as in if = "from:bob subject:bill"');
  }
  if ([...condition].length > MAX_CONDITION) {
    throw new SealpostError("usage", `its search has over ${MAX_CONDITION} characters`);
  }
  parseQuery(condition, names);
  const words = typeof mark === "string" ? [mark] : mark;
  if (!Array.isArray(words) || !words.every((word) => typeof word === "string")) {
    throw new SealpostError("usage", 'mark is a word or several, as in mark = ["read", "flagged"]');
  }
  if (move !== undefined && typeof move !== "string") {
    throw new SealpostError("usage", 'move is the name of a folder, as in move = "archive"');
  }
  if (move === undefined && words.length === 0) {
    throw new SealpostError("usage", 'it does nothing; write move = "archive" or mark = "flagged"');
  }
  const flags = words.map((word) => findFlag(word, names));
  return {
    condition,
    folder: move === undefined ? null : findFolder(move, names),
    flags: [...new Set(flags)],
  };
}

function findFolder(text: string, names: OwnNames): Folder {
  const folder = names.findFolder(text);
  if (folder === null) {
    throw new SealpostError(
      "usage",
      `there is no folder ${JSON.stringify(text)}; "${PROGRAM} folders list" shows them, folders ` +
        "make makes one",
    );
  }
  if (folder !== "inbox" && folder !== "drafts" && folder !== "sent") return folder;
  throw new SealpostError(
    "usage",
    `what has come cannot be moved to ${folder}; take another folder`,
  );
}

function findFlag(word: string, names: OwnNames): Flag {
  const flag = names.findFlag(word);
  if (flag !== null) return flag;
  throw new SealpostError(
    "usage",
    `there is no mark ${
      JSON.stringify(word)
    }; there are read, answered, flagged, forwarded and your ` +
      `keywords; "${PROGRAM} mark ID --set WORD --new" makes one`,
  );
}

/** Those of `rules` that can be run, and of the others, in a line each, why not. */
export function usableRules(
  rules: readonly Rule[],
  names: OwnNames,
): { readonly usable: readonly UsableRule[]; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const usable = rules.flatMap((rule): UsableRule[] => {
    const { name, condition, folder, flags } = rule;
    const lost = typeof folder === "number" && !names.folders.some((one) => one.number === folder)
      ? "the folder that it moves to"
      : flags.some((flag) => {
          return typeof flag === "number" && !names.keywords.some((one) => one.number === flag);
        })
      ? "a keyword that it marks with"
      : null;
    try {
      if (lost !== null) throw new SealpostError("usage", `${lost} is not there any more`);
      return [{ ...rule, query: parseQuery(condition, names) }];
    } catch (error) {
      if (!isSealpostError(error, "usage")) throw error;
      problems.push(printable(
        `rule ${
          JSON.stringify(name)
        } is not run: ${error.message}; change it in sealpost.toml, then ` +
          `"${PROGRAM} rules use"`,
      ));
      return [];
    }
  });
  return { usable, problems };
}

/**
 * What of a message rules may look at: nothing of one whose sender has not signed it, or that did not
 * verify, or that is a copy of another. Whom a stored message is said to be from, anybody can have written.
 */
export function signedOf({ opened, duplicate }: Item): Opened | null {
  if (opened === null || duplicate || opened.summary.stored) return null;
  return opened;
}

/** What several rules do with one message. */
export interface RuleAction {
  readonly folder: Folder | null;
  readonly flags: readonly Flag[];
}

/**
 * What `rules` do with a message: all that it fits mark it, and the first of them that moves says where.
 * Null if that cannot be said without the text; with `textless` there is none to be had, and it fits only
 * what it fits whatever that says.
 */
export function actionOf(
  rules: readonly UsableRule[],
  message: Searchable,
  textless = false,
): RuleAction | null {
  let folder: Folder | null = null;
  const flags = new Set<Flag>();
  for (const { query, ...rule } of rules) {
    const fitting = fits(query, new FoldedMessage(message, query));
    if (fitting === null && !textless) return null;
    if (fitting !== true) continue;
    folder ??= rule.folder;
    for (const flag of rule.flags) flags.add(flag);
  }
  return { folder, flags: [...flags].filter((flag) => !message.flags.includes(flag)) };
}

/** What a rule does, in words. */
export function actionWords({ folder, flags }: RuleAction, names: OwnNames): string {
  return [
    ...folder === null ? [] : [`move to ${names.folderName(folder)}`],
    ...flags.length === 0 ? [] : [`mark ${flags.map((flag) => wordOf(flag, names)).join(", ")}`],
  ].join(", ");
}

function wordOf(flag: Flag, names: OwnNames): string {
  return flag === "seen" ? "read" : names.flagName(flag);
}
