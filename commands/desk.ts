import type { Command } from "../cli/options.ts";
import { COMMON, EDITOR, ENVIRONMENT, LIMIT, REFUSED, SINCE, TICKET } from "./shared.ts";

const DRAFT = {
  name: "ID",
  required: true,
  help: "the id of a draft, or its first characters, as drafts shows it",
} as const;

/** The commands on what is being written, and on finding and awaiting mail. */
export const DESK_COMMANDS = [
  {
    name: "drafts",
    summary: "list what was written and not sent",
    description: [
      "Lists drafts, the latest first. What is typed at a terminal for send, reply and forward " +
      "is kept as a draft until its message is in the outbox: also if the connection fails, the " +
      "server refuses it, or the terminal is closed.",
      "--json: an array of objects with id, from, to, cc, bcc, subject, date (when it was saved), " +
      "attachments, and answers or forwards with the id of a message. No server is asked.",
    ],
    positionals: [],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "drafts", what: "all drafts, each with a short id" }],
    environment: ENVIRONMENT,
  },
  {
    name: "drafts show",
    summary: "show a draft",
    description: ["Shows a draft with its headers. --json: as drafts, and text."],
    positionals: [DRAFT],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "drafts show 4f3a", what: "the draft whose id begins so" }],
    environment: ENVIRONMENT,
  },
  {
    name: "drafts edit",
    summary: "go on writing a draft",
    description: [
      "Opens a draft in your editor (VISUAL or EDITOR), its headers above an empty line, and keeps " +
      "what you made of it.",
    ],
    positionals: [DRAFT],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "drafts edit 4f3a", what: "the draft whose id begins so" }],
    environment: [...ENVIRONMENT, ...EDITOR],
  },
  {
    name: "drafts send",
    summary: "send a draft",
    description: ["Sends a draft, forgets it, and prints the id of the message.", TICKET],
    positionals: [DRAFT],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "drafts send 4f3a", what: "the draft whose id begins so" }],
    environment: ENVIRONMENT,
  },
  {
    name: "drafts discard",
    summary: "throw a draft away",
    description: ["Removes a draft for good, after asking."],
    positionals: [DRAFT],
    options: [{ name: "yes", help: "do not ask" }, ...COMMON],
    refused: REFUSED,
    examples: [{ line: "drafts discard 4f3a --yes", what: "in a script" }],
    environment: ENVIRONMENT,
  },
  {
    name: "search",
    summary: "find messages by their words",
    description: [
      "Finds messages in which all WORDS are: in sender, recipients, title, names of attachments, " +
      "or the text if it was opened here before. Case and accents make no difference; a phrase " +
      "stands in quotes. Newest first, from all folders.",
      "What is searched is kept on this machine, sealed; the server learns no word of it.",
      "--json: an array of the objects that inbox gives, each with found: in (subject, from, to, " +
      "attachment or text), before, match and after.",
      TICKET,
    ],
    positionals: [
      { name: "WORDS", required: true, rest: true, help: "what to look for; a phrase in quotes" },
    ],
    options: [
      { name: "from", value: "NAME", help: "only what NAME has sent" },
      SINCE,
      LIMIT,
      { name: "folder", value: "FOLDER", help: "only inbox, sent, archive or trash" },
      { name: "fetch", help: "get the texts that were never opened, and search them too" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "search invoice november", what: "messages with both words" },
      { line: "search 'annual report' --from bob", what: "a phrase, in what bob wrote" },
    ],
    environment: ENVIRONMENT,
  },
  {
    name: "watch",
    summary: "tell of new messages as they come",
    description: [
      "Prints a line for each message that comes, until it is stopped. When the connection is lost " +
      "it is made again, and what came meanwhile is told of, as is what came since the last watch; " +
      "the first one begins with what comes from then on. No message is missed or told of twice.",
      "--exec runs a line of shell for each, one after the other, with SEALPOST_ID, SEALPOST_FROM " +
      'and SEALPOST_SUBJECT in the environment: write them in quotes, as in "$SEALPOST_ID". A ' +
      "message counts as told of when the command has ended.",
      "On a terminal the desktop says that mail came (notify-send), or else the terminal.",
      "--json: a line for each message, the object that inbox gives.",
      TICKET,
    ],
    positionals: [],
    options: [
      { name: "exec", value: "COMMAND", help: "run a line of shell for each message" },
      { name: "folder", value: "FOLDER", default: "inbox", help: "inbox, sent, archive or trash" },
      { name: "once", help: "end after one message" },
      {
        name: "count",
        value: "N",
        kind: "integer",
        min: 1,
        max: 1_000_000,
        help: "end after N messages",
      },
      { name: "from-now", help: "pass over what came since the last watch" },
      { name: "no-notify", help: "no notification by the desktop or the terminal" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "watch", what: "in a terminal that stays open" },
      { line: "watch --once --json", what: "wait for the next message, in a script" },
      { line: "watch --exec ./incoming.sh", what: "for each message, with its id in SEALPOST_ID" },
    ],
    environment: ENVIRONMENT,
  },
] as const satisfies readonly Command[];
