import { SealpostError } from "../../crypto/error.ts";
import type { Flag, Folder } from "../../protocol/entry.ts";
import { parseName } from "../../protocol/name.ts";
import { alignColumns } from "../../cli/columns.ts";
import { printable } from "../../cli/printable.ts";
import type { Item } from "../mailbox/open.ts";
import { shortId } from "../mailbox/message_ids.ts";
import { FLAG_WORDS } from "../mailbox/own_names.ts";
import { type Condition, needsText, parseSince, type Query } from "../mailbox/query.ts";
import { itemFits } from "../mailbox/search.ts";
import { showsUnicode } from "../terminal/display.ts";
import { listingLine } from "../mailbox/show.ts";
import type { Mail } from "../mail.ts";
import { plainMark, UNVERIFIED } from "../trust/verification.ts";
import { type CommonOptions, namesFor, printRow, toJson, withMail } from "./common.ts";

/** What `inbox` was given. */
export interface InboxOptions extends CommonOptions {
  readonly unread: boolean;
  readonly from?: string;
  /** A date, `2026-11-22`, or an age, `7d`. */
  readonly since?: string;
  readonly limit: number;
  readonly folder: string;
  /** A keyword that they have; an own word, or a flag. */
  readonly keyword?: string;
  /** A search that they fit. */
  readonly search?: string;
}

/** The `inbox` command: lists the newest messages of a folder. */
export async function inbox(options: InboxOptions): Promise<void> {
  const bounds = boundsOf(options);
  await withMail(options, async (context) => {
    const { mail, terminal, json, printJson } = context;
    const { renewed } = await mail.refresh();
    if (renewed) {
      terminal.printError("the server made this mailbox anew since you last looked; ask why");
    }
    const { folder, query: kept } = await mail.findPlace(options.folder);
    const query = [
      ...kept,
      ...options.search === undefined ? [] : await mail.query(options.search),
      ...bounds,
      ...options.unread ? [flagged("seen", false)] : [],
      ...options.keyword === undefined
        ? []
        : [flagged(await findKeyword(mail, options.keyword), true)],
    ];
    const items = await select(mail, folder, query, options.limit);
    const names = await namesFor(mail, items);
    if (json) return printJson(items.map((item) => toJson(item, names)));
    if (items.length === 0) return terminal.print("No messages.");
    const unicode = showsUnicode();
    const rows = items.map((item) => {
      const { from, date, subject } = listingLine(item, "subject", names);
      const known = item.opened?.verification ?? UNVERIFIED;
      const mark = unicode ? known.mark : plainMark(known);
      return [
        shortId(item.entry.header.slice(1, 17)),
        folder === "sent" ? recipients(item) : `${from} ${mark}`.trimEnd(),
        date,
        subject,
      ];
    });
    const head = ["ID", folder === "sent" ? "To" : "From", "Date", "Subject"];
    for (const line of alignColumns([head, ...rows])) printRow(terminal, line);
  }, "read");
}

/** The newest messages of a folder that fit. */
async function select(
  mail: Mail,
  folder: Folder | null,
  query: Query,
  limit: number,
): Promise<Item[]> {
  if (query.length === 0) return await mail.list({ folder, limit });
  if (!needsText(query)) {
    return await mail.list({ folder, limit, wanted: (item) => itemFits(item, query) });
  }
  await mail.fetchAll();
  return (await mail.search(query, { folder, limit })).found.map(({ item }) => item);
}

function flagged(flag: Flag, set: boolean): Query[number] {
  return { condition: { kind: "flag", flag, set }, not: false };
}

/** Whom a sent message went to, blind copies aside; `-` for nobody, `?` if it did not open. */
function recipients({ opened }: Item): string {
  if (!opened) return "?";
  const { to, cc } = opened.summary;
  return [...to, ...cc].map(({ name }) => name).join(",") || "-";
}

/** The flag or keyword that is called `text`. Throws `usage` if there is none. */
export async function findKeyword(mail: Mail, text: string): Promise<Flag> {
  const names = await mail.names();
  const found = names.findFlag(text);
  if (found !== null) return found;
  const there = [...FLAG_WORDS, ...names.keywords.map(({ shown }) => shown)];
  throw new SealpostError(
    "usage",
    printable(`there is no keyword ${JSON.stringify(text)}; there are ${there.join(", ")}`),
  );
}

/** The conditions that `--from` and `--since` stand for. */
export function boundsOf(
  { from, since }: { readonly from?: string; readonly since?: string },
): Query {
  const all: Condition[] = [];
  if (from !== undefined) all.push({ kind: "from", name: parseName(from) });
  if (since !== undefined) all.push({ kind: "after", at: parseSince(since) });
  return all.map((condition) => ({ condition, not: false }));
}
