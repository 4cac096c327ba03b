// Mail on the full screen: what comes, what changes elsewhere, what is found and taken back.

import { assert, assertStringIncludes } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { step } from "../support/step.ts";
import { passwordOf } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";
import { testInFullUnless } from "../support/full.ts";

const missing = await whyNoTmux();

testInFullUnless(missing, "the full screen says what comes, and finds what is there", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  const toml = people.group.path("alice", "sealpost.toml");
  await Deno.writeTextFile(toml, `${await Deno.readTextFile(toml)}bell = true\n`);
  const send = (subject: string, input: string) => {
    return people.ok("bob", ["send", "-t", "alice", "-s", subject], { input });
  };
  const idOf = async (subject: string): Promise<string> => {
    const all = await people.json("alice", ["inbox"]);
    return all.find((one: { subject: string }) => one.subject === subject).id;
  };
  const filler = Array.from({ length: 60 }, (_, i) => `filler ${i}`).join("\n");
  await send("Long", `a Straße at the top\n\n${filler}\n\nNaïve words, and a STRASSE at the end`);
  await send("Other", "hay with a needle in it");
  await using screen = await people.at("alice", ["connect"], { columns: 80, rows: 24 });
  await screen.see("Long");

  await step(t, "a search says what it did not look through, and fetches it", async () => {
    await screen.press("/");
    await screen.see("Search:");
    await screen.type("needle");
    await screen.press("Enter");
    await screen.see("Nothing was found.");
    await screen.see(/The texts of 2 messages were never fetched[^]*Fetch and search them\?/);
    await screen.press("y");
    await screen.see("1 message found");
    const shown = await screen.see(/found 1: needle .*\n[^]*bob +Other/);
    assert(!shown.includes("Long"), shown);
    await screen.press("Escape");
    await screen.see("Long");
    // What was fetched for a search is not read by that.
    await screen.see(/N +bob +Other/);
  });

  await step(t, "words are found in a message, one place after the other", async () => {
    await screen.press("G", "Enter");
    await screen.see("a Straße at the top");
    await screen.press("/");
    await screen.see("Find:");
    await screen.type("strasse");
    await screen.press("Enter");
    await screen.see('"strasse" 1 of 2');
    await screen.press(".");
    await screen.see('"strasse" 2 of 2');
    assertStringIncludes(await screen.shown(), "a STRASSE at the end");
    await screen.press(".");
    await screen.see("1 of 2, from the top again");
    assertStringIncludes(await screen.shown(), "a Straße at the top");
    await screen.press(",");
    await screen.see("2 of 2, from the end again");
    await screen.press("/");
    await screen.see("Find (Enter: strasse):");
    await screen.type("nowhere");
    await screen.press("Enter");
    await screen.see('"nowhere" is not in this message.');
  });

  await step(t, "mail is announced while one reads and while one writes", async () => {
    await send("While reading \x1b]0;x\x07", "x");
    await screen.see("New mail from bob: While reading \\x1b]0;x\\x07");
    const written = await screen.written();
    assertStringIncludes(written, `\x1b]2;(2) Sealpost alice@${people.group.server.address}\x07`);
    // What is left without the titles, which end with one, is the bell.
    // deno-lint-ignore no-control-regex -- it is what ends a title
    assert(written.replaceAll(/\]2;[^\x07]*\x07/g, "").includes("\x07"), "the bell");
    await screen.press("q", "m");
    await screen.see("Subject:");
    await send("While writing", "x");
    await screen.see("New mail from bob: While writing");
    await screen.see("Subject:");
    await screen.press("C-c");
    await screen.see(/bob +While writing/);
  });

  await step(t, "u right after d takes it back, wherever it was", async () => {
    await screen.press("g", "d");
    await screen.see("The message moved to Trash; u takes that back.");
    await screen.see(/Inbox +3/);
    await screen.press("u");
    await screen.see("The message is back in Inbox.");
    await screen.see(/bob +While writing/);
    // From within a message, which makes room for the next one.
    await screen.press("g", "Enter");
    await screen.see("Subject: While writing");
    await screen.press("d");
    await screen.see("Subject: While reading");
    await screen.press("u");
    await screen.see("The message is back in Inbox.");
    await screen.press("q");
    await screen.see(/Inbox +4/);
    // All that are tagged, and back into the folders that they came from.
    await screen.press("g", "t", "t", "a");
    await screen.see("2 messages moved to Archive; u takes that back.");
    await screen.press("u");
    await screen.see("2 messages are back in Inbox.");
  });

  await step(t, "what a command or another machine changes is seen without a key", async () => {
    const other = await idOf("Other");
    await people.ok("alice", ["mark", "--set", "flagged", await idOf("Long")]);
    await screen.see(/! +bob +Long/);
    // Another machine has the same keys and nothing else.
    const { group } = people;
    await Deno.mkdir(group.path("laptop"));
    for (
      const name of ["alice_private.pem", "alice_public.pem", "server_public.pem", "sealpost.toml"]
    ) {
      await Deno.copyFile(group.path("alice", name), group.path("laptop", name));
    }
    if (Deno.build.os !== "windows") {
      await Deno.chmod(group.path("laptop", "alice_private.pem"), 0o600);
    }
    await people.ok("laptop", ["delete", other], { password: passwordOf("alice") });
    await screen.see(/Inbox +3/);
  });
});
