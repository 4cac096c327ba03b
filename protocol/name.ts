import { SealpostError } from "../crypto/error.ts";

const NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;

/** Longest name of a user, characters. */
export const MAX_NAME_LENGTH = 32;

/** Whether `text` is a canonical name: 1 to 32 of `a-z 0-9 . _ -`, the first a letter or digit. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/**
 * The canonical (lower-case) form of a user's name. Nothing else ever reaches a file name or a
 * query. Throws `format` for anything that is not a name.
 */
export function parseName(text: string): string {
  const name = text.trim().replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  if (!isName(name)) {
    throw new SealpostError(
      "format",
      "a name is 1 to 32 of the characters a-z 0-9 . _ - and starts with a letter or digit",
    );
  }
  return name;
}
