import { confirm } from "../terminal/confirm.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Flag } from "../../protocol/entry.ts";
import { EMPTY_RECORD } from "../../protocol/shared_record.ts";
import { printable } from "../../cli/printable.ts";
import type { Mail } from "../mail.ts";
import { FLAG_WORDS, OwnNames } from "../mailbox/own_names.ts";
import { type CommonOptions, withMail } from "./common.ts";

/** What a command on several messages was given. */
export interface ManyOptions extends CommonOptions {
  readonly ids: readonly string[];
}

/** The `move` command. */
export async function move(options: ManyOptions & { readonly folder: string }): Promise<void> {
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    const folder = await mail.findFolder(options.folder);
    const name = typeof folder === "string" ? folder : options.folder;
    const uids = await findAll(mail, options.ids);
    await mail.flag(uids, [], [], folder);
    if (json) printJson({ moved: uids.length, folder: name });
    else terminal.print(printable(`Moved ${count(uids.length)} to ${name}.`));
  });
}

/** The `delete` command: to Trash, or for good. */
export async function remove(
  options: ManyOptions & { readonly forGood: boolean; readonly yes: boolean },
): Promise<void> {
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    const uids = await findAll(mail, options.ids);
    if (options.forGood) {
      if (!options.yes) {
        if (!terminal.interactive) {
          throw new SealpostError(
            "usage",
            "delete --for-good needs --yes where nobody can be asked",
          );
        }
        if (!await confirm(terminal, `Delete ${count(uids.length)} for good? (y/N) `)) {
          throw new SealpostError("cancelled", "nothing was deleted");
        }
      }
      await mail.remove(uids);
    } else {
      await mail.flag(uids, [], [], "trash");
    }
    if (json) printJson({ deleted: uids.length, forGood: options.forGood });
    else {
      const where = options.forGood ? "for good" : 'to Trash; "move --folder inbox" brings back';
      terminal.print(`Deleted ${count(uids.length)} ${where}.`);
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
    const uids = await findAll(mail, options.ids);
    // A word that is new becomes a keyword only for messages that are there.
    const set = known ?? await flagsNamed(mail, options.set, true);
    await mail.flag(uids, set, clear);
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

async function findAll(
  mail: Mail,
  ids: readonly string[],
): Promise<number[]> {
  const uids = new Set<number>();
  for (const id of ids) uids.add((await mail.findItem(id)).entry.uid);
  return [...uids];
}

function count(n: number): string {
  return n === 1 ? "1 message" : `${n} messages`;
}
