import { type Bytes, concat, readU32 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";

/**
 * The parts of data that is `LP(part)` after `LP(part)`, each of at most `most` bytes. Throws
 * `protocol`.
 */
export async function* readParts(
  data: AsyncIterable<Bytes>,
  most: number,
): AsyncGenerator<Bytes, void, undefined> {
  let buffer: Bytes = new Uint8Array(0);
  for await (const piece of data) {
    buffer = concat(buffer, piece);
    let at = 0;
    while (buffer.length - at >= 4) {
      const length = readU32(buffer, at);
      if (length > most) {
        throw new SealpostError("protocol", "a part of an answer of an impossible size");
      }
      if (buffer.length - at < 4 + length) break;
      yield buffer.slice(at + 4, at + 4 + length);
      at += 4 + length;
    }
    buffer = buffer.slice(at);
  }
  if (buffer.length > 0) throw new SealpostError("protocol", "an answer that is cut");
}
