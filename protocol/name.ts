import { SealpostError } from "../crypto/error.ts";

const NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;

/** Longest name of a user, characters. */
export const MAX_NAME_LENGTH = 32;

/** Whether `text` is a canonical name: 1 to 32 of `a-z 0-9 . _ -`, the first a letter or digit. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/** What all members are called together: no user has this name. */
export const EVERYONE = "everyone";

/** Who has signed an announcement: no user's name can have a blank. */
export const OPERATOR = "the operator";

/** Longest full name, characters. */
export const MAX_FULL_NAME = 100;

/**
 * Whether `text` can be the full name of a person, in any script: 1 to 100 characters that can be seen, with
 * single blanks between, none around; and the two invisible ones that some scripts need within a word. None
 * has a character with which addresses and remarks are written.
 */
export function isFullName(text: string): boolean {
  return [...text].length <= MAX_FULL_NAME &&
    /^[^\p{C}\p{Z}()<>[\]@:;,"\\]+(?:[ \u200c\u200d][^\p{C}\p{Z}()<>[\]@:;,"\\]+)*$/u.test(text);
}

/** A full name as a person wrote it, its blanks made single. Throws `format` for what is none. */
export function parseFullName(text: string): string {
  const name = text.normalize("NFC").trim().replace(/\s+/gu, " ");
  if (isFullName(name)) return name;
  throw new SealpostError(
    "format",
    `a full name is 1 to ${MAX_FULL_NAME} characters that can be seen, and none of ( ) < > [ ] @ : ; , " \\`,
  );
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
