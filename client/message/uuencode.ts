import type { Bytes } from "../../crypto/bytes.ts";

// uuencode as POSIX has it (IEEE 1003.1, utility uuencode): a line `begin MODE NAME`, lines of data,
// whose first character says how many bytes they stand for, and a line `end`.

const SPACE = 0x20;
const GRAVE = 0x60;

/** Bytes of a line that go beyond its data: some programs add a checksum. */
const MAX_EXTRA = 2;

/** The name in a line that begins uuencoded data; null if it does not begin any. */
export function readUuBegin(line: Uint8Array): string | null {
  if (line[0] !== 0x62 || line.length > 300) return null;
  const text = new TextDecoder().decode(line);
  return /^begin [0-7]{3,4} (\S.*?)\s*$/.exec(text)?.[1] ?? null;
}

/** Whether `line` ends uuencoded data. */
export function isUuEnd(line: Uint8Array): boolean {
  return line.length <= 10 && /^end\s*$/.test(new TextDecoder().decode(line));
}

/** The data of a line with its line end; null if it is none. */
export function decodeUuLine(line: Uint8Array): Bytes | null {
  let end = line.length;
  while (end > 0 && (line[end - 1] === 0x0a || line[end - 1] === 0x0d)) end--;
  const size = value(line[0]);
  if (size === null || end === 0) return null;
  const characters = 4 * Math.ceil(size / 3);
  // Spaces at the end of a line may have been cut off, but a line stands for no more than it has.
  const missing = characters - (end - 1);
  if (missing < -MAX_EXTRA || missing > Math.max(3, characters / 4)) return null;
  const out = new Uint8Array(size + 2);
  let to = 0;
  for (let at = 1; at <= characters; at += 4) {
    let bits = 0;
    for (let i = 0; i < 4; i++) {
      const six = at + i < end ? value(line[at + i]) : 0;
      if (six === null) return null;
      bits = (bits << 6) | six;
    }
    out[to++] = bits >>> 16;
    out[to++] = bits >>> 8;
    out[to++] = bits;
  }
  return out.subarray(0, size);
}

function value(byte: number | undefined): number | null {
  if (byte === undefined || byte < SPACE || byte > GRAVE) return null;
  return (byte - SPACE) & 63;
}
