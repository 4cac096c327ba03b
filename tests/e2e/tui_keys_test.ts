// A contact's key that changed, met on the full screen.

import { assert, assertStringIncludes } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { testInFullUnless } from "../support/full.ts";
import { step } from "../support/step.ts";
import { withControl } from "../support/control.ts";
import { run } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

/** Gives each of `names` new keys, and releases their accounts for them. */
async function makeNewKeys(people: Commanding, ...names: string[]): Promise<void> {
  const { group } = people;
  const cwd = group.dir;
  await group.server.stop();
  for (const name of names) {
    const unbound = await run(["user", "unbind", name], { cwd, build: withControl(cwd) });
    assert(unbound.code === 0, unbound.stderr);
    const made = await run(["keygen", name, "--force", "--bits", "2048"], { cwd });
    assert(made.code === 0, made.stderr);
  }
  await group.restart();
  for (const name of ["alice", ...names]) await people.settle(name);
  for (const name of names) await people.ok(name, ["status"]);
}

testInFullUnless(missing, "a key that changed is no dead end on the full screen", async (t) => {
  const others = ["carol", "dora", "erin"];
  await using people = await Commanding.start(["alice", ...others]);
  const send = (from: string, subject: string) => {
    return people.ok(from, ["send", "-t", "alice", "-s", subject], { input: `text of ${subject}` });
  };
  const keyOf = async (name: string): Promise<string> => {
    return (await people.json(name, ["keys", "show"])).fingerprint;
  };
  for (const name of others) await send(name, `first of ${name}`);
  await people.ok("alice", ["inbox"]);
  const before = await keyOf("carol");
  await makeNewKeys(people, ...others);
  const after = await keyOf("carol");
  for (const name of ["carol", "erin"]) await send(name, `second of ${name}`);
  await using screen = await people.at("alice", ["connect"], { columns: 80, rows: 24 });
  await screen.see("first of dora");

  await step(
    t,
    "the reader says what to do, shows both keys and numbers, and accepts",
    async () => {
      await screen.see(/! +carol +\[another key; Enter says what to do\]/);
      // The newest is erin's.
      await screen.press("g", "j", "Enter");
      const why = await screen.see("accepts the new one.");
      assertStringIncludes(why.replaceAll(/\n +/g, " "), "Nothing of it is shown.");
      assertStringIncludes(why.replaceAll(/\n +/g, " "), "t shows both keys");
      assert(!why.includes("menu item"), why);
      await screen.press("t");
      const shown = await screen.see("y accepts the offered key of carol");
      assertStringIncludes(shown, before);
      assertStringIncludes(shown, after);
      // Two safety numbers, each of twelve groups.
      assert((shown.match(/(\d{5} ){11}\d{5}/g) ?? []).length === 2, shown);
      assertStringIncludes(shown.replaceAll(/\n +/g, " "), 'that "keys verify alice" shows there');
      await screen.press("y");
      await screen.see("text of second of carol");
      await screen.press("q");
    },
  );

  await step(t, "the composer shows it before anything is sent, and stays", async () => {
    await screen.press("m");
    await screen.see("Subject:");
    await screen.type("dora");
    await screen.press("Enter", "Enter", "Enter");
    await screen.type("to dora");
    await screen.press("Enter");
    await screen.type("kept");
    await screen.press("C-x");
    const shown = await screen.see("y accepts the offered key of dora");
    assertStringIncludes(shown, await keyOf("dora"));
    await screen.press("q");
    await screen.see(/Subject: to dora[^]*kept/);
    await screen.press("C-x");
    await screen.see("y accepts the offered key of dora");
    await screen.press("y");
    await screen.see("^X sends the message");
    await screen.press("C-x");
    await screen.see("Sent to dora.");
  });

  await step(t, "a key that was accepted elsewhere is taken over without a key", async () => {
    await screen.press("g", "Enter");
    await screen.see("accepts the new one.");
    const key = await keyOf("erin");
    await people.ok("alice", ["keys", "trust", "erin", "--yes", "--fingerprint", key]);
    await screen.see("text of second of erin");
    await screen.press("q");
    await screen.press("C", "t");
    await screen.see("The server offers the key of carol that you know.");
  });
});
