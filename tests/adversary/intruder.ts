import { type Bytes, concat, fromHex, fromUtf8, u32, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import type { Address } from "../../protocol/address.ts";
import { type ByteStream, ExactReader } from "../../protocol/byte_stream.ts";
import { decodeFrames, type Frame, FrameKind, PAD_MULTIPLE } from "../../protocol/frame.ts";
import { ClientHandshake, SIZE_B, SIZE_D } from "../../protocol/handshake.ts";
import type { Login } from "../../protocol/login.ts";
import type { SplitKeys } from "../../protocol/noise.ts";
import { RECORD_HEADER, recordLength, RecordOpener, RecordSealer } from "../../protocol/record.ts";
import { decodeEvent, decodeVerdict, type Verdict } from "../../protocol/request.ts";
import { ClientResumption, SIZE_R2, TICKET_LABEL } from "../../protocol/resumption.ts";
import { within } from "../../protocol/timer.ts";

/** How long the server may be silent while something is expected of it, milliseconds. */
const SILENCE = 30_000;

/** A connection that was lost has ended. */
export function endIfLost(error: unknown): null {
  if (isSealpostError(error, "connection-lost")) return null;
  throw error;
}

/** A socket with the port that the server's log knows it by. */
export class Wire implements ByteStream {
  readonly peer = "the server";
  readonly #socket: Deno.TcpConn;
  readonly #port: number;

  private constructor(
    socket: Deno.TcpConn,
    /** When it was made, milliseconds since 1970. */
    readonly since: number,
  ) {
    this.#socket = socket;
    this.#port = socket.localAddr.port;
  }

  static async dial(address: Address): Promise<Wire> {
    const since = Date.now();
    const socket = await Deno.connect({ hostname: address.host, port: address.port });
    socket.setNoDelay(true);
    return new Wire(socket, since);
  }

  get port(): number {
    return this.#port;
  }

  /** Throws something else than our own error if the server does nothing for half a minute. */
  async read(into: Bytes): Promise<number | null> {
    const read = this.#socket.read(into).catch((cause) => {
      throw new SealpostError("connection-lost", "the connection was reset", { cause });
    });
    const n = await within(read, SILENCE, undefined);
    if (n === undefined) {
      throw new Error("the server says nothing, and does not end the connection");
    }
    return n;
  }

  async write(data: Bytes): Promise<void> {
    try {
      for (let at = 0; at < data.length;) at += await this.#socket.write(data.subarray(at));
    } catch (cause) {
      throw new SealpostError("connection-lost", "the connection was reset", { cause });
    }
  }

  async closeWrite(): Promise<void> {
    await this.#socket.closeWrite();
  }

  close(): void {
    try {
      this.#socket.close();
    } catch {
      // It was closed before.
    }
  }

  /** Everything that still comes, until the server ends it. */
  async rest(): Promise<Bytes> {
    const parts: Bytes[] = [];
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const n = await this.read(buffer).catch(endIfLost);
      if (n === null) return concat(...parts);
      parts.push(buffer.slice(0, n));
    }
  }
}

/** A ticket, with what its holder needs to use it. */
export interface HeldTicket {
  readonly id: Bytes;
  readonly psk: Bytes;
}

/** Who an intruder is. */
export interface Self {
  readonly name: string;
  readonly identity: Identity;
  readonly server: Bundle;
}

/** A frame with any kind, id and length. Zeros in `payload` count, if `length` says otherwise. */
export function rawFrame(
  kind: number,
  id: number,
  payload: Uint8Array = new Uint8Array(0),
  length = payload.length,
): Bytes {
  const size = new Uint8Array([length >>> 16, (length >>> 8) & 0xff, length & 0xff]);
  return concat(new Uint8Array([kind]), u32(id), size, payload);
}

/**
 * A client that has proven itself and from then on keeps to nothing: it says what it is told to,
 * in records that are sealed as they should be, or not even that.
 */
export class Intruder {
  readonly #exporter: SplitKeys["exporter"];
  readonly #reader: ExactReader;
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  #incoming: Frame[] = [];
  #lastId = 0;

  private constructor(readonly wire: Wire, reader: ExactReader, keys: SplitKeys) {
    this.#reader = reader;
    this.#exporter = keys.exporter;
    this.#sealer = new RecordSealer(keys.initiator);
    this.#opener = new RecordOpener(keys.responder);
  }

  /** Logs in with a password. `withE` is sent right behind message E, before there is a verdict. */
  static async logIn(
    address: Address,
    self: Self,
    login: Login,
    withE: (intruder: Intruder) => Promise<Bytes> = () => Promise.resolve(new Uint8Array(0)),
  ): Promise<{ readonly intruder: Intruder; readonly verdict: Verdict }> {
    const wire = await Wire.dial(address);
    const reader = new ExactReader(wire);
    const handshake = await ClientHandshake.start(self.server, self.identity);
    await wire.write(await handshake.writeA());
    await handshake.readB(await exactly(reader, SIZE_B));
    await wire.write(await handshake.writeC(login));
    await handshake.readD(await exactly(reader, SIZE_D));
    const e = await handshake.writeE();
    const intruder = new Intruder(wire, reader, await handshake.split());
    await wire.write(concat(e, await withE(intruder)));
    const frame = await intruder.next();
    if (frame?.kind !== FrameKind.event) throw new Error("there was no verdict");
    return { intruder, verdict: decodeVerdict(frame.payload) };
  }

