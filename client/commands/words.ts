import { showsColours, showsUnicode } from "../terminal/display.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { qrLines, qrModules } from "../trust/qr_code.ts";

const A_LINE = 4;

/** Words in lines of four, each with its number, for people who write them down. */
export function numberedWords(words: readonly string[]): string[] {
  const width = Math.max(...words.map((word) => word.length));
  const cells = words.map((word, i) => `${String(i + 1).padStart(2)} ${word.padEnd(width)}`);
  return Array.from({ length: Math.ceil(cells.length / A_LINE) }, (_, row) => {
    return `  ${cells.slice(row * A_LINE, (row + 1) * A_LINE).join("  ").trimEnd()}`;
  });
}

/** Shows words, and a QR code of them where the terminal is wide enough for it. */
export function showWords(terminal: Terminal, words: readonly string[]): void {
  terminal.print();
  for (const line of numberedWords(words)) terminal.print(line);
  terminal.print();
  if (!showsUnicode()) return;
  const text = words.join(" ");
  if (qrModules(text).length > terminal.columns()) return;
  const style = showsColours() ? "colours" : "light-on-dark";
  for (const line of qrLines(text, style)) terminal.print(line);
}
