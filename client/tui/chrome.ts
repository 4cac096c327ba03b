import { displayWidth, fit } from "../../cli/printable.ts";
import { fill, type Line, type Size, type Span, span, spread, widthOf } from "./frame.ts";
import { hints, type Mode } from "./keys.ts";
import { type LineInput, window } from "./line_input.ts";

/** The state of the connection in words, and whether it is lost. */
export interface ConnectionStatus {
  readonly words: string;
  readonly lost: boolean;
}

/** What the line at the bottom says. */
export type Message =
  | { readonly kind: "info" | "good" | "error"; readonly text: string }
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "question"; readonly text: string }
  | {
    readonly kind: "input";
    readonly label: string;
    readonly input: LineInput;
    readonly hidden: boolean;
    /** The possible completions. */
    readonly choices: readonly string[];
  };

/** Rows that the bars take. */
export function barRows({ rows }: Size): { readonly top: number; readonly bottom: number } {
  return { top: 1, bottom: rows >= 12 ? 2 : 1 };
}

/** The line at the top: the screen, and the state of the connection. */
export function topBar(where: string, connection: ConnectionStatus, columns: number): Line {
  const state: Line = [span(` ${connection.words} `, "bar")];
  const whole = widthOf(state) + displayWidth(where) + 2 <= columns;
  const right = whole || connection.lost ? state : [];
  return spread([span(` ${where}`, "bar")], right, columns, "bar");
}

/** The line with the most useful keys, as many as there is room for. */
export function hintBar(mode: Mode, columns: number): Line {
  const out: Span[] = [];
  const list = hints(mode);
  // The key for help is always shown.
  const last = list.find(({ word }) => word === "help");
  let room = columns - (last ? last.key.length + last.word.length + 3 : 0);
  for (const { key, word } of list) {
    if (word === "help") continue;
    const width = key.length + word.length + 3;
    if (width > room) continue;
    room -= width;
    out.push(span(` ${key}`, "accent"), span(` ${word} `, "dim"));
  }
  if (last) out.push(span(` ${last.key}`, "accent"), span(` ${last.word} `, "dim"));
  return fill(out, columns);
}

/** The line at the bottom, and the column of the cursor in it. */
export function messageLine(
  message: Message | null,
  columns: number,
): { readonly line: Line; readonly cursor: number | null } {
  if (!message) return { line: fill([], columns), cursor: null };
  switch (message.kind) {
    case "info":
      return { line: fill([span(` ${message.text}`)], columns), cursor: null };
    case "good":
      return { line: fill([span(` ${message.text}`, "good")], columns), cursor: null };
    case "error":
      return { line: fill([span(` ${message.text}`, "bad")], columns), cursor: null };
    case "progress":
      return { line: fill([span(` ${message.text}`, "accent")], columns), cursor: null };
    case "question": {
      const text = ` ${fit(message.text, Math.max(1, columns - 2))}`;
      return {
        line: fill([span(text, "strong")], columns),
        cursor: Math.min(columns - 1, displayWidth(text) + 1),
      };
    }
    case "input": {
      const label = ` ${fit(message.label, Math.max(8, Math.floor(columns / 2)))}`;
      const room = Math.max(1, columns - displayWidth(label) - 1);
      const { text, column } = message.hidden
        ? { text: "", column: 0 }
        : window(message.input, room);
      const rest = room - displayWidth(text) - 3;
      const choices = message.choices.length > 1 && rest > 10
        ? [span(`  ${fit(message.choices.join("  "), rest)}`, "dim")]
        : [];
      return {
        line: fill([span(`${label} `, "strong"), span(text), ...choices], columns),
        cursor: displayWidth(label) + 1 + column,
      };
    }
  }
}
