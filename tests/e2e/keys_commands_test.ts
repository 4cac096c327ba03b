// The commands about keys, in processes of their own, with a server that takes part in none of it.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatContactCard } from "../../protocol/contact_card.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { Commanding } from "../support/commanding.ts";
import { identityOf } from "../support/identities.ts";
import { withControl } from "../support/control.ts";
import { ok, refused } from "../support/outcomes.ts";
import { run } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";

testInFull("keys are listed, compared, handed on and accepted by commands", async (t) => {
  await using people = await Commanding.start(["alice", "bob", "carol"]);
  const { group } = people;
  const as = people.as.bind(people);
  const states = async (name = "alice") => {
    const all = JSON.parse(ok(await as(name, ["keys", "list", "--json"])));
    return Object.fromEntries(
      all.map((one: Record<string, unknown>) => [one.name, one.verification]),
    );
  };
  const numberOf = async (name: string, other: string) =>
    JSON.parse(ok(await as(name, ["keys", "verify", other, "--json"])));
  await Promise.all(["alice", "bob", "carol"].map(async (name) => ok(await as(name, ["status"]))));

  await t.step("both sides see one number, and nothing is verified by looking", async () => {
    assertEquals(await states(), {});
    const [hers, his] = await Promise.all([numberOf("alice", "bob"), numberOf("bob", "alice")]);
    assertMatch(hers.safetyNumber, /^(\d{5} ){11}\d{5}$/);
    assertEquals(hers.safetyNumber, his.safetyNumber);
    assertEquals([hers.verified, his.verified], [false, false]);
    assertEquals(await states(), { bob: "unverified" });
    const shown = ok(await as("alice", ["keys", "verify", "bob"]));
    assertStringIncludes(shown, hers.safetyNumber.slice(0, 17));
    assertStringIncludes(shown, hers.text);
    assertEquals(ok(await as("alice", ["keys", "verify", "bob", "--text"])), `${hers.text}\n`);
    assertEquals(await states(), { bob: "unverified" });
  });

  await t.step("the text of the other's code verifies, another one does not", async () => {
    const [hers, his] = await Promise.all([numberOf("alice", "bob"), numberOf("bob", "alice")]);
    const scanned = ok(await as("alice", ["keys", "verify", "bob", "--scan", his.text]));
    assertStringIncludes(scanned, "The key of bob is the right one: verified in person ");
    assertEquals(await states(), { bob: "in-person" });
    const piped = await as("bob", ["keys", "verify", "alice", "--scan", "--json"], {
      input: hers.text,
    });
    assertEquals(JSON.parse(ok(piped)).verified, true);
    refused(await as("alice", ["keys", "verify", "bob", hers.text]), 64, "you show yourself");
    refused(await as("alice", ["keys", "verify", "bob", "12345 67890"]), 65, "SEALPOST1:");
    refused(await as("alice", ["keys", "verify", "alice"]), 64, "your own name");
    assertEquals(await states(), { bob: "in-person" });
  });

  await t.step("lists, headers and JSON say who is verified", async () => {
    for (const name of ["bob", "carol"]) {
      ok(await as(name, ["send", "-t", "alice", "-s", `From ${name}`], { input: "x" }));
    }
    const listed = ok(await as("alice", ["inbox"]));
    assertMatch(listed, / {2}bob ✓ +\d{4}-/);
    assertMatch(listed, / {2}carol +\d{4}-/);
    const inbox = JSON.parse(ok(await as("alice", ["inbox", "--json"])));
    assertEquals(
      inbox.map((item: { from: string; verified: boolean }) => [item.from, item.verified]),
      [["carol", false], ["bob", true]],
    );
    const [ofCarol, ofBob] = inbox.map(({ id }: { id: string }) => id);
    assertMatch(ok(await as("alice", ["read", ofBob])), /^From: bob \(verified in person \d/);
    assertMatch(ok(await as("alice", ["read", ofCarol])), /^From: carol \(not verified\)\n/);
    assertEquals(JSON.parse(ok(await as("alice", ["read", ofBob, "--json"]))).verified, true);
    const table = ok(await as("alice", ["keys", "list"]));
    assertMatch(table, /^✓ bob +[0-9a-f]{8} +\d{4}-\d\d-\d\d +verified in person /m);
    assertMatch(table, /^ {2}carol +[0-9a-f]{8} +\d{4}-\d\d-\d\d +not verified$/m);
  });

  await t.step("a text handed on pins and verifies by file, unless it was altered", async () => {
    ok(await as("carol", ["keys", "export", "-o", "carol.txt"]));
    refused(await as("carol", ["keys", "export", "-o", "carol.txt"]), 73, "carol.txt");
    const card = await Deno.readTextFile(group.path("carol", "carol.txt"));
    assertStringIncludes(card, "Name: carol\n");
    const mailed = `Here it is:\n${card.replaceAll(/^/gm, "> ")}\nBye`;
    const report = ok(await as("bob", ["keys", "import", "-", "--json"], { input: mailed }));
    const { new: fresh, verified, verification } = JSON.parse(report);
    assertEquals([fresh, verified, verification], [true, true, "by-file"]);
    assertEquals(await states("bob"), { alice: "in-person", carol: "by-file" });
    for (
      const [changed, why] of [
        [card.replace("Name: carol", "Name: karol"), "signature"],
        [card.replace(/\n([A-Za-z0-9+/]{64})\n/, "\n"), "damaged"],
        [card.replace(/^Key: .*$/m, card.match(/SHA256:.*/)?.[0] ?? ""), "damaged"],
        ["nothing", "no contact"],
      ] as const
    ) {
      refused(await as("alice", ["keys", "import", "-"], { input: changed }), 65, why);
    }
    refused(await as("carol", ["keys", "import", "carol.txt"]), 64, "your own name");
    assertEquals(await states(), { bob: "in-person", carol: "unverified" });
  });

  await t.step("a text with another key, or of another server, changes nothing", async () => {
    const mallory = await identityOf("mallory");
    const server = { host: "elsewhere.example", port: 1 };
    const card = (name: string, serverFp = mallory.bundle.fp) =>
      formatContactCard({ name, server, serverFp, made: Date.now() }, mallory);
    const other = await as("alice", ["keys", "import", "-"], { input: await card("bob") });
    refused(other, 77, "elsewhere.example:1");
    const known = await as("alice", ["keys", "import", "-", "--any-server"], {
      input: await card("bob"),
    });
    refused(known, 77, "keys trust bob");
    const import0 = ["keys", "import", "-", "--any-server"];
    const alike = ok(await as("alice", import0, { input: await card("b0b") }));
    assertStringIncludes(alike, "This is not bob.");
    assertEquals(await states(), { b0b: "by-file", bob: "in-person", carol: "unverified" });
    assertStringIncludes(ok(await as("alice", ["keys", "list"])), "; this is not b0b\n");
  });

  await t.step(
    "a key that changed loses its mark, and is taken when its name is given",
    async () => {
      const before = JSON.parse(ok(await as("alice", ["keys", "show", "bob", "--json"])));
      const cwd = group.dir;
      await group.server.stop();
      ok(await run(["user", "unbind", "bob"], { cwd, build: withControl(cwd) }));
      ok(await run(["keygen", "bob", "--force", "--bits", "2048"], { cwd }));
      await group.restart();
      for (const name of ["alice", "bob", "carol"]) await people.settle(name);
      ok(await as("bob", ["status"]));
      const offered = JSON.parse(ok(await as("bob", ["keys", "show", "--json"]))).fingerprint;
      const sent = await as("alice", ["send", "-t", "bob", "-s", "x"], { input: "x" });
      refused(sent, 77, before.fingerprint);
      assertStringIncludes(sent.stderr, offered);
      assertEquals((await states()).bob, "changed");
      const changed = JSON.parse(ok(await as("alice", ["keys", "show", "bob", "--json"])));
      assertEquals([changed.verified, changed.offered.fingerprint], [false, offered]);
      assertMatch(
        ok(await as("alice", ["keys", "list"])),
        /^! bob .*another key is offered since/m,
      );
      assertMatch(ok(await as("alice", ["inbox"])), / {2}bob ! +\d{4}-/);

      const trust = (...args: string[]) => as("alice", ["keys", "trust", "bob", ...args]);
      refused(await trust(), 64, "--yes --fingerprint FP");
      refused(await trust("--yes"), 64, "--fingerprint FP");
      refused(await trust("--yes", "--fingerprint", before.fingerprint), 77, "nothing was changed");
      assertEquals((await states()).bob, "changed");
      ok(await trust("--yes", "--fingerprint", offered));
      assertEquals((await states()).bob, "unverified");
      const after = JSON.parse(ok(await as("alice", ["keys", "show", "bob", "--json"])));
      assertEquals(after.fingerprint, offered);
      assertEquals(after.former[0].fingerprint, before.fingerprint);
      assertStringIncludes(ok(await trust()), "nothing to accept");
      ok(await as("alice", ["send", "-t", "bob", "-s", "x"], { input: "x" }));
    },
  );

  await t.step("a known key is compared without a server", async () => {
    const text = ok(await as("carol", ["keys", "verify", "alice", "--text"])).trim();
    await group.server.stop();
    assertEquals((await numberOf("alice", "carol")).verified, false);
    ok(await as("alice", ["keys", "verify", "carol", "--scan", text]));
    assertEquals((await states()).carol, "in-person");
    const another = `${text.slice(0, 11)}${text[11] === "A" ? "B" : "A"}${text.slice(12)}`;
    refused(await as("alice", ["keys", "verify", "carol", another]), 77, "the numbers differ");
    assertEquals((await states()).carol, "unverified");
    refused(await as("alice", ["keys", "show", "dora"]), 67, "keys verify dora");
  });
});

testInFullUnless(
  await whyNoTmux(),
  "on a terminal the number and the code are shown, and the answer is remembered",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    const as = people.as.bind(people);
    for (const name of ["alice", "bob"]) ok(await as(name, ["status"]));
    const verify = (...args: string[]) => people.at("alice", ["keys", "verify", "bob", ...args]);
    const question = "Is it the same number on bob's side? (yes/no)";
    for (
      const [answer, code, state] of [
        ["yes", 0, "in-person"],
        ["", 0, "in-person"],
        ["no", 77, "unverified"],
      ] as const
    ) {
      await using screen = await verify();
      const text = await screen.expect(question);
      const { safetyNumber } = JSON.parse(
        ok(await as("bob", ["keys", "verify", "alice", "--json"])),
      );
      assertStringIncludes(text, safetyNumber.slice(0, 17));
      assertEquals(text.split("\n").filter((line) => /[█▀▄]{4}/.test(line)).length > 15, true);
      await screen.enter(answer);
      assertEquals((await screen.ended()).code, code);
      const [known] = JSON.parse(ok(await as("alice", ["keys", "list", "--json"])));
      assertEquals(known.verification, state);
    }
    const text = ok(await as("bob", ["keys", "verify", "alice", "--text"])).trim();
    await using screen = await verify("--scan");
    await screen.converse([["What the other's code says:", text]]);
    assertEquals((await screen.ended()).code, 0);
    assert((await screen.text()).includes("The key of bob is the right one"));
  },
);
