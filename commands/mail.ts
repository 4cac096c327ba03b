import { type Command, defineCommand } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import { openEditor, openPipe, openTools } from "./editor.ts";
import {
  ASKED,
  ATTACH,
  COMMON,
  EDITOR,
  ENVIRONMENT,
  FILE,
  FOLDERS,
  ID,
  LIMIT,
  mailOptions,
  ONLINE,
  REFUSED,
  SEARCH,
  selection,
  SINCE,
  SOME_IDS,
  textOptions,
  TICKET,
  TO,
  WITH_PROGRAMS,
  YES,
} from "./shared.ts";

/** The commands that do one thing with one's mail. */
export const MAIL_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "send",
    summary: "send a message",
    description: [
      "Sends one message and prints its short id, which lists show too. At a terminal it is written in your editor, or typed; " +
      "what you write is kept as a draft (see drafts) until it is in the outbox.",
      "Without the server the message waits in the outbox, sealed, and goes out with your next " +
      "connection: its id is printed all the same, and the exit code is 75, so that a program " +
      "sees that it has not gone out, and that it must not be sent again.",
      "--json: an object with id, short and waiting (true if it is in the outbox).",
      TICKET,
    ],
    positionals: [],
    options: [
      TO,
      { ...TO, name: "cc", short: "c", help: "who gets a copy" },
      { ...TO, name: "bcc", short: "b", help: "who gets a copy that the others do not know of" },
      { name: "subject", short: "s", value: "TEXT", help: "what it is about" },
      ATTACH,
      FILE,
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "send -t bob -s Hello < letter.txt", what: "the text comes from a file" },
      { line: "send -t bob -t carol -s Scans -a a.png -a b.png", what: "with two attachments" },
    ],
    environment: [...ENVIRONMENT, ...EDITOR],
    rights: WITH_PROGRAMS,
    run: async (given) => {
      const { send } = await import("../client/commands/send.ts");
      await send({
        ...mailOptions(given),
        ...textOptions(given),
        tools: await openEditor(mailOptions(given), given.optional("file")),
        to: given.all("to"),
        cc: given.all("cc"),
        bcc: given.all("bcc"),
        subject: given.optional("subject") ?? "",
      });
    },
  }),
  defineCommand({
    name: "inbox",
    summary: "list messages",
    description: [
      "Lists the newest messages, newest first, each with a short id, and with new, flagged, answered " +
      "and your keywords before the subject.",
      "--json: an array of objects with id, short, folder, flags, received, from, verified, to, cc, " +
      "subject, date, size (bytes), attachments, attachmentCount, and inReplyTo. With --threads: an array " +
      "of objects with messages, each such an object with depth (0 for what began the conversation).",
      "--threads lists conversations: messages that answer each other, in all folders but Trash, whatever " +
      "their subjects are.",
      TICKET,
    ],
    positionals: [],
    options: [
      { name: "unread", short: "u", help: "only those that were not read" },
      { name: "from", value: "PERSON", help: "only those from PERSON" },
      SINCE,
      LIMIT,
      { name: "folder", value: "FOLDER", default: "inbox", help: FOLDERS },
      { name: "keyword", value: "WORD", help: "only those that are marked with WORD" },
      SEARCH,
      { name: "threads", help: "list conversations" },
      { name: "unfold", help: "with --threads: with all of their messages" },
      {
        name: "sort",
        value: "BY",
        default: "arrival",
        help: "arrival, date, from, subject or size",
      },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "inbox --unread", what: "what is new" },
      { line: "inbox --threads --unfold", what: "each answer below what it answers" },
      { line: "inbox --from bob --since 7d --json", what: "for a program" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { inbox } = await import("../client/commands/inbox.ts");
      await inbox({
        ...mailOptions(given),
        ...defined({
          from: given.optional("from"),
          since: given.optional("since"),
          keyword: given.optional("keyword"),
          search: given.optional("search"),
        }),
        unread: given.flag("unread"),
        threads: given.flag("threads"),
        unfold: given.flag("unfold"),
        sort: given.text("sort"),
        limit: given.number("limit"),
        folder: given.text("folder"),
      });
    },
  }),
  defineCommand({
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
      {
        name: "open",
        value: "N",
        help: "show attachment N, which is a message, as one; 2.1 is one that is attached to that",
      },
      { name: "links", help: "list its links, each with where it leads" },
      {
        name: "copy",
        value: "N",
        kind: "integer",
        min: 1,
        max: 1000,
        help: "have the terminal copy link N (OSC 52)",
      },
      {
        name: "pipe",
        value: "COMMAND",
        help:
          "give what would be shown, or with --raw or --part written, to a program; no shell reads it",
      },
      { name: "shell", help: "with --pipe: have the shell read COMMAND" },
      { name: "thread", help: "show the whole conversation, oldest first, as one text" },
      { name: "peek", help: "do not mark it as read" },
      { name: "no-pager", help: "print a long text too as it is" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "read 4f3a", what: "the message whose id begins so" },
      { line: "read 4f3a --save ~/Downloads", what: "with its attachments" },
      { line: "read 4f3a --links", what: "where its links lead" },
      { line: "read 4f3a --open 2", what: "a message that is attached, as a message" },
      { line: "read 4f3a --pipe lpr", what: "print it" },
      { line: "read 4f3a --thread", what: "with what it answers, and what answers it" },
      { line: "read 4f3a --raw > message.eml", what: "for another mail program" },
    ],
    environment: [
      ...ENVIRONMENT,
      { name: "PAGER", help: "what shows a long text on a terminal (default: less)" },
    ],
    rights: WITH_PROGRAMS,
    run: async (given) => {
      const { read } = await import("../client/commands/read.ts");
      const pipe = await openPipe(given.optional("pipe"), given.flag("shell"));
      await read({
        ...mailOptions(given),
        ...defined({
          save: given.optional("save"),
          part: given.optionalNumber("part"),
          open: given.optional("open"),
          copy: given.optionalNumber("copy"),
        }),
        links: given.flag("links"),
        id: given.text("ID"),
        raw: given.flag("raw"),
        thread: given.flag("thread"),
        peek: given.flag("peek"),
        pipe,
        tools: await openTools(
          pipe === null && Deno.stdout.isTerminal() && !given.flag("no-pager") &&
            !given.flag("json"),
        ),
      });
    },
  }),
  defineCommand({
    name: "reply",
    summary: "answer a message",
    description: ["Answers the sender of a message, and prints the short id of the answer."],
    positionals: [ID],
    options: [
      { name: "all", help: "answer all other recipients too" },
      ATTACH,
      FILE,
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [{ line: "reply 4f3a --all < answer.txt", what: "to everybody" }],
    environment: [...ENVIRONMENT, ...EDITOR],
    rights: WITH_PROGRAMS,
    run: async (given) => {
      const { reply } = await import("../client/commands/answer.ts");
      await reply({
        ...mailOptions(given),
        ...textOptions(given),
        tools: await openEditor(mailOptions(given), given.optional("file")),
        id: given.text("ID"),
        all: given.flag("all"),
      });
    },
  }),
  defineCommand({
    name: "forward",
    summary: "pass a message on",
    description: [
      "Sends the text and the attachments of a message to others, under your own text. The attachments " +
      "that go along are listed; --omit leaves some out, and in your editor so does removing their lines.",
    ],
    positionals: [ID],
    options: [
      TO,
      ATTACH,
      {
        name: "omit",
        value: "NUMBER",
        repeatable: true,
        help: "an attachment that is not forwarded, by its number; several: again; or all",
      },
      FILE,
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [{ line: "forward 4f3a -t carol < note.txt", what: "with a note before it" }],
    environment: [...ENVIRONMENT, ...EDITOR],
    rights: WITH_PROGRAMS,
    run: async (given) => {
      const { forward } = await import("../client/commands/answer.ts");
      await forward({
        ...mailOptions(given),
        ...textOptions(given),
        tools: await openEditor(mailOptions(given), given.optional("file")),
        id: given.text("ID"),
        to: given.all("to"),
        omit: given.all("omit"),
      });
    },
  }),
  defineCommand({
    name: "move",
    summary: "move messages to a folder",
    description: [
      "Moves messages to another folder: those with these ids, a range of them, or all that a search finds.",
      ASKED,
    ],
    positionals: [SOME_IDS],
    options: [
      SEARCH,
      {
        name: "folder",
        value: "FOLDER",
        default: "archive",
        help: FOLDERS,
      },
      YES,
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "move 4f3a 77c0 --folder archive", what: "two messages" },
      { line: "move --search 'from:bob before:2026-01-01'", what: "what bob sent long ago" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { move } = await import("../client/commands/organize.ts");
      await move({
        ...mailOptions(given),
        ...selection(given),
        folder: given.text("folder"),
      });
    },
  }),
  defineCommand({
    name: "delete",
    summary: "delete messages",
    description: ["Moves messages to Trash, or removes them for good.", ASKED],
    positionals: [SOME_IDS],
    options: [
      SEARCH,
      { name: "for-good", help: "remove them from the server; asks first" },
      YES,
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "delete 4f3a", what: "to Trash" },
      { line: "delete 4f3a --for-good --yes", what: "in a script" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { remove } = await import("../client/commands/organize.ts");
      await remove({
        ...mailOptions(given),
        ...selection(given),
        forGood: given.flag("for-good"),
      });
    },
  }),
  defineCommand({
    name: "mark",
    summary: "set and clear flags and keywords",
    description: [
      "Sets and clears the flags read (seen in JSON), answered, flagged and forwarded, and up to 59 " +
      "keywords of your own, such as urgent. A word that is no keyword yet needs --new, so that a " +
      "slip of the finger makes none. All of your machines have the same keywords; the server does " +
      "not see the words.",
      ASKED,
    ],
    positionals: [SOME_IDS],
    options: [
      SEARCH,
      {
        name: "set",
        value: "FLAG",
        repeatable: true,
        help: "read, answered, flagged, forwarded, or a keyword",
      },
      {
        name: "clear",
        value: "FLAG",
        repeatable: true,
        help: "read, answered, flagged, forwarded, or a keyword",
      },
      { name: "new", help: "make keywords of the words of --set that are none yet" },
      YES,
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "mark 4f3a --clear read", what: "as if it had not been read" },
      { line: "mark 4f3a --set urgent --new", what: "with a new keyword" },
      { line: "mark --search in:inbox --set read", what: "all that is in the inbox" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { mark } = await import("../client/commands/organize.ts");
      await mark({
        ...mailOptions(given),
        ...selection(given),
        set: given.all("set"),
        clear: given.all("clear"),
        make: given.flag("new"),
      });
    },
  }),
  defineCommand({
    name: "undo",
    summary: "take back the last move, mark or delete",
    description: [
      "Takes back what move, mark or delete has changed last on this machine, also of many messages, and " +
      "also if it was stopped in the middle. Messages that were changed again since stay as they are, " +
      "and what was deleted for good is gone.",
      "--json: an object with undone and left.",
    ],
    positionals: [],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "undo", what: "after a move of too many" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { undo } = await import("../client/commands/organize.ts");
      await undo(mailOptions(given));
    },
  }),
  defineCommand({
    name: "status",
    summary: "show who you are and how your mailbox stands",
    description: ["Connects, sends what waits in the outbox, and shows the state of the mailbox."],
    positionals: [],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "status --json", what: "for a program" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { status } = await import("../client/commands/status.ts");
      await status(mailOptions(given));
    },
  }),
];
