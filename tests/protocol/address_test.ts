import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { random, toHex } from "../../crypto/bytes.ts";
import { formatAddress, parseAddress } from "../../protocol/address.ts";
import { accepts, assertRefused } from "../support/testing.ts";

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
