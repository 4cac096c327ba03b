import { createHash } from "node:crypto";
import { type Bytes, concat } from "../../crypto/bytes.ts";

const LF = 0x0a;
const CR = 0x0d;

/** Rewrites the line ends of a stream: CRLF becomes LF; or every LF that has no CR before it CRLF. */
export class LineEnds {
  #last = 0;

  constructor(readonly to: "lf" | "crlf") {}

  /** `chunk` with the other line ends; a CR at its end may be kept back until it is clear what follows. */
  push(chunk: Bytes): Bytes {
    const lf = this.to === "lf";
    const out = new Uint8Array(2 * chunk.length + 1);
    let size = 0;
    for (const byte of chunk) {
      if (lf) {
        if (this.#last === CR && byte !== LF) out[size++] = CR;
        if (byte !== CR) out[size++] = byte;
      } else {
        if (byte === LF && this.#last !== CR) out[size++] = CR;
        out[size++] = byte;
      }
      this.#last = byte;
    }
    return out.slice(0, size);
  }

  /** What was kept back. */
  finish(): Bytes {
    return this.to === "lf" && this.#last === CR ? new Uint8Array([CR]) : new Uint8Array(0);
  }
}

/** `data` with LF, or CRLF, as line ends. */
export async function* withLineEnds(
  data: AsyncIterable<Bytes>,
  to: LineEnds["to"],
): AsyncGenerator<Bytes, void, undefined> {
  const ends = new LineEnds(to);
  for await (const piece of data) yield ends.push(piece);
  const rest = ends.finish();
  if (rest.length > 0) yield rest;
}

/**
 * SHA-256 of a message, whatever its line ends: of what it is with LF, without the line ends at its very
 * end. The same message has the same hash in an mbox file, in a Maildir and as it was sent.
 */
export async function hashOfSource(message: AsyncIterable<Bytes>): Promise<Bytes> {
  const hash = createHash("sha256");
  let held = 0;
  for await (const piece of withLineEnds(message, "lf")) {
    let end = piece.length;
    while (end > 0 && piece[end - 1] === LF) end--;
    if (end === 0) held += piece.length;
    else {
      hash.update(new Uint8Array(held).fill(LF));
      hash.update(piece.subarray(0, end));
      held = piece.length - end;
    }
  }
  return concat(hash.digest());
}
