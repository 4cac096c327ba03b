import { defined } from "../../crypto/defined.ts";
import { utf8 } from "../../crypto/bytes.ts";
import { syncFolder, wrapFileError, writeAll } from "../../files/atomic_file.ts";
import { printable } from "../../cli/printable.ts";
import { exists } from "@std/fs";
import { dirname, join } from "@std/path";
import type { Log } from "./log.ts";

/** The operations that the audit log records. */
export type AuditAction =
  | "user-add"
  | "user-passwd"
  | "user-disable"
  | "user-enable"
  | "user-full-name"
  | "user-remove"
  | "user-unbind"
  | "sessions-end"
  | "reload"
  | "announce"
  | "key-bound"
  | "key-rotated"
  | "password-changed"
  | "logged-out-everywhere";

/** Where it came from. */
export interface AuditOrigin {
  /**
   * `control`: an operator's command on the running server; `offline`: one while no server runs;
   * `signal`: SIGHUP; `login` and `session`: a user, over the network.
   */
  readonly via: "control" | "offline" | "signal" | "login" | "session";
  /** Of an operator's command, as the command claims: the system does not tell who is at a socket. */
  readonly pid?: number;
  /** Of an operator's command: SUDO_USER or USER, as it says of itself. */
  readonly operator?: string | undefined;
  /** Of a user: the address and port. */
  readonly peer?: string;
}

/** One record; never with a password, nor its hash. */
export interface AuditRecord {
  readonly action: AuditAction;
  readonly origin: AuditOrigin;
  /** The user it is about. */
  readonly name?: string;
  /** `done`, or the code of the error for which it was not. */
  readonly result: string;
  readonly details?: Readonly<Record<string, string | number | boolean | null>>;
}

/** The audit log's name in the server's folder. */
export const AUDIT_LOG = "audit.log";

/**
 * The audit log: `audit.log` in the server's folder (0600), one JSON object a line, only ever added to.
 * It is opened for each record, so that it can be moved away at any time; a record is on the disk when
 * {@linkcode AuditLog.record} resolves.
 */
export class AuditLog {
  readonly #path: string;
  readonly #log: Log;
  #last: Promise<void> = Promise.resolve();

  constructor(dir: string, log: Log) {
    this.#path = join(dir, AUDIT_LOG);
    this.#log = log;
  }

  /** Adds a record. Never rejects: one that cannot be written goes to the server's log as an error. */
  record(record: AuditRecord): Promise<void> {
    const { action, origin, name, result, details } = record;
    const line = {
      time: new Date().toISOString(),
      action,
      ...defined({ name }),
      result,
      ...origin,
      ...details,
    };
    const safe = (_key: string, value: unknown) =>
      typeof value === "string" ? printable(value) : value;
    const text = JSON.stringify(line, safe);
    this.#last = this.#last.then(() => this.#append(text)).catch((error) => {
      const why = wrapFileError(error, `write ${this.#path}`).message;
      this.#log.error("audit-failed", { why, record: text });
    });
    return this.#last;
  }

  async #append(text: string): Promise<void> {
    const isNew = !await exists(this.#path);
    const file = await Deno.open(this.#path, {
      read: true,
      append: true,
      create: true,
      mode: 0o600,
    });
    try {
      // A record that a power loss has cut short does not take the next one with it.
      const torn = !isNew && !await endsInNewline(file);
      await writeAll(file, utf8(`${torn ? "\n" : ""}${text}\n`));
      await file.sync();
    } finally {
      file.close();
    }
    if (isNew) await syncFolder(dirname(this.#path));
  }
}

async function endsInNewline(file: Deno.FsFile): Promise<boolean> {
  if ((await file.stat()).size === 0) return true;
  const last = new Uint8Array(1);
  await file.seek(-1, Deno.SeekMode.End);
  await file.read(last);
  return last[0] === 10;
}
