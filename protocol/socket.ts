import type { Bytes } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { type Address, formatAddress } from "./address.ts";
import type { ByteStream } from "./byte_stream.ts";
import { sleep } from "./timer.ts";

/** A TCP connection as a stream of bytes. The only place where Sealpost touches a socket. */
class SocketStream implements ByteStream {
  readonly peer: string;
  readonly #socket: Deno.TcpConn;

  constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
    this.peer = formatAddress({ host: socket.remoteAddr.hostname, port: socket.remoteAddr.port });
    socket.setNoDelay(true);
  }

  async read(into: Bytes): Promise<number | null> {
    try {
      return await this.#socket.read(into);
    } catch (cause) {
      throw lost(cause);
    }
  }

  async write(data: Bytes): Promise<void> {
    try {
      let at = 0;
      while (at < data.length) at += await this.#socket.write(data.subarray(at));
    } catch (cause) {
      throw lost(cause);
    }
  }

  async closeWrite(): Promise<void> {
    try {
      await this.#socket.closeWrite();
    } catch (cause) {
      throw lost(cause);
    }
  }

  close(): void {
    try {
      this.#socket.close();
    } catch {
      // Closed before: that is what was wanted.
    }
  }
}

function lost(cause: unknown): SealpostError {
  return new SealpostError("connection-lost", "the connection was lost", { cause });
}

/**
 * Connects to a server. Throws `unreachable` (nobody answers there, or there is no such name) or
 * `timeout` after `timeout` milliseconds.
 */
export async function connectSocket(address: Address, timeout = 10_000): Promise<ByteStream> {
  const where = formatAddress(address);
  const signal = AbortSignal.timeout(timeout);
  try {
    return new SocketStream(
      await Deno.connect({
        hostname: address.host,
        port: address.port,
        transport: "tcp",
        signal,
      }),
    );
  } catch (cause) {
    if (signal.aborted) {
      throw new SealpostError(
        "timeout",
        `${where} does not answer; check the address, and that the server can be reached`,
        { cause },
      );
    }
    const why = cause instanceof Deno.errors.ConnectionRefused
      ? "nobody listens there"
      : "no connection could be made";
    throw new SealpostError(
      "unreachable",
      `cannot reach ${where} (${why}); check the address, and that the server is running`,
      { cause },
    );
  }
}

/** A listening socket. */
export interface Listener {
  /** Where it listens, with the port that the system chose. */
  readonly address: Address;
  /** The connections, until {@linkcode Listener.close}. */
  accept(): AsyncIterable<ByteStream>;
  close(): void;
}

/** Listens for TCP connections. Throws `usage` (the address is taken or not ours). */
export function listenSocket(address: Address): Listener {
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ hostname: address.host, port: address.port, transport: "tcp" });
  } catch (cause) {
    const why = cause instanceof Deno.errors.AddrInUse
      ? "another program listens there"
      : cause instanceof Deno.errors.PermissionDenied
      ? "ports below 1024 need special rights"
      : "it is not an address of this machine";
    throw new SealpostError(
      "unreachable",
      `cannot listen on ${formatAddress(address)}: ${why}; choose another with --listen`,
      { cause },
    );
  }
  return {
    address: { host: listener.addr.hostname, port: listener.addr.port },
    async *accept() {
      for (;;) {
        let socket: Deno.TcpConn;
        try {
          socket = await listener.accept();
        } catch (error) {
          if (
            error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted
          ) {
            return;
          }
          // Out of descriptors, or a peer that left before it was accepted: others still come.
          await sleep(50);
          continue;
        }
        try {
          yield new SocketStream(socket);
        } catch {
          socket.close();
        }
      }
    },
    close: () => listener.close(),
  };
}
