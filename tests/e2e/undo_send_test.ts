// What was sent is taken back while it still can be: by commands, on the full screen, in the page.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { SentView, TakenBackView } from "../../client/web/types.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFullUnless } from "../support/full.ts";
import { passwordOf } from "../support/program.ts";
import { ServedPage } from "../support/served_page.ts";
import { step } from "../support/step.ts";
import { whyNoTmux } from "../support/tmux.ts";
import { waitFor } from "../support/wait.ts";
import { WebClient } from "../support/web_client.ts";

testInFullUnless(
  await whyNoTmux(),
  "what was sent is taken back while it may be, and nothing is lost",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    const settings = people.group.path("alice", "sealpost.toml");
    const server = await Deno.readTextFile(settings);
    const holdFor = (time: string) => {
      return Deno.writeTextFile(settings, `${server}undo_send = "${time}"\n`);
    };
    await holdFor("2m");
    const subjects = async (name: string) => {
      const inbox = await people.json(name, ["inbox"]);
      return inbox.map(({ subject }: { subject: string }) => subject);
    };
    const drafts = async () => (await people.json("alice", ["drafts"]));
    const write = async (words: string) => {
      const screen = await people.at("alice", ["send", "-t", "bob", "-s", words], {
        columns: 80,
        rows: 24,
        env: { EDITOR: "", VISUAL: "", PATH: "/nowhere" },
      });
      await screen.see("ended by a line");
      await screen.enter(words);
      await screen.enter(".");
      await screen.see(/Goes out in \d+ s; Ctrl-C takes it back/);
      return screen;
    };

    await step(t, "Ctrl-C takes back what a command sends, and it is a draft", async () => {
      await using screen = await write("taken");
      await screen.press("C-c");
      const shown = await screen.see(/drafts edit [0-9a-f]{4}/);
      assertStringIncludes(shown.replace(/\s+/g, " "), "taken back, and nothing was sent");
      assertEquals((await screen.ended()).code, 130);
      assertEquals(await subjects("bob"), []);
      const [draft, ...more] = await drafts();
      assertEquals([draft.subject, more], ["taken", []]);
      assertEquals(await people.json("alice", ["outbox"]), []);
    });

    await step(t, "a pipe does not wait", async () => {
      await people.ok("alice", ["send", "-t", "bob", "-s", "Piped"], { input: "at once" });
      assertEquals(await subjects("bob"), ["Piped"]);
    });

    await step(t, "while it may be taken back, no other program sends it", async () => {
      await using screen = await write("held");
      assertEquals((await people.json("alice", ["outbox"])).length, 1);
      assertEquals(await subjects("bob"), ["Piped"]);
      // Killed, it lies in the outbox, and the next command sends it.
      await screen.kill();
      await people.ok("alice", ["inbox"]);
      assertEquals(await subjects("bob"), ["held", "Piped"]);
      assertEquals((await drafts()).length, 1);
    });

    await step(t, "it goes out by itself when the time is over", async () => {
      await holdFor("1s");
      await using screen = await write("in time");
      await screen.see("Sent to bob");
      assertEquals((await screen.ended()).code, 0);
      assertEquals((await subjects("bob"))[0], "in time");
      await holdFor("2m");
    });

    await step(t, "u takes back what the screen sends, and q sends it", async () => {
      await using screen = await people.at("alice", ["connect"], { columns: 80, rows: 24 });
      await screen.see("Inbox");
      await screen.press("m");
      await screen.type("bob");
      await screen.press("Enter", "Enter", "Enter");
      await screen.type("from the screen");
      await screen.press("Enter");
      await screen.type("first thought");
      await screen.press("C-x");
      await screen.see(/goes out in \d+ s; u takes it back/);
      await screen.press("u");
      await screen.see("Taken back");
      const shown = await screen.see("first thought");
      assertStringIncludes(shown, "Writing: from the screen");
      assertEquals((await subjects("bob"))[0], "in time");
      await screen.press("C-x");
      await screen.see(/goes out in \d+ s; u takes it back/);
      await screen.press("q");
      await screen.ended();
      assertEquals((await subjects("bob"))[0], "from the screen");
      assertEquals((await drafts()).length, 1);
    });

    await step(t, "the page takes it back too, and sends it when it is shut", async () => {
      await using served = await ServedPage.start(people.group.path("alice"), [], {
        SEALPOST_PASSWORD: passwordOf("alice"),
      });
      const page = new WebClient(new URL(served.link).origin);
      assertEquals(await page.enter(served.link), 200);
      const send = async (subject: string) => {
        const draft = await page.ask<{ id: string }>("new-draft", { to: ["bob"] });
        const written = { to: ["bob"], cc: [], bcc: [], subject, text: "typed", files: [] };
        const { id } = await page.ask<{ id: string }>("save-draft", { id: draft.id, ...written });
        const sent = page.ask<SentView | TakenBackView>("send", { id });
        // Where something else fails first, that is what is told.
        sent.catch(() => {});
        await waitFor("the message to be held", async () => {
          return (await people.json("alice", ["outbox"])).length === 1 || null;
        });
        return { id, sent };
      };
      await waitFor("the mail to be open", async () => {
        const response = await page.post("drafts", {});
        await response.body?.cancel();
        return response.status === 200 || null;
      });
      const first = await send("from the page");
      await page.ask("take-back", { id: first.id });
      const taken = await first.sent;
      assert("takenBack" in taken, JSON.stringify(taken));
      const again = await page.ask<{ subject: string }>("draft", { id: taken.takenBack });
      assertEquals(again.subject, "from the page");
      assertEquals(await page.refused("take-back", { id: first.id }), "no-such-message");
      const second = await send("as it is shut");
      await served[Symbol.asyncDispose]();
      await second.sent.catch(() => {});
      assertEquals((await subjects("bob"))[0], "as it is shut");
    });

    await step(t, "a time that is none is refused before anything is sent", async () => {
      await holdFor("3m");
      const { code, stderr } = await people.as("alice", ["send", "-t", "bob"], { input: "x" });
      assertEquals(code, 78);
      assertMatch(
        stderr,
        /^[^\n]*undo_send: "3m" is not such a time: write 10s or 1m, up to 2m\n$/,
      );
    });
  },
);
