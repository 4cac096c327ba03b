/**
 * The main job on one screen: a server and two people in a temporary folder, all in processes of
 * their own, from the invitations to the answer to a message with an attachment. An argument names an
 * executable, or a bundle (a `.js` file), to do it with in the place of the source.
 */
import { basename, join } from "@std/path";
import { withControl } from "../tests/support/control.ts";
import {
  type Build,
  compiled,
  fromModule,
  Program,
  run,
  ServerProcess,
} from "../tests/support/program.ts";

const [path] = Deno.args;
const module = path === undefined || path.endsWith(".js");
const build = module ? fromModule(path) : compiled(path);
/** What the program calls itself in what it prints. */
const program = module ? "deno task" : "sealpost";

const say = (text: string) => console.log(text);
const bold = (text: string) =>
  Deno.stdout.isTerminal() && !Deno.noColor ? `\x1b[1m${text}\x1b[0m` : text;

/** Shows a heading. */
function step(text: string): void {
  say(`\n${bold(`== ${text}`)}`);
}

/** Nothing is read or kept outside the folder of the demo. */
let env: Record<string, string> = {};

/** Runs a command to its end and shows both; returns what it printed. `redirected` is shown, too. */
async function command(
  cwd: string,
  args: readonly string[],
  more: { readonly redirected?: string; readonly input?: string; readonly build?: Build } = {},
): Promise<string> {
  const { redirected = "", ...rest } = more;
  const folder = cwd === dir ? "" : `cd ${basename(cwd)}; `;
  say(`$ ${folder}${program} ${args.map(quoted).join(" ")}${redirected}`);
  const { code, stdout, stderr } = await run(args, { cwd, build, env, ...rest });
  say((stdout + stderr).trimEnd());
  if (code !== 0) throw new Error(`sealpost ${args[0]} ended with code ${code}`);
  return stdout;
}

/** A word as a shell wants it. */
function quoted(word: string): string {
  return /^[\w./:@[\]-]+$/.test(word) ? word : `"${word}"`;
}

/** Talks to the menu as `name`, and shows the dialogue with what was typed in its place. */
async function talk(
  name: string,
  turns: readonly (readonly [prompt: string, answer: string])[],
): Promise<void> {
  const args = ["connect", "--menu", "--password-file", "password.txt", `${name}@${address}`];
  say(`$ cd ${name}; ${program} ${args.join(" ")}`);
  const menu = Program.start(args, { cwd: join(dir, name), build, env });
  let shown = "";
  for (const [prompt, answer] of [...turns, ["choice: ", "4"] as const]) {
    shown += `${await menu.expect(prompt)}${answer}\n`;
    await menu.type(answer);
  }
  const { code, stdout, stderr } = await menu.finish();
  shown += stdout.slice(stdout.lastIndexOf("choice: ") + "choice: ".length);
  // The menu is the same every time: once is enough.
  const choices = /\nSelect the operation:\n(?: {2}\d\).*\n)+\n?/g;
  let first = true;
  say(shown.replace(choices, (text) => first ? (first = false, text) : "\n").trim() + stderr);
  if (code !== 0) throw new Error(`sealpost connect ended with code ${code}`);
}

/** The folder of what Deno has downloaded. */
async function denoFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

const PASSWORDS = { alice: "a good long password", bob: "another good password" } as const;

const started = performance.now();
const dir = await Deno.makeTempDir({ prefix: "sealpost-demo-" });
let server: ServerProcess | null = null;
let address = "";
try {
  env = {
    HOME: dir,
    XDG_CONFIG_HOME: join(dir, "config"),
    APPDATA: join(dir, "config"),
    // Deno finds what it has downloaded below HOME, too.
    ...build.command === Deno.execPath() ? { DENO_DIR: await denoFolder() } : {},
  };

  step("The operator makes the server's keys, and starts it");
  await command(dir, ["keygen", "server"]);
  say(`$ ${program} serve --listen 127.0.0.1:0`);
  server = await ServerProcess.start({ cwd: dir, build: withControl(dir, build), env });
  address = server.address;
  say(`sealpost: listening on ${address}`);

  step("The operator invites Alice and Bob");
  for (const name of ["alice", "bob"] as const) {
    const invitation = await command(dir, ["user", "add", name, "--invite"], {
      redirected: ` | tee ${name}.txt`,
      build: withControl(dir, build),
    });
    await Deno.writeTextFile(join(dir, `${name}.txt`), invitation, { mode: 0o600 });
  }

  step("Each sets up: keys are made, a password is chosen, a first message comes back verified");
  for (const name of ["alice", "bob"] as const) {
    await Deno.mkdir(join(dir, name), { mode: 0o700 });
    await Deno.writeTextFile(join(dir, name, "password.txt"), `${PASSWORDS[name]}\n`, {
      mode: 0o600,
    });
    const invitation = ["--invitation", `${name}.txt`, "--password-stdin"];
    await command(dir, ["setup", "--dir", name, ...invitation], {
      redirected: ` < ${name}/password.txt`,
      input: PASSWORDS[name],
    });
  }

  step("Alice sends Bob a message with an attachment, by a single command");
  const picture = crypto.getRandomValues(new Uint8Array(60_000));
  await Deno.writeFile(join(dir, "alice", "scan.png"), picture);
  await command(join(dir, "alice"), ["send", "-t", "bob", "-s", "Results", "-a", "scan.png"], {
    redirected: " < letter.txt",
    input: "Dear Bob,\nthe scan is attached.\n\nAlice",
  });

  step("Bob lists what is new, reads it, saves the attachment, and answers");
  const bob = join(dir, "bob");
  const list = await command(bob, ["inbox", "--unread"]);
  const id = /^([0-9a-f]{8}) .*Results/m.exec(list)?.[1] ?? "";
  await command(bob, ["read", id.slice(0, 4), "--save", "downloads"]);
  const saved = await Deno.readFile(join(bob, "downloads", "scan.png"));
  if (saved.length !== picture.length || saved.some((byte, i) => byte !== picture[i])) {
    throw new Error("the attachment came out changed");
  }
  say("The attachment is the same, byte for byte.");
  await command(bob, ["reply", id, "--all"], {
    redirected: " < answer.txt",
    input: "Thank you, Alice.",
  });
  await command(bob, ["search", "results"]);

  step("Alice reads the answer in the numbered menu");
  await talk("alice", [
    ["choice: ", "2"],
    ["choice: ", "3"],
    ["Enter the email index you wish to view: ", "1"],
  ]);

  step("The server stops");
  const { code } = await server.stop();
  server = null;
  // Windows has no signal that asks a program to end: there it was killed.
  if (code !== 0 && Deno.build.os !== "windows") {
    throw new Error(`the server ended with code ${code}`);
  }
  say(
    `That was all, in ${
      ((performance.now() - started) / 1000).toFixed(1)
    } s. README.md says how to start.`,
  );
} finally {
  await server?.stop();
  await Deno.remove(dir, { recursive: true });
}
