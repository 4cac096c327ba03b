import { type Command, defineCommand } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import {
  COMMON,
  ENVIRONMENT,
  FOLDERS,
  mailOptions,
  ONLINE,
  REFUSED,
  SINCE,
  YES,
} from "./shared.ts";

/** The commands by which mail comes from other programs, and goes to them. */
export const TRANSFER_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "export",
    summary: "write your mail into files for other programs",
    description: [
      "Writes messages into the new folder DIR, each only after all of it has verified. The files are not " +
      "sealed any more: whoever gets at them can read them, so you are asked first. What cannot be " +
      "opened is named, and the exit code is 65. DIR is made whole or not at all.",
      "Formats: mbox, a file for each folder; maildir, with the folders as Maildir++ has them; eml, a file " +
      "for each message; sealpost, with your folders, keywords, searches and drafts beside the " +
      "messages, which import takes back, here or on another server. Your keys are in none of them: " +
      "copy your folder to keep those.",
      "--json: an object with exported, failed, format and to.",
    ],
    positionals: [{ name: "DIR", required: true, help: "the folder to make" }],
    options: [
      {
        name: "format",
        value: "FORMAT",
        default: "mbox",
        help: "mbox, maildir, eml or sealpost",
      },
      { name: "folder", value: "FOLDER", help: `only ${FOLDERS}` },
      SINCE,
      YES,
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "export --format maildir mail", what: "everything, for another mail program" },
      { line: "export --format sealpost --yes backup", what: "what another Sealpost takes back" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { exportMail } = await import("../client/commands/export.ts");
      await exportMail({
        ...mailOptions(given),
        ...defined({ folder: given.optional("folder"), since: given.optional("since") }),
        to: given.text("DIR"),
        format: given.text("format"),
        yes: given.flag("yes"),
      });
    },
  }),
  defineCommand({
    name: "import",
    summary: "take mail of other programs into your mailbox",
    description: [
      "Takes the messages of an mbox file, of a .eml file, of a Maildir, of what export has written, or of a " +
      "folder with any of these in it, as mail programs have them. Each is sealed to you alone and " +
      "stored in your mailbox; folders, dates and flags are kept. Whom it is from was signed by nobody: " +
      "lists show it as imported.",
      "What is in the mailbox already is passed over, so the same command can be run again, and goes on " +
      "after it was stopped. What is no mail, or too large, is named.",
      "Folders that everybody has are known by their usual names; others are made. What is in no folder " +
      "goes to archive.",
      "--json: an object with imported, alreadyThere, failed, and others (files that are no mail).",
    ],
    positionals: [{ name: "PATH", required: true, help: "a file or a folder" }],
    options: [
      {
        name: "folder",
        value: "FOLDER",
        help: `put it into FOLDER, and its folders there too: ${FOLDERS}`,
      },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "import mail.mbox", what: "into a folder called mail" },
      { line: "import Maildir --folder archive", what: "all of it into archive" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { importMail } = await import("../client/commands/import.ts");
      await importMail({
        ...mailOptions(given),
        ...defined({ folder: given.optional("folder") }),
        from: given.text("PATH"),
      });
    },
  }),
];
