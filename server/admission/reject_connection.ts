import type { Bytes } from "../../crypto/bytes.ts";
import type { ByteStream } from "../../protocol/byte_stream.ts";

/** How long a peer may take to read a line of text and go, milliseconds. */
const LINGER = 1000;
/** How many peers are waited for at a time; the others are cut off. */
const MAX_LINGERING = 64;

const scrap = new Uint8Array(4096);
let lingering = 0;

/**
 * Ends a connection with a line of plain text. What the peer has sent is read and thrown away for a
 * moment: closing a socket with unread bytes in it resets the connection, and the text would be lost.
 * Never rejects.
 */
export async function rejectConnection(stream: ByteStream, text: Bytes): Promise<void> {
  if (lingering >= MAX_LINGERING) return stream.close();
  lingering++;
  const late = setTimeout(() => stream.close(), LINGER);
  try {
    await stream.write(text);
    await stream.closeWrite();
    while (await stream.read(scrap) !== null);
  } catch {
    // The peer has left, or took too long.
  } finally {
    clearTimeout(late);
    stream.close();
    lingering--;
  }
}
