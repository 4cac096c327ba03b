import { type Command, defineCommand } from "../cli/command.ts";
import { openEditor } from "./editor.ts";
import {
  COMMON,
  EDITOR,
  ENVIRONMENT,
  mailOptions,
  ONLINE,
  REFUSED,
  TICKET,
  WITH_PROGRAMS,
} from "./shared.ts";

const DRAFT = {
  name: "ID",
  required: true,
  help: "the short id of a draft, as drafts shows it, or its first 4 characters or more",
} as const;

/** The commands on what is being written. */
export const DRAFTS_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "drafts",
    summary: "list what was written and not sent",
    description: [
      "Lists drafts, the latest first. What is typed at a terminal for send, reply and forward " +
      "is kept as a draft until its message is in the outbox: also if the connection fails, the " +
      "server refuses it, or the terminal is closed. The server has them too, sealed, for your other " +
      "machines; without it, those of this machine are listed.",
      "--json: an array of objects with id, from, to, cc, bcc, subject, date (when it was saved), " +
      "attachments, and answers or forwards with the id of a message.",
    ],
    positionals: [],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "drafts", what: "all drafts, each with a short id" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { listDrafts } = await import("../client/commands/drafts.ts");
      await listDrafts(mailOptions(given));
    },
  }),
  defineCommand({
    name: "drafts show",
    summary: "show a draft",
    description: ["Shows a draft with its headers. --json: as drafts, and text."],
    positionals: [DRAFT],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "drafts show 4f3a", what: "the draft whose id begins so" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { showDraft } = await import("../client/commands/drafts.ts");
      await showDraft({ ...mailOptions(given), id: given.text("ID") });
    },
  }),
  defineCommand({
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
    rights: WITH_PROGRAMS,
    run: async (given) => {
      const { editSavedDraft } = await import("../client/commands/drafts.ts");
      await editSavedDraft({
        ...mailOptions(given),
        id: given.text("ID"),
        tools: await openEditor(mailOptions(given)),
      });
    },
  }),
  defineCommand({
    name: "drafts send",
    summary: "send a draft",
    description: ["Sends a draft, forgets it, and prints the short id of the message.", TICKET],
    positionals: [DRAFT],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "drafts send 4f3a", what: "the draft whose id begins so" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { sendSavedDraft } = await import("../client/commands/drafts.ts");
      await sendSavedDraft({ ...mailOptions(given), id: given.text("ID") });
    },
  }),
  defineCommand({
    name: "drafts discard",
    summary: "throw a draft away",
    description: ["Removes a draft for good, after asking."],
    positionals: [DRAFT],
    options: [{ name: "yes", help: "do not ask" }, ...COMMON],
    refused: REFUSED,
    examples: [{ line: "drafts discard 4f3a --yes", what: "in a script" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { discardDraft } = await import("../client/commands/drafts.ts");
      await discardDraft({
        ...mailOptions(given),
        id: given.text("ID"),
        yes: given.flag("yes"),
      });
    },
  }),
];
