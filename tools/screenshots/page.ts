// Plays scenes of docs/WEB.md in a real browser with a real server, and writes what it shows to
// .deno/pictures: NAME.WIDTH.light.webp and NAME.WIDTH.dark.webp. Those that docs/WEB.md names go to
// docs/images/page too.

import { dirname, join } from "@std/path";
import { Browser } from "../../tests/support/browser.ts";
import { ServedPage } from "../../tests/support/served_page.ts";
import { buildPage } from "../page/build.ts";
import { ROOT } from "../release/build.ts";
import { painted } from "./painted.ts";
import { People, PROGRAM } from "./people.ts";
// In the functions that run in Node this is its global of the same name; here it gives the type.
import { Buffer } from "node:buffer";

const PICTURES = join(ROOT, ".deno", "pictures");
const IMAGES = join(ROOT, "docs", "images", "page");

/** Widths of windows, with the heights that go with them, pixels. */
const SIZES = [[390, 760], [1024, 720], [1600, 900]] as const;

/** Of WebP, up to 100. */
const QUALITY = 55;

/** The letters that are in Alice's mailbox, the oldest first. */
const LETTERS: readonly (readonly [
  from: string,
  subject: string,
  text: string,
  more?: readonly string[],
])[] = [
  ["carol", "Rota for December", "The rota hangs in the kitchen, and is attached.\n\nCarol\n", [
    "-a",
    "rota.csv",
  ]],
  ["bob", "Samples of last week", "Are they labelled? I found two that are not.\n\nBob\n"],
  ["dana", "שלום מתל אביב", "שלום אליס,\n\nאנחנו מגיעים ביום שני בבוקר. נתראה!\n\nדנה\n"],
  ["carol", "Grüße aus Łódź", "Back on Wednesday. 🙂\n"],
  ["carol", "Ward round on Monday", "Half an hour earlier, please: at half past seven.\n"],
  [
    "dana",
    "Invoice 2026-117",
    "Attached. The address has changed, see https://clinic.example/new\n",
    [
      "-a",
      "invoice.pdf",
    ],
  ],
  [
    "bob",
    "Results and the picture",
    "Dear Alice,\n\nthe second series agrees with the first, as you see in the picture. Line 14 is the " +
    "one that we talked about on Tuesday; everything after it was measured with the new device.\n\n" +
    "Tell me by tomorrow whether that is enough for the report, and whom we send it to.\n\nBob\n",
    ["-a", "series.png"],
  ],
];

/** Mail as a shop would send it. */
const DESIGNED = `From: carol
To: alice
Subject: The garden in spring
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8

<table width="100%"><tr><td style="background:#2f5d50;color:#fff;padding:24px;font-size:26px">
The garden in spring</td></tr><tr><td style="padding:20px">
<p>Dear Alice,</p><p>the <b>first beds</b> are ready. See the
<a href="https://garden.example/plan">plan for April</a>, and bring <i>gloves</i>.</p>
<img src="https://pixel.example/seen.png" alt="A bed of tulips"><p>Carol</p></td></tr></table>
`;

/** Makes another machine of Alice, with the same keys and nothing else; what lists call it. */
async function anotherMachine(people: People): Promise<string> {
  const [from, to] = [people.home("alice"), people.home("laptop")];
  const key = (await Array.fromAsync(walk(from))).find((path) => path.endsWith("_private.pem"));
  if (key === undefined) throw new Error("Alice has no keys");
  await Deno.mkdir(to, { recursive: true, mode: 0o700 });
  for await (const { name, isFile } of Deno.readDir(dirname(key))) {
    if (isFile) await Deno.copyFile(join(dirname(key), name), join(to, name));
  }
  const env = {
    SEALPOST_PASSWORD: "the password of alice",
    SEALPOST_PASSPHRASE: "the passphrase of alice",
  };
  const said = await people.as("laptop", ["devices", "list", "--dir", ".", "--json"], "", env);
  const devices: { label: string; own: boolean }[] = JSON.parse(said);
  return devices.find(({ own }) => own)?.label ?? "";
}

