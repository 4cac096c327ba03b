import { type Bytes, free, random } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import type { ByteStream, ExactReader } from "./byte_stream.ts";
import {
  checkFrame,
  decodeFrames,
  encodeFrames,
  type Frame,
  FRAME_HEADER,
  FrameKind,
  frameSize,
  PING_SIZE,
} from "./frame.ts";
import {
  MAX_RECORD_PLAINTEXT,
  RECORD_HEADER,
  recordLength,
  RecordOpener,
  RecordSealer,
} from "./record.ts";
import { within } from "./timer.ts";

/** Above this many queued bytes {@linkcode Connection.send} waits. */
const HIGH_WATER = 256 * 1024;

/** How long the other end may take to end a connection that was closed, milliseconds. */
const LINGER = 2000;

const EMPTY = new Uint8Array(0);

/**
 * The record layer over a stream, after the handshake. Frames that wait are written together in
 * one record. The first failure, of either direction, ends the connection: nothing is sent after.
 */
export class Connection {
  readonly #stream: ByteStream;
  readonly #reader: ExactReader;
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  #outgoing: { readonly frame: Frame; readonly padTo: number }[] = [];
  #outgoingBytes = 0;
  #writing: Promise<void> | null = null;
  #waiters: (() => void)[] = [];
  #incoming: Frame[] = [];
  #failure: SealpostError | null = null;
  #closed = false;
  /** The peer said goodbye. */
  #over = false;
  #closing: Promise<void> | null = null;
  /** Calls of {@linkcode receive} that are going on. */
  #receiving = 0;
  #onPeerEnd: () => void = () => {};
  readonly #peerEnd = new Promise<void>((resolve) => this.#onPeerEnd = resolve);
  /** When the last record came, milliseconds since 1970. */
  lastReceived = Date.now();
  #goodbyeOfPeer: Bytes | null = null;

  /** `keys`: 32 bytes for each direction, as this side sees it. */
  constructor(
    stream: ByteStream,
    reader: ExactReader,
    keys: { readonly send: Bytes; readonly receive: Bytes },
  ) {
    this.#stream = stream;
    this.#reader = reader;
    this.#sealer = new RecordSealer(keys.send);
    this.#opener = new RecordOpener(keys.receive);
  }

  get peer(): string {
    return this.#stream.peer;
  }

  /** What the peer said in its `close` frame; null while it has not. */
  get goodbye(): Bytes | null {
    return this.#goodbyeOfPeer;
  }

  /** Whether this connection can still send. */
  get open(): boolean {
    return !this.#closed && this.#failure === null;
  }

  /** Bytes that wait to be written: 0 for a peer that reads. */
  get backlog(): number {
    return this.#outgoingBytes;
  }

