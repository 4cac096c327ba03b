import { confirm } from "../terminal/confirm.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Flag } from "../../protocol/entry.ts";
import { EMPTY_RECORD } from "../../protocol/shared_record.ts";
import { printable } from "../../cli/printable.ts";
import type { Mail } from "../mail.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { FLAG_WORDS, OwnNames } from "../mailbox/own_names.ts";
import { type CommonOptions, type Context, withMail } from "./common.ts";

/** What a command on several messages was given: ids, or a search. */
export interface ManyOptions extends CommonOptions {
  /** Ids, and ranges of them: `4f3a..77c0`. */
  readonly ids: readonly string[];
  readonly search?: string;
  /** Whether nobody is asked. */
  readonly yes: boolean;
}

/** The `move` command. */
export async function move(options: ManyOptions & { readonly folder: string }): Promise<void> {
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    const folder = await mail.findFolder(options.folder);
    const name = typeof folder === "string" ? folder : options.folder;
    const uids = await selected(context, options, (many) => `Move ${many} to ${name}?`);
    await mail.change(uids, { set: [], clear: [], folder });
    if (json) printJson({ moved: uids.length, folder: name });
    else terminal.print(printable(`Moved ${count(uids.length)} to ${name}.`));
  });
}

/** The `delete` command: to Trash, or for good. */
export async function remove(
  options: ManyOptions & { readonly forGood: boolean },
): Promise<void> {
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    const where = options.forGood ? "for good" : "to Trash";
    const ask = (many: string) => `Delete ${many} ${where}?`;
    const uids = await selected(context, options, ask, options.forGood);
    if (options.forGood) await mail.remove(uids);
    else await mail.change(uids, { set: [], clear: [], folder: "trash" });
    if (json) printJson({ deleted: uids.length, forGood: options.forGood });
    else {
      const back = options.forGood ? "" : '; "undo" brings back';
      terminal.print(`Deleted ${count(uids.length)} ${where}${back}.`);
    }
  });
}

/** What `mark` was given. */
export interface MarkOptions extends ManyOptions {
  readonly set: readonly string[];
  readonly clear: readonly string[];
  /** Whether words that are no keywords yet become some. */
  readonly make: boolean;
}

/** The `mark` command: sets and clears flags and keywords. */
export async function mark(options: MarkOptions): Promise<void> {
  if (options.set.length + options.clear.length === 0) {
    throw new SealpostError(
      "usage",
      `mark needs --set or --clear with ${FLAG_WORDS.join(", ")} or a word of your own`,
    );
  }
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    const clear = await flagsNamed(mail, options.clear, false);
    const known = options.make ? null : await flagsNamed(mail, options.set, false);
    const uids = await selected(context, options, (many) => `Mark ${many}?`);
    // A word that is new becomes a keyword only for messages that are there.
    const set = known ?? await flagsNamed(mail, options.set, true);
    await mail.change(uids, { set, clear });
    if (json) {
      const names = new OwnNames(await mail.shared.known());
      const named = (flags: readonly Flag[]) => flags.map((flag) => names.flagName(flag));
      printJson({ marked: uids.length, set: named(set), clear: named(clear) });
    } else terminal.print(`Marked ${count(uids.length)}.`);
  });
}

/** The flags and keywords with these names; with `make`, words that are none become keywords. */
async function flagsNamed(
  mail: Mail,
  words: readonly string[],
  make: boolean,
): Promise<Flag[]> {
  const flags: Flag[] = [];
  for (const word of words) {
    const builtIn = FLAG_WORDS.includes(word.toLowerCase()) || word.toLowerCase() === "seen";
    const names = builtIn ? new OwnNames(EMPTY_RECORD) : await mail.names();
    const found = names.findFlag(word);
    if (found === null && !make) {
      const there = [...FLAG_WORDS, ...names.keywords.map(({ shown }) => shown)];
      throw new SealpostError(
        "usage",
        printable(
          `there is no flag or keyword ${JSON.stringify(word)}; there are ${there.join(", ")}; ` +
            "mark --set WORD --new makes one",
        ),
      );
    }
    flags.push(found ?? await mail.makeKeyword(word));
  }
  return [...new Set(flags)];
}

/** The `undo` command: takes back what `move`, `mark` and `delete` have changed last, or the full screen. */
export async function undo(options: CommonOptions): Promise<void> {
  await withMail(options, async ({ mail, json, printJson, terminal }) => {
    await mail.sync();
    const done = await mail.undo();
    if (done === null) throw new SealpostError("usage", "there is nothing to take back");
    const { undone, left, moved } = done;
    if (json) return printJson({ undone: undone.length, left });
    const what = moved ? "back where they were" : "marked as before";
    terminal.print(`${count(undone.length)} ${undone.length === 1 ? "is" : "are"} ${what}.`);
    if (left > 0) {
      terminal.printError(`${count(left)} changed since, or not by it: left as it is now`);
    }
  });
}

/**
 * The UIDs of the messages that are meant, newest first where they were searched. Asks, with how many they
 * are, if a search has found them, or if `always`. Throws `usage` for ids and a search at once, for neither,
 * and where nobody can be asked; `cancelled`.
 */
async function selected(
  { mail, terminal }: Context,
  { ids, search, yes }: ManyOptions,
  question: (many: string) => string,
  always = false,
): Promise<number[]> {
  if ((ids.length > 0) === (search !== undefined)) {
    throw new SealpostError("usage", "give the ids of messages, or --search, and not both");
  }
  const asks = !yes && (always || search !== undefined);
  if (asks && !terminal.interactive) {
    throw new SealpostError("usage", "--yes is needed where nobody can be asked");
  }
  const uids = search === undefined
    ? await findAll(mail, ids)
    : await findFitting(mail, terminal, search);
  if (uids.length === 0 || !asks) return uids;
  if (await confirm(terminal, printable(`${question(count(uids.length))} (y/N) `))) return uids;
  throw new SealpostError("cancelled", "nothing was changed");
}

async function findFitting(mail: Mail, terminal: Terminal, search: string): Promise<number[]> {
  const { uids, unknown } = await mail.findFitting(await mail.query(search));
  if (unknown > 0) {
    terminal.printError(
      `${count(unknown)} left out: the text is too long, or cannot be read, to say whether it fits`,
    );
  }
  return [...uids];
}

async function findAll(mail: Mail, ids: readonly string[]): Promise<number[]> {
  const uids = new Set<number>();
  for (const id of ids) {
    const [first = "", last] = id.split("..");
    const { entry } = await mail.findItem(first);
    uids.add(entry.uid);
    if (last === undefined) continue;
    const to = (await mail.findItem(last)).entry;
    if (to.folder !== entry.folder) {
      throw new SealpostError("usage", `the messages of ${id} are not in one folder`);
    }
    const [low, high] = [Math.min(entry.uid, to.uid), Math.max(entry.uid, to.uid)];
    for (const uid of mail.cache.uids(to.folder)) {
      if (uid >= low && uid <= high) uids.add(uid);
    }
  }
  return [...uids];
}

function count(n: number): string {
  return n === 1 ? "1 message" : `${n} messages`;
}
