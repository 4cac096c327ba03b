import { SealpostError } from "../crypto/error.ts";
import { DEFAULT_PORT } from "./limits.ts";

/** Where a server is, or where it is to listen. */
export interface Address {
  /** A name, an IPv4 or an IPv6 address (without brackets). */
  readonly host: string;
  /** 0 to 65535; 0 lets the system choose, for a listener. */
  readonly port: number;
  /** Where else the same is reached: several servers that have the same mail. */
  readonly others?: readonly Address[];
}

/** Longest text that is looked at: a name has at most 253 characters (RFC 1035). */
const MAX_TEXT = 300;

const ADDRESS = /^(?:\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%\w+)?)\]|([^\s:@/[\]]+))(?::(\d{1,5}))?$/;

/**
 * Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; without a port it is the
 * seed's, 13000. Throws `usage`.
 */
export function parseAddress(text: string): Address {
  const trimmed = text.trim();
  if (trimmed.length > MAX_TEXT) throw new SealpostError("usage", "an address is too long");
  if (/^[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/.test(trimmed)) {
    return { host: trimmed, port: DEFAULT_PORT };
  }
  const match = ADDRESS.exec(trimmed);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (host === undefined || port > 65535) {
    throw new SealpostError(
      "usage",
      `${JSON.stringify(trimmed)} is not an address: write HOST, HOST:PORT or [IPV6]:PORT`,
    );
  }
  return { host, port };
}

/** Reads one address or several, with commas between, of what is reached at any of them. Throws `usage`. */
export function parseServer(text: string): Address {
  const [first = "", ...others] = text.split(",");
  const address = parseAddress(first);
  return others.length === 0 ? address : { ...address, others: others.map(parseAddress) };
}

/** The inverse of {@linkcode parseServer}, always with ports. */
export function formatServer(address: Address): string {
  return [address, ...address.others ?? []].map(formatAddress).join(", ");
}

/** The inverse of {@linkcode parseAddress}, always with the port. */
export function formatAddress(address: Address): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
