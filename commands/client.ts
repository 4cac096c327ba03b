import type { Command } from "../cli/options.ts";
import { ACCOUNT_COMMANDS } from "./account.ts";
import { DESK_COMMANDS } from "./desk.ts";
import { KEYS_COMMANDS } from "./keys.ts";
import { MAIL_COMMANDS } from "./mail.ts";
import { OUTBOX_COMMANDS } from "./outbox.ts";
import { ROTATION_COMMANDS } from "./rotation.ts";
import { SETUP_COMMANDS } from "./setup.ts";

/** The commands of the client beside connect, in the order of help. */
export const CLIENT_COMMANDS = [
  ...SETUP_COMMANDS,
  ...MAIL_COMMANDS,
  ...OUTBOX_COMMANDS,
  ...DESK_COMMANDS,
  ...KEYS_COMMANDS,
  ...ROTATION_COMMANDS,
  ...ACCOUNT_COMMANDS,
] as const satisfies readonly Command[];
