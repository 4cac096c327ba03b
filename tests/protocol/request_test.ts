import { SOME_HEAD } from "../support/log_head.ts";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { random, toBase64, toHex, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { BUILT_IN_FOLDERS, type Flag, type Folder, NAMED_FLAGS } from "../../protocol/entry.ts";
import { MAX_KEYS, MAX_PACKAGE, MAX_STANZAS, MAX_UIDS } from "../../protocol/limits.ts";
import {
  decodeEvent,
  decodeRequest,
  decodeResponse,
  decodeVerdict,
  encodeJson,
  LOGIN_REFUSED,
  type Op,
  type Request,
  type Response,
  VERDICT_SIZE,
  WIRE_ERRORS,
} from "../../protocol/request.ts";
import { formatMessageId, newMessageId } from "../../protocol/uuid.ts";
import { assertRefused } from "../support/testing.ts";

const fp = () => toBase64(random(32));
const json = (value: unknown) => utf8(JSON.stringify(value));
const id = () => formatMessageId(newMessageId());

const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const uid = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const uids = fc.array(uid, { minLength: 1, maxLength: 20 });
const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,31}$/);
const folder = fc.constantFrom<Folder>(...BUILT_IN_FOLDERS, 16, 0xffff_ffff);
const hex = (size: number) => fc.uint8Array({ minLength: size, maxLength: size }).map(toHex);
const flags = fc.subarray<Flag>([...NAMED_FLAGS, 4, 31, 32, 62]);

const anyRequest: fc.Arbitrary<Request> = fc.oneof(
  fc.record({
    op: fc.constant("deliver" as const),
    id: fc.constant(null).map(id),
    size: count,
    recipients: fc.array(fc.record({ name, fp: fc.constant(null).map(fp) }), {
      minLength: 1,
      maxLength: 5,
    }),
    copy: fc.boolean(),
  }),
  fc.record({
    op: fc.constant("list" as const),
    folder,
    after: count,
    before: uid,
    order: fc.constantFrom("newest" as const, "oldest" as const),
    limit: fc.integer({ min: 1, max: 200 }),
  }, { requiredKeys: ["op", "order", "limit"] }),
  fc.record({ op: fc.constant("fetch" as const), uid, offset: count }, {
    requiredKeys: ["op", "uid"],
  }),
  fc.record({
    op: fc.constant("flag" as const),
    uids,
    set: flags,
    clear: flags,
    folder,
    unchangedSince: count,
  }, { requiredKeys: ["op", "uids", "set", "clear"] }),
  fc.record({
    op: fc.constant("append" as const),
    id: fc.constant(null).map(id),
    size: count,
    folder,
    date: count,
    set: flags,
  }),
  fc.record({
    op: fc.constant("changes" as const),
    since: count,
    nextUid: uid,
    limit: fc.integer({ min: 1, max: 1000 }),
  }),
  fc.record({
    op: fc.constantFrom("folder-make" as const, "folder-drop" as const),
    folder: fc.integer({ min: 16, max: 0xffff_ffff }),
  }),
  fc.constantFrom({ op: "folders" as const }, { op: "shared-get" as const }),
  fc.record({
    op: fc.constant("shared-put" as const),
    version: count,
    size: fc.integer({ min: 1, max: 2 * 1024 * 1024 }),
  }),
  fc.record({ op: fc.constant("remove" as const), uids }),
  fc.record({
    op: fc.constant("keys" as const),
    names: fc.array(name, { minLength: 1, maxLength: MAX_KEYS }),
  }),
  fc.record(
    { op: fc.constant("whoami" as const), machine: hex(8) },
    { requiredKeys: ["op"] },
  ),
  fc.constantFrom({ op: "machines" as const }, { op: "kit-drop" as const }),
  fc.record({ op: fc.constant("members" as const), after: name }, { requiredKeys: ["op"] }),
  fc.record({ op: fc.constantFrom("link-open" as const, "link-close" as const), id: hex(16) }),
  fc.record({
    op: fc.constantFrom("link-answer" as const, "kit-put" as const),
    id: hex(16),
    size: fc.integer({ min: 1, max: MAX_PACKAGE }),
  }),
);

