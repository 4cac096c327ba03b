import { isoTime } from "../../cli/format.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { Item } from "../../client/mailbox/open.ts";
import { safeName } from "../../client/message/attachments.ts";
import { PARSE_LIMITS } from "../../client/message/parse.ts";
import {
  dateLine,
  type DisplayedMessage,
  headerLines,
  listingLine,
  readForDisplay,
  saveAttachments,
} from "../../client/mailbox/show.ts";
import { aesSeal } from "../../crypto/aes_gcm.ts";
import { type Bytes, concat, lp, random, toBase64, u64, utf8 } from "../../crypto/bytes.ts";
import { sign } from "../../crypto/ed25519.ts";
import { SealpostError } from "../../crypto/error.ts";
import { hkdf, sha256 } from "../../crypto/hash.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { CHUNK, StreamOpener } from "../../crypto/stream.ts";
import { sealBody } from "../../protocol/body.ts";
import { commit, FILE_KEY_SIZE, partKey } from "../../protocol/file_key.ts";
import { encodeHeader } from "../../protocol/header.ts";
import { padTo } from "../../protocol/login.ts";
import { openStanza, sealStanza, verifyStanza } from "../../protocol/stanza.ts";
import { padToBucket, type Summary } from "../../protocol/summary.ts";
import { opensUnderBoth } from "../support/gcm_collision.ts";
import { identityOf } from "../support/identities.ts";
import { passwordOf } from "../support/program.ts";
import { type SealedParts, sealMessage, summaryOf } from "../support/sealed.ts";
import { type Client, DishonestServer, logOnTo } from "./dishonest_server.ts";
import { deliver, type Honest, startHonest } from "./honest_server.ts";

const NAMES = ["alice", "bob", "carol", "mallory"] as const;
type Name = typeof NAMES[number];

/** The real server, with mallory who makes messages by hand and the others who use the client. */
interface World {
  readonly dir: string;
  readonly server: Honest;
  readonly clients: Readonly<Record<Name, Client>>;
}