  /** Continues with a ticket. */
  static async resume(address: Address, self: Self, ticket: HeldTicket): Promise<Intruder> {
    const wire = await Wire.dial(address);
    const reader = new ExactReader(wire);
    const { handshake } = await resumption(self, ticket);
    await wire.write(await handshake.writeR1());
    await handshake.readR2(await exactly(reader, SIZE_R2));
    return new Intruder(wire, reader, await handshake.split());
  }

  /** A plaintext as the next record. */
  record(plaintext: Bytes): Promise<Bytes> {
    return this.#sealer.seal(plaintext);
  }

  /** Sends one record that holds `parts`. */
  async send(...parts: readonly Uint8Array[]): Promise<void> {
    await this.wire.write(await this.record(concat(...parts)));
  }

  /**
   * Sends a request, in a record that is padded as it should be, and gives its id. `request` is what
   * stands for JSON in the frame.
   */
  async request(request: unknown): Promise<number> {
    const id = ++this.#lastId;
    const frame = rawFrame(FrameKind.request, id, payloadOf(request));
    await this.send(frame, new Uint8Array(-frame.length & (PAD_MULTIPLE - 1)));
    return id;
  }

  /** Sends a request and gives what answers it, events aside. */
  async ask(request: unknown): Promise<Record<string, unknown>> {
    return await this.answer(await this.request(request));
  }

  /** The response to request `id`, which must come next, events aside. */
  async answer(id: number): Promise<Record<string, unknown>> {
    for (;;) {
      const frame = await this.next();
      if (frame?.kind === FrameKind.event) continue;
      if (frame?.kind !== FrameKind.response || frame.id !== id) {
        throw new Error(`no answer to ${id} but ${JSON.stringify(frame)}`);
      }
      return JSON.parse(fromUtf8(frame.payload));
    }
  }

  /** Makes the next id that {@linkcode Intruder.request} uses `id` + 1. */
  used(id: number): void {
    this.#lastId = id;
  }

  /** The next frame; null if the server has ended the connection, without a goodbye. */
  async next(): Promise<Frame | null> {
    for (;;) {
      const frame = this.#incoming.shift();
      if (frame) return frame;
      const head = await this.#reader.exactly(RECORD_HEADER).catch(endIfLost);
      if (!head) return null;
      const body = await this.#reader.exactly(recordLength(head)).catch(endIfLost);
      if (!body) return null;
      this.#incoming = decodeFrames(await this.#opener.open(body));
    }
  }

  /** All frames until the server ends the connection. */
  async rest(): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (let frame = await this.next(); frame; frame = await this.next()) frames.push(frame);
    return frames;
  }

  /** The ticket that the verdict brought. */
  async ticketIn(verdict: Verdict): Promise<HeldTicket> {
    if (!verdict.ok || !verdict.ticket) throw new Error("a verdict without a ticket");
    return await this.#hold(verdict.ticket.id);
  }

  /** The ticket that a resumed session gets when it has shown itself: it asks something for it. */
  async nextTicket(): Promise<HeldTicket> {
    const id = await this.request({ op: "whoami" });
    let ticket: HeldTicket | null = null;
    for (;;) {
      const frame = await this.next();
      if (!frame) throw new Error("the server ended the connection");
      const event = frame.kind === FrameKind.event ? decodeEvent(frame.payload) : null;
      if (event?.event === "ticket") ticket = await this.#hold(event.id);
      if (frame.kind === FrameKind.response && frame.id === id && ticket) return ticket;
    }
  }

  async #hold(id: string): Promise<HeldTicket> {
    return { id: fromHex(id), psk: await this.#exporter(TICKET_LABEL, fromHex(id)) };
  }

  /** Says goodbye. */
  async close(): Promise<void> {
    await this.send(rawFrame(FrameKind.close, 0));
    await this.wire.closeWrite();
    await this.wire.rest();
    this.wire.close();
  }
}

/** The client's side of a resumption, and what it is known by. */
export async function resumption(self: Self, ticket: HeldTicket) {
  const known = {
    name: self.name,
    client: self.identity.bundle,
    server: self.server,
    ticket: ticket.id,
    psk: ticket.psk.slice(),
  };
  return { known, handshake: await ClientResumption.start(known, self.identity) };
}

/**
 * One after the other, sessions that each begin with the ticket of the one before: cheap, and as
 * many as one likes.
 */
export class Chain {
  readonly #address: Address;
  readonly #self: Self;
  #ticket: HeldTicket;

  private constructor(address: Address, self: Self, ticket: HeldTicket) {
    this.#address = address;
    this.#self = self;
    this.#ticket = ticket;
  }

  static async begin(address: Address, self: Self, login: Login): Promise<Chain> {
    const { intruder, verdict } = await Intruder.logIn(address, self, login);
    const ticket = await intruder.ticketIn(verdict);
    await intruder.close();
    return new Chain(address, self, ticket);
  }

  /** A new session, at `address` if the server is behind something there. */
  async next(address = this.#address): Promise<Intruder> {
    const intruder = await Intruder.resume(address, this.#self, this.#ticket);
    this.#ticket = await intruder.nextTicket();
    return intruder;
  }

  /** The ticket that the next session would begin with; the chain ends here. */
  take(): HeldTicket {
    return this.#ticket;
  }
}

function payloadOf(request: unknown): Uint8Array {
  if (request instanceof Uint8Array) return request;
  return utf8(typeof request === "string" ? request : JSON.stringify(request));
}

async function exactly(reader: ExactReader, size: number): Promise<Bytes> {
  const bytes = await reader.exactly(size);
  if (!bytes) throw new SealpostError("connection-lost", "the server ended the handshake");
  return bytes;
}
