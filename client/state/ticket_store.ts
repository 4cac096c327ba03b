import * as v from "valibot";
import {
  type Bytes,
  fromBase64,
  fromHex,
  fromUtf8,
  toBase64,
  toHex,
  utf8,
} from "../../crypto/bytes.ts";
import { parseJson } from "../../protocol/schema.ts";
import { State } from "./state.ts";

const FILE = "tickets";
/** Most tickets that are kept: one for each client that runs at once, and a few that were lost. */
const MAX_STORED = 8;
/** Locked from when a ticket is taken until the next one is here. */
const LOCK = "tickets.lock";
/** How long other clients of this user may take to log on, one after another, milliseconds. */
const PATIENCE = 180_000;
/** A ticket that ends within this is not worth a try, milliseconds. */
const MARGIN = 30_000;

const schema = v.object({
  tickets: v.array(v.object({
    /** Fingerprint of the server that issued it, base64. */
    server: v.string(),
    id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
    psk: v.string(),
    expires: v.number(),
  })),
});

/** A ticket to resume with. */
export interface ResumptionTicket {
  /** 16 bytes. */
  readonly id: Bytes;
  /** 32 bytes. */
  readonly psk: Bytes;
  /** When it ends, milliseconds since 1970. */
  readonly expires: number;
}

/** The resumption tickets of one user for one server, sealed on disk. */
export class TicketStore {
  readonly #state: State;
  readonly #server: string;

  /** `server`: the fingerprint of the server's bundle. */
  constructor(state: State, server: Bytes) {
    this.#state = state;
    this.#server = toBase64(server);
  }

  /**
   * A client's turn to log on, until it is disposed of: meanwhile no other client of this user takes a
   * ticket, or finds that there is none because the next one is still to come. Null if another client
   * has it.
   */
  tryTurn(): Promise<Disposable | null> {
    return this.#state.tryLock(LOCK);
  }

  /** Waits for the turn that {@linkcode TicketStore.tryTurn} did not get. Throws `busy` after three minutes. */
  turn(): Promise<Disposable> {
    return this.#state.waitForLock(LOCK, PATIENCE);
  }

  /** Whether there is a ticket that is still good. */
  async any(now = Date.now()): Promise<boolean> {
    return decode(await this.#state.read(FILE)).some((ticket) => {
      return ticket.server === this.#server && ticket.expires > now + MARGIN;
    });
  }

  /**
   * Takes a ticket out for use: it is gone from the disk, durably, before this returns. Null if there
   * is none that is still good.
   */
  take(now = Date.now()): Promise<ResumptionTicket | null> {
    return this.#state.update(FILE, (current) => {
      const all = decode(current);
      const good = all.filter((ticket) => ticket.expires > now + MARGIN);
      const index = good.findLastIndex((ticket) => ticket.server === this.#server);
      const [taken] = index < 0 ? [] : good.splice(index, 1);
      if (!taken) {
        return { data: good.length === all.length ? null : encode(good), result: null };
      }
      const { id, psk, expires } = taken;
      return {
        data: encode(good),
        result: { id: fromHex(id), psk: fromBase64(psk), expires },
      };
    });
  }

  /** Keeps a new ticket. */
  put(ticket: ResumptionTicket): Promise<void> {
    return this.#state.update(FILE, (current) => {
      const kept = decode(current).slice(1 - MAX_STORED);
      kept.push({
        server: this.#server,
        id: toHex(ticket.id),
        psk: toBase64(ticket.psk),
        expires: ticket.expires,
      });
      return { data: encode(kept), result: undefined };
    });
  }

  /** Forgets all tickets of a user under `dir`, durably; false if there were none. */
  static forget(dir: string, name: string): Promise<boolean> {
    return State.forget(dir, name, FILE);
  }

  /** Forgets all tickets, of every server. */
  clear(): Promise<void> {
    return this.#state.remove(FILE);
  }
}

type Kept = v.InferOutput<typeof schema>["tickets"];

function decode(bytes: Bytes | null): Kept {
  return bytes === null ? [] : parseJson(schema, fromUtf8(bytes)).tickets;
}

function encode(tickets: Kept): Bytes {
  return utf8(JSON.stringify({ tickets }));
}
