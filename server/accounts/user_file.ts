import { type Bytes, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { MAX_PASSWORD } from "../../protocol/limits.ts";
import { parseName } from "../../protocol/name.ts";
import { isUserState, parseUserState } from "./user_state.ts";
import { type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";

/** One user of the file. */
export interface UserEntry {
  /** Canonical. */
  readonly name: string;
  /** One of the forms of `UserState`, or the password as the operator typed it. */
  readonly value: string;
  /** Where the value, quotes included, is in the text, UTF-16 units. */
  readonly offset: number;
  readonly length: number;
}

/**
 * The users of `text`, the contents of the file `path`, in their order. It is one JSON object of
 * names and strings: no comments, no trailing commas, no name twice in whatever case; each string one
 * of the forms of `UserState` or a password of 1 to {@linkcode MAX_PASSWORD} bytes. A byte order mark
 * at the start is passed over. Throws `config` with `path:line:column`, and never a value.
 */
export function parseUserFile(text: string, path: string): readonly UserEntry[] {
  const fail = (offset: number, what: string): SealpostError => {
    const column = offset - text.slice(0, offset).lastIndexOf("\n");
    return new SealpostError("config", `${path}:${lineAt(text, offset)}:${column}: ${what}`);
  };
  const errors: ParseError[] = [];
  const root = parseBounded(text, errors, fail);
  const [error] = errors.sort((a, b) => a.offset - b.offset);
  if (error) throw fail(error.offset, SYNTAX[printParseErrorCode(error.error)] ?? "not JSON");
  if (root?.type !== "object") {
    throw fail(root?.offset ?? 0, `expected an object: { "name": "password" }`);
  }
  const offsets = new Map<string, number>();
  return (root.children ?? []).map((property) => {
    const entry = userOf(property, fail);
    const at = property.offset;
    const first = offsets.get(entry.name);
    if (first !== undefined) {
      throw fail(at, `the name ${entry.name} is there already in line ${lineAt(text, first)}`);
    }
    offsets.set(entry.name, at);
    return entry;
  });
}

/** The line, from 1, of the character at `offset` of `text`. */
function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** The tree of `text`; the library goes down into every array, which the stack ends. */
function parseBounded(
  text: string,
  errors: ParseError[],
  fail: (offset: number, what: string) => Error,
): Node | undefined {
  try {
    return parseTree(text.replace(/^\uFEFF/, " "), errors, {
      disallowComments: true,
      allowTrailingComma: false,
      allowEmptyContent: false,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw fail(0, `expected an object: { "name": "password" }`);
  }
}

/** `text` with the values of `entries` replaced by what `values` has for their names. */
export function replaceValues(
  text: string,
  entries: readonly UserEntry[],
  values: ReadonlyMap<string, string>,
): string {
  let out = "";
  let at = 0;
  for (const { name, offset, length } of entries) {
    const value = values.get(name);
    if (value === undefined) continue;
    out += text.slice(at, offset) + JSON.stringify(value);
    at = offset + length;
  }
  return out + text.slice(at);
}

/**
 * `text`, the contents of the file `path`, with the values of `changes` set (at the end, for new names)
 * or, where they are null, their entries removed; all else stays as it is. Throws `config`.
 */
export function changeUsers(
  text: string,
  path: string,
  changes: ReadonlyMap<string, string | null>,
): string {
  let out = text;
  for (const [name, value] of changes) {
    const entries = parseUserFile(out, path);
    const at = entries.findIndex((entry) => entry.name === name);
    if (value === null) out = at < 0 ? out : withoutEntry(out, entries, at);
    else if (at >= 0) out = replaceValues(out, entries, new Map([[name, value]]));
    else out = withEntry(out, entries, `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  }
  return out;
}

/** `text` with `property` after its last, and before it what stands before that one. */
function withEntry(text: string, entries: readonly UserEntry[], property: string): string {
  const last = entries.at(-1);
  if (last === undefined) {
    const eol = text.includes("\r\n") ? "\r\n" : "\n";
    return text.replace(/\{\s*\}/, () => `{${eol}  ${property}${eol}}`);
  }
  const end = last.offset + last.length;
  const space = /\s*$/.exec(text.slice(0, keyStart(text, last)))?.[0] ?? "";
  return `${text.slice(0, end)},${space}${property}${text.slice(end)}`;
}

/** `text` without entry `at`: up to the next one, or, for the last, from the one before it. */
function withoutEntry(text: string, entries: readonly UserEntry[], at: number): string {
  const [before, entry, after] = [entries[at - 1], entries[at], entries[at + 1]];
  if (entry === undefined) throw new RangeError("no such entry");
  const end = entry.offset + entry.length;
  if (after !== undefined) {
    return text.slice(0, keyStart(text, entry)) + text.slice(keyStart(text, after));
  }
  const start = before === undefined ? keyStart(text, entry) : before.offset + before.length;
  return text.slice(0, start) + text.slice(end);
}

/** Where the quotation mark before the name of `entry` is. */
function keyStart(text: string, entry: UserEntry): number {
  // A name has no character that would be written as an escape of a quotation mark.
  return text.lastIndexOf('"', text.lastIndexOf('"', entry.offset - 1) - 1);
}

/** A typed password as it is hashed: UTF-8 of its NFC form, as clients send it. */
export function passwordBytes(value: string): Bytes {
  return utf8(value.normalize("NFC"));
}

function userOf(property: Node, fail: (offset: number, what: string) => Error): UserEntry {
  const [key, node] = property.children ?? [];
  if (!key || !node) throw fail(property.offset, "a name without a password");
  const value: unknown = node.value;
  if (node.type !== "string" || typeof value !== "string") {
    throw fail(node.offset, "a password has to be text in double quotes");
  }
  const problem = isUserState(value) ? stateProblem(value) : passwordProblem(value);
  if (problem !== null) throw fail(node.offset, problem);
  return { name: nameOf(key, fail), value, offset: node.offset, length: node.length };
}

function nameOf(key: Node, fail: (offset: number, what: string) => Error): string {
  try {
    const name = parseName(String(key.value));
    if (name.length === String(key.value).length) return name;
  } catch (error) {
    if (!isSealpostError(error, "format")) throw error;
  }
  throw fail(
    key.offset,
    "a name is 1 to 32 of the characters a-z 0-9 . _ - and starts with a letter or digit",
  );
}

function stateProblem(value: string): string | null {
  try {
    parseUserState(value);
    return null;
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    return `${error.message}; write the password itself in its place`;
  }
}

function passwordProblem(value: string): string | null {
  if (value === "") return "an empty password";
  if (!value.isWellFormed()) return "a password with half of a surrogate pair";
  if (passwordBytes(value).length > MAX_PASSWORD) {
    return `a password of more than ${MAX_PASSWORD} bytes`;
  }
  return null;
}

/** Messages for the errors of jsonc-parser. */
const SYNTAX: Readonly<Record<string, string>> = {
  InvalidSymbol: "text that is not JSON",
  PropertyNameExpected: "expected a name in double quotes",
  ValueExpected: "expected a value",
  ColonExpected: "expected a colon",
  CommaExpected: "expected a comma",
  CloseBraceExpected: "expected a closing brace",
  CloseBracketExpected: "expected a closing bracket",
  EndOfFileExpected: "text after the end of the object",
  InvalidCommentToken: "comments are not allowed here",
  UnexpectedEndOfString: "a closing quote is missing",
  InvalidUnicode: "a \\u that is not followed by four hexadecimal digits",
  InvalidEscapeCharacter: "an unknown escape after \\",
  InvalidCharacter: "a control character; write it as an escape",
};
