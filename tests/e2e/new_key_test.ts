// Somebody's key is rotated whose former one was verified: what is sent waits for the person's word.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { Commanding } from "../support/commanding.ts";
import { whyNoTmux } from "../support/tmux.ts";

/** Alice has verified bob's key, and bob has made new ones since; the fingerprint of the new key. */
async function rotated(people: Commanding, times = 1): Promise<string> {
  let fingerprint = "";
  for (let i = 0; i < times; i++) {
    ({ fingerprint } = await people.json("bob", ["keys", "rotate", "--yes"]));
  }
  return fingerprint;
}

async function verified(people: Commanding): Promise<void> {
  const { text } = await people.json("bob", ["keys", "verify", "alice"]);
  await people.ok("alice", ["keys", "verify", "bob", "--scan", text]);
}

async function titles(people: Commanding, name: string): Promise<string[]> {
  const items: { subject: string }[] = await people.json(name, ["inbox", "-n", "50"]);
  return items.map(({ subject }) => subject);
}

const send = (people: Commanding, subject: string) =>
  people.as("alice", ["send", "-t", "bob", "-s", subject], { input: "x" });

testInFull(
  "off a terminal it waits in the outbox, says what to do, and goes out once that was done",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob", "carol"]);
    await people.ok("bob", ["send", "-t", "alice", "-s", "before"], { input: "x" });
    await verified(people);

    await t.step("keys trust is the word", async () => {
      const fingerprint = await rotated(people, 2);
      // Mail under the new key is read, and says what is known of it.
      await people.ok("bob", ["send", "-t", "alice", "-s", "under the new key"], { input: "x" });
      const [item] = await people.json("alice", ["inbox"]);
      assertEquals([item.subject, item.verified], ["under the new key", false]);

      const { code, stdout, stderr } = await send(people, "one");
      assertEquals(code, 75, stderr);
      assertMatch(stdout, /^[0-9a-f]{8}\n$/);
      assertStringIncludes(stderr, "bob has a new key in the place of what you had verified");
      assertStringIncludes(
        stderr,
        '"keys verify bob" compares, "keys trust bob" takes what there is',
      );
      assertEquals((await send(people, "two")).code, 75);
      // Others get theirs, and reading goes on.
      await people.ok("alice", ["send", "-t", "carol", "-s", "to carol"], { input: "x" });
      const flush = await people.as("alice", ["outbox", "flush"]);
      assertEquals([flush.code, flush.stdout], [75, "0 messages sent; 2 still waiting.\n"]);
      assertEquals(await titles(people, "bob"), []);

      const wrong = "SHA256:" + "A".repeat(43);
      const trust = (...args: string[]) => people.as("alice", ["keys", "trust", "bob", ...args]);
      assertEquals((await trust()).code, 64);
      assertEquals((await trust("--yes", "--fingerprint", wrong)).code, 77);
      assertEquals(await titles(people, "bob"), []);
      const said = await trust("--yes", "--fingerprint", fingerprint);
      assertEquals(said.code, 0, said.stderr);
      assertStringIncludes(said.stdout, "The new key of bob is in use; what waits for it goes out");
      assertEquals(await people.ok("alice", ["outbox", "flush"]), "2 messages sent.\n");
      assertEquals((await titles(people, "bob")).sort(), ["one", "two"]);
    });

    await t.step("keys verify is the word, and a mark", async () => {
      await verified(people);
      await rotated(people);
      assertEquals((await send(people, "three")).code, 75);
      const [pin] = await people.json("alice", ["keys", "list"]);
      assertEquals([pin.name, pin.verified, pin.verification], ["bob", false, "rotated"]);
      await verified(people);
      assertEquals((await send(people, "four")).code, 0);
      assertEquals((await titles(people, "bob")).slice(0, 2).sort(), ["four", "three"]);
    });

    await t.step("a key that was never verified is followed for sending too", async () => {
      await people.ok("carol", ["send", "-t", "alice", "-s", "from carol"], { input: "x" });
      await people.ok("alice", ["inbox"]);
      await people.json("carol", ["keys", "rotate", "--yes"]);
      const { code, stderr } = await people.as("alice", ["send", "-t", "carol", "-s", "followed"], {
        input: "x",
      });
      assertEquals(code, 0, stderr);
      assertStringIncludes(stderr, "carol has a new key, and the old one has signed that");
    });
  },
);

testInFullUnless(
  await whyNoTmux(),
  "at a terminal there is one question, with the new safety number",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    await people.ok("bob", ["send", "-t", "alice", "-s", "before"], { input: "x" });
    await verified(people);
    await rotated(people);
    const text = people.group.path("alice", "letter.txt");
    await Deno.writeTextFile(text, "text\n");
    const ask = async (subject: string, answer: string) => {
      await using screen = await people.at("alice", [
        "send",
        "-t",
        "bob",
        "-s",
        subject,
        "--file",
        "letter.txt",
      ]);
      await screen.expect("(yes/no)");
      const shown = (await screen.text()).replace(/\s+/g, " ");
      const { safetyNumber } = await people.json("bob", ["keys", "verify", "alice"]);
      assertStringIncludes(shown, safetyNumber);
      await screen.enter(answer);
      return (await screen.ended()).code;
    };
    assertEquals(await ask("no", "no"), 75);
    assertEquals(await titles(people, "bob"), []);
    assertEquals(await ask("yes", "yes"), 0);
    // One word is enough: the message that waited goes out with the next command.
    await people.ok("alice", ["inbox"]);
    assertEquals((await titles(people, "bob")).sort(), ["no", "yes"]);
  },
);