/** The paths of all files in a folder. */
async function* walk(folder: string): AsyncGenerator<string, void, undefined> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* walk(join(folder, name));
    else yield join(folder, name);
  }
}

/** Takes the pictures of `names`; all of them if none are named. */
export async function takePage(names: readonly string[]): Promise<void> {
  for (const folder of [PICTURES, IMAGES]) await Deno.mkdir(folder, { recursive: true });
  const shown = await Deno.readTextFile(join(ROOT, "docs", "WEB.md"));
  await buildPage(join(ROOT, ".deno", "page"));
  await using people = await People.start();
  await using browser = await Browser.start();
  const take = async (name: string) => {
    if (names.length > 0 && !names.includes(name)) return;
    await browser.run(async ({ page }, { sizes, path, quality }) => {
      const alice = page("alice");
      const { writeFile } = await import("node:fs/promises");
      const session = await alice.context().newCDPSession(alice);
      for (const [width, height] of sizes) {
        await alice.setViewportSize({ width, height });
        for (const colorScheme of ["light", "dark"] as const) {
          await alice.emulateMedia({ colorScheme });
          await alice.mouse.move(0, 0);
          await alice.waitForTimeout(250);
          const { data } = await session.send("Page.captureScreenshot", {
            format: "webp",
            quality,
          });
          await writeFile(`${path}.${width}.${colorScheme}.webp`, data, "base64");
        }
      }
      await session.detach();
      await alice.setViewportSize({ width: 1600, height: 900 });
    }, { sizes: SIZES, path: join(PICTURES, name), quality: QUALITY });
    for await (const { name: file } of Deno.readDir(PICTURES)) {
      if (file.startsWith(`${name}.`) && shown.includes(file)) {
        await Deno.copyFile(join(PICTURES, file), join(IMAGES, file));
      }
    }
    console.log(name);
  };
  const invitation = await people.as("olga", ["user", "add", "alice", "--invite"]);
  for (const name of ["bob", "carol", "dana"]) await people.join(name);

  const home = people.home("alice");
  await Deno.mkdir(home, { recursive: true });
  await using served = await ServedPage.start(home, [], people.env("alice"), PROGRAM);
  await browser.run(async ({ open }, { link }) => {
    const alice = await open("alice", {
      viewport: { width: 1600, height: 900 },
      locale: "en-GB",
      timezoneId: "UTC",
    });
    alice.setDefaultTimeout(180_000);
    await alice.goto(link);
    await alice.getByLabel("Invitation, or name@server").waitFor();
  }, { link: served.link });
  await take("invitation");
  await browser.run(async ({ page }) => {
    await page("alice").getByRole("button", { name: "I have another machine" }).click();
    await page("alice").getByLabel("The words").waitFor();
  }, {});
  await take("another-machine");
  await browser.run(async ({ page }) => {
    await page("alice").getByRole("button", { name: "Back" }).click();
  }, {});
  await browser.run(async ({ page }, { invitation }) => {
    const alice = page("alice");
    await alice.getByLabel("Invitation, or name@server").fill(invitation);
    await alice.getByRole("button", { name: "Continue" }).click();
    await alice.getByLabel("Choose a password").fill("the password of alice");
    await alice.getByLabel("The same again").fill("the password of alice");
    await alice.getByLabel("Passphrase for your keys").fill("the passphrase of alice");
  }, { invitation });
  await take("password");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.getByLabel("The same again").last().fill("the passphrase of alice");
    // Keys are made faster than six pictures of it are taken.
    const made = new Promise<void>((resolve) => Object.assign(globalThis, { resolve }));
    await alice.route("**/api/set-up", async (route) => {
      await made;
      await route.continue();
    });
    await alice.getByRole("button", { name: "Make my keys" }).click();
    await alice.locator(".steps").waitFor();
  }, {});
  await take("keys");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    Reflect.get(globalThis, "resolve")();
    await alice.getByText("Welcome to Sealpost").waitFor();
    await alice.unrouteAll();
    await alice.getByText("Write down 24 words?").waitFor();
  }, {});
  await take("offer-of-a-kit");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.getByRole("button", { name: "Write them down now" }).click();
    await alice.getByLabel("Your password").fill("the password of alice");
    await alice.getByLabel("Passphrase of your keys").fill("the passphrase of alice");
    await alice.getByRole("button", { name: "Show the words" }).click();
    await alice.locator(".words li").nth(23).waitFor();
  }, {});
  await take("kit");
  await browser.run(async ({ page }) => {
    await page("alice").getByRole("button", { name: "All 24 are on paper" }).click();
    await page("alice").getByText("Your recovery kit is made.").waitFor();
  }, {});

  await Deno.writeTextFile(join(people.home("carol"), "rota.csv"), "Monday,Carol\n".repeat(40));
  await Deno.writeFile(join(people.home("dana"), "invoice.pdf"), new Uint8Array(86_000));
  await Deno.writeFile(join(people.home("bob"), "series.png"), painted(520, 260));
  for (const [from, subject, text, more = []] of LETTERS) {
    await people.as(from, ["send", "-t", "alice", "-s", subject, ...more], text);
  }
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    for (const subject of ["Welcome to Sealpost", "Rota for December", "Ward round"]) {
      await alice.locator(".row", { hasText: subject }).first().click();
      await alice.locator(".message h1", { hasText: subject }).waitFor();
    }
    await alice.keyboard.press("q");
    await alice.locator(".row", { hasText: "Results and the picture" }).waitFor();
    await alice.locator(".toasts .toast").first().waitFor({ state: "detached" });
  }, {});
  await take("inbox");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.locator(".row", { hasText: "Results and the picture" }).click();
    await alice.locator(".attachment img").waitFor();
  }, {});
  await take("message");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.locator(".row", { hasText: "Ward round" }).click();
    await alice.getByText("half past seven").waitFor();
    await alice.keyboard.press("r");
    await alice.locator(".composer").waitFor();
    await alice.keyboard.type("I shall be there.");
    await alice.keyboard.press("Control+Enter");
    await alice.getByText("Sent.", { exact: true }).waitFor();
    await alice.keyboard.press("2");
    await alice.locator(".row", { hasText: "Re: Ward round" }).click();
    await alice.locator(".conversation li").nth(1).waitFor();
    await alice.locator(".toasts .toast").first().waitFor({ state: "detached" });
  }, {});
  await take("conversation");
  await browser.run(async ({ page }) => {
    await page("alice").keyboard.press("1");
    await page("alice").locator(".row", { hasText: "Invoice" }).waitFor();
  }, {});
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.locator(".row", { hasText: "שלום" }).click();
    await alice.getByText("נתראה").waitFor();
  }, {});
  await take("right-to-left");
  await people.as("carol", ["sendmail", "-t"], DESIGNED);
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.locator(".row", { hasText: "The garden in spring" }).click();
    await alice.getByRole("button", { name: "Show as it was designed" }).click();
    await alice.frameLocator(".designed").getByText("first beds").waitFor();
  }, {});
  await take("designed");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.keyboard.press("q");
    for (const subject of ["Rota for", "Samples of"]) {
      await alice.locator(".row", { hasText: subject }).locator(".pick").click();
    }
  }, {});
  await take("selected");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.keyboard.press("q");
    await alice.keyboard.press("m");
    await alice.getByRole("combobox", { name: "To" }).fill("carol,dana,");
    await alice.getByLabel("Subject").fill("The report");
    await alice.getByRole("textbox", { name: "Message" }).fill(
      "Dear both,\n\nBob's results are enough for the report. Could you read it until Friday?\n\nAlice",
    );
    await alice.locator("input[type=file]").setInputFiles({
      name: "report-2026-12.odt",
      mimeType: "application/octet-stream",
      buffer: Buffer.alloc(184_000),
    });
    await alice.locator(".files .icon-button").waitFor();
    await alice.getByText("Saved", { exact: true }).waitFor();
  }, {});
  await take("write");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.locator(".composer").getByRole("button", { name: "Close" }).click();
    await alice.keyboard.press("5");
    await alice.locator(".row", { hasText: "The report" }).waitFor();
  }, {});
  await take("drafts");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.keyboard.press("3");
    await alice.getByText("Nothing here").waitFor();
  }, {});
  await take("empty");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.fill("#search", "series");
    await alice.locator(".found mark").first().waitFor();
  }, {});
  await take("search");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.getByRole("button", { name: "Keep this search" }).click();
    await alice.getByRole("dialog").getByLabel("Name").fill("The series");
    await alice.getByRole("dialog").getByRole("button", { name: "Keep", exact: true }).click();
    await alice.getByRole("heading", { name: "The series" }).waitFor();
    await alice.locator(".toasts .toast").first().waitFor({ state: "detached" });
  }, {});
  await take("kept-search");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.fill("#search", "");
    await alice.keyboard.press("Escape");
    await alice.keyboard.press("C");
    await alice.getByRole("button", { name: /^bob/ }).click();
    await alice.getByRole("button", { name: "Compare safety number" }).click();
    await alice.locator(".safety .number").waitFor();
  }, {});
  await take("safety-number");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.getByRole("button", { name: "They match" }).click();
    await alice.getByText("verified in person").waitFor();
    await alice.locator(".toasts .toast").first().waitFor({ state: "detached" });
  }, {});
  await take("contacts");
  const machine = await anotherMachine(people);
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.getByRole("button", { name: "Settings" }).click();
    await alice.getByText("SHA256:").first().waitFor();
    await alice.getByText("Your recovery kit is of").waitFor();
  }, {});
  await take("settings");
  for (
    const [button, picture] of [
      ["Change password", "change-password"],
      ["Make new keys", "new-keys"],
      [`Remove ${machine}`, "remove-a-machine"],
    ] as const
  ) {
    await browser.run(async ({ page }, { button, lost }) => {
      const alice = page("alice");
      await alice.getByRole("button", { name: button }).click();
      if (lost) await alice.getByLabel("It was lost or stolen").check();
    }, { button, lost: picture === "remove-a-machine" });
    await take(picture);
    await browser.run(async ({ page }) => {
      const dialog = page("alice").getByRole("dialog");
      await dialog.getByRole("button", { name: "Cancel" }).click();
      await dialog.waitFor({ state: "detached" });
    }, {});
  }
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.getByRole("button", { name: "Add a machine" }).click();
    await alice.getByLabel("Your password").fill("the password of alice");
    await alice.getByLabel("Passphrase of your keys").fill("the passphrase of alice");
    await alice.getByRole("button", { name: "Show the words" }).click();
    await alice.locator(".words li").nth(11).waitFor();
  }, {});
  await take("add-a-machine");
  await browser.run(async ({ page }) => {
    const dialog = page("alice").getByRole("dialog");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await page("alice").locator(".toasts .toast").first().waitFor({ state: "detached" });
  }, {});
  await browser.run(async ({ page }) => {
    await page("alice").keyboard.press("?");
    await page("alice").locator("dialog .keys").waitFor();
  }, {});
  await take("help");
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.keyboard.press("Escape");
    await alice.setViewportSize({ width: 390, height: 760 });
    await alice.keyboard.press("1");
    await alice.getByRole("button", { name: "Folders" }).click();
  }, {});
  await take("folders");

  await people.unserve();
  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.keyboard.press("1");
    await alice.locator(".notice.offline").waitFor();
  }, {});
  await take("offline");
  await people.serve();

  await browser.run(async ({ page }) => {
    const alice = page("alice");
    await alice.getByRole("button", { name: "Lock" }).click();
    await alice.getByLabel("Passphrase").waitFor();
  }, {});
  await take("locked");
  await browser.run(async ({ page }) => {
    await page("alice").reload();
    await page("alice").getByText("This page is closed").waitFor();
  }, {});
  await take("closed");
}
