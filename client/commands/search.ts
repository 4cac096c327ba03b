import { defined } from "../../crypto/defined.ts";
import { parseName } from "../../protocol/name.ts";
import { alignColumns } from "../../cli/columns.ts";
import { printable } from "../../cli/printable.ts";
import { shortId } from "../mailbox/message_ids.ts";
import type { Found } from "../mailbox/search.ts";
import type { OwnNames } from "../mailbox/own_names.ts";
import { listingLine } from "../mailbox/show.ts";
import { type CommonOptions, namesFor, printRow, toJson, withMail } from "./common.ts";
import { parseSince } from "./inbox.ts";

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
  const query = options.words.map((word) => {
    return /\s/.test(word) && !word.includes('"') ? `"${word}"` : word;
  }).join(" ");
  const bounds = {
    limit: options.limit,
    ...defined({
      from: options.from === undefined ? undefined : parseName(options.from),
      since: options.since === undefined ? undefined : parseSince(options.since),
    }),
  };
  await withMail(options, async ({ mail, terminal, json, printJson }) => {
    await mail.refresh();
    const folder = options.folder === undefined ? null : await mail.findFolder(options.folder);
    const where = { folder, ...bounds };
    while (mail.connection.online && await mail.fetchOlder());
    let result = await mail.search(query, where);
    let large = 0;
    if (options.fetch && result.unindexed.length > 0) {
      large = await mail.fetchTexts(result.unindexed);
      result = await mail.search(query, where);
    }
    const names = await namesFor(mail, result.found.map(({ item }) => item));
    if (json) printJson(result.found.map((one) => asJson(one, names)));
    else for (const line of listing(result.found, names)) printRow(terminal, line);
    if (!json && result.matches === 0) terminal.print("Nothing was found.");
    if (result.matches > result.found.length) {
      terminal.printError(`(the newest ${result.found.length} of ${result.matches} are shown)`);
    }
    const closed = result.unindexed.length - large;
    if (closed > 0) {
      terminal.printError(
        `The texts of ${closed} messages were not searched: ` +
          (options.noCache ? "--no-cache keeps none" : "they were never opened here") +
          "; --fetch gets them.",
      );
    }
    if (result.cut > 0) {
      terminal.printError(
        `The texts of ${result.cut} messages are too long to be searched whole: only their beginning ` +
          'was; "read --raw" prints all of it.',
      );
    }
    if (large > 0) {
      terminal.printError(`${large} messages are too large to be fetched for a search.`);
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
