import { crc32, deflateSync } from "node:zlib";

/**
 * A picture to attach, as PNG (RFC 2083) of `width` by `height` pixels: three curves on white, the same
 * each time.
 */
export function painted(width: number, height: number): Uint8Array<ArrayBuffer> {
  const rows = new Uint8Array(height * (1 + width * 3)).fill(255);
  for (let y = 0; y < height; y++) rows[y * (1 + width * 3)] = 0;
  const dot = (x: number, y: number, colour: readonly number[]) => {
    if (y >= 0 && y < height) rows.set(colour, y * (1 + width * 3) + 1 + x * 3);
  };
  for (let x = 0; x < width; x++) {
    const at = x / width;
    for (let y = 20; y < height; y += 40) dot(x, y, [225, 230, 227]);
    for (const [i, colour] of [[31, 111, 92], [190, 120, 40], [90, 100, 180]].entries()) {
      const wave = Math.sin(at * 9 + i) * (0.12 + 0.1 * at) + Math.sin(at * 31 + i * 2) * 0.03;
      const middle = Math.round(height * (0.5 - 0.15 * (i - 1) - wave));
      for (let thick = -1; thick <= 1; thick++) dot(x, middle + thick, colour);
    }
  }
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, 2], 8);
  const data = new Uint8Array(deflateSync(rows));
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const parts = [signature, chunk("IHDR", head), chunk("IDAT", data), chunk("IEND")];
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function chunk(type: string, data = new Uint8Array(0)): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(new TextEncoder().encode(type), 4);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)));
  return out;
}
