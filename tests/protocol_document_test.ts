import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { MAX_BUNDLE } from "../crypto/identity.ts";
import { MAX_ENVELOPE } from "../protocol/envelope.ts";
import { checkFrame, FrameKind } from "../protocol/frame.ts";
import { SIZE_A, SIZE_B, SIZE_C, SIZE_D, SIZE_E } from "../protocol/handshake.ts";
import { HEAD_SIZE, MAX_LOG, MAX_LOG_PAGE, MAX_LOG_RECORD } from "../protocol/key_log.ts";
import { RECORD_HEADER } from "../protocol/record.ts";
import { requestSchema, responses, VERDICT_SIZE, WIRE_ERRORS } from "../protocol/request.ts";
import { SIZE_R1, SIZE_R2 } from "../protocol/resumption.ts";
import { parseLife } from "../client/state/unlock.ts";
import { MAX_CERTIFICATE } from "../protocol/rotation.ts";
import { MAX_STANZA, MIN_STANZA } from "../protocol/stanza.ts";
import { MAX_NOTE, MAX_SUMMARY } from "../protocol/summary.ts";
import { SETTINGS } from "../server/settings/settings_table.ts";
import { ROOT } from "./support/program.ts";

// docs/PROTOCOL.md and the code say the same of everything that stands in a table: what the one has
// and the other has not is a defect of one of them.

const document = await Deno.readTextFile(join(ROOT, "docs", "PROTOCOL.md"));

/** The text of a section, from its heading to the next one of its level or above. */
function section(heading: string): string {
  const [level = ""] = heading.split(" ");
  const from = document.indexOf(`\n${heading}`);
  assert(from >= 0, `there is no ${heading}`);
  const text = document.slice(from + 1 + heading.length);
  const next = new RegExp(`\n#{1,${level.length}} `).exec(text);
  return next ? text.slice(0, next.index) : text;
}

/** The rows of all tables in `text`, cell by cell; for each table without its head. */
function rows(text: string): string[][] {
  const cells = (line: string) => line.slice(1, -1).split("|").map((cell) => cell.trim());
  const lines = text.split("\n");
  return lines.filter((line, i) => {
    const next = lines[i + 1] ?? "";
    return line.startsWith("|") && !line.startsWith("|---") && !next.startsWith("|---");
  }).map(cells);
}

/** What stands between backticks in `text`. */
function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

/** A number as the document writes it. */
function figure(value: number): string {
  const power = Math.log2(value);
  if (Number.isInteger(power) && power >= 20 && power < 30) return `2^${power}`;
  return value < 10_000 ? `${value}` : value.toLocaleString("en-US");
}

const KIB = 1024;
const MIB = KIB * KIB;
const GIB = KIB * MIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 1440 * MINUTE;

/** The value of the constant `name` in `file`, which is a product or a power of numbers. */
async function constant(file: string, name: string): Promise<number> {
  const source = await Deno.readTextFile(join(ROOT, file));
  const pattern = new RegExp(`^(?:export )?const ${name} = ([0-9_ *]+);$`, "m");
  const [, text] = pattern.exec(source) ?? [];
  assert(text !== undefined, `${file} has no constant ${name}`);
  return text.replaceAll("_", "").split(/(?<!\*) \* (?!\*)/).map((factor) => {
    const [base = "", exponent = "1"] = factor.split(" ** ");
    return Number(base) ** Number(exponent);
  }).reduce((product, factor) => product * factor, 1);
}

/** A constant of protocol/limits.ts. */
const limit = (name: string) => constant("protocol/limits.ts", name);

/** The default of a setting, as it is written. */
function setting(name: string): string {
  const found = SETTINGS.find((setting) => setting.name === name);
  assert(found, `there is no setting ${name}`);
  return found.default;
}

