import { CLIENT_COMMANDS } from "./client.ts";
import { SHELL_COMMANDS } from "./shell.ts";
import type { Command } from "../cli/options.ts";
import { SETTING_OPTIONS } from "../server/settings/settings_table.ts";

const DEBUG = {
  name: "SEALPOST_DEBUG=1",
  help: "show where in the program an error came from",
};
const PASSPHRASE = {
  name: "SEALPOST_PASSPHRASE",
  help: "the passphrase of the private key, for use without a person",
};

const NOT_AN_ARGUMENT = "every user of this machine can see the arguments of a program; " +
  "use SEALPOST_PASSWORD or --password-file FILE, or type it when asked";

const NOT_A_VALUE = "every user of this machine can see the arguments of a program; " +
  "type it when asked, pipe it in, or use SEALPOST_PASSPHRASE";

const NAME = {
  name: "NAME",
  required: true,
  help: "a user's name: 1 to 32 of a-z 0-9 . _ -, the first a letter or digit",
} as const;

const YES = { name: "yes", help: "do not ask" } as const;

const SERVER_DIR = {
  name: "dir",
  value: "DIR",
  help: "the server's folder (default: ./server, or the current folder if it has the keys)",
} as const;
const JSON_OUT = { name: "json", help: "print the result as JSON" } as const;

/** What each command about a user says of where it works. */
const WITH_OR_WITHOUT = "Works while the server runs, and while it does not. " +
  "What was done is in audit.log in the server's folder.";

const PASSWORD_OPTIONS = [
  SERVER_DIR,
  {
    name: "invite",
    help: "make a one-time password and print an invitation: server, its key, name, password",
  },
  { name: "generate", help: "make a password and print it" },
  { name: "password-stdin", help: "read the password from a pipe, one line" },
  {
    name: "days",
    value: "DAYS",
    kind: "integer",
    min: 1,
    max: 365,
    default: "7",
    help: "how long an invitation is good, 1 to 365",
  },
  {
    name: "address",
    value: "HOST[:PORT]",
    help: "where people reach the server, for an invitation; several with commas between " +
      "(default: public-address of the server, or where it listens)",
  },
  JSON_OUT,
] as const;

const PASSWORD_REFUSED = {
  password: "every user of this machine can see the arguments of a program; type it when asked, " +
    "pipe it in with --password-stdin, or use --generate or --invite",
} as const;

/**
 * Every subcommand, in the order of help. Parsing, help and what is generated from the table
 * elsewhere have this as their one source.
 */
