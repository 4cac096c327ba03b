import { addressOf, hyperlink } from "../message/links.ts";
import type { Line, Look } from "./frame.ts";

/** Selects the graphic rendition (ECMA-48, SGR) of a look. */
export type Theme = Readonly<Record<Look, string>>;

/**
 * Looks that work on a light and on a dark background: the terminal's own two colours, bold, dim and
 * reverse, and of the 16 colours of its palette those that are readable on both. No background
 * colour but that of a code.
 */
export const COLOURED: Theme = {
  plain: "",
  bar: "1;4",
  strong: "1",
  dim: "2",
  cursor: "7",
  "cursor-strong": "1;7",
  "cursor-hit": "1;4;7",
  good: "32",
  warning: "1;35",
  bad: "1;31",
  accent: "1;34",
  // Black on white, whatever the palette: it is for a camera.
  code: "38;5;16;48;5;231",
  hit: "1;4",
  match: "1;7",
  quote: "36",
  "quote-deep": "35",
};

/** Looks without any colour, for NO_COLOR (https://no-color.org). */
export const PLAIN: Theme = {
  plain: "",
  bar: "1;4",
  strong: "1",
  dim: "2",
  cursor: "7",
  "cursor-strong": "1;7",
  "cursor-hit": "1;4;7",
  good: "",
  warning: "1",
  bad: "1",
  accent: "1",
  code: "7",
  hit: "1;4",
  match: "1;7",
  quote: "2",
  "quote-deep": "2",
};

/** A line as a terminal takes it; with `links`, one that knows hyperlinks. */
export function paint(line: Line, theme: Theme, links = false): string {
  let out = "";
  for (const { text, look, link } of line) {
    const sgr = theme[look];
    const painted = sgr === "" || text === "" ? text : `\x1b[${sgr}m${text}\x1b[0m`;
    const address = links && link !== undefined ? addressOf(link) : null;
    out += address === null ? painted : hyperlink(painted, address);
  }
  return out;
}
