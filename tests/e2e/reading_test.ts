// Reading what other programs send: tables, invitations, messages that are attached.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Browser, whyNoBrowser } from "../support/browser.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { passwordOf } from "../support/program.ts";
import { ServedPage } from "../support/served_page.ts";
import { assertRestored, whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

/** A message with a table, an invitation, and a message that is attached, to which a file is. */
const LETTER = [
  "From: Carol <carol@example.org>",
  "Subject: Plans",
  "Date: Thu, 26 Nov 2026 10:00:00 +0000",
  "MIME-Version: 1.0",
  "Content-Type: multipart/mixed; boundary=a",
  "",
  "--a",
  "Content-Type: text/html; charset=utf-8",
  "",
  "<p>The plans:</p><table><tr><th>Item<th>Price<tr><td>Bread<td>1.20<tr><td>Milk<td>12.00</table>",
  "<table><tr><td>one<td>Rolls that are baked in the morning and eaten before noon, by all of us",
  "<tr><td>two<td>Tea</table>",
  '<p>Read <a href="https://bank.example@evil.example/login">our page</a>.</p>',
  "--a",
  "Content-Type: text/calendar; method=REQUEST; name=invite.ics",
  "",
  "BEGIN:VCALENDAR",
  "METHOD:REQUEST",
  "BEGIN:VEVENT",
  "SUMMARY:Breakfast \x1b[31m",
  "DTSTART:20261203T100000Z",
  "DTEND:20261203T110000Z",
  "LOCATION:Kitchen",
  "END:VEVENT",
  "END:VCALENDAR",
  "--a",
  "Content-Type: message/rfc822",
  "",
  "From: Dave <dave@example.org>",
  "To: carol@example.org",
  "Subject: Older plans",
  "MIME-Version: 1.0",
  "Content-Type: multipart/mixed; boundary=b",
  "",
  "--b",
  "",
  "What we had planned before.",
  "--b",
  "Content-Type: application/octet-stream; name=old.txt",
  "Content-Disposition: attachment; filename=old.txt",
  "",
  "old content",
  "--b--",
  "--a--",
  "",
].join("\r\n");

/** Where the link in {@linkcode LETTER} leads: not to the bank. */
const TRAP = "https://bank.example@evil.example/login";

/** Alice, who has {@linkcode LETTER} in her inbox. */
async function withLetter(): Promise<Commanding> {
  const people = await Commanding.start(["alice"]);
  await Deno.writeTextFile(people.group.path("alice", "plans.eml"), LETTER);
  await people.ok("alice", ["import", "plans.eml", "--folder", "inbox"]);
  return people;
}

async function idOf(people: Commanding): Promise<string> {
  const [{ short }] = await people.json("alice", ["inbox"]);
  return short;
}

testInFull("a command shows tables, invitations and attached messages", async (t) => {
  await using people = await withLetter();
  const id = await idOf(people);

  await t.step("as text", async () => {
    const text = await people.ok("alice", ["read", id], { env: { TZ: "Europe/Berlin" } });
    assertStringIncludes(text, "Item   Price\n-----  -----\nBread   1.20\nMilk   12.00\n");
    assertStringIncludes(text, "Attachment 1 is an invitation:\n\nWhat:     Breakfast \\x1b[31m\n");
    assertStringIncludes(text, "When:     Thu 2026-12-03 11:00 to 12:00 (Europe/Berlin)\n");
    assertStringIncludes(text, "[attachment 1: invite.ics, ");
    assert(/\[attachment 2: .*, a message\]/.test(text), text);
    const { calendars } = await people.json("alice", ["read", id]);
    assertEquals(calendars[0].method, "request");
    assertEquals(calendars[0].events[0].start.time, "2026-12-03T10:00:00Z");
    await people.ok("alice", ["read", id, "--save", "saved"]);
    const saved = await Deno.readTextFile(people.group.path("alice", "saved", "invite.ics"));
    assertStringIncludes(saved, "LOCATION:Kitchen");
  });

  await t.step("an attached message as a message", async () => {
    const text = await people.ok("alice", ["read", id, "--open", "2", "--save", "saved"]);
    assertStringIncludes(text, `(attachment 2 of ${id}: what follows is as whoever attached it`);
    assertStringIncludes(text, "From: Dave <dave@example.org>\nTo: carol@example.org\n");
    assertStringIncludes(text, "Subject: Older plans\n\nWhat we had planned before.\n");
    assertStringIncludes(text, "[attachment 1: old.txt, 11 bytes]\nSaved saved/old.txt");
    assertEquals(
      await people.ok("alice", ["read", id, "--open", "2", "--part", "1"]),
      "old content",
    );
    const raw = await people.ok("alice", ["read", id, "--open", "2", "--raw"]);
    assert(raw.startsWith("From: Dave <dave@example.org>\r\n"), raw);
    const shown = await people.json("alice", ["read", id, "--open", "2"]);
    assertEquals([shown.opened, shown.claims.subject, shown.attachments.length], [
      "2",
      "Older plans",
      1,
    ]);
  });

  await t.step("its links, with where they lead", async () => {
    const text = await people.ok("alice", ["read", id, "--links"]);
    assertEquals(text, `1  evil.example: Read our page\n   ${TRAP}\n`);
    const { links } = await people.json("alice", ["read", id]);
    assertEquals(links, [
      { number: 1, address: TRAP, host: "evil.example", words: "Read our page" },
    ]);
    assertEquals(
      await people.ok("alice", ["read", id, "--open", "2", "--links"]),
      "There are no links in this message.\n",
    );
    const copy = await people.as("alice", ["read", id, "--copy", "1"]);
    assertEquals([copy.code, copy.stdout], [64, ""]);
    assertStringIncludes(copy.stderr, "--copy needs a terminal that copies");
  });

  await t.step("and says in a line what cannot be opened", async () => {
    const cases = [
      [["--open", "1"], "attachment 1 is not a message; save it"],
      [["--open", "3"], "the message has no attachment number 3"],
      [["--open", "2.1"], "attachment 1 is not a message; save it"],
      [["--open", "x"], '"x" is no attachment'],
      [["--open", "2", "--thread"], "--thread shows texts"],
    ] as const;
    for (const [args, error] of cases) {
      const { code, stdout, stderr } = await people.as("alice", ["read", id, ...args]);
      assertEquals([code, stdout, stderr.split("\n").length], [64, "", 2], stderr);
      assertStringIncludes(stderr, error);
    }
  });
});

testInFullUnless(
  missing,
  "the full screen shows tables, invitations and attached messages",
  async () => {
    await using people = await withLetter();
    const env = { TZ: "America/New_York" };
    await using screen = await people.at("alice", ["connect"], { columns: 80, rows: 40, env });
    await screen.see("Plans");
    await screen.press("Enter");
    await screen.see(" Bread   1.20");
    await screen.see("When:     Thu 2026-12-03 05:00 to 06:00 (America/New_York)");
    await screen.see("Breakfast \\x1b[31m");
    await screen.see(/\[2: .* a message: v opens it\]/);
    // What is wider than the terminal now is laid out anew, and what could be wider.
    await screen.see(
      /^ one {2}Rolls that are baked in the morning and eaten before noon, by all of us$/m,
    );
    await screen.resize(44, 60);
    await screen.see(/^ one {2}Rolls that are baked in the morning *\n {6}and eaten/m);
    await screen.resize(100, 40);
    await screen.see(/^ one {2}Rolls that .* before noon, by all of us$/m);
    await screen.press("v");
    await screen.see("Attachments  2");
    await screen.press("j", "Enter");
    await screen.see("What we had planned before.");
    await screen.see(/From: +Dave <dave@example.org>/);
    await screen.see("nobody else has signed it");
    await screen.press("/");
    await screen.see("Find:");
    await screen.type("planned");
    await screen.press("Enter");
    await screen.see('"planned" 1 of 1');
    await screen.press("v");
    await screen.see("Attachments  1");
    await screen.press("Enter");
    await screen.see("Save old.txt as:");
    await screen.press("Enter");
    await screen.see(/Saved .*old\.txt/);
    assertEquals(
      await Deno.readTextFile(people.group.path("alice", "files", "old.txt")),
      "old content",
    );
    await screen.press("q");
    await screen.see("What we had planned before.");
    await screen.press("q", "q");
    await screen.see(" Bread   1.20");
    // Nothing that is open under it is lost when the list is left in between.
    await screen.press("v");
    await screen.see("Attachments  2");
    await screen.press("Enter");
    await screen.see("Save invite.ics as:");
    await screen.press("Escape");
    await screen.see("Nothing was saved.");
    await screen.press("q", "q");
    await screen.see(/Inbox +1/);
    await screen.press("q");
    assertEquals((await screen.ended()).code, 0);
  },
);

testInFullUnless(
  missing,
  "links are hyperlinks of a terminal, and can be copied from it",
  async (t) => {
    await using people = await withLetter();
    const id = await idOf(people);
    const link = `\x1b]8;id=m;${TRAP}\x1b\\`;
    const copied = `\x1b]52;c;${btoa(TRAP)}\x07`;

    await t.step("by a command", async () => {
      await using read = await people.at("alice", ["read", id, "--no-pager"], {
        env: { TERM: "xterm-256color" },
      });
      assertEquals((await read.ended()).code, 0);
      assertStringIncludes(await read.written(), `<${link}${TRAP}\x1b]8;;\x1b\\>`);
      await using copy = await people.at("alice", ["read", id, "--copy", "1"]);
      assertEquals((await copy.ended()).code, 0);
      assertStringIncludes(await copy.written(), copied);
      assertStringIncludes(
        await copy.text(),
        `${TRAP} is copied, if your terminal lets programs copy.`,
      );
      // What does not know them gets none.
      await using plain = await people.at("alice", ["read", id, "--no-pager"], {
        env: { TERM: "vt100" },
      });
      assertEquals((await plain.ended()).code, 0);
      assert(!(await plain.written()).includes("]8;"), await plain.written());
      await using wrong = await people.at("alice", ["read", id, "--copy", "2"]);
      assertEquals((await wrong.ended()).code, 64);
      assertStringIncludes(await wrong.text(), "the message has links 1 to 1");
    });

    await t.step("on the full screen, where an address is broken too", async () => {
      const env = { TERM: "xterm-256color" };
      const size = { columns: 40, rows: 30, env };
      await using screen = await people.at("alice", ["connect"], size);
      await screen.see("Carol");
      await screen.press("Enter");
      await screen.see("Read our page");
      await screen.press("j", "j", "j", "j");
      await screen.press("L");
      await screen.see(/1 +evil\.example +Read our page/);
      await screen.see("Links  1");
      await screen.press("Enter");
      await screen.see("Link 1 is copied");
      const written = await screen.written();
      assertStringIncludes(written, copied);
      assert(written.split(link).length >= 3, "each piece of a broken address leads there");
      await screen.press("q");
      await screen.see("Read our page");
      await screen.press("q", "q");
      assertEquals((await screen.ended()).code, 0);
    });
  },
);

testInFullUnless(
  missing,
  "what a search has found stands out, in lists and in texts",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    const send = (subject: string, input: string) => {
      return people.ok("bob", ["send", "-t", "alice", "-s", subject], { input });
    };
    const filler = "filler\n".repeat(60);
    await send("Invoice for May", `The Invoice of the naïve clerk.\n${filler}\nOne invoice more.`);
    await send("Other", "hay");
    await people.ok("alice", ["search", "x", "--fetch"]);
    const [bold, underlined, over] = ["\x1b[1m", "\x1b[4m", "\x1b[0m"];
    const marked = (word: string) => `${bold}${underlined}${word}${over}`;
    const plain = (text: string) => text.replaceAll("\x1b[1;4m", bold + underlined);

    await t.step("of a command at a terminal, and in no pipe", async () => {
      await using search = await people.at("alice", ["search", "invoice", "naive"]);
      assertEquals((await search.ended()).code, 0);
      const written = plain(await search.written());
      assertStringIncludes(written, `${marked("Invoice")} for May`);
      assertStringIncludes(written, `the ${marked("naïve")} clerk`);
      assert(!(await people.ok("alice", ["search", "invoice"])).includes("\x1b"));
      await using dumb = await people.at("alice", ["search", "invoice"], { env: { TERM: "dumb" } });
      assertEquals((await dumb.ended()).code, 0);
      assert(!(await dumb.written()).includes("\x1b"), await dumb.written());
    });

    await t.step(
      "on the full screen, in the list and in the message, until it is forgotten",
      async () => {
        await using screen = await people.at("alice", ["connect"], { columns: 80, rows: 24 });
        await screen.see("Other");
        await screen.press("/");
        await screen.see("Search:");
        await screen.type("invoice");
        await screen.press("Enter");
        await screen.see("1 message found");
        assertStringIncludes(await screen.shown(true), "mInvoice\x1b[");
        await screen.press("Enter");
        await screen.see("naïve clerk");
        const hit = "The \x1b[1;4mInvoice\x1b[0m";
        assertStringIncludes(await screen.shown(true), hit);
        await screen.press(".");
        await screen.see("What was searched 1 of 3");
        await screen.press(".", ".");
        await screen.see("What was searched 3 of 3");
        await screen.see("One invoice more.");
        await screen.press("q", "Escape");
        await screen.see("Other");
        await screen.press("G", "Enter");
        await screen.see("naïve clerk");
        assert(!(await screen.shown(true)).includes(hit));
        await screen.press("q", "q");
        assertEquals((await screen.ended()).code, 0);
      },
    );
  },
);

