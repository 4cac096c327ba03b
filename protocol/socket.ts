import type { Bytes } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { type Address, formatAddress, formatServer } from "./address.ts";
import type { ByteStream } from "./byte_stream.ts";
import { sleep, within } from "./timer.ts";

/** A connection as a stream of bytes. The only place where Sealpost touches a socket. */
class SocketStream implements ByteStream {
  readonly peer: string;
  readonly #socket: Deno.Conn;

  constructor(socket: Deno.Conn, peer: string) {
    this.#socket = socket;
    this.peer = peer;
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

function tcpStream(socket: Deno.TcpConn): ByteStream {
  socket.setNoDelay(true);
  const { hostname, port } = socket.remoteAddr;
  return new SocketStream(socket, formatAddress({ host: hostname, port }));
}

function lost(cause: unknown): SealpostError {
  return new SealpostError("connection-lost", "the connection was lost", { cause });
}

/** How long one of several addresses is tried, milliseconds. */
const ONE_OF_SEVERAL = 4000;

/**
 * Connects to a server: where it has several addresses to one of them, beginning anywhere, so that
 * clients spread. Throws `unreachable` (nobody answers there, or there is no such name) or `timeout`
 * after `timeout` milliseconds.
 */
export async function connectSocket(address: Address, timeout = 10_000): Promise<ByteStream> {
  const { others = [] } = address;
  if (others.length === 0) return await connectTo(address, timeout);
  const all = [address, ...others];
  const from = Math.floor(Math.random() * all.length);
  const each = Math.min(timeout, ONE_OF_SEVERAL);
  for (const one of [...all.slice(from), ...all.slice(0, from)]) {
    try {
      return await connectTo(one, each);
    } catch (error) {
      if (!isSealpostError(error, "unreachable", "timeout")) throw error;
    }
  }
  throw new SealpostError(
    "unreachable",
    `cannot reach any of ${
      formatServer(address)
    }; check the addresses, and that a server is running`,
  );
}

async function connectTo(address: Address, timeout: number): Promise<ByteStream> {
  const where = formatAddress(address);
  const signal = AbortSignal.timeout(timeout);
  try {
    return tcpStream(
      await Deno.connect({
        hostname: address.host,
        port: address.port,
        transport: "tcp",
        signal,
      }),
    );
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
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

/**
 * Listens for TCP connections. Throws `unreachable` (the address is taken or not ours), which names
 * the `option` that chooses another.
 */
export function listenSocket(address: Address, option = "--listen"): Listener {
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ hostname: address.host, port: address.port, transport: "tcp" });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    const why = cause instanceof Deno.errors.AddrInUse
      ? "another program listens there"
      : cause instanceof Deno.errors.PermissionDenied
      ? "ports below 1024 need special rights"
      : "it is not an address of this machine";
    throw new SealpostError(
      "unreachable",
      `cannot listen on ${formatAddress(address)}: ${why}; choose another with ${option}`,
      { cause },
    );
  }
  return {
    address: { host: listener.addr.hostname, port: listener.addr.port },
    accept: () => accepted(listener, tcpStream),
    close: () => listener.close(),
  };
}

/** The connections that `listener` accepts, until it is closed. */
async function* accepted<C extends Deno.Conn>(
  listener: { accept(): Promise<C> },
  toStream: (socket: C) => ByteStream,
): AsyncGenerator<ByteStream, void, undefined> {
  for (;;) {
    let socket: C;
    try {
      socket = await listener.accept();
    } catch (error) {
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
        return;
      }
      // Out of descriptors, or a peer that left before it was accepted: others still come.
      await sleep(50);
      continue;
    }
    try {
      yield toStream(socket);
    } catch {
      socket.close();
    }
  }
}

/** A socket that only programs on this machine reach, by its path. */
export interface LocalListener {
  accept(): AsyncIterable<ByteStream>;
  close(): void;
}

/**
 * Listens on the Unix domain socket `path`, which must not be there; who may connect is up to the
 * folder it is in. Throws `unreachable` with the reason.
 */
