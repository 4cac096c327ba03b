import { type Command, defineCommand } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import { openHooks } from "./editor.ts";
import {
  COMMON,
  ENVIRONMENT,
  FOLDERS,
  LIMIT,
  mailOptions,
  ONLINE,
  REFUSED,
  SINCE,
  TICKET,
  WITH_PROGRAMS,
} from "./shared.ts";

/** The commands that find mail and wait for it. */
export const FIND_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "search",
    summary: "find messages by their words",
    description: [
      "Finds messages in which all WORDS are: in sender, recipients, subject, names of attachments, " +
      "or the text if it was opened here before. Case and accents make no difference; a phrase " +
      "stands in quotes. Newest first, from all folders.",
      "Fields say more: from:NAME, to:NAME, subject:WORD, text:WORD, attachment:WORD, has:attachment, " +
      "after:DATE and before:DATE (2026-11-22, or 7d ago), is:unread (read, answered, flagged, " +
      "forwarded, a keyword), in:FOLDER, and not: before any of these. What stands behind a field has " +
      'no space, or is in quotes: subject:"two words". The same language serves --search of inbox, ' +
      "move, mark and delete, and the searches that folders make --search keeps.",
      "What is searched is kept on this machine, sealed; the server learns no word of it.",
      "--json: an array of the objects that inbox gives, each with found: in (subject, from, to, " +
      "attachment or text), before, match and after.",
      TICKET,
    ],
    positionals: [
      { name: "WORDS", required: true, rest: true, help: "what to look for; a phrase in quotes" },
    ],
    options: [
      { name: "from", value: "PERSON", help: "only what PERSON has sent" },
      SINCE,
      LIMIT,
      { name: "folder", value: "FOLDER", help: `only ${FOLDERS}` },
      { name: "fetch", help: "get the texts that were never opened, and search them too" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "search invoice november", what: "messages with both words" },
      { line: "search 'annual report' --from bob", what: "a phrase, in what bob wrote" },
      { line: "search is:unread not:from:bob after:7d", what: "new, this week, and not bob's" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { searchMail } = await import("../client/commands/search.ts");
      await searchMail({
        ...mailOptions(given),
        ...defined({
          from: given.optional("from"),
          since: given.optional("since"),
          folder: given.optional("folder"),
        }),
        words: given.all("WORDS"),
        limit: given.number("limit"),
        fetch: given.flag("fetch"),
      });
    },
  }),
  defineCommand({
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
      { name: "folder", value: "FOLDER", default: "inbox", help: FOLDERS },
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
    rights: WITH_PROGRAMS,
    run: async (given) => {
      const exec = given.optional("exec");
      const notify = Deno.stdout.isTerminal() && !given.flag("no-notify") && !given.flag("json");
      const hooks = await openHooks(exec === undefined && !notify ? null : exec ?? "");
      const { watch } = await import("../client/commands/watch.ts");
      await watch({
        ...mailOptions(given),
        folder: given.text("folder"),
        count: given.flag("once") ? 1 : given.optionalNumber("count") ?? 0,
        fromNow: given.flag("from-now"),
        exec: exec !== undefined,
        notify,
        hooks,
      });
    },
  }),
];