const noShell = Deno.build.os === "windows" ? "there is no shell for programs on Windows" : null;

testInFullUnless(
  noShell,
  "a command gives a message to a program, without a shell but where that is asked for",
  async (t) => {
    await using people = await withLetter();
    const id = await idOf(people);
    const path = (name: string) => people.group.path("alice", name);
    const read = (...args: string[]) => people.as("alice", ["read", id, "--peek", ...args]);

    await t.step(
      "the text, the source, an attachment, an attached message, a conversation",
      async () => {
        const text = await people.ok("alice", ["read", id, "--peek"]);
        assertEquals((await read("--pipe", "cat")).stdout, text);
        assertEquals((await read("--pipe", "sed -n '/^Bread/p'")).stdout, "Bread   1.20\n");
        assertEquals((await read("--raw", "--pipe", "head -c 5")).stdout, "From:");
        assertEquals((await read("--part", "1", "--pipe", "grep -c VEVENT")).stdout, "2\n");
        assertEquals(
          (await read("--open", "2", "--pipe", "grep planned")).stdout,
          "What we had planned before.\n",
        );
        assertEquals((await read("--thread", "--pipe", "grep -c ^Bread")).stdout, "1\n");
      },
    );

    await t.step("what only a shell would obey is a word", async () => {
      const { code, stdout } = await read(
        "--pipe",
        "echo $(touch owned) ; touch owned | cat > owned",
      );
      assertEquals([code, stdout], [0, "$(touch owned) ; touch owned | cat > owned\n"]);
      await assertRejects(() => Deno.stat(path("owned")), Deno.errors.NotFound);
      const shell = await read("--shell", "--pipe", "grep Bread | tr a-z A-Z > shouted");
      assertEquals([shell.code, shell.stderr], [0, ""]);
      assertEquals(await Deno.readTextFile(path("shouted")), "BREAD   1.20\n");
    });

    await t.step("a program learns no password, and need not read all, or anything", async () => {
      assertEquals((await read("--shell", "--pipe", 'echo "<$SEALPOST_PASSWORD>"')).stdout, "<>\n");
      for (const command of ["true", "head -n 1"]) {
        const { code, stderr } = await read("--pipe", command);
        assertEquals([code, stderr], [0, ""], command);
      }
    });

    await t.step(
      "that it fails is told in a line, and nothing is started for nothing",
      async () => {
        const cases = [
          [["--pipe", "false"], 74, "false ended with an error (code 1)"],
          [
            ["--pipe", "no-such-program x"],
            64,
            "no-such-program cannot be started; is it installed?",
          ],
          [["--pipe", "a 'b"], 64, "a quotation in the command does not end"],
          [["--pipe", " "], 64, "the command names no program"],
          [["--shell"], 64, "--shell is about --pipe"],
          [["--pipe", "touch started", "--json"], 64, "leave out --json and --copy"],
          [["--pipe", "touch started", "--part", "9"], 64, "has no attachment number 9"],
        ] as const;
        for (const [args, exit, error] of cases) {
          const { code, stdout, stderr } = await read(...args);
          assertEquals(
            [code, stdout, stderr.split("\n").length],
            [exit, "", 2],
            `${args}: ${stderr}`,
          );
          assertStringIncludes(stderr, error);
        }
        const missing = await people.as("alice", ["read", "ffff", "--pipe", "touch started"]);
        assertEquals(missing.code, 66);
        await assertRejects(() => Deno.stat(path("started")), Deno.errors.NotFound);
      },
    );
  },
);

