import type { Command } from "../protocol/options.ts";
import { COMMON, ENVIRONMENT, REFUSED, TICKET } from "./shared.ts";

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
] as const satisfies readonly Command[];
