import { defined } from "../../crypto/defined.ts";
import type { Option } from "../../cli/command.ts";

/**
 * How a setting is written. `size`: bytes, with units of 1024. `count`: a whole number. `duration`:
 * `90s`, `5m`, `12h`, `30d`, or several together; a number alone is seconds. `address`:
 * `HOST:PORT`. `addresses`: several, separated by commas. `netblocks`: addresses and `ADDRESS/BITS`, separated by commas. `prefixes`:
 * `IPV4:IPV6`, two numbers of bits. `switch`: `on` or `off`. `choice`: one of `choices`. `store`: an
 * address `postgres://USER@HOST/DATABASE`. `file`: a path.
 */
export type SettingKind =
  | "size"
  | "count"
  | "duration"
  | "address"
  | "addresses"
  | "netblocks"
  | "prefixes"
  | "switch"
  | "choice"
  | "store"
  | "file";

/** One setting of the server: the same name on the command line, in the environment, in the file. */
export interface Setting {
  readonly name: string;
  readonly kind: SettingKind;
  /** As it is written. */
  readonly default: string;
  /** Bounds, both included: bytes, a count, or milliseconds. */
  readonly min?: number;
  readonly max?: number;
  /** What the value `off` does; without this, `off` is refused. */
  readonly off?: string;
  readonly choices?: readonly string[];
  /** The heading in lists of settings. */
  readonly group: Group;
  /** Whether a change takes effect by a reload, without a restart. */
  readonly live: boolean;
  /** One line, for `--help`. */
  readonly help: string;
  /** For docs/OPERATING.md: what it is for, what a client sees, when to change it. */
  readonly about: string;
}

