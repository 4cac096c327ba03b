import { formatTime, sentence } from "../../cli/format.ts";
import type { Bytes } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { findFingerprint } from "../../crypto/identity.ts";
import { type Address, formatAddress, parseAddress } from "../../protocol/address.ts";
import { readFileBounded } from "../../files/atomic_file.ts";
import { INVITATION_BEGIN, INVITATION_END, parseInvitation } from "../../protocol/invitation.ts";
import { isName, parseName } from "../../protocol/name.ts";
import { printable } from "../../cli/printable.ts";
import type { Completer } from "../terminal/complete.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** What an address does not have, and the text around an invitation has. */
const WORDS = /[\s,;!?<>"'()]|\.$/;

/** Who is to be set up, and where: from an invitation, or from what the person knows. */
export interface Newcomer {
  /** Null if it is still to be asked for. */
  readonly name: string | null;
  /** Where the server is reached, best first. */
  readonly servers: readonly Address[];
  /** The fingerprint that the server must have, 32 bytes; null if the person has to compare it. */
  readonly fp: Bytes | null;
  /** The password of the invitation, good for one time; null if there is no invitation. */
  readonly password: string | null;
}

/** Largest file that is searched for an invitation, bytes. */
const MAX_INVITATION_FILE = 65_536;
/** Lines of an invitation after which its end is not waited for. */
const MAX_LINES = 30;

/**
 * Who the invitation in `text` is for. Throws `format` if there is none, `login-refused` if its time
 * is over.
 */
export function newcomerOf(text: string, now = Date.now()): Newcomer {
  const { name, servers, fp, password, expires } = parseInvitation(text);
  if (expires < now) {
    throw new SealpostError(
      "login-refused",
      `this invitation was good until ${formatTime(expires)}; ask whoever sent it for another`,
    );
  }
  return { name, servers, fp, password };
}

/** Who the invitation in a file is for. Throws as {@linkcode newcomerOf}, `file-missing`, `file-io`. */
export async function readInvitation(path: string): Promise<Newcomer> {
  return newcomerOf(new TextDecoder().decode(await readFileBounded(path, MAX_INVITATION_FILE)));
}

/**
 * Who `[user@]host[:port]` is about, on a server with the fingerprint that is given, if one is.
 * Throws `usage`, or `format` for a name that is none.
 */
export function newcomerAt(target: string, fingerprint: string | undefined): Newcomer {
  const at = target.lastIndexOf("@");
  const fp = fingerprint === undefined ? null : findFingerprint(fingerprint);
  if (fingerprint !== undefined && fp === null) {
    throw new SealpostError(
      "usage",
      "--fingerprint has the form SHA256: and 43 characters, as the server says at its start",
    );
  }
  return {
    name: at < 0 ? null : parseName(target.slice(0, at)),
    servers: [parseAddress(target.slice(at + 1))],
    fp,
    password: null,
  };
}

/** Asks for an invitation or an address until there is one. Throws `cancelled`. */
export async function askNewcomer(terminal: Terminal): Promise<Newcomer> {
  for (;;) {
    const text = await askInvitation(terminal, "> ");
    if (text === "") continue;
    try {
      if (isBegin(text.split("\n")[0] ?? "")) return newcomerOf(text);
      if (WORDS.test(text)) throw new SealpostError("usage", "that is no address of a server");
      return newcomerAt(text, undefined);
    } catch (error) {
      if (!isSealpostError(error, "format", "usage", "login-refused")) throw error;
      terminal.printError(printable(sentence(error.message)));
    }
  }
}

/**
 * A whole invitation that is pasted, or one line of something else; without blanks around it.
 * `before` is what was read of it already. Throws `cancelled`.
 */
export async function askInvitation(
  terminal: Terminal,
  prompt: string,
  before: readonly string[] = [],
): Promise<string> {
  const text = await terminal.askBlock(prompt, (lines) => {
    const [first = "", ...others] = [...before, ...lines];
    if (!isBegin(first)) return true;
    return others.length > MAX_LINES || others.some((line) => unquoted(line) === INVITATION_END);
  });
  if (text === null) throw new SealpostError("cancelled", "the input has ended");
  return [...before, text].join("\n").trim();
}

/** Whether an invitation begins with `line`. */
export function isBegin(line: string): boolean {
  return unquoted(line) === INVITATION_BEGIN;
}

/** A line without blanks and marks of quoting around it. */
function unquoted(line: string): string {
  return line.replace(/^[\s>]+/, "").trimEnd();
}

/** Asks for a user's name until it is one. Throws `cancelled`. */
export async function askName(terminal: Terminal): Promise<string> {
  for (;;) {
    const name = (await askTrimmed(terminal, "Your name on this server: ")).toLowerCase();
    if (isName(name)) return name;
    terminal.printError("A name has 1 to 32 of a-z 0-9 . _ -, the first a letter or digit.");
  }
}

/** A line without blanks around it. Throws `cancelled` at the end of the input. */
export async function askTrimmed(
  terminal: Terminal,
  prompt: string,
  completer?: Completer,
): Promise<string> {
  const line = await terminal.ask(prompt, completer);
  if (line === null) throw new SealpostError("cancelled", "the input has ended");
  return line.trim();
}

/** Addresses for people. */
export function places(servers: readonly Address[]): string {
  return servers.map(formatAddress).join(", ");
}
