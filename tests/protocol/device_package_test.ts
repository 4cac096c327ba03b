import { assertEquals } from "@std/assert";
import { random, u32, utf8 } from "../../crypto/bytes.ts";
import { concat } from "../../crypto/bytes.ts";
import { padme } from "../../crypto/padme.ts";
import { decodePackage, type DevicePackage, encodePackage } from "../../protocol/device_package.ts";
import { HEAD_SIZE } from "../../protocol/key_log.ts";
import { EMPTY_RECORD, type SharedEntry } from "../../protocol/shared_record.ts";
import { assertRefused } from "../support/testing.ts";

const machine = "0123456789abcdef";
const ONE: DevicePackage = {
  name: "alice",
  servers: [{ host: "mail.lan", port: 13000 }],
  chain: [random(1684)],
  bundle: random(1684),
  key: "-----BEGIN PRIVATE KEY-----\n",
  retired: [{ short: "01234567", pem: "-----BEGIN PRIVATE KEY-----\n" }],
  record: {
    machines: new Map([[machine, { id: machine, name: "laptop", put: 3 }]]),
    entries: new Map([["folder/16", {
      key: "folder/16",
      value: { name: "work" },
      version: 1,
      machine,
    }]]),
  },
  seen: 3,
  head: random(HEAD_SIZE),
};

Deno.test("a package comes out as it went in, padded", () => {
  const bytes = encodePackage(ONE);
  assertEquals(decodePackage(bytes), ONE);
  assertEquals(padme(bytes.length), bytes.length);
});

Deno.test("a package of another form is refused", () => {
  const good = encodePackage(ONE);
  const wrap = (value: unknown) => {
    const json = utf8(JSON.stringify(value));
    const size = padme(4 + json.length);
    return concat(u32(json.length), json, new Uint8Array(size - 4 - json.length));
  };
  const json = JSON.parse(new TextDecoder().decode(good.slice(4)).replace(/\0+$/, ""));
  assertEquals(decodePackage(wrap(json)), ONE);
  for (
    const change of [
      { version: 2 },
      { name: "Alice" },
      { servers: [] },
      { servers: ["mail.lan"] },
      { chain: [] },
      { bundle: "no base64" },
      { key: "" },
      { retired: [{ short: "../../etc", pem: "x" }] },
      { record: "AAAA" },
      { seen: -1 },
      { head: "AAAA" },
      { head: undefined },
      { more: true },
    ]
  ) assertRefused("format", () => decodePackage(wrap({ ...json, ...change })));
  assertRefused("format", () => decodePackage(good.slice(0, -1)));
  const padding = good.slice();
  padding[padding.length - 1] = 1;
  assertRefused("format", () => decodePackage(padding));
});

Deno.test("what does not fit into a package is said before anything is sent", () => {
  const entries = new Map<string, SharedEntry>();
  for (let i = 0; i < 40; i++) {
    const key = `x/${i}`;
    entries.set(key, { key, value: "x".repeat(100_000), version: 1, machine });
  }
  assertRefused("limit", () => encodePackage({ ...ONE, record: { ...EMPTY_RECORD, entries } }));
});
