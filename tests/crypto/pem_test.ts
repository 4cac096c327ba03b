import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { random } from "../../crypto/bytes.ts";
import { formatPem, parsePem } from "../../crypto/pem.ts";
import { accepts, assertRefused, hex } from "../support/testing.ts";

const der = hex("00112233445566778899aabbccddeeff");
const block = formatPem("PUBLIC KEY", der);

Deno.test("formatPem() writes lines of 64 characters (RFC 7468)", () => {
  assertEquals(
    block,
    "-----BEGIN PUBLIC KEY-----\nABEiM0RVZneImaq7zN3u/w==\n-----END PUBLIC KEY-----\n",
  );
  const lines = formatPem("X", random(1000)).split("\n");
  assertEquals(lines.slice(1, -3).every((line) => line.length === 64), true);
});

Deno.test("parsePem() gives back the blocks that formatPem() wrote, in order", () => {
  const label = fc.constantFrom("PUBLIC KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "X509 CRL");
  const blocks = fc.array(
    fc.record({ label, der: fc.uint8Array({ minLength: 1, maxLength: 300 }) }),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(fc.property(blocks, (list) => {
    const expected = list.map(({ label, der }) => ({ label, der: new Uint8Array(der) }));
    const text = list.map(({ label, der }) => formatPem(label, der)).join("");
    assertEquals(parsePem(text), expected);
    assertEquals(parsePem(text.replaceAll("\n", "\r\n")), expected);
    assertEquals(parsePem(`\uFEFF\n${text.replaceAll("\n", " \t\n")}\n\r\n`), expected);
    assertEquals(
      parsePem(list.map(({ label, der }) => formatPem(label, der)).join("\n")),
      expected,
    );
    assertEquals(parsePem(text.slice(0, -1)), expected);
  }));
});

Deno.test("parsePem() refuses everything else", () => {
  const bad = [
    "",
    "\n\n",
    "just text",
    `a line before\n${block}`,
    `${block}a line after\n`,
    block.replace("-----BEGIN", "----BEGIN"),
    block.replace("BEGIN PUBLIC", "BEGIN PRIVATE"),
    block.replace("END PUBLIC", "END PRIVATE"),
    block.replace("-----END PUBLIC KEY-----\n", ""),
    block.replace("-----BEGIN PUBLIC KEY-----\n", ""),
    block.replace("ABEi", "AB*i"),
    block.replace("ABEi", "AB Ei"),
    block.replace("/w==", "/w="),
    block.replace("/w==", "/x=="),
    block.replace("/w==", "/w==\nAAAA"),
    block.replace("ABEiM0RVZneImaq7zN3u/w==\n", ""),
    block.replace("ABEi", "\nABEi"),
    block.replace("ABEi", "Proc-Type: 4,ENCRYPTED\n\nABEi"),
    block.replace("-----END", " -----END"),
    block.replaceAll("\n", "\r"),
    block + block.slice(0, -30),
    "\n".repeat(70_000) + block,
  ];
  for (const text of bad) assertRefused("key-format", () => parsePem(text));
});

Deno.test("every cut of a PEM file is refused, but for its last line end", () => {
  for (let i = 0; i < block.length - 1; i++) {
    assertRefused("key-format", () => parsePem(block.slice(0, i)));
  }
});

Deno.test("parsePem() throws nothing else, whatever the text", () => {
  const piece = fc.constantFrom("-----BEGIN A-----", "-----END A-----", "\n", "\r\n", "AAAA", "A=");
  const text = fc.array(fc.oneof(piece, fc.string())).map((parts) => parts.join(""));
  fc.assert(fc.property(text, (t) => {
    accepts("key-format", () => parsePem(t));
  }));
});
