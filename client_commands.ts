import type { Command } from "./protocol/options.ts";

const ENVIRONMENT = [
  { name: "SEALPOST_HOME", help: "your folder, if --dir is not given" },
  { name: "SEALPOST_PASSWORD", help: "the password, for use without a person" },
  {
    name: "SEALPOST_PASSPHRASE",
    help: "the passphrase of the private key, for use without a person",
  },
] as const;

const NOT_AN_ARGUMENT = "every user of this machine can see the arguments of a program; " +
  "use SEALPOST_PASSWORD or --password-file FILE, or type it when asked";
const REFUSED = { password: NOT_AN_ARGUMENT } as const;

const COMMON = [
  {
    name: "dir",
    value: "DIR",
    help: "your folder (default: SEALPOST_HOME, the current one, or the platform's)",
  },
  {
    name: "server",
    value: "[USER@]HOST[:PORT]",
    help: "the server (default: server in sealpost.toml)",
  },
  {
    name: "password-file",
    value: "FILE",
    help: "take the password from the first line of FILE, which only you may read",
  },
  { name: "no-cache", help: "keep nothing of what is fetched on this machine" },
  { name: "json", help: "print JSON, for programs" },
] as const;

const TO = {
  name: "to",
  short: "t",
  value: "NAME",
  repeatable: true,
  help: "who gets it; several: again, or separated by commas",
} as const;
const ATTACH = {
  name: "attach",
  short: "a",
  value: "FILE",
  repeatable: true,
  help: "a file to attach; several: again",
} as const;
const FILE = {
  name: "file",
  value: "FILE",
  help: "take the text from FILE (default: standard input, or typed, ended by a single .)",
} as const;
const ID = {
  name: "ID",
  required: true,
  help: "the id of a message, or its first characters, as inbox shows it",
} as const;
const IDS = { ...ID, rest: true, help: "ids of messages, or their first characters" } as const;
const TICKET =
  "After one login with the password a ticket takes its place for 24 hours, so that the next " +
  "commands need none.";

/** The commands that do one thing with one's mail. */
export const CLIENT_COMMANDS = [
  {
    name: "send",
    summary: "send a message",
    description: ["Sends one message and prints its id.", TICKET],
    positionals: [],
    options: [
      TO,
      { ...TO, name: "cc", short: "c", help: "who gets a copy" },
      { ...TO, name: "bcc", short: "b", help: "who gets a copy that the others do not know of" },
      { name: "subject", short: "s", value: "TEXT", help: "the title" },
      ATTACH,
      FILE,
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "send -t bob -s Hello < letter.txt", what: "the text comes from a file" },
      { line: "send -t bob -t carol -s Scans -a a.png -a b.png", what: "with two attachments" },
    ],
    environment: ENVIRONMENT,
  },
  {
    name: "inbox",
    summary: "list messages",
    description: ["Lists the newest messages, newest first, each with a short id.", TICKET],
    positionals: [],
    options: [
      { name: "unread", short: "u", help: "only those that were not read" },
      { name: "from", value: "NAME", help: "only those from NAME" },
      {
        name: "since",
        value: "DATE",
        help: "only those since 2026-11-22, or of the last 12h, 7d, 2w",
      },
      {
        name: "limit",
        short: "n",
        value: "N",
        kind: "integer",
        min: 1,
        max: 100_000,
        default: "50",
        help: "how many at the most",
      },
      { name: "folder", value: "FOLDER", default: "inbox", help: "inbox, sent, archive or trash" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "inbox --unread", what: "what is new" },
      { line: "inbox --from bob --since 7d --json", what: "for a program" },
    ],
    environment: ENVIRONMENT,
  },
  {
    name: "read",
    summary: "show a message",
    description: [
      "Shows a message and marks it as read. Nothing of it is shown before all of it has verified.",
    ],
    positionals: [ID],
    options: [
      { name: "raw", help: "print the message as it is sent (RFC 5322)" },
      { name: "save", value: "DIR", help: "save its attachments in DIR; nothing is overwritten" },
      {
        name: "part",
        value: "N",
        kind: "integer",
        min: 1,
        max: 1000,
        help: "write the contents of attachment N to standard output",
      },
      { name: "peek", help: "do not mark it as read" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "read 4f3a", what: "the message whose id begins so" },
      { line: "read 4f3a --save ~/Downloads", what: "with its attachments" },
      { line: "read 4f3a --raw > message.eml", what: "for another mail program" },
    ],
    environment: ENVIRONMENT,
  },
  {
    name: "reply",
    summary: "answer a message",
    description: ["Answers the sender of a message, and prints the id of the answer."],
    positionals: [ID],
    options: [
      { name: "all", help: "answer all other recipients too" },
      ATTACH,
      FILE,
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [{ line: "reply 4f3a --all < answer.txt", what: "to everybody" }],
    environment: ENVIRONMENT,
  },
  {
    name: "forward",
    summary: "pass a message on",
    description: [
      "Sends the text and the attachments of a message to others, under your own text.",
    ],
    positionals: [ID],
    options: [TO, ATTACH, FILE, ...COMMON],
    refused: REFUSED,
    examples: [{ line: "forward 4f3a -t carol < note.txt", what: "with a note before it" }],
    environment: ENVIRONMENT,
  },
  {
    name: "move",
    summary: "move messages to a folder",
    description: ["Moves messages to another folder."],
    positionals: [IDS],
    options: [
      {
        name: "folder",
        value: "FOLDER",
        default: "archive",
        help: "inbox, sent, archive or trash",
      },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [{ line: "move 4f3a 77c0 --folder archive", what: "two messages" }],
    environment: ENVIRONMENT,
  },
  {
    name: "delete",
    summary: "delete messages",
    description: ["Moves messages to Trash, or removes them for good."],
    positionals: [IDS],
    options: [
      { name: "for-good", help: "remove them from the server; asks first" },
      { name: "yes", help: "do not ask" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "delete 4f3a", what: "to Trash" },
      { line: "delete 4f3a --for-good --yes", what: "in a script" },
    ],
    environment: ENVIRONMENT,
  },
  {
    name: "mark",
    summary: "set and clear flags",
    description: ["Sets and clears the flags seen, answered and flagged."],
    positionals: [IDS],
    options: [
      { name: "set", value: "FLAG", repeatable: true, help: "seen, answered or flagged" },
      { name: "clear", value: "FLAG", repeatable: true, help: "seen, answered or flagged" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [{ line: "mark 4f3a --clear seen", what: "as if it had not been read" }],
    environment: ENVIRONMENT,
  },
  {
    name: "status",
    summary: "show who you are and how your mailbox stands",
    description: ["Connects, sends what waits in the outbox, and shows the state of the mailbox."],
    positionals: [],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "status --json", what: "for a program" }],
    environment: ENVIRONMENT,
  },
] as const satisfies readonly Command[];
