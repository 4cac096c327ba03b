// Machines that end in the middle of linking, and of making a kit, as by `kill -9`.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { testInFullUnless } from "../support/full.ts";
import { Place, wordsIn } from "../support/machines.ts";
import { ok } from "../support/outcomes.ts";

import { type Screen, whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

/** Both screens of a link, the second of which shows the six words. */
async function begin(place: Place): Promise<{ first: Screen; second: Screen }> {
  await Deno.mkdir(join(place.dir, "laptop"), { mode: 0o700, recursive: true });
  const first = await place.screen("alice", "alice", "devices", "add");
  const words = wordsIn(await first.see("Waiting for the other machine")).join(" ");
  const second = await place.screen(
    "laptop",
    null,
    ...["setup", "--device", "--device-name", "laptop", "--server", place.server.address],
  );
  await second.converse([[">", words]]);
  await second.see("yes if it shows");
  await first.see("six words? (y/N)");
  return { first, second };
}

testInFullUnless(missing, "a link that is killed at any step is made by other words", async (t) => {
  await using place = await Place.make("alice");
  ok(await place.run("alice", "alice", ...["send", "-t", "alice", "-s", "to keep"]));
  const key = join(place.dir, "laptop", "alice_private.pem");

  await t.step("the new machine, while it shows the six words", async () => {
    const { first, second } = await begin(place);
    await using _first = first;
    await using _second = second;
    await second.kill();
    assertEquals((await second.ended()).code, 137);
    await first.enter("y");
    assert((await first.ended()).code !== 0);
    assertStringIncludes(await first.text(), "the other machine does not wait any more");
    assert(!await exists(key));
  });

  await t.step("the first machine, before it answers", async () => {
    const { first, second } = await begin(place);
    await using _first = first;
    await using _second = second;
    await first.kill();
    assert((await second.ended()).code !== 0);
    assertStringIncludes(await second.text(), "the other machine said no, or has gone");
    assert(!await exists(key));
  });

  await t.step("the new machine, before it knows where to put the keys", async () => {
    const { first, second } = await begin(place);
    await using _first = first;
    await using _second = second;
    await first.enter("y");
    assertEquals((await first.ended()).code, 0);
    await second.expect("Enter for this folder):");
    await second.kill();
    assertEquals((await second.ended()).code, 137);
    assert(!await exists(key));
  });

  await t.step("the new machine, before its first login: setup goes on", async () => {
    const { first, second } = await begin(place);
    await using _first = first;
    await using _second = second;
    await first.enter("y");
    assertEquals((await first.ended()).code, 0);
    await second.converse([["Enter for this folder):", ""]]);
    await second.expect("Your password, or a new one from the server's operator:");
    await second.kill();
    assertEquals((await second.ended()).code, 137);
    const went = ok(await place.run("laptop", "alice", "setup"));
    assertStringIncludes(went, "This machine has your keys, and all your mail is here.");
    assertStringIncludes(ok(await place.run("laptop", "alice", "inbox")), "to keep");
    const list = ok(await place.run("laptop", "alice", "devices", "list", "--json"));
    const names = JSON.parse(list).map(({ name }: { name: string }) => name);
    assertEquals(names, ["laptop", "alice"]);
  });
});

testInFullUnless(missing, "a kit whose making is killed is there or is not", async () => {
  await using place = await Place.make("alice");
  ok(await place.run("alice", "alice", "status"));
  const status = async () => ok(await place.run("alice", "alice", "status"));
  const making = () => place.screen("alice", "alice", "recovery", "make");
  {
    await using screen = await making();
    await screen.see("on paper, all 24? (y/N)");
    await screen.kill();
    await screen.ended();
    assertStringIncludes(await status(), "You have no recovery kit");
  }
  for (const milliseconds of [0, 30, 60, 120, 240, 480]) {
    await using screen = await making();
    const asked = await screen.see(/all 24\? \(y\/N\)|in its place\? \(y\/N\)/);
    if (asked.includes("in its place")) await screen.enter("y");
    const words = wordsIn(await screen.see("on paper, all 24? (y/N)")).join(" ");
    await screen.enter("y");
    await new Promise((done) => setTimeout(done, milliseconds));
    // It may have ended by itself.
    await screen.kill().catch(() => {});
    await screen.ended();
    if ((await status()).includes("Your recovery kit is of")) {
      await using check = await place.screen("alice", "alice", "recovery", "check");
      await check.converse([[">", words]]);
      await check.ended();
      const text = await check.text();
      // That of the words before it, if this one did not come that far.
      assert(
        text.includes("These words are right") || text.includes("knows nothing by these"),
        text,
      );
    }
  }
  await using screen = await making();
  const asked = await screen.see(/all 24\? \(y\/N\)|in its place\? \(y\/N\)/);
  if (asked.includes("in its place")) await screen.enter("y");
  const words = wordsIn(await screen.see("on paper, all 24? (y/N)")).join(" ");
  await screen.enter("y");
  assertEquals((await screen.ended()).code, 0, await screen.text());
  assertStringIncludes(await status(), "Your recovery kit is of");
  await using check = await place.screen("alice", "alice", "recovery", "check");
  await check.converse([[">", words]]);
  assertEquals((await check.ended()).code, 0, await check.text());
  assertStringIncludes(await check.text(), "These words are right");
});
