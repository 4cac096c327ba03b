import type { CommandTable } from "../cli/command.ts";
import { ACCOUNT_COMMANDS } from "./account.ts";
import { BRIDGE_COMMANDS } from "./bridge.ts";
import { CONNECT_COMMANDS } from "./connect.ts";
import { DEVICES_COMMANDS } from "./devices.ts";
import { DRAFTS_COMMANDS } from "./drafts.ts";
import { FIND_COMMANDS } from "./find.ts";
import { FOLDER_COMMANDS } from "./folders.ts";
import { GROUP_COMMANDS } from "./group.ts";
import { KEYS_COMMANDS } from "./keys.ts";
import { MAIL_COMMANDS } from "./mail.ts";
import { MAIL_FOLDER_COMMANDS } from "./mail_folders.ts";
import { OPERATOR_COMMANDS } from "./operator.ts";
import { OUTBOX_COMMANDS } from "./outbox.ts";
import { RULES_COMMANDS } from "./rules.ts";
import { ABOUT, SECTIONS } from "./sections.ts";
import { SERVER_COMMANDS } from "./server.ts";
import { SETUP_COMMANDS } from "./setup.ts";
import { SHELL_COMMANDS } from "./shell.ts";
import { TOPICS } from "./topics.ts";
import { TRANSFER_COMMANDS } from "./transfer.ts";
import { WEB_COMMANDS } from "./web.ts";

/** The commands of the client, in the order of the manual. */
export const CLIENT_COMMANDS = [
  ...CONNECT_COMMANDS,
  ...WEB_COMMANDS,
  ...SETUP_COMMANDS,
  ...MAIL_COMMANDS,
  ...MAIL_FOLDER_COMMANDS,
  ...OUTBOX_COMMANDS,
  ...DRAFTS_COMMANDS,
  ...FIND_COMMANDS,
  ...RULES_COMMANDS,
  ...BRIDGE_COMMANDS,
  ...TRANSFER_COMMANDS,
  ...GROUP_COMMANDS,
  ...KEYS_COMMANDS,
  ...DEVICES_COMMANDS,
  ...ACCOUNT_COMMANDS,
];

/**
 * Every command, in the order of the manual. Parsing, help, completions, the manual and what runs
 * have this as their one source.
 */
export const TABLE: CommandTable = {
  commands: [
    ...SERVER_COMMANDS,
    ...CLIENT_COMMANDS,
    ...FOLDER_COMMANDS,
    ...OPERATOR_COMMANDS,
    ...SHELL_COMMANDS,
  ],
  sections: SECTIONS,
  about: ABOUT,
  topics: TOPICS,
};

/** The commands of {@linkcode TABLE}. */
export const COMMANDS = TABLE.commands;