async function startWorld(): Promise<World & AsyncDisposable> {
  const dir = await Deno.makeTempDir({ prefix: "sealpost-" });
  const server = await startHonest(join(dir, "server"), NAMES);
  const logOn = (name: Name) =>
    logOnTo(server, join(dir, name), name, { password: passwordOf(name) });
  const clients = {
    alice: await logOn("alice"),
    bob: await logOn("bob"),
    carol: await logOn("carol"),
    mallory: await logOn("mallory"),
  };
  return {
    dir,
    server,
    clients,
    [Symbol.asyncDispose]: async () => {
      for (const client of Object.values(clients)) await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** Tests share one server: what one leaves behind must not trouble the next. */
let shared: Promise<World & AsyncDisposable> | null = null;

Deno.test.beforeAll(() => {
  shared = startWorld();
});

Deno.test.afterAll(async () => {
  await (await shared)?.[Symbol.asyncDispose]();
});

/** A test against the shared server. After it, bob still reads what an honest sender sends. */
function attack(name: string, work: (world: World) => Promise<void>): void {
  Deno.test({
    name,
    // The server and its connections outlive the test.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const world = await shared;
      if (!world) throw new Error("the server was not started");
      await work(world);
      const { alice, bob } = world.clients;
      await alice.mail.send({
        to: ["bob"],
        subject: `after: ${name}`.slice(0, 100),
        text: "still here",
        attachments: [],
      });
      const [item] = await inbox(bob);
      assertEquals((await read(bob, item)).text.trim(), "still here");
      assertEquals([...Deno.readDirSync(bob.state.tempFolder())], []);
    },
  });
}

async function inbox({ mail }: Client): Promise<Item[]> {
  await mail.sync();
  return await mail.list({ folder: "inbox", limit: 200 });
}

async function read({ mail }: Client, item: Item | undefined): Promise<DisplayedMessage> {
  if (!item?.opened) throw new Error(`it does not open: ${item?.problem}`);
  const message = await mail.fetch(item.opened);
  try {
    return await readForDisplay(message);
  } finally {
    await message.dispose();
  }
}

/** What mallory sends to bob: a message whose summary names mallory. */
async function made(
  message: string | Bytes,
  more: Partial<Summary> = {},
): Promise<SealedParts> {
  const mallory = await identityOf("mallory");
  const { bundle } = await identityOf("bob");
  const content = typeof message === "string" ? utf8(message) : message;
  return await sealMessage(mallory, [bundle], content, {
    from: { name: "mallory", fp: toBase64(mallory.bundle.fp) },
    subject: "a title",
    date: Date.now(),
    ...more,
  });
}

/** Delivers what mallory made for bob; the entry as bob sees it. */
async function toBob(
  { clients }: World,
  parts: Omit<SealedParts, "fileKey" | "summaryHash" | "note">,
): Promise<Item> {
  const { bundle } = await identityOf("bob");
  await deliver(clients.mallory.link, parts, [{ name: "bob", bundle }]);
  const [item] = await inbox(clients.bob);
  if (!item) throw new Error("nothing arrived");
  return item;
}

/** A multipart message of `parts`, each with its header and content. */
function multipart(...parts: readonly string[]): string {
  return "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
    parts.map((part) => `--b\r\n${part}\r\n`).join("") + "--b--\r\n";
}

function attachment(disposition: string, content = "x"): string {
  return `Content-Type: application/octet-stream\r\nContent-Disposition: attachment; ` +
    `${disposition}\r\n\r\n${content}`;
}

const plain = (text: string) => `Content-Type: text/plain; charset=utf-8\r\n\r\n${text}`;

/** What a terminal would obey, or nobody would see. */
// deno-lint-ignore no-control-regex
const RAW = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

attack("two file keys under one ciphertext: who has the other key sees nothing", async (world) => {
  const [bob, carol] = [await identityOf("bob"), await identityOf("carol")];
  const mallory = await identityOf("mallory");
  const parts = await made(plain("for bob"));
  const other = await sealStanza(carol.bundle, random(FILE_KEY_SIZE), parts.header, mallory);
  const [first] = parts.stanzas;
  assert(first);
  await deliver(world.clients.mallory.link, { ...parts, stanzas: [first, other] }, [
    { name: "bob", bundle: bob.bundle },
    { name: "carol", bundle: carol.bundle },
  ]);
  const [forBob] = await inbox(world.clients.bob);
  assertEquals((await read(world.clients.bob, forBob)).text, "for bob");
  const [forCarol] = await inbox(world.clients.carol);
  assertEquals(forCarol?.problem, "the message's key is not the one it commits to");
});

attack(
  "a body that opens under two file keys is read under the one it commits to",
  async (world) => {
    const [bob, carol] = [await identityOf("bob"), await identityOf("carol")];
    const mallory = await identityOf("mallory");
    const [forBob, forCarol] = ["Pay 10 to Bob today.\n", "Pay 9000 to Mallory now.\n"];
    const message = utf8(plain(forBob) + "x".repeat(80_000));
    const parts = await made(message);
    const { header, fileKey } = parts;
    const otherKey = random(FILE_KEY_SIZE);
    const bodyKey = async (key: Bytes) =>
      await hkdf(key, new Uint8Array(0), concat(utf8("sealpost/1 body"), await sha256(header)), 32);
    // The first chunk is the length and the message up to its end; a part is for who has the other key.
    const both = await opensUnderBoth(
      [await bodyKey(fileKey), await bodyKey(otherKey)],
      new Uint8Array(12),
      concat(u64(message.length), message).slice(0, CHUNK),
      4096,
      utf8(forCarol.padEnd(32)),
    );
    message.set(both.subarray(8));
    const source = (async function* () {
      yield await Promise.resolve(message);
    })();
    const chunks: Bytes[] = [];
    for await (const chunk of sealBody(parts, mallory, message.length, source)) chunks.push(chunk);

    // Without the commitment: what carol's stanza gives was addressed to her by mallory, and opens.
    const other = await sealStanza(carol.bundle, otherKey, header, mallory);
    const opened = await openStanza(carol, other, header);
    await verifyStanza(mallory.bundle, opened.signature, header, carol.bundle.fp);
    const key = await partKey(opened.fileKey, "body", header);
    const chunk = await new StreamOpener(key).open(chunks[0] ?? new Uint8Array(0), false);
    assert(new TextDecoder().decode(chunk.subarray(4096)).startsWith(forCarol));

    // With it, carol is told, and bob reads what everybody would.
    const [first] = parts.stanzas;
    assert(first);
    await deliver(world.clients.mallory.link, { ...parts, chunks, stanzas: [first, other] }, [
      { name: "bob", bundle: bob.bundle },
      { name: "carol", bundle: carol.bundle },
    ]);
    const [item] = await inbox(world.clients.bob);
    const { text } = await read(world.clients.bob, item);
    assert(text.startsWith(forBob) && !text.includes("Mallory"));
    const [refused] = await inbox(world.clients.carol);
    assertEquals(refused?.problem, "the message's key is not the one it commits to");
  },
);

attack("a forged From is not shown, whichever key it is given", async (world) => {
  const [alice, mallory] = [await identityOf("alice"), await identityOf("mallory")];
  await inbox(world.clients.bob);
  const fp = toBase64(mallory.bundle.fp);
  const forged = await toBob(world, await made("x", { from: { name: "alice", fp } }));
  assertEquals(
    forged.problem,
    `it claims to be from alice but has the key ${formatFingerprint(mallory.bundle.fp)}; the key ` +
      `known for alice is ${formatFingerprint(alice.bundle.fp)}`,
  );
  const from = { name: "alice", fp: toBase64(alice.bundle.fp) };
  const other = await toBob(world, await made("x", { from }));
  assertEquals(other.problem, "the summary names another sender than the header");
  const own = { name: "bob", fp };
  assert((await toBob(world, await made("x", { from: own }))).problem?.startsWith("it claims"));
  // A header with the key of somebody else is not taken by an honest server at all.
  const bob = await identityOf("bob");
  const stolen = await sealMessage(alice, [bob.bundle], utf8("x"));
  await assertRejects(() => toBob(world, stolen), SealpostError, "names another sender's key");
  assertEquals(listingLine(forged).from, "?");
  assertEquals(listingLine(forged).subject.startsWith("[cannot be opened: "), true);
});

attack("a message to one cannot be addressed to another, with a server that helps", async () => {
  const [alice, mallory] = [await identityOf("alice"), await identityOf("mallory")];
  const bob = await identityOf("bob");
  const parts = await sealMessage(alice, [mallory.bundle], utf8("for mallory only"));
  const dir = await Deno.makeTempDir();
  try {
    await using server = await DishonestServer.start();
    server.keys.set("alice", alice.bundle);
    // Mallory has the file key. The signature in her stanza is over her own fingerprint.
    const readdressed = await sealStanza(bob.bundle, parts.fileKey, parts.header, mallory);
    server.put(parts, 0, { stanza: readdressed });
    server.put(parts, 0);
    await using client = await logOnTo(server, dir, "bob");
    assertEquals((await inbox(client)).map(({ problem }) => problem), [
      "it is sealed for a key that is not here",
      "the sender did not address this message to you",
    ]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

attack("a summary that was signed for another message is not shown", async (world) => {
  const mallory = await identityOf("mallory");
  const [one, two] = [await made("one"), await made("two")];
  // The right key, the right padding, and the signature of the other message's summary.
  const padded = padToBucket(utf8(JSON.stringify(summaryOf(mallory, 3, {
    from: { name: "mallory", fp: toBase64(mallory.bundle.fp) },
  }))));
  const label = utf8("sealpost/1 summary");
  const signature = await sign(
    mallory.ed25519Key,
    concat(label, lp(two.header), await sha256(padded)),
  );
  const key = await partKey(one.fileKey, "summary", one.header);
  const summary = await aesSeal(key, new Uint8Array(12), concat(padded, signature));
  const item = await toBob(world, { ...one, summary });
  assertEquals(item.problem, "the summary's signature is not the sender's");
});

attack("a body that another signed, or in another order, is not shown", async (world) => {
  const [mallory, carol] = [await identityOf("mallory"), await identityOf("carol")];
  const message = utf8("x".repeat(200_000));
  const parts = await made(message);
  const chunks: Bytes[] = [];
  const source = (async function* () {
    yield await Promise.resolve(message);
  })();
  for await (const chunk of sealBody(parts, carol, message.length, source)) chunks.push(chunk);
  const foreign = await toBob(world, { ...parts, chunks });
  const text = "the message's signature is not the sender's";
  await assertRejects(() => read(world.clients.bob, foreign), SealpostError, text);

  const next = await made(message);
  const [first, second, third, ...rest] = next.chunks;
  assert(first && second && third && mallory);
  const mixed = await toBob(world, { ...next, chunks: [second, first, third, ...rest] });
  await assertRejects(() => read(world.clients.bob, mixed), SealpostError);
});

attack("sender, recipients, title and date are those that were signed", async (world) => {
  const item = await toBob(
    world,
    await made(
      "From: alice@sealpost.invalid\r\nTo: carol@sealpost.invalid\r\nSubject: other\r\n" +
        "Date: Mon, 01 Jan 2001 00:00:00 +0000\r\nMessage-ID: <x@y>\r\nBcc: dave@x\r\n\r\ntext",
      { subject: "the signed one" },
    ),
  );
  assert(item.opened);
  const lines = headerLines(item.opened, []).join("\n");
  assertEquals(lines.split("\n")[0], "From: mallory");
  assert(lines.includes("Subject: the signed one"));
  assert(!/alice|carol|dave|other|2001/.test(lines), lines);
  const shown = await read(world.clients.bob, item);
  assertEquals(shown.text.trim(), "text");
});

attack(
  "no name of an attachment leads out of its folder, or to something else there",
  async (world) => {
    const hostile = [
      "../../evil",
      "/etc/cron.d/evil",
      "C:\\\\Windows\\\\evil",
      "..\\\\..\\\\evil",
      "CON",
      "NUL.txt",
      "com1.tar.gz",
      `${"x".repeat(4096)}.txt`,
      ".bashrc",
      "-rf",
      "..",
      ".",
      " ",
      "same",
      "same",
      "~/evil",
      "a\x07b",
      "file.txt:stream",
      "server_public.pem",
      "../.sealpost/bob/pins",
    ];
    const encoded = [
      "filename*=utf-8''..%2F..%2Fevil",
      "filename*=utf-8''%00%0A%1B%5B2J",
      "filename*=utf-8''gpj.%E2%80%AEexe",
      'filename="=?utf-8?B?Li4vLi4vZXZpbA==?="',
      "filename*0=../; filename*1=../evil",
    ];
    const parts = [...hostile.map((name) => `filename="${name}"`), ...encoded];
    const item = await toBob(
      world,
      await made(multipart(...parts.map((part) => attachment(part)))),
    );
    assert(item.opened);
    const root = join(world.dir, "saving");
    const files = join(root, "bob", "files");
    await Deno.mkdir(files, { recursive: true });
    const message = await world.clients.bob.mail.fetch(item.opened);
    let paths: string[];
    try {
      paths = await saveAttachments(message, files);
    } finally {
      await message.dispose();
    }
    assertEquals(paths.length, parts.length);
    const saved = [...Deno.readDirSync(files)];
    assertEquals(saved.length, parts.length);
    for (const { name, isFile } of saved) {
      assert(isFile && name === safeName(name) && !RAW.test(name), name);
      assert(!/^[.\-~]/.test(name) && name.length <= 220, name);
    }
    assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["bob"]);
    assertEquals([...Deno.readDirSync(join(root, "bob"))].map(({ name }) => name), ["files"]);
    const shown = await read(world.clients.bob, item);
    for (const { name } of shown.attachments) assert(!RAW.test(name), name);
  },
);

attack("a message that asks for too much is refused as a whole", async (world) => {
  const { header, depth, parts } = PARSE_LIMITS;
  const nested = (levels: number) =>
    Array.from({ length: levels }, (_, i) => {
      return `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`;
    }).join("");
  const wide = multipart(
    ...new Array<string>(100_000).fill("Content-Disposition: attachment\r\n\r\n"),
  );
  const many = Array.from({ length: 40 }, (_, i) => `X-${i}: ${"y".repeat(60_000)}\r\n\r\n`);
  const refused: [string, string][] = [
    [`a few levels more than ${depth}`, nested(depth + 5)],
    ["5,000 levels", nested(5000)],
    [`100,000 parts, ${parts} are read`, wide],
    [`a header of 1 MiB, ${header} bytes are read`, `X: ${"y".repeat(1024 * 1024)}\r\n\r\n`],
    ["a header of 20,000 lines", `${"X: y\r\n".repeat(20_000)}\r\n`],
    ["headers of 2.4 MB in all", multipart(...many)],
  ];
  for (const [what, message] of refused) {
    const item = await toBob(world, await made(message, { subject: what }));
    assertEquals(item.opened?.summary.subject, what);
    const error = await assertRejects(
      () => read(world.clients.bob, item),
      SealpostError,
      undefined,
    );
    assertEquals(error.code, "limit", what);
  }
});

attack(
  "a summary that names too many, or says too much, never arrives or never opens",
  async (world) => {
    const { clients } = world;
    const mallory = await identityOf("mallory");
    const fp = toBase64(mallory.bundle.fp);
    const { bundle } = await identityOf("bob");
    const crafted = async (json: string, size: number) => {
      const parts = await made("x");
      const padded = padTo(lp(utf8(json)), size);
      const hash = await sha256(padded);
      const signature = await sign(
        mallory.ed25519Key,
        concat(utf8("sealpost/1 summary"), lp(parts.header), hash),
      );
      const key = await partKey(parts.fileKey, "summary", parts.header);
      const summary = await aesSeal(key, new Uint8Array(12), concat(padded, signature));
      return { ...parts, summary };
    };
    const base = summaryOf(mallory, 1, { from: { name: "mallory", fp }, subject: "a title" });
    const people = (n: number) => Array.from({ length: n }, (_, i) => ({ name: `u${i}`, fp }));
    const thousands = JSON.stringify({ ...base, to: people(10_000) });
    const parts = await crafted(thousands, thousands.length + 4);
    await assertRejects(
      () => deliver(clients.mallory.link, parts, [{ name: "bob", bundle }]),
      SealpostError,
      "a summary of",
    );
    const problems: [Record<string, unknown>, string][] = [
      [{ to: people(400) }, 'a malformed "to"'],
      [{ subject: "x".repeat(101) }, 'a malformed "subject"'],
      [{ size: -1 }, 'a malformed "size"'],
      [{ date: "today" }, 'a malformed "date"'],
      [{ more: "\x1b[2J" }, 'a malformed "more"'],
      [{ from: { name: "../x", fp } }, 'a malformed "from.name"'],
      [{ "\u202e": 1 }, "a malformed object"],
    ];
    for (const [change, problem] of problems) {
      const json = JSON.stringify({ ...base, ...change });
      const bucket = [1024, 4096, 16_384, 32_768].find((size) => size >= json.length + 8) ?? 0;
      assertEquals((await toBob(world, await crafted(json, bucket))).problem, problem);
    }
    const deep = `${"[".repeat(15_000)}${"]".repeat(15_000)}`;
    assert((await toBob(world, await crafted(deep, 32_768))).problem?.startsWith("a malformed"));
  },
);

attack("messages of other programs are shown, or the way to see them is named", async (world) => {
  const { bob } = world.clients;
  const cases = new URL("../client/message/cases/", import.meta.url);
  const shown = async (name: string) =>
    await read(bob, await toBob(world, await made(await Deno.readFile(new URL(name, cases)))));
  const headless = await shown("07-no-header-at-all.eml");
  assertEquals(headless.text, "Just a text without any header.\nSecond line.\n");
  assertEquals(headless.notes, []);
  const raw = await shown("08-multipart-without-boundary.eml");
  assertEquals(raw.text, "This is the whole text of the message.\n");
  assertStringIncludes(raw.notes.join(), "`read --raw`");
  const refused = await assertRejects(() => shown("23-header-over-64k.eml"), SealpostError);
  assertEquals(refused.code, "limit");
  assertStringIncludes(refused.message, "`read --raw`");
});

attack("text and attachments of every strange form are shown safely", async (world) => {
  const { bob } = world.clients;
  const shown = async (message: string | Bytes) =>
    await read(bob, await toBob(world, await made(message)));
  // One line of base64 of 4 MB.
  const line = toBase64(new Uint8Array(3_000_000).fill(65));
  const long = await toBob(
    world,
    await made(multipart(
      `Content-Type: application/x-a; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n${line}`,
    )),
  );
  assertEquals((await read(bob, long)).attachments[0]?.size, 3_000_000);
  // More text than is shown.
  const flood = await shown(plain("z".repeat(PARSE_LIMITS.text + 10)));
  assertEquals([flood.text.length, flood.truncated], [PARSE_LIMITS.text, true]);
  assertEquals(
    (await shown(plain("a\x1b[2Jb\x07\u202ec\u009bd"))).text,
    "a\\x1b[2Jb\\x07\\u202ec\\x9bd",
  );
  for (const charset of ["no-such-charset", "utf-7", "x-user-defined", "utf-16le", "\x1b[2J"]) {
    const { text } = await shown(
      `Content-Type: text/plain; charset="${charset}"\r\n\r\nplain text`,
    );
    assert(!RAW.test(text), charset);
  }
  const broken = await shown(
    concat(utf8(plain("")), new Uint8Array([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80])),
  );
  assertEquals(/^\ufffd+$/.test(broken.text), true);
  for (
    const empty of ["", "\r\n", "\r\n\r\n", "--\r\n", multipart(), "Content-Type: ;;;\r\n\r\n"]
  ) {
    assert(!RAW.test((await shown(empty)).text));
  }
  const nothing = await toBob(world, await made("", { subject: "" }));
  assertEquals(listingLine(nothing).subject.endsWith("(no subject)"), true);
});

attack("HTML is shown as text, and nothing that it names is fetched", async (world) => {
  const trap = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let visitors = 0;
  const watching = (async () => {
    for await (const visitor of trap) {
      visitors++;
      visitor.close();
    }
  })();
  const url = `http://127.0.0.1:${trap.addr.port}`;
  const html = `<html><head><script>fetch("${url}")</script><link rel=stylesheet href="${url}/s">` +
    `<style>@import "${url}"</style></head><body onload="fetch('${url}')"><img src="${url}/i">` +
    `<iframe src="${url}/f"></iframe><p>Hello&#27;[2J&#x202e;</p><!-- hidden --></body></html>`;
  const item = await toBob(world, await made(`Content-Type: text/html\r\n\r\n${html}`));
  const { text } = await read(world.clients.bob, item);
  assert(text.includes("Hello"), text);
  assert(!/fetch|script|import|hidden/.test(text) && !RAW.test(text), text);
  trap.close();
  await watching;
  assertEquals(visitors, 0);
});

attack("a date from another time is shown with the arrival, in every form", async (world) => {
  for (const date of [0, 1, 4_102_444_800_000, 8.64e15, 8.64e15 + 1, Number.MAX_SAFE_INTEGER]) {
    const item = await toBob(world, await made("x", { date }));
    assert(item.opened);
    assert(dateLine(item.opened).includes("(arrived 2"), dateLine(item.opened));
    assertEquals(isoTime(date) === null, date > 8.64e15);
  }
});

attack("a title is one line, and what it holds is spelled out", async (world) => {
  const subject = "x\r\nFrom: alice\n\x1b]0;owned\x07\u202etxt.exe\u2028\ud800";
  const item = await toBob(world, await made("x", { subject }));
  const { subject: title } = listingLine(item);
  assert(!RAW.test(title) && !title.includes("\n"), title);
  assert(item.opened);
  for (const line of headerLines(item.opened, [])) assert(!RAW.test(line) && !line.includes("\n"));
  // And it makes no header in an answer.
  const { bob, mallory } = world.clients;
  await bob.mail.send({
    to: ["mallory"],
    subject: subject.toWellFormed(),
    text: "answer",
    attachments: [],
    answers: item.opened,
  });
  const [answer] = await inbox(mallory);
  assert(answer?.opened);
  const message = await mallory.mail.fetch(answer.opened);
  let raw = "";
  for await (const piece of message.stream()) raw += new TextDecoder().decode(piece);
  await message.dispose();
  assertEquals(raw.match(/^From: .*$/gm), ["From: bob@sealpost.invalid"]);
});

attack("what the summary says of attachments is not what is shown of them", async (world) => {
  const attachments = [{ name: "\x1b[2Jsmall.txt", size: 1 }, { name: "../x", size: 0 }];
  const message = multipart(plain("text"), attachment('filename="large.bin"', "y".repeat(5000)));
  const item = await toBob(world, await made(message, { attachments, attachmentCount: 99 }));
  const { attachments: there } = await read(world.clients.bob, item);
  assertEquals(there.map(({ name, size }) => [name, size]), [["large.bin", 5000]]);
  assert(!RAW.test(listingLine(item).subject));
});

attack("an id that another used before does not take its place", async (world) => {
  const { alice, bob } = world.clients;
  const { findMessage } = await import("../../client/mailbox/message_ids.ts");
  const { id } = await alice.mail.send({
    to: ["bob", "mallory"],
    subject: "the first",
    text: "x",
    attachments: [],
  });
  const [first] = await inbox(bob);
  assert(first?.opened);
  const mallory = await identityOf("mallory");
  const bundle = (await identityOf("bob")).bundle;
  const fileKey = random(FILE_KEY_SIZE);
  const header = encodeHeader({
    id: first.opened.id,
    senderFp: mallory.bundle.fp,
    commitment: await commit(fileKey),
  });
  const { sealSummary } = await import("../../protocol/summary.ts");
  const from = { name: "mallory", fp: toBase64(mallory.bundle.fp) };
  const sealed = await sealSummary(summaryOf(mallory, 0, { from }), fileKey, header, mallory);
  const chunks: Bytes[] = [];
  const context = { fileKey, header, summaryHash: sealed.hash };
  const none = (async function* (): AsyncGenerator<Bytes> {})();
  for await (const chunk of sealBody(context, mallory, 0, none)) chunks.push(chunk);
  const stanzas = [await sealStanza(bundle, fileKey, header, mallory)];
  const item = await toBob(world, { header, stanzas, summary: sealed.box, chunks });
  assertEquals(listingLine(item).from, "mallory");
  assertEquals(findMessage(bob.mail.cache, id), first.entry.uid);
});
