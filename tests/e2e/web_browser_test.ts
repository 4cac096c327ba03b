// The page in real browsers: a newcomer's whole way, the keyboard alone, and what other pages in the same
// browser can do.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { equal } from "../../crypto/bytes.ts";
import { axePath, Browser, whyNoBrowser } from "../support/browser.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFullUnless } from "../support/full.ts";
import { makeGroup } from "../support/group_folder.ts";
import { withControl } from "../support/control.ts";
import { passwordOf, ROOT, run, ServerProcess } from "../support/program.ts";
import { Relay } from "../support/relay.ts";
import { openSession } from "../support/session.ts";
import { ServedPage } from "../support/served_page.ts";
import { step } from "../support/step.ts";

const missing = await whyNoBrowser();

/** What a page of another origin tries: a function for a browser. */
const ATTACK = join(ROOT, "tests", "browser", "other_origin.js");

/** What is attached: 20 MB that do not repeat. */
const FILM = new Uint8Array(20_000_000).map((_, i) => i * 31 + (i >> 9));

/** What axe-core finds on a page as it is now: one line each. */
async function axe(browser: Browser, name: string, path: string): Promise<string[]> {
  return await browser.run(async ({ page }, { name, path }) => {
    const shown = page(name);
    // The page lets in no script but its own; the tool comes from beside it.
    const source = await shown.evaluate('"axe" in globalThis');
    if (!source) await shown.evaluate(await readAxe(path));
    return await shown.evaluate(`(async () => {
      const { violations } = await axe.run(document, { resultTypes: ["violations"] });
      return violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => id + ": " + target + " " + failureSummary)
      );
    })()`);

    async function readAxe(path: string): Promise<string> {
      const { readFile } = await import("node:fs/promises");
      return await readFile(path, "utf8");
    }
  }, { name, path });
}

