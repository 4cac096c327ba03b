import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  contains,
  formatIp,
  formatNetblock,
  parseIp,
  parseNetblock,
} from "../../../server/settings/netblock.ts";
import { isIn, sourceOf } from "../../../server/admission/source.ts";

function ip(text: string) {
  const found = parseIp(text);
  assert(found, text);
  return found;
}

function block(text: string) {
  const found = parseNetblock(text);
  assert(found, text);
  return found;
}

Deno.test("addresses are read and written as people write them", () => {
  const same = [
    "0.0.0.0",
    "192.0.2.255",
    "::",
    "::1",
    "1::",
    "2001:db8::1",
    "2001:db8:0:1:1:1:1:1",
    "2001:db8::1:0:0:1",
    "1:2:3:4:5:6:7:8",
  ];
  for (const text of same) assertEquals(formatIp(ip(text)), text);
  const others = {
    "::ffff:192.0.2.1": "192.0.2.1",
    "::FFFF:c000:201": "192.0.2.1",
    "0:0:0:0:0:0:0:1": "::1",
    "2001:DB8::0:1": "2001:db8::1",
    "fe80::1%eth0": "fe80::1",
    "64:ff9b::192.0.2.33": "64:ff9b::c000:221",
    "1:0:0:2:0:0:0:3": "1:0:0:2::3",
  };
  for (const [text, expected] of Object.entries(others)) assertEquals(formatIp(ip(text)), expected);
});

Deno.test("what is no address is none", () => {
  const wrong = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "1.2.3.x",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::",
    "::1.2.3",
    "1.2.3.4::",
    "localhost",
    " 1.2.3.4",
  ];
  for (const text of wrong) assertEquals(parseIp(text), null, text);
  for (const text of ["1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/8/8", "/8", "1.2.3.4/-1"]) {
    assertEquals(parseNetblock(text), null, text);
  }
});

Deno.test("an address that is written is the one that is read, whatever it is", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
    const found = { family: 6 as const, bytes };
    const again = ip(formatIp(found));
    if (again.family === 6) assertEquals(again.bytes, new Uint8Array(bytes));
  }));
});

Deno.test("a network has the addresses that begin like it, of its family", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["192.0.2.0/24", "192.0.2.255", true],
    ["192.0.2.0/24", "192.0.3.0", false],
    ["192.0.2.77/24", "192.0.2.1", true],
    ["192.0.2.128/25", "192.0.2.127", false],
    ["192.0.2.1", "192.0.2.1", true],
    ["192.0.2.1", "192.0.2.2", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "::1", false],
    ["192.0.2.0/24", "::ffff:192.0.2.9", true],
    ["2001:db8::/33", "2001:db8:7fff::1", true],
    ["2001:db8::/33", "2001:db8:8000::1", false],
    ["::1", "::1", true],
    ["::/0", "fe80::1", true],
  ];
  for (const [network, address, expected] of cases) {
    assertEquals(contains(block(network), ip(address)), expected, `${network} ${address}`);
  }
  assertEquals(formatNetblock(block("192.0.2.77/24")), "192.0.2.0/24");
  assertEquals(formatNetblock(block("2001:db8::7/128")), "2001:db8::7");
});

Deno.test("a source is an address or a network, as the setting says", () => {
  const usual = { v4: 32, v6: 64 };
  const cases: readonly (readonly [string, { v4: number; v6: number }, string])[] = [
    ["192.0.2.1:50312", usual, "192.0.2.1"],
    ["[::ffff:192.0.2.1]:50312", usual, "192.0.2.1"],
    ["[2001:db8:1:2:3:4:5:6]:1", usual, "2001:db8:1:2::/64"],
    ["[2001:db8:1:2:ffff::9]:2", usual, "2001:db8:1:2::/64"],
    ["[2001:db8:1:2:3:4:5:6]:1", { v4: 32, v6: 128 }, "2001:db8:1:2:3:4:5:6"],
    ["192.0.2.77:1", { v4: 24, v6: 64 }, "192.0.2.0/24"],
    ["local", usual, "local"],
  ];
  for (const [peer, prefixes, name] of cases) assertEquals(sourceOf(peer, prefixes).name, name);
  const inside = sourceOf("192.0.2.77:1", usual);
  assert(isIn([block("10.0.0.0/8"), block("192.0.2.0/24")], inside));
  assert(!isIn([block("10.0.0.0/8")], inside));
  assert(!isIn([block("0.0.0.0/0"), block("::/0")], sourceOf("local", usual)));
});
