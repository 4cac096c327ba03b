import { type Bytes, concat, free, utf8 } from "../../../crypto/bytes.ts";

/** Where the bytes for a mail program go. */
export interface ByteSink {
  write(data: Bytes): Promise<void>;
}

/** What is gathered before it is sent, bytes. */
const GATHERED = 32_768;

/** The responses of a connection: gathered, and sent in large pieces. */
export class ImapOutput {
  readonly #sink: ByteSink;
  #pieces: Bytes[] = [];
  #size = 0;
  #sentAt = 0;
  #inResponse = false;
  /** What is being sent: one thing after the other. */
  #sending: Promise<void> = Promise.resolve();

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** When something was sent last, as `performance.now` counts. */
  get sentAt(): number {
    return this.#sentAt;
  }

  /** Whether a response has begun and not ended: no other can be sent now. */
  get inResponse(): boolean {
    return this.#inResponse;
  }

  /** Begins a response that comes in parts. */
  begin(text: string): void {
    this.#inResponse = true;
    this.raw(text);
  }

  /** Ends it. */
  end(text: string): void {
    this.raw(`${text}\r\n`);
    this.#inResponse = false;
  }

  /** Adds a line, in UTF-8. Line ends within it would be responses of their own: they are spaces. */
  line(text: string): void {
    this.raw(`${text.replace(/[\r\n\0]/g, " ")}\r\n`);
  }

  /** Adds text as it is. */
  raw(text: string): void {
    this.bytes(utf8(text));
  }

  /** Adds bytes, which may be freed once {@linkcode ImapOutput.drain} has ended. */
  bytes(data: Bytes): void {
    this.#pieces.push(data.length < GATHERED ? data.slice() : data);
    this.#size += data.length;
  }

  /** Sends what is gathered if that is much. */
  async drain(): Promise<void> {
    if (this.#size >= GATHERED) await this.flush();
  }

  /** Sends what is gathered. */
  async flush(): Promise<void> {
    if (this.#size === 0) return await this.#sending;
    const data = concat(...this.#pieces);
    this.#pieces = [];
    this.#size = 0;
    this.#sending = this.#sending.then(async () => {
      await this.#sink.write(data);
      free(data);
      this.#sentAt = performance.now();
    });
    await this.#sending;
  }
}

/**
 * `text` as a string: quoted if it is short and plain, else a literal (RFC 9051, section 4.3).
 * Anything beyond ASCII goes into a literal, as UTF-8.
 */
export function imapString(text: string): string {
  // deno-lint-ignore no-control-regex
  if (text.length <= 1000 && /^[\x01-\x09\x0b\x0c\x0e-\x7f]*$/.test(text)) {
    return `"${text.replace(/[\\"]/g, "\\$&")}"`;
  }
  const clean = text.replaceAll("\0", "");
  return `{${utf8(clean).length}}\r\n${clean}`;
}

/** `text` as a string, or NIL. */
export function nilOr(text: string | null): string {
  return text === null ? "NIL" : imapString(text);
}
