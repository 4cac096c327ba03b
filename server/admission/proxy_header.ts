import { type Bytes, concat, equal } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatAddress } from "../../protocol/address.ts";
import type { ByteStream } from "../../protocol/byte_stream.ts";
import { formatIp } from "../settings/netblock.ts";

// The PROXY protocol, version 2, with which a balancer says whom it connects for:
// https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt, section 2.2.

/** `\r\n\r\n\0\r\nQUIT\n`. */
const SIGNATURE = new Uint8Array([13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]);

/** Bytes of a header before its addresses. */
export const PROXY_START = 16;

/** Longest that follows, bytes: the addresses, and values that nothing is taken from. */
const MAX_REST = 2048;

const [LOCAL, PROXY] = [0x20, 0x21];
const [TCP4, TCP6] = [0x11, 0x21];

/** How many bytes follow the first {@linkcode PROXY_START} of a header. Throws `format`. */
export function proxyRestLength(start: Bytes): number {
  if (start.length !== PROXY_START || !equal(start.subarray(0, 12), SIGNATURE)) {
    throw malformed("it does not begin as a header of version 2 of the PROXY protocol does");
  }
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const command = view.getUint8(12);
  if (command !== LOCAL && command !== PROXY) throw malformed("an unknown version or command");
  const length = view.getUint16(14);
  if (length > MAX_REST) throw malformed(`a header of more than ${MAX_REST} bytes`);
  return length;
}

/**
 * Whom a balancer connects for, `host:port`; null if for itself, as to see whether the server is there.
 * `header` is whole: as long as {@linkcode proxyRestLength} says of its start. Throws `format`, also for
 * another transport than TCP, and for a client of whom it does not know the address.
 */
export function proxiedPeer(header: Bytes): string | null {
  if (header.length !== PROXY_START + proxyRestLength(header.subarray(0, PROXY_START))) {
    throw malformed("a header of another length");
  }
  if (header[12] === LOCAL) return null;
  const family = header[13];
  if (family !== TCP4 && family !== TCP6) throw malformed("not the addresses of TCP");
  const size = family === TCP4 ? 4 : 16;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const end = PROXY_START + 2 * size + 4;
  if (header.length < end) throw malformed("addresses that are cut");
  for (let at = end; at < header.length;) {
    if (at + 3 > header.length) throw malformed("a value that is cut");
    at += 3 + view.getUint16(at + 1);
    if (at > header.length) throw malformed("a value that is cut");
  }
  const bytes = header.slice(PROXY_START, PROXY_START + size);
  const host = formatIp({ family: family === TCP4 ? 4 : 6, bytes });
  return formatAddress({ host, port: view.getUint16(PROXY_START + 2 * size) });
}

function malformed(what: string): SealpostError {
  return new SealpostError("format", what);
}

/**
 * Reads the header that a balancer sends first, and no byte more; the stream of its client. Throws
 * `format`, `timeout` after `patience` milliseconds, `connection-lost`.
 */
export async function receiveProxied(stream: ByteStream, patience: number): Promise<ByteStream> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stream.close();
  }, patience);
  try {
    const start = await readExactly(stream, PROXY_START);
    const rest = await readExactly(stream, proxyRestLength(start));
    const peer = proxiedPeer(concat(start, rest));
    return peer === null ? stream : new ProxiedStream(stream, peer);
  } catch (error) {
    if (!late) throw error;
    throw new SealpostError("timeout", "its header does not end", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function readExactly(stream: ByteStream, length: number): Promise<Bytes> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const n = await stream.read(bytes.subarray(at));
    if (n === null) throw new SealpostError("connection-lost", "it ends before its header does");
    at += n;
  }
  return bytes;
}

/** A client's connection by way of a balancer. */
class ProxiedStream implements ByteStream {
  readonly peer: string;
  readonly #stream: ByteStream;

  constructor(stream: ByteStream, peer: string) {
    this.#stream = stream;
    this.peer = peer;
  }

  read(into: Bytes): Promise<number | null> {
    return this.#stream.read(into);
  }

  write(data: Bytes): Promise<void> {
    return this.#stream.write(data);
  }

  closeWrite(): Promise<void> {
    return this.#stream.closeWrite();
  }

  close(): void {
    this.#stream.close();
  }
}
