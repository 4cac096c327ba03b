import { type Bytes, concat, toBase64, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Bundle, decodeBundle, type Identity } from "../../crypto/identity.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { type ByteStream, ExactReader } from "../../protocol/byte_stream.ts";
import { Connection } from "../../protocol/connection.ts";
import { TimingGrid } from "../../protocol/timing_grid.ts";
import { FrameKind } from "../../protocol/frame.ts";
import { ClientHandshake, KIND_BUNDLE, prefix, SIZE_B, SIZE_D } from "../../protocol/handshake.ts";
import type { Hello } from "../../protocol/hello.ts";
import { type Login, readPadded } from "../../protocol/login.ts";
import { BUNDLE_ANSWER, parseBusyLine, REFUSAL_TEXT } from "../../protocol/plaintext.ts";
import { printable } from "../../cli/printable.ts";
import { decodeVerdict, refusedError, type Verdict } from "../../protocol/request.ts";
import type { SplitKeys } from "../../protocol/noise.ts";
import { ClientResumption, type ResumptionContext, SIZE_R2 } from "../../protocol/resumption.ts";
import { connectSocket } from "../../protocol/socket.ts";

/** How long a login may take before the client gives up, milliseconds, if nothing else is said. */
export const LOGIN_TIMEOUT = 20_000;

/** Decapsulations that are timed before a login: see {@linkcode TimingGrid}. */
const GRID_SAMPLES = 6;

/** Text in the place of a handshake message is read up to this length, bytes. */
const MAX_TEXT_ANSWER = 512;

/** A connection after a login or a resumption. */
export interface Connected {
  readonly connection: Connection;
  readonly hello: Hello;
  /** Gives the key of the ticket that continues this session. */
  readonly exporter: SplitKeys["exporter"];
}

/** An accepted login. */
export interface AcceptedLogin extends Connected {
  readonly verdict: Verdict & { readonly ok: true };
}

/**
 * Runs `work` on a new connection, bounded in time; it says by `proved` when the server has proved its
 * key, and `extend` gives it as many milliseconds from now on. Throws `timeout` if the server stops
 * answering.
 */
export async function withStream<T>(
  address: Address,
  timeout: number,
  work: (
    stream: ByteStream,
    proved: () => void,
    extend: (timeout: number) => void,
  ) => Promise<T>,
): Promise<T> {
  const stream = await connectSocket(address);
  let isServer = false;
  let late = false;
  const end = () => {
    late = true;
    stream.close();
  };
  let deadline = setTimeout(end, timeout);
  const extend = (timeout: number) => {
    clearTimeout(deadline);
    deadline = setTimeout(end, timeout);
  };
  try {
    return await work(stream, () => isServer = true, extend);
  } catch (error) {
    stream.close();
    if (!late) throw error;
    throw new SealpostError(
      "timeout",
      isServer
        ? `${formatAddress(address)} began a login and took too long to end it; try again later`
        : `${formatAddress(address)} does not answer as a Sealpost server does; check the address`,
      { cause: error },
    );
  } finally {
    clearTimeout(deadline);
  }
}

/**
 * Connects and logs in. The server proves its key before anything of the client is sent, its name
 * included.
 *
 * Throws `unreachable`, `timeout`, `version`, `server-identity` (it has another key than `server`),
 * `login-refused`, `busy`, `connection-lost`, `protocol`.
 */