export const COMMANDS = [
  {
    name: "serve",
    summary: "run the server",
    description: [
      "Takes connections, checks passwords and keys, and keeps everyone's mail, which it cannot " +
      "read. Prints one line when it accepts connections. Ctrl-C ends it; nothing that was " +
      "acknowledged is lost.",
      "The folder holds server_private.pem, server_public.pem and user_pass.json (made by " +
      "keygen server); mail goes to mail/ in it. Plain passwords in user_pass.json are replaced " +
      "by Argon2id hashes. Accounts added to the file work at once.",
      "Every setting below can be given here, as SEALPOST_NAME in the environment " +
      '(SEALPOST_MAX_MESSAGE), or in sealpost.toml in the folder (max-message = "1GiB"); the ' +
      "first of these counts. SIGHUP reads sealpost.toml and user_pass.json again. What each " +
      "limit does is in docs/OPERATING.md. Times: 90s, 5m, 12h, 30d. Sizes: KiB, MiB, GiB.",
    ],
    positionals: [],
    options: [
      {
        name: "dir",
        value: "DIR",
        help: "the server's folder (default: ./server, or the current folder if it has the keys)",
      },
      {
        name: "check-config",
        help: "print every setting with where it comes from, check user_pass.json, start nothing",
      },
      ...SETTING_OPTIONS,
    ],
    examples: [
      { line: "serve", what: "serve ./server on every IPv4 address, port 13000" },
      { line: "serve --dir /srv/mail --listen [::]:13000", what: "another folder; IPv6 as well" },
      {
        line: "serve --listen 127.0.0.1:0 --max-message 1GiB",
        what: "this machine only, any port",
      },
      { line: "serve --quota 2GiB --check-config", what: "what would be in force" },
    ],
    environment: [
      { name: "SEALPOST_NAME", help: "the setting of that name, as in SEALPOST_MAX_MESSAGE" },
      PASSPHRASE,
      DEBUG,
    ],
  },
  {
    name: "fsck",
    summary: "check the server's store",
    description: [
      "Checks the database, every message and mailbox in it, and every file beside it, and says " +
      "what is not as it should be. Ends with 0 if nothing is damaged, else with 65. Can be used " +
      "while the server runs.",
      "Bodies are sealed, so of them only the sizes can be checked.",
    ],
    positionals: [],
    options: [
      {
        name: "dir",
        value: "DIR",
        help: "the server's folder (default: ./server, or the current folder if it has the keys)",
      },
      {
        name: "repair",
        help: "set wrong counters right, and move files that no message names to lost+found; " +
          "nothing is ever removed. Not while the server runs",
      },
      { name: "json", help: "print the result as JSON" },
    ],
    examples: [
      { line: "fsck", what: "looks, and changes nothing" },
      { line: "fsck --dir /srv/mail --repair", what: "mends what can be mended without loss" },
    ],
    environment: [DEBUG],
  },
  {
    name: "backup",
    summary: "back up the server's mail, also while it serves",
    description: [
      "Makes a snapshot of all mail in the folder DIR: the database as it is at one moment, and " +
      "every body. Large bodies are shared by the snapshots in DIR, and only those are copied " +
      "that are not there yet. A snapshot that was not completed ends with .partial.",
      "The keys and user_pass.json go with it only if --keys is given: whoever has a backup " +
      "without them has sealed mail, and cannot pose as the server or guess passwords. They " +
      "change seldom; keep a copy of them apart from the mail. sealpost.toml always goes with it.",
      "sha256sum -c SHA256SUMS, in the folder of a snapshot, checks every byte of it.",
    ],
    positionals: [{ name: "DIR", required: true, help: "the folder of backups, on another disk" }],
    options: [
      {
        name: "dir",
        value: "DIR",
        help: "the server's folder (default: ./server, or the current folder if it has the keys)",
      },
      { name: "keys", help: "with the server's private key and user_pass.json" },
      {
        name: "keep",
        value: "N",
        kind: "integer",
        min: 1,
        max: 10_000,
        default: "7",
        help: "how many snapshots stay in DIR, this one included",
      },
      { name: "json", help: "print what was done as JSON" },
    ],
    examples: [
      { line: "backup /mnt/backup/mail", what: "the mail of ./server, from cron each night" },
      { line: "backup /mnt/safe/keys --keys --keep 2", what: "with the keys, where nobody looks" },
    ],
    environment: [DEBUG],
  },
  {
    name: "restore",
    summary: "put a backup back in the place of the server's mail",
    description: [
      "Copies a snapshot of the folder DIR to mail/ in the server's folder, compares every byte " +
      "with its checksum, and checks it as fsck does, before it takes the place of what is there. " +
      "Keys, user_pass.json and sealpost.toml are put back if the backup has them and the " +
      "server's folder has not.",
      "The server must not run. What was stored after the backup is not in it: tell the users.",
    ],
    positionals: [{ name: "DIR", required: true, help: "the folder of backups" }],
    options: [
      {
        name: "dir",
        value: "DIR",
        default: "server",
        help: "the server's folder; it is made if it is not there",
      },
      { name: "snapshot", value: "NAME", help: "which snapshot (default: the newest)" },
      {
        name: "force",
        help: "put the mail that is there aside, to mail.before-TIME; take a snapshot of a store " +
          "that was damaged then",
      },
      {
        name: "new-epochs",
        help: "for clients that complain about an older state of their mailbox: the mailboxes " +
          "are others from now on, and clients say so once",
      },
      { name: "json", help: "print what was done as JSON" },
    ],
    examples: [
      { line: "restore /mnt/backup/mail", what: "to ./server" },
      { line: "restore /mnt/backup/mail --dir drill", what: "an exercise: does the backup work?" },
    ],
    environment: [DEBUG],
  },
  {
    name: "connect",
    summary: "read and send mail",
    description: [
      "Connects to a server and reads and writes mail there: at a terminal on the whole screen (? " +
      "shows the keys), else, and with --menu, with a numbered menu, whose answers may come from a " +
      "pipe, one a line. Asks for what was not given: the server, the user name, the password.",
    ],
    positionals: [{
      name: "[USER@]HOST[:PORT]",
      required: false,
      help: "the server, and who you are there; an IPv6 address stands in brackets (default at a " +
        "terminal: as in sealpost.toml)",
    }],
    options: [
      {
        name: "dir",
        value: "DIR",
        help: "your folder (default: the current one, the folder of your name in it, or the one " +
          "that the other commands use)",
      },
      {
        name: "password-file",
        value: "FILE",
        help: "take the password from the first line of FILE, which only you may read",
      },
      { name: "menu", help: "the numbered menu, at a terminal too" },
    ],
    refused: { password: NOT_AN_ARGUMENT, p: NOT_AN_ARGUMENT, passphrase: NOT_A_VALUE },
    examples: [
      { line: "connect alice@mail.lan", what: "from alice's folder; asks for the password" },
      { line: "connect --dir client1 client1@[::1]:13000", what: "a server on this machine" },
      {
        line: "connect --password-file secret alice@mail.lan < answers",
        what: "without a person: the menu's answers come from a file",
      },
    ],
    environment: [
      { name: "SEALPOST_PASSWORD", help: "the password, for use without a person" },
      PASSPHRASE,
      { name: "NO_COLOR", help: "no colours on the screen" },
      DEBUG,
    ],
  },
  ...CLIENT_COMMANDS,
  {
    name: "keygen",
    summary: "make the keys of a user or of the server",
    description: [
      "keygen NAME makes ./NAME with NAME_private.pem, which nobody else may see, " +
      "NAME_public.pem, and files/ for what you want to send; server_public.pem is copied from " +
      "./server if it is there. keygen server makes the server's keys, and a user_pass.json to " +
      "start from if there is none.",
      "Keys that are there are never overwritten without --force, and then the old private key " +
      "is kept as NAME_private.FINGERPRINT.pem to read old mail with.",
    ],
    positionals: [{ ...NAME, help: `server, or ${NAME.help}` }],
    options: [
      { name: "dir", value: "DIR", help: "where to put the keys (default: ./NAME)" },
      {
        name: "passphrase",
        help: "encrypt the private key; asks twice, or reads one line from a pipe, " +
          "or takes SEALPOST_PASSPHRASE",
      },
      {
        name: "bits",
        value: "N",
        kind: "integer",
        min: 2048,
        max: 4096,
        default: "3072",
        help: "size of the RSA key, 2048 to 4096, a multiple of 8",
      },
      { name: "force", help: "make new keys although there are some" },
      {
        name: "public",
        help: "make no keys: write NAME_public.pem again from NAME_private.pem",
      },
      { name: "json", help: "print what was done as JSON" },
    ],
    examples: [
      { line: "keygen server", what: "the first step on the server" },
      { line: "keygen alice --passphrase", what: "alice's keys, the private one encrypted" },
      { line: "keygen alice --dir .", what: "in the current folder" },
    ],
    environment: [
      { name: "SEALPOST_PASSPHRASE", help: "the passphrase for --passphrase and --public" },
      DEBUG,
    ],
  },
  {
    name: "client",
    summary: "make a client's folder beside ./server, ready to connect",
    description: [
      "Does keygen NAME and insists that the server's public key is there to go with it. For " +
      "trying things out on one machine: in real use the private key of a person is made on that " +
      "person's machine and never leaves it.",
    ],
    positionals: [NAME],
    options: [],
    examples: [{
      line: "client client1",
      what: "./client1 with keys, files/ and server_public.pem",
    }],
    environment: [DEBUG],
  },
  {
    name: "pubkey",
    summary: "copy the server's public key to a client's folder",
    description: [
      "Copies ./server/server_public.pem to ./NAME, over the one that is there. Of use when the " +
      "server has new keys.",
    ],
    positionals: [NAME],
    options: [],
    examples: [{ line: "pubkey client1", what: "./client1/server_public.pem is now the server's" }],
    environment: [DEBUG],
  },
  {
    name: "clean",
    summary: "remove keys, files and mail of all clients, keep their folders",
    description: [
      "For testing. In the current folder: removes what is in every client's files/, every " +
      "client's keys, and all mail on ./server. Says what it will remove, and asks. Refuses while " +
      "the server runs. The server's keys and user_pass.json stay.",
    ],
    positionals: [],
    options: [YES],
    examples: [{ line: "clean --yes", what: "without asking" }],
    environment: [DEBUG],
  },
  {
    name: "cleanall",
    summary: "remove all clients' folders and their mail on ./server",
    description: [
      "For testing. In the current folder: removes every client's folder with all that is in it, " +
      "and all mail on ./server. Says what it will remove, and asks. Refuses while the server " +
      "runs. The server's keys and user_pass.json stay.",
    ],
    positionals: [],
    options: [YES],
    examples: [{ line: "cleanall", what: "lists the folders, then asks" }],
    environment: [DEBUG],
  },
  {
    name: "user add",
    summary: "let somebody in",
    description: [
      "Adds a user to user_pass.json. The password is asked for, or made: with --invite one that " +
      "is good for a few days and has to be changed at the first login, inside a block of text " +
      "to send to the new user.",
      WITH_OR_WITHOUT,
    ],
    positionals: [NAME],
    options: PASSWORD_OPTIONS,
    refused: PASSWORD_REFUSED,
    examples: [
      { line: "user add alice --invite", what: "an invitation to send to alice" },
      { line: "user add alice", what: "asks for the password" },
      { line: "user add robot --generate --json", what: "for a script" },
    ],
    environment: [DEBUG],
  },
  {
    name: "user passwd",
    summary: "give a user another password",
    description: [
      "Replaces the password of a user. Sessions of that user end, and what a client has to " +
      "reconnect with is void. The bound key stays.",
      WITH_OR_WITHOUT,
    ],
    positionals: [NAME],
    options: PASSWORD_OPTIONS,
    refused: PASSWORD_REFUSED,
    examples: [
      { line: "user passwd alice --invite", what: "for a user who has forgotten the password" },
      { line: "user passwd alice", what: "asks for the password" },
    ],
    environment: [DEBUG],
  },
  {
    name: "user disable",
    summary: "keep a user out, without removing anything",
    description: [
      "No login succeeds any more and sessions end. Mail to the user is still taken. The answer " +
      "to a login is the one that a wrong password gets.",
      WITH_OR_WITHOUT,
    ],
    positionals: [NAME],
    options: [SERVER_DIR, JSON_OUT],
    examples: [{ line: "user disable alice", what: "until: user enable alice" }],
    environment: [DEBUG],
  },
  {
    name: "user enable",
    summary: "let a disabled user in again",
    description: ["The password is the one from before.", WITH_OR_WITHOUT],
    positionals: [NAME],
    options: [SERVER_DIR, JSON_OUT],
    examples: [{ line: "user enable alice", what: "undoes: user disable alice" }],
    environment: [DEBUG],
  },
  {
    name: "user remove",
    summary: "take a user out",
    description: [
      "Removes the name from user_pass.json and ends sessions. Mail and key stay, so that others " +
      "can still check what the user wrote, unless --purge is given.",
      WITH_OR_WITHOUT,
    ],
    positionals: [NAME],
    options: [
      SERVER_DIR,
      { name: "purge", help: "remove the user's mail and key as well, for good; asks first" },
      YES,
      JSON_OUT,
    ],
    examples: [
      { line: "user remove alice", what: "mail and key stay" },
      { line: "user remove alice --purge --yes", what: "nothing stays; without asking" },
    ],
    environment: [DEBUG],
  },
  {
    name: "user list",
    summary: "show the users",
    description: [
      "Shows each user with state, key, mail and sessions. The password is not among it: the " +
      "server does not have it.",
      WITH_OR_WITHOUT,
    ],
    positionals: [],
    options: [SERVER_DIR, JSON_OUT],
    examples: [{ line: "user list", what: "a table" }],
    environment: [DEBUG],
  },
  {
    name: "user unbind",
    summary: "release a user from a lost key, so that another can be bound",
    description: [
      "For a key that is lost or in wrong hands. Sessions of the user end, and the next login " +
      "with the right password binds the key that it brings. Mail that was sealed to the old key " +
      "can be read with the old key only. Correspondents are told of the change and compare " +
      "fingerprints anew.",
      WITH_OR_WITHOUT,
    ],
    positionals: [NAME],
    options: [SERVER_DIR, JSON_OUT],
    examples: [{
      line: "user unbind alice",
      what: "then user passwd alice --invite, if somebody else may know the password",
    }],
    environment: [DEBUG],
  },
  {
    name: "sessions list",
    summary: "show who is logged in",
    description: ["Asks the running server."],
    positionals: [],
    options: [SERVER_DIR, JSON_OUT],
    examples: [{ line: "sessions list", what: "a table" }],
    environment: [DEBUG],
  },
  {
    name: "sessions end",
    summary: "end the sessions of a user, or one session",
    description: [
      "Asks the running server to say goodbye. It does not keep anybody from coming back: user " +
      "disable does.",
    ],
    positionals: [{ name: "NAME|#ID", required: true, help: "a user's name, or # and a number" }],
    options: [SERVER_DIR, JSON_OUT],
    examples: [
      { line: "sessions end alice", what: "all sessions of alice" },
      { line: "sessions end '#17'", what: "the one that sessions list shows as #17" },
    ],
    environment: [DEBUG],
  },
  {
    name: "stats",
    summary: "show what the server has done and what waits",
    description: ["Asks the running server. Counts begin at its start."],
    positionals: [],
    options: [SERVER_DIR, JSON_OUT],
    examples: [{ line: "stats --json", what: "for a script" }],
    environment: [DEBUG],
  },
  {
    name: "queue",
    summary: "the same as stats",
    description: ["Asks the running server. Mail itself never waits: it is stored or refused."],
    positionals: [],
    options: [SERVER_DIR, JSON_OUT],
    examples: [{ line: "queue", what: "what waits is in the line of that name" }],
    environment: [DEBUG],
  },
  {
    name: "reload",
    summary: "have the server read its settings and user_pass.json again",
    description: [
      "Asks the running server, as SIGHUP does. A file with an error changes nothing. Says which " +
      "settings need a restart.",
    ],
    positionals: [],
    options: [SERVER_DIR, JSON_OUT],
    examples: [{ line: "reload", what: "after an edit of sealpost.toml" }],
    environment: [DEBUG],
  },
  ...SHELL_COMMANDS,
] as const satisfies readonly Command[];

/** The name of a subcommand. */
export type CommandName = typeof COMMANDS[number]["name"];
