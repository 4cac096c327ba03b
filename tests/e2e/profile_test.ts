import { PROGRAM } from "../../cli/program.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { Commanding } from "../support/commanding.ts";
import { sealpost } from "../support/command.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { CHOICE, ended, Group } from "../support/group.ts";
import { passwordOf, UNCONFINED } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

Deno.test("connect remembers the server and the name, and every other command knows them", async () => {
  await using group = await Group.start(["alice"]);
  const cwd = group.path("alice");
  const settings = join(cwd, "sealpost.toml");
  assertEquals(await exists(settings), false);
  const program = group.connect("alice");
  await program.converse([[CHOICE, "4"]]);
  await ended(program, 0);
  const address = group.server.address;
  assertEquals(
    await Deno.readTextFile(settings),
    `server = "${address}"\nuser = "alice"\n`,
  );
  const env = { SEALPOST_PASSWORD: passwordOf("alice") };
  const inbox = await sealpost(["inbox"], { cwd, env });
  assertEquals([inbox.code, inbox.stdout], [0, "No messages.\n"], inbox.stderr);

  // What a person wrote there stays, whatever is reached.
  const own = `# mine\nserver = "mail.lan"\ndownloads = "here"\n`;
  await Deno.writeTextFile(settings, own);
  const again = group.connect("alice");
  await again.converse([[CHOICE, "4"]]);
  await ended(again, 0);
  assertEquals(await Deno.readTextFile(settings), `user = "alice"\n${own}`);
});

testInFull(
  "setup --server changes the address of a folder that is set up, and of nothing else",
  async () => {
    await using people = await Commanding.start(["alice"]);
    await using others = await Group.start(["alice"]);
    await sealpost(["keygen", "server", "--force", "--bits", "2048"], { cwd: others.dir });
    await others.restart();
    const { group } = people;
    const settings = group.path("alice", "sealpost.toml");
    const before = `user = "alice"\nserver = "${group.server.address}" # at home\ncache = false\n`;
    await Deno.writeTextFile(settings, before);
    await group.restart();
    const { address } = group.server;

    const other = await people.as("alice", ["setup", "--server", `alice@${others.server.address}`]);
    assertEquals(other.code, 77);
    assertStringIncludes(other.stderr, "has another key than the one in");
    assertEquals(await Deno.readTextFile(settings), before);

    const { code, stdout, stderr } = await people.as("alice", [
      "setup",
      "--server",
      `alice@${address}`,
    ]);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, `The server is at ${address} now, and not at `);
    assertEquals(
      await Deno.readTextFile(settings),
      `user = "alice"\nserver = "${address}"\ncache = false\n`,
    );
    await people.ok("alice", ["status"]);
  },
);

testInFullUnless(missing, "keys rotate says what happens to other machines, and asks", async () => {
  await using people = await Commanding.start(["alice"]);
  const path = people.group.path("alice", "alice_public.pem");
  const key = await Deno.readTextFile(path);
  const piped = await people.as("alice", ["keys", "rotate"]);
  assertEquals([piped.code, piped.stdout], [64, ""]);
  assertStringIncludes(piped.stderr, "needs --yes");
  {
    await using screen = await people.at("alice", ["keys", "rotate"]);
    await screen.expect("Make new keys? (y/N)");
    assertMatch(await screen.text(), /Other machines of yours can log in again only when/);
    await screen.enter("");
    assertEquals((await screen.ended()).code, 130);
  }
  assertEquals(await Deno.readTextFile(path), key);
  {
    await using screen = await people.at("alice", ["keys", "rotate"]);
    await screen.expect("Make new keys? (y/N)");
    await screen.enter("y");
    assertEquals((await screen.ended()).code, 0);
    assertStringIncludes(
      (await screen.text()).replaceAll("\n", " "),
      `Link each other machine of yours again: "${PROGRAM} devices add" here, `,
    );
  }
  assert(await Deno.readTextFile(path) !== key);
});

Deno.test("new keys of a server: what clients need, and that a running one goes on with the old", async () => {
  await using group = await Group.start(["alice"]);
  const make = ["keygen", "server", "--force", "--bits", "2048"];
  const running = await sealpost(make, { cwd: group.dir });
  assertEquals(running.code, 0, running.stderr);
  assertStringIncludes(running.stdout, "The server is running: it uses the old key until");
  assert(!running.stdout.includes("old mail"), running.stdout);
  await group.bind("alice");
  await group.server.stop();
  const stopped = await sealpost(make, { cwd: group.dir });
  assertMatch(stopped.stdout, /every client refuses the server/);
  assert(!stopped.stdout.includes("is running"), stopped.stdout);
});

testInFullUnless(missing, "~/ is the home folder in settings, questions and headers", async () => {
  await using people = await Commanding.start(["alice"]);
  const home = await Deno.makeTempDir({ prefix: "home-" });
  try {
    const settings = people.group.path("alice", "sealpost.toml");
    const text = await Deno.readTextFile(settings);
    await Deno.writeTextFile(settings, `${text}downloads = "~/Downloads"\n`);
    await Deno.mkdir(join(home, "Documents"));
    await Deno.writeTextFile(join(home, "Documents", "scan.txt"), "a scan");
    const env = { HOME: home };
    const at = (args: string[]) => people.at("alice", args, { env, build: UNCONFINED });

    await using screen = await at(["connect"]);
    await screen.see("The inbox is empty.");
    await screen.press("m");
    await screen.see("Subject:");
    await screen.type("alice");
    await screen.press("Enter", "Enter", "Enter");
    await screen.type("a scan");
    await screen.press("C-t");
    await screen.see("Attach file:");
    await screen.press("C-u");
    await screen.type("~/Doc");
    await screen.press("Tab");
    await screen.see("Attach file: ~/Documents/");
    await screen.type("s");
    await screen.press("Tab");
    await screen.see("Attach file: ~/Documents/scan.txt");
    await screen.press("Enter");
    await screen.see("Attached: scan.txt");
    await screen.press("C-x");
    await screen.see("Sent to alice.");
    await screen.see(/a scan +@1/);
    await screen.press("g", "g", "Enter");
    await screen.see("[1: scan.txt");
    await screen.press("s");
    await screen.see(`Save scan.txt as: ${home}/Downloads/scan.txt`);
    await screen.press("Enter");
    await screen.see("Saved ");
    assertEquals(await Deno.readTextFile(join(home, "Downloads", "scan.txt")), "a scan");
    await screen.press("s");
    await screen.see("Save scan.txt as:");
    await screen.press("C-u");
    await screen.type("~/copy.txt");
    await screen.press("Enter");
    await screen.see(`Saved ${home}/copy.txt`);
    assertEquals(await Deno.readTextFile(join(home, "copy.txt")), "a scan");
    assertEquals(await exists(people.group.path("alice", "~")), false);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
