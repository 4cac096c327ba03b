// Further machines of a person, and the kit, from page to page.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import type { WordsView } from "../../client/web/types.ts";
import { Browser, whyNoBrowser } from "../support/browser.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFullUnless } from "../support/full.ts";
import { passwordOf } from "../support/program.ts";
import { ServedPage } from "../support/served_page.ts";
import { step } from "../support/step.ts";
import { waitFor } from "../support/wait.ts";
import { WebClient } from "../support/web_client.ts";

/** Starts the page of somebody who has nothing in `folder` yet. */
async function newPage(people: Commanding, folder: string): Promise<ServedPage> {
  const cwd = people.group.path(folder);
  await Deno.mkdir(cwd);
  return await ServedPage.start(cwd, ["--dir", "."], { HOME: cwd });
}

/** Waits until the mail behind a page is open. */
async function opened(page: WebClient): Promise<void> {
  await waitFor("the mail", async () => {
    const response = await page.post("list", { folder: "inbox", from: 0, limit: 1 });
    await response.body?.cancel();
    return response.status === 200 || null;
  });
}

Deno.test("words bring nothing to who has others, and the page that shows them decides", async (t) => {
  await using people = await Commanding.start(["alice"]);
  const server = people.group.server.address;
  await using served = await ServedPage.start(people.group.path("alice"), [], {
    SEALPOST_PASSWORD: passwordOf("alice"),
  });
  const first = new WebClient(served.origin);
  assertEquals(await first.enter(served.link), 200);
  await opened(first);
  await using second = await newPage(people, "second");
  const page = new WebClient(second.origin);
  assertEquals(await page.enter(second.link), 200);

  await step(t, "what are no words is said before anything is asked", async () => {
    const link = { server, device: "laptop", words: "abandon ".repeat(12) };
    assertEquals(await page.refused("link", { ...link, words: "three of them" }), "usage");
    assertEquals(await page.refused("link", link), "usage", "a wrong checksum");
    assertEquals(await page.refused("link", { ...link, device: " " }), "usage");
    const answers = { password: "x".repeat(9), passphrase: "" };
    assertEquals(await page.refused("set-up-linked", answers), "usage");
    assertEquals(await first.refused("link", link), "usage", "set up already");
  });

  await step(t, "words that nobody offers bring nothing", async () => {
    const words = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    await page.refused("link", { server, device: "laptop", words });
    assert(!await exists(people.group.path("second", "alice_private.pem")));
  });

  await step(t, "who says no to the six words gives nothing away", async () => {
    const secrets = { password: passwordOf("alice"), passphrase: "" };
    const wrong = { ...secrets, password: "not the password" };
    assertEquals(await first.refused("offer-link", wrong), "login-refused");
    const { words } = await first.ask<WordsView>("offer-link", secrets);
    const linking = page.refused("link", { server, device: "laptop", words: words.join(" ") });
    await waitFor("the other machine", async () => {
      const response = await first.post("answer-link", { same: false });
      await response.body?.cancel();
      return await Promise.race([
        linking.then(() => true),
        new Promise<null>((resolve) => setTimeout(() => resolve(null), 200)),
      ]);
    });
    assert(!await exists(people.group.path("second", "alice_private.pem")));
  });

  await step(
    t,
    "a kit is made with the password alone, and when its words are on paper",
    async () => {
      const asked = { password: "not the password", passphrase: "" };
      assertEquals(await first.refused("begin-kit", asked), "login-refused");
      const { words, code } = await first.ask<WordsView>("begin-kit", {
        ...asked,
        password: passwordOf("alice"),
      });
      assertEquals([words.length, code.length > 20], [24, true]);
      await first.ask("end-kit", { kept: false });
      const link = { server, device: "laptop", words: words.join(" ") };
      await page.refused("link", link);
      assert(!await exists(people.group.path("second", "alice_private.pem")));
    },
  );
});

