// A client for Node.js, written from docs/PROTOCOL.md alone, against the server and with our client.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { toBase64, toHex } from "../../crypto/bytes.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { loadBundle } from "../../files/key_files.ts";
import { flip } from "../support/testing.ts";
import { stepInFull, testInFullUnless } from "../support/full.ts";
import {
  CHOICE,
  ended,
  Group,
  inboxIn,
  reading,
  sending,
  SENT,
  textsIn,
} from "../support/group.ts";
import { passwordOf, ROOT, run } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";
import { install, missing, missingOpenssl, NodeClient, source, sources } from "./node.ts";

const PASSPHRASE = "Schlüssel für Nora";
const ATTACHMENT = "Übersicht – 日本語 (1).bin";
const TITLE = "Grüße aus Node 🙂 日本語";
const TEXT = [
  "Grüße, Ελληνικά, 日本語, 🙂",
  "",
  " a line that begins and ends with a blank ",
  "=3D --boundary",
  "x".repeat(3000),
  "the last line",
].join("\n");

/** An entry as driver.mjs lists it. */
interface Listed {
  readonly uid: number;
  readonly folder: string;
  readonly flags: string[];
  readonly bodySize: number;
  readonly from: string;
  readonly to: string[];
  readonly cc: string[];
  readonly subject: string;
  readonly attachments: { readonly name: string; readonly size: number }[];
}

/** A mailbox as driver.mjs lists it. */
interface Listing {
  readonly epoch: string;
  readonly nextUid: number;
  readonly entries: Listed[];
}

/** A message as driver.mjs fetches it; attachments in base64. */
interface Fetched {
  readonly subject: string;
  readonly text: string;
  readonly attachments: { readonly name: string; readonly content: string }[];
}

function bytes(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, i) => (i * 2654435761) >>> 24);
}

/** Nora's keys, encrypted, of another size than everybody else's. */
async function makeNora(group: Group): Promise<void> {
  const { code, stderr } = await run(["keygen", "nora", "--bits", "3072", "--passphrase"], {
    cwd: group.dir,
    env: { SEALPOST_PASSPHRASE: PASSPHRASE },
  });
  assertEquals(code, 0, stderr);
}

