import { type Mutant, one } from "./mutant.ts";

const IMAP = "client/bridge/imap";
const COMMANDS = `${IMAP}/commands`;
const GIVEN = "client/bridge/given.ts";

/** Breakages of the bridge for other mail programs. */
export const OF_BRIDGE: readonly Mutant[] = [
  one(
    "a literal before the login may have any size",
    `${IMAP}/session.ts`,
    "literal: 512, command: 4096",
    "literal: 1e9, command: 1e9",
  ),
  one(
    "a line before the login may have any length",
    `${IMAP}/session.ts`,
    "line: 2048",
    "line: 1e9",
  ),
  one(
    "what comes with a literal that is too long is taken for commands",
    `${IMAP}/session.ts`,
    'if (!waits) throw new ImapBye("a literal is too long");',
    "",
  ),
  one(
    "sequence numbers change under a FETCH",
    `${IMAP}/session.ts`,
    "await this.update(command.removals || byUid)",
    "await this.update(true)",
  ),
  one(
    "a message that is refused is taken for commands",
    `${IMAP}/session.ts`,
    "      await message?.skip();\n",
    "",
  ),
  one(
    "commands that are none never end a connection",
    `${IMAP}/session.ts`,
    "++this.#bad >= MAX_BAD",
    "++this.#bad >= Infinity",
  ),
  one(
    "wrong passwords never end a connection",
    `${IMAP}/session.ts`,
    'kind === "BAD" || code === "AUTHENTICATIONFAILED";',
    'kind === "BAD";',
  ),
  one(
    "any number of wrong passwords wait",
    "client/bridge/password.ts",
    "this.#waiting >= MAX_WAITING",
    "this.#waiting >= 1e9",
  ),
  one(
    "quotes in what others wrote end a string",
    `${IMAP}/output.ts`,
    'text.replace(/[\\\\"]/g, "\\\\$&")',
    "text",
  ),
  one(
    "lists in a command are nested without end",
    `${IMAP}/parser.ts`,
    'if (++this.#depth > MAX_DEPTH) throw bad("lists within too many lists");',
    "++this.#depth;",
  ),
  one(
    "a keyword is not announced before a message has it",
    `${IMAP}/selected.ts`,
    "if (flags === this.#flags) return;",
    "if (this.#flags !== null) return;",
  ),
  one(
    "a range up to the last message forgets it",
    `${IMAP}/sequence_set.ts`,
    "lowerBound(numbers, Math.min(a, b))",
    "lowerBound(numbers, a)",
  ),
  one(
    "a UID over 2^32 is taken",
    `${IMAP}/sequence_set.ts`,
    'if (value > MAX_NUMBER) throw bad("a number is too large");',
    "",
  ),
  one(
    "who comes back is not told what went",
    `${COMMANDS}/select.ts`,
    "if (gone.length > 0) output.line",
    "if (gone.length > 1e9) output.line",
  ),
  one(
    "flags are changed in a mailbox that is open for reading",
    `${COMMANDS}/store.ts`,
    'if (selected.readOnly) throw new ImapError("NO", "the mailbox is open for reading only");',
    "",
  ),
  one(
    "messages are removed from a mailbox that is open for reading",
    `${COMMANDS}/expunge.ts`,
    'if (selected.readOnly) throw new ImapError("NO", "the mailbox is open for reading only");',
    "",
  ),
  one(
    "reading marks nothing as seen",
    `${COMMANDS}/fetch.ts`,
    "marks ? await markSeen(context, positions) : new Set()",
    "new Set()",
  ),
  one(
    "reading marks as seen what is open for reading only",
    `${COMMANDS}/fetch.ts`,
    "!peek) && !selected.readOnly",
    "!peek)",
  ),
  one(
    "a message of any size is read before it is refused",
    `${COMMANDS}/append.ts`,
    "if (size > store.appendLimit) {",
    "if (size < 0) {",
  ),
  one(
    "a message for no mailbox is asked for",
    `${COMMANDS}/append.ts`,
    "if (await store.view(mailbox) === null) {",
    "if (size < 0) {",
  ),
  one(
    "what comes after a message is not looked at",
    `${COMMANDS}/append.ts`,
    '  if (utf8) rest.expect(")");\n  rest.end();\n',
    "",
  ),
  one(
    "one logs in for another",
    `${COMMANDS}/authenticate.ts`,
    'if (authorized !== "" && authorized !== name) {',
    "if (authorized === name) {",
  ),
  one(
    "a part of a message is given to its end",
    `${IMAP}/section.ts`,
    "const end = Math.min(size, from + most);",
    "const end = size;",
  ),
  one(
    "the line end before a delimiter belongs to a part",
    `${IMAP}/structure.ts`,
    "Math.max(from - before, ",
    "Math.max(from, ",
  ),
  one(
    "a pattern for one level fits others below",
    `${IMAP}/mailbox_name.ts`,
    'if (char === "%" && name[to] === DELIMITER) break;',
    "",
  ),
  one(
    "a search forgets that it is for what does not fit",
    `${IMAP}/search_condition.ts`,
    "test: async (at, store) => !await inner.test(at, store)",
    "test: async (at, store) => await inner.test(at, store)",
  ),
  one(
    "what went from a mailbox is still shown",
    "client/bridge/account.ts",
    "return count === messages.length ? messages : null;",
    "return messages;",
  ),
  one(
    "what another program fetched first is not told",
    "client/bridge/account.ts",
    "event.modseq > this.#seen.modseq",
    "event.modseq > this.#mail.cache.fetched().modseq",
  ),
  one(
    "a group stands in a header as it was written",
    "client/bridge/submission.ts",
    "if (!grouped) return field;",
    "if (field) return field;",
  ),
  one(
    "a group is nobody in a mail program",
    "client/bridge/submission.ts",
    "for (const one of names) users.add(one);",
    "users.add(name);",
  ),
  one(
    "a mail program is not told who everyone is",
    "client/bridge/smtp.ts",
    "[became, ...sent.notes]",
    "[became]",
  ),
  one(
    "who waits is told so within a response",
    `${IMAP}/progress.ts`,
    "if (!output.inResponse) {",
    "{",
  ),
  one(
    "who waits hears nothing",
    `${IMAP}/progress.ts`,
    "silent < this.#patience",
    "silent < Infinity",
  ),
  one(
    "who idles is told to wait",
    `${IMAP}/session.ts`,
    "    this.#progress?.pause();\n    const line",
    "    const line",
  ),
  one(
    "an answer stands in a message that broke off",
    `${IMAP}/session.ts`,
    'if (this.output.inResponse && !isSealpostError(error, "connection-lost")) {',
    "if (!this.output) {",
  ),
  one(
    "a field like the bridge's own is given out as its sender wrote it",
    GIVEN,
    "rename(index + start.length, IMITATED);",
    "",
  ),
  one(
    "a From of somebody else is given out",
    GIVEN,
    "if (stored || (senders.length === 1 && isFrom(header, from.name))) return patches;",
    "if (senders.length > 0) return patches;",
  ),
  one(
    "a list shows a From of somebody else",
    GIVEN,
    "binary(patched(fromBinary(header), 0, patchesOf(header, summary)))",
    "header",
  ),
];
