import { type Command, defineCommand, type Given } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import {
  DEBUG,
  FOLDER_VARIABLES,
  HERE,
  JSON_RESULT,
  NAME,
  SERVER_DIR,
  STORE_VARIABLES,
  YES,
} from "./shared.ts";

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
  {
    name: "download-url",
    value: "URL",
    help: "where a new user gets the program; an invitation says so",
  },
  {
    name: "download-sha256",
    value: "HEX",
    help: "the SHA-256 of what is there, as SHA256SUMS of a release has it; with --download-url",
  },
  JSON_RESULT,
] as const;

const PASSWORD_REFUSED = {
  password: "every user of this machine can see the arguments of a program; type it when asked, " +
    "pipe it in with --password-stdin, or use --generate or --invite",
} as const;

const OPERATOR = {
  files: true,
  net: true,
  variables: [...FOLDER_VARIABLES, ...STORE_VARIABLES, "SUDO_USER", "USER", "PGAPPNAME"],
} as const;

type ServerOption = typeof SERVER_DIR | typeof JSON_RESULT;

function serverOptions(given: Given<never, ServerOption>) {
  return { dir: given.optional("dir"), json: given.flag("json") };
}

function userOptions(given: Given<typeof NAME, ServerOption>) {
  return { ...serverOptions(given), name: given.text("NAME") };
}

function passwordOptions(given: Given<typeof NAME, typeof PASSWORD_OPTIONS[number]>) {
  return { ...userOptions(given), ...newPasswordOptions(given) };
}

const NAMES = {
  ...NAME,
  rest: true,
  help: "the name of a user; several with --invite-dir",
} as const;

/** What `user add` takes: several names. */
function addOptions(given: Given<typeof NAMES, typeof PASSWORD_OPTIONS[number]>) {
  return { ...serverOptions(given), ...newPasswordOptions(given), names: given.all("NAME") };
}

function newPasswordOptions(given: Given<never, typeof PASSWORD_OPTIONS[number]>) {
  return {
    passwordStdin: given.flag("password-stdin"),
    generate: given.flag("generate"),
    invite: given.flag("invite"),
    days: given.number("days"),
    address: given.optional("address"),
    downloadUrl: given.optional("download-url"),
    downloadSha256: given.optional("download-sha256"),
  };
}

