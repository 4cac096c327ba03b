import { type Command, defineCommand, type Given } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import { SealpostError } from "../crypto/error.ts";
import {
  ENVIRONMENT_PREFIX,
  SETTING_OPTIONS,
  type SettingName,
} from "../server/settings/settings_table.ts";
import {
  DEBUG,
  FOLDER_VARIABLES,
  HERE,
  JSON_RESULT,
  PASSPHRASE,
  SERVER_DIR,
  STORE_VARIABLES,
} from "./shared.ts";

/** The rights of what looks at a store, or makes one: in a folder or in a database. */
const KEEPING = {
  files: true,
  net: true,
  variables: [...FOLDER_VARIABLES, ...STORE_VARIABLES, "PGAPPNAME"],
} as const;

/** The server's folder: `dir`, or the one that is found from the current one. */
async function serverFolder(dir: string | undefined): Promise<string> {
  return dir ?? await (await import("../files/server_folder.ts")).findServerFolder();
}

/** The settings that say where mail is kept. */
const STORE_OPTIONS = [settingOption("store"), settingOption("store-password-file")] as const;

/** A setting as an option of a command beside the server. */
function settingOption<const N extends SettingName>(name: N) {
  const { value = "TEXT", help } = SETTING_OPTIONS.find((option) => option.name === name) ?? {};
  if (help === undefined) throw new Error(`there is no setting ${name}`);
  return { name, value, help };
}

const STORE_COMMAND = {
  positionals: [],
  options: [SERVER_DIR, ...STORE_OPTIONS, JSON_RESULT],
  environment: [HERE, DEBUG],
  rights: {
    files: true,
    net: true,
    variables: [...FOLDER_VARIABLES, `${ENVIRONMENT_PREFIX}*`, "PGAPPNAME"],
  },
} as const;

type StoreOption = typeof SERVER_DIR | typeof STORE_OPTIONS[number];

/** Which store a command is about. */
async function whichStore(given: Given<never, StoreOption>) {
  return {
    dir: await serverFolder(given.optional("dir")),
    flags: given.typed(STORE_OPTIONS.map(({ name }) => name)),
  };
}

/** The variables of all commands, which are no settings. */
function variablesOf(commands: readonly Command[]): string[] {
  return commands.flatMap(({ environment = [] }) =>
    environment.map(({ name }) => name.replace(/=.*/, ""))
  );
}

