/** Which way bytes go: `up` from the client to the server, `down` back. */
export type Direction = "up" | "down";

type Data = Uint8Array<ArrayBuffer>;

/** What a hook decides about a piece of data. */
export interface Verdict {
  /** What goes on in its place. */
  readonly data: Data;
  /** Whether both sides are cut off right after that, without a goodbye. */
  readonly cut?: boolean;
  /** Whether it goes on byte by byte. */
  readonly bytewise?: boolean;
}

/**
 * Asked for each piece before it goes on, one at a time for each direction; the other side waits
 * meanwhile. `offset` counts what came before in this direction. Returns what goes on; null cuts
 * the connection off before the piece.
 */
export type Hook = (
  piece: Data,
  at: { readonly direction: Direction; readonly offset: number; readonly line: RelayedConnection },
) => Data | Verdict | null | Promise<Data | Verdict | null>;

/** How a relay treats what it carries. */
export interface RelayOptions {
  readonly hook?: Hook;
  /** Whether what is carried is kept for {@linkcode RelayedConnection.sent}; counted it is always. */
  readonly record?: boolean;
}

/** An uninterrupted run of bytes in one direction. */
export interface Run {
  readonly direction: Direction;
  readonly bytes: number;
}

/** One connection through a relay, and what went over it as it left its sender. */
export class RelayedConnection {
  /** When it was made, milliseconds since 1970. */
  readonly since = Date.now();
  readonly #pieces: Record<Direction, Data[]> = { up: [], down: [] };
  readonly #counts: Record<Direction, number> = { up: 0, down: 0 };
  readonly #runs: { direction: Direction; bytes: number }[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #cut = Promise.withResolvers<null>();
  #ends: Deno.TcpConn[] = [];
  #over = false;
  #port = 0;

