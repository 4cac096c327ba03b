import { printable } from "../protocol/printable.ts";

/** What a log line may hold: never a secret, a subject or a body. */
export type Fields = Readonly<Record<string, string | number | boolean>>;

/** Takes events. `level` is `info` for what happens, `warn` for what an operator should look at. */
export interface Log {
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
}

/** A log that writes one line per event to standard error. */
export function stderrLog(): Log {
  const encoder = new TextEncoder();
  const write = (level: string, event: string, fields: Fields = {}) => {
    const rest = Object.entries(fields).map(([key, value]) => {
      const text = printable(String(value));
      return ` ${key}=${/[\s"=]/.test(text) || text === "" ? JSON.stringify(text) : text}`;
    });
    const line = `${new Date().toISOString()} ${level} ${event}${rest.join("")}\n`;
    try {
      Deno.stderr.writeSync(encoder.encode(line));
    } catch {
      // Nobody reads the log: the mail goes on.
    }
  };
  return {
    info: (event, fields) => write("info", event, fields),
    warn: (event, fields) => write("warn", event, fields),
  };
}
