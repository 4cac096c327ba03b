import { concat } from "../../crypto/bytes.ts";

/** Longest line that is handed on whole, bytes. */
const LINE_BOUND = 1000;

const LF = 0x0a;

/**
 * Cuts a stream into lines, each with its line end. A longer line comes in pieces of 1000 bytes from
 * its beginning, so that what comes out does not depend on how the stream is cut. Lines may be views of
 * what was pushed.
 */
export class LineReader {
  #held: Uint8Array = new Uint8Array(0);

  /** Bytes of the line whose end is to come. */
  get held(): number {
    return this.#held.length;
  }

  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    const data = this.#held.length === 0 ? chunk : concat(this.#held, chunk);
    let at = 0;
    let lf = data.indexOf(LF);
    for (;;) {
      const left = data.length - at;
      if (lf < 0 ? left < LINE_BOUND : lf - at < LINE_BOUND) {
        if (lf < 0) break;
        yield data.subarray(at, lf + 1);
        at = lf + 1;
        lf = data.indexOf(LF, at);
      } else {
        yield data.subarray(at, at + LINE_BOUND);
        at += LINE_BOUND;
      }
    }
    this.#held = data.slice(at);
  }

  /** The last line, which has no end. */
  *finish(): Generator<Uint8Array, void, undefined> {
    if (this.#held.length > 0) yield this.#held;
    this.#held = new Uint8Array(0);
  }
}