const deliver = {
  op: "deliver",
  id: id(),
  size: 5000,
  recipients: [{ name: "bob", fp: fp() }],
  copy: true,
};
const list = { op: "list", order: "newest", limit: 50 };

/** One good response for each operation. */
const RESPONSES: { [O in Op]?: Response<O> } = {
  deliver: { ok: true, at: 5, again: false },
  list: { ok: true, epoch: "0123456789abcdef", nextUid: 8, modseq: 12 },
  changes: { ok: true, epoch: "0123456789abcdef", nextUid: 8, modseq: 12, more: false },
  append: { ok: true, at: 5, again: false, uid: 3, number: 2, modseq: 9 },
  folders: { ok: true, epoch: "0123456789abcdef", nextUid: 8, modseq: 12 },
  "folder-make": { ok: true, validity: 5 },
  "folder-drop": { ok: true },
  "shared-get": { ok: true, version: 0, size: 0 },
  "shared-put": { ok: true, version: 1 },
  fetch: { ok: true, size: 4112 },
  flag: { ok: true, uids: [1, 2], modified: [3], modseq: 12 },
  remove: { ok: true, uids: [], modseq: 12 },
  keys: {
    ok: true,
    keys: [
      { name: "bob", state: "bound", bundle: "AAAA" },
      { name: "carol", state: "no-key" },
      { name: "dave", state: "unknown" },
    ],
    head: SOME_HEAD,
  },
  log: { ok: true, first: 1_795_305_600, head: SOME_HEAD },
  whoami: {
    ok: true,
    name: "alice",
    fp: fp(),
    epoch: "0123456789abcdef",
    nextUid: 1,
    modseq: 0,
    entries: 0,
    unseen: 0,
    bytes: 0,
    quota: 5,
    kit: { id: "0123456789abcdef0123456789abcdef", at: 5, fetched: 6 },
  },
  machines: {
    ok: true,
    machines: [{ id: "0123456789abcdef", first: 1, last: 2, source: "::1", online: true }],
  },
  members: {
    ok: true,
    members: [{ name: "bob", fullName: "Bob Müller", since: 1, bound: true }],
    more: false,
  },
  "link-open": { ok: true },
  "link-answer": { ok: true },
  "link-close": { ok: true },
  "kit-put": { ok: true, at: 5 },
  "kit-drop": { ok: true },
};
/** Those whose answer says nothing but that it was done. */
const SILENT: readonly Op[] = ["folder-drop", "link-open", "link-answer", "link-close", "kit-drop"];
const OPS: readonly Op[] = [
  "deliver",
  "append",
  "list",
  "changes",
  "fetch",
  "flag",
  "remove",
  "folders",
  "folder-make",
  "folder-drop",
  "shared-get",
  "shared-put",
  "keys",
  "whoami",
  "machines",
  "members",
  "link-open",
  "link-answer",
  "link-close",
  "kit-put",
  "kit-drop",
];

Deno.test("a request comes out as it went in", () => {
  fc.assert(fc.property(anyRequest, (request) => {
    assertEquals<Request>(decodeRequest(encodeJson(request)), request);
  }));
});

Deno.test("a request with a member that is not known is refused, whatever its name", () => {
  const names = [
    "extra",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "",
    "op ",
    "OP",
  ];
  for (const member of names) {
    const text = JSON.stringify(list).replace("{", `{${JSON.stringify(member)}:1,`);
    assertRefused("format", () => decodeRequest(utf8(text)));
  }
  const inside = { ...deliver, recipients: [{ name: "bob", fp: fp(), extra: 1 }] };
  assertRefused("format", () => decodeRequest(json(inside)));
});