testInFullUnless(
  missing,
  "two newcomers come from their invitations to a verified conversation, in two browsers",
  async (t) => {
    const names = ["alice", "bob"] as const;
    const { dir, remove } = await makeGroup([]);
    await using closing = new AsyncDisposableStack();
    closing.defer(remove);
    const build = withControl(dir);
    const server = await ServerProcess.start({ cwd: dir, build });
    closing.defer(async () => {
      await server.stop();
    });
    const axeFile = await axePath();
    // Bob's way to the server is cut in the middle of what he sends.
    let cuts = 0;
    await using relay = Relay.start(server.address, {
      hook: (piece, { direction, line }) => {
        const much = direction === "up" && line.count("up") > 4_000_000;
        return much && cuts++ === 0 ? null : piece;
      },
    });
    const invitations = new Map<string, string>();
    for (const name of names) {
      const address = name === "bob" ? relay.address : server.address;
      const { code, stdout, stderr } = await run(
        ["user", "add", name, "--invite", "--address", address],
        { cwd: dir, build },
      );
      assertEquals(code, 0, stderr);
      invitations.set(name, stdout);
    }
    await using browser = await Browser.start();
    const seen: string[] = [];
    const look = async (name: string, screen: string) => {
      for (const line of await axe(browser, name, axeFile)) seen.push(`${screen}: ${line}`);
    };
    const served: ServedPage[] = [];
    try {
      for (const name of names) {
        await Deno.mkdir(join(dir, name));
        served.push(
          await ServedPage.start(join(dir, name), ["--dir", "."], { HOME: join(dir, name) }),
        );
      }
      await step(t, "an invitation, a password, and the mail is open", async () => {
        for (const [i, name] of names.entries()) {
          await browser.run(async ({ open }, { name, link, invitation }) => {
            const page = await open(name, {
              viewport: { width: 1400, height: 900 },
              colorScheme: name === "bob" ? "dark" : "light",
            });
            page.setDefaultTimeout(120_000);
            await page.goto(link);
            await page.getByLabel("Invitation, or name@server").fill(invitation);
            await page.getByRole("button", { name: "Continue" }).click();
            await page.getByLabel("Choose a password").fill(`the password of ${name}`);
          }, { name, link: served[i]?.link ?? "", invitation: invitations.get(name) ?? "" });
          await look(name, `the setup of ${name}`);
          await browser.run(async ({ page }, { name }) => {
            const shown = page(name);
            await shown.getByLabel("The same again").fill(`the password of ${name}`);
            await shown.getByRole("button", { name: "Make my keys" }).click();
            await shown.getByText("Welcome to Sealpost").waitFor();
            await shown.getByText("Write down 24 words?").waitFor();
          }, { name });
          await look(name, `the offer of a kit to ${name}`);
        }
      });

      await step(t, "one of them writes down the words of a kit, the other does not", async () => {
        const words = await browser.run(async ({ page }) => {
          await page("bob").getByRole("button", { name: "Later" }).click();
          const alice = page("alice");
          await alice.getByRole("button", { name: "Write them down now" }).click();
          await alice.getByLabel("Your password").fill("not the password");
          await alice.getByRole("button", { name: "Show the words" }).click();
          await alice.locator("dialog .notice.bad").waitFor();
          await alice.getByLabel("Your password").fill("the password of alice");
          await alice.getByRole("button", { name: "Show the words" }).click();
          await alice.locator(".words li").nth(23).waitFor();
          return await alice.locator(".words li").allTextContents();
        }, {});
        await look("alice", "the words of a kit");
        assertEquals(words.length, 24);
        await browser.run(async ({ page }) => {
          await page("alice").getByRole("button", { name: "All 24 are on paper" }).click();
          await page("alice").getByText("Your recovery kit is made.").waitFor();
        }, {});
        const home = join(dir, "alice");
        const { stdout } = await run(["status", "--json", "--dir", "."], { cwd: home });
        assertMatch(stdout, /"kit"/);
      });

      await step(t, "twenty megabytes go through, although the connection is lost", async () => {
        const film = join(dir, "film.bin");
        await Deno.writeFile(film, FILM);
        await browser.run(async ({ page }, { film }) => {
          const bob = page("bob");
          await bob.getByRole("navigation").getByRole("button", { name: "Write" }).click();
          await bob.getByRole("combobox", { name: "To" }).fill("alice");
          await bob.keyboard.press("Enter");
          await bob.getByLabel("Subject").fill("The film");
          await bob.getByRole("textbox", { name: "Message" }).fill("It is attached.");
          await bob.locator("input[type=file]").setInputFiles(film);
          await bob.locator(".files .icon-button").waitFor();
        }, { film });
        await look("bob", "the composer, dark");
        await browser.run(async ({ page }) => {
          await page("bob").getByRole("button", { name: "Send" }).click();
          const alice = page("alice");
          await alice.locator(".row", { hasText: "The film" }).waitFor();
        }, {});
        assertEquals(cuts > 0, true, "the connection was cut");
      });

      await step(t, "it is read, and saved whole", async () => {
        const saved = join(dir, "saved.bin");
        await browser.run(async ({ page }, { saved }) => {
          const alice = page("alice");
          await alice.locator(".row", { hasText: "The film" }).click();
          await alice.getByText("It is attached.").waitFor();
          const saving = alice.waitForEvent("download");
          await alice.getByRole("button", { name: "Save film.bin" }).click();
          await (await saving).saveAs(saved);
        }, { saved });
        assert(equal(await Deno.readFile(saved), FILM), "every byte of it");
        await look("alice", "the list and the reader, light");
      });

      await step(t, "both see the same safety number, and say so", async () => {
        const numbers: string[] = [];
        for (const [name, other] of [["alice", "bob"], ["bob", "alice"]] as const) {
          await browser.run(async ({ page }, { name, other }) => {
            const shown = page(name);
            await shown.getByRole("navigation").getByRole("button", { name: "Contacts" }).click();
            await shown.getByRole("button", { name: new RegExp(`^${other}`) }).click();
            await shown.getByRole("button", { name: "Compare safety number" }).click();
            await shown.locator(".safety .number").waitFor();
          }, { name, other });
          await look(name, `the safety number of ${name}`);
          numbers.push(
            await browser.run(async ({ page }, { name }) => {
              const shown = page(name);
              const groups = await shown.locator(".safety .number span").allTextContents();
              await shown.getByRole("button", { name: "They match" }).click();
              await shown.getByText("verified in person").waitFor();
              return groups.join(" ");
            }, { name }),
          );
          await look(name, `the contacts of ${name}`);
        }
        assertMatch(numbers[0] ?? "", /^(\d{5} ){11}\d{5}$/);
        assertEquals(numbers[0], numbers[1]);
      });

      await step(t, "what comes from then on is marked as verified", async () => {
        await browser.run(async ({ page }) => {
          const bob = page("bob");
          await bob.keyboard.press("m");
          await bob.getByRole("combobox", { name: "To" }).fill("ali");
          await bob.getByRole("option", { name: /alice/ }).click();
          await bob.getByLabel("Subject").fill("Verified");
          await bob.getByRole("textbox", { name: "Message" }).fill("Now we know.");
          await bob.keyboard.press("Control+Enter");
          const alice = page("alice");
          await alice.keyboard.press("1");
          const row = alice.locator(".row", { hasText: "Now we know." }).or(
            alice.locator(".row", { hasText: "Verified" }),
          ).first();
          await row.locator(".trust.good").waitFor();
        }, {});
      });

      await step(t, "axe-core finds nothing on any screen, light and dark", async () => {
        const screens: readonly (readonly [name: string, key: string, wait: string])[] = [
          ["sent", "2", ".rows"],
          ["archive, empty", "3", ".empty"],
          ["drafts", "5", ".empty"],
          ["outbox", "6", ".empty"],
          ["the keys", "?", "dialog .keys"],
        ];
        for (const name of names) {
          for (const [screen, key, wait] of screens) {
            await browser.run(async ({ page }, { name, key, wait }) => {
              await page(name).keyboard.press(key);
              await page(name).locator(wait).first().waitFor();
            }, { name, key, wait });
            await look(name, `${screen}, ${name}`);
          }
          await browser.run(async ({ page }, { name }) => {
            const shown = page(name);
            await shown.keyboard.press("Escape");
            await shown.getByRole("button", { name: "Settings" }).click();
            await shown.getByText("SHA256:").first().waitFor();
          }, { name });
          await look(name, `settings, ${name}`);
          await browser.run(async ({ page }, { name }) => {
            const shown = page(name);
            await shown.fill("#search", "attached");
            await shown.locator(".found mark, .found .row, .empty").first().waitFor();
          }, { name });
          await look(name, `search, ${name}`);
        }
        assertEquals(seen, []);
      });
    } finally {
      for (const page of served) await page[Symbol.asyncDispose]();
    }
  },
);

