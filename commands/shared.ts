// What the commands of the client have in common.

export const ENVIRONMENT = [
  { name: "SEALPOST_HOME", help: "your folder, if --dir is not given" },
  { name: "SEALPOST_PASSWORD", help: "the password, for use without a person" },
  {
    name: "SEALPOST_PASSPHRASE",
    help: "the passphrase of the private key, for use without a person",
  },
] as const;

export const EDITOR = [
  { name: "VISUAL, EDITOR", help: "what you write in; without one you type line by line" },
] as const;

const NOT_AN_ARGUMENT = "every user of this machine can see the arguments of a program; " +
  "use SEALPOST_PASSWORD or --password-file FILE, or type it when asked";
export const REFUSED = { password: NOT_AN_ARGUMENT } as const;

export const DIR = {
  name: "dir",
  value: "DIR",
  help: "your folder (default: SEALPOST_HOME, the current one, or the platform's)",
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

export const TO = {
  name: "to",
  short: "t",
  value: "NAME",
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
export const ID = {
  name: "ID",
  required: true,
  help: "the id of a message, or its first characters, as inbox shows it",
} as const;
export const IDS = {
  ...ID,
  rest: true,
  help: "ids of messages, or their first characters",
} as const;
export const TICKET =
  "After one login with the password a ticket takes its place for 24 hours, so that the next " +
  "commands need none.";
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