Deno.test("members that an object has by itself stand in for none that are missing", () => {
  const texts = [
    '{"__proto__":{"op":"whoami"}}',
    '{"__proto__":{"order":"newest","limit":5},"op":"list"}',
    '{"op":"constructor"}',
    '{"op":"__proto__"}',
    '{"op":"toString"}',
  ];
  for (const text of texts) assertRefused("format", () => decodeRequest(utf8(text)));
  assertEquals(Object.getPrototypeOf(decodeRequest(json(list))), Object.prototype);
});

Deno.test("requests out of bounds are refused", () => {
  const person = deliver.recipients[0];
  const bad: unknown[] = [
    null,
    [],
    "whoami",
    5,
    {},
    { op: null },
    { op: ["whoami"] },
    { op: "WHOAMI" },
    { op: "fly" },
    { ...deliver, id: "x" },
    { ...deliver, id: deliver.id.toUpperCase() },
    { ...deliver, id: "00000000-0000-4000-8000-000000000000" },
    { ...deliver, size: -1 },
    { ...deliver, size: 1.5 },
    { ...deliver, size: 2 ** 53 },
    { ...deliver, size: "5000" },
    { ...deliver, size: null },
    { ...deliver, recipients: [] },
    { ...deliver, recipients: Array.from({ length: MAX_STANZAS + 1 }, () => person) },
    { ...deliver, recipients: [{ ...person, name: "../client2" }] },
    { ...deliver, recipients: [{ ...person, name: "Bob" }] },
    { ...deliver, recipients: [{ ...person, fp: `${fp()}=` }] },
    { ...deliver, recipients: [{ ...person, fp: toBase64(random(31)) }] },
    // Two spellings of the same 32 bytes: the last digit has bits to spare.
    { ...deliver, recipients: [{ ...person, fp: `${"A".repeat(42)}B=` }] },
    { ...deliver, copy: 1 },
    { ...deliver, copy: undefined },
    { ...list, limit: 0 },
    { ...list, limit: 201 },
    { ...list, order: "random" },
    { ...list, folder: "Inbox" },
    { ...list, folder: null },
    { ...list, before: 0 },
    { ...list, after: -1 },
    { op: "fetch", uid: 0 },
    { op: "fetch", uid: 1, offset: -1 },
    { op: "fetch" },
    { op: "flag", uids: [], set: [], clear: [] },
    { op: "flag", uids: [0], set: [], clear: [] },
    { op: "flag", uids: [1], set: ["deleted"], clear: [] },
    { op: "flag", uids: [1], set: new Array(64).fill("seen"), clear: [] },
    { op: "flag", uids: [1], set: [3], clear: [] },
    { op: "flag", uids: [1], set: [63], clear: [] },
    { op: "flag", uids: [1], set: "seen", clear: [] },
    { op: "remove", uids: Array.from({ length: MAX_UIDS + 1 }, (_, i) => i + 1) },
    { op: "remove", uids: { length: 1, 0: 1 } },
    { op: "keys", names: [] },
    { op: "keys", names: Array.from({ length: MAX_KEYS + 1 }, () => "bob") },
    { op: "keys", names: [""] },
  ];
  for (const value of bad) assertRefused("format", () => decodeRequest(json(value)));
  const numbers = [
    "1e999",
    "-1e999",
    "1e-400",
    "9007199254740993",
    "0.5",
    "-0.5",
    "01",
    "0x1",
    "NaN",
  ];
  for (const number of numbers) {
    assertRefused("format", () => decodeRequest(utf8(`{"op":"fetch","uid":${number}}`)));
  }
});

Deno.test("text that is not JSON is refused: cut, doubled, with a BOM or not in UTF-8", () => {
  const good = JSON.stringify(list);
  for (let size = 0; size < good.length; size++) {
    assertRefused("format", () => decodeRequest(utf8(good.slice(0, size))));
  }
  for (const text of [good + good, `\ufeff${good}`, `${good},`, `[${good}]`, `//\n${good}`]) {
    assertRefused("format", () => decodeRequest(utf8(text)));
  }
  assertRefused("format", () => decodeRequest(new Uint8Array([...utf8(good), 0xff])));
  assertRefused("format", () => decodeRequest(random(100)));
  assertEquals<unknown>(decodeRequest(utf8(` \n${good}\t`)), list);
});