export async function logIn(
  address: Address,
  server: Bundle,
  identity: Identity,
  login: Login,
  { former = false, timeout = LOGIN_TIMEOUT }: {
    /** Whether the server may have left the key `server`, and proves that it had it. */
    readonly former?: boolean;
    /** Milliseconds. */
    readonly timeout?: number;
  } = {},
): Promise<AcceptedLogin> {
  const grid = await TimingGrid.measure(identity, GRID_SAMPLES);
  return await withStream(address, timeout, async (stream, proved) => {
    const reader = new ExactReader(stream);
    const handshake = await ClientHandshake.start(server, identity, former);
    await stream.write(await handshake.writeA());
    const hello = await handshake.readB(await readAnswer(reader, SIZE_B));
    proved();
    await stream.write(await handshake.writeC(login));
    const d = await reader.exactly(SIZE_D);
    if (!d) throw endedEarly();
    const arrived = performance.now();
    let e: Bytes;
    try {
      await handshake.readD(d);
      e = await handshake.writeE();
    } finally {
      // Also when it failed: when the connection ends would tell how long that took.
      await grid.wait(arrived);
    }
    await stream.write(e);
    const keys = await handshake.split();
    const connection = new Connection(stream, reader, {
      send: keys.initiator,
      receive: keys.responder,
    });
    wipe(keys.initiator, keys.responder);
    const frame = await connection.receive();
    if (frame?.kind !== FrameKind.event) {
      throw connection.abort(
        new SealpostError("protocol", "the server did not decide on the login"),
      );
    }
    const verdict = decodeVerdict(frame.payload);
    if (verdict.ok) {
      const { name, fp } = verdict;
      if (name !== login.name || fp !== toBase64(identity.bundle.fp)) {
        throw connection.abort(
          new SealpostError("protocol", "the server took the login for another one"),
        );
      }
      return { connection, hello, verdict, exporter: keys.exporter };
    }
    await connection.close();
    throw refusedError(verdict);
  });
}

/**
 * Connects with a ticket, which the caller has already deleted, or deletes in `known`, once there is
 * a connection: one round trip. Null if the server does not take it (it ends the connection without
 * an answer), or `known` has none; log in with the password then.
 *
 * Throws `unreachable`, `timeout`, `busy`, `version`, `server-identity`, `protocol`.
 */
export async function resumeLogin(
  address: Address,
  known: ResumptionContext | (() => Promise<ResumptionContext | null>),
  identity: Identity,
  timeout = LOGIN_TIMEOUT,
): Promise<Connected | null> {
  return await withStream(address, timeout, async (stream) => {
    const reader = new ExactReader(stream);
    const acquaintance = typeof known === "function" ? await known() : known;
    if (!acquaintance) {
      stream.close();
      return null;
    }
    const handshake = await ClientResumption.start(acquaintance, identity);
    await stream.write(await handshake.writeR1());
    const r2 = await readAnswer(reader, SIZE_R2).catch((error) => {
      if (isSealpostError(error) && error.code === "connection-lost") return null;
      throw error;
    });
    if (!r2) {
      stream.close();
      return null;
    }
    const hello = await handshake.readR2(r2);
    const keys = await handshake.split();
    const connection = new Connection(stream, reader, {
      send: keys.initiator,
      receive: keys.responder,
    });
    wipe(keys.initiator, keys.responder);
    return { connection, hello, exporter: keys.exporter };
  });
}

/**
 * The server's first message. One that speaks another version, or takes no connection now, answers with
 * a line of text instead, which is shown but, not being authentic, changes nothing.
 */
export async function readAnswer(reader: ExactReader, size: number): Promise<Bytes> {
  const marker = new TextDecoder().decode(REFUSAL_TEXT.subarray(0, 10));
  const start = await reader.exactly(marker.length);
  if (!start) throw endedEarly();
  if (new TextDecoder().decode(start) !== marker) {
    const rest = await reader.exactly(size - start.length);
    if (!rest) throw endedEarly();
    return concat(start, rest);
  }
  let text = "";
  while (text.length < MAX_TEXT_ANSWER) {
    const next = await reader.exactly(1);
    if (!next || next[0] === 10) break;
    text += String.fromCharCode(next[0] ?? 0);
  }
  const notNow = parseBusyLine(marker + text);
  if (notNow) throw notNow;
  throw new SealpostError(
    "version",
    `the server answers: "${printable(marker + text)}"; use a client that fits it`,
  );
}

/** The error of a connection that ended before the login. */
export function endedEarly(): SealpostError {
  return new SealpostError(
    "connection-lost",
    "the server ended the connection before the login; it may be busy, try again in a minute",
  );
}

/**
 * The bundle that the server at `address` says it has. Nobody has vouched for it: its fingerprint
 * must be compared with what the operator says. Throws as {@linkcode logIn} does.
 */
export async function askForBundle(address: Address, timeout = LOGIN_TIMEOUT): Promise<Bundle> {
  return await withStream(address, timeout, async (stream) => {
    await stream.write(prefix(KIND_BUNDLE));
    const answer = await new ExactReader(stream).exactly(BUNDLE_ANSWER);
    stream.close();
    const [encoded] = answer ? readPadded(answer, 1).parts : [];
    if (!encoded) throw endedEarly();
    return await decodeBundle(encoded);
  });
}