/** The headings, in their order. */
export const GROUPS = [
  "Network",
  "Store",
  "Connections",
  "Logins",
  "Penalties",
  "Mail",
  "Sessions",
  "Retention",
  "Log and metrics",
] as const;
export type Group = typeof GROUPS[number];

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Every setting of the server. */
export const SETTINGS = [
  {
    name: "listen",
    kind: "address",
    default: "0.0.0.0:13000",
    group: "Network",
    live: false,
    help: "where to listen, HOST:PORT or [IPV6]:PORT; port 0 picks a free one and prints it",
    about: "`[::]:13000` takes IPv6 and, on most systems, IPv4 as well. Ports below 1024 need " +
      "special rights.",
  },
  {
    name: "public-address",
    kind: "addresses",
    default: "off",
    off: "where it listens, if that is an address",
    group: "Network",
    live: false,
    help: "where people reach the server, for invitations; several with commas between",
    about: "A server cannot know by which name or address it is found from outside.",
  },
  {
    name: "proxy-from",
    kind: "netblocks",
    default: "off",
    off: "nobody",
    group: "Network",
    live: true,
    help: "balancers that say with the PROXY protocol, version 2, whom they connect for",
    about:
      "Addresses and networks, separated by commas. A connection from there begins with such " +
      "a header, whole within five seconds, or is closed (`proxy-refused` in the log); limits, " +
      "penalties and the log then see the client's address. A header from anywhere else is taken " +
      "for another protocol: nobody can give another address than their own. Name nobody who " +
      'lets others send what they like. See "Several servers".',
  },
  {
    name: "stop-timeout",
    kind: "duration",
    default: "10s",
    min: 0,
    max: HOUR,
    group: "Network",
    live: true,
    help: "how long requests in progress may take when the server is told to stop",
    about: "At SIGTERM or SIGINT no new connection and no new request is taken; what is in " +
      "progress has this long to finish. Then clients are told to reconnect, and the server " +
      "ends. An upload that is cut off is sent again by its client, and arrives once. Keep it " +
      "below what the service manager waits before it kills (systemd: `TimeoutStopSec`).",
  },
  {
    name: "store",
    kind: "store",
    default: "off",
    off: "in mail/ of the server's folder",
    group: "Store",
    live: false,
    help: "where mail and users are kept when several servers share them, as in " +
      "postgres://USER@HOST/DATABASE",
    about: 'See "Several servers". More hosts of one cluster with commas between: ' +
      "`postgres://sealpost@db1,db2/sealpost`. A password in it is refused; beyond this machine " +
      "connections are encrypted, and hosts are names that their certificates have " +
      "(`?sslrootcert=FILE`: by an authority of your own).",
  },
  {
    name: "store-password-file",
    kind: "file",
    default: "off",
    off: "no password",
    group: "Store",
    live: false,
    help: "a file with the password of the store, one line",
    about: "Nobody but the server's user should be able to read it.",
  },
  {
    name: "max-connections",
    kind: "count",
    default: "10000",
    min: 1,
    max: 1_000_000,
    group: "Connections",
    live: true,
    help: "connections at once, in all",
    about: "An idle connection takes some 50 KiB of memory and one file descriptor; see " +
      '"Sizing". Above the limit a connection gets one line of text with the limit\'s name and ' +
      "is closed; those that are open stay.",
  },
  {
    name: "max-connections-per-source",
    kind: "count",
    default: "500",
    min: 1,
    max: 1_000_000,
    off: "no limit",
    group: "Connections",
    live: true,
    help: "connections at once from one source",
    about: "A source is an address, or a network of them: see `per-source-netblock`. Where many " +
      "people share one address (an office behind NAT, a tunnel, a proxy) it must be above what " +
      "they need together.",
  },
  {
    name: "max-connections-per-user",
    kind: "count",
    default: "128",
    min: 1,
    max: 1_000_000,
    off: "no limit",
    group: "Connections",
    live: true,
    help: "connections at once of one user",
    about: "Checked after the password, so it tells a stranger nothing. The login is refused as " +
      "`busy`, with the limit's name.",
  },
  {
    name: "max-unauthenticated",
    kind: "count",
    default: "1000",
    min: 1,
    max: 1_000_000,
    group: "Connections",
    live: true,
    help: "connections at once that are not logged in; when there are more, the oldest goes",
    about: "A login takes about a second, so whoever waits longer is the cheapest to lose. This " +
      "bounds what strangers can take up, less than 40 KiB each.",
  },
  {
    name: "max-unauthenticated-per-source",
    kind: "count",
    default: "256",
    min: 1,
    max: 1_000_000,
    off: "no limit",
    group: "Connections",
    live: true,
    help: "connections at once from one source that are not logged in",
    about: "So that one source cannot push out the logins of all others.",
  },
  {
    name: "per-source-netblock",
    kind: "prefixes",
    default: "32:64",
    group: "Connections",
    live: false,
    help: "bits of an IPv4 and an IPv6 address that make a source, as in 32:64",
    about: "All limits and penalties for a source count these networks. 32:64 is one IPv4 " +
      "address, and the IPv6 network that a household or a machine is given. 32:128 counts " +
      "every IPv6 address for itself, 24:48 whole sites.",
  },
  {
    name: "login-timeout",
    kind: "duration",
    default: "20s",
    min: SECOND,
    max: 10 * MINUTE,
    group: "Logins",
    live: true,
    help: "how long a client may keep the server waiting before its login is decided",
    about: "Time that the server itself takes, queues included, does not count. Anybody who is " +
      "late is disconnected, and penalised (`penalty-timeout`).",
  },
  {
    name: "handshake-width",
    kind: "count",
    default: "1",
    min: 1,
    max: 64,
    group: "Logins",
    live: true,
    help: "RSA operations of handshakes at a time",
    about: "Each keeps one core busy for some milliseconds, and its place until the next step of " +
      "the timing grid, 15 ms or more, so that its duration does not show in when the next one " +
      "begins: one place lets some 60 logins a second begin. More places slow down everybody who " +
      "is logged in.",
  },
  {
    name: "handshake-queue",
    kind: "count",
    default: "512",
    min: 0,
    max: 100_000,
    group: "Logins",
    live: true,
    help: "handshakes that may wait for their turn; when there are more, the login is refused",
    about: "Sources take turns, so one that sends many does not hold up the others; when the " +
      "queue is full, the source with the most in it loses its last. The connection gets one " +
      "line of text with the limit's name.",
  },
  {
    name: "password-width",
    kind: "count",
    default: "1",
    min: 1,
    max: 64,
    group: "Logins",
    live: true,
    help: "passwords checked (Argon2id) at a time; each takes 19 MiB and keeps a core busy",
    about: "As `handshake-width`, for the second costly step of a login. Resuming with a ticket " +
      "needs neither.",
  },
  {
    name: "password-queue",
    kind: "count",
    default: "512",
    min: 0,
    max: 100_000,
    group: "Logins",
    live: true,
    help: "passwords that may wait to be checked; when there are more, the login is refused",
    about: "As `handshake-queue`. The login is refused as `busy`, with the limit's name.",
  },
  {
    name: "max-guesses",
    kind: "count",
    default: "10",
    min: 1,
    max: 1_000_000,
    group: "Logins",
    live: true,
    help: "wrong passwords for one name from one source, within guess-window",
    about: "Counts by name and source together, so nobody can lock another's name out, and " +
      "counts names that do not exist like those that do. The login is then refused as `busy` " +
      "with the time, whether or not the password is right.",
  },
  {
    name: "guess-window",
    kind: "duration",
    default: "15m",
    min: SECOND,
    max: 30 * DAY,
    group: "Logins",
    live: true,
    help: "how long wrong passwords are counted, from the first",
    about: "See `max-guesses`.",
  },
  {
    name: "penalties",
    kind: "switch",
    default: "on",
    group: "Penalties",
    live: true,
    help: "refuse sources for a while that keep failing: on or off",
    about: "As `PerSourcePenalties` of OpenSSH. Whatever goes wrong before a login adds seconds " +
      "to a source's penalty, and every second takes one away. From `penalty-threshold` on the " +
      "source is refused, before anything is computed for it, until the penalty is over; what " +
      "is open stays open. Good logins add nothing: any number of them may come from one " +
      "address. They take nothing away either: somebody with an account of their own could " +
      "otherwise guess at others' without end.",
  },
  {
    name: "penalty-login",
    kind: "duration",
    default: "5s",
    min: 0,
    max: DAY,
    group: "Penalties",
    live: true,
    help: "for a refused login: wrong password, unknown name or another key alike",
    about: "There is one setting for all three, because a difference would tell a stranger " +
      "which names exist. The log says which it was.",
  },
  {
    name: "penalty-garbage",
    kind: "duration",
    default: "10s",
    min: 0,
    max: DAY,
    group: "Penalties",
    live: true,
    help: "for speaking another protocol, or another version of this one",
    about: "Port scanners and web crawlers. A connection that ends without a byte costs nothing, " +
      "so monitoring may knock.",
  },
  {
    name: "penalty-timeout",
    kind: "duration",
    default: "10s",
    min: 0,
    max: DAY,
    group: "Penalties",
    live: true,
    help: "for a connection that lets login-timeout pass",
    about: "Connections on which nothing is said.",
  },
  {
    name: "penalty-abandoned",
    kind: "duration",
    default: "1s",
    min: 0,
    max: DAY,
    group: "Penalties",
    live: true,
    help: "for a handshake that was begun and not finished",
    about: "Each has cost an RSA operation. A client with an old server key does this too, once " +
      "for each attempt, which is why it is cheap.",
  },
  {
    name: "penalty-crash",
    kind: "duration",
    default: "90s",
    min: 0,
    max: DAY,
    group: "Penalties",
    live: true,
    help: "for a handshake that breaks the rules, or makes the server fail",
    about: "No client of ours sends such a thing. Refused at once, as it is above the threshold.",
  },
  {
    name: "penalty-threshold",
    kind: "duration",
    default: "15s",
    min: 0,
    max: DAY,
    group: "Penalties",
    live: true,
    help: "what a penalty must come to before the source is refused",
    about: "So that somebody who mistypes a password twice is not locked out.",
  },
  {
    name: "penalty-growth",
    kind: "count",
    default: "2",
    min: 1,
    max: 100,
    group: "Penalties",
    live: true,
    help: "how many times more each offence costs after every time the source was refused",
    about: "1 is what OpenSSH does. With 2 a source that comes back and goes on is refused for " +
      "twice as long each time; it is forgiven one step for each `penalty-max` without offence.",
  },
  {
    name: "penalty-max",
    kind: "duration",
    default: "10m",
    min: SECOND,
    max: 30 * DAY,
    group: "Penalties",
    live: true,
    help: "the most a penalty comes to",
    about: "Behind a shared address this is the longest that one person can keep the others from " +
      "logging in. Sessions that are open are not touched.",
  },
  {
    name: "penalty-exempt",
    kind: "netblocks",
    default: "127.0.0.0/8, ::1",
    off: "nobody",
    group: "Penalties",
    live: true,
    help: "addresses and networks that are never refused, as in 192.0.2.0/24,2001:db8::/32",
    about: "This machine by default, as in Postfix and fail2ban: behind a tunnel or a proxy " +
      "everybody comes from there. Add the office, the monitoring. Such a source still has " +
      "`max-guesses` and all other limits.",
  },
  {
    name: "max-message",
    kind: "size",
    default: "100MiB",
    min: MIB,
    max: 1024 * GIB,
    group: "Mail",
    live: true,
    help: "largest message with its attachments; KiB, MiB, GiB",
    about: "Clients learn it when they connect, and check before they upload. Larger ones are " +
      "refused as `too-large`.",
  },
  {
    name: "max-recipients",
    kind: "count",
    default: "100",
    min: 1,
    max: 255,
    group: "Mail",
    live: true,
    help: "recipients of one message",
    about: "Clients learn it when they connect. Refused as `limit`; send in parts.",
  },
  {
    name: "quota",
    kind: "size",
    default: "10GiB",
    min: MIB,
    max: 1024 * 1024 * GIB,
    off: "no limit",
    group: "Mail",
    live: true,
    help: "stored bytes of one user; KiB, MiB, GiB",
    about: "Counts every entry in full, also where several users share one body. Checked for " +
      "every recipient and the sender's own copy, before the bulk is taken and again in the " +
      "transaction that stores it: all get the message or nobody. The sender is told, as " +
      "`quota`, whose mailbox it is; its message stays in the outbox until there is room.",
  },
  {
    name: "partial-uploads",
    kind: "size",
    default: "1GiB",
    min: 0,
    max: 1024 * 1024 * GIB,
    group: "Mail",
    live: true,
    help: "bytes kept of one user's uploads that broke off; 0 for none",
    about: "A client that comes back goes on where its upload broke off. At most 8 uploads of a " +
      "user are kept, for a day, in `uploads/` beside the bodies; the oldest go first. They do " +
      "not count for the quota. With 0, or when what was kept is gone, the client sends the " +
      "message from its beginning.",
  },
  {
    name: "messages-per-minute",
    kind: "count",
    default: "60",
    min: 1,
    max: 1_000_000,
    off: "no limit",
    group: "Mail",
    live: true,
    help: "messages a minute that one user may send, over time",
    about: "Counted over all connections of a user, when the upload begins; one that is sent " +
      "again because its answer was lost counts again. Refused as `busy`, with the seconds " +
      "until the next one.",
  },
  {
    name: "messages-burst",
    kind: "count",
    default: "100",
    min: 1,
    max: 1_000_000,
    group: "Mail",
    live: true,
    help: "messages that one user may send at once after a pause",
    about: "Fills up again at `messages-per-minute`.",
  },
  {
    name: "requests-per-second",
    kind: "count",
    default: "200",
    min: 1,
    max: 1_000_000,
    off: "no limit",
    group: "Sessions",
    live: true,
    help: "requests a second of one connection, over time; faster ones are slowed down",
    about: "The server reads the next request later: nothing is refused and nothing is lost, so " +
      "there is nothing to try again. The client is told by an event that names the limit, at " +
      "most every ten seconds. Sixteen data frames of less than 1 KiB count as a request.",
  },
  {
    name: "requests-burst",
    kind: "count",
    default: "1000",
    min: 1,
    max: 1_000_000,
    group: "Sessions",
    live: true,
    help: "requests of one connection at full speed after a pause",
    about: "Fills up again at `requests-per-second`.",
  },
  {
    name: "max-in-flight",
    kind: "size",
    default: "4MiB",
    min: MIB,
    max: GIB,
    group: "Sessions",
    live: true,
    help: "memory for requests and uploads in progress on one connection",
    about: "An upload takes at most 1 MiB of it, whatever its size. What comes on top waits in " +
      "the client.",
  },
  {
    name: "max-in-flight-total",
    kind: "size",
    default: "64MiB",
    min: 8 * MIB,
    max: 1024 * GIB,
    group: "Sessions",
    live: true,
    help: "memory for requests and uploads in progress in all",
    about: "One user gets at most a quarter of it. Uploads on top wait in the client; other " +
      "requests are refused as `busy`.",
  },
  {
    name: "ping-after",
    kind: "duration",
    default: "2m",
    min: SECOND,
    max: DAY,
    group: "Sessions",
    live: true,
    help: "silence after which a client is asked for a sign of life",
    about: "Keep it below what the NAT on the way forgets, often five minutes.",
  },
  {
    name: "idle-timeout",
    kind: "duration",
    default: "5m",
    min: SECOND,
    max: 7 * DAY,
    group: "Sessions",
    live: true,
    help: "silence after which a client is gone",
    about: "A client that is there answers the ping, so an idle connection stays for as long as " +
      "both sides like. Must be above `ping-after`.",
  },
  {
    name: "stall-timeout",
    kind: "duration",
    default: "1m",
    min: SECOND,
    max: DAY,
    group: "Sessions",
    live: true,
    help: "how long a client may take no byte of an answer, or send none of an upload",
    about: "What waits for one client is bounded (some 600 KiB), and this bounds for how long: " +
      "the connection is ended.",
  },
  {
    name: "expire-trash",
    kind: "duration",
    default: "off",
    min: HOUR,
    max: 36500 * DAY,
    off: "never",
    group: "Retention",
    live: true,
    help: "remove for good what has been in Trash for this long, as in 30d",
    about: "Counted from when the message was moved there, or its flags changed. Looked at " +
      "every hour.",
  },
  {
    name: "expire-read",
    kind: "duration",
    default: "off",
    min: HOUR,
    max: 36500 * DAY,
    off: "never",
    group: "Retention",
    live: true,
    help: "remove for good what is in the inbox and was read this long ago, as in 365d",
    about: "Counted from when it was read, or changed since. What is flagged, what is unread, " +
      "and what is in Sent or Archive stays. There is no way back.",
  },
  {
    name: "log",
    kind: "choice",
    choices: ["text", "json"],
    default: "text",
    group: "Log and metrics",
    live: false,
    help: "how events are written to standard error, one a line",
    about: "`text` is for people on a terminal, and `TIME LEVEL EVENT KEY=VALUE …` elsewhere; " +
      "`json` is one object a line.",
  },
  {
    name: "log-level",
    kind: "choice",
    choices: ["debug", "info", "warn", "error"],
    default: "info",
    group: "Log and metrics",
    live: false,
    help: "the least urgent events that are written",
    about: "Logins are `info`, refused ones `warn`: a filter for those needs no more than `warn`.",
  },
  {
    name: "metrics",
    kind: "address",
    default: "off",
    off: "nowhere",
    group: "Log and metrics",
    live: false,
    help: "where to serve /metrics for Prometheus, /healthz and /readyz over HTTP, as on " +
      "127.0.0.1:9464",
    about: "There is no password, so only an address of this machine is taken, unless " +
      "`metrics-public` is on.",
  },
  {
    name: "metrics-public",
    kind: "switch",
    default: "off",
    group: "Log and metrics",
    live: false,
    help: "let metrics be an address that others than this machine reach: on or off",
    about: "For a network that only the monitoring is in.",
  },
] as const satisfies readonly Setting[];