  /**
   * Queues `frame`. Resolves at once while the queue is short, else when the peer has read enough
   * of it. `padTo` pads this frame's record to at least that many bytes. Throws `limit` for a frame
   * that cannot be sent, and what ended the connection if it has ended.
   */
  async send(frame: Frame, padTo = 0): Promise<void> {
    this.#check();
    checkFrame(frame);
    this.#outgoing.push({ frame, padTo });
    this.#outgoingBytes += frameSize(frame);
    this.#writing ??= this.#pump();
    while (this.#outgoingBytes > HIGH_WATER && this.#failure === null) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    if (this.#failure) throw this.#failure;
  }

  /** Resolves when all that was queued is written. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
    if (this.#failure) throw this.#failure;
  }

  /**
   * The next frame; null after the peer's `close` or the own, and ever after. Answers pings by
   * itself. Throws `connection-lost` for an end without `close`, `authentication` or `protocol` for
   * a record that breaks the rules.
   */
  async receive(): Promise<Frame | null> {
    this.#receiving++;
    try {
      return await this.#next();
    } finally {
      this.#receiving--;
    }
  }

  async #next(): Promise<Frame | null> {
    for (;;) {
      if (this.#over) return null;
      const frame = this.#incoming.shift();
      if (frame?.kind === FrameKind.ping) {
        if (frame.payload[0] === 0) {
          const answer = frame.payload.slice();
          answer[0] = 1;
          // A peer that asks and does not read gets no more answers than the queue holds.
          const room = HIGH_WATER - this.#outgoingBytes >= FRAME_HEADER + PING_SIZE;
          if (this.open && room) {
            await this.send({ kind: FrameKind.ping, id: 0, payload: answer });
          }
        }
        continue;
      }
      if (frame?.kind === FrameKind.close) {
        this.#goodbyeOfPeer = frame.payload;
        await this.#expectEnd();
        this.#over = true;
        this.#onPeerEnd();
        return null;
      }
      // After the own goodbye nobody wants what still comes.
      if (frame && this.#closing === null) return frame;
      if (!frame) await this.#readRecord();
    }
  }

  async #readRecord(): Promise<void> {
    if (this.#failure) throw this.#failure;
    try {
      const head = await this.#reader.exactly(RECORD_HEADER);
      if (!head && this.#closed) {
        // The goodbye was ours, and the peer has ended its side.
        this.#over = true;
        this.#onPeerEnd();
        return;
      }
      const body = head && await this.#reader.exactly(recordLength(head));
      if (!body) {
        throw new SealpostError("connection-lost", "the connection ended without a goodbye");
      }
      this.#incoming = decodeFrames(await this.#opener.open(body));
      free(body);
      this.lastReceived = Date.now();
    } catch (error) {
      // It was this side that ended the connection, after its goodbye.
      if (this.#over) return;
      throw this.abort(error);
    }
  }

  /** Bytes after `close` are an error. */
  async #expectEnd(): Promise<void> {
    this.#closed = true;
    if (this.#incoming.length > 0) {
      throw this.abort(new SealpostError("protocol", "frames after the close frame"));
    }
    await this.#stream.closeWrite().catch(() => {});
    if (!await this.#ended()) {
      throw this.abort(new SealpostError("protocol", "bytes after the close frame"));
    }
    this.#stream.close();
    this.#erase();
  }

  /** True if the stream ends, or does nothing for a while; false if there is another byte. */
  async #ended(): Promise<boolean> {
    return await within(this.#reader.atEnd().catch(() => true), LINGER, true);
  }

  /** Asks the peer for a sign of life; any record that comes back is one. */
  async ping(): Promise<void> {
    const payload = random(PING_SIZE);
    payload[0] = 0;
    await this.send({ kind: FrameKind.ping, id: 0, payload });
  }

  /** Whether this side is saying goodbye, or has. */
  get closing(): boolean {
    return this.#closing !== null;
  }

  /** Says goodbye, waits until it is written, and ends the connection. Never throws. */
  async close(reason: Bytes = EMPTY): Promise<void> {
    await (this.#closing ??= this.#goodbye(reason));
  }

  async #goodbye(reason: Bytes): Promise<void> {
    if (!this.open) return this.#stream.close();
    try {
      const sent = this.send({ kind: FrameKind.close, id: 0, payload: reason });
      this.#closed = true;
      const written = sent.then(() => this.flush()).then(() => true);
      // A peer that takes nothing is not waited for again.
      if (await within(written, LINGER, false)) {
        await this.#stream.closeWrite();
        await within(this.#drain(), LINGER, undefined);
      }
    } catch {
      // The peer is gone already: there is nobody to say goodbye to.
    }
    this.#over = true;
    this.#stream.close();
    this.#erase();
  }

  /**
   * Waits for the end of the peer's side: closing a socket with unread bytes in it resets the
   * connection, and what was written last, the goodbye too, may be lost with it.
   */
  async #drain(): Promise<void> {
    if (this.#receiving > 0) return await this.#peerEnd;
    this.#over = true;
    await this.#reader.drain();
  }

  /** Ends the connection at once, for `cause`; the error that every later call throws is returned. */
  abort(cause: unknown): SealpostError {
    this.#failure ??= cause instanceof SealpostError
      ? cause
      : new SealpostError("connection-lost", "the connection was lost", { cause });
    this.#stream.close();
    this.#erase();
    this.#wake();
    this.#onPeerEnd();
    return this.#failure;
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#closed) throw new SealpostError("connection-lost", "the connection is closed");
  }

  #erase(): void {
    this.#sealer.erase();
    this.#opener.erase();
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  /** Writes records until nothing waits: each holds as many of the waiting frames as fit. */
  async #pump(): Promise<void> {
    // Frames that are queued in the same turn of the event loop share a record.
    await Promise.resolve();
    try {
      while (this.#outgoing.length > 0 && this.#failure === null) {
        let bytes = 0;
        let pad = 0;
        const frames: Frame[] = [];
        for (const { frame, padTo } of this.#outgoing) {
          const size = frameSize(frame);
          if (frames.length > 0 && bytes + size > MAX_RECORD_PLAINTEXT) break;
          bytes += size;
          pad = Math.max(pad, padTo);
          frames.push(frame);
        }
        this.#outgoing.splice(0, frames.length);
        const plaintext = encodeFrames(frames, pad);
        for (const { given, payload } of frames) if (given) free(payload);
        const record = await this.#sealer.seal(plaintext);
        free(plaintext);
        if (this.#failure !== null) break;
        await this.#stream.write(record);
        free(record);
        this.#outgoingBytes -= bytes;
        if (this.#outgoingBytes <= HIGH_WATER) this.#wake();
      }
    } catch (error) {
      this.abort(error);
    } finally {
      this.#writing = null;
      this.#wake();
    }
  }
}
