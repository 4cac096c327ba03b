import type { Command } from "../protocol/options.ts";
import { MAIL_COMMANDS } from "./mail.ts";

/** The commands of the client beside connect, in the order of help. */
export const CLIENT_COMMANDS = [...MAIL_COMMANDS] as const satisfies readonly Command[];
