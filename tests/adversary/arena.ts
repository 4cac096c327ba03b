import { concat } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { type AcceptedLogin, logIn } from "../../client/connection/login.ts";
import { type Address, parseAddress } from "../../protocol/address.ts";
import { type ExitCode, exitCodeFor } from "../../cli/exit_codes.ts";
import { loadBundle, loadIdentity } from "../../files/key_files.ts";
import { encodePassword, type Login } from "../../protocol/login.ts";
import { makeDatabase, prepare } from "./in_database.ts";
import type { DatabaseStore } from "../../server/maintenance/which_store.ts";
import { defined } from "../../crypto/defined.ts";
import { FULL } from "../support/full.ts";
import { Group } from "../support/group.ts";
import { passwordOf } from "../support/program.ts";
import { type Hook, Relay, type RelayedConnection } from "../support/relay.ts";
import { waitFor } from "../support/wait.ts";
import { type Kept, readKept } from "./kept.ts";

/**
 * Whether everything is tried, which takes half an hour, and not only enough to notice when a
 * guarantee is gone.
 */
export const EVERYTHING = Deno.env.get("SEALPOST_ADVERSARY") === "full";

/** How a client of ours ended, as a script sees it: the error's code, and the program's exit code. */
export interface End {
  readonly code: string;
  readonly exit: ExitCode;
}

/** The end of `work`, which gives null if nothing failed. */
export async function endOf(work: Promise<unknown>): Promise<End | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    return { code: error.code, exit: exitCodeFor(error.code) };
  }
}

/** A connection as the server sees it. */
export interface Seen {
  /** The port that it comes from. */
  readonly port: number;
  /** When it was made, milliseconds since 1970. */
  readonly since: number;
}

/** What an attack goes through, and what became of it. */
export interface Passage<T> {
  readonly result: T;
  /** The connections that were made, in their order. */
  readonly lines: readonly RelayedConnection[];
}

/** A real server in a process of its own, users who have logged in before, and a look inside. */
export class Arena implements AsyncDisposable {
  readonly #identities: ReadonlyMap<string, Identity>;

  private constructor(
    readonly group: Group,
    /** The server's bundle, as its users have it. */
    readonly server: Bundle,
    identities: ReadonlyMap<string, Identity>,
    private readonly database: DatabaseStore | null,
  ) {
    this.#identities = identities;
  }

  /** A group of `names`, all of whom have connected once. `serve`: arguments of the server. */
  static async start(names: readonly string[], serve: readonly string[] = []): Promise<Arena> {
    const database = await makeDatabase();
    const group = await Group.start(names, {
      serve,
      ...defined({
        prepare: database === null ? undefined : (dir: string) => prepare(dir, database),
      }),
    });
    try {
      const [first = ""] = names;
      const server = await loadBundle(group.path(first, "server_public.pem"));
      const identities = new Map<string, Identity>();
      for (const name of names) {
        identities.set(
          name,
          await loadIdentity(group.path(name), name, () => {
            throw new Error("these keys have no passphrase");
          }),
        );
      }
      const arena = new Arena(group, server, identities, database);
      for (const name of names) await (await arena.logIn(name)).connection.close();
      return arena;
    } catch (error) {
      await group[Symbol.asyncDispose]();
      throw error;
    }
  }

  get address(): Address {
    return parseAddress(this.group.server.address);
  }

  identity(name: string): Identity {
    const identity = this.#identities.get(name);
    if (!identity) throw new Error(`${name} is not of the group`);
    return identity;
  }

  /** What `name` tells the server of their client. */
  login(name: string, password = passwordOf(name)): Login {
    return { name, password: encodePassword(password), client: "sealpost/test" };
  }

  /** Logs in as the program does, at `address` if the server is behind something there. */
  logIn(name: string, address = this.address, password?: string): Promise<AcceptedLogin> {
    return logIn(address, this.server, this.identity(name), this.login(name, password));
  }

  /** Calls `act` with the address of a relay in front of the server that treats things by `hook`. */
  async through<T>(hook: Hook, act: (address: Address) => Promise<T>): Promise<Passage<T>> {
    await using relay = Relay.start(this.group.server.address, { hook, record: true });
    const result = await act(parseAddress(relay.address));
    await Promise.all(relay.lines.map((line) => line.ended()));
    return { result, lines: relay.lines };
  }

  /** All that the server keeps. What `without` has, which goes on meanwhile, is left out. */
  kept(without: readonly string[] = []): Promise<Kept> {
    return readKept(this.group.path("server"), without, this.database);
  }

  /** The server's resident memory, MiB. */
  async memory(): Promise<number> {
    const { pid } = this.group.server.program;
    const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", `${pid}`] })
      .output();
    return Number(new TextDecoder().decode(stdout)) / 1024;
  }

  /** What the server has logged of this connection. */
  logged({ port, since }: Seen): string[] {
    const lines = this.group.log.split("\n");
    // The port can have been that of another before.
    return lines.filter((line) => {
      return new RegExp(` port=${port}( |$)`).test(line) &&
        Date.parse(line.slice(0, line.indexOf(" "))) >= since;
    });
  }

  /** The code and the reason with which the server ended this connection. */
  async ended(seen: Seen): Promise<{ readonly code: string; readonly why: string }> {
    return await waitFor(`the end of the connection from ${seen.port}`, () => {
      for (const line of this.logged(seen)) {
        const match = / connection-ended .*code=(\S+) why=("(?:[^"\\]|\\.)*"|\S+)/.exec(line);
        const [, code, why] = match ?? [];
        if (code && why) return { code, why: why.startsWith('"') ? JSON.parse(why) : why };
      }
      return null;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.group[Symbol.asyncDispose]();
  }
}

/** Does `work` for each of `items`, `width` at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items].reverse();
  const worker = async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/**
 * All integers from `from` to `to` - 1; of those, if not everything is tried, every `step`th, and a
 * third of them where tests are not run in full.
 */
export function positions(from: number, to: number, step: number): number[] {
  const all = Array.from({ length: to - from }, (_, i) => from + i);
  const stride = FULL ? step : 3 * step;
  return EVERYTHING ? all : all.filter((at) => (at - from) % stride === 0 || at === to - 1);
}

/** `bytes` with one bit of the byte at `position` flipped: another bit in each next byte. */
export function flipped(bytes: Uint8Array, position: number): Uint8Array<ArrayBuffer> {
  const out = concat(bytes);
  out[position] = (out[position] ?? 0) ^ (1 << (position % 8));
  return out;
}
