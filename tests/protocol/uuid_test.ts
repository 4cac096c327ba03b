import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { toHex } from "../../crypto/bytes.ts";
import {
  checkMessageId,
  formatMessageId,
  messageIdTime,
  newMessageId,
  parseMessageId,
} from "../../protocol/uuid.ts";
import { accepts, assertRefused } from "../support/testing.ts";

Deno.test("a message id is a UUIDv7 that holds its time", () => {
  for (const now of [0, 1, 1_795_305_600_000, 2 ** 48 - 1]) {
    const id = newMessageId(now);
    assertEquals(id.length, 16);
    assertEquals(messageIdTime(id), now);
    assertEquals(parseMessageId(formatMessageId(id)), id);
  }
  const text = formatMessageId(newMessageId());
  assert(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(text));
  const many = new Set(Array.from({ length: 1000 }, () => toHex(newMessageId(5))));
  assertEquals(many.size, 1000);
});

Deno.test("an id of another version, variant, length or spelling is refused", () => {
  const id = newMessageId();
  for (let version = 0; version < 16; version++) {
    const other = id.slice();
    other[6] = (version << 4) | ((other[6] ?? 0) & 0x0f);
    assertEquals(accepts("format", () => checkMessageId(other)), version === 7);
  }
  for (let variant = 0; variant < 4; variant++) {
    const other = id.slice();
    other[8] = (variant << 6) | ((other[8] ?? 0) & 0x3f);
    assertEquals(accepts("format", () => checkMessageId(other)), variant === 2);
  }
  for (const size of [0, 15, 17]) {
    const other = new Uint8Array(size);
    other.set(id.subarray(0, size));
    assertRefused("format", () => checkMessageId(other));
    assertRefused("format", () => messageIdTime(other));
  }
  const text = formatMessageId(id);
  const spelled = [
    "",
    text.toUpperCase().replace(/[0-9-]/g, "A"),
    `{${text}}`,
    ` ${text}`,
    `${text}\n`,
    text.replaceAll("-", ""),
    text.slice(1),
    "00000000-0000-4000-8000-000000000000",
    "00000000-0000-7000-7000-000000000000",
  ];
  for (const other of spelled) assertRefused("format", () => parseMessageId(other));
});

Deno.test("any text is a message id or refused as none", () => {
  fc.assert(fc.property(fc.oneof(fc.uuid(), fc.uuid({ version: 7 }), fc.string()), (text) => {
    if (accepts("format", () => parseMessageId(text))) {
      assertEquals(formatMessageId(parseMessageId(text)), text);
    }
  }));
});
