import type { Bytes } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { wrapFileError } from "../protocol/atomic_file.ts";

/** Largest chunk of a body that is read, bytes. */
export const CHUNK = 64 * 1024;

/** The bytes of `body` from `offset` on, in chunks that share its memory. */
export async function* memoryChunks(body: Bytes, offset: number): AsyncIterableIterator<Bytes> {
  for (let at = offset; at < body.length; at += CHUNK) yield body.subarray(at, at + CHUNK);
}

/**
 * The next `length` bytes of `file`, each chunk in memory of its own. Takes over `file` and closes it
 * at the end, on an error, or when the loop over it is left; so it must be iterated. A file that ends
 * early is a `file-io` error that names `path`.
 */
export function fileChunks(
  file: Deno.FsFile,
  length: number,
  path: string,
): AsyncIterableIterator<Bytes> {
  let left = length;
  let open = true;
  const close = () => {
    if (open) file.close();
    open = false;
  };
  // Not a generator: leaving one that was never started would not close the file.
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (!open || left <= 0) {
        close();
        return { done: true, value: undefined };
      }
      try {
        const chunk = new Uint8Array(Math.min(CHUNK, left));
        const n = await file.read(chunk);
        if (n === null) {
          throw new SealpostError("file-io", `${path} is shorter than it was; restore a backup`);
        }
        left -= n;
        return { done: false, value: chunk.subarray(0, n) };
      } catch (error) {
        close();
        throw wrapFileError(error, `read ${path}`);
      }
    },
    return() {
      close();
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}
