import { confirm } from "../terminal/confirm.ts";
import { SealpostError } from "../../crypto/error.ts";
import { type Flag, NAMED_FLAGS } from "../../protocol/entry.ts";
import { printable } from "../../cli/printable.ts";
import type { Mail } from "../mail.ts";
import { type CommonOptions, withMail } from "./common.ts";
import { parseFolder } from "./inbox.ts";

/** What a command on several messages was given. */
export interface ManyOptions extends CommonOptions {
  readonly ids: readonly string[];
}

/** The `move` command. */
export async function move(options: ManyOptions & { readonly folder: string }): Promise<void> {
  const folder = parseFolder(options.folder);
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    const uids = await findAll(mail, options.ids);
    await mail.flag(uids, [], [], folder);
    if (json) printJson({ moved: uids.length, folder });
    else terminal.print(`Moved ${count(uids.length)} to ${folder}.`);
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

/** The `mark` command: sets and clears flags. */
export async function mark(
  options: ManyOptions & { readonly set: readonly string[]; readonly clear: readonly string[] },
): Promise<void> {
  const set = options.set.map(parseFlag);
  const clear = options.clear.map(parseFlag);
  if (set.length + clear.length === 0) {
    throw new SealpostError("usage", `mark needs --set or --clear with ${WORDS.join(", ")}`);
  }
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    const uids = await findAll(mail, options.ids);
    await mail.flag(uids, set, clear);
    if (json) printJson({ marked: uids.length, set, clear });
    else terminal.print(`Marked ${count(uids.length)}.`);
  });
}

async function findAll(
  mail: Mail,
  ids: readonly string[],
): Promise<number[]> {
  const uids = new Set<number>();
  for (const id of ids) uids.add((await mail.findItem(id)).entry.uid);
  return [...uids];
}

/** What people call the flags. */
const WORDS = NAMED_FLAGS.map((flag) => flag === "seen" ? "read" : flag);

/** Throws `usage` for what is no flag. `read` is another word for `seen`. */
function parseFlag(text: string): Flag {
  const word = text.toLowerCase();
  const flag = NAMED_FLAGS.find((name) => name === (word === "read" ? "seen" : word));
  if (flag) return flag;
  throw new SealpostError(
    "usage",
    `there is no flag ${printable(JSON.stringify(text))}; there are ${WORDS.join(", ")}`,
  );
}

function count(n: number): string {
  return n === 1 ? "1 message" : `${n} messages`;
}