/** Each row of section 17, and the numbers of the code that it has, in their order. */
async function limits(): Promise<Record<string, readonly string[]>> {
  const at = async (file: string, name: string, unit = 1) =>
    figure(await constant(file, name) / unit);
  const of = async (name: string, unit = 1) => figure(await limit(name) / unit);
  const sizes = [3, SIZE_A, SIZE_B, SIZE_C, SIZE_D, SIZE_E, SIZE_R1, SIZE_R2].map(String);
  return {
    "time that a client may take before the verdict": [setting("login-timeout").slice(0, -1)],
    "patience: for the verdict; for any progress of what was asked": [
      await at("client/connection/login.ts", "LOGIN_TIMEOUT", SECOND),
      await at("client/connection/client_session.ts", "PATIENCE", SECOND),
    ],
    "data that still comes after a client's `cancel`": [
      await at("client/connection/client_session.ts", "MAX_DRAINED", MIB),
    ],
    "entries and what was opened, kept on a client's disk": [
      await at("client/state/cache.ts", "MAX_FILE", GIB),
    ],
    "sealed bodies, kept on a client's disk": [
      await at("client/state/bodies.ts", "MAX_BODIES", MIB),
    ],
    "prefix; A; B; C; D; E; R1; R2": sizes,
    "life of a ticket; since the last full login": [
      await at("server/accounts/tickets.ts", "TICKET_LIFE", 60 * MINUTE),
      await at("server/accounts/tickets.ts", "MAX_SINCE_FULL", DAY),
    ],
    "connections, queues, rates, quotas, penalties": [],
    "failures for a name from one source": [
      setting("max-guesses"),
      setting("guess-window").slice(0, -1),
    ],
    "RSA modulus": ["2048", "4096"],
    "bundle": [figure(MAX_BUNDLE)],
    "name": [await at("protocol/name.ts", "MAX_NAME_LENGTH")],
    "password": ["1", await of("MAX_PASSWORD")],
    "a new password": [await of("MIN_PASSWORD"), await of("MAX_PASSWORD")],
    "hello": [figure(await constant("protocol/handshake.ts", "HELLO_SIZE") - 4)],
    "record plaintext": ["1", await at("protocol/record.ts", "MAX_RECORD_PLAINTEXT")],
    "records before the key is changed": [await at("protocol/record.ts", "REKEY_INTERVAL")],
    "data frame": [
      figure(
        await constant("protocol/record.ts", "MAX_RECORD_PLAINTEXT") -
          await constant("protocol/frame.ts", "FRAME_HEADER"),
      ),
    ],
    "JSON of a request, response, event": [await of("MAX_JSON")],
    "unanswered requests": [await of("MAX_OUTSTANDING")],
    "silence before a ping; before the end": [
      `${parseInt(setting("ping-after")) * 60}`,
      `${parseInt(setting("idle-timeout")) * 60}`,
    ],
    "recipients of a message": [setting("max-recipients"), await of("MAX_STANZAS")],
    "stanzas of a message": [await of("MAX_STANZAS")],
    "stanza": [figure(MIN_STANZA), figure(MAX_STANZA)],
    "sealed summary; note": [figure(MAX_SUMMARY), figure(MAX_NOTE)],
    "envelope": [figure(MAX_ENVELOPE)],
    "message": [
      await of("DEFAULT_MAX_MESSAGE", MIB),
      "1",
      await of("MAX_MAX_MESSAGE", KIB * GIB),
    ],
    "subject": [await of("MAX_TITLE")],
    "typed or loaded text": [await of("MAX_TEXT")],
    "attachments": [await at("client/message/compose.ts", "MAX_ATTACHMENTS")],
    "names in one `keys`": [await of("MAX_KEYS")],
    "record of the key log; head; records in one `log`": [
      figure(MAX_LOG_RECORD),
      figure(HEAD_SIZE),
      figure(MAX_LOG_PAGE),
    ],
    "records of the key log": [figure(MAX_LOG)],
    "logs from before restores; in all; heads that wait": [
      await at("client/state/key_log.ts", "MAX_LOST"),
      await at("client/state/key_log.ts", "MAX_LOST_BYTES", MIB),
      await at("client/state/key_log.ts", "MAX_PENDING"),
    ],
    "UIDs in one `flag` or `remove`": [await of("MAX_UIDS")],
    "certificate; links in one `rotations` or `server-keys`; in a chain": [
      figure(MAX_CERTIFICATE),
      await at("protocol/rotation.ts", "MAX_LINKS"),
      await at("protocol/rotation.ts", "MAX_CHAIN"),
    ],
    "logins under a key that the server has left": [
      await at("protocol/rotation.ts", "SERVER_GRACE", DAY),
    ],
    "time of a certificate; rotations of an account in a day": [
      await at("protocol/rotation.ts", "ROTATION_SLACK", MINUTE),
      await at("server/requests/rotate_begin.ts", "MAX_A_DAY"),
    ],
    "keys without their passphrase": [
      figure(parseLife("1m") / MINUTE),
      figure(parseLife("7d") / DAY),
    ],
    "text of a contact": [await at("protocol/contact_card.ts", "MAX_CARD_TEXT")],
    "entries in one `list`": ["200"],
    "changes in one `changes`": [await of("MAX_CHANGES")],
    "memory of removals and moves": [await of("CHANGE_MEMORY", DAY)],
    "folders of one's own": [await of("MAX_OWN_FOLDERS")],
    "in it: machines; key of an entry, characters; levels of a value": [
      await of("MAX_MACHINES"),
      await at("protocol/shared_record.ts", "MAX_KEY"),
      await at("protocol/shared_record.ts", "MAX_DEPTH"),
    ],
    "machines of a person that a server remembers": [await of("MAX_MACHINES")],
    "members in one answer to `members`": [await of("MAX_MEMBERS")],
    "full name of a person, characters": [await at("protocol/name.ts", "MAX_FULL_NAME")],
    "links of a person that wait; for how long": [
      await of("MAX_LINKS_OPEN"),
      await of("LINK_LIFE", MINUTE),
    ],
    "name of a machine": [await at("protocol/link.ts", "MAX_DEVICE_NAME")],
    "answer to a link, and a kit": [await of("MAX_PACKAGE")],
    "name of a folder or keyword of one's own": [
      await at("client/mailbox/own_names.ts", "MAX_OWN_NAME"),
    ],
    "ids of removed drafts and editions that each machine names": [
      await at("client/mailbox/removed_drafts.ts", "MAX_REMOVED"),
    ],
    "the shared record": [await of("MAX_SHARED_RECORD")],
    "age of an id; ahead": [await of("MAX_ID_AGE", DAY), await of("MAX_ID_AHEAD", MINUTE)],
    "memory of ids": [await of("ID_MEMORY", DAY)],
    "uploads that broke off: age; of one sender": [
      await of("MAX_PARTIAL_AGE", DAY),
      await at("server/store/partial_uploads.ts", "MAX_PARTIALS"),
    ],
    "downloads that broke off: age": [await at("client/state/bodies.ts", "MAX_INTERRUPTION", DAY)],
    "MIME when reading: header of a part, all headers, depth, parts, text": await parseLimits(),
  };
}

