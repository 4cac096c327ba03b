import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { wrapFileError } from "../../files/atomic_file.ts";

/** Largest chunk of a body that is read, bytes. */
const READ_CHUNK = 64 * 1024;

/** The bytes of `body` from `offset` on, in chunks that share its memory. */
export async function* memoryChunks(body: Bytes, offset: number): AsyncGenerator<Bytes> {
  for (let at = offset; at < body.length; at += READ_CHUNK) {
    yield body.subarray(at, at + READ_CHUNK);
  }
}

/**
 * The bytes of the file `path`, of which there are `size`, from `offset` on, each chunk in memory of
 * its own. The file is opened for the first chunk and closed when the loop ends or is left; removing
 * it meanwhile does not cut the reading short. Throws `file-missing` (before the first chunk) or
 * `file-io`, also if it ends early.
 */
export async function* fileChunks(
  path: string,
  size: number,
  offset: number,
): AsyncGenerator<Bytes> {
  if (offset >= size) return;
  let file: Deno.FsFile | undefined;
  try {
    file = await Deno.open(path, { read: true });
    await file.seek(offset, Deno.SeekMode.Start);
    for (let left = size - offset; left > 0;) {
      const chunk = new Uint8Array(Math.min(READ_CHUNK, left));
      const n = await file.read(chunk);
      if (n === null) {
        throw new SealpostError("file-io", `${path} is shorter than it was; restore a backup`);
      }
      left -= n;
      yield chunk.subarray(0, n);
    }
  } catch (error) {
    throw wrapFileError(error, `read ${path}`);
  } finally {
    file?.close();
  }
}
