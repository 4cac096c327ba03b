import { displayWidth, fit } from "./printable.ts";

/**
 * `rows` of cells that are safe to print, as lines whose columns align: two spaces apart, each as
 * wide as its widest cell, or as `most` says for its position. The last cell of a row stays as it is.
 */
export function alignColumns(
  rows: readonly (readonly string[])[],
  most: readonly (number | undefined)[] = [],
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) {
      widths[i] = Math.min(most[i] ?? Infinity, Math.max(widths[i] ?? 0, displayWidth(cell)));
    }
  }
  return rows.map((row) =>
    row.map((cell, i) => i === row.length - 1 ? cell : fit(cell, widths[i] ?? 0, { pad: true }))
      .join("  ").trimEnd()
  );
}