Deno.test("JSON of the deepest nesting that fits a frame is refused, not a stack overflow", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
    for (const depth of [1000, Math.floor(60 * 1024 / open.length)]) {
      for (const end of [close.repeat(depth), ""]) {
        const nested = `${open.repeat(depth)}1${end}`;
        assertRefused("format", () => decodeRequest(utf8(nested)));
        assertRefused("format", () => decodeRequest(utf8(`{"op":"fetch","uid":${nested}}`)));
        assertRefused("format", () => decodeRequest(utf8(`{"op":${nested}}`)));
        assertRefused("protocol", () => decodeEvent(utf8(`{"event":${nested}}`)));
      }
    }
  }
});

Deno.test("what is said of a malformed request is one line without a stranger's words", () => {
  const strange = 'x\n\u001b[31m"';
  const texts = [
    JSON.stringify({ ...list, [strange]: 1 }),
    JSON.stringify({ ...list, folder: strange }),
    JSON.stringify({ op: strange }),
    strange,
  ];
  for (const text of texts) {
    try {
      decodeRequest(utf8(text));
    } catch (error) {
      assert(isSealpostError(error, "format"));
      assert(/^[ -~]{1,200}$/.test(error.message), JSON.stringify(error.message));
      continue;
    }
    throw new Error("it was accepted");
  }
  // Where it is known, the place is named.
  try {
    decodeRequest(json({ ...deliver, recipients: [{ name: "bob", fp: "short" }] }));
  } catch (error) {
    assertEquals(String(error), 'SealpostError: a malformed "recipients.0.fp"');
  }
});