/** What a MIME message may ask of a reader. */
async function parseLimits(): Promise<string[]> {
  const { PARSE_LIMITS: { header, headers, depth, parts, text } } = await import(
    "../client/message/parse.ts"
  );
  return [header / KIB, headers / MIB, depth, parts, text / MIB].map(String);
}

Deno.test("section 17 of the document has every limit of the code, and no other", async () => {
  const table = new Map(rows(section("## 17. ")).map(([what = "", value = ""]) => [what, value]));
  const expected = await limits();
  assertEquals([...table.keys()].sort(), Object.keys(expected).sort());
  for (const [what, numbers] of Object.entries(expected)) {
    const cell = (table.get(what) ?? "").replaceAll(/`[^`]*`/g, "");
    const written = [...cell.matchAll(/2\^\d+|\d+(?:,\d{3})*/g)].map(([text]) => text);
    const rest = written.slice(numbers.length);
    assertEquals(written.slice(0, numbers.length), [...numbers], `${what}: ${cell}`);
    assert(rest.length === 0 || what === "RSA modulus", `${what} has more: ${rest.join(", ")}`);
  }
});

Deno.test("every constant of protocol/limits.ts stands in section 17, or is no limit", async () => {
  const source = await Deno.readTextFile(join(ROOT, "protocol", "limits.ts"));
  const own = await Deno.readTextFile(new URL(import.meta.url));
  const names = [...source.matchAll(/^export const ([A-Z_]+) = /gm)].map(([, name = ""]) => name);
  const others = ["VERSION", "SUITE", "DEFAULT_PORT"];
  assert(names.length > 10);
  for (const name of names) assert(others.includes(name) || own.includes(`of("${name}"`), name);
});

/** The code of the source files in `folder`, without comments. */
async function code(folder: string): Promise<string> {
  let text = "";
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) text += await code(path);
    else if (name.endsWith(".ts")) {
      const lines = (await Deno.readTextFile(path)).split("\n");
      text += lines.filter((line) => !/^\s*(\/\/|\/\*|\*)/.test(line)).join("\n");
    }
  }
  return text;
}

Deno.test("section 18 of the document has every label of the code, and no other", async () => {
  const folders = ["crypto", "protocol", "client", "server"].map((name) => join(ROOT, name));
  const text = (await Promise.all(folders.map(code))).join("\n");
  /** What stands in the place of what is put in. */
  const parts: Record<string, readonly string[]> = {
    "sealpost/1 kem ${use}": ["hs-server", "hs-client", "stanza", "rotate"].map((u) =>
      `sealpost/1 kem ${u}`
    ),
    "sealpost/1 ${part}": ["sealpost/1 summary", "sealpost/1 body"],
  };
  const used = [...text.matchAll(/["`](sealpost\/1 [^"`]*)["`]/g)].flatMap(([, label = ""]) => {
    assert(!label.includes("${") || label in parts, label);
    return parts[label] ?? [label];
  });
  const table = rows(section("## 18. ")).flatMap(([cell = ""]) => {
    const labels = quoted(cell);
    const kem = (label: string) => label.replace(/^… /, "sealpost/1 kem ");
    return labels.map(kem);
  });
  assertEquals(table.toSorted(), [...new Set(used)].sort());
});

/** All codes of crypto/error.ts. */
async function errorCodes(): Promise<string[]> {
  const source = await Deno.readTextFile(join(ROOT, "crypto", "error.ts"));
  return [...source.matchAll(/^ {2}\| "([a-z-]+)"/gm)].map(([, name = ""]) => name);
}

Deno.test("section 11 of the document has every error code, each where it belongs", async () => {
  const sent = rows(section("### 11.1 ")).map(([code = ""]) => quoted(code).join());
  assertEquals(sent, [...WIRE_ERRORS]);
  const own = quoted(section("### 11.2 "));
  assertEquals([...sent, ...own].sort(), (await errorCodes()).sort());
});

Deno.test("every error that a check of the document gives is a code of section 11", async () => {
  const codes = await errorCodes();
  /** The tables of checks, and in which column the codes are. */
  const checks: Record<string, number> = {
    "### 6.6 ": 2,
    "### 10.1 ": 2,
    "### 10.9 ": 0,
    "### 13.1 ": 2,
    "### 13.3 ": 2,
  };
  for (const [heading, column] of Object.entries(checks)) {
    const found = rows(section(heading)).flatMap((cells) => {
      // The first table of 10.1 is of members; a row of checks begins with a number or with nothing.
      if (heading === "### 10.1 " && !/^\d*$/.test(cells[0] ?? "")) return [];
      return quoted(cells[column] ?? "");
    });
    assert(found.length > 2, heading);
    for (const name of found) {
      assert(codes.includes(name) || name === "hello", `${heading}: ${name}`);
    }
  }
});

Deno.test("section 8 of the document has every kind of frame, with its bounds", () => {
  const table = rows(section("## 8. ")).filter(([kind = "", , , id]) =>
    /^\d$/.test(kind) && id !== undefined
  );
  assertEquals(
    table.map(([kind, name]) => [name, Number(kind)]),
    Object.entries(FrameKind),
  );
  const kinds = Object.values(FrameKind);
  for (const [kind = "", , payload = "", id = ""] of table) {
    const found = kinds.find((value) => value === Number(kind));
    assert(found);
    const numbers = [...payload.matchAll(/\d[\d,]*/g)].map(([n]) => Number(n.replaceAll(",", "")));
    const [min, max] = payload === "none"
      ? [0, 0]
      : payload.startsWith("9 bytes")
      ? [9, 9]
      : [numbers[0] ?? NaN, numbers[1] ?? NaN];
    const frame = (size: number, id: number) => () =>
      checkFrame({ kind: found, id, payload: new Uint8Array(size) });
    const good = id === "0" ? 0 : 1;
    frame(min, good)();
    frame(max, good)();
    assertThrows(frame(max + 1, good));
    if (min > 0) assertThrows(frame(min - 1, good));
    assertThrows(frame(min, 1 - good));
  }
});

/** What section 10 says of `op`: a section of its own, or what follows on its name. */
function requestSection(op: string): string {
  const part = section("## 10. ");
  const [heading] = new RegExp(`^### 10\\.\\d+ \`${op}\`$`, "m").exec(part) ?? [];
  if (heading !== undefined) return section(heading);
  const [, from] = part.split(`\n**\`${op}\`**: `);
  assert(from !== undefined, `section 10 has no ${op}`);
  return from.split("\n**`")[0] ?? "";
}

Deno.test("section 10 of the document has every request, with its members and those of the answer", () => {
  const headings = [
    ...section("## 10. ").matchAll(/^(?:### 10\.\d+ |\*\*)`([a-z-]+)`(?:$|\*\*: )/gm),
  ];
  const ops = requestSchema.options.map(({ entries }) => entries.op.literal);
  assertEquals(headings.map(([, op = ""]) => op).toSorted(), ops.toSorted());
  for (const { entries } of requestSchema.options) {
    const op = entries.op.literal;
    const own = requestSection(op);
    const members = Object.entries(entries).map(([name, { type }]) => {
      return type === "optional" ? `${name}, optional` : name;
    });
    const inline = /^`(\{ "op": .*?\})`/m.exec(own)?.[1];
    const written = inline === undefined
      ? rows(own).filter(([cell = ""]) => /^`[a-zA-Z]+`$/.test(cell)).map(([cell = "", type]) =>
        quoted(cell).join() + (type?.endsWith(", optional") ? ", optional" : "")
      ).slice(0, members.length)
      : [...inline.matchAll(/"([a-zA-Z]+)": /g)].map(([, name = ""]) => name);
    assertEquals(written, members, op);
    const answer = own.slice(own.indexOf("Response: "));
    const told = new Set([...answer.matchAll(/[`"]([a-zA-Z]+)[`"]/g)].map(([, name = ""]) => name));
    for (const name of Object.keys(responses[op].entries)) {
      assert(told.has(name), `the response to ${op} has ${name}, the document has not`);
    }
  }
});

Deno.test("every setting that the document names is one", () => {
  const names = new Set<string>(SETTINGS.map(({ name }) => name));
  const written = [...document.matchAll(/[Ss]ettings?[:,]? ((?:`[a-z-]+…?`(?:, | and )?)+)/g)]
    .flatMap(([, list = ""]) => quoted(list));
  assert(written.length > 5);
  for (const name of written) assert(names.has(name) || name.endsWith("-…"), name);
});

Deno.test("the sizes of messages in section 6 are those of the code", () => {
  const sizes = { A: SIZE_A, B: SIZE_B, C: SIZE_C, D: SIZE_D, E: SIZE_E };
  const all = { ...sizes, F: RECORD_HEADER + VERDICT_SIZE + 16 };
  const table = rows(section("### 6.1 ")).map(([name = "", , size]) => [name, Number(size)]);
  assertEquals(Object.fromEntries(table), all);
  const headings = [...document.matchAll(/^\*\*(R?[A-E12])\*\*,(?: \w+ to \w+,)? (\d+) bytes:$/gm)];
  assertEquals(
    Object.fromEntries(headings.map(([, name = "", size]) => [name, Number(size)])),
    { ...sizes, R1: SIZE_R1, R2: SIZE_R2 },
  );
});

Deno.test("every link inside a document leads to a heading that is there", async () => {
  for (const name of ["PROTOCOL.md", "THREAT_MODEL.md", "ASSURANCE.md", "OPERATING.md"]) {
    const text = await Deno.readTextFile(join(ROOT, "docs", name));
    const anchors = new Set(
      [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
        title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
      ),
    );
    for (const [, anchor = ""] of text.matchAll(/\]\(#([^)]+)\)/g)) {
      assert(anchors.has(anchor), `${name} links to #${anchor}`);
    }
  }
});
