import { formatSize } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import { namesIn } from "./complete.ts";
import { type Composition, type Field, FIELDS, namesField } from "./compose_model.ts";
import { fill, type Line, type Size, type Span, span, type Spot } from "./frame.ts";
import { window } from "./line_input.ts";
import type { Trust } from "./rows.ts";
import type { Signs } from "./signs.ts";
import { viewArea } from "./text_area.ts";

/** What is known of a recipient: how far their key is trusted; `new`: no key yet; `nobody`: no such user. */
export type NameTrust = Trust | "new" | "nobody";

/** What a composer shows. */
export interface ComposeView {
  readonly composition: Composition;
  readonly trust: (name: string) => NameTrust;
  readonly signs: Signs;
}

const LABELS: Readonly<Record<Field, string>> = {
  to: "To",
  cc: "Cc",
  bcc: "Bcc",
  subject: "Subject",
};
const LABEL = 10;

/** A composer laid out: its lines, its cursor, and the text's size and beginning. */
export interface ComposeLayout {
  readonly lines: Line[];
  readonly cursor: Spot;
  readonly columns: number;
  readonly rows: number;
  readonly top: number;
}

/** The lines of a composer. */
export function viewCompose(view: ComposeView, { columns, rows }: Size): ComposeLayout {
  const { composition, signs } = view;
  const { fields, focus, attachments } = composition;
  const tight = rows < 14;
  const lines: Line[] = [];
  let cursor: Spot = { row: 0, column: 0 };
  for (const field of FIELDS) {
    const here = focus === field;
    // Where there is little room, an empty field is shown only while one is in it.
    if (tight && !here && (field === "cc" || field === "bcc") && fields[field].text === "") {
      continue;
    }
    const room = Math.max(1, columns - LABEL - 1);
    const label = span(`${LABELS[field]}:`.padStart(LABEL - 1) + " ", "accent");
    if (here) {
      const { text, column } = window(fields[field], room);
      cursor = { row: lines.length, column: LABEL + column };
      lines.push([label, span(text, "strong")]);
    } else if (namesField(field)) {
      lines.push([label, ...names(fields[field].text, view)]);
    } else {
      lines.push([label, span(printable(fields[field].text))]);
    }
  }
  const shown = tight ? attachments.slice(composition.chosen, composition.chosen + 1) : attachments;
  for (const one of shown) {
    const here = focus === "attachments" && attachments[composition.chosen] === one;
    if (here) cursor = { row: lines.length, column: LABEL };
    const label = shown[0] === one ? "Attached:" : "";
    lines.push([
      span(`${label.padStart(LABEL - 1)} `, "accent"),
      span(
        `${printable(one.name)}${one.size === null ? "" : `, ${formatSize(one.size)}`}`,
        here ? "cursor" : "plain",
      ),
      ...here ? [span("  Del removes it", "dim")] : [],
    ]);
  }
  lines.push([span(signs.line.repeat(columns), "dim")]);
  const room = Math.max(1, rows - lines.length);
  const width = Math.max(1, Math.min(columns - 2, 100));
  const area = viewArea(composition.text, width, room);
  if (focus === "text") {
    cursor = { row: lines.length + area.cursor.row, column: 1 + area.cursor.column };
  }
  for (const text of area.rows) {
    const look = text.startsWith(">") ? "quote" : "plain";
    lines.push([span(" "), span(text, look)]);
  }
  return {
    lines: lines.map((line) => fill(line, columns)),
    cursor,
    columns: width,
    rows: room,
    top: area.top,
  };
}

/** Names, each with the mark of its trust. */
function names(text: string, { trust, signs }: ComposeView): Span[] {
  const out: Span[] = [];
  for (const name of namesIn(text)) {
    if (out.length > 0) out.push(span(", "));
    const known = trust(name);
    out.push(span(printable(name), known === "nobody" ? "bad" : "plain"));
    if (known === "verified") out.push(span(` ${signs.verified}`, "good"));
    if (known === "changed") out.push(span(" !", "bad"));
    if (known === "nobody") out.push(span(` ${signs.nobody}`, "bad"));
    if (known === "new") out.push(span(" ?", "dim"));
  }
  return out;
}
