import { alignColumns } from "../../cli/columns.ts";
import { counted } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import { shortId } from "../mailbox/message_ids.ts";
import type { Found } from "../mailbox/search.ts";
import type { OwnNames } from "../mailbox/own_names.ts";
import { hasField } from "../mailbox/query.ts";
import { listingLine } from "../mailbox/show.ts";
import { type CommonOptions, namesFor, printRow, toJson, withMail } from "./common.ts";
import { boundsOf } from "./inbox.ts";

/** What `search` was given. */
export interface SearchCommandOptions extends CommonOptions {
  readonly words: readonly string[];
  readonly from?: string;
  readonly since?: string;
  readonly folder?: string;
  readonly limit: number;
  /** Whether texts that were never opened are fetched first. */
  readonly fetch: boolean;
}

/** The `search` command: the newest messages in which all words are. */
export async function searchMail(options: SearchCommandOptions): Promise<void> {
  // A word with a space in it was a phrase to the shell.
  const words = options.words.map((word) => {
    return /\s/.test(word) && !word.includes('"') && !hasField(word) ? `"${word}"` : word;
  }).join(" ");
  const bounds = boundsOf(options);
  await withMail(options, async ({ mail, terminal, json, printJson }) => {
    await mail.refresh();
    const { folder, query: kept } = options.folder === undefined
      ? { folder: null, query: [] }
      : await mail.findPlace(options.folder);
    const query = [...await mail.query(words), ...kept, ...bounds];
    const where = { folder, limit: options.limit };
    await mail.fetchAll();
    let result = await mail.search(query, where);
    let large = 0;
    if (options.fetch && result.unindexed.length > 0) {
      large = await mail.fetchTexts(result.unindexed);
      result = await mail.search(query, where);
    }
    const names = await namesFor(mail, result.found.map(({ item }) => item));
    if (json) printJson(result.found.map((one) => asJson(one, names)));
    else for (const line of listing(result.found, names)) printRow(terminal, line);
    const { matches: { length: matches }, found } = result;
    if (!json && matches === 0) terminal.print("Nothing was found.");
    if (matches > found.length) {
      terminal.printError(`(the newest ${found.length} of ${matches} are shown)`);
    }
    const closed = result.unindexed.length - large;
    if (closed > 0) {
      terminal.printError(
        `The texts of ${counted(closed, "message")} were not searched: ` +
          (options.noCache ? "--no-cache keeps none" : "they were never opened here") +
          "; --fetch gets them.",
      );
    }
    if (result.cut > 0) {
      terminal.printError(
        `The texts of ${
          counted(result.cut, "message")
        } are too long to be searched whole: only their beginning ` +
          'was; "read --raw" prints all of it.',
      );
    }
    if (large > 0) {
      terminal.printError(`Too large to be fetched for a search: ${counted(large, "message")}.`);
    }
  }, "read");
}

/** What was found, in lines: the columns of a listing, and below them where the words are. */
function listing(found: readonly Found[], names: OwnNames): string[] {
  const rows = found.map(({ item }) => {
    const { from, date, subject } = listingLine(item, "subject", names);
    return [shortId(item.entry.header.slice(1, 17)), from, date, subject];
  });
  return alignColumns(rows).flatMap((line, i) => {
    const place = found[i] && placeOf(found[i]);
    return place ? [line, `          ${place}`] : [line];
  });
}

/** Where the words are, if the listing does not show it. */
function placeOf({ field, before, match, after }: Found): string | null {
  if (field === "subject" || field === "from") return null;
  return `${field === "text" ? "" : `${LABELS[field]}: `}${printable(before + match + after)}`;
}

const LABELS = { to: "to", attachment: "attached" } as const;

function asJson({ item, field, before, match, after }: Found, names: OwnNames) {
  return { ...toJson(item, names), found: { in: field, before, match, after } };
}
