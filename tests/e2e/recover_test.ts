// `setup --recover` where more was lost than the machines: a new key of the server, a thief.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { formatFingerprint } from "../../crypto/identity.ts";
import { loadBundle, publicKeyPath } from "../../files/key_files.ts";
import { formerServers } from "../../files/server_pin.ts";
import { parseInvitation } from "../../protocol/invitation.ts";
import { withControl } from "../support/control.ts";
import { testInFullUnless } from "../support/full.ts";
import { Place, wordsIn } from "../support/machines.ts";
import { ok } from "../support/outcomes.ts";
import { passwordOf, run } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

const PASSWORD = "Your password, or a new one from the server's operator:";

const STOLEN = "Which was stolen? (its name, all, or Enter for none)";

testInFullUnless(
  missing,
  "who comes back by a kit is asked for machines that were stolen, and those are kept out",
  async (t) => {
    await using place = await Place.make("alice", "bob");
    const next = "another password for alice";
    ok(await place.run("bob", "bob", "status"));
    ok(await place.run("alice", "alice", ...["send", "-t", "alice", "-s", "to keep"]));
    await place.link("alice", "laptop");
    ok(await place.run("laptop", "alice", "status"));
    const words = await place.kit("alice", "alice");
    let fresh = "";

    await t.step("killed at the question, setup asks it again", async () => {
      await using screen = await place.recover("new", words);
      await screen.converse([[PASSWORD, passwordOf("alice")]]);
      await screen.expect(STOLEN);
      await screen.kill();
      assertEquals((await screen.ended()).code, 137);
    });

    await t.step("new keys, a new password, and new words, which are offered", async () => {
      await using screen = await place.screen("new", null, "setup");
      await screen.converse([
        [STOLEN, "tablet"],
        [STOLEN, "laptop"],
        ["New password:", next],
        ["The same again:", next],
        ["Enter your password:", passwordOf("alice")],
        ["Write them down now? (y/N)", "y"],
      ]);
      fresh = wordsIn(await screen.see("on paper, all 24? (y/N)")).join(" ");
      await screen.enter("y");
      assertEquals((await screen.ended()).code, 0, await screen.text());
      const text = await screen.text();
      assertStringIncludes(text, "None of them is called so.");
      assertMatch(text, /^ {2}laptop: \d{4}-/m);
      assertStringIncludes(text, "laptop is removed.");
    });

    await t.step("the thief is out, the owner reads all, and the new words are right", async () => {
      ok(await place.run("bob", "bob", ...["send", "-t", "alice", "-s", "after the theft"]));
      for (const password of [passwordOf("alice"), next]) {
        const thief = await place.runWith(password, "laptop", "inbox");
        assert(thief.code !== 0 && !thief.stdout.includes("after the theft"), thief.stdout);
      }
      const inbox = ok(await place.runWith(next, "new", "inbox"));
      for (const subject of ["to keep", "after the theft"]) assertStringIncludes(inbox, subject);
      const status = ok(await place.runWith(next, "new", "status"));
      assertStringIncludes(status, "Your recovery kit is of");
      await using screen = await place.screen("new", null, "recovery", "check");
      await screen.converse([[">", fresh]]);
      assertEquals((await screen.ended()).code, 0, await screen.text());
      await using old = await place.screen("new", null, "recovery", "check");
      await old.converse([[">", words]]);
      await old.ended();
      assertStringIncludes(await old.text(), "the server knows nothing by these words");
    });

    await t.step("a plain setup asks it no more", async () => {
      const said = ok(await place.runWith(next, "new", "setup"));
      assert(!said.includes("stolen"), said);
    });
  },
);

testInFullUnless(
  missing,
  "where the password burnt with the house, the operator's one-time password takes its place",
  async () => {
    await using place = await Place.make("alice");
    ok(await place.run("alice", "alice", ...["send", "-t", "alice", "-s", "to keep"]));
    const words = await place.kit("alice", "alice");
    await Deno.remove(join(place.dir, "alice"), { recursive: true });
    const { address } = place.server;
    const operate = (args: string[]) =>
      run(args, { cwd: place.dir, build: withControl(place.dir) });
    const passwd = ["user", "passwd", "alice", "--invite", "--address", address];
    let password = "";
    await place.whileDown(async () => {
      password = parseInvitation(ok(await operate(passwd))).password;
    });
    const own = "what alice chose after the fire";
    await using screen = await place.recover("new", words);
    await screen.converse([
      [PASSWORD, password],
      ["New password:", own],
      ["The same again:", own],
      [STOLEN, ""],
    ]);
    assertEquals((await screen.ended()).code, 0, await screen.text());
    assertStringIncludes(ok(await place.runWith(own, "new", "inbox")), "to keep");
    ok(await place.runWith(own, "new", ...["send", "-t", "alice", "-s", "from the new house"]));
    assertStringIncludes(ok(await place.runWith(own, "new", "inbox")), "from the new house");
  },
);

testInFullUnless(
  missing,
  "a kit from before a new key of the server follows the certificate, or has the person compare",
  async (t) => {
    await using place = await Place.make("alice");
    ok(await place.run("alice", "alice", ...["send", "-t", "alice", "-s", "to keep"]));
    const words = await place.kit("alice", "alice");
    const keyOf = (folder: string) => loadBundle(publicKeyPath(join(place.dir, folder), "server"));
    const keygen = (...args: string[]) =>
      run(["keygen", "server", "--bits", "2048", ...args], { cwd: place.dir });
    const before = await keyOf("server");

    await t.step(
      "one that the former key has signed is followed, and nobody compares",
      async () => {
        await place.whileDown(async () => ok(await keygen("--rotate")));
        await using screen = await place.recover("new", words);
        await screen.converse([[PASSWORD, passwordOf("alice")], [STOLEN, ""]]);
        assertEquals((await screen.ended()).code, 0, await screen.text());
        const text = await screen.text();
        assertStringIncludes(text, "The server has another key by now than your machines knew.");
        const now = await keyOf("server");
        assertStringIncludes(text.replaceAll("\n", ""), formatFingerprint(now.fp));
        assert(!text.includes("Is it the same?"), text);
        assertEquals((await keyOf("new")).fp, now.fp);
        const former = await formerServers(join(place.dir, "new"));
        assertEquals(former.map(({ fp }) => fp), [before.fp]);
        assertStringIncludes(ok(await place.run("new", "alice", "inbox")), "to keep");
      },
    );

    await t.step("a key that followed on none is compared before anything is sent", async () => {
      await place.whileDown(async () => ok(await keygen("--force")));
      const now = formatFingerprint((await keyOf("server")).fp);
      {
        await using screen = await place.recover("other", words);
        await screen.converse([[PASSWORD, passwordOf("alice")], ["paste the one you have)", "no"]]);
        assertEquals((await screen.ended()).code, 130, await screen.text());
        assertStringIncludes(await screen.text(), "the server's key was not accepted");
        assertEquals((await keyOf("other")).fp, before.fp);
      }
      await using screen = await place.recover("other", words);
      await screen.converse([
        [PASSWORD, passwordOf("alice")],
        ["paste the one you have)", now],
        [PASSWORD, passwordOf("alice")],
        [STOLEN, ""],
      ]);
      assertEquals((await screen.ended()).code, 0, await screen.text());
      assertStringIncludes(ok(await place.run("other", "alice", "inbox")), "to keep");
      assertEquals((await keyOf("other")).fp, (await keyOf("server")).fp);
    });
  },
);
