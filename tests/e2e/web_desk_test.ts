// What people do at the page with mouse, camera and printer, in a real browser.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import decodeQR from "qr/decode.js";
import { Browser, whyNoBrowser } from "../support/browser.ts";
import { shell } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFullUnless } from "../support/full.ts";
import { passwordOf } from "../support/program.ts";
import { ServedPage } from "../support/served_page.ts";
import { step } from "../support/step.ts";

/** A picture of one pixel. */
const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** Why nobody can read a PDF here; null if somebody can. */
async function whyNoPdf(): Promise<string | null> {
  const found = await shell("command -v pdftotext || true");
  return found.trim() === "" ? "there is no pdftotext" : null;
}

/** Notes what the desktop is told, for a page that nobody looks at. */
const UNSEEN = `
  Object.defineProperty(Document.prototype, "visibilityState", { get: () => "hidden" });
  globalThis.told = [];
  globalThis.Notification = class {
    static permission = "granted";
    constructor(title, { body }) { told.push(title + ": " + body); }
  };`;

testInFullUnless(
  await whyNoBrowser() ?? await whyNoPdf(),
  "files are dropped and pasted, codes are read from the screen, and paper has the message alone",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    await people.ok("bob", ["send", "-t", "alice", "-s", "Hello"], { input: "from left to right" });
    await people.ok("bob", ["send", "-t", "alice", "-s", "שלום"], { input: "שלום אליס, from bob" });
    const cwd = people.group.path("alice");
    await using served = await ServedPage.start(cwd, [], {
      SEALPOST_PASSWORD: passwordOf("alice"),
    });
    await using browser = await Browser.start();
    await browser.run(async ({ open }, { link, script }) => {
      const page = await open("alice", { viewport: { width: 1300, height: 800 } });
      await page.addInitScript(script);
      await page.goto(link);
      await page.locator(".row", { hasText: "Hello" }).waitFor();
    }, { link: served.link, script: UNSEEN });

    await step(t, "each text goes the way that its writing goes", async () => {
      const ways = await browser.run(async ({ page }) => {
        const alice = page("alice");
        const all: string[] = [];
        for (const subject of ["Hello", "שלום"]) {
          await alice.locator(".row", { hasText: subject }).click();
          await alice.locator(".message h1", { hasText: subject }).waitFor();
          await alice.locator(".lines").first().waitFor();
          all.push(
            await alice.evaluate<string>(
              'getComputedStyle(document.querySelector(".lines")).direction',
            ),
          );
        }
        return all;
      }, {});
      assertEquals(ways, ["ltr", "rtl"]);
    });

    await step(
      t,
      "a search that is kept stands among the folders, until it is removed",
      async () => {
        const shown = await browser.run(async ({ page }) => {
          const alice = page("alice");
          await alice.getByLabel("Search all mail").fill("subject:hello");
          await alice.getByRole("button", { name: "Keep this search" }).click();
          await alice.getByRole("dialog").getByLabel("Name").fill("Greetings");
          await alice.getByRole("dialog").getByRole("button", { name: "Keep", exact: true })
            .click();
          const kept = alice.getByRole("navigation").getByRole("button", { name: "Greetings" });
          await kept.waitFor();
          await alice.getByLabel("Search all mail").fill("nothing of the kind");
          await alice.getByText("Nothing was found").waitFor();
          await alice.keyboard.press("Escape");
          await alice.locator(".row", { hasText: "שלום" }).waitFor();
          await kept.click();
          await alice.getByRole("heading", { name: "Greetings" }).waitFor();
          await alice.locator(".row", { hasText: "Hello" }).waitFor();
          return await alice.locator(".row").count();
        }, {});
        assertEquals(shown, 1);
        assertMatch(await people.ok("alice", ["folders", "list"]), /Greetings/);
        await browser.run(async ({ page }) => {
          const alice = page("alice");
          await alice.getByRole("button", { name: "Settings" }).click();
          const line = alice.locator(".own-folders li", { hasText: "Greetings" });
          await line.getByRole("button", { name: "Remove" }).click();
          await alice.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
          await line.waitFor({ state: "detached" });
          await alice.getByRole("navigation").getByRole("button", { name: "Inbox" }).click();
        }, {});
      },
    );

    await step(t, "a group that a message shares is taken over by a button, once", async () => {
      await people.ok("bob", ["groups", "make", "team", "alice", "bob"]);
      await people.ok("bob", ["groups", "share", "team", "--yes"]);
      const asked = await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.locator(".row", { hasText: "The group team" }).click();
        await alice.getByText("bob shares the group team with you: alice, bob.").waitFor();
        const take = alice.getByRole("button", { name: "Take it over" });
        await take.click();
        await alice.getByText("You can write to team now").waitFor();
        await take.waitFor({ state: "detached" });
        await alice.locator(".row", { hasText: "Hello" }).click();
        await alice.locator(".row", { hasText: "The group team" }).click();
        await alice.locator(".message h1", { hasText: "The group team" }).waitFor();
        return await take.count();
      }, {});
      assertEquals(asked, 0);
      const [group] = await people.json("alice", ["groups", "list"]);
      assertEquals([group.name, group.owner], ["team", "bob"]);
    });

    await step(
      t,
      "keys lead through a folder that is longer than what is loaded of it",
      async () => {
        const mbox = people.group.path("alice", "many.mbox");
        const letters = Array.from({ length: 150 }, (_, i) => {
          const date = new Date(Date.UTC(2026, 0, 1, 0, i)).toUTCString();
          return `From carol@example.org Thu Jan  1 00:00:00 2026\nFrom: carol@example.org\n` +
            `Date: ${date}\nSubject: letter ${i + 1}\n\ntext\n\n`;
        });
        await Deno.writeTextFile(mbox, letters.join(""));
        await people.ok("alice", ["import", "many.mbox", "--folder", "archive"]);
        await browser.run(async ({ page }) => {
          const alice = page("alice");
          const folder = { name: "archive/many" };
          await alice.getByRole("navigation").getByRole("button", folder).click();
          await alice.locator('.row[aria-setsize="150"]').first().waitFor();
          const reach = async (key: string, place: number) => {
            await alice.keyboard.press(key);
            await alice.locator(`.row.cursor[aria-posinset="${place}"]`).waitFor();
          };
          await reach("End", 150);
          await reach("k", 149);
          await reach("Home", 1);
          await reach("j", 2);
          // The wheel leads away from the cursor, and the next key back to it.
          await alice.locator(".rows").hover();
          await alice.mouse.wheel(0, 100_000);
          await alice.locator('.row[aria-posinset="150"]').waitFor();
          await reach("j", 3);
          await alice.keyboard.press("1");
        }, {});
      },
    );

    await step(t, "a file that is dropped and a picture that is pasted go with it", async () => {
      const path = people.group.path("alice", "dropped.txt");
      await Deno.writeTextFile(path, "what was dropped");
      const names = await browser.run(async ({ page }, { path, pixel }) => {
        const alice = page("alice");
        await alice.keyboard.press("m");
        await alice.getByRole("combobox", { name: "To" }).fill("bob,");
        await alice.getByLabel("Subject").fill("With files");
        await alice.getByRole("textbox", { name: "Message" }).fill("Both are attached.");
        const session = await alice.context().newCDPSession(alice);
        const drag = async (selector: string) => {
          const box = await alice.locator(selector).boundingBox();
          if (!box) throw new Error(`there is no ${selector}`);
          const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
          const data = { items: [], files: [path], dragOperationsMask: 1 };
          for (const type of ["dragEnter", "dragOver", "drop"] as const) {
            await session.send("Input.dispatchDragEvent", { type, x, y, data });
          }
        };
        // Where there is no place for it, nothing happens to the page.
        await drag(".rows");
        await drag(".composer textarea");
        await alice.locator(".files .icon-button").waitFor();
        await alice.evaluate(`(async () => {
          const bytes = Uint8Array.from(atob(${JSON.stringify(pixel)}), (one) => one.charCodeAt(0));
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
          document.querySelector(".composer textarea").dispatchEvent(
            new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }),
          );
        })()`);
        await alice.locator(".files .icon-button").nth(1).waitFor();
        const names = await alice.locator(".files .file-name").allTextContents();
        await alice.getByRole("button", { name: "Send" }).click();
        await alice.getByText("Sent.", { exact: true }).waitFor();
        await alice.keyboard.press("2");
        await alice.locator(".row", { hasText: "With files" }).click();
        // The picture is shown; the text is saved only.
        await alice.locator(".attachment img").waitFor();
        return [...names, String(await alice.locator(".attachment img").count())];
      }, { path, pixel: PIXEL });
      assertEquals(names, ["dropped.txt", "pasted.png", "1"]);
      const [{ short }] = await people.json("bob", ["inbox"]);
      await people.ok("bob", ["read", short, "--save", "."]);
      const saved = await Deno.readTextFile(people.group.path("bob", "dropped.txt"));
      assertEquals(saved, "what was dropped");
    });

    await step(t, "a slow upload says how long it takes, and can be given up", async () => {
      const path = people.group.path("alice", "slow.bin");
      await Deno.writeFile(path, new Uint8Array(2_000_000));
      const said = await browser.run(async ({ page }, { path }) => {
        const alice = page("alice");
        const session = await alice.context().newCDPSession(alice);
        const slow = { offline: false, latency: 0, downloadThroughput: -1 };
        await session.send("Network.enable");
        await session.send("Network.emulateNetworkConditions", {
          ...slow,
          uploadThroughput: 100_000,
        });
        await alice.keyboard.press("m");
        await alice.locator(".composer input[type=file]").setInputFiles(path);
        const left = alice.locator(".files li .quiet", { hasText: "left" });
        await left.waitFor();
        const said = await left.textContent();
        await alice.getByRole("button", { name: "Do not attach slow.bin" }).click();
        await alice.locator(".files").waitFor({ state: "detached" });
        await session.send("Network.emulateNetworkConditions", { ...slow, uploadThroughput: -1 });
        await alice.locator(".composer input[type=file]").setInputFiles(path);
        await alice.getByRole("button", { name: "Remove slow.bin" }).waitFor();
        await alice.getByRole("button", { name: "Discard" }).click();
        await alice.getByRole("dialog").getByRole("button", { name: "Discard" }).click();
        await alice.locator(".composer").waitFor({ state: "detached" });
        await session.detach();
        return said;
      }, { path });
      assertMatch(said ?? "", /^\d+ s left$/);
      const kept = people.group.path("alice", ".sealpost", "alice", "attached");
      const found = await shell('find "$0" -name "*slow*"', kept);
      assertEquals(found, "", "nothing of it stays");
    });

    await step(t, "a camera reads the safety number's code from the screen", async () => {
      const photo = await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.keyboard.press("C");
        await alice.getByRole("button", { name: /^bob/ }).click();
        await alice.getByRole("button", { name: "Compare safety number" }).click();
        await alice.locator("svg.code").waitFor();
        const png = await alice.locator("svg.code").screenshot();
        const blank = await alice.context().newPage();
        const pixels = await blank.evaluate<{ width: number; height: number; dark: string }>(
          `(async () => {
            const bytes = Uint8Array.from(
              atob(${JSON.stringify(png.toString("base64"))}), (one) => one.charCodeAt(0));
            const bitmap = await createImageBitmap(new Blob([bytes]));
            const { width, height } = bitmap;
            const context = new OffscreenCanvas(width, height).getContext("2d");
            context.drawImage(bitmap, 0, 0);
            const { data } = context.getImageData(0, 0, width, height);
            let dark = "";
            for (let at = 0; at < data.length; at += 4) dark += data[at] < 128 ? "1" : "0";
            return { width, height, dark };
          })()`,
        );
        await blank.close();
        return pixels;
      }, {});
      const { width, height, dark } = photo;
      const data = new Uint8Array(4 * width * height).fill(255);
      for (let i = 0; i < dark.length; i++) {
        if (dark[i] === "1") data.fill(0, 4 * i, 4 * i + 3);
      }
      const text = decodeQR({ width, height, data });
      const other = await people.ok("bob", ["keys", "verify", "alice", "--scan", text]);
      assertMatch(other, /verified/);
      const own = (await people.ok("bob", ["keys", "verify", "alice", "--text"])).trim();
      await browser.run(async ({ page }, { own }) => {
        const alice = page("alice");
        await alice.getByLabel("Or paste what the other's code says").fill(own);
        await alice.getByRole("button", { name: "Compare", exact: true }).click();
        await alice.getByText("The key of bob is verified.").waitFor();
      }, { own });
    });

    await step(t, "what another key was, and until when, stands with the contact", async () => {
      const { fingerprint } = await people.json("bob", ["keys", "rotate", "--yes"]);
      await people.ok("bob", ["send", "-t", "alice", "-s", "New keys"], { input: "text" });
      const shown = await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.locator(".contact.open", { hasText: "Former keys" }).waitFor();
        return await alice.locator(".contact.open").innerText();
      }, {});
      assert(shown.includes(fingerprint), shown);
      assertMatch(shown, /Former keys\s+SHA256:\S+ until /);
    });

    await step(t, "on paper there is the message, and nothing around it", async () => {
      const path = join(cwd, "message.pdf");
      await browser.run(async ({ page }, { path }) => {
        const alice = page("alice");
        await alice.keyboard.press("2");
        await alice.locator(".row", { hasText: "With files" }).click();
        await alice.locator(".attachment img").waitFor();
        await alice.pdf({ path });
      }, { path });
      const text = await shell('pdftotext -layout "$0" -', path);
      for (const part of ["With files", "alice", "To bob", "Both are attached.", "dropped.txt"]) {
        assert(text.includes(part), `${part}: ${text}`);
      }
      assert(!/Inbox|Sent|Search|Write|Settings|Details|Hello/.test(text), text);
    });

    await step(t, "the words of a kit are on paper alone", async () => {
      const path = join(cwd, "kit.pdf");
      const words = await browser.run(async ({ page }, { path, password }) => {
        const alice = page("alice");
        await alice.getByRole("button", { name: "Settings" }).click();
        await alice.getByRole("button", { name: "Make a kit" }).click();
        await alice.getByLabel("Your password").fill(password);
        await alice.getByRole("button", { name: "Show the words" }).click();
        await alice.locator(".words li").nth(23).waitFor();
        await alice.pdf({ path });
        const words = await alice.locator(".words li").allTextContents();
        await alice.keyboard.press("Escape");
        return words;
      }, { path, password: passwordOf("alice") });
      const text = await shell('pdftotext -layout "$0" -', path);
      for (const word of words) assert(text.includes(word), `${word}: ${text}`);
      assert(!/Inbox|Cancel|Your machines|On paper/.test(text), text);
      assertEquals(text.trim().split("\f").length, 1, "one page");
    });

    await step(t, "on the smallest windows nothing reaches over their edge", async () => {
      const wide = await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.setViewportSize({ width: 320, height: 568 });
        const wide: string[] = [];
        const look = async (screen: string) => {
          const width = await alice.evaluate<number>(`Math.max(
            document.documentElement.scrollWidth,
            ...[...document.querySelectorAll("main, .right, .card, dialog, .side, .toolbar, .scroll")]
              .filter((one) => one.checkVisibility())
              .map((one) => Math.max(one.scrollWidth, one.getBoundingClientRect().right)),
          )`);
          if (width > 320) wide.push(`${screen}: ${width}`);
        };
        await look("settings");
        const shut = async () => {
          await alice.keyboard.press("Escape");
          await alice.locator("dialog").first().waitFor({ state: "hidden" });
        };
        await alice.getByRole("button", { name: "Make a kit" }).click();
        await alice.getByLabel("Your password").waitFor();
        await look("the kit");
        await shut();
        for (
          const [key, screen, there] of [
            ["C", "contacts", ".contact"],
            ["2", "sent", ".row"],
            ["5", "drafts", ".empty"],
            ["?", "the keys", "dialog .keys"],
          ] as const
        ) {
          await alice.keyboard.press(key);
          await alice.locator(there).first().waitFor();
          await look(screen);
        }
        await shut();
        await alice.getByRole("button", { name: "Folders" }).click();
        await look("folders");
        await alice.keyboard.press("2");
        await alice.locator(".row", { hasText: "With files" }).click();
        await alice.locator(".attachment img").waitFor();
        await look("a message");
        await alice.keyboard.press("r");
        await alice.locator(".composer").waitFor();
        await look("writing");
        await alice.getByRole("button", { name: "Close" }).first().click();
        await alice.locator(".composer").waitFor({ state: "detached" });
        await alice.keyboard.press("q");
        await alice.keyboard.press("g");
        await alice.keyboard.press("t");
        await alice.locator(".selection").waitFor();
        await look("selected");
        await alice.setViewportSize({ width: 1300, height: 800 });
        return wide;
      }, {});
      assertEquals(wide, []);
    });

    await step(t, "the desktop is told of new mail while nobody looks", async () => {
      await people.ok("bob", ["send", "-t", "alice", "-s", "Lunch?"], { input: "at one" });
      const told = await browser.run(async ({ page }) => {
        const alice = page("alice");
        await alice.getByText("New mail from bob: Lunch?").waitFor();
        return await alice.evaluate<string[]>("told");
      }, {});
      assertEquals(told.at(-1), "Sealpost: New mail from bob: Lunch?");
    });
  },
);
