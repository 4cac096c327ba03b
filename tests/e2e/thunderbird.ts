// Thunderbird against a bridge: `deno task test:thunderbird`. It takes a minute, and needs a program of
// 200 MB, so it is not among the tests of every day. The pictures are for people to look at.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { random } from "../../crypto/bytes.ts";
import { Bridging } from "../support/bridging.ts";
import { Group } from "../support/group.ts";
import { ok } from "../support/outcomes.ts";
import { passwordOf, run } from "../support/program.ts";
import { step } from "../support/step.ts";
import { testUnless } from "../support/testing.ts";
import { waitFor } from "../support/wait.ts";
import { PICTURES, Thunderbird, whyNoThunderbird } from "../thunderbird/driver.ts";

testUnless(
  await whyNoThunderbird(),
  "Thunderbird finds its settings, reads, answers, attaches, moves and deletes by a bridge",
  async (t) => {
    await using group = await Group.start(["alice", "bob"]);
    await group.bind("alice", "bob");
    await using bridge = await Bridging.start(group, "bob");
    const ask = async (name: string, ...args: readonly string[]) => {
      const server = ["--server", `${name}@${group.server.address}`];
      const env = { SEALPOST_PASSWORD: passwordOf(name) };
      return ok(await run([...args, ...server], { cwd: group.path(name), env }));
    };
    const rows = async (name: string, folder: string) => {
      return JSON.parse(await ask(name, "inbox", "--folder", folder, "--json"));
    };
    const letter = async (subject: string, text: string, ...more: readonly string[]) => {
      await Deno.writeTextFile(group.path("alice", "text"), text);
      await ask("alice", "send", "--to", "bob", "--subject", subject, "--file", "text", ...more);
    };
    const blobs = await Promise.all(["one", "two"].map(async (name) => {
      const blob = random(60_000);
      await Deno.writeFile(group.path(name), blob);
      return blob;
    }));
    await Deno.copyFile(group.path("one"), group.path("alice", "one"));

    const ports = ["--imap", `127.0.0.1:${bridge.imap}`, "--smtp", `127.0.0.1:${bridge.smtp}`];
    const autoconfig = await ask("bob", "bridge", "autoconfig", ...ports);
    await Deno.mkdir(group.path("thunderbird"));
    await using thunderbird = await Thunderbird.start(
      group.path("thunderbird"),
      "sealpost.invalid",
      autoconfig,
    );

    await step(t, "the account is made from what bridge autoconfig prints", async () => {
      const bob = { name: "Bob", address: "bob@sealpost.invalid" };
      const found = await thunderbird.call("enterAddress", bob);
      await thunderbird.picture("1-settings");
      assertMatch(`${found}`, new RegExp(`127\\.0\\.0\\.1.*${bridge.imap}.*${bridge.smtp}.* bob `));
      await thunderbird.call("goOn");
      await thunderbird.picture("2-password");
      const { password } = bridge;
      assertEquals(
        await thunderbird.call("enterPassword", { password }),
        ["Archive", "Drafts", "INBOX", "Sent", "Trash"],
      );
    });

    await step(
      t,
      "what comes while it is open is read, with its attachment",
      async () => {
        await thunderbird.call("showFolder", { name: "INBOX" });
        await letter("Grüße", "Shall we have lunch on Friday? ✓\n", "--attach", "one");
        await thunderbird.call("listed", { count: 1 });
        const shown = await thunderbird.call("open", { subject: "Grüße" });
        assertEquals(shown, {
          subject: "Subject:Grüße",
          verified: "x-sealpost-verified:alice: signed, key not verified",
          text: "Shall we have lunch on Friday? ✓\n",
        });
        const path = group.path("saved");
        assertEquals(await thunderbird.call("saveAttachment", { path }), "one");
        await thunderbird.picture("3-message");
        assertEquals(await Deno.readFile(path), blobs[0]);
      },
    );

    await step(t, "its answer comes with its attachment, and is in Sent once", async () => {
      const given = { text: "Yes, at noon. ✓", path: group.path("two") };
      assertEquals(await thunderbird.call("answer", given), ["alice@sealpost.invalid"]);
      await thunderbird.picture("4-answer");
      await thunderbird.call("sendAnswer");
      const [got, ...more] = await rows("alice", "inbox");
      assertEquals([got.from, got.subject, more], ["bob", "Re: Grüße", []]);
      assertStringIncludes(await ask("alice", "read", got.id), "Yes, at noon. ✓");
      await ask("alice", "read", got.id, "--save", ".");
      assertEquals(await Deno.readFile(group.path("alice", "two")), blobs[1]);
      assertEquals((await rows("bob", "sent")).map(({ id }: { id: string }) => id), [got.id]);
      const [answered] = await rows("bob", "inbox");
      assertEquals(answered.flags, ["seen", "answered"]);
    });

    await step(t, "what it moves and deletes is there for other programs too", async () => {
      await letter("Second", "the second\n");
      await thunderbird.call("listed", { count: 2 });
      await thunderbird.call("open", { subject: "Second" });
      // It does this when it finds the time.
      const comes = (wanted: string, folder: string) => {
        return waitFor(`${wanted} in ${folder}`, async () => {
          const [first] = await rows("bob", folder);
          return first?.subject === wanted ? true : null;
        });
      };
      await thunderbird.call("moveToNew", { name: "Plans" });
      await comes("Second", "Plans");
      await thunderbird.call("open", { subject: "Grüße" });
      await thunderbird.call("deleteShown");
      await comes("Grüße", "trash");
      assertEquals(await rows("bob", "inbox"), []);
      await thunderbird.call("showFolder", { name: "Plans" });
      await thunderbird.call("open", { subject: "Second" });
      await thunderbird.picture("5-moved");
    });
    console.log(`pictures to look at are in ${PICTURES}`);
  },
);
