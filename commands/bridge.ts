import { type Command, defineCommand } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
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

const IMAP = {
  name: "imap",
  value: "HOST:PORT",
  default: "127.0.0.1:13143",
  help: "where mail programs fetch mail; off: nowhere",
} as const;
const SMTP = {
  name: "smtp",
  value: "HOST:PORT",
  default: "127.0.0.1:13025",
  help: "where mail programs send mail; off: nowhere",
} as const;

/** The commands for other mail programs. */
export const BRIDGE_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "bridge",
    summary: "let any mail program of this machine read and send your mail",
    description: [
      "Serves IMAP and SMTP on this machine alone, until it is stopped: enter what it prints in " +
      "Thunderbird, Apple Mail, mutt and others. Mail is sealed and opened here; the server and the " +
      "network see nothing more than they do without it. See docs/BRIDGE.md.",
      "The mail program's password is the bridge's own, never yours: bridge password shows it. The " +
      "field X-Sealpost-Verified of a message says what is known of the sender's key.",
      "Without a person, give --password-file: tickets end. Several accounts: --also DIR for each " +
      "other folder, and --password-file once for each, in this order.",
      "--json: an object with accounts (name and address), imap and smtp (host and port, or null).",
    ],
    positionals: [],
    options: [
      IMAP,
      SMTP,
      {
        name: "also",
        value: "DIR",
        repeatable: true,
        help: "the folder of another account of yours",
      },
      DIR,
      SERVER,
      {
        name: "password-file",
        value: "FILE",
        repeatable: true,
        help: "take the password from the first line of FILE, which only you may read",
      },
      { name: "no-cache", help: "keep nothing of what is fetched on this machine" },
      JSON_OUTPUT,
    ],
    refused: REFUSED,
    examples: [
      { line: "bridge", what: "for your mail program, as long as this terminal is open" },
      { line: "bridge --imap 127.0.0.1:0 --smtp off --json", what: "in a script" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { bridge } = await import("../client/commands/bridge.ts");
      await bridge({
        ...localOptions(given),
        noCache: given.flag("no-cache"),
        imap: given.text("imap"),
        smtp: given.text("smtp"),
        also: given.all("also"),
        passwordFiles: given.all("password-file"),
      });
    },
  }),
  defineCommand({
    name: "bridge password",
    summary: "show the password that mail programs need for the bridge",
    description: [
      "Prints the bridge's own password for your account; it is made the first time, and kept sealed. " +
      "--new makes another: mail programs that have the old one are not let in any more.",
      "With --json, an object with name and password.",
    ],
    positionals: [],
    options: [{ name: "new", help: "make another one" }, DIR, SERVER, JSON_OUTPUT],
    refused: REFUSED,
    examples: [{ line: "bridge password", what: "to enter it in a mail program" }],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { showBridgePassword } = await import("../client/commands/bridge.ts");
      await showBridgePassword({ ...localOptions(given), anew: given.flag("new") });
    },
  }),
  defineCommand({
    name: "bridge autoconfig",
    summary: "print settings for Thunderbird or Apple Mail",
    description: [
      "Prints the settings of the bridge as a file that Thunderbird (autoconfig) or the systems of " +
      "Apple (a .mobileconfig) read. The password is not in it.",
    ],
    positionals: [],
    options: [
      { name: "format", value: "FORMAT", default: "thunderbird", help: "thunderbird or apple" },
      IMAP,
      SMTP,
      DIR,
      SERVER,
    ],
    refused: REFUSED,
    examples: [
      { line: "bridge autoconfig > sealpost.invalid.xml", what: "for Thunderbird" },
      { line: "bridge autoconfig --format apple > x.mobileconfig", what: "for Apple Mail" },
    ],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { printAutoconfig } = await import("../client/commands/bridge.ts");
      await printAutoconfig({
        ...defined({ dir: given.optional("dir"), server: given.optional("server") }),
        imap: given.text("imap"),
        smtp: given.text("smtp"),
        format: given.text("format"),
      });
    },
  }),
  defineCommand({
    name: "sendmail",
    summary: "send the message on standard input, as sendmail does",
    description: [
      "Reads a whole message (RFC 5322) from standard input and sends it: for mutt, git send-email, " +
      "cron and scripts. It takes the options that sendmail has everywhere: -t, -i, -oi, -f; others " +
      "that begin with -o are passed over. A link to this program that is called sendmail does the " +
      "same.",
      "What cannot be sent now waits in the outbox, which counts as sent.",
    ],
    positionals: [
      { name: "NAMES", required: false, rest: true, help: "who gets it, as NAME or NAME@HOST" },
    ],
    options: [
      { name: "recipients", short: "t", help: "those in To, Cc and Bcc get it, too" },
      { name: "ignore-dots", short: "i", help: "a line that is a single dot is not the end" },
      { name: "from", short: "f", value: "ADDRESS", help: "your own address" },
      { name: "full-name", short: "F", value: "NAME", help: "passed over" },
      { name: "verbose", short: "v", help: "passed over" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [{ line: "sendmail -t -i < message", what: "to those whom its header names" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { sendmail } = await import("../client/commands/sendmail.ts");
      await sendmail({
        ...mailOptions(given),
        ...defined({ from: given.optional("from") }),
        recipients: given.all("NAMES"),
        fromMessage: given.flag("recipients"),
        dotIsText: given.flag("ignore-dots"),
      });
    },
  }),
];

/**
 * The arguments of this program when it is called as `called` (a path): sendmail has options of its own
 * spelling, which become those of our command.
 */
export function calledAs(called: string, args: readonly string[]): string[] {
  const name = called.split(/[/\\]/).at(-1)?.replace(/\.exe$/i, "");
  const words = name === "sendmail" ? ["sendmail", ...args] : [...args];
  if (words[0] !== "sendmail") return words;
  for (let i = 1; i < words.length - 1 && words[i] !== "--"; i++) {
    // Their values may be words of their own.
    if (/^-[oBNRV]$/.test(words[i] ?? "")) words.splice(i, 2, words.slice(i, i + 2).join(""));
  }
  const end = words.indexOf("--");
  return words.flatMap((word, i) => {
    if (i === 0 || (end >= 0 && i >= end)) return [word];
    if (word === "-oi") return ["-i"];
    // How it is delivered, and what becomes of errors, is settled here.
    if (/^-(o|b(m$)|[BNRV]).*/.test(word)) return [];
    const [, letter, value] = /^-([fFr])(.+)$/.exec(word) ?? [];
    if (letter !== undefined && value !== undefined) return [letter === "F" ? "-F" : "-f", value];
    return [word === "-r" ? "-f" : word];
  });
}
