import { displayWidth } from "../../cli/printable.ts";
import type { Cell, Colour, Style } from "./cells.ts";

/** The colours of a terminal. */
export interface Theme {
  readonly ink: string;
  readonly paper: string;
  readonly frame: string;
  /** Black, red, green, yellow, blue, magenta, cyan, white, then the same bright. */
  readonly colours: readonly string[];
}

/** A terminal on a light and on a dark ground; every colour can be read on its ground. */
export const THEMES: Readonly<Record<"light" | "dark", Theme>> = {
  light: {
    ink: "#24292f",
    paper: "#ffffff",
    frame: "#d0d7de",
    colours: [
      ...["#24292f", "#b42318", "#1a7f37", "#7d5600", "#0959c4", "#8250df", "#127a85", "#d8dee4"],
      ...["#57606a", "#cf222e", "#2da44e", "#9a6700", "#218bff", "#a475f9", "#1b9aaa", "#f6f8fa"],
    ],
  },
  dark: {
    ink: "#d6dbe1",
    paper: "#10141a",
    frame: "#343b45",
    colours: [
      ...["#3b434d", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#b1bac4"],
      ...["#6e7681", "#ffa198", "#7ee787", "#f2cc60", "#a5d6ff", "#e2c5ff", "#8bebf0", "#f0f6fc"],
    ],
  },
};

const SIZE = 14;
const CELL = { width: 8.4, height: 18 };
const MARGIN = 14;
const FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

/** Blocks are drawn, so that no font leaves gaps in a code of squares: x, y, width, height of a cell. */
const BLOCKS: Readonly<Record<string, readonly [number, number, number, number]>> = {
  "█": [0, 0, 1, 1],
  "▀": [0, 0, 1, 0.5],
  "▄": [0, 0.5, 1, 0.5],
  "▌": [0, 0, 0.5, 1],
  "▐": [0.5, 0, 0.5, 1],
};

/** A picture of a screen: text that can be selected and searched, in the colours of `theme`. */
export function toSvg(
  lines: readonly (readonly Cell[])[],
  columns: number,
  theme: Theme,
  title: string,
): string {
  const width = round(columns * CELL.width + 2 * MARGIN);
  const height = lines.length * CELL.height + 2 * MARGIN;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" font-family="${FONT}" font-size="${SIZE}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8" ` +
    `fill="${theme.paper}" stroke="${theme.frame}"/>`,
  ];
  for (const [row, line] of lines.entries()) out.push(...drawLine(line, row, theme));
  return `${[...out, "</svg>"].join("\n")}\n`;
}

function drawLine(line: readonly Cell[], row: number, theme: Theme): string[] {
  const papers: string[] = [];
  const texts: string[] = [];
  const top = MARGIN + row * CELL.height;
  let column = 0;
  for (let i = 0; i < line.length;) {
    const style = line[i]?.style;
    if (style === undefined) break;
    const start = column;
    let text = "";
    // A run: cells that look the same, up to a gap that nothing has to be drawn in.
    for (; i < line.length && same(line[i]?.style, style); i++) {
      const character = line[i]?.character ?? "";
      text += character;
      column += displayWidth(character);
    }
    const { ink, paper } = colours(style, theme);
    const left = round(MARGIN + start * CELL.width);
    const wide = round((column - start) * CELL.width);
    if (paper !== theme.paper) {
      papers.push(
        `<rect x="${left}" y="${top}" width="${wide}" height="${CELL.height}" fill="${paper}"/>`,
      );
    }
    texts.push(...drawText(text, start, top, ink, style));
  }
  return [...papers, ...texts];
}

/** Words at their columns: a font of another width shifts nothing but the letters of a word. */
function drawText(text: string, column: number, top: number, ink: string, style: Style): string[] {
  const out: string[] = [];
  const looks = [
    style.bold ? ' font-weight="bold"' : "",
    style.italic ? ' font-style="italic"' : "",
    style.underlined ? ' text-decoration="underline"' : "",
    style.faint ? ' opacity=".65"' : "",
  ].join("");
  for (const [part] of text.matchAll(/[█▀▄▌▐]| {2,}|(?:(?! {2})[^█▀▄▌▐])+/gu)) {
    const columns = displayWidth(part);
    const left = MARGIN + column * CELL.width;
    column += columns;
    const block = BLOCKS[part];
    if (block) {
      const [x, y, width, height] = block;
      out.push(
        `<rect x="${round(left + x * CELL.width)}" y="${top + y * CELL.height}" ` +
          `width="${round(width * CELL.width + 0.2)}" height="${
            height * CELL.height + 0.2
          }" fill="${ink}"/>`,
      );
    } else if (part.trim() !== "") {
      out.push(
        `<text x="${round(left)}" y="${top + 13.5}" textLength="${round(columns * CELL.width)}" ` +
          `xml:space="preserve" fill="${ink}"${looks}>${escape(part)}</text>`,
      );
    }
  }
  return out;
}

function colours(style: Style, theme: Theme): { ink: string; paper: string } {
  const find = (colour: Colour | null, own: string) => {
    return typeof colour === "number" ? theme.colours[colour] ?? own : colour ?? own;
  };
  const ink = find(style.ink, theme.ink);
  const paper = find(style.paper, theme.paper);
  return style.reversed ? { ink: paper, paper: ink } : { ink, paper };
}

function same(a: Style | undefined, b: Style): boolean {
  return a !== undefined && (a === b || JSON.stringify(a) === JSON.stringify(b));
}

function round(n: number): number {
  return Math.round(n * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
