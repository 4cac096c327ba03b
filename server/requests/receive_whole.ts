import { type Bytes, concat } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";

/** The data of a request that announced `size` bytes. Throws `format` if they have another size. */
export async function receiveWhole(data: AsyncIterable<Bytes>, size: number): Promise<Bytes> {
  const pieces: Bytes[] = [];
  let received = 0;
  for await (const piece of data) {
    received += piece.length;
    if (received > size) throw wrongSize();
    pieces.push(piece);
  }
  if (received !== size) throw wrongSize();
  return concat(...pieces);
}

function wrongSize(): SealpostError {
  return new SealpostError("format", "the data do not have the size that was announced");
}