/** The commands that run a server and keep its store. */
export const SERVER_COMMANDS: readonly Command[] = [
  defineCommand({
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
      SERVER_DIR,
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
      HERE,
      DEBUG,
    ],
    rights: {
      files: true,
      net: true,
      variables: [
        ...FOLDER_VARIABLES,
        `${ENVIRONMENT_PREFIX}*`,
        "MALLOC_MMAP_THRESHOLD_",
        "PGAPPNAME",
      ],
    },
    run: async (given, { commands }) => {
      const { serve } = await import("../server/serve.ts");
      await serve({
        dir: await serverFolder(given.optional("dir")),
        flags: given.typed(SETTING_OPTIONS.map(({ name }) => name)),
        checkConfig: given.flag("check-config"),
        variables: variablesOf(commands),
      });
    },
  }),
  defineCommand({
    ...STORE_COMMAND,
    name: "store init",
    summary: "make the store that several servers share, in a database",
    description: [
      "Makes the tables in an empty database of PostgreSQL, and takes the users of user_pass.json " +
      "over into it; from then on they are kept there. One that never had users is given them; else " +
      "nothing is done if there is a store already.",
      "How several servers are set up is in docs/OPERATING.md.",
    ],
    examples: [
      { line: "store init", what: "in the database that sealpost.toml names" },
      {
        line: "store init --store postgres://sealpost@localhost/mail",
        what: "in a database of this machine that wants no password",
      },
    ],
    run: async (given, { commands }) => {
      const { initStore } = await import("../server/maintenance/store_command.ts");
      await initStore({
        dir: await serverFolder(given.optional("dir")),
        flags: given.typed(STORE_OPTIONS.map(({ name }) => name)),
        variables: variablesOf(commands),
        json: given.flag("json"),
      });
    },
  }),
  defineCommand({
    ...STORE_COMMAND,
    name: "store status",
    summary: "how the store that several servers share stands",
    description: [
      "Says which PostgreSQL the store is in, whether standbys follow it, and what it holds.",
    ],
    examples: [{ line: "store status", what: "of the database that sealpost.toml names" }],
    run: async (given, { commands }) => {
      const { showStore } = await import("../server/maintenance/store_command.ts");
      await showStore({
        dir: await serverFolder(given.optional("dir")),
        flags: given.typed(STORE_OPTIONS.map(({ name }) => name)),
        variables: variablesOf(commands),
        json: given.flag("json"),
      });
    },
  }),
  defineCommand({
    name: "store migrate",
    summary: "move the mail of a server from its folder to a database, or back",
    description: [
      "Copies everything: mail, keys, users, tickets. Clients notice nothing but that the server was away. " +
      "No server may use either of the two meanwhile. The copy is checked as by fsck before it takes " +
      "its place, and where it comes from stays as it is.",
      "If it is broken off, do it again: it goes on where it ended, unless the mail has changed since. A " +
      "store that is there already is never replaced.",
      "The user_pass.json of the folder becomes the users of the database, and the other way round.",
    ],
    positionals: [],
    options: [
      {
        name: "from",
        value: "DIR|URL",
        help: "the server's folder, or postgres://USER@HOST/DATABASE",
      },
      { name: "to", value: "DIR|URL", help: "the other of these" },
      STORE_OPTIONS[1],
      { name: "verify", help: "compare all rows and bodies, before the copy takes its place" },
      JSON_RESULT,
    ],
    examples: [
      {
        line: "store migrate --from server --to postgres://sealpost@db/mail --verify",
        what: "to a database; the password's file is in server/sealpost.toml, if there is one",
      },
      {
        line: "store migrate --from postgres://sealpost@db/mail --to server",
        what: "back",
      },
    ],
    environment: [HERE, DEBUG],
    rights: STORE_COMMAND.rights,
    run: async (given) => {
      const { migrate } = await import("../server/maintenance/migrate.ts");
      const { claimFolder, isNewOrOwn } = await import("../files/own_folders.ts");
      const [from, to] = [given.optional("from"), given.optional("to")];
      if (from === undefined || to === undefined) {
        throw new SealpostError("usage", "say both --from and --to");
      }
      const made = !to.includes("://") && await isNewOrOwn(to);
      await migrate({
        from,
        to,
        passwordFile: given.optional("store-password-file"),
        verify: given.flag("verify"),
        json: given.flag("json"),
      });
      if (made) await claimFolder(to);
    },
  }),
  defineCommand({
    name: "fsck",
    summary: "check the server's store",
    description: [
      "Checks the database, every message and mailbox in it, and every file beside it, and says " +
      "what is not as it should be. Ends with 0 if nothing is damaged, else with 65. Can be used " +
      "while the server runs.",
      "Bodies are sealed, so of them only the sizes can be checked.",
      "Mail in a database, as sealpost.toml or --store says, is checked there; how PostgreSQL checks its " +
      "own files is its operators' business.",
    ],
    positionals: [],
    options: [
      SERVER_DIR,
      {
        name: "repair",
        help: "set wrong counters right, and move files that no message names to lost+found; " +
          "nothing is ever removed. Not while a server runs",
      },
      ...STORE_OPTIONS,
      JSON_RESULT,
    ],
    examples: [
      { line: "fsck", what: "looks, and changes nothing" },
      { line: "fsck --dir /srv/mail --repair", what: "mends what can be mended without loss" },
    ],
    environment: [HERE, DEBUG],
    rights: KEEPING,
    run: async (given) => {
      const { fsck } = await import("../server/maintenance/fsck.ts");
      await fsck({
        ...await whichStore(given),
        repair: given.flag("repair"),
        json: given.flag("json"),
      });
    },
  }),
  defineCommand({
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
      "A backup of mail in a database, as sealpost.toml or --store says, is the same: it can be restored " +
      "to a folder or to a database, and so can one of a folder.",
    ],
    positionals: [{ name: "DIR", required: true, help: "the folder of backups, on another disk" }],
    options: [
      SERVER_DIR,
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
      ...STORE_OPTIONS,
      { name: "json", help: "print what was done as JSON" },
    ],
    examples: [
      { line: "backup /mnt/backup/mail", what: "the mail of ./server, from cron each night" },
      { line: "backup /mnt/safe/keys --keys --keep 2", what: "with the keys, where nobody looks" },
    ],
    environment: [HERE, DEBUG],
    rights: KEEPING,
    run: async (given) => {
      const { backup } = await import("../server/maintenance/backup.ts");
      await backup({
        ...await whichStore(given),
        into: given.text("DIR"),
        keys: given.flag("keys"),
        keep: given.number("keep"),
        json: given.flag("json"),
      });
    },
  }),
  defineCommand({
    name: "restore",
    summary: "put a backup back in the place of the server's mail",
    description: [
      "Copies a snapshot of the folder DIR to mail/ in the server's folder, compares every byte " +
      "with its checksum, and checks it as fsck does, before it takes the place of what is there. " +
      "Keys, user_pass.json and sealpost.toml are put back if the backup has them and the " +
      "server's folder has not.",
      "The server must not run. What was stored after the backup is not in it: tell the users.",
      "Where sealpost.toml or --store names a database, the mail goes there, by way of a copy in the " +
      "server's folder, which needs room for it meanwhile. Users stay as they are in the database; in an " +
      "empty one they are those of the backup, or of user_pass.json in the folder.",
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
        help:
          "put the mail that is there aside, to mail.before-TIME, or to another schema of the " +
          "database; take a snapshot of a store that was damaged then",
      },
      {
        name: "new-epochs",
        help: "for clients that complain about an older state of their mailbox: the mailboxes " +
          "are others from now on, and clients say so once",
      },
      ...STORE_OPTIONS,
      { name: "json", help: "print what was done as JSON" },
    ],
    examples: [
      { line: "restore /mnt/backup/mail", what: "to ./server" },
      { line: "restore /mnt/backup/mail --dir drill", what: "an exercise: does the backup work?" },
    ],
    environment: [HERE, DEBUG],
    rights: KEEPING,
    run: async (given) => {
      const { restore } = await import("../server/maintenance/restore.ts");
      const { claimFolder, isNewOrOwn } = await import("../files/own_folders.ts");
      const dir = given.text("dir");
      const made = await isNewOrOwn(dir);
      await restore({
        from: given.text("DIR"),
        dir,
        flags: given.typed(STORE_OPTIONS.map(({ name }) => name)),
        ...defined({ snapshot: given.optional("snapshot") }),
        force: given.flag("force"),
        newEpochs: given.flag("new-epochs"),
        json: given.flag("json"),
      });
      if (made) await claimFolder(dir);
    },
  }),
];
