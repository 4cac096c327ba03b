// What shuts a page, and what other users of the machine see of it.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { exists } from "@std/fs";
import { dirname, join } from "@std/path";
import type { ListView } from "../../client/web/types.ts";
import { shell } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { stepInFull, testInFull } from "../support/full.ts";
import { Group } from "../support/group.ts";
import { passwordOf, run } from "../support/program.ts";
import { ServedPage, WITH_PAGE } from "../support/served_page.ts";
import { step } from "../support/step.ts";
import { testUnless } from "../support/testing.ts";
import { waitFor } from "../support/wait.ts";
import { WebClient } from "../support/web_client.ts";

const PASSPHRASE = "the passphrase of alice";
const INBOX = { folder: "inbox", from: 0, limit: 10 };

/** Why nobody can be another user here; null if somebody can. */
async function whyNoOther(): Promise<string | null> {
  const said = await shell(
    'if [ "$(id -u)" != 0 ]; then echo not root; elif ! command -v setpriv curl >/dev/null; then ' +
      "echo no setpriv or no curl; fi",
  );
  return said.trim() === "" ? null : said.trim();
}

/** Runs a line of a shell's as a user who has nothing to do with the page; what it said. */
function asOther(line: string, ...args: readonly string[]): Promise<string> {
  return shell(
    'script=$1; shift; setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$script" sh "$@" 2>&1 ' +
      "|| true",
    "sh",
    line,
    ...args,
  );
}

testInFull("what is locked needs the passphrase again, whoever has the page", async (t) => {
  await using group = await Group.start(["alice"]);
  const made = ["keygen", "alice", "--force", "--passphrase", "--bits", "2048"];
  await run(made, { cwd: group.dir, env: { SEALPOST_PASSPHRASE: PASSPHRASE } });
  const cwd = group.path("alice");
  await Deno.writeTextFile(join(cwd, "sealpost.toml"), `server = "${group.server.address}"\n`);
  await using served = await ServedPage.start(cwd, ["--lock", "1m"], {
    SEALPOST_PASSWORD: passwordOf("alice"),
  });
  const page = new WebClient(served.origin);
  assertEquals(await page.enter(served.link), 200);

  const opened = () =>
    waitFor("the mail", async () => {
      const response = await page.post("list", INBOX);
      await response.body?.cancel();
      return response.status === 200 || null;
    });
  const shut = () =>
    waitFor("the lock", async () => {
      // A page that brings its list up to date shows nobody.
      const response = await page.post("list", INBOX);
      await response.body?.cancel();
      return response.status === 422 || null;
    });
  const assertShut = async () => {
    for (
      const [name, input] of Object.entries({
        list: INBOX,
        message: { uid: 1 },
        drafts: {},
        contacts: {},
        own: {},
        "new-draft": { to: [] },
        search: { words: "a", fetch: false },
      })
    ) assertEquals(await page.refused(name, input), "cancelled", name);
    const given = await page.ask<{ path: string }>("get-file", {
      uid: 1,
      index: 1,
      picture: false,
    });
    const file = await page.get(given.path);
    assertEquals(file.status, 422);
    await file.body?.cancel();
    const upload = await page.upload("0".repeat(16), "a", "b");
    assertEquals(upload.status, 422);
    await upload.body?.cancel();
  };

  await step(t, "before the passphrase nothing is given", assertShut);

  await step(t, "another passphrase opens nothing", async () => {
    for (const passphrase of ["", "wrong", PASSPHRASE.toUpperCase()]) {
      assertEquals(await page.refused("unlock", { passphrase }), "passphrase");
    }
    await assertShut();
  });

  await step(t, "sealpost lock shuts it", async () => {
    await page.ask("unlock", { passphrase: PASSPHRASE });
    await opened();
    await page.ask("here");
    const { stdout } = await run(["lock"], { cwd, build: WITH_PAGE });
    assertEquals(stdout, "The page is shut.\n");
    await assertShut();
  });

  // It takes the minute that is the least.
  await stepInFull(
    t,
    "when nobody is there it is shut, though the page goes on asking",
    async () => {
      await page.ask("unlock", { passphrase: PASSPHRASE });
      await opened();
      await shut();
      await assertShut();
    },
  );
});

