import { connect, type Socket } from "node:net";
import { type Bytes, concat } from "../../crypto/bytes.ts";
import type { Address } from "../../protocol/address.ts";
import { within } from "../../protocol/timer.ts";

/** Addresses of this machine that are none of the group's: where strangers come from. */
export const ELSEWHERE = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"] as const;

/** Whether a socket can come from those: they are all of the loopback on Linux only. */
export const HAS_ELSEWHERE = Deno.build.os === "linux";

/** A connection of somebody who need not be anybody, from an address of their choice. */
export class Stranger {
  readonly #socket: Socket;
  /** The port that the server's log knows them by. */
  readonly port: number;
  /** When they came, milliseconds since 1970. */
  readonly since: number;
  readonly #heard: Bytes[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #over = false;

  private constructor(socket: Socket, since: number) {
    this.since = since;
    this.#socket = socket;
    this.port = socket.localPort ?? 0;
    socket.on("data", (piece: Uint8Array) => this.#heard.push(concat(piece)));
    // An end and a reset are the same to them.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#over = true;
      this.#ended.resolve();
    });
  }

  static dial(address: Address, from = "127.0.0.1"): Promise<Stranger> {
    const { host, port } = address;
    const since = Date.now();
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, localAddress: from, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Stranger(socket, since));
      });
    });
  }

  /** Whether the server has ended the connection. */
  get over(): boolean {
    return this.#over;
  }

  /** What the server has said. */
  get heard(): Bytes {
    return concat(...this.#heard);
  }

  say(bytes: Uint8Array): void {
    if (!this.#over) this.#socket.write(bytes);
  }

  /** Resolves when the connection has ended, whoever ended it; throws if that is not soon. */
  async ended(): Promise<void> {
    const late = await within(this.#ended.promise, 30_000, "late");
    if (late) throw new Error("the server does not end the connection");
  }

  async leave(): Promise<void> {
    this.#socket.destroy();
    await this.#ended.promise;
  }
}