/** The commands on a server's users and on a running server. */
export const OPERATOR_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "user add",
    summary: "let somebody in",
    description: [
      "Adds a user to user_pass.json. The password is asked for, or made: with --invite one that " +
      "is good for a few days and has to be changed at the first login, inside a block of text " +
      "to send to the new user.",
      "Several names need --invite-dir DIR, a new folder, which gets a file for each, to be sent as it is: " +
      "the invitation, and what to do with it. Nobody is added if one of them is there already.",
      WITH_OR_WITHOUT,
    ],
    positionals: [NAMES],
    options: [
      {
        name: "full-name",
        value: "TEXT",
        help: "what the others see beside the name, in any script",
      },
      {
        name: "invite-dir",
        value: "DIR",
        help: "make an invitation for each name, in a file of its own in the new folder DIR",
      },
      ...PASSWORD_OPTIONS,
    ],
    refused: PASSWORD_REFUSED,
    examples: [
      { line: "user add alice --invite", what: "an invitation to send to alice" },
      { line: "user add bob --full-name 'Bob' --invite", what: "with their full name" },
      {
        line: "user add bob carol dave --invite-dir invitations",
        what: "invitations/bob.txt and so on",
      },
      { line: "user add alice", what: "asks for the password" },
      { line: "user add robot --generate --json", what: "for a script" },
    ],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { addUser, inviteUsers } = await import("../server/control/operate.ts");
      const into = given.optional("invite-dir");
      const options = {
        ...addOptions(given),
        ...defined({ fullName: given.optional("full-name") }),
      };
      await (into === undefined ? addUser(options) : inviteUsers({ ...options, into }));
    },
  }),
  defineCommand({
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
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { setPassword } = await import("../server/control/operate.ts");
      await setPassword("user-passwd", passwordOptions(given));
    },
  }),
  defineCommand({
    name: "user full-name",
    summary: "say what a user is called",
    description: [
      "Sets the full name that the others see beside the name of a user; without TEXT there is " +
      "none. The user's program says so at its next connection, and signs it with what they send.",
      WITH_OR_WITHOUT,
    ],
    positionals: [NAME, { name: "TEXT", required: false, help: "the full name, in any script" }],
    options: [SERVER_DIR, JSON_RESULT],
    examples: [{ line: "user full-name bob 'Bob'", what: "from now on" }],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { setFullName } = await import("../server/control/operate.ts");
      await setFullName({ ...userOptions(given), fullName: given.optional("TEXT") ?? "" });
    },
  }),
  defineCommand({
    name: "user disable",
    summary: "keep a user out, without removing anything",
    description: [
      "No login succeeds any more and sessions end. Mail to the user is still taken. The answer " +
      "to a login is the one that a wrong password gets.",
      WITH_OR_WITHOUT,
    ],
    positionals: [NAME],
    options: [SERVER_DIR, JSON_RESULT],
    examples: [{ line: "user disable alice", what: "until: user enable alice" }],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { setAble } = await import("../server/control/operate.ts");
      await setAble("user-disable", userOptions(given));
    },
  }),
  defineCommand({
    name: "user enable",
    summary: "let a disabled user in again",
    description: ["The password is the one from before.", WITH_OR_WITHOUT],
    positionals: [NAME],
    options: [SERVER_DIR, JSON_RESULT],
    examples: [{ line: "user enable alice", what: "undoes: user disable alice" }],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { setAble } = await import("../server/control/operate.ts");
      await setAble("user-enable", userOptions(given));
    },
  }),
  defineCommand({
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
      JSON_RESULT,
    ],
    examples: [
      { line: "user remove alice", what: "mail and key stay" },
      { line: "user remove alice --purge --yes", what: "nothing stays; without asking" },
    ],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { removeUser } = await import("../server/control/operate.ts");
      await removeUser({
        ...userOptions(given),
        purge: given.flag("purge"),
        yes: given.flag("yes"),
      });
    },
  }),
  defineCommand({
    name: "user list",
    summary: "show the users",
    description: [
      "Shows each user with full name, state, key, when a machine of theirs was here last and how many " +
      "there are, mail with what it may come to, and sessions. The password is not among it: the " +
      "server does not have it.",
      WITH_OR_WITHOUT,
    ],
    positionals: [],
    options: [SERVER_DIR, JSON_RESULT],
    examples: [{ line: "user list", what: "a table" }],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { showUsers } = await import("../server/control/operate.ts");
      await showUsers(serverOptions(given));
    },
  }),
  defineCommand({
    name: "user unbind",
    summary: "release a user from a lost key, so that another can be bound",
    description: [
      "For a key that is lost or in wrong hands. Sessions of the user end, and the next login " +
      "with the right password binds the key that it brings. Mail that was sealed to the old key " +
      "can be read with the old key only. Correspondents are told of the change and compare " +
      "fingerprints anew.",
      "The old key is never bound again, so that whoever stole it with the password cannot come " +
      "back with it. Where it was not lost after all, --same-key lets this user bind it again.",
      WITH_OR_WITHOUT,
    ],
    positionals: [NAME],
    options: [
      SERVER_DIR,
      { name: "same-key", help: "let the user bind the same key again" },
      JSON_RESULT,
    ],
    examples: [{
      line: "user unbind alice",
      what: "then user passwd alice --invite, if somebody else may know the password",
    }],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { unbindUser } = await import("../server/control/operate.ts");
      await unbindUser({ ...userOptions(given), sameKey: given.flag("same-key") });
    },
  }),
  defineCommand({
    name: "audit",
    summary: "show what operators did, and whose keys were bound",
    description: [
      "Reads audit.log in the server's folder, oldest first; a line that is none is counted and passed over. " +
      "What is in it: docs/OPERATING.md. With --json, an array of the records as they are.",
    ],
    positionals: [],
    options: [
      SERVER_DIR,
      { name: "user", value: "NAME", help: "only what is about NAME" },
      { name: "since", value: "WHEN", help: "only later ones: 2026-11-22, or an age, 7d" },
      {
        name: "limit",
        value: "N",
        kind: "integer",
        min: 1,
        max: 1_000_000,
        default: "50",
        help: "the newest N of these",
      },
      JSON_RESULT,
    ],
    examples: [
      { line: "audit --since 7d", what: "of the last week" },
      { line: "audit --user alice --json", what: "for a script" },
    ],
    environment: [HERE, DEBUG],
    rights: { files: true, variables: FOLDER_VARIABLES },
    run: async (given) => {
      const { showAudit } = await import("../server/control/audit.ts");
      await showAudit({
        ...serverOptions(given),
        user: given.optional("user"),
        since: given.optional("since"),
        limit: given.number("limit"),
      });
    },
  }),
  defineCommand({
    name: "announce",
    summary: "tell all users something, or where the server is from now on",
    description: [
      "Asks the running server to put a message into every user's inbox, sealed to each and signed with the " +
      "server's key: every program shows that it is the operator's, and nobody else can write one. Whoever has " +
      "never connected has no key yet, and gets none. It cannot be answered, and cannot be taken back.",
      "With --new-address, people's programs ask once whether to use that address from now on. Yes changes " +
      "their settings, unless another server answers there; where nobody does yet, they look at both.",
      "The text comes from --file, a pipe, or the terminal; a notice of an address needs none.",
    ],
    positionals: [],
    options: [
      SERVER_DIR,
      { name: "subject", short: "s", value: "TEXT", help: "what it is about" },
      {
        name: "file",
        value: "FILE",
        help: "take the text from FILE (default: standard input)",
      },
      {
        name: "new-address",
        value: "HOST[:PORT]",
        repeatable: true,
        help: "where people reach the server from now on; several: again, or separated by commas",
      },
      YES,
      JSON_RESULT,
    ],
    examples: [
      { line: "announce -s Maintenance < note.txt", what: "to everybody" },
      { line: "announce --new-address mail.lan:13000", what: "programs ask whether to follow" },
    ],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { announceToAll } = await import("../server/control/operate.ts");
      await announceToAll({
        ...serverOptions(given),
        ...defined({ subject: given.optional("subject"), file: given.optional("file") }),
        newAddress: given.all("new-address"),
        yes: given.flag("yes"),
      });
    },
  }),
  defineCommand({
    name: "sessions list",
    summary: "show who is logged in",
    description: ["Asks the running server."],
    positionals: [],
    options: [SERVER_DIR, JSON_RESULT],
    examples: [{ line: "sessions list", what: "a table" }],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { showSessions } = await import("../server/control/operate.ts");
      await showSessions(serverOptions(given));
    },
  }),
  defineCommand({
    name: "sessions end",
    summary: "end the sessions of a user, or one session",
    description: [
      "Asks the running server to say goodbye. It does not keep anybody from coming back: user " +
      "disable does.",
    ],
    positionals: [{ name: "NAME|#ID", required: true, help: "a user's name, or # and a number" }],
    options: [SERVER_DIR, JSON_RESULT],
    examples: [
      { line: "sessions end alice", what: "all sessions of alice" },
      { line: "sessions end '#17'", what: "the one that sessions list shows as #17" },
    ],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { endSessions } = await import("../server/control/operate.ts");
      await endSessions({ ...serverOptions(given), who: given.text("NAME|#ID") });
    },
  }),
  defineCommand({
    name: "stats",
    summary: "show what the server has done and what waits",
    description: ["Asks the running server. Counts begin at its start."],
    positionals: [],
    options: [SERVER_DIR, JSON_RESULT],
    examples: [{ line: "stats --json", what: "for a script" }],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { showStats } = await import("../server/control/operate.ts");
      await showStats(serverOptions(given));
    },
  }),
  defineCommand({
    name: "queue",
    summary: "the same as stats",
    description: ["Asks the running server. Mail itself never waits: it is stored or refused."],
    positionals: [],
    options: [SERVER_DIR, JSON_RESULT],
    examples: [{ line: "queue", what: "what waits is in the line of that name" }],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { showStats } = await import("../server/control/operate.ts");
      await showStats(serverOptions(given));
    },
  }),
  defineCommand({
    name: "reload",
    summary: "have the server read its settings and user_pass.json again",
    description: [
      "Asks the running server, as SIGHUP does. A file with an error changes nothing. Says which " +
      "settings need a restart.",
    ],
    positionals: [],
    options: [SERVER_DIR, JSON_RESULT],
    examples: [{ line: "reload", what: "after an edit of sealpost.toml" }],
    environment: [HERE, DEBUG],
    rights: OPERATOR,
    run: async (given) => {
      const { reload } = await import("../server/control/operate.ts");
      await reload(serverOptions(given));
    },
  }),
];
