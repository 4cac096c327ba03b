import { assertEquals } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { testInFullUnless } from "../support/full.ts";
import { whyNoTmux } from "../support/tmux.ts";

testInFullUnless(
  await whyNoTmux(),
  "a signature stands below what a person writes, and below nothing else",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    const settings = people.group.path("alice", "sealpost.toml");
    await Deno.writeTextFile(settings, 'signature = """\nAlice\nRoom 12\n"""\n', { append: true });
    const newest = async (name: string) => {
      const [{ short }] = await people.json(name, ["inbox"]);
      return (await people.json(name, ["read", short])).text.trimEnd();
    };
    await people.ok("alice", ["send", "-t", "bob", "-s", "Piped"], { input: "as it is\n" });
    assertEquals(await newest("bob"), "as it is");

    await using screen = await people.at("alice", ["connect"], { columns: 80, rows: 24 });
    await screen.press("m");
    await screen.see("Room 12");
    await screen.type("bob");
    await screen.press("Enter", "Enter", "Enter");
    await screen.type("Signed");
    await screen.press("Enter");
    // With nothing but a signature it is empty.
    await screen.press("C-x");
    await screen.see("It has no text");
    await screen.press("n");
    await screen.type("see you");
    await screen.press("C-x");
    await screen.see("Sent to bob.");
    assertEquals(await newest("bob"), "see you\n\n-- \nAlice\nRoom 12");
  },
);
