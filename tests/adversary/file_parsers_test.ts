import { assertEquals } from "@std/assert";
import { safeName } from "../../client/message/attachments.ts";
import { readCalendar } from "../../client/message/calendar.ts";
import { calendarForPrograms, calendarLines } from "../../client/message/calendar_text.ts";
import { htmlToText } from "../../client/message/html_text.ts";
import { messageIds, nameOf } from "../../client/message/mail_names.ts";
import { parseMessage } from "../../client/message/parse.ts";
import { transferDecoder } from "../../client/message/transfer_decoding.ts";
import { type Bytes, concat, utf8 } from "../../crypto/bytes.ts";
import {
  decodeControlAnswer,
  decodeControlRequest,
  encodeControlAnswer,
  encodeControlRequest,
} from "../../server/control/protocol.ts";
import { formatIp, parseIp, parseNetblock } from "../../server/settings/netblock.ts";
import { parseSettingsFile } from "../../server/settings/settings_file.ts";
import { parseUserFile } from "../../server/accounts/user_file.ts";
import { formatUserState, parseUserState } from "../../server/accounts/user_state.ts";
import { fuzz, type Random } from "./fuzz.ts";

// The parsers of what the operator writes, and of the mail that was unsealed.

const text = new TextDecoder();

const PHC = "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$" +
  "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fuzz({
  name: "parseUserFile()",
  seeds: [`{\n  "alice": "secret",\n  "Bob": ${JSON.stringify(PHC)}\n}\n`, "{}"].map(utf8),
  words: ['"', "{", "}", ",", ":", "//", "/*", "\\u0000", '"alice": 1', "[[[[", "\uFEFF", "\\"],
  read: (input) => parseUserFile(text.decode(input), "user_pass.json"),
});

fuzz({
  name: "parseUserState()",
  seeds: [PHC, `!${PHC}`, `once:2026-11-29T10:15:00Z:${PHC}`].map(utf8),
  words: ["!", "once:", ":", "$", "99", "\n"],
  read: (input) => {
    const given = text.decode(input);
    const state = parseUserState(given);
    // Times such as 24:00 have another spelling; nothing else has.
    assertEquals(parseUserState(formatUserState(state)), state);
    return state;
  },
});

fuzz({
  name: "parseSettingsFile()",
  seeds: [
    'port = 13000\nmax-message = "100 MiB" # enough\n',
    'listen = ["::", "0.0.0.0"]\nlog = true',
  ]
    .map(utf8),
  words: ["=", "\n", "[", "]", "{", "}", '"""', "'", "1e400", "0x", "1979-05-27", "a.b", "[[", "#"],
  read: (input) => parseSettingsFile(text.decode(input), "sealpost.toml"),
});

const BY = { pid: 1234, operator: "root" };
const CONTROL_JSON = [
  '"',
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "null",
  "-1",
  "1e999",
  "__proto__",
  '"op":',
];

fuzz({
  name: "decodeControlRequest() of the control socket",
  seeds: [
    encodeControlRequest({ op: "user-add", by: BY, name: "alice", credential: PHC }),
    encodeControlRequest({ op: "user-remove", by: { pid: 1 }, name: "alice", purge: true }),
    encodeControlRequest({ op: "sessions-end", by: BY, who: 7 }),
    encodeControlRequest({ op: "stats", by: BY }),
  ],
  words: CONTROL_JSON,
  read: (input) => decodeControlRequest(input),
});

fuzz({
  name: "decodeControlAnswer() of the control socket",
  seeds: [
    encodeControlAnswer({ result: { ended: 3 } }),
    encodeControlAnswer({ result: { addresses: ["192.0.2.1:13000"], fingerprint: "SHA256:x" } }),
    encodeControlAnswer({
      result: { users: 1, applied: [{ name: "a", from: "b", to: "c" }], waiting: [] },
    }),
    encodeControlAnswer({ code: "no-such-user", message: "there is no user bob" }),
  ],
  words: CONTROL_JSON,
  read: (input, rng) =>
    decodeControlAnswer(rng.of(["sessions-end", "server-info", "reload", "user-list"]), input),
});

fuzz({
  name: "parseIp() and parseNetblock()",
  seeds: ["192.0.2.0/24", "2001:db8::/32", "::ffff:192.0.2.1", "fe80::1%eth0", "::"].map(utf8),
  words: [":", "::", ".", "/", "256", "-1", "0x", "%", " "],
  total: true,
  read: (input) => {
    const given = text.decode(input);
    const ip = parseIp(given);
    if (ip) assertEquals(parseIp(formatIp(ip)), ip);
    return parseNetblock(given);
  },
});

fuzz({
  name: "transferDecoder()",
  seeds: ["aGVsbG8gd29ybGQ=\r\n", "Gr=C3=BC=C3=9Fe=\r\n =20 \r\n.", "plain\r\ntext"].map(utf8),
  words: ["=", "==", "=\r\n", "=0", "=zz", "\r", "\n", "   "],
  total: true,
  read: (input, rng) => {
    const decoder = transferDecoder(rng.of(["base64", "quoted-printable", "8bit"]));
    const parts: Bytes[] = [];
    for (let at = 0; at < input.length;) {
      const size = 1 + rng.below(20);
      parts.push(decoder.update(input.subarray(at, at + size)));
      at += size;
    }
    return concat(...parts, decoder.finish());
  },
});

