// Writing on the full screen: what is forwarded, long texts, names that are nobody's, editors.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { stepInFull, testInFullUnless } from "../support/full.ts";
import { step } from "../support/step.ts";
import { type Screen, whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

/** Begins a message and goes to its text. */
async function write(screen: Screen, to: string, subject: string): Promise<void> {
  await screen.press("m");
  await screen.see("Subject:");
  await screen.type(to);
  await screen.press("Enter", "Enter", "Enter");
  await screen.type(subject);
  await screen.press("Enter");
}

testInFullUnless(missing, "what is written on the full screen is what was meant", async (t) => {
  await using people = await Commanding.start(["alice", "bob", "carol"]);
  for (const name of ["one.txt", "two.txt"]) {
    await Deno.writeTextFile(people.group.path("carol", name), `content of ${name}`);
  }
  const args = ["send", "-t", "alice", "-s", "Two files", "-a", "one.txt", "-a", "two.txt"];
  await people.ok("carol", args, { input: "see the files" });
  const newest = async (name: string) => (await people.json(name, ["inbox"]))[0];
  // An editor by that name and no variable that says what the person's is.
  const bin = people.group.path("bin");
  await Deno.mkdir(bin);
  await Deno.writeTextFile(
    `${bin}/editor`,
    `#!/bin/sh\nprintf 'To: bob\\nSubject: by fallback\\n\\nwritten elsewhere\\n' > "$1"\n`,
    { mode: 0o755 },
  );
  await using screen = await people.at("alice", ["connect"], {
    columns: 80,
    rows: 24,
    env: { PATH: `${bin}:/usr/bin:/bin`, EDITOR: "", VISUAL: "" },
  });
  await screen.see("Two files");

  await step(
    t,
    "forwarding lists the attachments that go along, and they can be taken out",
    async () => {
      await screen.press("f");
      await screen.see(/Attached: one\.txt, \d+ bytes\n +two\.txt, \d+ bytes/);
      await screen.type("bob");
      await screen.press("Enter", "Enter", "Enter", "Enter");
      await screen.see("Del removes it");
      await screen.press("DC");
      const shown = await screen.see(/Attached: two\.txt/);
      assert(!shown.includes("one.txt"), shown);
      await screen.press("C-x");
      await screen.see("Sent to bob.");
      const message = await newest("bob");
      assertEquals(message.attachments.map(({ name }: { name: string }) => name), ["two.txt"]);
      const id = (await newest("alice")).id;
      const forward = (...more: string[]) => {
        return people.as("alice", ["forward", id, "-t", "bob", ...more], { input: "note" });
      };
      const { code, stderr } = await forward("--omit", "2");
      assertEquals(code, 0, stderr);
      assertMatch(stderr, /^forwards 1: one\.txt, \d+ bytes\n$/);
      assertEquals(
        (await newest("bob")).attachments.map(({ name }: { name: string }) => name),
        ["one.txt"],
      );
      assertEquals((await forward("--omit", "all")).code, 0);
      assertEquals((await newest("bob")).attachments, []);
      const wrong = await forward("--omit", "3");
      assertEquals(wrong.code, 64);
      assertStringIncludes(wrong.stderr, 'no attachment "3"; it has 1 (one.txt), 2 (two.txt)');
    },
  );

  await step(t, "a name that is nobody's is said at once, and the composer stays", async () => {
    await screen.press("m");
    await screen.see("Subject:");
    await screen.type("bbo, carol@elsewhere.example");
    await screen.press("Enter");
    await screen.see("There is no user bbo on this server.");
    await screen.see("bbo ✗, carol@elsewhere.example ✗");
    await screen.press("Enter", "Enter");
    await screen.type("meant for bob");
    await screen.press("Enter");
    await screen.type("Dear Bob");
    await screen.press("C-x");
    await screen.see("There is no user bbo on this server.");
    await screen.see("Dear Bob");
    // The cursor is in the field with the wrong name, which is shown as it was typed.
    await screen.see(/To: +bbo, carol@elsewhere\.example\n/);
    await screen.press("C-u");
    await screen.type(`bob@${people.group.server.address}`);
    await screen.press("C-x");
    await screen.see(/Sent to bob@/);
    assertEquals((await newest("bob")).subject, "meant for bob");
    const elsewhere = await people.as("alice", ["send", "-t", "bob@elsewhere.example"], {
      input: "x",
    });
    assertEquals(elsewhere.code, 67);
    assertStringIncludes(elsewhere.stderr, '"bob@elsewhere.example" is on another server');
    const here = `bob@${people.group.server.address}`;
    await people.ok("alice", ["send", "-t", here, "-s", "with an address"], { input: "x" });
    assertEquals((await newest("bob")).subject, "with an address");
  });

  await stepInFull(
    t,
    "five thousand lines are pasted, and every key after that is taken",
    async () => {
      const lines = Array.from({ length: 5000 }, (_, i) => `line ${i + 1} — äöü`).join("\n");
      await write(screen, "bob", "long");
      await screen.paste(lines);
      await screen.see("line 5000 — äöü");
      // A key that cost half a second would make this last two minutes.
      await screen.type("x".repeat(250));
      await screen.see(/x{60}\n/);
      await screen.press("C-x");
      await screen.see("Sent to bob.");
      const { text } = await people.json("bob", ["read", (await newest("bob")).id]);
      assertEquals(text.trimEnd(), lines + "x".repeat(250));
      // The same in a reply to it.
      await people.ok("bob", ["send", "-t", "alice", "-s", "long too"], { input: lines });
      await screen.see("long too");
      await screen.press("g", "r");
      await screen.see("> line 1 — äöü");
      await screen.type("y".repeat(250));
      await screen.see(/y{60}\n/);
      await screen.press("C-x");
      await screen.see("Sent to bob.");
      const answer = await people.json("bob", ["read", (await newest("bob")).id]);
      assertStringIncludes(answer.text, "> line 5000 — äöü");
      assertStringIncludes(answer.text, "y".repeat(250));
    },
  );

  await step(t, "without VISUAL and EDITOR, ^G opens what editor there is", async () => {
    await write(screen, "carol", "begun here");
    await screen.press("C-g");
    await screen.see(/To: +bob\n[^]*Subject: by fallback[^]*written elsewhere/);
    await screen.press("C-x");
    await screen.see("Sent to bob.");
    assertEquals((await newest("bob")).subject, "by fallback");
  });
});