Deno.test("any text gives a request or a format error, nothing else", () => {
  const mutated = fc.tuple(anyRequest, fc.nat(), fc.string({ maxLength: 3 })).map(
    ([request, at, insert]) => {
      const text = JSON.stringify(request);
      const where = at % text.length;
      return text.slice(0, where) + insert + text.slice(where + 1);
    },
  );
  fc.assert(
    fc.property(fc.oneof(mutated, fc.json(), fc.string()), (text) => {
      try {
        decodeRequest(utf8(text));
      } catch (error) {
        assert(isSealpostError(error, "format"), String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("every response comes out as it went in", () => {
  for (const op of OPS) {
    const response = RESPONSES[op];
    assert(response);
    assertEquals<unknown>(decodeResponse(op, encodeJson(response)), response);
  }
});

Deno.test("members of a response that are not known are ignored", () => {
  for (const op of OPS) {
    const response = RESPONSES[op];
    const text = JSON.stringify(response).replace("{", '{"extra":[1],"__proto__":{"x":1},');
    const got = decodeResponse(op, utf8(text));
    assertEquals<unknown>(got, response);
    assert(!("x" in got));
  }
});

Deno.test("a malformed response is the server's breach of the protocol, never a refusal", () => {
  for (const op of OPS) {
    for (const value of [null, {}, { ok: 1 }, { ok: "true" }, { ok: true, uids: 5 }, [true]]) {
      // An answer without members is right where there is nothing to say.
      if (SILENT.includes(op) && value !== null && "uids" in value) continue;
      assertRefused("protocol", () => decodeResponse(op, json(value)));
    }
    assertRefused("protocol", () => decodeResponse(op, utf8("{")));
    assertRefused("protocol", () => decodeResponse(op, new Uint8Array([0xff])));
  }
  assertRefused("protocol", () => decodeResponse("fetch", json({ ok: true, size: -1 })));
  assertRefused(
    "protocol",
    () => decodeResponse("list", json({ ok: true, epoch: "x", nextUid: 1 })),
  );
});

Deno.test("a refusal is thrown with its code and message; codes that are not for the wire are not", () => {
  for (const code of WIRE_ERRORS) {
    for (const op of OPS) {
      const refusal = { ok: false as const, code, message: "no", name: "bob" };
      assertRefused(code, () => decodeResponse(op, encodeJson(refusal)));
    }
  }
  const others = ["server-identity", "authentication", "passphrase", "", "x", 5, null];
  for (const code of others) {
    assertRefused("protocol", () => decodeResponse("list", json({ ok: false, code, message: "" })));
  }
  const tooLong = { ok: false, code: "busy", message: "x".repeat(1001) };
  assertRefused("protocol", () => decodeResponse("list", json(tooLong)));
});

Deno.test("a refusal's message is one line, whatever the server puts in it", () => {
  for (const message of ["two\nlines", "a\r\nb", "bell\u0007", "\u2028", "\u0085x", "\u001b[2J"]) {
    const payload = json({ ok: false, code: "busy", message });
    try {
      decodeResponse("list", payload);
    } catch (error) {
      assert(isSealpostError(error, "busy"));
      assert(!/[\p{Cc}\p{Zl}\p{Zp}]/u.test(error.message), JSON.stringify(error.message));
    }
    const verdict = decodeVerdict(payload);
    assert(!verdict.ok && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(verdict.message));
  }
});

Deno.test("verdicts come out as they went in, and all fit the one size of their record", () => {
  const accepted = { ok: true as const, bound: true, name: "a".repeat(32), fp: fp() };
  const refused = { ok: false as const, code: "login-refused" as const, message: LOGIN_REFUSED };
  for (const verdict of [accepted, refused]) {
    assertEquals(decodeVerdict(encodeJson(verdict)), verdict);
    assert(encodeJson(verdict).length + 8 <= VERDICT_SIZE);
  }
  const bad = [
    null,
    {},
    { ...accepted, bound: 1 },
    { ...accepted, fp: "x" },
    { ...accepted, name: "No Name" },
    { ...refused, code: "server-identity" },
    { ...refused, message: 5 },
  ];
  for (const verdict of bad) assertRefused("protocol", () => decodeVerdict(json(verdict)));
});

Deno.test("events are read, those of a later version are passed over, malformed ones refused", () => {
  for (const folder of [...BUILT_IN_FOLDERS, 16, 0xffff_ffff]) {
    const event = { event: "mail" as const, uid: 5, folder, number: 3, modseq: 8 };
    assertEquals(decodeEvent(encodeJson(event)), event);
  }
  for (
    const event of [{ event: "change" as const, modseq: 8 }, {
      event: "shared" as const,
      version: 2,
    }]
  ) {
    assertEquals(decodeEvent(encodeJson(event)), event);
  }
  for (const later of ["weather", "", "__proto__", "constructor"]) {
    assertEquals(decodeEvent(json({ event: later, anything: [1] })), null);
  }
  const ticket = { event: "ticket" as const, id: toHex(random(16)), expires: 5 };
  assertEquals(decodeEvent(encodeJson(ticket)), ticket);
  const bad = [
    null,
    {},
    { event: 5 },
    { event: "mail" },
    { event: "mail", uid: 1, folder: "inbox" },
    { event: "mail", uid: 0, folder: "inbox", number: 1, modseq: 1 },
    { event: "mail", uid: 1, folder: "spam", number: 1, modseq: 1 },
    { event: "mail", uid: 1, folder: 15, number: 1, modseq: 1 },
    { event: "change", modseq: 0 },
    { event: "shared" },
    { event: "ticket", id: "xyz", expires: 5 },
  ];
  for (const event of bad) assertRefused("protocol", () => decodeEvent(json(event)));
});

Deno.test("anything a server sends gives a response, a refusal or a protocol error", () => {
  const codes = new Set<string>(WIRE_ERRORS);
  fc.assert(
    fc.property(fc.constantFrom(...OPS), fc.oneof(fc.json(), fc.string()), (op, text) => {
      for (
        const decode of [
          decodeVerdict,
          decodeEvent,
          (b: Uint8Array<ArrayBuffer>) => decodeResponse(op, b),
        ]
      ) {
        try {
          decode(utf8(text));
        } catch (error) {
          assert(isSealpostError(error) && codes.has(error.code), String(error));
        }
      }
    }),
    { numRuns: 300 },
  );
});
