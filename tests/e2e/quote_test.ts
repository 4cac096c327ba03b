// An answer quotes what was marked: on the full screen, and in a real browser.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Browser, whyNoBrowser } from "../support/browser.ts";
import { Commanding } from "../support/commanding.ts";
import { withControl } from "../support/control.ts";
import { testInFullUnless } from "../support/full.ts";
import { passwordOf, Program } from "../support/program.ts";
import { ServedPage } from "../support/served_page.ts";
import { whyNoTmux } from "../support/tmux.ts";

const TEXT = "first line\nsecond line\n\nthird line\n> quoted line\nlast line\n";

testInFullUnless(
  await whyNoTmux(),
  "on the full screen r quotes the lines that were marked, else all",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    await people.ok("bob", ["send", "-t", "alice", "-s", "Lines"], { input: TEXT });
    await using screen = await people.at("alice", ["connect"], { columns: 80, rows: 24 });
    await screen.see("Lines");
    await screen.press("Enter");
    await screen.see("last line");
    await screen.press("g", "V");
    await screen.see("V marks from there");
    await screen.press("j", "V");
    await screen.see("Esc forgets it");
    await screen.press("j", "j", "j");
    await screen.press("r");
    const shown = await screen.see(/bob wrote:\n/);
    assertMatch(shown, /wrote:\n *> second line\n *>\n *> third line\n *>> quoted line\n/);
    assert(!shown.includes("first line") && !shown.includes("last line"), shown);
    await screen.press("C-c");
    await screen.see("last line");
    // Esc forgets what is marked, and the message stays.
    await screen.press("S-Down", "S-Down", "Escape");
    await screen.see("Nothing is marked any more");
    await screen.press("r");
    const whole = await screen.see(/wrote:\n/);
    assertMatch(whole, /> first line\n *> second line\n/);
    assertMatch(whole, /> last line/);
  },
);

testInFullUnless(
  await whyNoBrowser(),
  "in the page an answer quotes what is selected, and members and groups are offered",
  async () => {
    await using people = await Commanding.start(["alice", "bob", "carol", "dave"]);
    await people.ok("bob", ["send", "-t", "alice", "-s", "Lines"], { input: TEXT });
    await people.ok("alice", ["groups", "make", "team", "bob", "dave"]);
    const { dir } = people.group;
    await people.group.server.stop();
    const named = await Program.start(["user", "full-name", "carol", "Carol Danvers"], {
      cwd: dir,
      env: {},
      build: withControl(dir),
    }).finish();
    assertEquals(named.code, 0, named.stderr);
    await people.group.restart();
    await people.settle("alice");
    await using served = await ServedPage.start(people.group.path("alice"), [], {
      SEALPOST_PASSWORD: passwordOf("alice"),
    });
    await using browser = await Browser.start();
    const seen = await browser.run(async ({ open }, { link }) => {
      const page = await open("alice", { viewport: { width: 1300, height: 800 } });
      await page.goto(link);
      await page.locator(".row", { hasText: "Lines" }).click();
      await page.locator(".lines").first().waitFor();
      await page.evaluate(`(() => {
        const [first] = document.querySelectorAll(".message .lines");
        const quote = document.querySelector(".message .quote .lines");
        const range = document.createRange();
        range.setStart(first.firstChild, 6);
        range.setEnd(quote.firstChild, 6);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
      })()`);
      await page.locator(".message .toolbar").getByRole("button", { name: "Reply", exact: true })
        .click();
      const text = page.getByRole("textbox", { name: "Message" });
      await text.waitFor();
      const quoted = await text.inputValue();
      const to = page.getByRole("combobox", { name: "To" });
      const offered: string[][] = [];
      for (const typed of ["danv", "te", "car", "every"]) {
        await to.fill(typed);
        await page.locator(".composer [role=option]").first().waitFor();
        offered.push(await page.locator(".composer [role=option]").allInnerTexts());
      }
      await to.fill("danv");
      await to.press("Enter");
      const names = await page.locator(".token").allInnerTexts();
      return { quoted, offered, names };
    }, { link: served.link });
    assertMatch(
      seen.quoted,
      /wrote:\n> line\n> second line\n>\n> third line\n>> quoted\n/,
    );
    assertEquals(
      seen.offered.map((texts) => texts.map((text) => text.replace(/\s+/g, " ").trim())),
      [["carol Carol Danvers"], ["team bob, dave"], ["carol Carol Danvers"], [
        "everyone alice, bob, carol, dave",
      ]],
    );
    assertEquals(seen.names.map((name) => name.trim()), ["bob", "carol"]);
  },
);
