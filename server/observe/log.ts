import { printable } from "../../cli/printable.ts";

/**
 * What a log line may hold: never a secret, a subject or a body. `peer`, as `host:port`, is written
 * as two fields: `from`, the address alone, and `port`.
 */
export type Fields = Readonly<Record<string, string | number | boolean>>;

/**
 * From the least to the most urgent: `debug` for what is of use when something is looked for, `info`
 * for what happens, `warn` for what an operator should look at, `error` for what failed.
 */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** `text` is for people on a terminal, and `TIME LEVEL EVENT KEY=VALUE …` elsewhere. */
export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = typeof LOG_FORMATS[number];

/** Takes events. An event is a word of `a-z` and `-`; what varies is in the fields. */
export type Log = Readonly<Record<LogLevel, (event: string, fields?: Fields) => void>>;

/** How a log is written. */
export interface LogOptions {
  /** Default: `text`. */
  readonly format?: LogFormat;
  /** The least urgent level that is written; default: `info`. */
  readonly level?: LogLevel;
}

/** An event as it is written. */
export interface LogLine {
  readonly time: Date;
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: Fields;
}

/** A log that writes one line per event to standard error. */
export function stderrLog(options: LogOptions = {}): Log {
  const { format = "text", level = "info" } = options;
  const render = format === "json"
    ? jsonLine
    : Deno.stderr.isTerminal()
    ? (line: LogLine) => terminalLine(line, !Deno.noColor)
    : textLine;
  const encoder = new TextEncoder();
  return logTo(level, (line) => {
    const bytes = encoder.encode(render(line) + "\n");
    try {
      for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
    } catch {
      // Nobody reads the log: the mail goes on.
    }
  });
}

/** A log that gives the events of `level` and above to `write`. */
export function logTo(level: LogLevel, write: (line: LogLine) => void): Log {
  const least = LOG_LEVELS.indexOf(level);
  const at = (level: LogLevel) => (event: string, fields: Fields = {}) => {
    if (LOG_LEVELS.indexOf(level) < least) return;
    write({ time: new Date(), level, event, fields: splitPeer(fields) });
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/**
 * `2026-11-22T10:15:00.000Z warn login-failed name=alice from=192.0.2.7 port=50312 …`: the time in
 * UTC; values with a space, a quote or `=` are JSON strings. This form is kept as it is: filters
 * such as contrib/fail2ban read it.
 */
export function textLine({ time, level, event, fields }: LogLine): string {
  return `${time.toISOString()} ${level} ${event}${pairs(fields)}`;
}

/** One object: `time`, `level`, `event`, and the fields. */
export function jsonLine({ time, level, event, fields }: LogLine): string {
  const safe = Object.entries(fields).map(([key, value]) =>
    [key, typeof value === "string" ? printable(value) : value] as const
  );
  return JSON.stringify({ time: time.toISOString(), level, event, ...Object.fromEntries(safe) });
}

/** `10:15:00 login-failed name=alice …` in local time; the level only where it is not `info`. */
export function terminalLine({ time, level, event, fields }: LogLine, colour: boolean): string {
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()]
    .map((part) => String(part).padStart(2, "0")).join(":");
  const line = `${level === "info" ? "" : `${level} `}${event}`;
  return `${clock} ${colour ? `${COLOURS[level]}${line}\x1b[0m` : line}${pairs(fields)}`;
}

const COLOURS: Readonly<Record<LogLevel, string>> = {
  debug: "\x1b[2m",
  info: "\x1b[1m",
  warn: "\x1b[1;33m",
  error: "\x1b[1;31m",
};

function pairs(fields: Fields): string {
  return Object.entries(fields).map(([key, value]) => {
    const text = printable(String(value));
    return ` ${key}=${/[\s"=]/.test(text) || text === "" ? JSON.stringify(text) : text}`;
  }).join("");
}

function splitPeer(fields: Fields): Fields {
  if (typeof fields.peer !== "string") return fields;
  const split: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (key !== "peer") split[key] = value;
    else Object.assign(split, peerFields(String(value)));
  }
  return split;
}

/** `[::ffff:192.0.2.7]:50312` as `{ from: "192.0.2.7", port: 50312 }`: what a firewall takes. */
export function peerFields(peer: string): Fields {
  const colon = peer.lastIndexOf(":");
  const host = peer.slice(0, colon).replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  const port = Number(peer.slice(colon + 1));
  if (colon < 0 || !Number.isInteger(port)) return { from: peer };
  return { from: host.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, ""), port };
}
