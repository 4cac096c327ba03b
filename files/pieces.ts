import type { Bytes } from "../crypto/bytes.ts";
import { wrapFileError } from "./atomic_file.ts";

/** Bytes that are read of a file at a time. */
const PIECE = 65_536;

/** The content of the file `path` from `offset` on, in pieces of up to 64 KiB. Throws `file-io`. */
export async function* readPieces(
  path: string,
  offset = 0,
): AsyncGenerator<Bytes, void, undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (error) {
    throw wrapFileError(error, `read ${path}`);
  }
  try {
    await file.seek(offset, Deno.SeekMode.Start);
    for (;;) {
      const buffer = new Uint8Array(PIECE);
      const n = await file.read(buffer);
      if (n === null) return;
      yield buffer.subarray(0, n);
    }
  } catch (error) {
    throw wrapFileError(error, `read ${path}`);
  } finally {
    file.close();
  }
}
