import { type Command, defineCommand } from "../cli/command.ts";
import {
  COMMON,
  DIR,
  ENVIRONMENT,
  JSON_OUTPUT,
  localOptions,
  mailOptions,
  OFFLINE,
  ONLINE,
  REFUSED,
  SERVER,
} from "./shared.ts";
import { defined } from "../crypto/defined.ts";

const OWN_NAME = {
  name: "NAME",
  required: true,
  help: "1 to 100 characters; work/reports is reports in work",
} as const;
const OWN_FOLDER = {
  name: "OWN-FOLDER",
  required: true,
  help: "its name, as folders list shows it",
} as const;

/** The commands for a person's own folders of mail. */
export const MAIL_FOLDER_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "folders list",
    summary: "list the folders of your mailbox",
    description: [
      "Lists all folders, with how many messages are in each, and how many of them are unread. A " +
      "folder that has another one's name, because two machines made them at the same time, is " +
      "listed as NAME (2); one without a name by its number, as #16.",
      "Searches that you keep follow, each with what it looks for.",
      "--json: an array of objects with folder, number (null for those that everybody has), count, " +
      "unread and bytes; of a search that is kept, folder and search.",
    ],
    positionals: [],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "folders list", what: "with the numbers of messages" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { listFolders } = await import("../client/commands/folders.ts");
      await listFolders(mailOptions(given));
    },
  }),
  defineCommand({
    name: "folders names",
    summary: "print the names of your own folders or keywords",
    description: [
      "Prints the names that this machine knows, one a line, for the completions of a shell. It asks " +
      "no server, and never for a passphrase: a key that has one must be unlocked (see unlock).",
      "--json: an array of names.",
    ],
    positionals: [],
    options: [{ name: "keywords", help: "of the keywords" }, DIR, SERVER, JSON_OUTPUT],
    examples: [{ line: "folders names --keywords", what: "what mark --set takes" }],
    environment: ENVIRONMENT.filter(({ name }) => name === "SEALPOST_HOME"),
    rights: OFFLINE,
    run: async (given) => {
      const { printOwnNames } = await import("../client/commands/folders.ts");
      await printOwnNames({ ...localOptions(given), keywords: given.flag("keywords") });
    },
  }),
  defineCommand({
    name: "folders make",
    summary: "make a folder",
    description: [
      "Makes a folder of your own, on all of your machines: up to 1,000. The server knows it by a " +
      "number; its name is sealed with your key.",
      "With --search it is a search that is kept: it holds no messages, and inbox --folder NAME, search and " +
      "the full screen show what fits it now.",
    ],
    positionals: [OWN_NAME],
    options: [
      {
        name: "search",
        value: "SEARCH",
        help: "keep this search; search --help says what it can be",
      },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "folders make work/reports", what: "reports in work" },
      { line: "folders make important --search is:flagged", what: "a search" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { makeFolder } = await import("../client/commands/folders.ts");
      await makeFolder({
        ...mailOptions(given),
        ...defined({ search: given.optional("search") }),
        name: given.text("NAME"),
      });
    },
  }),
  defineCommand({
    name: "folders rename",
    summary: "give a folder another name",
    description: [
      "Gives a folder of your own another name on all of your machines, and the folders in it. If " +
      "two machines do so at the same time, one of the names counts on both, and the command whose " +
      "name does not says so.",
    ],
    positionals: [
      OWN_FOLDER,
      { name: "NEW", required: true, help: OWN_NAME.help },
    ],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "folders rename work job", what: "work/reports is job/reports then" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { renameFolder } = await import("../client/commands/folders.ts");
      await renameFolder({
        ...mailOptions(given),
        from: given.text("OWN-FOLDER"),
        to: given.text("NEW"),
      });
    },
  }),
  defineCommand({
    name: "folders remove",
    summary: "remove an empty folder",
    description: [
      "Removes a folder of your own, on all of your machines. It must be empty. Or a search that you keep.",
    ],
    positionals: [OWN_FOLDER],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "folders remove work/reports", what: "once no message is in it" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { removeFolder } = await import("../client/commands/folders.ts");
      await removeFolder({ ...mailOptions(given), name: given.text("OWN-FOLDER") });
    },
  }),
];
