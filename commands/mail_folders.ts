import { type Command, defineCommand } from "../cli/command.ts";
import { COMMON, ENVIRONMENT, mailOptions, ONLINE, REFUSED } from "./shared.ts";

const OWN_NAME = {
  name: "NAME",
  required: true,
  help: "1 to 100 characters; work/reports is reports in work",
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
      "--json: an array of objects with folder, number (null for those that everybody has), count, " +
      "unread and bytes.",
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
    name: "folders make",
    summary: "make a folder",
    description: [
      "Makes a folder of your own, on all of your machines: up to 1,000. The server knows it by a " +
      "number; its name is sealed with your key.",
    ],
    positionals: [OWN_NAME],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "folders make work/reports", what: "reports in work" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { makeFolder } = await import("../client/commands/folders.ts");
      await makeFolder({ ...mailOptions(given), name: given.text("NAME") });
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
      { name: "OLD", required: true, help: "its name, as folders list shows it" },
      { name: "NEW", required: true, help: OWN_NAME.help },
    ],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "folders rename work job", what: "work/reports is job/reports then" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { renameFolder } = await import("../client/commands/folders.ts");
      await renameFolder({ ...mailOptions(given), from: given.text("OLD"), to: given.text("NEW") });
    },
  }),
  defineCommand({
    name: "folders remove",
    summary: "remove an empty folder",
    description: ["Removes a folder of your own, on all of your machines. It must be empty."],
    positionals: [{ ...OWN_NAME, help: "its name, as folders list shows it" }],
    options: [...COMMON],
    refused: REFUSED,
    examples: [{ line: "folders remove work/reports", what: "once no message is in it" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { removeFolder } = await import("../client/commands/folders.ts");
      await removeFolder({ ...mailOptions(given), name: given.text("NAME") });
    },
  }),
];
