import { random, toHex } from "../../../crypto/bytes.ts";
import type { Pool } from "./pool.ts";

const CHANNEL = "sealpost";

/** How long what is to be told waits for more of it, milliseconds: one notice costs as much as many. */
const GATHER = 30;

/** Longest payload of a notice; PostgreSQL takes less than 8000 bytes. */
const MAX_PAYLOAD = 7000;

/** Stands for everything in the place of names. */
const ALL = "*";

/** Stands before lines, in the place of names. */
const LINES = "\n";

/**
 * What servers on one database tell each other: the accounts whose mailboxes have changed, and lines.
 * A notice may be lost, with the connection that it would have come by; who listens is told of that.
 */
export class Notices {
  readonly #pool: Pool;
  /** Begins every notice of this server. */
  readonly #self = toHex(random(8));
  readonly #listening: Promise<void>;
  #names = new Set<string>();
  #lines: string[] = [];
  /** Told of each line of another server. */
  hearLine: (line: string) => void = () => {};
  #sending: Promise<void> | null = null;

  /** `hear`: told of the accounts that others have changed; of null if it may be any. */
  constructor(pool: Pool, hear: (accounts: readonly string[] | null) => void) {
    this.#pool = pool;
    this.#listening = pool.listen(
      CHANNEL,
      (payload) => {
        const [from, ...lines] = payload.split(LINES);
        if (lines.length > 0) {
          if (from !== this.#self) { for (const line of lines) this.hearLine(line); }
          return;
        }
        const [sender, ...names] = payload.split(" ");
        if (sender !== this.#self) hear(names.includes(ALL) ? null : names);
      },
      () => hear(null),
    );
  }

  /** Tells others of changed mailboxes, soon. */
  tell(accounts: readonly string[]): void {
    for (const account of accounts) this.#names.add(account);
    this.#sending ??= this.#send();
  }

  /** Tells others to look at everything. */
  tellAll(): void {
    this.tell([ALL]);
  }

  /** Tells others a line without line breaks, soon. */
  tellLine(line: string): void {
    this.#lines.push(line);
    this.#sending ??= this.#send();
  }

  async close(): Promise<void> {
    await this.#sending;
    this.#pool.close();
    await this.#listening;
  }

  async #send(): Promise<void> {
    while (this.#names.size + this.#lines.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, GATHER));
      const [names, lines] = [[...this.#names], this.#lines];
      this.#names = new Set();
      this.#lines = [];
      for (const payload of [...this.#payloads(names, " "), ...this.#payloads(lines, LINES)]) {
        // A notice that does not get there is found missing by those who look at the mailboxes.
        await this.#pool.query("SELECT pg_notify($1, $2)", [CHANNEL, payload]).catch(() => {});
      }
    }
    this.#sending = null;
  }

  #payloads(parts: readonly string[], separator: string): string[] {
    if (parts.length === 0) return [];
    const encoder = new TextEncoder();
    const payloads: string[] = [];
    let payload = this.#self;
    for (const part of parts) {
      if (encoder.encode(payload).length + encoder.encode(part).length >= MAX_PAYLOAD) {
        payloads.push(payload);
        payload = this.#self;
      }
      payload += `${separator}${part}`;
    }
    payloads.push(payload);
    return payloads;
  }
}