export function listenLocal(path: string): LocalListener {
  let listener: Deno.UnixListener;
  try {
    listener = Deno.listen({ transport: "unix", path });
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotCapable
      ? "this program was started without that right"
      : cause instanceof Deno.errors.AddrInUse
      ? "there is something of that name"
      : Deno.build.os === "windows"
      ? "there are none on Windows"
      : path.length > MAX_LOCAL_PATH
      ? `the system takes names of at most ${MAX_LOCAL_PATH} bytes`
      : "the file system refuses it";
    throw new SealpostError("unreachable", `no local socket at ${path}: ${why}`, { cause });
  }
  return {
    accept: () => accepted(listener, (socket) => new SocketStream(socket, "local")),
    close: () => listener.close(),
  };
}

/** What Linux (108) and macOS (104) take for the path of a local socket, its end included. */
const MAX_LOCAL_PATH = 103;

/** Connects to the Unix domain socket `path`. Throws `unreachable`, or `file-io` without the right. */
export async function connectLocal(path: string): Promise<ByteStream> {
  try {
    return new SocketStream(await Deno.connect({ transport: "unix", path }), "local");
  } catch (cause) {
    if (cause instanceof Deno.errors.PermissionDenied) {
      throw new SealpostError(
        "file-io",
        `${path} is for the user who runs the server; run this as that user`,
        { cause },
      );
    }
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new SealpostError("unreachable", `nobody listens on ${path}`, { cause });
  }
}

/** How long answers that were begun may take when an HTTP server closes, milliseconds. */
const CLOSE_TIME = 2000;

/** An HTTP server. */
export interface HttpListener {
  /** Where it listens, with the port that the system chose. */
  readonly address: Address;
  /** Closes it, and all connections: a request that never ends holds it for two seconds at the most. */
  close(): Promise<void>;
}

/**
 * Answers HTTP requests at `address` by `answer`, and with nothing but status 500 where that throws.
 * Throws `unreachable` with the reason.
 */
export function serveHttp(
  address: Address,
  answer: (request: Request) => Promise<Response>,
): HttpListener {
  let server: Deno.HttpServer<Deno.NetAddr>;
  const ending = new AbortController();
  const answering = new Set<Promise<Response>>();
  const options = {
    hostname: address.host,
    port: address.port,
    signal: ending.signal,
    onListen() {},
    onError: () => new Response(null, { status: 500 }),
  };
  try {
    server = Deno.serve(options, async (request) => {
      const mine = answer(request);
      answering.add(mine);
      try {
        return await mine;
      } finally {
        answering.delete(mine);
      }
    });
  } catch (cause) {
    const why = cause instanceof Deno.errors.AddrInUse
      ? "another program listens there"
      : cause instanceof Deno.errors.NotCapable
      ? "this program was started without that right"
      : "it is not an address of this machine";
    throw new SealpostError(
      "unreachable",
      `cannot listen on ${formatAddress(address)}: ${why}`,
      { cause },
    );
  }
  const { hostname, port } = server.addr;
  return {
    address: { host: hostname, port },
    close: async () => {
      // Not by shutdown(), which waits for whoever has sent half a request, and cannot be ended.
      await within(Promise.allSettled(answering), CLOSE_TIME, null);
      ending.abort();
      await server.finished;
    },
  };
}

/** How long a program on this machine may take to answer, milliseconds. */
const ASK_TIME = 10_000;

/**
 * Posts nothing to `path` of an HTTP server on this machine; the text of its answer. Throws
 * `unreachable` if nobody answers well within ten seconds.
 */
export async function askHttp(
  address: Address,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const where = formatAddress(address);
  try {
    const answer = await fetch(`http://${where}${path}`, {
      method: "POST",
      headers,
      redirect: "error",
      signal: AbortSignal.timeout(ASK_TIME),
    });
    const text = await answer.text();
    if (answer.ok) return text;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw new SealpostError("unreachable", `${where} does not answer`, { cause });
  }
  throw new SealpostError("unreachable", `${where} does not do what it was asked`);
}
