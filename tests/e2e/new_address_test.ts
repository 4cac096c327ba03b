// The server's address is changed for everybody by the operator's notice, which people agree to.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Browser, whyNoBrowser } from "../support/browser.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFullUnless } from "../support/full.ts";
import { passwordOf } from "../support/program.ts";
import { Relay } from "../support/relay.ts";
import { ServedPage } from "../support/served_page.ts";
import { step } from "../support/step.ts";
import { whyNoTmux } from "../support/tmux.ts";

testInFullUnless(
  await whyNoTmux() ?? await whyNoBrowser(),
  "the operator's notice of another address is followed by whoever agrees, once it is the same server",
  async (t) => {
    const names = ["alice", "bob", "carol", "dave"];
    await using people = await Commanding.start(names, { control: true });
    const { group } = people;
    const real = group.server.address;
    // People reach the server by another port than before.
    await using relay = Relay.start(real);
    const settingsOf = (name: string) => Deno.readTextFile(group.path(name, "sealpost.toml"));
    const announce = async (...addresses: string[]) => {
      const done = await group.operate([
        "announce",
        ...addresses.flatMap((address) => ["--new-address", address]),
      ], "");
      assertEquals([done.code, done.stdout], [0, "Announced to 4 users.\n"], done.stderr);
    };

    await step(t, "off a terminal it is said, and changes neither code nor settings", async () => {
      await announce(relay.address);
      const { code, stderr, stdout } = await people.as("alice", ["inbox", "--json"]);
      assertEquals(code, 0);
      assertEquals(JSON.parse(stdout)[0].servers, [relay.address]);
      assertStringIncludes(
        stderr,
        `The operator says that the server is at ${relay.address} from now on; "`,
      );
      assertEquals(await settingsOf("alice"), `server = "${real}"\n`);
    });

    await step(t, "a command at a terminal asks once, and yes changes the settings", async () => {
      await using screen = await people.at("alice", ["status"], { columns: 100, rows: 24 });
      await screen.see("Use that from now on? (y/N)");
      await screen.enter("y");
      await screen.see("From the next command on the server is looked for at");
      assertEquals((await screen.ended()).code, 0);
      assertEquals(await settingsOf("alice"), `server = "${relay.address}"\n`);
      const before = relay.lines.length;
      const again = await people.as("alice", ["inbox"]);
      assertEquals([again.code, again.stderr.includes("operator says")], [0, false], again.stderr);
      assert(relay.lines.length > before);
    });

    await step(t, "the screen asks, and no is not asked again", async () => {
      await using screen = await people.at("bob", ["connect"], { columns: 80, rows: 24 });
      await screen.see("(n)o, ask (l)ater");
      await screen.press("n");
      await screen.see("You are not asked again");
      await screen.press("q");
      await screen.ended();
      const { stderr } = await people.as("bob", ["inbox"]);
      assertEquals(stderr.includes("operator says"), false, stderr);
      assertStringIncludes(await settingsOf("bob"), `server = "${real}"\n`);
    });

    await step(t, "the page asks", async () => {
      await using served = await ServedPage.start(group.path("carol"), [], {
        SEALPOST_PASSWORD: passwordOf("carol"),
      });
      await using browser = await Browser.start();
      await browser.run(async ({ open }, { link, address }) => {
        const page = await open("carol", { viewport: { width: 1024, height: 768 } });
        await page.goto(link);
        await page.getByText(`The operator says that the server is at ${address} from now on.`)
          .waitFor();
        await page.getByRole("button", { name: "Use it", exact: true }).click();
        await page.getByText(`From the next start on the server is looked for at ${address}.`)
          .waitFor();
        await page.locator(".row", { hasText: "[announcement]" }).first().click();
        await page.getByText("An announcement of your server's operator").waitFor();
      }, { link: served.link, address: relay.address });
      assertEquals(await settingsOf("carol"), `server = "${relay.address}"\n`);
    });

    const dave = async (answer: RegExp): Promise<void> => {
      await people.ok("dave", ["inbox"]);
      await using screen = await people.at("dave", ["status"], { columns: 100, rows: 24 });
      await screen.see("Use that from now on? (y/N)");
      await screen.enter("y");
      await screen.see(answer);
      assertEquals((await screen.ended()).code, 0);
    };

    await step(t, "where another server answers, nothing changes", async () => {
      await using other = await Commanding.start([]);
      // Servers of tests have one key.
      await other.group.server.stop();
      const made = await other.group.operate(["keygen", "server", "--force"]);
      assertEquals(made.code, 0, made.stderr);
      await other.group.restart();
      await announce(other.group.server.address);
      await dave(/another\s+server\s+than\s+yours/);
      assertEquals(await settingsOf("dave"), `server = "${real}"\n`);
    });

    await step(t, "where nobody answers yet, the server is looked for there too", async () => {
      await announce("127.0.0.1:1");
      await dave(/is\s+looked\s+for\s+at\s+127\.0\.0\.1:1,\s+and\s+at/);
      assertEquals(await settingsOf("dave"), `server = "127.0.0.1:1, ${real}"\n`);
    });

    await step(t, "a newer notice wins, with several addresses", async () => {
      await announce(relay.address, real);
      await dave(/is\s+looked\s+for\s+at/);
      assertEquals(await settingsOf("dave"), `server = "${relay.address}, ${real}"\n`);
      await people.ok("dave", ["inbox"]);
    });
  },
);
