import { displayWidth, fit } from "../../cli/printable.ts";
import { locateAll } from "../mailbox/fold.ts";
import { hitWords, type Query, type SearchField } from "../mailbox/query.ts";
import {
  fill,
  highlighted,
  type Line,
  type Look,
  marked,
  right,
  type Size,
  type Span,
  span,
} from "./frame.ts";
import { type ListModel, scrolled } from "./list_model.ts";
import { type Row, shortDate, shortSize } from "./rows.ts";
import type { Signs } from "./signs.ts";

/** What a list of messages shows. */
export interface ListView {
  readonly list: ListModel;
  readonly tagged: ReadonlySet<string>;
  /** The row of a key; null while its message is being opened. */
  readonly row: (key: string) => Row | null;
  /** What to say if the list is empty. */
  readonly empty: string;
  readonly signs: Signs;
  /** What a search has found the messages by; null if they are not those of a search. */
  readonly query: Query | null;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Columns for names from 110 columns on, and from 90 on: there is room for full names too. */
const WIDE = 28;
const ROOMY = 22;
/** Fewer columns than these are not worth beginning a full name in. */
const LEAST_FULL_NAME = 6;
const DATE = 6;
const LONG_DATE = 10;
const SIZE = 5;

/** The lines of a list of messages, and the list scrolled to the cursor. */
export function viewList(view: ListView, { columns, rows }: Size): {
  readonly lines: Line[];
  readonly list: ListModel;
} {
  const list = scrolled(view.list, rows);
  const keys = list.keys.slice(list.top, list.top + rows);
  const shown = keys.map((key) => ({ key, row: view.row(key) }));
  if (shown.length === 0) {
    return { lines: [[], fill([span(`  ${view.empty}`, "dim")], columns)], list };
  }
  const dates = shown.map(({ row }) => row?.date == null ? "" : shortDate(row.date, view.now));
  const long = dates.some((date) => date.length > DATE) && columns >= 60;
  const widths = {
    who: columns >= 110 ? WIDE : columns >= 90 ? ROOMY : columns >= 70 ? 16 : 10,
    date: long ? LONG_DATE : DATE,
  };
  const lines = shown.map(({ key, row }, i) => {
    const line = viewRow(row, view, key, columns, { ...widths, when: dates[i] ?? "" });
    return key === list.cursor ? highlighted(line) : line;
  });
  return { lines, list };
}

function viewRow(
  row: Row | null,
  { tagged, signs, query }: ListView,
  key: string,
  columns: number,
  { who, date, when }: { who: number; date: number; when: string },
): Line {
  const tag = span(tagged.has(key) ? signs.tagged : " ", "accent");
  if (!row) return fill([tag, span(`    ${signs.more}`, "dim")], columns);
  const look: Look = row.broken ? "bad" : row.fresh ? "strong" : "plain";
  const trust = row.trust === "verified"
    ? span(signs.verified, "good")
    : row.trust === "changed"
    ? span(signs.changed, "bad")
    : span(" ");
  const clip = row.attachments > 0
    ? `${signs.attachment}${row.attachments > 9 ? "+" : row.attachments}`
    : "";
  const tail: Span[] = [
    span(` ${clip.padEnd(2)}`, "accent"),
    ...columns >= 60 ? [span(` ${right(row.size === null ? "" : shortSize(row.size), SIZE)}`)] : [],
    span(` ${right(fit(when, date), date)} `),
  ];
  const tailWidth = tail.reduce((sum, { text }) => sum + displayWidth(text), 0);
  const head: Span[] = [
    tag,
    span(row.fresh ? "N" : row.answered ? "r" : " ", row.fresh ? "accent" : "dim"),
    span(row.flagged ? "!" : " ", "warning"),
    trust,
    span(" "),
    ...whoSpans(row, who, look, query),
    ...row.reply ? [span(signs.reply, "dim")] : [],
    ...row.keywords.map((word) => span(`[${word}] `, "accent")),
    ...withHits(row.subject, look, query, "subject"),
  ];
  return [...fill(head, Math.max(0, columns - tailWidth)), ...tail];
}

/** `text`, which is that `part` of a message, in spans: what `query` looks for as what was found. */
function withHits(text: string, look: Look, query: Query | null, part: SearchField): Line {
  const whole: Line = [span(text, look)];
  if (query === null) return whole;
  return locateAll(text, hitWords(query, part))
    .reduce((line, { from, to }) => marked(line, from, to, "hit"), whole);
}

/** The name, and behind it as much of the full name as there is room for. */
function whoSpans(row: Row, columns: number, look: Look, query: Query | null): Line {
  const { who, fullName, toOthers } = row;
  const left = columns - displayWidth(who) - 1;
  const alone = fullName === "" || columns < ROOMY || left < LEAST_FULL_NAME;
  const name = alone ? fit(who, columns, { pad: true }) : who;
  return [
    ...withHits(name, look, query, toOthers ? "to" : "from"),
    span(" ", look),
    // No full name has a parenthesis in it: what stands there is taken for no name.
    ...alone ? [] : [span(`${fit(`(${fullName})`, left, { pad: true })} `, "dim")],
  ];
}
