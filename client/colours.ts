const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
} as const;

export type Colour = keyof typeof CODES;

/**
 * `text` in `colour`, for standard output if that is a terminal and NO_COLOR (no-color.org) is not
 * set; else `text` as it is.
 */
export function paint(
  colour: Colour,
  text: string,
  wanted: boolean = !Deno.noColor && Deno.stdout.isTerminal(),
): string {
  const [on, off] = CODES[colour];
  return wanted ? `\x1b[${on}m${text}\x1b[${off}m` : text;
}
