import { assertEquals } from "@std/assert";
import type { Bytes } from "../../crypto/bytes.ts";
import type { Address } from "../../protocol/address.ts";
import type { Hook, RelayedConnection } from "../support/relay.ts";
import { Arena } from "./arena.ts";
import { Bystander } from "./bystander.ts";
import { Chain, type HeldTicket, Intruder, type Self } from "./intruder.ts";
import type { Kept } from "./kept.ts";

/** Goes on with mail in one session, whatever is done to the others. */
const AT_WORK = "carol";
/** Comes anew when it is asked whether one still can. */
const NEWCOMER = "dave";

/** What an attack may have changed in the end. */
export interface Spoils {
  /** Logins that were accepted have left tickets, or used them up. */
  readonly tickets?: boolean;
}

/** An attack on a server that others use: what must be as it was afterwards is looked at. */
export class Siege implements AsyncDisposable {
  readonly #bystander: Bystander;
  readonly #newcomer: Chain;
  #arrivals = 0;
  #before: Kept;

  private constructor(
    readonly arena: Arena,
    bystander: Bystander,
    newcomer: Chain,
    before: Kept,
  ) {
    this.#bystander = bystander;
    this.#newcomer = newcomer;
    this.#before = before;
  }

  /**
   * A server with the users `names`, and two more who mind their own business. `serve`: arguments of
   * the server.
   */
  static async start(names: readonly string[], serve: readonly string[] = []): Promise<Siege> {
    // Who is at work sends more than a person would.
    const arena = await Arena.start([...names, AT_WORK, NEWCOMER], [
      "--messages-per-minute=off",
      ...serve,
    ]);
    try {
      const session = await arena.logIn(AT_WORK);
      const bystander = new Bystander(AT_WORK, arena.identity(AT_WORK), session);
      const { address, server } = arena;
      const newcomer = await Chain.begin(
        address,
        { name: NEWCOMER, identity: arena.identity(NEWCOMER), server },
        arena.login(NEWCOMER),
      );
      return new Siege(arena, bystander, newcomer, await arena.kept([AT_WORK, NEWCOMER]));
    } catch (error) {
      await arena[Symbol.asyncDispose]();
      throw error;
    }
  }

  get address(): Address {
    return this.arena.address;
  }

  /** What the server keeps of those who are attacked, or attack. */
  kept(): Promise<Kept> {
    return this.arena.kept([AT_WORK, NEWCOMER]);
  }

  /** The UIDs of what is in the mailbox of `name`, growing. */
  async uids(name: string): Promise<number[]> {
    const entries = (await this.kept()).entries.map((line) => JSON.parse(line));
    return entries.filter((entry) => entry.name === name).map(({ uid }) => uid);
  }

  /** What is to be there from now on. */
  async mark(): Promise<void> {
    this.#before = await this.kept();
  }

  /** Asserts that the session of somebody else goes on, and that another comes in. */
  async othersGoOn(): Promise<void> {
    await this.#bystander.another();
    // With the password now and then, which costs more than all the rest.
    if (this.#arrivals++ % 4 === 0) await (await this.arena.logIn(NEWCOMER)).connection.close();
    else await (await this.#newcomer.next()).close();
  }

  /** Asserts that others go on, and that the server keeps what it kept before. */
  async unharmed(spoils: Spoils = {}): Promise<void> {
    await this.othersGoOn();
    const after = await this.kept();
    const tickets = spoils.tickets ? after.tickets : this.#before.tickets;
    assertEquals(after, { ...this.#before, tickets });
    this.#before = after;
  }

  /** Who `name` is, for a client of their own. */
  self(name: string): Self {
    return { name, identity: this.arena.identity(name), server: this.arena.server };
  }

  /** Sessions of `name`, one after the other. */
  chain(name: string): Promise<Chain> {
    return Chain.begin(this.address, this.self(name), this.arena.login(name));
  }

  /** A ticket of `name`, from a login. */
  async ticket(name: string): Promise<HeldTicket> {
    const login = this.arena.login(name);
    const { intruder, verdict } = await Intruder.logIn(this.address, this.self(name), login);
    await intruder.close();
    return await intruder.ticketIn(verdict);
  }

  /** The one connection that `act` makes through a relay, and what came of `act`. */
  async once<T>(
    hook: Hook,
    act: (address: Address) => Promise<T>,
  ): Promise<{ readonly result: T; readonly line: RelayedConnection }> {
    const { result, lines } = await this.arena.through(hook, act);
    const [line] = lines;
    if (!line || lines.length > 1) throw new Error(`${lines.length} connections were made`);
    return { result, line };
  }

  /** Ends the session in which mail went on, and asserts that nothing of it was disturbed. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#bystander.stop();
    } finally {
      await this.arena[Symbol.asyncDispose]();
    }
  }
}

/** Something on 127.0.0.1 that answers in a server's place, one connection after the other. */
export class Impostor implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving: Promise<void>;
  #closed = false;

  constructor(answer: (socket: Deno.TcpConn) => Promise<void>) {
    this.#serving = this.#serve(answer);
  }

  get address(): Address {
    return { host: "127.0.0.1", port: this.#listener.addr.port };
  }

  async #serve(answer: (socket: Deno.TcpConn) => Promise<void>): Promise<void> {
    for (;;) {
      let socket: Deno.TcpConn;
      try {
        socket = await this.#listener.accept();
      } catch {
        return; // closed
      }
      await answer(socket).catch(() => {});
      try {
        socket.close();
      } catch {
        // The answer ended it.
      }
    }
  }

  /** Takes no more connections, and waits until the last one was answered. */
  async stop(): Promise<void> {
    if (!this.#closed) this.#listener.close();
    this.#closed = true;
    await this.#serving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Reads exactly `size` bytes. */
export async function readFrom(socket: Deno.TcpConn, size: number): Promise<Bytes> {
  const out = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const n = await socket.read(out.subarray(at));
    if (n === null) throw new Error(`the client ended after ${at} bytes`);
    at += n;
  }
  return out;
}

/** Writes all of `data`. */
export async function writeTo(socket: Deno.TcpConn, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length;) at += await socket.write(data.subarray(at));
}
