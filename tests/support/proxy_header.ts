import { type Bytes, concat, utf8 } from "../../crypto/bytes.ts";

/** A header of the PROXY protocol, version 2. */
export function proxyHeader(
  family: number,
  rest: Uint8Array,
  { command = 0x21, length = rest.length }: { command?: number; length?: number } = {},
): Bytes {
  return concat(
    utf8("\r\n\r\n\0\r\nQUIT\n"),
    new Uint8Array([command, family, length >> 8, length & 0xff]),
    new Uint8Array(rest),
  );
}

/** The addresses of a client and of the server over IPv4, as a header has them. */
export function v4(host: string, port = 50_000): Uint8Array {
  const client = host.split(".").map(Number);
  return new Uint8Array([...client, 127, 0, 0, 1, port >> 8, port & 0xff, 0x32, 0xc8]);
}

/** Of `2001:db8::HOST`, over IPv6. */
export function v6(host: number, port = 50_000): Uint8Array {
  const client = [0x20, 1, 0x0d, 0xb8, ...new Array<number>(11).fill(0), host];
  const server = [...new Array<number>(15).fill(0), 1];
  return new Uint8Array([...client, ...server, port >> 8, port & 0xff, 0x32, 0xc8]);
}

/** A value that follows addresses: type, length, bytes. */
export function value(type: number, bytes: Uint8Array): Uint8Array {
  return new Uint8Array([type, bytes.length >> 8, bytes.length & 0xff, ...bytes]);
}

/** Headers that are right. */
export const PROXY_SEEDS: readonly Bytes[] = [
  proxyHeader(0x11, v4("192.0.2.7")),
  proxyHeader(0x21, v6(9)),
  proxyHeader(0x11, new Uint8Array([...v4("192.0.2.7"), ...value(4, new Uint8Array(20))])),
  proxyHeader(0x00, new Uint8Array(0), { command: 0x20 }),
];
