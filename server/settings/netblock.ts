/** An IP address. An IPv4 address inside IPv6 (`::ffff:192.0.2.1`) is an IPv4 address. */
export interface Ip {
  readonly family: 4 | 6;
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
}

/** The addresses that begin with the same `bits` bits. The other bits of `bytes` are zero. */
export interface Netblock extends Ip {
  readonly bits: number;
}

/** How many leading bits of an address make a source, as limits count it. */
export interface Prefixes {
  readonly v4: number;
  readonly v6: number;
}

/** The address in `text`, without brackets, a zone (`%eth0`) ignored; null if it is none. */
export function parseIp(text: string): Ip | null {
  const host = text.replace(/%.*$/, "");
  const v4 = parseIpv4(host);
  if (v4) return { family: 4, bytes: v4 };
  const bytes = parseIpv6(host);
  if (!bytes) return null;
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff &&
    bytes[11] === 0xff;
  return mapped ? { family: 4, bytes: bytes.slice(12) } : { family: 6, bytes };
}

/** `ADDRESS/BITS`, or `ADDRESS` for that one alone; null if it is neither. */
export function parseNetblock(text: string): Netblock | null {
  const [address = "", length, ...rest] = text.split("/");
  const ip = parseIp(address);
  if (!ip || rest.length > 0) return null;
  const most = 8 * ip.bytes.length;
  if (length === undefined) return { ...ip, bits: most };
  if (!/^\d{1,3}$/.test(length) || Number(length) > most) return null;
  return mask(ip, Number(length));
}

/** The network of `bits` bits that `ip` is in. */
export function mask(ip: Ip, bits: number): Netblock {
  const bytes = ip.bytes.map((byte, i) =>
    byte & (0xff00 >> Math.min(Math.max(bits - 8 * i, 0), 8))
  );
  return { family: ip.family, bytes, bits };
}

/** Whether `ip` is in `block`. */
export function contains(block: Netblock, ip: Ip): boolean {
  if (block.family !== ip.family) return false;
  return mask(ip, block.bits).bytes.every((byte, i) => byte === block.bytes[i]);
}

/** `192.0.2.0/24`, `2001:db8::/32`; without the number of bits for a single address. */
export function formatNetblock(block: Netblock): string {
  const address = formatIp(block);
  return block.bits === 8 * block.bytes.length ? address : `${address}/${block.bits}`;
}

/** As people write it; IPv6 in the form of RFC 5952. */
export function formatIp({ family, bytes }: Ip): string {
  if (family === 4) return bytes.join(".");
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[2 * i] ?? 0) << 8 | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  // The first of the longest runs of two or more zeros becomes "::".
  let [from, length] = [0, 1];
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (groups[i + n] === "0") n++;
    if (n > length) [from, length] = [i, n];
  }
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, from).join(":")}::${groups.slice(from + length).join(":")}`;
}

function parseIpv4(text: string): Uint8Array | null {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return null;
  const parts = text.split(".").map(Number);
  return parts.every((part) => part <= 255) ? new Uint8Array(parts) : null;
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [left, right] = halves.map((half, i) =>
    half === "" ? [] : groupsOf(half, i === halves.length - 1)
  );
  if (!left || right === null) return null;
  const zeros = 8 - left.length - (right?.length ?? 0);
  if (right ? zeros < 1 : zeros !== 0) return null;
  const groups = [...left, ...new Array<number>(zeros).fill(0), ...right ?? []];
  return new Uint8Array(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** The numbers between colons; at the end of an address the last two may be written as IPv4. */
function groupsOf(text: string, end: boolean): number[] | null {
  const words = text.split(":");
  const groups: number[] = [];
  for (const [i, word] of words.entries()) {
    const v4 = end && i === words.length - 1 ? parseIpv4(word) : null;
    if (v4) {
      const [a = 0, b = 0, c = 0, d = 0] = v4;
      groups.push(a << 8 | b, c << 8 | d);
    } else if (/^[0-9a-f]{1,4}$/i.test(word)) groups.push(parseInt(word, 16));
    else return null;
  }
  return groups;
}
