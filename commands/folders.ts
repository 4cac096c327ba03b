import { type Command, defineCommand } from "../cli/command.ts";
import { DEBUG, FOLDER_VARIABLES, HERE, NAME, YES } from "./shared.ts";

const LOCAL = { files: true, variables: FOLDER_VARIABLES } as const;

/** The commands that make keys, and folders beside a server's. */
export const FOLDER_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "keygen",
    summary: "make the keys of a user or of the server",
    description: [
      "keygen NAME makes ./NAME with NAME_private.pem, which nobody else may see, " +
      "NAME_public.pem, and files/ for what you want to send; server_public.pem is copied from " +
      "./server if it is there. keygen server makes the server's keys, and a user_pass.json to " +
      "start from if there is none.",
      "Keys that are there are never overwritten without --force, and then the old private key " +
      "is kept as NAME_private.FINGERPRINT.pem to read old mail with. A server uses new keys from " +
      "its next start on, and clients refuse it until they have its new public key.",
      "keygen server --rotate, while the server is stopped, certifies with the present keys that the " +
      "new ones follow: clients go on by themselves.",
      "The folder that it makes is yours from then on (see adopt).",
    ],
    positionals: [{ ...NAME, help: `server, or ${NAME.help}` }],
    options: [
      { name: "dir", value: "DIR", help: "where to put the keys (default: ./NAME)" },
      {
        name: "passphrase",
        help: "encrypt the private key; asks twice, or takes SEALPOST_PASSPHRASE",
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
        name: "rotate",
        help: "make new keys of the server that follow its present ones by certificate",
      },
      {
        name: "public",
        help: "make no keys: write NAME_public.pem again from NAME_private.pem",
      },
      { name: "json", help: "print what was done as JSON" },
    ],
    examples: [
      { line: "keygen server", what: "the first step on the server" },
      { line: "keygen alice --passphrase", what: "alice's keys, the private one encrypted" },
      { line: "keygen server --rotate", what: "new keys of a server that has clients" },
      { line: "keygen alice --dir .", what: "in the current folder" },
    ],
    environment: [
      {
        name: "SEALPOST_PASSPHRASE",
        help: "the passphrase for --passphrase, --public and --rotate",
      },
      DEBUG,
    ],
    rights: { files: true, variables: [...FOLDER_VARIABLES, "SEALPOST_PASSPHRASE"] },
    run: async (given) => {
      const { keygen } = await import("../keygen.ts");
      const [name, dir] = [given.text("NAME"), given.optional("dir")];
      await keygen({
        name,
        dir,
        passphrase: given.flag("passphrase"),
        bits: given.number("bits"),
        force: given.flag("force"),
        rotate: given.flag("rotate"),
        serverRuns: (given.flag("force") || given.flag("rotate")) &&
          await (await import("./workspace.ts")).serverRuns(name, dir),
        publicOnly: given.flag("public"),
        json: given.flag("json"),
      });
    },
  }),
  defineCommand({
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
    environment: [HERE, DEBUG],
    rights: LOCAL,
    run: async (given) => {
      const { makeClient } = await import("./workspace.ts");
      await makeClient(given.text("NAME"));
    },
  }),
  defineCommand({
    name: "pubkey",
    summary: "copy the server's public key to a client's folder",
    description: [
      "Copies ./server/server_public.pem to ./NAME, over the one that is there. Of use when the " +
      "server has new keys.",
    ],
    positionals: [NAME],
    options: [],
    examples: [{ line: "pubkey client1", what: "./client1/server_public.pem is now the server's" }],
    environment: [HERE, DEBUG],
    rights: LOCAL,
    run: async (given) => {
      const { copyPublicKey } = await import("./workspace.ts");
      await copyPublicKey(given.text("NAME"));
    },
  }),
  defineCommand({
    name: "adopt",
    summary: "say that a folder is yours",
    description: [
      "A command that is told no folder uses the current one, or ./server, only if you have said " +
      "that it is yours: what lies in a folder that somebody else prepared, in a cloned repository " +
      "or an archive, would decide which server gets your password, and who can read what you " +
      "write. keygen, client, setup and restore say it of the folders that they make; adopt says " +
      "it of one that you moved here, or that somebody you trust gave you. --dir and SEALPOST_HOME " +
      "need no word.",
      "The folder, its keys, sealpost.toml and .sealpost have to be your own files, which nobody " +
      "else can write, and no links.",
    ],
    positionals: [{ name: "DIR", required: false, help: "the folder (default: the current one)" }],
    options: [{ name: "undo", help: "it is not yours any more" }],
    examples: [
      { line: "adopt", what: "the current folder" },
      { line: "adopt server", what: "./server, whose keys came from a backup" },
    ],
    environment: [DEBUG],
    rights: LOCAL,
    run: async (given) => {
      const { adopt, disown } = await import("./workspace.ts");
      await (given.flag("undo") ? disown : adopt)(given.optional("DIR") ?? ".");
    },
  }),
  defineCommand({
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
    environment: [HERE, DEBUG],
    rights: LOCAL,
    run: async (given) => {
      const { clean } = await import("./workspace.ts");
      await clean({ yes: given.flag("yes") });
    },
  }),
  defineCommand({
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
    environment: [HERE, DEBUG],
    rights: LOCAL,
    run: async (given) => {
      const { cleanAll } = await import("./workspace.ts");
      await cleanAll({ yes: given.flag("yes") });
    },
  }),
];
