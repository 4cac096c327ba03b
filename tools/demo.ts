/**
 * The main job on one screen: a server and two people in a temporary folder, all in processes of
 * their own, from the first key to reading a message with an attachment. An argument names an
 * executable, or a bundle (a `.js` file), to do it with in the place of the source.
 */
import { join } from "@std/path";
import { compiled, fromModule, Program, run, ServerProcess } from "../tests/support/program.ts";

const [path] = Deno.args;
const build = path === undefined || path.endsWith(".js") ? fromModule(path) : compiled(path);

const say = (text: string) => console.log(text);
const bold = (text: string) =>
  Deno.stdout.isTerminal() && !Deno.noColor ? `\x1b[1m${text}\x1b[0m` : text;

/** Shows a heading. */
function step(text: string): void {
  say(`\n${bold(`== ${text}`)}`);
}

/** Runs a command to its end and shows both. */
async function command(cwd: string, args: readonly string[]): Promise<void> {
  say(`$ sealpost ${args.join(" ")}`);
  const { code, stdout, stderr } = await run(args, { cwd, build });
  say((stdout + stderr).trimEnd());
  if (code !== 0) throw new Error(`sealpost ${args[0]} ended with code ${code}`);
}

/** Talks to the menu as `name`, and shows the dialogue with what was typed in its place. */
async function talk(
  cwd: string,
  name: string,
  address: string,
  turns: readonly (readonly [prompt: string, answer: string])[],
): Promise<string> {
  const passwordFile = "password.txt";
  say(`$ cd ${name}; sealpost connect ${name}@${address} --password-file ${passwordFile}`);
  const program = Program.start(
    ["connect", `${name}@${address}`, "--password-file", passwordFile],
    { cwd: join(cwd, name), build },
  );
  let shown = "";
  for (const [prompt, answer] of [...turns, ["choice: ", "4"] as const]) {
    shown += `${await program.expect(prompt)}${answer}\n`;
    await program.type(answer);
  }
  const { code, stdout, stderr } = await program.finish();
  shown += stdout.slice(stdout.lastIndexOf("choice: ") + "choice: ".length);
  // The menu is the same every time: once is enough.
  const menu = /\nSelect the operation:\n(?: {2}\d\).*\n)+\n?/g;
  let first = true;
  say(shown.replace(menu, (text) => first ? (first = false, text) : "\n").trim() + stderr);
  if (code !== 0) throw new Error(`sealpost connect ended with code ${code}`);
  return shown;
}

const started = performance.now();
const dir = await Deno.makeTempDir({ prefix: "sealpost-demo-" });
let server: ServerProcess | null = null;
try {
  step("The operator makes the server's keys and writes down who may log in");
  await command(dir, ["keygen", "server"]);
  await Deno.writeTextFile(
    join(dir, "server", "user_pass.json"),
    '{\n  "alice": "a good long password",\n  "bob": "another good password"\n}\n',
    { mode: 0o600 },
  );
  say('$ cat server/user_pass.json\n{ "alice": "…", "bob": "…" }');

  step("Alice and Bob make theirs; each gets a copy of server_public.pem");
  for (
    const [name, password] of [["alice", "a good long password"], [
      "bob",
      "another good password",
    ]] as const
  ) {
    await command(dir, ["keygen", name]);
    await Deno.writeTextFile(join(dir, name, "password.txt"), `${password}\n`, { mode: 0o600 });
  }

  step("The server starts");
  say("$ sealpost serve --listen 127.0.0.1:0");
  server = await ServerProcess.start({ cwd: dir, build });
  say(`sealpost: listening on ${server.address}`);
  say("$ cat server/user_pass.json     # the passwords were replaced by Argon2id hashes");
  say((await Deno.readTextFile(join(dir, "server", "user_pass.json"))).trimEnd());

  step("Bob connects for the first time: his account is bound to his key");
  await talk(dir, "bob", server.address, [["choice: ", "2"]]);

  step("Alice sends Bob a message with an attachment");
  const picture = crypto.getRandomValues(new Uint8Array(60_000));
  await Deno.writeFile(join(dir, "alice", "files", "scan.png"), picture);
  await talk(dir, "alice", server.address, [
    ["choice: ", "5"],
    ["Enter destinations (separated by ;): ", "bob"],
    ["Enter title: ", "Tuesday's results"],
    ["Would you like to load contents from a file? (Y/N) ", "N"],
    ["(end with a line that is a single .):\n", "Dear Bob,\nthe scan is attached.\n\nAlice\n."],
    ["Enter files to attach, from files/ (separated by ;): ", "scan.png"],
  ]);

  step("Bob lists his inbox, reads it, and saves the attachment");
  await talk(dir, "bob", server.address, [
    ["choice: ", "2"],
    ["choice: ", "3"],
    ["Enter the email index you wish to view: ", "1"],
    ["Would you like to save them to files/? (Y/N) ", "Y"],
  ]);
  const saved = await Deno.readFile(join(dir, "bob", "files", "scan.png"));
  if (saved.length !== picture.length || saved.some((byte, i) => byte !== picture[i])) {
    throw new Error("the attachment came out changed");
  }
  say("The attachment is the same, byte for byte.");

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