  /** Everything that one side has sent, in one piece. Empty unless the relay records. */
  sent(direction: Direction): Data {
    return joined(...this.#pieces[direction]);
  }

  /** Bytes that one side has sent. */
  count(direction: Direction): number {
    return this.#counts[direction];
  }

  /** Who spoke when, and how much, before the other side did. */
  runs(): readonly Run[] {
    return this.#runs.map((run) => ({ ...run }));
  }

  /** The port from which this connection reaches the server: what the server's log calls it. */
  get port(): number {
    return this.#port;
  }

  /** Whether both directions have ended. */
  get over(): boolean {
    return this.#over;
  }

  /** Resolves when one side has sent at least `bytes`; rejects if the connection ends before. */
  async carried(direction: Direction, bytes: number): Promise<void> {
    while (this.#counts[direction] < bytes) {
      if (this.#over) {
        throw new Error(`the connection ended after ${this.#counts[direction]} bytes`);
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Resolves when both directions have ended. */
  async ended(): Promise<void> {
    while (!this.#over) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Cuts both sides off. */
  cut(): void {
    this.#cut.resolve(null);
    for (const socket of this.#ends.splice(0)) {
      try {
        socket.close();
      } catch {
        // It was closed before.
      }
    }
  }

  /** Carries bytes between the two ends until both have finished or one is gone. */
  async carry(client: Deno.TcpConn, server: Deno.TcpConn, options: RelayOptions): Promise<void> {
    this.#ends = [client, server];
    this.#port = server.localAddr.port;
    // What is passed on is not gathered again on the way.
    for (const socket of this.#ends) socket.setNoDelay(true);
    await Promise.all([
      this.#pump("up", client, server, options),
      this.#pump("down", server, client, options),
    ]);
    this.cut();
    this.end();
  }

  /** Says that nothing more will come. */
  end(): void {
    this.#over = true;
    this.#wake();
  }

  async #pump(
    direction: Direction,
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    options: RelayOptions,
  ): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const n = await from.read(buffer);
        if (n === null) break;
        const piece = buffer.slice(0, n);
        const offset = this.#counts[direction];
        this.#note(direction, piece, options.record ?? false);
        const decided = options.hook
          ? await Promise.race([
            options.hook(piece, { direction, offset, line: this }),
            this.#cut.promise,
          ])
          : piece;
        if (decided === null) return this.cut();
        const { data, cut, bytewise }: Verdict = decided instanceof Uint8Array
          ? { data: decided }
          : decided;
        for (let at = 0; at < data.length;) {
          at += await to.write(data.subarray(at, bytewise ? at + 1 : data.length));
        }
        if (cut) return this.cut();
      }
      await to.closeWrite();
    } catch {
      // One side is gone without a goodbye: so is the other.
      this.cut();
    }
  }

  #note(direction: Direction, piece: Data, record: boolean): void {
    this.#counts[direction] += piece.length;
    if (record) this.#pieces[direction].push(piece);
    const last = this.#runs.at(-1);
    if (last?.direction === direction) last.bytes += piece.length;
    else this.#runs.push({ direction, bytes: piece.length });
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** A part of what one side sends, by what came before it: bytes `from` to `to` - 1. */
export interface Part {
  readonly direction: Direction;
  readonly from: number;
  readonly to: number;
}

/**
 * A hook that holds `part` back until all of it has come, and then sends what `change` makes of it in
 * its place; null cuts the connection off there, whatever comes after it waits. With `from` = `to`
 * it inserts.
 */
export function changing(
  part: Part,
  change: (
    bytes: Data,
    line: RelayedConnection,
  ) => Data | Verdict | null | Promise<Data | Verdict | null>,
): Hook {
  const held = new Map<RelayedConnection, Data>();
  const done = new Set<RelayedConnection>();
  return async (piece, { direction, offset, line }) => {
    const end = offset + piece.length;
    if (direction !== part.direction || end <= part.from || done.has(line)) return piece;
    const start = Math.max(part.from - offset, 0);
    const stop = Math.min(part.to - offset, piece.length);
    const inside = joined(held.get(line) ?? new Uint8Array(0), piece.subarray(start, stop));
    held.set(line, inside);
    const before = piece.subarray(0, start);
    if (inside.length < part.to - part.from) return joined(before);
    done.add(line);
    const made = await change(inside, line);
    const verdict = made === null
      ? { data: new Uint8Array(0), cut: true }
      : made instanceof Uint8Array
      ? { data: made }
      : made;
    const after = verdict.cut ? new Uint8Array(0) : piece.subarray(stop);
    return { ...verdict, data: joined(before, verdict.data, after) };
  };
}

function joined(...parts: readonly Uint8Array[]): Data {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A TCP relay on 127.0.0.1, between clients and one server: it counts, records and interferes. */
export class Relay implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #running: Promise<void>;
  readonly #carrying = new Set<Promise<void>>();
  /** Every connection so far, in the order they came. */
  readonly lines: RelayedConnection[] = [];
  /** Where clients connect to, `127.0.0.1:PORT`. */
  readonly address: string;

  private constructor(target: string, options: RelayOptions) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.address = `127.0.0.1:${this.#listener.addr.port}`;
    this.#running = this.#accept(target, options);
  }

  /** Relays to `target`, `127.0.0.1:PORT`. */
  static start(target: string, options: RelayOptions = {}): Relay {
    return new Relay(target, options);
  }

  /** The connection that came last. */
  get last(): RelayedConnection {
    const line = this.lines.at(-1);
    if (!line) throw new Error("nobody has connected to the relay");
    return line;
  }

  async #accept(target: string, options: RelayOptions): Promise<void> {
    const port = Number(target.split(":").at(-1));
    for (;;) {
      let client: Deno.TcpConn;
      try {
        client = await this.#listener.accept();
      } catch {
        return; // closed
      }
      const line = new RelayedConnection();
      this.lines.push(line);
      const carrying = Deno.connect({ hostname: "127.0.0.1", port }).then(
        (server) => line.carry(client, server, options),
        () => {
          client.close();
          line.end();
        },
      ).finally(() => this.#carrying.delete(carrying));
      this.#carrying.add(carrying);
    }
  }

  /** Cuts every connection off and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#running;
    for (const line of this.lines) line.cut();
    await Promise.all(this.#carrying);
  }
}
