// Several machines of one person, at terminals.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { utf8 } from "../../crypto/bytes.ts";
import { identityToPem, isEncryptedPem, newIdentityFromPem } from "../../crypto/identity.ts";
import { testInFullUnless } from "../support/full.ts";
import { Place, wordsIn } from "../support/machines.ts";
import { ok } from "../support/outcomes.ts";
import { passwordOf } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

testInFullUnless(
  missing,
  "a second machine gets everything by twelve words, and both are listed",
  async (t) => {
    await using place = await Place.make("alice", "bob");
    ok(await place.run("bob", "bob", "status"));
    ok(await place.run("alice", "alice", ...["send", "-t", "bob", "-s", "from the first"]));

    await t.step("it is linked", async () => {
      const { first, second } = await place.link("alice", "laptop");
      assertStringIncludes(first, "laptop has your keys now");
      assertStringIncludes(second, "You are alice at");
      assertStringIncludes(second, "Your keys are in this folder now.");
      assertStringIncludes(second, "This machine has your keys, and all your mail is here.");
    });

    await t.step("it reads what the first one sent", async () => {
      const sent = ok(await place.run("laptop", "alice", "inbox", "--folder", "sent"));
      assertStringIncludes(sent, "from the first");
    });

    await t.step("both list both", async () => {
      const list = async (folder: string) =>
        JSON.parse(ok(await place.run(folder, "alice", "devices", "list", "--json")));
      const [own, other] = await list("alice");
      assertEquals([own.name, own.own, own.online], ["alice", true, true]);
      assertEquals([other.name, other.own, other.source], ["laptop", false, "127.0.0.1"]);
      const [laptop, first] = await list("laptop");
      assertEquals([laptop.id, first.id], [other.id, own.id]);
      assertMatch(
        ok(await place.run("laptop", "alice", "devices", "list")),
        /^\* laptop +this one, from 127\.0\.0\.1\n {2}alice +\d{4}-\d\d-\d\d \d\d:\d\d, from 127\.0\.0\.1\n$/,
      );
    });

    await t.step("and on the full screen", async () => {
      await using screen = await place.screen("laptop", "alice", "connect");
      await screen.see(/Inbox/);
      await screen.press("C");
      await screen.see("Contacts");
      await screen.press("D");
      const text = await screen.see("this one, from 127.0.0.1");
      assertMatch(text, /\* laptop +this one, from 127\.0\.0\.1/);
      assertMatch(await screen.see("You have no recovery kit"), / {3}alice +\d{4}-/);
      await screen.press("C-c");
      assertEquals((await screen.ended()).code, 0);
    });

    await t.step("after new keys it is linked again, in the same folder", async () => {
      const laptop = join(place.dir, "laptop");
      const before = await Deno.readTextFile(join(laptop, "alice_private.pem"));
      ok(await place.run("alice", "alice", "keys", "rotate", "--yes"));
      const refused = await place.run("laptop", "alice", "inbox");
      assertStringIncludes(refused.stderr, "setup --device");
      await place.link("alice", "laptop");
      const sent = ok(await place.run("laptop", "alice", "inbox", "--folder", "sent"));
      assertStringIncludes(sent, "from the first");
      const now = await Deno.readTextFile(join(laptop, "alice_private.pem"));
      assertEquals(now, await Deno.readTextFile(join(place.dir, "alice", "alice_private.pem")));
      const kept: string[] = [];
      for await (const { name } of Deno.readDir(laptop)) {
        if (/^alice_private\.[0-9a-f]{8}\.pem$/.test(name)) kept.push(join(laptop, name));
      }
      assertEquals(await Promise.all(kept.map((path) => Deno.readTextFile(path))), [before]);
    });
  },
);

testInFullUnless(
  missing,
  "a machine that is refused gets nothing, and the words are used up",
  async () => {
    await using place = await Place.make("alice");
    await Deno.mkdir(join(place.dir, "laptop"), { mode: 0o700 });
    await using first = await place.screen("alice", "alice", "devices", "add");
    const words = wordsIn(await first.see("Waiting for the other machine")).join(" ");
    const setup = [
      ...["setup", "--device", "--device-name", "laptop", "--server", place.server.address],
    ];
    {
      await using second = await place.screen("laptop", null, ...setup);
      await second.converse([[">", words]]);
      await first.see("six words? (y/N)");
      await first.enter("n");
      assertEquals((await first.ended()).code, 130);
      assertStringIncludes(await first.text(), "nothing was sent, and the words are of no use");
      await second.ended();
      assertStringIncludes(await second.text(), "the other machine said no, or has gone");
    }
    await using again = await place.screen("laptop", null, ...setup);
    await again.converse([[">", words]]);
    await again.ended();
    assertStringIncludes(await again.text(), "the server knows nothing by these words");
    assert(!await exists(join(place.dir, "laptop", "alice_private.pem")));
  },
);

