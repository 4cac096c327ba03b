import { assert, assertEquals } from "@std/assert";
import { safeName } from "../../client/message/attachments.ts";
import { readCalendar } from "../../client/message/calendar.ts";
import { htmlToText } from "../../client/message/html_text.ts";
import { messageIds } from "../../client/message/mail_names.ts";
import { parseMessage } from "../../client/message/parse.ts";
import { type Bytes, concat, utf8 } from "../../crypto/bytes.ts";
import { DerReader } from "../../crypto/der.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { decodeBundle } from "../../crypto/identity.ts";
import { parsePem } from "../../crypto/pem.ts";
import { parsePhc } from "../../crypto/phc.ts";
import { parseAddress } from "../../protocol/address.ts";
import { encodeEnvelope, EnvelopeReader, MAX_ENVELOPE } from "../../protocol/envelope.ts";
import { decodeFrames } from "../../protocol/frame.ts";
import { parseInvitation } from "../../protocol/invitation.ts";
import { MAX_JSON } from "../../protocol/limits.ts";
import { parseName } from "../../protocol/name.ts";
import { displayWidth, fit, printable } from "../../cli/printable.ts";
import { decodeEvent, decodeRequest, decodeResponse } from "../../protocol/request.ts";
import { MAX_STANZA } from "../../protocol/stanza.ts";
import { decodeSummary, MAX_NOTE, MAX_SUMMARY, padToBucket } from "../../protocol/summary.ts";
import { parseNetblock } from "../../server/settings/netblock.ts";
import { parseSettingsFile } from "../../server/settings/settings_file.ts";
import { parseUserFile } from "../../server/accounts/user_file.ts";
import { assertRefused } from "../support/testing.ts";
import { sizeOf } from "./fuzz.ts";
import { sampleOf } from "../support/full.ts";

// Inputs as large as they can become, made so that reading them badly would take hours, overflow
// the stack, or multiply them. That each test ends is most of what it says.

/** `read` takes `input` or refuses it with its own error; what it gives is bounded by the input. */
async function survives(input: string | Bytes, read: (input: never) => unknown): Promise<void> {
  try {
    const result = await read(input as never);
    assert(sizeOf(result) <= 100 * input.length + 100_000);
  } catch (error) {
    if (!isSealpostError(error)) throw error;
  }
}

/** Texts that grow what a careless pattern, stack or sum does with them. */
function hostile(length: number): string[] {
  const fill = (piece: string) => piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
  const ends = ["", "x", "!", "\n"];
  const pieces = [
    ...["[", '{"a":', "(", "<", "</", "<b>", "<!--", '"', "'", "\\", "a", "A", "0", "9", "-", "="],
    ...[
      " ",
      "\t",
      "\r\n",
      "\r",
      ".",
      ":",
      "::",
      ",",
      ";",
      "@",
      "/",
      "../",
      "%",
      "&#",
      "&amp;",
      "$",
    ],
    ...["\u0301", "👩\u200D", "\u202E", "\0", "\ud800", "é", "=?utf-8?Q?=", "\u1100", "🏴󠁧"],
  ];
  return sampleOf(pieces.flatMap((piece) => ends.map((end) => fill(piece) + end)), 3);
}

Deno.test("JSON of the largest size is read or refused, whatever is in it", async () => {
  const wrapped = hostile(MAX_JSON - 100).flatMap((text) => [
    text,
    `{"op":"keys","names":${text}`,
    JSON.stringify({ op: "keys", names: [text] }).slice(0, MAX_JSON),
    JSON.stringify({ ok: false, code: "limit", message: text }).slice(0, MAX_JSON),
    JSON.stringify({ event: text }).slice(0, MAX_JSON),
  ]);
  for (const text of wrapped) {
    await survives(utf8(text), decodeRequest);
    await survives(utf8(text), (input: Bytes) => decodeResponse("keys", input));
    await survives(utf8(text), decodeEvent);
  }
});

Deno.test("a summary of the largest size is read or refused, whatever is in it", async () => {
  for (const text of hostile(32_000)) {
    const subject = JSON.stringify({ subject: text }).slice(0, 32_000);
    for (const json of [utf8(text), utf8(subject)]) {
      await survives(padToBucket(json.slice(0, 32_764)), decodeSummary);
    }
  }
});

