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

/** The commands about the people of the group. */
export const GROUP_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "members",
    summary: "list who is in the group",
    description: [
      "Lists everybody whom the operator has let in: the name, the full name, since when they are " +
      "there, and how far their key is known to you. A full name with a star is what the operator " +
      "says; one without, its owner has signed in a message to you.",
      "With --json, an array of objects with name, fullName, fullNameSigned, since, canBeWrittenTo, " +
      "fingerprint, verified and verification.",
    ],
    positionals: [],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "members", what: "whom you can write to" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { listMembers } = await import("../client/commands/members.ts");
      await listMembers(mailOptions(given));
    },
  }),
  defineCommand({
    name: "members names",
    summary: "print the names of the members",
    description: [
      "Prints the names that this machine knows, one a line, for the completions of a shell. It asks " +
      "no server, and never for a passphrase: a key that has one must be unlocked (see unlock).",
      "--json: an array of names.",
    ],
    positionals: [],
    options: [DIR, SERVER, JSON_OUTPUT],
    examples: [{ line: "members names", what: "what send --to takes" }],
    environment: ENVIRONMENT.filter(({ name }) => name === "SEALPOST_HOME"),
    rights: OFFLINE,
    run: async (given) => {
      const { printMemberNames } = await import("../client/commands/members.ts");
      await printMemberNames(localOptions(given));
    },
  }),
];