/** The name of a setting. */
export type SettingName = typeof SETTINGS[number]["name"];

/** The setting of that name; null if there is none. */
export function findSetting(name: string): Setting | null {
  return SETTINGS.find((setting) => setting.name === name) ?? null;
}

/** The environment variable of a setting: `SEALPOST_MAX_MESSAGE` for `max-message`. */
export function variableOf(name: string): string {
  return ENVIRONMENT_PREFIX + name.toUpperCase().replaceAll("-", "_");
}

/** How all environment variables of Sealpost begin. */
export const ENVIRONMENT_PREFIX = "SEALPOST_";

/** The settings as options of `serve`, under their headings. */
export const SETTING_OPTIONS: readonly Option[] = SETTINGS.map((setting: Setting) => ({
  name: setting.name,
  value: placeholder(setting),
  group: setting.group,
  default: setting.default,
  help: setting.off === undefined ? setting.help : `${setting.help}; off: ${setting.off}`,
  ...numberKind(setting),
}));

/** The bounds that the command line's parser checks; `setting_values.ts` checks the rest. */
function numberKind(setting: Setting): Pick<Option, "kind" | "min" | "max"> {
  const { kind, min, max, off } = setting;
  if (off !== undefined || (kind !== "size" && kind !== "count")) return {};
  return {
    kind: kind === "size" ? "size" : "integer",
    ...defined({ min, max }),
  };
}

function placeholder({ kind, choices }: Setting): string {
  switch (kind) {
    case "size":
      return "SIZE";
    case "count":
      return "N";
    case "duration":
      return "TIME";
    case "address":
      return "ADDRESS";
    case "addresses":
      return "ADDRESSES";
    case "netblocks":
      return "NETS";
    case "prefixes":
      return "BITS:BITS";
    case "switch":
      return "on|off";
    case "choice":
      return choices?.join("|") ?? "WORD";
    case "store":
      return "URL";
    case "file":
      return "FILE";
  }
}
