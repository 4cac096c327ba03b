import { SealpostError } from "../../crypto/error.ts";

/**
 * The words of a command that is started without a shell: separated by blanks; quotation marks of both
 * kinds keep some together, and a backslash takes the next character as it is, but in '…'. Nothing else has
 * a meaning. Throws `usage` if there are none, or a quotation does not end.
 */
export function commandWords(command: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = "";
  for (let at = 0; at < command.length; at++) {
    const character = command[at] ?? "";
    const next = command[at + 1];
    if (character === "\\" && quote !== "'" && next !== undefined) {
      word = (word ?? "") + next;
      at++;
    } else if (quote !== "") {
      if (character === quote) quote = "";
      else word = (word ?? "") + character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? "") + character;
  }
  if (quote !== "") {
    throw new SealpostError(
      "usage",
      `a quotation in the command does not end: ${quote} is missing`,
    );
  }
  if (word !== null) words.push(word);
  if ((words[0] ?? "") === "") throw new SealpostError("usage", "the command names no program");
  return words;
}
