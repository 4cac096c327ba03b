import { SealpostError } from "../../crypto/error.ts";
import type { Flag, Folder } from "../../protocol/entry.ts";
import { parseName } from "../../protocol/name.ts";
import { alignColumns } from "../../cli/columns.ts";
import { parseSince } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import type { Item } from "../mailbox/open.ts";
import { shortId } from "../mailbox/message_ids.ts";
import { FLAG_WORDS, type OwnNames } from "../mailbox/own_names.ts";
import { type Condition, needsText, type Query } from "../mailbox/query.ts";
import { itemFits } from "../mailbox/search.ts";
import { showsUnicode } from "../terminal/display.ts";
import { fold } from "../mailbox/fold.ts";
import { listingLine, senderText, subjectOf } from "../mailbox/show.ts";
import { onceEach, type Thread, threadsOf } from "../mailbox/threads.ts";
import type { Mail } from "../mail.ts";
import { plainMark, UNVERIFIED } from "../trust/verification.ts";
import {
  type CommonOptions,
  type Context,
  MAX_WHO,
  namesFor,
  printRow,
  toJson,
  withMail,
} from "./common.ts";

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
  /** Whether conversations are listed, and whether with every message of theirs. */
  readonly threads: boolean;
  readonly unfold: boolean;
  /** One of {@linkcode SORTS}. */
  readonly sort: string;
}

/** By what lists can be sorted. */
const SORTS = ["arrival", "date", "from", "subject", "size"] as const;
type Sort = typeof SORTS[number];

/** The `inbox` command: lists the newest messages of a folder. */
export async function inbox(options: InboxOptions): Promise<void> {
  const bounds = boundsOf(options);
  const sort = parseSort(options.sort);
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
    const items = await select(mail, folder, query, sort, options.limit);
    const names = await namesFor(mail, items);
    if (options.threads) return listThreads(context, options, await threadsIn(mail, items), names);
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

/** The messages of a folder that fit, the first `limit` of them in their order. */
async function select(
  mail: Mail,
  folder: Folder | null,
  query: Query,
  sort: Sort,
  limit: number,
): Promise<Item[]> {
  const most = sort === "arrival" ? limit : Infinity;
  if (most === Infinity) await mail.fetchAll();
  if (needsText(query)) {
    await mail.fetchAll();
    const { found } = await mail.search(query, { folder, limit: most });
    return sorted(found.map(({ item }) => item), sort).slice(0, limit);
  }
  const wanted = (item: Item) => itemFits(item, query);
  const items = await mail.list({
    folder,
    limit: Math.min(most, mail.cache.count(null) + MAX_LISTED),
    ...query.length === 0 ? {} : { wanted },
  });
  return sorted(items, sort).slice(0, limit);
}

/** More than what a list takes that was not fetched yet. */
const MAX_LISTED = 100_000;

function parseSort(text: string): Sort {
  const sort = SORTS.find((one) => one === text.toLowerCase());
  if (sort !== undefined) return sort;
  throw new SealpostError(
    "usage",
    `${JSON.stringify(text)} is nothing to sort by; there are ${SORTS.join(", ")}`,
  );
}

/** By date and size the highest first, by words from A on; what did not open comes last. */
function sorted(items: readonly Item[], sort: Sort): Item[] {
  const words = ({ opened }: Item): string => {
    if (!opened) return "\uffff";
    const { summary } = opened;
    const text = sort === "from"
      ? senderText(summary)
      : summary.subject.replace(/^(?:re|fwd?): */i, "");
    return fold(text);
  };
  const number = ({ opened }: Item): number => {
    if (!opened) return -1;
    return sort === "size" ? opened.summary.size : opened.summary.date;
  };
  switch (sort) {
    case "arrival":
      return [...items];
    case "from":
    case "subject":
      return [...items].sort((a, b) => words(a) < words(b) ? -1 : words(a) > words(b) ? 1 : 0);
    default:
      return [...items].sort((a, b) => number(b) - number(a));
  }
}

/** The conversations that the listed messages are of, with their other messages in all folders but Trash. */
async function threadsIn(mail: Mail, listed: readonly Item[]): Promise<Thread[]> {
  const uids = new Set(listed.map(({ entry }) => entry.uid));
  const others: Item[] = [];
  for await (const item of mail.itemsOf(null)) {
    if (!uids.has(item.entry.uid) && item.entry.folder !== "trash") others.push(item);
  }
  const threads = threadsOf([...listed, ...others]);
  return threads.filter((thread) => thread.some(({ item }) => uids.has(item.entry.uid)))
    .map(onceEach);
}

/** Prints conversations: a line for each, or for each of their messages. */
function listThreads(
  { terminal, json, printJson }: Context,
  { unfold }: InboxOptions,
  threads: readonly Thread[],
  names: OwnNames,
): void {
  if (json) {
    return printJson(threads.map((thread) => ({
      messages: thread.map(({ item, depth }) => ({ ...toJson(item, names), depth })),
    })));
  }
  if (threads.length === 0) return terminal.print("No messages.");
  const id = ({ entry }: Item) => shortId(entry.header.slice(1, 17));
  const rows = threads.flatMap((thread) => {
    if (unfold) {
      return thread.map(({ item, depth }) => {
        const { from, date, subject } = listingLine(item, "subject", names);
        return [id(item), from, date, `${"  ".repeat(Math.min(depth, 8))}${subject}`];
      });
    }
    const newest = thread.reduce((a, b) => a.item.entry.uid > b.item.entry.uid ? a : b).item;
    const { date } = listingLine(newest, "subject", names);
    const unread = thread.filter(({ item }) => !item.entry.flags.includes("seen")).length;
    const who = [...new Set(thread.map(({ item }) => listingLine(item).from))].join(",");
    const count = thread.length === 1 ? "" : ` (${thread.length})`;
    const first = thread[0]?.item ?? newest;
    return [[
      id(newest),
      who,
      date,
      `${unread > 0 ? `[${unread} new] ` : ""}${subjectOf(first)}${count}`,
    ]];
  });
  for (const line of alignColumns([["ID", "From", "Date", "Subject"], ...rows], [8, MAX_WHO])) {
    printRow(terminal, line);
  }
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
