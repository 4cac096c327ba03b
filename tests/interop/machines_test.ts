// The client for Node.js, written from docs/PROTOCOL.md alone, as a machine of somebody who has ours.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { random, toHex } from "../../crypto/bytes.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { entropyOf, wordsOf } from "../../crypto/words.ts";
import { loadBundle } from "../../files/key_files.ts";
import { testInFullUnless } from "../support/full.ts";
import { comparedIn, Place, wordsIn } from "../support/machines.ts";
import { ok } from "../support/outcomes.ts";
import { passwordOf, run } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";
import { install, missing as missingNode, NodeClient } from "./node.ts";

const missing = missingNode ?? await whyNoTmux();

interface Listing {
  readonly entries: readonly { readonly subject: string }[];
}

testInFullUnless(missing, "the Node client links ours", async (t) => {
  await using node = await install();
  await using place = await Place.make("alice", "bob");
  ok(await place.run("bob", "bob", "status"));
  const { address } = place.server;
  await using first = NodeClient.start(node.dir);
  await first.call("load", { dir: join(place.dir, "alice"), name: "alice", address });
  await first.call("logIn", { password: passwordOf("alice") });
  await first.call("send", { to: ["bob", "alice"], subject: "from Node", text: "hello" });
  /** Begins to link the folder `folder`; the screen of the second machine, which waits. */
  const begin = async (folder: string, code: Uint8Array<ArrayBuffer>) => {
    await Deno.mkdir(join(place.dir, folder), { mode: 0o700, recursive: true });
    await first.call("openLink", { code: toHex(code) });
    const screen = await place.screen(
      folder,
      null,
      ...["setup", "--device", "--device-name", folder, "--server", address],
    );
    await screen.converse([[">", wordsOf(code).join(" ")]]);
    const compared = comparedIn(await screen.see("yes if it shows"));
    const { device, numbers } = await first.call<{ device: string; numbers: number[] }>(
      "postOfLink",
    );
    assertEquals([device, numbers.map((number) => wordlist[number]).join(" ")], [folder, compared]);
    return screen;
  };

  await t.step("a no of its person ends the link", async () => {
    const code = random(16);
    await using screen = await begin("tablet", code);
    await first.call("answerLink", { code: toHex(code), same: false });
    await screen.ended();
    assertStringIncludes(await screen.text(), "the other machine said no, or has gone");
  });

  await t.step("the second machine has the keys and all mail, and both go on", async () => {
    const code = random(16);
    await using screen = await begin("laptop", code);
    await first.call("answerLink", { code: toHex(code), same: true });
    await screen.converse([
      ["Enter for this folder):", ""],
      ["Your password, or a new one from the server's operator:", passwordOf("alice")],
    ]);
    assertEquals((await screen.ended()).code, 0, await screen.text());
    const text = await screen.text();
    assertStringIncludes(text, "This machine has your keys, and all your mail is here.");
    assertStringIncludes(ok(await place.run("laptop", "alice", "inbox")), "from Node");
    ok(await place.run("laptop", "alice", ...["send", "-t", "alice", "-s", "from ours"]));
    const { entries } = await first.call<Listing>("list", { folder: "inbox" });
    assertEquals(entries.map(({ subject }) => subject), ["from ours", "from Node"]);
  });

  await t.step(
    "a machine that is linked later gets what ours has put into the record",
    async () => {
      const made = ["folders", "make", "work"];
      ok(await place.run("laptop", "alice", ...made));
      const code = random(16);
      await using screen = await begin("desk", code);
      await first.call("answerLink", { code: toHex(code), same: true });
      await screen.converse([
        ["Enter for this folder):", ""],
        ["Your password, or a new one from the server's operator:", passwordOf("alice")],
      ]);
      assertEquals((await screen.ended()).code, 0, await screen.text());
      assertStringIncludes(ok(await place.run("desk", "alice", "folders", "list")), "work");
      await first.call("close");
    },
  );
});

