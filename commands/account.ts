import { type Command, defineCommand } from "../cli/command.ts";
import {
  DIR,
  ENVIRONMENT,
  JSON_OUTPUT,
  localOptions,
  OFFLINE,
  ONLINE,
  PASSWORD_FILE,
  REFUSED,
  remoteOptions,
  SERVER,
} from "./shared.ts";

const REMOTE = [DIR, SERVER, PASSWORD_FILE, JSON_OUTPUT] as const;

/** The commands about one's own account, and about what this machine remembers for it. */
export const ACCOUNT_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "passwd",
    summary: "change your password",
    description: [
      "Asks for the current password and twice for the new one. All your other sessions end, and " +
      "all tickets; this machine gets a new one. The passphrase of the private key is refused.",
      "With --json, an object with changed and ticket (whether this machine has one).",
    ],
    positionals: [],
    options: [
      {
        name: "password-stdin",
        help: "read the old and the new password from standard input, a line each",
      },
      ...REMOTE,
    ],
    refused: REFUSED,
    examples: [
      { line: "passwd", what: "asks" },
      { line: "passwd --password-stdin < two-lines.txt", what: "in a script" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { passwd } = await import("../client/commands/passwd.ts");
      await passwd({ ...remoteOptions(given), passwordStdin: given.flag("password-stdin") });
    },
  }),
  defineCommand({
    name: "logout",
    summary: "forget the ticket of this machine, or end all sessions",
    description: [
      "Forgets the ticket that takes the place of the password on this machine; asks no server. " +
      "With --everywhere the server ends all your other sessions and all your tickets, on every " +
      "machine. The keys, and what is kept of mail, stay.",
      "With --json, an object with ticketForgotten, and everywhere: null, or an object with " +
      "sessions and tickets, how many were ended.",
    ],
    positionals: [],
    options: [
      { name: "everywhere", help: "end all other sessions and all tickets of yours" },
      ...REMOTE,
    ],
    refused: REFUSED,
    examples: [
      { line: "logout", what: "before you leave this machine" },
      { line: "logout --everywhere", what: "when one of your machines is lost" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { logout } = await import("../client/commands/logout.ts");
      await logout({ ...remoteOptions(given), everywhere: given.flag("everywhere") });
    },
  }),
  defineCommand({
    name: "unlock",
    summary: "ask for the passphrase once, not for every command",
    description: [
      "Asks for the passphrase of the private key and keeps the key without it for a while: sealed " +
      "in your folder, with the key to that in XDG_RUNTIME_DIR, which is in memory and goes when " +
      "you log out of this machine. No process stays. Where there is no such folder nothing is kept.",
      'unlock = "8h" in sealpost.toml does this after every passphrase that is asked for.',
      "With --json, an object with unlocked and until.",
    ],
    positionals: [],
    options: [
      { name: "for", value: "TIME", default: "8h", help: "how long: 30m, 8h, 2d; at most 7d" },
      DIR,
      SERVER,
      JSON_OUTPUT,
    ],
    refused: REFUSED,
    examples: [{ line: "unlock --for 2h", what: "for a while" }],
    environment: [
      ...ENVIRONMENT,
      { name: "XDG_RUNTIME_DIR", help: "where the key to the unlocked key is" },
    ],
    rights: OFFLINE,
    run: async (given) => {
      const { unlock } = await import("../client/commands/unlock.ts");
      await unlock({ ...localOptions(given), life: given.text("for") });
    },
  }),
  defineCommand({
    name: "lock",
    summary: "ask for the passphrase again",
    description: [
      "Removes what unlock has kept, and shuts the page that web serves. With --json, an object with " +
      "unlocked (false), wasUnlocked, and page: whether there was one.",
    ],
    positionals: [],
    options: [DIR, SERVER, JSON_OUTPUT],
    refused: REFUSED,
    examples: [{ line: "lock", what: "before you leave this machine" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { lock } = await import("../client/commands/unlock.ts");
      await lock(localOptions(given));
    },
  }),
];
