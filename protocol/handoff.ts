import type { Bytes } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";

/**
 * The data of one request on its way between the connection and who uses it: one piece at a time,
 * so that a slow reader slows the sender down and nothing piles up.
 */
export class Handoff implements AsyncIterable<Bytes> {
  #piece: Bytes | null = null;
  #over = false;
  #failure: SealpostError | null = null;
  #discard = false;
  #onPiece: (() => void) | null = null;
  #onTaken: (() => void) | null = null;

  /** Hands a piece over; resolves when it was taken (or nobody wants it any more). */
  async push(piece: Bytes): Promise<void> {
    while (this.#piece !== null && !this.#discard) {
      await new Promise<void>((resolve) => this.#onTaken = resolve);
    }
    if (this.#discard || this.#failure) return;
    this.#piece = piece;
    this.#onPiece?.();
  }

  /** All of it was pushed. */
  end(): void {
    this.#over = true;
    this.#onPiece?.();
  }

  /** It will never be complete: the reader gets `error`, and what was not taken is dropped. */
  fail(error: SealpostError): void {
    this.#failure ??= error;
    this.#piece = null;
    this.#onPiece?.();
    this.#onTaken?.();
  }

  /** Whoever read it has seen enough: what still comes is drained. */
  discard(): void {
    this.#discard = true;
    this.#piece = null;
    this.#onTaken?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes, void, undefined> {
    for (;;) {
      if (this.#failure) throw this.#failure;
      if (this.#piece) {
        const piece = this.#piece;
        this.#piece = null;
        this.#onTaken?.();
        yield piece;
      } else if (this.#over) {
        return;
      } else {
        await new Promise<void>((resolve) => this.#onPiece = resolve);
      }
    }
  }
}
