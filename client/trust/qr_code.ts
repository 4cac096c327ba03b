import encodeQR from "qr";

/** Light modules around the code: as many as ISO/IEC 18004 asks for. */
const QUIET = 4;

/**
 * How the two kinds of modules come to be dark and light: by colours of their own; or without, for a
 * terminal that writes light on dark, or dark on light.
 */
export type QrStyle = "colours" | "light-on-dark" | "dark-on-light";

/** The modules of `text` as a QR code, true for dark, with what must be light around them. */
export function qrModules(text: string): boolean[][] {
  return encodeQR(text, "raw", { ecc: "low", border: QUIET });
}

/** A QR code as lines of a terminal: two rows of modules a line, one module a column. */
export function qrLines(text: string, style: QrStyle): string[] {
  const modules = qrModules(text);
  const dark = (y: number, x: number) => modules[y]?.[x] ?? false;
  // A block is drawn in the colour that the terminal writes with.
  const drawn = (y: number, x: number) => dark(y, x) !== (style === "light-on-dark");
  const lines: string[] = [];
  for (let y = 0; y < modules.length; y += 2) {
    let line = "";
    for (let x = 0; x < modules.length; x++) {
      const [top, bottom] = [drawn(y, x), drawn(y + 1, x)];
      line += top ? bottom ? "█" : "▀" : bottom ? "▄" : " ";
    }
    lines.push(style === "colours" ? `\x1b[38;5;16;48;5;231m${line}\x1b[0m` : line);
  }
  return lines;
}
