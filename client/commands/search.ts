import { alignColumns } from "../../cli/columns.ts";
import { counted } from "../../cli/format.ts";
import { fit, printable } from "../../cli/printable.ts";
import { locateAll } from "../mailbox/fold.ts";
import { shortId } from "../mailbox/message_ids.ts";
import type { Found } from "../mailbox/search.ts";
import type { OwnNames } from "../mailbox/own_names.ts";
import { hasField, hitWords, type Query, type SearchField } from "../mailbox/query.ts";
import { listingLine } from "../mailbox/show.ts";
import { isDumb } from "../terminal/display.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { type CommonOptions, namesFor, toJson, withMail } from "./common.ts";
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
    else for (const line of listing(result.found, names, query, terminal)) terminal.print(line);
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

/**
 * What was found, in lines: the columns of a listing, and below them where the words are. A terminal shows
 * the words bold and underlined, and its lines end at its edge.
 */
function listing(
  found: readonly Found[],
  names: OwnNames,
  query: Query,
  terminal: Terminal,
): string[] {
  const columns = terminal.interactive ? terminal.columns() : Infinity;
  const mark = terminal.outputIsTerminal && !isDumb();
  const hits = (text: string, part: SearchField) => {
    return mark ? emphasized(text, hitWords(query, part)) : text;
  };
  const rows = found.map(({ item }) => {
    const { from, date, subject } = listingLine(item, "subject", names);
    return [shortId(item.entry.header.slice(1, 17)), from, date, subject];
  });
  return alignColumns(rows).flatMap((whole, i) => {
    const line = Number.isFinite(columns) ? fit(whole, columns) : whole;
    const [id = "", from = "", , subject = ""] = rows[i] ?? [];
    // The subject is the last column, the sender the second one.
    const start = Math.min(line.length, id.length + 2);
    const end = Math.min(line.length, start + from.length);
    const last = Math.max(end, Math.min(line.length, whole.length - subject.length));
    const shown = line.slice(0, start) + hits(line.slice(start, end), "from") +
      line.slice(end, last) + hits(line.slice(last), "subject");
    const place = found[i] && placeOf(found[i]);
    if (!place) return [shown];
    const below = `${INDENT}${place.head}${place.text}`;
    const cut = Number.isFinite(columns) ? fit(below, columns) : below;
    const before = INDENT.length + place.head.length;
    return [shown, cut.slice(0, before) + hits(cut.slice(before), place.field)];
  });
}

const INDENT = " ".repeat(10);

/** `text`, safe to print, with the words that were found in bold and underlined. */
function emphasized(text: string, words: readonly string[]): string {
  let out = "";
  let at = 0;
  for (const { from, to } of locateAll(text, words)) {
    out += `${text.slice(at, from)}\x1b[1;4m${text.slice(from, to)}\x1b[0m`;
    at = to;
  }
  return out + text.slice(at);
}

/** Where the words are, if the listing does not show it. */
function placeOf({ field, before, match, after }: Found) {
  if (field === "subject" || field === "from") return null;
  const head = field === "text" ? "" : `${LABELS[field]}: `;
  return { field, head, text: printable(before + match + after) };
}

const LABELS = { to: "to", attachment: "attached" } as const;

function asJson({ item, field, before, match, after }: Found, names: OwnNames) {
  return { ...toJson(item, names), found: { in: field, before, match, after } };
}