testInFullUnless(
  missing,
  "the keyboard alone reads, answers, moves, takes back and searches",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    const { mail } = await openSession(people.group.dir, "bob", people.group.server.address);
    for (const subject of ["First", "Second", "Third"]) {
      await mail.send({ to: ["alice"], subject, text: `text of ${subject}`, attachments: [] });
    }
    await mail.close();
    const cwd = people.group.path("alice");
    await using served = await ServedPage.start(cwd, [], {
      SEALPOST_PASSWORD: passwordOf("alice"),
    });
    await using browser = await Browser.start();
    await browser.run(async ({ open }, { link }) => {
      const page = await open("alice", { viewport: { width: 1200, height: 800 } });
      await page.goto(link);
      await page.locator(".row", { hasText: "Third" }).waitFor();
    }, { link: served.link });

    await step(t, "reading: j and k, Enter, n, q", async () => {
      await browser.run(async ({ page }) => {
        const alice = page("alice");
        const keys = alice.keyboard;
        await keys.press("j");
        await keys.press("j");
        await keys.press("Enter");
        await alice.getByText("text of Second").waitFor();
        await keys.press("n");
        await alice.getByText("text of First").waitFor();
        await keys.press("q");
        await alice.getByText("Choose a message").waitFor();
        // A message counts as read a moment after it is shown.
        await alice.locator(".row:not(.fresh)").nth(1).waitFor();
        await alice.locator(".row.fresh", { hasText: "Third" }).waitFor();
      }, {});
    });

    await step(t, "a deletes nothing: archive, and take it back", async () => {
      await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.keyboard.press("g");
        await alice.keyboard.press("a");
        await alice.getByText("The message moved to Archive.").waitFor();
        await alice.locator(".row", { hasText: "Third" }).waitFor({ state: "detached" });
        await alice.keyboard.press("u");
        await alice.locator(".row", { hasText: "Third" }).waitFor();
      }, {});
    });

    await step(t, "an answer is written and sent", async () => {
      await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.keyboard.press("g");
        await alice.keyboard.press("r");
        await alice.locator(".composer").waitFor();
        await alice.keyboard.type("Answered by keys alone.");
        await alice.keyboard.press("Control+Enter");
        await alice.getByText("Sent.", { exact: true }).waitFor();
        await alice.keyboard.press("2");
        await alice.locator(".row", { hasText: "Re: Third" }).waitFor();
      }, {});
      assertEquals((await people.json("bob", ["inbox"])).length, 1);
    });

    await step(t, "what is being written is kept when the page goes", async () => {
      await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.keyboard.press("m");
        await alice.getByRole("combobox", { name: "To" }).waitFor();
        await alice.keyboard.type("bob,");
        await alice.getByLabel("Subject").fill("Half a text");
        await alice.getByText("Saved", { exact: true }).waitFor();
      }, {});
      const link = await served.newLink(cwd);
      await browser.run(async ({ page }, { link }) => {
        const alice = page("alice");
        await alice.goto("about:blank");
        await alice.goto(link);
        await alice.locator(".row").first().waitFor();
        await alice.keyboard.press("5");
        await alice.locator(".row", { hasText: "Half a text" }).waitFor();
      }, { link });
    });

    await step(t, "/ searches, and marks what was found", async () => {
      const marked = await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.keyboard.press("/");
        await alice.keyboard.type("second");
        await alice.locator(".found mark").first().waitFor();
        return await alice.locator(".found mark").first().textContent();
      }, {});
      assertEquals(marked?.toLowerCase(), "second");
    });

    await step(t, "printed, it is the message alone", async () => {
      const text = await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.locator(".found .row").first().click();
        await alice.getByText("text of Second").waitFor();
        await alice.emulateMedia({ media: "print" });
        const visible = await alice.evaluate<string>("document.body.innerText");
        await alice.emulateMedia({ media: null });
        return visible;
      }, {});
      assert(text.includes("text of Second"), text);
      assert(!/Inbox|Search|Reply|Settings/.test(text), text);
    });

    await step(t, "a page of another origin in the same browser gets nothing", async () => {
      await using evil = await evilPage();
      const got = await browser.run(async ({ page }, { evil, origin, attack }) => {
        const other = await page("alice").context().newPage();
        await other.goto(evil);
        const { readFile } = await import("node:fs/promises");
        return await other.evaluate<string[]>(
          `(${(await readFile(attack, "utf8")).replace(/;\s*$/, "")})(${JSON.stringify(origin)})`,
        );
      }, { evil: evil.address, origin: served.origin, attack: ATTACK });
      assertEquals(got, [
        "post: TypeError",
        "post json: TypeError",
        "get: TypeError",
        "script: refused",
        "frame: closed",
        "window: cut off",
      ]);
      // The person's own page is let in as before.
      await browser.run(async ({ page }) => {
        await page("alice").keyboard.press("Escape");
        await page("alice").keyboard.press("1");
        await page("alice").locator(".row").first().waitFor();
      }, {});
    });

    await step(t, "a used link, and a page that was opened anew, say what to do", async () => {
      const texts = await browser.run(async ({ page }, { link }) => {
        const alice = page("alice");
        await alice.reload();
        await alice.getByText("This page is closed").waitFor();
        const first = await alice.locator("main").innerText();
        await alice.goto("about:blank");
        await alice.goto(link);
        await alice.getByText("was used already").waitFor();
        return [first, await alice.evaluate<string>("location.href")];
      }, { link: served.link });
      assert(texts[0]?.includes("sealpost web"), texts[0]);
      assertEquals(texts[1], `${served.origin}/`, "the token leaves the address");
    });

    await step(t, "nothing of it is in the browser's storage or cache", async () => {
      const kept = await browser.run(async ({ page }) => {
        const alice = page("alice");
        return await alice.evaluate<unknown>(`caches.keys().then((keys) => ({
          local: localStorage.length,
          session: sessionStorage.length,
          caches: keys.length,
          cookie: document.cookie,
        }))`);
      }, {});
      assertEquals(kept, { local: 0, session: 0, caches: 0, cookie: "" });
    });
  },
);

/** A page of somebody else, on another port of this machine. */
function evilPage(): Promise<AsyncDisposable & { readonly address: string }> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    return new Response("<!doctype html><body>evil", { headers: { "content-type": "text/html" } });
  });
  return Promise.resolve({
    address: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  });
}
