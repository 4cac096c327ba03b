import { assert, assertEquals, assertMatch } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { testUnless } from "../support/testing.ts";
import { shell } from "../support/command.ts";
import { testInFullUnless } from "../support/full.ts";
import { Group } from "../support/group.ts";
import { passwordOf, ROOT } from "../support/program.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

/** `deno task` with the project's settings, at a terminal in `cwd`. */
async function atTerminal(
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<Screen> {
  const config = join(ROOT, "deno.json");
  const build = { command: Deno.execPath(), args: ["task", "--config", config] };
  // INIT_CWD: as a shell has it, not as the task that runs these tests has set it.
  return await Screen.start(args, { cwd, build, env: { INIT_CWD: cwd, ...env } });
}

/** Fails if Deno asked for a right. */
async function assertNotAsked(screen: Screen, what: string): Promise<void> {
  const text = await screen.text();
  assert(
    !/Deno requests|Allow\?|--allow-/.test(text.replace(/^Task .*$/m, "")),
    `${what}: ${text}`,
  );
}

/** Has the innermost of the programs that `pid` started end, as Ctrl-C does. */
async function interruptLeaf(pid: number): Promise<void> {
  const children = new Map<number, number>();
  for (const line of (await shell("ps -eo pid=,ppid=")).trim().split("\n")) {
    const [child = 0, parent = 0] = line.trim().split(/ +/).map(Number);
    children.set(parent, child);
  }
  let leaf = pid;
  for (let next = children.get(leaf); next !== undefined; next = children.get(leaf)) leaf = next;
  await shell(`kill -INT ${leaf}`);
}

testUnless(
  missing,
  "no task asks for a right at a terminal: serve, connect, inbox, keygen",
  async () => {
    await using group = await Group.start(["alice"]);
    const { address } = group.server;
    await using serve = await atTerminal(
      ["serve", "--dir", join("..", "server"), "--listen", "127.0.0.1:0"],
      group.path("alice"),
    );
    // This folder's task may not read beyond it, and says so in a line instead of asking.
    assertEquals((await serve.ended()).code, 74);
    await assertNotAsked(serve, "serve");

    const other = await Deno.makeTempDir({ prefix: "tasks-" });
    try {
      await using keygen = await atTerminal(["keygen", "server", "--bits", "2048"], other);
      assertEquals((await keygen.ended()).code, 0);
      await assertNotAsked(keygen, "keygen");
      assert(await exists(join(other, "server", "server_private.pem")));

      await using running = await atTerminal(["serve", "--listen", "127.0.0.1:0"], other);
      await running.see("listening on 127.0.0.1:");
      await assertNotAsked(running, "serve");
      await interruptLeaf(await running.pid());
      assertEquals((await running.ended()).code, 0);
    } finally {
      await Deno.remove(other, { recursive: true });
    }

    const env = { SEALPOST_PASSWORD: passwordOf("alice") };
    await using connect = await atTerminal(
      ["connect", `alice@${address}`],
      group.path("alice"),
      env,
    );
    await connect.see(/Inbox/);
    await connect.press("q");
    assertEquals((await connect.ended()).code, 0);
    await assertNotAsked(connect, "connect");

    await using inbox = await atTerminal(
      ["inbox", "--server", `alice@${address}`],
      group.path("alice"),
      env,
    );
    assertEquals((await inbox.ended()).code, 0);
    await assertNotAsked(inbox, "inbox");
  },
);

testInFullUnless(missing, "no task asks for a right at a terminal: web, demo", async () => {
  await using group = await Group.start(["alice"]);
  const env = { SEALPOST_PASSWORD: passwordOf("alice") };
  await using web = await atTerminal(
    ["web", "--no-open", "--server", `alice@${group.server.address}`],
    group.path("alice"),
    env,
  );
  await web.see(/http:\/\/127\.0\.0\.1:\d+\/#/);
  await assertNotAsked(web, "web");
  await interruptLeaf(await web.pid());
  await web.ended();
  await assertNotAsked(web, "web, until it ended");

  await using demo = await atTerminal(["demo"], ROOT);
  assertEquals((await demo.ended()).code, 0);
  await assertNotAsked(demo, "demo");
});

/** What waits for a person, or is tried for real above. */
const REAL = ["serve", "connect", "keygen", "setup", "web"];

testInFullUnless(missing, "no task asks for a right at a terminal: the others", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const names = Object.keys(tasks).filter((name) => tasks[name].startsWith("deno task -q as:"));
  const folder = await Deno.makeTempDir({ prefix: "tasks-" });
  try {
    const config = join(ROOT, "deno.json");
    // As far as a command goes in an empty folder.
    const lines = names.filter((name) => !REAL.includes(name))
      .map((name) => {
        // The manual would stay in a pager.
        const words = name === "man" ? "man --troff >/dev/null" : name;
        return `"$0" task --config "$1" ${words} </dev/tty; echo "${name}: $?"`;
      });
    await using setup = await atTerminal(["setup"], folder);
    await setup.see("nvitation");
    await assertNotAsked(setup, "setup");
    await using screen = await Screen.start([lines.join("\n"), Deno.execPath(), config], {
      cwd: folder,
      build: { command: "sh", args: ["-c"] },
      env: { INIT_CWD: folder, SEALPOST_PASSWORD: "a password" },
    });
    assertEquals((await screen.ended()).code, 0);
    await assertNotAsked(screen, "a task");
    const text = await screen.text();
    for (const name of names) {
      if (REAL.includes(name)) continue;
      assertMatch(text, new RegExp(`^${name}: \\d+$`, "m"));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
