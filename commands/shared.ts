import type { Given } from "../cli/command.ts";
import type { Rights } from "../cli/rights.ts";
import { defined } from "../crypto/defined.ts";

// What several commands have in common.

/** The variables by which a command that is told no folder knows whose it finds (files/own_folders.ts). */
export const FOLDER_VARIABLES = ["SEALPOST_HERE", "HOME", "XDG_CONFIG_HOME", "APPDATA"] as const;

/** The variables by which a command beside the server knows where its mail is. */
export const STORE_VARIABLES = ["SEALPOST_STORE", "SEALPOST_STORE_PASSWORD_FILE"] as const;

/** The variables that a command of the client reads which asks no server. */
const OFFLINE_VARIABLES = [
  ...FOLDER_VARIABLES,
  "SEALPOST_HOME",
  "SEALPOST_PASSPHRASE",
  "XDG_RUNTIME_DIR",
  "TERM",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "NO_COLOR",
] as const;

/** The variables that one reads which connects. */
export const ONLINE_VARIABLES = [...OFFLINE_VARIABLES, "SEALPOST_PASSWORD"] as const;

/** The rights of a client's command that asks no server. */
export const OFFLINE: Rights = { files: true, variables: OFFLINE_VARIABLES };
/** The rights of a client's command that connects. */
export const ONLINE: Rights = { files: true, net: true, variables: ONLINE_VARIABLES };
/** The rights of one that connects, and has an editor, a pager, or a command of the person's. */
export const WITH_PROGRAMS: Rights = { ...ONLINE, programs: true };

export const DEBUG = {
  name: "SEALPOST_DEBUG=1",
  help: "show where in the program an error came from",
} as const;
export const PASSPHRASE = {
  name: "SEALPOST_PASSPHRASE",
  help: "the passphrase of the private key, for use without a person",
} as const;

export const HERE = {
  name: "SEALPOST_HERE=1",
  help: "says that the current folder is yours, as adopt does once for all",
} as const;

export const ENVIRONMENT = [
  { name: "SEALPOST_HOME", help: "your folder, if --dir is not given" },
  HERE,
  { name: "SEALPOST_PASSWORD", help: "the password, for use without a person" },
  PASSPHRASE,
] as const;

export const EDITOR = [
  { name: "VISUAL, EDITOR", help: "what you write in; without one you type line by line" },
] as const;

export const NOT_AN_ARGUMENT = "every user of this machine can see the arguments of a program; " +
  "use SEALPOST_PASSWORD or --password-file FILE, or type it when asked";
export const REFUSED = { password: NOT_AN_ARGUMENT } as const;

export const DIR = {
  name: "dir",
  value: "DIR",
  help:
    "your folder (default: SEALPOST_HOME, the current one if you said that it is yours, or the " +
    "platform's)",
} as const;
export const SERVER = {
  name: "server",
  value: "[USER@]HOST[:PORT]",
  help: "the server (default: server in sealpost.toml)",
} as const;
export const PASSWORD_FILE = {
  name: "password-file",
  value: "FILE",
  help: "take the password from the first line of FILE, which only you may read",
} as const;
export const JSON_OUTPUT = { name: "json", help: "print JSON, for programs" } as const;

export const COMMON = [
  DIR,
  SERVER,
  PASSWORD_FILE,
  { name: "no-cache", help: "keep nothing of what is fetched on this machine" },
  JSON_OUTPUT,
] as const;

type LocalOption = typeof DIR | typeof SERVER | typeof JSON_OUTPUT;

/** What {@linkcode DIR}, {@linkcode SERVER} and {@linkcode JSON_OUTPUT} say. */
export function localOptions(given: Given<never, LocalOption>) {
  return {
    ...defined({ dir: given.optional("dir"), server: given.optional("server") }),
    json: given.flag("json"),
  };
}

/** {@linkcode localOptions}, and what {@linkcode PASSWORD_FILE} says. */
export function remoteOptions(given: Given<never, LocalOption | typeof PASSWORD_FILE>) {
  return {
    ...localOptions(given),
    ...defined({ passwordFile: given.optional("password-file") }),
  };
}

/** What the options in {@linkcode COMMON} say. */
export function mailOptions(given: Given<never, typeof COMMON[number]>) {
  return { ...remoteOptions(given), noCache: given.flag("no-cache") };
}

export const TO = {
  name: "to",
  short: "t",
  value: "PERSON",
  repeatable: true,
  help: "who gets it; several: again, or separated by commas",
} as const;
export const ATTACH = {
  name: "attach",
  short: "a",
  value: "FILE",
  repeatable: true,
  help: "a file to attach; several: again",
} as const;
export const FILE = {
  name: "file",
  value: "FILE",
  help: "take the text from FILE (default: standard input; at a terminal your editor)",
} as const;
/** What {@linkcode ATTACH} and {@linkcode FILE} say. */
export function textOptions(given: Given<never, typeof ATTACH | typeof FILE>) {
  return { attach: given.all("attach"), ...defined({ file: given.optional("file") }) };
}

export const ID = {
  name: "ID",
  required: true,
  help: "the short id of a message, as inbox shows it, or its first 4 characters or more",
} as const;
export const SOME_IDS = {
  name: "ID",
  required: false,
  rest: true,
  help:
    "short ids of messages, as inbox shows them, or their first 4 characters or more; ID..ID for " +
    "all between two in one folder",
} as const;
export const SEARCH = {
  name: "search",
  value: "SEARCH",
  help: "what fits SEARCH, as in 'from:bob is:unread' (help search)",
} as const;
/** What {@linkcode SOME_IDS}, {@linkcode SEARCH} and {@linkcode YES} say. */
export function selection(given: Given<typeof SOME_IDS, typeof SEARCH | typeof YES>) {
  return {
    ids: given.all("ID"),
    yes: given.flag("yes"),
    ...defined({ search: given.optional("search") }),
  };
}
export const ASKED =
  "With --search the messages are counted and you are asked first; --yes does without that. undo takes it " +
  "back.";
export const TICKET =
  "After one login with the password a ticket takes its place for 24 hours, so that the next " +
  "commands need none.";
/** What can stand for FOLDER. */
export const FOLDERS = "inbox, sent, archive, trash, drafts, or one of your own";
export const SINCE = {
  name: "since",
  value: "DATE",
  help: "only those since 2026-11-22, or of the last 12h, 7d, 2w",
} as const;
export const LIMIT = {
  name: "limit",
  short: "n",
  value: "N",
  kind: "integer",
  min: 1,
  max: 100_000,
  default: "50",
  help: "how many at the most",
} as const;

/** The argument of commands that make or change a user. */
export const NAME = {
  name: "NAME",
  required: true,
  help: "a user's name: 1 to 32 of a-z 0-9 . _ -, the first a letter or digit",
} as const;
export const YES = { name: "yes", help: "do not ask" } as const;
export const SERVER_DIR = {
  name: "dir",
  value: "DIR",
  help: "the server's folder (default: ./server, or the current folder if it has the keys)",
} as const;
export const JSON_RESULT = { name: "json", help: "print the result as JSON" } as const;
