import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { random, toHex } from "../../crypto/bytes.ts";
import { formatAddress, parseAddress } from "../../protocol/address.ts";
import { isName, parseName } from "../../protocol/name.ts";
import {
  checkMessageId,
  formatMessageId,
  messageIdTime,
  newMessageId,
  parseMessageId,
} from "../../protocol/uuid.ts";
import { accepts, assertRefused } from "../crypto/support.ts";

Deno.test("names are 1 to 32 of a-z 0-9 . _ - and start with a letter or digit", () => {
  const good = ["a", "0", "alice", "client1", "a.b_c-d", "x".repeat(32), "9lives", "a..b", "a-"];
  for (const name of good) {
    assert(isName(name));
    assertEquals(parseName(name), name);
  }
  const bad = [
    "",
    " ",
    ".",
    "..",
    "-a",
    "_a",
    ".a",
    "../client2",
    "a/b",
    "a\\b",
    "a b",
    "a\nb",
    "a\u0000",
    "\u00e9",
    "\uff41",
    "\u017f",
    "\u212a",
    "\u0130",
    "x".repeat(33),
    "a@b",
    "a:b",
    "$HOME",
    "\u202ea",
  ];
  for (const name of bad) {
    assert(!isName(name), name);
    assertRefused("format", () => parseName(name));
  }
  for (const name of ["a\n", "\na", "Alice", " alice"]) assert(!isName(name));
});

Deno.test("a name is taken in lower case and without the blanks around it", () => {
  for (const text of ["Alice", "ALICE", " alice ", "\talice\n"]) {
    assertEquals(parseName(text), "alice");
  }
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    if (!accepts("format", () => parseName(text))) return;
    const name = parseName(text);
    assert(/^[a-z0-9._-]{1,32}$/.test(name) && isName(name));
    assertEquals(parseName(name), name);
  }));
});

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

Deno.test("addresses are read with and without a port, as names, IPv4 and IPv6", () => {
  const cases: [string, string, number][] = [
    ["mail.lan", "mail.lan", 13000],
    ["mail.lan:1", "mail.lan", 1],
    ["127.0.0.1", "127.0.0.1", 13000],
    ["127.0.0.1:0", "127.0.0.1", 0],
    ["0.0.0.0:65535", "0.0.0.0", 65535],
    [" localhost ", "localhost", 13000],
    ["::1", "::1", 13000],
    ["::", "::", 13000],
    ["2001:db8::25", "2001:db8::25", 13000],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1", 13000],
    ["[::1]", "::1", 13000],
    ["[::1]:25", "::1", 25],
    ["[fe80::1%eth0]:25", "fe80::1%eth0", 25],
    ["[::]:13000", "::", 13000],
  ];
  for (const [text, host, port] of cases) {
    assertEquals(parseAddress(text), { host, port });
    assertEquals(parseAddress(formatAddress({ host, port })), { host, port });
  }
});

Deno.test("what is no address is refused in one line", () => {
  const bad = [
    "",
    " ",
    ":",
    ":25",
    "host:",
    "host:port",
    "host:65536",
    "host:123456",
    "host:-1",
    "host:1:2",
    "a b",
    "user@host",
    "http://host",
    "host/path",
    "[::1",
    "::1]",
    "[]:25",
    "[host]:25",
    "[1]:25",
    "[%eth0]:25",
    "[::1%]:25",
    "[::1]25",
    "host:\uff11",
    "a\nb",
  ];
  for (const text of bad) assertRefused("usage", () => parseAddress(text));
});

Deno.test("any text is an address or refused, also a very long one", () => {
  const likely = fc.array(
    fc.constantFrom("::", ":", "[", "]", "%", "1", "ffff", "a", ".", "@", " "),
  )
    .map((parts) => parts.join(""));
  fc.assert(fc.property(fc.oneof(fc.string({ unit: "grapheme" }), likely), (text) => {
    if (!accepts("usage", () => parseAddress(text))) return;
    const address = parseAddress(text);
    assert(address.host.length > 0 && address.port >= 0 && address.port <= 65535);
    assertEquals(parseAddress(formatAddress(address)), address);
  }));
  for (const unit of [":", "1:", "a", "[", "::1%", ".:"]) {
    accepts("usage", () => parseAddress(unit.repeat(5000)));
    accepts("usage", () => parseAddress(`${unit.repeat(5000)}!`));
  }
  assertRefused("usage", () => parseAddress(`${toHex(random(8))}:99999`));
});
