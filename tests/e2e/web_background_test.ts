// A page that goes on without its terminal: by the executable, which starts itself once more.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { Commanding } from "../support/commanding.ts";
import { inFolder } from "../support/command.ts";
import { executable, whyNotCompile } from "../support/executable.ts";
import { testInFullUnless } from "../support/full.ts";
import { passwordOf, run } from "../support/program.ts";
import { WITH_PAGE } from "../support/served_page.ts";
import { step } from "../support/step.ts";
import { whyNoTmux } from "../support/tmux.ts";
import { waitFor } from "../support/wait.ts";
import { WebClient } from "../support/web_client.ts";

Deno.test("from the source, a page in the background is refused", async () => {
  await inFolder(async (cwd) => {
    const { code, stderr } = await run(["web", "--background"], { cwd, build: WITH_PAGE });
    assertEquals(code, 64, stderr);
    assertMatch(stderr, /^[^\n]*--background starts the executable once more[^\n]*\n$/);
  });
});

testInFullUnless(
  await whyNotCompile() ?? await whyNoTmux(),
  "a page in the background outlives its terminal, and web stop ends it",
  async (t) => {
    await using people = await Commanding.start(["alice"]);
    const cwd = people.group.path("alice");
    const path = await executable();
    const build = { command: "sh", args: ["-c", 'exec "$0" "$@"', path] };
    const env = { SEALPOST_PASSWORD: passwordOf("alice") };
    const control = join(cwd, ".sealpost", "alice", "web");
    let page = new WebClient("");

    await step(t, "a launcher in the desktop's menu starts this very program", async () => {
      const home = join(cwd, "home");
      await Deno.mkdir(home);
      const install = (...args: string[]) =>
        run(["web", "--install", ...args], { cwd, env: { HOME: home }, build });
      const { code, stdout, stderr } = await install();
      assertEquals(code, 0, stderr);
      const launcher = join(home, ".local", "share", "applications", "sealpost.desktop");
      assertStringIncludes(stdout, launcher);
      const text = await Deno.readTextFile(launcher);
      assertMatch(text, /^\[Desktop Entry\]\nType=Application\n/);
      assertStringIncludes(text, `\nExec="${path}" web\n`);
      const [, icon = ""] = /^Icon=(\S+)$/m.exec(text) ?? [];
      const icons = join(home, ".local", "share", "icons", "hicolor", "scalable", "apps");
      assert(await exists(join(icons, `${icon}.svg`)));
      // Again it is the same; with what it cannot keep it is refused.
      assertEquals((await install()).code, 0);
      for (const args of [["--background"], ["--listen", "127.0.0.1:1"], ["--lock", "5m"]]) {
        assertEquals((await install(...args)).code, 64, args.join(" "));
      }
    });

    await step(t, "what keeps it from starting is said, and is the exit code", async () => {
      await Deno.writeTextFile(join(cwd, "sealpost.toml"), "server = 1\n");
      const { code, stdout, stderr } = await run(["web", "--background", "--no-open"], {
        cwd,
        env,
        build,
      });
      assertEquals([code, stdout], [78, ""], stderr);
      assertMatch(stderr, /^sealpost: [^\n]*sealpost\.toml[^\n]*\n$/);
      await people.settle("alice");
    });

    await step(t, "its terminal goes, and it answers", async () => {
      const screen = await people.at("alice", ["web", "--background", "--no-open"], { build });
      assertEquals((await screen.ended()).code, 0);
      const [link = ""] = /http:\/\/127\.0\.0\.1:\d+\/#[\w-]{22}/.exec(await screen.text()) ?? [];
      await screen[Symbol.asyncDispose]();
      page = new WebClient(new URL(link).origin);
      assertEquals(await page.enter(link), 200);
      await waitFor("the mail", async () => {
        const response = await page.post("list", { folder: "inbox", from: 0, limit: 1 });
        await response.body?.cancel();
        return response.status === 200 || null;
      });
    });

    await step(t, "started again, it gives a new link to the same page", async () => {
      for (const args of [["web", "--background"], ["web"]]) {
        const { code, stdout } = await run([...args, "--no-open"], { cwd, env, build });
        assertEquals(code, 0);
        assertStringIncludes(stdout, `${page.origin}/#`);
      }
      const { code, stderr } = await run(["web", "--background", "--listen", "127.0.0.1:0"], {
        cwd,
        env,
        build,
      });
      assertEquals(code, 64, stderr);
    });

    await step(t, "web stop ends it", async () => {
      assert(await exists(control));
      const { stdout } = await run(["web", "stop"], { cwd, build });
      assertEquals(stdout, "The page has ended.\n");
      await waitFor("its end", async () => {
        return await fetch(page.origin).then((answer) => answer.body?.cancel(), () => true) ??
          null;
      });
      assert(!await exists(control));
    });
  },
);
