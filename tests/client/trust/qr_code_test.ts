import { assert, assertEquals } from "@std/assert";
import decodeQR from "qr/decode.js";
import { qrLines, qrModules } from "../../../client/trust/qr_code.ts";

const TEXT = `SEALPOST1:${"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".repeat(4).slice(0, 103)}`;

/** What a camera sees of lines on a terminal whose blocks are of this shade, on that one. */
function photograph(lines: readonly string[], block: number, ground: number) {
  const scale = 4;
  const [width, height] = [scale * [...lines[0] ?? ""].length, scale * 2 * lines.length];
  const data = new Uint8Array(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    const line = [...lines[Math.floor(y / scale / 2)] ?? ""];
    const drawn = Math.floor(y / scale) % 2 === 0 ? "█▀" : "█▄";
    for (let x = 0; x < width; x++) {
      const shade = drawn.includes(line[Math.floor(x / scale)] ?? "") ? block : ground;
      data.fill(shade, 4 * (y * width + x), 4 * (y * width + x) + 3);
    }
  }
  return { width, height, data };
}

Deno.test("a camera reads from the terminal what the code holds", () => {
  // deno-lint-ignore no-control-regex
  const bare = qrLines(TEXT, "colours").map((line) => line.replaceAll(/\x1b\[[\d;]*m/g, ""));
  assertEquals(decodeQR(photograph(bare, 0, 255)), TEXT);
  assertEquals(decodeQR(photograph(qrLines(TEXT, "dark-on-light"), 30, 240)), TEXT);
  assertEquals(decodeQR(photograph(qrLines(TEXT, "light-on-dark"), 220, 10)), TEXT);
});

Deno.test("a code fits on a terminal of 80 columns and 24 lines, with light around it", () => {
  const modules = qrModules(TEXT);
  assertEquals(modules.length, 41);
  for (const [y, row] of modules.entries()) {
    const margin = [y, modules.length - 1 - y].some((distance) => distance < 4);
    assert(!row.slice(0, 4).concat(row.slice(-4)).includes(true));
    if (margin) assert(!row.includes(true));
  }
  const lines = qrLines(TEXT, "light-on-dark");
  assertEquals(lines.length, 21);
  for (const line of lines) assertEquals([...line].length, 41);
});