/** What is imported; the word itself may stand in quotes elsewhere. */
const IMPORTS = /(?<!["'\w])(?:from|import|require)\s*\(?\s*["']([^"']+)["']/g;

Deno.test("the Node client imports nothing but Node, ML-KEM and itself", async () => {
  const names = await sources();
  assert(names.length > 10, "its files were found");
  for (const name of names) {
    const text = await source(name);
    const imports = [...text.matchAll(IMPORTS)];
    for (const [, specifier = ""] of imports) {
      const allowed = specifier.startsWith("node:") ||
        names.includes(specifier.slice(2)) ||
        specifier === "@noble/post-quantum/ml-kem.js";
      assert(allowed, `${name} imports ${specifier}`);
    }
  }
});

testInFullUnless(missing, "the Node client and ours write to each other", async (t) => {
  await using node = await install();
  await using group = await Group.start(["alice", "bob"], { others: ["nora", "otto"] });
  await Promise.all([group.bind("alice", "bob"), makeNora(group)]);
  await using nora = NodeClient.start(node.dir);
  const keys = { dir: group.path("nora"), name: "nora", address: group.server.address };

  await t.step("it opens its encrypted key file, with the right passphrase only", async () => {
    assertEquals(await nora.codeOf("load", keys), "passphrase");
    assertEquals(await nora.codeOf("load", { ...keys, passphrase: "another" }), "passphrase");
    const { fingerprint } = await nora.call<{ fingerprint: string }>(
      "load",
      {
        ...keys,
        passphrase: PASSPHRASE,
      },
    );
    assertMatch(fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
  });

  await t.step("it is given the server's bundle when it asks", async () => {
    const shown = await nora.call<{ fingerprint: string }>("askForBundle");
    assertStringIncludes(group.log + group.server.program.stdout, shown.fingerprint);
  });

  await t.step("it tells a server with another key, before it has said who it is", async () => {
    const pinned = group.path("pinned");
    await Deno.mkdir(pinned);
    for (const other of ["alice/alice_public.pem", "nora/nora_public.pem"]) {
      await Deno.copyFile(group.path(other), join(pinned, "server_public.pem"));
      await nora.call("pin", { dir: pinned });
      const password = passwordOf("nora");
      assertEquals(await nora.codeOf("logIn", { password }), "server-identity");
    }
    assert(!group.log.includes("nora"), group.log);
    await nora.call("pin", { dir: group.path("nora") });
  });

  await t.step("it is refused with a wrong password, and logs in with the right one", async () => {
    assertEquals(await nora.codeOf("logIn", { password: "wrong" }), "login-refused");
    const hello = await nora.call<Record<string, unknown>>("logIn", {
      password: passwordOf("nora"),
    });
    assertEquals([hello.maxMessage, hello.maxRecipients], [104_857_600, 100]);
    assertStringIncludes(group.log, "nora");
    const me = await nora.call<Record<string, unknown>>("whoami");
    assertEquals([me.name, me.nextUid, me.entries, me.unseen], ["nora", 1, 0, 0]);
  });

  await t.step("it asks for keys", async () => {
    const found = await nora.call<{ state: string; name: string }[]>("keys", {
      names: ["alice", "otto", "zoe"],
    });
    assertEquals(found.map(({ name, state }) => `${name} ${state}`), [
      "alice bound",
      "otto no-key",
      "zoe unknown",
    ]);
    const draft = { subject: "x", text: "x" };
    assertEquals(await nora.codeOf("send", { ...draft, to: ["otto"] }), "no-key");
    assertEquals(await nora.codeOf("send", { ...draft, to: ["zoe"] }), "no-such-user");
  });

  await t.step("our client reads what it sends, with an attachment of 200 KB", async () => {
    const content = bytes(200_003);
    const path = group.path("attachment");
    await Deno.writeFile(path, content);
    const sent = await nora.call<{ again: boolean; size: number }>("send", {
      ...{ to: ["alice"], cc: ["bob"], subject: TITLE, text: TEXT },
      files: [{ name: ATTACHMENT, path }],
    });
    assertEquals(sent.again, false);
    assert(sent.size > 4 * 65_536, "the body has several chunks");

    const { stdout } = await group.talk("alice", [[CHOICE, "2"], ...reading(1), ["(Y/N) ", "Y"]]);
    const [row] = inboxIn(stdout);
    assertEquals([row?.from, row?.title], [
      "nora",
      `[new] ${TITLE} [1 attached]`,
    ]);
    assertEquals(textsIn(stdout), [TEXT]);
    assertEquals(await Deno.readFile(group.path("alice", "files", ATTACHMENT)), content);
  });

  await t.step("the same bytes are delivered once, other bytes under that id never", async () => {
    const again = await nora.call<{ again: boolean }>("sendAgain");
    assertEquals(again.again, true);
    assertEquals(await nora.codeOf("sendAgain", { changed: true }), "id-conflict");
    assertEquals(inboxIn((await group.talk("alice", [[CHOICE, "2"]])).stdout).length, 1);
  });

  await t.step("it reads what our client sends, byte for byte", async () => {
    const content = bytes(190_001);
    await Deno.writeFile(group.path("alice", "files", ATTACHMENT), content);
    const { stdout } = await group.talk(
      "alice",
      sending({ to: "nora", title: TITLE, contents: { typed: TEXT }, attach: [ATTACHMENT] }),
    );
    assertStringIncludes(stdout, SENT);
    const { entries, nextUid } = await nora.call<Listing>("list", { folder: "inbox" });
    assertEquals([entries.length, nextUid], [1, 3]);
    const [entry] = entries;
    assert(entry !== undefined);
    assertEquals(
      [entry.uid, entry.from, entry.to, entry.subject, entry.flags],
      [2, "alice", ["nora"], TITLE, []],
    );
    assertEquals(entry.attachments, [{ name: ATTACHMENT, size: content.length }]);
    const { subject, text, attachments } = await nora.call<Fetched>("fetch", { uid: entry.uid });
    assertEquals([subject, text.replace(/\n$/, "")], [TITLE, TEXT]);
    assertEquals(attachments, [{ name: ATTACHMENT, content: toBase64(content) }]);
    assertEquals(
      await nora.call("fetchEnd", { uid: entry.uid, offset: entry.bodySize - 70_000 }),
      { size: 70_000, same: true },
    );
  });

  await t.step("it was told of the mail that came, its own copy included", async () => {
    const told = [
      { event: "mail", uid: 1, folder: "sent", number: 1, modseq: 1 },
      { event: "mail", uid: 2, folder: "inbox", number: 1, modseq: 2 },
    ];
    const mail = () => nora.call<unknown[]>("mail");
    await waitFor("both events", async () => (await mail()).length >= told.length || null);
    assertEquals(await mail(), told);
  });

  await t.step("it keeps its own copy with the blind copies, which nobody else sees", async () => {
    await nora.call("send", { to: ["alice"], bcc: ["bob"], subject: "quiet", text: "" });
    const { entries } = await nora.call<Listing>("list", { folder: "sent", order: "newest" });
    assertEquals(entries.map(({ subject, flags }) => [subject, flags]), [
      ["quiet", ["seen"]],
      [TITLE, ["seen"]],
    ]);
    assertEquals(entries[0]?.to, ["alice"]);
    assertEquals(await nora.call("note", { uid: entries[0]?.uid }), ["bob"]);
    const { stdout } = await group.talk("bob", [[CHOICE, "2"], ...reading(1)]);
    assertEquals(inboxIn(stdout)[0]?.title, "[new] quiet");
    assertEquals(textsIn(stdout), [""]);
  });

  await stepInFull(t, "messages of every kind of size come through, both ways", async () => {
    const client = group.connect("alice");
    // Around the smallest body, and around one chunk.
    for (const size of [1, 3700, 4300, 64_800, 66_500, 131_000]) {
      const typed = "0123456789abcde\n".repeat(Math.ceil(size / 16)).slice(0, size).trimEnd();
      await client.converse(
        sending({ to: "nora", title: `size ${size}`, contents: { typed } }),
      );
      await client.expect(SENT);
      const { entries } = await nora.call<Listing>("list", { folder: "inbox", limit: 1 });
      assertEquals(entries[0]?.subject, `size ${size}`);
      const { text } = await nora.call<Fetched>("fetch", { uid: entries[0]?.uid });
      assertEquals(text.replace(/\n$/, ""), typed);
      await nora.call("send", {
        to: ["alice"],
        subject: `back ${size}`,
        text: typed,
        copy: false,
      });
      await client.converse([[CHOICE, "2"], ...reading(1)]);
      await client.expect(typed);
    }
    await client.converse([[CHOICE, "4"]]);
    await ended(client, 0);
  });

  await t.step("it sets flags, moves and removes", async () => {
    const seen = { uids: [2, 9999], set: ["seen", "flagged"], clear: ["answered"] };
    assertEquals(await nora.call("flag", { ...seen, folder: "archive" }), [2]);
    const { entries } = await nora.call<Listing>("list", { folder: "archive" });
    assertEquals(entries.map(({ uid, flags }) => ({ uid, flags })), [
      { uid: 2, flags: ["seen", "flagged"] },
    ]);
    const brief = await nora.call<{ uid: number; empty: boolean }[]>(
      "listBrief",
      {
        ...{ after: 1, before: 3, order: "oldest", limit: 1 },
      },
    );
    assertEquals(brief.map(({ uid, empty }) => ({ uid, empty })), [{
      uid: 2,
      empty: true,
    }]);
    assertEquals(await nora.call("remove", { uids: [2, 9999] }), [2]);
    assertEquals(await nora.codeOf("fetch", { uid: 2 }), "no-such-message");
  });

  await t.step("it refuses a message of which any byte was changed", async () => {
    const typed = "sealed ".repeat(20_000);
    await group.talk("alice", sending({ to: "nora", title: "whole", contents: { typed } }));
    const { entries: [entry] } = await nora.call<Listing>("list", { folder: "inbox", limit: 1 });
    assertEquals(await nora.call("tamper", { uid: entry?.uid }), {
      "nothing": ["accepted"],
      "header: version": ["version"],
      "header: time of the id": ["authentication"],
      "header: version of the id": ["format"],
      "header: variant of the id": ["format"],
      "header: rest of the id": ["authentication"],
      "header: fingerprint": ["authentication"],
      "header: commitment": ["authentication"],
      "stanza: fingerprint": ["format"],
      "stanza: size of the RSA half": ["format"],
      "stanza: RSA half": ["authentication"],
      "stanza: ML-KEM half": ["authentication"],
      "stanza: box": ["authentication"],
      "summary": ["authentication"],
      "body: first chunk": ["authentication"],
      "body: last chunk": ["authentication"],
      "stanza: a byte less": ["format"],
      "summary: a byte less": ["format"],
      "body: a byte less, as the entry says": ["format"],
      "body: the last chunk is missing": ["format"],
      "body: its chunks change places": ["authentication"],
      "body: another size than the summary says": ["authentication"],
      "another key is pinned for the sender": ["key-changed"],
      "the signature is for another recipient": ["authentication"],
    });
  });

  const opensslStep = "openssl alone recovers the RSA half of a stanza";
  await t.step({
    name: missingOpenssl === null ? opensslStep : `${opensslStep} (not run: ${missingOpenssl})`,
    ignore: missingOpenssl !== null,
    fn: async () => {
      const { entries: [entry] } = await nora.call<Listing>("list", { folder: "inbox", limit: 1 });
      const dir = group.path("openssl");
      await Deno.mkdir(dir);
      const path = join(dir, "stanza");
      const { header } = await nora.call<{ header: string }>("saveStanza", {
        uid: entry?.uid,
        path,
      });
      await Deno.copyFile(group.path("nora", "nora_private.pem"), join(dir, "NAME_private.pem"));
      await opensslRecipe(dir, PASSPHRASE);
      const kRsa = await Deno.readFile(join(dir, "k_rsa"));
      assertEquals(kRsa.length, 32);
      // It is the half that, with that of ML-KEM, gives the key of the box; nothing else does.
      const kem = { path, header };
      assertEquals(await nora.call("completeKem", { ...kem, kRsa: toHex(kRsa) }), { size: 96 });
      const other = toHex(flip(kRsa, 31));
      assertEquals(await nora.codeOf("completeKem", { ...kem, kRsa: other }), "authentication");
    },
  });

  await t.step("it comes back with a ticket, once for each, and says goodbye", async () => {
    await nora.call("close");
    for (let i = 0; i < 2; i++) {
      const hello = await nora.call<Record<string, unknown>>("resume");
      assertEquals(hello.maxRecipients, 100);
      const me = await nora.call<Record<string, unknown>>("whoami");
      assertEquals(me.name, "nora");
      // The next ticket comes when the session has begun.
      await waitFor("a ticket", async () => await nora.call<number>("tickets") > 0 || null);
      await nora.call("close");
    }
    assertEquals(await nora.codeOf("resume", { used: true }), "connection-lost");
    await nora.call("logIn", { password: passwordOf("nora") });
    await nora.call("close");
  });

  await t.step("it changes its password, which kills the old one and its tickets", async () => {
    const [old, next] = [passwordOf("nora"), "a new password of Nora's"];
    await nora.call("logIn", { password: old });
    assertEquals(await nora.codeOf("passwd", { old: "wrong", next }), "login-refused");
    assertEquals(await nora.codeOf("passwd", { old, next: "short" }), "limit");
    assertEquals(await nora.codeOf("passwd", { old, next: old }), "limit");
    await nora.call("passwd", { old, next });
    // The session goes on; the ticket that came with it does not count any more.
    assertEquals((await nora.call<Record<string, unknown>>("whoami")).name, "nora");
    await nora.call("close");
    assertEquals(await nora.codeOf("resume"), "connection-lost");
    assertEquals(await nora.codeOf("logIn", { password: old }), "login-refused");
    await nora.call("logIn", { password: next });
    await nora.call("close");
  });

  await t.step("it follows the server to a new key, over one that it never saw", async () => {
    const password = "a new password of Nora's";
    await group.server.stop();
    for (let i = 0; i < 2; i++) {
      const rotation = ["keygen", "server", "--rotate", "--bits", "2048"];
      const { code, stderr } = await run(rotation, { cwd: group.dir });
      assertEquals(code, 0, stderr);
    }
    await group.restart();
    const now = { ...keys, address: group.server.address, passphrase: PASSPHRASE };
    await nora.call("load", now);
    assertEquals(await nora.codeOf("logIn", { password }), "server-identity");
    const { fp } = await loadBundle(group.path("server", "server_public.pem"));
    const followed = await nora.call<{ fingerprint: string }>("follow", { password });
    assertEquals(followed.fingerprint, formatFingerprint(fp));
    assertEquals((await nora.call<Record<string, unknown>>("whoami")).name, "nora");
    await nora.call("close");
    await nora.call("logIn", { password });
    await nora.call("close");
  });
});

/** Runs the commands of appendix A of docs/PROTOCOL.md, as they stand there, in `dir`. */
async function opensslRecipe(dir: string, passphrase: string): Promise<void> {
  const document = await Deno.readTextFile(join(ROOT, "docs", "PROTOCOL.md"));
  const [, commands = ""] = /## Appendix A\. .*?\n```sh\n(.*?)\n```\n/s.exec(document) ?? [];
  assertStringIncludes(commands, "openssl pkeyutl -decrypt");
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-ec", commands],
    cwd: dir,
    env: { PASSPHRASE: passphrase },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
}