testInFullUnless(
  await whyNoBrowser(),
  "a second machine is linked from page to page, and a third one by the words of a kit",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    await people.ok("bob", ["send", "-t", "alice", "-s", "On every machine"], { input: "text" });
    const server = people.group.server.address;
    await using served = await ServedPage.start(people.group.path("alice"), [], {
      SEALPOST_PASSWORD: passwordOf("alice"),
    });
    await using second = await newPage(people, "second");
    await using third = await newPage(people, "third");
    await using browser = await Browser.start();
    for (
      const [name, { link }] of [["first", served], ["second", second], ["third", third]] as const
    ) {
      await browser.run(async ({ open }, { name, link }) => {
        const page = await open(name, { viewport: { width: 1200, height: 800 } });
        page.setDefaultTimeout(60_000);
        await page.goto(link);
      }, { name, link });
    }

    await step(t, "both screens show the same six words", async () => {
      const [here, there] = await browser.run(async ({ page }, { server, password }) => {
        const first = page("first");
        await first.getByRole("button", { name: "Settings" }).click();
        await first.getByRole("button", { name: "Add a machine" }).click();
        await first.getByLabel("Your password").fill(password);
        await first.getByRole("button", { name: "Show the words" }).click();
        await first.locator(".words li").nth(11).waitFor();
        const words = await first.locator(".words li").allTextContents();
        const second = page("second");
        await second.getByRole("button", { name: "I have another machine" }).click();
        await second.getByLabel("The server").fill(server);
        await second.getByLabel("A name for this machine").fill("laptop");
        await second.getByLabel("The words").fill(words.join(" "));
        await second.getByRole("button", { name: "Continue" }).click();
        const shown = [first, second].map((one) => one.locator(".six-words").textContent());
        return await Promise.all(shown);
      }, { server, password: passwordOf("alice") });
      assertEquals(here?.split(" ").length, 6);
      assertEquals(here, there);
    });

    await step(t, "the mail is on the second machine, which the first one names", async () => {
      await browser.run(async ({ page }, { password }) => {
        const [first, second] = [page("first"), page("second")];
        await first.getByRole("button", { name: "It shows these words" }).click();
        await second.getByLabel("Your password").fill(password);
        await second.getByRole("button", { name: "Open my mail" }).click();
        await second.locator(".row", { hasText: "On every machine" }).waitFor();
        await first.getByRole("navigation").getByRole("button", { name: "Inbox" }).click();
        await first.getByRole("button", { name: "Settings" }).click();
        await first.locator(".own-folders li", { hasText: "laptop" }).waitFor();
      }, { password: passwordOf("alice") });
      const key = people.group.path("second", "alice_private.pem");
      assertEquals(((await Deno.stat(key)).mode ?? 0) & 0o777, 0o600);
    });

    await step(t, "24 words on paper bring a third one, with a passphrase of its own", async () => {
      const words = await browser.run(async ({ page }, { password }) => {
        const first = page("first");
        await first.getByRole("button", { name: "Make a kit" }).click();
        await first.getByLabel("Your password").fill(password);
        await first.getByRole("button", { name: "Show the words" }).click();
        await first.locator(".words li").nth(23).waitFor();
        const words = await first.locator(".words li").allTextContents();
        await first.getByRole("button", { name: "All 24 are on paper" }).click();
        await first.getByText("Your recovery kit is of").waitFor();
        return words.join(" ");
      }, { password: passwordOf("alice") });
      await browser.run(async ({ page }, { server, words, password }) => {
        const third = page("third");
        await third.getByRole("button", { name: "I have another machine" }).click();
        await third.getByLabel("The server").fill(server);
        await third.getByLabel("A name for this machine").fill("desk");
        await third.getByLabel("The words").fill(words);
        await third.getByRole("button", { name: "Continue" }).click();
        await third.getByLabel("Your password").fill(password);
        await third.getByLabel("Passphrase for your keys").fill("a passphrase");
        await third.getByLabel("The same again").fill("a passphrase");
        await third.getByRole("button", { name: "Open my mail" }).click();
        await third.locator(".row", { hasText: "On every machine" }).waitFor();
      }, { server, words, password: passwordOf("alice") });
      const key = await Deno.readTextFile(join(people.group.path("third"), "alice_private.pem"));
      assertStringIncludes(key, "ENCRYPTED");
    });

    await step(t, "one that was lost is removed, and a window says what comes next", async () => {
      await browser.run(async ({ page }, { password, next }) => {
        const first = page("first");
        await first.getByRole("button", { name: "Remove laptop" }).click();
        const dialog = first.getByRole("dialog");
        await dialog.getByLabel("It was lost or stolen").check();
        await dialog.getByRole("textbox", { name: "Your password" }).fill(password);
        await dialog.getByRole("textbox", { name: "New password" }).fill(next);
        await dialog.getByLabel("The same again").fill("another one");
        await dialog.getByRole("button", { name: "Remove it, with new keys" }).click();
        await dialog.getByText("The two are not the same.").waitFor();
        await dialog.getByLabel("The same again").fill(next);
        await dialog.getByRole("button", { name: "Remove it, with new keys" }).click();
        await first.getByRole("heading", { name: "laptop is removed" }).waitFor();
        await dialog.getByText("Your key is now SHA256:").waitFor();
        await dialog.getByRole("button", { name: "OK" }).click();
        await first.getByRole("button", { name: "Settings" }).click();
        const machines = first.locator(".own-folders");
        await machines.getByText("desk").waitFor();
        await machines.getByText("laptop").waitFor({ state: "detached" });
      }, { password: passwordOf("alice"), next: "another good password" });
    });
  },
);