testInFullUnless(
  missing,
  "the words of a kit bring everything back on a new machine",
  async (t) => {
    await using place = await Place.make("alice");
    ok(await place.run("alice", "alice", ...["send", "-t", "alice", "-s", "to keep"]));
    let words = "";

    await t.step("it is made", async () => {
      await using screen = await place.screen("alice", "alice", "recovery", "make");
      words = wordsIn(await screen.see("on paper, all 24? (y/N)")).join(" ");
      await screen.enter("y");
      assertEquals((await screen.ended()).code, 0);
      assertStringIncludes(
        ok(await place.run("alice", "alice", "status")),
        "Your recovery kit is of",
      );
    });

    await t.step("it follows when the keys change", async () => {
      ok(await place.run("alice", "alice", "keys", "rotate", "--yes"));
      assertStringIncludes(
        ok(await place.run("alice", "alice", "status")),
        "Your recovery kit is of",
      );
    });

    await t.step("it opens, and its owner learns that it was fetched", async () => {
      await Deno.writeTextFile(
        join(place.dir, "alice", "sealpost.toml"),
        '[[rules]]\nname = "one"\nif = "subject:bill"\nmove = "archive"\n',
        { append: true },
      );
      ok(await place.run("alice", "alice", "rules", "use"));
      await Deno.mkdir(join(place.dir, "new"), { mode: 0o700 });
      await using screen = await place.screen(
        "new",
        null,
        ...["setup", "--recover", "--device-name", "new", "--server", place.server.address],
      );
      await screen.converse([
        [">", words],
        ["Passphrase (Enter for none):", ""],
        ["Enter for this folder):", ""],
        ["Your password, or a new one from the server's operator:", passwordOf("alice")],
        ["Which was stolen? (its name, all, or Enter for none)", ""],
      ]);
      assertEquals((await screen.ended()).code, 0, await screen.text());
      assertStringIncludes(await screen.text(), "The kit is of alice, and was made on");
      assertStringIncludes(await screen.text(), "Your keys come from the kit");
      assert(!(await screen.text()).includes("made on this machine"));
      assertStringIncludes(await screen.text(), "From now on this machine runs your rules");
      assertMatch(
        ok(await place.run("new", "alice", "devices", "list")),
        /^\* new .*runs your rules$/m,
      );
      assertStringIncludes(ok(await place.run("new", "alice", "inbox")), "to keep");
      const inbox = () => place.run("alice", "alice", "inbox");
      assertStringIncludes((await inbox()).stderr, "It was fetched");
      assertEquals((await inbox()).stderr, "", "said once");
      assertStringIncludes(ok(await place.run("alice", "alice", "status")), "It was fetched");
    });

    await t.step("once it is removed, the words open nothing", async () => {
      ok(await place.run("new", "alice", "recovery", "remove"));
      await using screen = await place.screen("alice", "alice", "recovery", "check");
      await screen.converse([[">", words]]);
      await screen.ended();
      assertStringIncludes(await screen.text(), "the server knows nothing by these words");
      assertStringIncludes(
        ok(await place.run("alice", "alice", "status")),
        "You have no recovery kit",
      );
    });
  },
);

testInFullUnless(
  missing,
  "machines with one name are told apart, and one that is retired leaves the list",
  async (t) => {
    await using place = await Place.make("alice");
    ok(await place.run("alice", "alice", "status"));
    const list = async (): Promise<{ id: string; label: string; own: boolean }[]> =>
      JSON.parse(ok(await place.run("alice", "alice", "devices", "list", "--json")));
    const labels = async () => (await list()).map(({ label }) => label);

    await t.step("a machine that is linked takes no name that another has", async () => {
      const { second } = await place.link("alice", "laptop", "alice");
      assertStringIncludes(
        second,
        "Another of your machines is called alice: this one is alice-2.",
      );
      assertEquals(await labels(), ["alice", "alice-2"]);
    });

    await t.step("if two have one all the same, their ids tell them apart", async () => {
      ok(await place.run("laptop", "alice", "setup", "--device-name", "alice"));
      const both = await list();
      assertEquals(both.map(({ label }) => label), both.map(({ id }) => `alice-${id.slice(0, 8)}`));
      await using screen = await place.screen("alice", "alice", "devices", "remove", "alice");
      assertEquals((await screen.ended()).code, 64);
      const text = (await screen.text()).replaceAll("\n", "");
      for (const { label } of both) assertStringIncludes(text, label);
    });

    const key = join(place.dir, "alice", "alice_private.pem");
    const before = await Deno.readTextFile(key);
    await t.step("one that is retired leaves the list, and all else stays", async () => {
      const other = (await list()).find(({ own }) => !own)?.label ?? "";
      await using screen = await place.screen("alice", "alice", "devices", "remove", other);
      await screen.converse([["(lost, retired, or Enter)", "retired"]]);
      assertEquals((await screen.ended()).code, 0, await screen.text());
      assertEquals(await labels(), ["alice"]);
      assertEquals(await Deno.readTextFile(key), before);
    });

    await t.step("it stands there again if it comes back", async () => {
      ok(await place.run("laptop", "alice", "inbox"));
      assertEquals((await labels()).length, 2);
    });
  },
);

