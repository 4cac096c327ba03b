import { type Command, defineCommand } from "../cli/command.ts";
import { COMMON, ENVIRONMENT, mailOptions, OFFLINE, ONLINE, REFUSED } from "./shared.ts";

const WAITING = {
  name: "ID",
  required: true,
  help: "the short id of a message, as outbox shows it, or its first 4 characters or more",
} as const;

/** The commands on what waits to be sent. */
export const OUTBOX_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "outbox",
    summary: "list what waits to be sent, or was refused",
    description: [
      "Lists messages that are sealed and not with the server yet: they go out with your next " +
      "connection, each once. What the server refused for good while nobody watched is listed " +
      "too, and never sent again. No server is asked.",
      "--json: an array of objects with id, from, to, cc, bcc, subject, date (when it was " +
      "sealed), size, state (waiting or refused) and why.",
    ],
    positionals: [],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "outbox", what: "to whom, since when, and why it waits" }],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { listOutbox } = await import("../client/commands/outbox.ts");
      await listOutbox(mailOptions(given));
    },
  }),
  defineCommand({
    name: "outbox show",
    summary: "show a message that waits",
    description: ["Shows to whom a message goes and why it waits. --json: an object as in outbox."],
    positionals: [WAITING],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "outbox show 4f3a", what: "the message whose short id begins so" }],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { showWaiting } = await import("../client/commands/outbox.ts");
      await showWaiting({ ...mailOptions(given), id: given.text("ID") });
    },
  }),
  defineCommand({
    name: "outbox flush",
    summary: "send what waits now",
    description: [
      "Connects and sends what waits; every other command that connects does so too. Ends with " +
      "75 if something still waits.",
      "--json: an object with sent (how many) and waiting (ids).",
    ],
    positionals: [],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "outbox flush", what: "as soon as you are online again" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { flushOutbox } = await import("../client/commands/outbox.ts");
      await flushOutbox(mailOptions(given));
    },
  }),
  defineCommand({
    name: "outbox discard",
    summary: "throw a message away that was not sent",
    description: ["Removes a message from the outbox: it will not be sent. Asks first."],
    positionals: [WAITING],
    options: [{ name: "yes", help: "do not ask" }, ...COMMON],
    refused: REFUSED,
    examples: [{ line: "outbox discard 4f3a", what: "the message whose short id begins so" }],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { discardWaiting } = await import("../client/commands/outbox.ts");
      await discardWaiting({
        ...mailOptions(given),
        id: given.text("ID"),
        yes: given.flag("yes"),
      });
    },
  }),
];
