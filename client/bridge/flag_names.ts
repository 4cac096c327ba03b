import { type Flag, LAST_KEYWORD, NAMED_FLAGS } from "../../protocol/entry.ts";
import type { OwnNames } from "../mailbox/own_names.ts";

// Flags as IMAP spells them. The server knows \Deleted and \Draft no better than any other keyword.

const SYSTEM: Readonly<Record<string, Flag>> = {
  "\\seen": "seen",
  "\\answered": "answered",
  "\\flagged": "flagged",
  "$forwarded": "forwarded",
};

/** The keywords that stand for flags of IMAP which have no bit of their own. */
const AS_KEYWORDS: Readonly<Record<string, string>> = {
  "\\deleted": "$Deleted",
  "\\draft": "$Draft",
};

/** Keywords that a mail program cannot have, since the flags of everybody are called so. */
const TAKEN = ["seen", "read", "answered", "flagged", "forwarded", "new"];

/** How a keyword without a name that IMAP could spell is spelled: by its bit. */
const BY_BIT = /^\$sealpost-(\d{1,2})$/i;

/** How IMAP spells the flags of a message. */
export function imapFlags(flags: readonly Flag[], names: OwnNames): string[] {
  return flags.map((flag) => imapFlag(flag, names));
}

function imapFlag(flag: Flag, names: OwnNames): string {
  switch (flag) {
    case "seen":
      return "\\Seen";
    case "answered":
      return "\\Answered";
    case "flagged":
      return "\\Flagged";
    case "forwarded":
      return "$Forwarded";
  }
  const name = names.flagName(flag);
  if (name === "$Deleted") return "\\Deleted";
  if (name === "$Draft") return "\\Draft";
  // deno-lint-ignore no-control-regex
  return /^[^(){ %*"\\\]\x00-\x1f\x7f-\uffff#]+$/.test(name) ? name : `$sealpost-${flag}`;
}

/** All keywords that have names, as IMAP spells them. */
export function keywordNames(names: OwnNames): string[] {
  const own = names.keywords.map(({ number }) => imapFlag(number, names));
  return ["$Forwarded", ...own.filter((name) => !name.startsWith("\\"))];
}

/** A flag that IMAP spells so: the flag, or the name of a keyword that is to be made; null for one that can be none. */
export function flagOf(
  text: string,
  names: OwnNames,
): { readonly flag: Flag } | { readonly make: string } | null {
  const lower = text.toLowerCase();
  const known = SYSTEM[lower];
  if (known !== undefined) return { flag: known };
  const bit = Number(BY_BIT.exec(text)?.[1] ?? -1);
  if (bit >= NAMED_FLAGS.length && bit <= LAST_KEYWORD) return { flag: bit };
  if (TAKEN.includes(lower)) return null;
  const name = AS_KEYWORDS[lower] ?? text;
  const found = names.findFlag(name);
  return found === null ? { make: name } : { flag: found };
}