testInFullUnless(missing, "the Node client is linked, and opens a kit", async (t) => {
  await using node = await install();
  await using place = await Place.make("alice");
  ok(await place.run("alice", "alice", ...["send", "-t", "alice", "-s", "to keep"]));
  const { fp } = await loadBundle(join(place.dir, "alice", "alice_public.pem"));
  const alice = { name: "alice", fingerprint: formatFingerprint(fp) };
  const { address } = place.server;

  await t.step("by twelve words, of which it knows the code, and four to compare", async () => {
    await using first = await place.screen("alice", "alice", "devices", "add");
    const words = wordsIn(await first.see("Waiting for the other machine")).join(" ");
    const code = toHex(entropyOf(words, 12));
    await using second = NodeClient.start(node.dir);
    const numbers = await second.call<number[]>("beginLink", { address, code, device: "node" });
    const compared = comparedIn(await first.see("six words? (y/N)"));
    assertEquals(numbers.map((number) => wordlist[number]).join(" "), compared);
    await first.enter("y");
    assertEquals((await first.ended()).code, 0, await first.text());
    assertStringIncludes(await first.text(), "node has your keys now");
    assertEquals(await second.call("endLink"), alice);
    await second.call("logIn", { password: passwordOf("alice") });
    const { entries } = await second.call<Listing>("list", { folder: "inbox" });
    assertEquals(entries.map(({ subject }) => subject), ["to keep"]);
    await second.call("close");
    await second.call("beginLink", { address, code, device: "node" });
    assertEquals(await second.codeOf("endLink"), "no-such-message");
  });

  await t.step("it is told when the first machine says no", async () => {
    await using first = await place.screen("alice", "alice", "devices", "add");
    const words = wordsIn(await first.see("Waiting for the other machine")).join(" ");
    const code = toHex(entropyOf(words, 12));
    await using second = NodeClient.start(node.dir);
    await second.call("beginLink", { address, code, device: "node" });
    await first.see("six words? (y/N)");
    await first.enter("n");
    assertEquals(await second.codeOf("endLink"), "cancelled");
  });

  await t.step("by the twenty-four words of a kit", async () => {
    await using screen = await place.screen("alice", "alice", "recovery", "make");
    const words = wordsIn(await screen.see("on paper, all 24? (y/N)")).join(" ");
    await screen.enter("y");
    assertEquals((await screen.ended()).code, 0);
    await using other = NodeClient.start(node.dir);
    const code = toHex(entropyOf(words, 24));
    assertEquals(await other.call("recover", { address, code }), alice);
    await other.call("logIn", { password: passwordOf("alice") });
    assertEquals((await other.call<Listing>("list", { folder: "inbox" })).entries.length, 1);
    await other.call("close");
  });

  await t.step("by a kit from before the server got a new key, which it follows", async () => {
    await using screen = await place.screen("alice", "alice", "recovery", "make");
    await screen.see("Make a new one in its place? (y/N)");
    await screen.enter("y");
    const words = wordsIn(await screen.see("on paper, all 24? (y/N)")).join(" ");
    await screen.enter("y");
    assertEquals((await screen.ended()).code, 0);
    await place.whileDown(async () => {
      ok(await run(["keygen", "server", "--rotate", "--bits", "2048"], { cwd: place.dir }));
    });
    const { fp } = await loadBundle(join(place.dir, "server", "server_public.pem"));
    await using other = NodeClient.start(node.dir);
    const code = toHex(entropyOf(words, 24));
    assertEquals(await other.call("recover", { address, code }), alice);
    const password = passwordOf("alice");
    assertEquals(await other.codeOf("logIn", { password }), "server-identity");
    assertEquals(await other.call("follow", { password }), { fingerprint: formatFingerprint(fp) });
    assertEquals((await other.call<Listing>("list", { folder: "inbox" })).entries.length, 1);
    await other.call("close");
  });
});