testInFullUnless(
  missing,
  "the full screen gives a message to a program that a person types",
  async () => {
    await using people = await withLetter();
    const path = (name: string) => people.group.path("alice", name);
    await using screen = await people.at("alice", ["connect"], { columns: 80, rows: 30 });
    await screen.see("Plans");
    await screen.press("Enter");
    await screen.see(" Bread   1.20");
    await screen.press("|");
    await screen.see("Pipe the message to:");
    await screen.enter("grep Bread");
    await screen.see("[Enter: back to your mail]");
    await screen.see("Bread   1.20");
    await screen.press("Enter");
    await screen.see("The program has ended.");
    // The same again, by Enter alone; then a line for the shell.
    await screen.press("|");
    await screen.see("Pipe the message to (Enter: grep Bread):");
    await screen.press("C-c");
    await screen.see("Nothing was given to a program.");
    await screen.press("|");
    await screen.see("Pipe the message to (Enter: grep Bread):");
    await screen.enter("!grep Milk | tr a-z A-Z > shouted");
    await screen.see("[Enter: back to your mail]");
    await screen.press("Enter");
    await screen.see("The program has ended.");
    assertEquals(await Deno.readTextFile(path("shouted")), "MILK   12.00\n");
    await screen.press("|");
    await screen.see("Pipe the message to (Enter: !grep");
    await screen.enter("no-such-program");
    await screen.see("[Enter: back to your mail]");
    await screen.press("Enter");
    await screen.see("cannot be started; is it installed?");
    await screen.press("|");
    await screen.see("Pipe the message to");
    // Written apart, so that what is typed does not look like it.
    await screen.enter("!echo be''gun; exec sleep 60");
    await screen.see("begun");
    await screen.press("C-c");
    await screen.see("[Enter: back to your mail]");
    await screen.press("Enter");
    await screen.see("was stopped");
    // The keys are the program's own again.
    await screen.press("q");
    await screen.see(/Inbox +1/);
    await screen.press("q");
    const { code, stty } = await screen.ended();
    assertEquals(code, 0);
    assertRestored(stty);
  },
);

testInFullUnless(await whyNoBrowser(), "the page shows invitations below the message", async () => {
  await using people = await withLetter();
  await using served = await ServedPage.start(people.group.path("alice"), [], {
    SEALPOST_PASSWORD: passwordOf("alice"),
    TZ: "Asia/Tokyo",
  });
  await using browser = await Browser.start();
  const calendar = await browser.run(async ({ open }, { link }) => {
    const page = await open("alice");
    await page.goto(link);
    await page.getByText("Plans").first().click();
    return await page.locator(".calendar").textContent();
  }, { link: served.link });
  assertStringIncludes(calendar ?? "", "Attachment 1 is an invitation:\n\nWhat:     Breakfast");
  assertStringIncludes(calendar ?? "", "When:     Thu 2026-12-03 19:00 to 20:00 (Asia/Tokyo)\n");
});