fuzz({
  name: "htmlToText()",
  seeds: [
    "<html><body><p>Hello <b>you</b></p><ul><li>one<li>two</ul><a href='https://x.y/'>z</a></body>",
    "<table><tr><td>1</td><td>&amp;&#8226;&nbsp;</td></tr></table><pre> a\n  b</pre><br><style>x{}",
  ].map(utf8),
  words: [
    "<",
    ">",
    "</",
    "<!--",
    "-->",
    "&#x0;",
    "&#1114112;",
    "<script>",
    "<![CDATA[",
    "<div>",
    "<table>",
    "<tr>",
    "<td rowspan=2>",
    "<th colspan=3>",
    '"',
  ],
  total: true,
  read: (input) => htmlToText(text.decode(input)),
});

fuzz({
  name: "readCalendar() and calendarLines()",
  seeds: [
    "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VTIMEZONE\r\nTZID:Z\r\nBEGIN:STANDARD\r\n" +
    "DTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n" +
    "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n" +
    "BEGIN:VEVENT\r\nSUMMARY:a\\nb\r\nDTSTART;TZID=Z:20261203T100000\r\nDURATION:PT1H30M\r\n" +
    'ATTENDEE;CN="x, y";PARTSTAT=DECLINED:mailto:a@\r\n b\r\nRRULE:FREQ=MONTHLY;BYDAY=2TU;COUNT=3' +
    "\r\nEXDATE:20261203T100000Z,20261204\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
  ].map(utf8),
  words: [
    "BEGIN:VEVENT\r\n",
    "END:VEVENT\r\n",
    "DTEND;VALUE=DATE:",
    "RECURRENCE-ID:",
    "99999999",
    "T235960Z",
    ";TZID=Europe/Berlin",
    "-1",
    "INTERVAL=",
    "UNTIL=",
    "\r\n ",
    '"',
  ],
  total: true,
  read: (input) => {
    const read = readCalendar(text.decode(input));
    if (read === null) return;
    calendarLines(read, 1, "America/New_York");
    calendarForPrograms(read);
  },
});

fuzz({
  name: "messageIds() and nameOf()",
  seeds: ["<019ab5c0-0000-7000-8000-000000000001@sealpost.invalid> <x@example.org>"].map(utf8),
  words: ["<", ">", "@", "@sealpost.invalid", " ", "\r\n\t", "=", ","],
  total: true,
  read: (input) => {
    const given = text.decode(input);
    return [messageIds(given), nameOf(given)];
  },
});

fuzz({
  name: "safeName()",
  seeds: ["report.pdf", "../../etc/passwd", "C:\\x\\CON .txt", "\u202Egpj.exe", "-rf", ".bashrc"]
    .map(utf8),
  words: ["/", "\\", "..", ".", " ", "\0", "NUL", "COM1", ":", "\u200D", "🦊", "\u202E", "-"],
  total: true,
  read: (input) => {
    const name = safeName(text.decode(input));
    const bad = /[/\\<>:"|?*\p{Cc}]|^[.\- ~]|[. ]$|^(CON|NUL|COM1)(\.|$)/iu.test(name);
    if (bad || name === "" || utf8(name).length > 200) throw new Error(`the name ${name}`);
    return name;
  },
});

const MAIL = [
  [
    "From: alice@sealpost.invalid",
    "To: bob@sealpost.invalid, <x@example.org>",
    "Subject: =?utf-8?B?R3LDvMOfZQ==?=",
    "Date: Sun, 22 Nov 2026 10:00:00 +0000",
    "Message-ID: <019ab5c0-0000-7000-8000-000000000001@sealpost.invalid>",
    "MIME-Version: 1.0",
    'Content-Type: multipart/mixed; boundary="b"',
    "",
    "--b",
    'Content-Type: text/plain; charset="utf-8"; format=flowed',
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "Gr=C3=BC=C3=9Fe =",
    "you",
    "--b",
    "Content-Type: text/html",
    "",
    "<p>x</p>",
    "--b",
    "Content-Type: application/pdf; name*=utf-8''r%C3%A9.pdf",
    'Content-Disposition: attachment; filename="r.pdf"',
    "Content-Transfer-Encoding: base64",
    "",
    "aGVsbG8=",
    "--b--",
  ].join("\r\n"),
  "Subject: plain\n\nHello\n",
];

/** Reads a message that comes in pieces; the attachments are read, or not. */
async function readMail(input: Bytes, rng: Random): Promise<unknown> {
  const source = async function* (): AsyncGenerator<Bytes, void, undefined> {
    for (let at = 0; at < input.length;) {
      const size = 1 + rng.below(1000);
      yield await Promise.resolve(input.slice(at, at + size));
      at += size;
    }
  };
  let size = 0;
  const message = await parseMessage(source(), {
    attachment: async (_, content) => {
      if (rng.below(4) === 0) return;
      for await (const piece of content) size += piece.length;
    },
  });
  return [message, size];
}

fuzz({
  name: "parseMessage()",
  seeds: MAIL.map(utf8),
  words: [
    ...["\r\n", "--b", "--b--\r\n", "\r\n\r\n", "Content-Type: multipart/mixed; boundary=c\r\n"],
    ...["=?utf-8?Q?=", "?=", "=?x?B?", "\0", "\uFEFF", "charset=utf-7", "filename*0*=x''%"],
    ...["Content-Type: message/rfc822\r\n", "boundary=", '"', "<", "@", ": ", "\t", " "],
  ],
  total: true,
  read: readMail,
});
