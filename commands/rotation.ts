import type { Command } from "../cli/options.ts";
import { DIR, ENVIRONMENT, JSON_OUTPUT, PASSWORD_FILE, REFUSED, SERVER } from "./shared.ts";

/** The commands that change one's own keys. */
export const ROTATION_COMMANDS = [
  {
    name: "keys rotate",
    summary: "make new keys, and have the old ones sign for them",
    description: [
      "Makes new keys and puts them in the place of yours, here and on the server. The old ones " +
      "sign for the new ones, so everybody who knows the old ones follows by himself, and is told. " +
      "The old private key stays here to read old mail, with the passphrase that it has.",
      "It needs your password, not a ticket, and ends your other sessions. If it is broken off at " +
      "any moment, your next command finds out how far it came, and finishes it or takes it back.",
      "If somebody may have your private key, this is not enough: tell whoever runs the server to " +
      "release your account from it, and compare your new key with everybody.",
      "With --json, an object with name, fingerprint, former and retired (the old key's file).",
    ],
    positionals: [],
    options: [
      {
        name: "new-passphrase",
        help: "ask for another passphrase for the new private key",
      },
      DIR,
      SERVER,
      PASSWORD_FILE,
      JSON_OUTPUT,
    ],
    refused: REFUSED,
    examples: [
      { line: "keys rotate", what: "new keys with the same passphrase, if there is one" },
      { line: "keys rotate --new-passphrase", what: "and another passphrase" },
    ],
    environment: ENVIRONMENT,
  },
] as const satisfies readonly Command[];
