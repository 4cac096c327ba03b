import { type AesKey, aesOpen, aesSeal, importAesKey } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, equal, lp, random, toHex, utf8, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { hkdf, sha256 } from "../../crypto/hash.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { TICKET_ID_SIZE, TICKET_LABEL } from "../../protocol/resumption.ts";
import type { Store, StoredTicket } from "../store/store.ts";
import { BundleCache } from "./bundle_cache.ts";
import type { Users } from "./users.ts";

const NONCE_SIZE = 12;

/** A ticket is good for this long, milliseconds (24 h). */
export const TICKET_LIFE = 86_400_000;
/** No ticket outlives the last full handshake by more than this, milliseconds (7 days). */
export const MAX_SINCE_FULL = 7 * 86_400_000;

/** Live tickets of an account; when there are more, those that end first go. */
export const MAX_TICKETS = 64;

/** What a client is told of a ticket. */
export interface IssuedTicket {
  /** 16 bytes. */
  readonly id: Bytes;
  /** When it ends, milliseconds since 1970. */
  readonly expires: number;
}

/** The session that a ticket continues. */
export interface TicketHolder {
  readonly name: string;
  readonly fp: Bytes;
  /** What the user list had for the password that the session rests on. */
  readonly credential: string;
  /** When the password and all keys were last proven, milliseconds since 1970. */
  readonly fullAt: number;
  readonly exporter: (label: string, context: Bytes) => Promise<Bytes>;
}

/** A ticket that a client may resume with. */
export interface FoundTicket {
  readonly name: string;
  /** The key that is bound to the account. */
  readonly client: Bundle;
  /** The key of the server that it was given under. */
  readonly server: Identity;
  /** What the user list has for the password: the same as when the ticket was issued. */
  readonly credential: string;
  readonly fullAt: number;
  readonly psk: Bytes;
}

/**
 * Resumption tickets. A ticket's key is stored wrapped under a key that is derived from the server's
 * private key, so that a stolen database alone resumes nothing; and with a digest of the password's
 * hash, so that a new password ends every ticket.
 */
export class TicketIssuer {
  readonly #store: Store;
  readonly #users: Users;
  /** Of the present key first. */
  readonly #wraps: readonly Wrap[];
  readonly #bundles = new BundleCache();
  /** The ids of tickets with which somebody resumes at this moment, in hexadecimal. */
  readonly #claimed = new Set<string>();

  private constructor(store: Store, users: Users, wraps: readonly Wrap[]) {
    this.#store = store;
    this.#users = users;
    this.#wraps = wraps;
  }

  /** `former`: keys that the server has left; the tickets that it gave under them are still good. */
  static async open(
    store: Store,
    users: Users,
    identity: Identity,
    former: readonly Identity[] = [],
  ): Promise<TicketIssuer> {
    return new TicketIssuer(store, users, await Promise.all([identity, ...former].map(wrapOf)));
  }

  /**
   * Issues a ticket for a session; null if it would be dead at once (seven days after the last full
   * handshake), and if the disk takes no writes.
   */
  async issue(holder: TicketHolder, now = Date.now()): Promise<IssuedTicket | null> {
    const ticket = await this.#make(holder, now);
    if (ticket === null) return null;
    try {
      await this.#store.saveTicket(ticket, MAX_TICKETS);
    } catch (error) {
      // Mail can be read although nothing can be written: the next login takes the password.
      if (isSealpostError(error, "disk-full", "file-io")) return null;
      throw error;
    }
    return ticket;
  }

  /**
   * Consumes the ticket `id` and issues the next one, in one commit; nothing if somebody else has
   * consumed it. `next` is null if it would be dead at once.
   */
  async exchange(
    id: Bytes,
    holder: TicketHolder,
    now = Date.now(),
  ): Promise<{ readonly next: IssuedTicket | null } | null> {
    const next = await this.#make(holder, now);
    return await this.#store.exchangeTicket(id, next) ? { next } : null;
  }

  async #make(holder: TicketHolder, now: number): Promise<StoredTicket | null> {
    const expires = Math.min(now + TICKET_LIFE, holder.fullAt + MAX_SINCE_FULL);
    if (expires <= now) return null;
    const id = random(TICKET_ID_SIZE);
    const psk = await holder.exporter(TICKET_LABEL, id);
    const nonce = random(NONCE_SIZE);
    const box = await aesSeal(this.#present.key, nonce, psk, context(id, holder));
    wipe(psk);
    return {
      id,
      account: holder.name,
      fp: holder.fp,
      credential: await digestOf(holder.credential),
      wrapped: concat(nonce, box),
      fullAt: holder.fullAt,
      expires,
    };
  }

  /**
   * Claims a ticket for one resumption, until the claim is disposed of; null if somebody has claimed it.
   * So its holder has one private operation of the server at a time, and no more when that fails.
   */
  claim(id: Bytes): Disposable | null {
    const key = toHex(id);
    if (this.#claimed.has(key)) return null;
    this.#claimed.add(key);
    return { [Symbol.dispose]: () => this.#claimed.delete(key) };
  }

  /** The live ticket with this id; null if there is none, whatever the reason. */
  async find(id: Bytes, now = Date.now()): Promise<FoundTicket | null> {
    const ticket = await this.#store.ticket(id);
    if (!ticket || ticket.expires <= now) return null;
    const account = await this.#store.account(ticket.account);
    const credential = this.#users.credential(ticket.account);
    if (
      !account?.fp || !account.bundle || !equal(account.fp, ticket.fp) || credential === null ||
      !this.#users.isInForce(ticket.account, credential) ||
      !equal(await digestOf(credential), ticket.credential)
    ) return null;
    const nonce = ticket.wrapped.slice(0, NONCE_SIZE);
    const box = ticket.wrapped.slice(NONCE_SIZE);
    const holder = { name: ticket.account, fp: ticket.fp };
    const client = await this.#bundles.decode(account.fp, account.bundle);
    for (const { key, server } of this.#wraps) {
      try {
        const psk = await aesOpen(key, nonce, box, context(id, holder));
        return { name: account.name, client, server, credential, fullAt: ticket.fullAt, psk };
      } catch (error) {
        // Wrapped before the server's keys were changed.
        if (!isSealpostError(error, "authentication")) throw error;
      }
    }
    return null;
  }

  get #present(): Wrap {
    const [present] = this.#wraps;
    if (present === undefined) throw new SealpostError("internal", "no key for tickets");
    return present;
  }

  /** Ends a ticket. */
  async drop(id: Bytes): Promise<void> {
    await this.#store.takeTicket(id);
  }
}

/** What wraps the keys of tickets that were given under one key of the server. */
interface Wrap {
  readonly key: AesKey;
  readonly server: Identity;
}

async function wrapOf(server: Identity): Promise<Wrap> {
  const raw = await hkdf(server.mlkemSeed, new Uint8Array(0), "sealpost/1 ticket wrap", 32);
  try {
    return { key: await importAesKey(raw), server };
  } finally {
    wipe(raw);
  }
}

/** The digest by which a ticket is bound to what the user list has for the password, 16 bytes. */
async function digestOf(credential: string): Promise<Bytes> {
  return (await sha256(utf8("sealpost/1 credential"), utf8(credential))).slice(0, 16);
}

function context(id: Bytes, holder: { readonly name: string; readonly fp: Bytes }): Bytes {
  return concat(id, lp(utf8(holder.name)), holder.fp);
}
