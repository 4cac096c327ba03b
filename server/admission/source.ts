import {
  contains,
  formatNetblock,
  type Ip,
  mask,
  type Netblock,
  parseIp,
  type Prefixes,
} from "../settings/netblock.ts";

/** Where a connection comes from, as limits count it. */
export interface Source {
  /** The network, as text: `192.0.2.1`, `2001:db8:1:2::/64`. */
  readonly name: string;
  /** Null for what has no address, like a local socket. */
  readonly ip: Ip | null;
}

/** The source of `peer`, which is `host:port` or `[host]:port`. */
export function sourceOf(peer: string, { v4, v6 }: Prefixes): Source {
  const host = peer.slice(0, Math.max(peer.lastIndexOf(":"), 0)).replace(/^\[|\]$/g, "");
  const ip = parseIp(host);
  if (!ip) return { name: peer, ip };
  return { name: formatNetblock(mask(ip, ip.family === 4 ? v4 : v6)), ip };
}

/** The source of this name, as another server calls it. */
export function sourceNamed(name: string): Source {
  return { name, ip: parseIp(name.replace(/\/\d+$/, "")) };
}

/** Whether the source's address is in one of `blocks`. */
export function isIn(blocks: readonly Netblock[], { ip }: Source): boolean {
  return ip !== null && blocks.some((block) => contains(block, ip));
}
