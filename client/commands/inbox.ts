import { SealpostError } from "../../crypto/error.ts";
import type { Flag } from "../../protocol/entry.ts";
import { parseName } from "../../protocol/name.ts";
import { alignColumns } from "../../cli/columns.ts";
import { printable } from "../../cli/printable.ts";
import type { Item } from "../mailbox/open.ts";
import { shortId } from "../mailbox/message_ids.ts";
import { FLAG_WORDS } from "../mailbox/own_names.ts";
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
}

const DAY = 86_400_000;
const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: DAY, w: 7 * DAY };

/** The `inbox` command: lists the newest messages of a folder. */
export async function inbox(options: InboxOptions): Promise<void> {
  const from = options.from === undefined ? null : parseName(options.from);
  const since = options.since === undefined ? 0 : parseSince(options.since);
  const wanted = (item: Item, keyword: Flag | null) => {
    if (keyword !== null && !item.entry.flags.includes(keyword)) return false;
    if (options.unread && item.entry.flags.includes("seen")) return false;
    const { summary } = item.opened ?? {};
    if (from !== null && (summary?.stored || summary?.from.name !== from)) return false;
    return item.entry.receivedAt >= since;
  };
  await withMail(options, async (context) => {
    const { mail, terminal, json, printJson } = context;
    const { renewed } = await mail.refresh();
    if (renewed) {
      terminal.printError("the server made this mailbox anew since you last looked; ask why");
    }
    const folder = await mail.findFolder(options.folder);
    const keyword = options.keyword === undefined ? null : await findKeyword(mail, options.keyword);
    const filtered = options.unread || from !== null || since > 0 || keyword !== null;
    const items = await mail.list({
      folder,
      limit: options.limit,
      ...(filtered ? { wanted: (item: Item) => wanted(item, keyword) } : {}),
    });
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

/** Milliseconds since 1970 of a date (local midnight), a date and time, or an age like `7d`. */
export function parseSince(text: string, now = Date.now()): number {
  const age = /^(\d{1,5})([hdw])$/.exec(text);
  if (age) return now - Number(age[1]) * (UNITS[age[2] ?? ""] ?? DAY);
  const date = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00`) : Date.parse(text);
  if (!Number.isNaN(date)) return date;
  throw new SealpostError(
    "usage",
    `${JSON.stringify(text)} is not a date: write 2026-11-22, or an age like 12h, 7d or 2w`,
  );
}