testInFullUnless(missing, "a machine that was stolen is removed from another one", async (t) => {
  await using place = await Place.make("alice", "bob");
  const next = "another password for alice";
  ok(await place.run("bob", "bob", "status"));
  ok(await place.run("alice", "alice", "status"));
  await place.link("alice", "laptop");
  const card = ok(await place.run("bob", "bob", "keys", "export"));
  await Deno.writeTextFile(join(place.dir, "laptop", "bob.txt"), card);
  ok(await place.run("laptop", "alice", "keys", "import", "bob.txt"));
  ok(await place.run("laptop", "alice", "inbox"));
  const bobAt = async (folder: string) => {
    const list = JSON.parse(ok(await place.run(folder, "alice", "keys", "list", "--json")));
    return list.find((one: { name: string }) => one.name === "bob")?.verified === true;
  };

  await t.step("what it verified is verified on the other", async () => {
    ok(await place.run("alice", "alice", "inbox"));
    assert(await bobAt("alice"), "bob is verified on both");
  });

  await t.step("it is removed, with new keys and a new password", async () => {
    await using screen = await place.screen("alice", "alice", "devices", "remove", "laptop");
    await screen.converse([
      ["(lost, retired, or Enter)", "lost"],
      ["New password:", next],
      ["The same again:", next],
      ["Write them down now? (y/N)", "n"],
    ]);
    assertEquals((await screen.ended()).code, 0, await screen.text());
    const text = await screen.text();
    assertStringIncludes(text, "Not verified any more, since it said so: bob.");
    assertStringIncludes(text, "laptop is removed.");
  });

  await t.step("the thief is out, and the owner goes on", async () => {
    ok(await place.run("bob", "bob", ...["send", "-t", "alice", "-s", "after the theft"]));
    const thief = await place.run("laptop", "alice", "inbox");
    assert(thief.code !== 0);
    assert(!thief.stdout.includes("after the theft"));
    assertStringIncludes(ok(await place.run("alice", "alice", "inbox")), "after the theft");
    assert(!await bobAt("alice"), "what the thief may have said counts no more");
    const list = JSON.parse(ok(await place.run("alice", "alice", "devices", "list", "--json")));
    assertEquals(list.map(({ name }: { name: string }) => name), ["alice"]);
  });
});

testInFullUnless(missing, "a removal asks for the passphrase of the keys once", async () => {
  await using place = await Place.make("alice");
  ok(await place.run("alice", "alice", "status"));
  await place.link("alice", "laptop");
  ok(await place.run("laptop", "alice", "status"));
  const path = join(place.dir, "alice", "alice_private.pem");
  const key = await newIdentityFromPem(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, await identityToPem(key, utf8("correct horse")));
  const next = "another password for alice";
  const asked = "Passphrase of the private key of alice:";
  await using screen = await place.screen("alice", "alice", "devices", "remove", "laptop");
  await screen.converse([
    [asked, "battery staple"],
    [asked, "correct horse"],
    ["(lost, retired, or Enter)", "lost"],
    ["New password:", "correct horse"],
    ["The same again:", "correct horse"],
    ["New password:", next],
    ["The same again:", next],
    ["Write them down now? (y/N)", "n"],
  ]);
  assertEquals((await screen.ended()).code, 0, await screen.text());
  const text = await screen.text();
  assertEquals(text.split(asked).length - 1, 2, text);
  assertStringIncludes(text, "That is the passphrase of your private key");
  assert(isEncryptedPem(await Deno.readTextFile(path)), "the new keys have the same");
});