Deno.test("key files, passwords and DER of the largest sizes are refused", async () => {
  for (const text of hostile(65_000)) {
    await survives(text, parsePem);
    await survives(`-----BEGIN PUBLIC KEY-----\n${text}`, parsePem);
    await survives(`$argon2id$v=19$m=${text}`, parsePhc);
    await survives(utf8(text), decodeBundle);
  }
  for (const byte of [0x30, 0x06, 0x80, 0x84, 0xff]) {
    const der = new Uint8Array(100_000).fill(byte);
    await survives(der, (input: Bytes) => new DerReader(input).oid());
    await survives(der, (input: Bytes) => DerReader.sequence(input).integer());
  }
});

Deno.test("names, addresses, networks and invitations of any size are read or refused", async () => {
  for (const text of hostile(65_000)) {
    await survives(text, parseName);
    await survives(text, parseAddress);
    await survives(text, parseNetblock);
    await survives(text, parseInvitation);
    const lines = ["Name: alice", `Server: ${text}`, "Key: x"].join("\n");
    await survives(
      `-----BEGIN SEALPOST INVITATION-----\n${lines}\n-----END SEALPOST INVITATION-----`,
      parseInvitation,
    );
  }
});

Deno.test("records of the largest size are read or refused, whatever is in them", async () => {
  for (let kind = 0; kind < 256; kind++) {
    await survives(new Uint8Array(65_536).fill(kind), decodeFrames);
  }
  // As many frames as fit: ends, of eight bytes each.
  const end = new Uint8Array([4, 0, 0, 0, 1, 0, 0, 0]);
  const ends = concat(...Array.from({ length: 8192 }, () => end));
  assertEquals(decodeFrames(ends).length, 8192);
});

Deno.test("the largest envelope is read when it comes byte by byte, and a larger one is refused", () => {
  const header = concat(new Uint8Array([1, 1, 1, 1, 1, 1, 1, 0x70, 0, 0x80]), new Uint8Array(71));
  const stanzas = Array.from({ length: 256 }, (_, i) => {
    const stanza = new Uint8Array(MAX_STANZA);
    stanza.set([i, 0]);
    stanza.set([2, 0], 32);
    return stanza;
  });
  const parts = { header, stanzas, summary: new Uint8Array(MAX_SUMMARY), bodySize: 1 };
  const whole = encodeEnvelope({ ...parts, note: new Uint8Array(MAX_NOTE) });
  assertEquals(whole.length, MAX_ENVELOPE);
  const reader = new EnvelopeReader();
  for (let at = 0; at < whole.length - 1; at++) {
    assertEquals(reader.push(whole.subarray(at, at + 1)), null);
  }
  assert(reader.push(whole.subarray(-1)));
  const larger = encodeEnvelope({ ...parts, note: new Uint8Array(MAX_NOTE + 1) });
  assertRefused("format", () => new EnvelopeReader().push(larger));
});

Deno.test("long text is made printable, measured, cut and named", async () => {
  for (const text of hostile(100_000)) {
    await survives(text, (input: string) => printable(input, { lines: true }).length);
    await survives(text, (input: string) => displayWidth(printable(input.slice(0, 10_000))));
    await survives(text, (input: string) => fit(printable(input.slice(0, 10_000)), 80));
    await survives(text, safeName);
    await survives(text, messageIds);
    await survives(text, htmlToText);
    await survives(`BEGIN:VCALENDAR\r\n${text}`, readCalendar);
  }
});

Deno.test("the operator's files of the largest sizes are read or refused", async () => {
  for (const text of hostile(60_000)) {
    await survives(text, (input: string) => parseUserFile(input, "user_pass.json"));
    await survives(`{"a":${text}`, (input: string) => parseUserFile(input, "user_pass.json"));
    await survives(text, (input: string) => parseSettingsFile(input, "sealpost.toml"));
    await survives(`port = ${text}`, (input: string) => parseSettingsFile(input, "sealpost.toml"));
  }
});

Deno.test("mail with long headers, words and bodies is read or refused", async () => {
  const heads = [
    "",
    "Subject: ",
    "To: ",
    "References: ",
    "Content-Type: multipart/mixed; boundary=",
    "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a",
    "Content-Type: text/html\r\n\r\n",
    "Content-Type: text/plain; format=flowed\r\n\r\n",
    "Content-Type: x/y\r\nContent-Transfer-Encoding: base64\r\n\r\n",
  ];
  for (const head of heads) {
    for (const text of hostile(60_000)) {
      await survives(utf8(head + text), async (input: Bytes) => {
        const source = async function* () {
          yield await Promise.resolve(input);
        };
        return await parseMessage(source(), { attachment: () => Promise.resolve() });
      });
    }
  }
});