testInFull("without a passphrase, a page that nobody uses is let in no more", async () => {
  await using people = await Commanding.start(["alice"]);
  await using served = await ServedPage.start(people.group.path("alice"), ["--lock", "1m"], {
    SEALPOST_PASSWORD: passwordOf("alice"),
  });
  const page = new WebClient(served.origin);
  assertEquals(await page.enter(served.link), 200);
  await waitFor("the end of the page", async () => {
    const response = await page.post("list", INBOX);
    await response.body?.cancel();
    return response.status === 401 || null;
  });
  assertEquals(await new WebClient(served.origin).enter(served.link), 403);
});

Deno.test("a browser is led to the link by a file of one's own, which goes", async () => {
  await using people = await Commanding.start(["alice"]);
  const cwd = people.group.path("alice");
  const bin = await Deno.makeTempDir({ prefix: "bin-" });
  const runtime = join(bin, "runtime");
  await Deno.mkdir(runtime, { mode: 0o700 });
  await Deno.writeTextFile(
    join(bin, "xdg-open"),
    '#!/bin/sh\ncd "${0%/*}"\necho "$*" > arguments\nstat -c %a "$1" > mode\ncp "$1" page.new\n' +
      "mv page.new page\n",
    { mode: 0o700 },
  );
  const build = {
    ...WITH_PAGE,
    args: [
      "run",
      "--allow-run=/bin/sh",
      ...WITH_PAGE.args.slice(1).map((arg) => {
        if (/^--allow-(read|write)=/.test(arg)) return `${arg},${join(runtime, "sealpost")}`;
        return arg.startsWith("--allow-env=") ? `${arg},XDG_RUNTIME_DIR` : arg;
      }),
    ],
  };
  const env = {
    SEALPOST_PASSWORD: passwordOf("alice"),
    PATH: `${bin}:${Deno.env.get("PATH")}`,
    XDG_RUNTIME_DIR: runtime,
  };
  await using served = await ServedPage.start(cwd, [], env, build, true);
  const opener = await waitFor("the browser", async () => {
    return await exists(join(bin, "page")) ? await Deno.readTextFile(join(bin, "page")) : null;
  });
  const path = (await Deno.readTextFile(join(bin, "arguments"))).trim();
  assertEquals(await Deno.readTextFile(join(bin, "mode")), "600\n");
  assertEquals(dirname(path), join(runtime, "sealpost"));
  assert(!path.includes(served.token), "the token is no argument");
  assert(opener.includes(`url=${served.link}"`), opener);
  assertEquals(await new WebClient(served.origin).enter(served.link), 200);
  await waitFor("its end", async () => await exists(path) ? null : true);
  await Deno.remove(bin, { recursive: true });
});

testUnless(
  await whyNoOther(),
  "another user of the machine gets nothing of the page, nor to its link",
  async () => {
    await using people = await Commanding.start(["alice"]);
    const cwd = people.group.path("alice");
    // The folders above let everybody through, as those of homes may.
    for (let folder = cwd; folder.startsWith(people.group.dir); folder = dirname(folder)) {
      await Deno.chmod(folder, 0o755);
    }
    await using served = await ServedPage.start(cwd, [], {
      SEALPOST_PASSWORD: passwordOf("alice"),
    });
    const { origin, link } = served;
    const page = new WebClient(origin);
    assertEquals(await page.enter(link), 200);
    const list = await page.ask<ListView>("list", INBOX).catch(() => null);
    assert(list === null || list.total === 0);

    const control = join(cwd, ".sealpost", "alice", "web");
    assertMatch(await asOther('cat "$1"', control), /Permission denied/);
    const post = 'curl -s -o /dev/null -w "%{http_code}" -H "Origin: $1" -H "Cookie: $4" ' +
      '-H \'Content-Type: application/json\' -d "$3" "$1$2"';
    const input = JSON.stringify(INBOX);
    assertEquals(await asOther(post, origin, "/api/list", input, ""), "401");
    // Cookies know no ports: what serves another port of this machine may be sent it.
    assertEquals(await asOther(post, origin, "/api/list", input, page.cookie), "401");
    assertEquals(await asOther(post, origin, "/control/link", "{}", ""), "403");
    const token = JSON.stringify({ token: served.token });
    assertEquals(await asOther(post, origin, "/api/enter", token, ""), "403", "a used link");
    // Whoever lists the programs of others sees no token.
    assert(!(await asOther("cat /proc/[0-9]*/cmdline")).includes(served.token));
  },
);
