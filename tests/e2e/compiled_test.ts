import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { testUnless } from "../crypto/support.ts";
import { inFolder, shell, taskLine } from "../support/command.ts";
import {
  type Build,
  makeGroup,
  passwordOf,
  Program,
  ROOT,
  run,
  ServerProcess,
} from "../support/program.ts";

/** Gives a Deno and the base executable for `deno compile` where its own downloads cannot be had. */
const PREPARE = join(ROOT, "..", "shared", "denort", "prepare");

const missing = await exists(PREPARE) ? null : `there is no ${PREPARE}`;

/** The environment and the arguments of `deno compile` in the task `compile`, without the output. */
async function compileTask(): Promise<{ readonly env: string; readonly flags: string[] }> {
  const match = /^export (\w+=\d+) && FLAGS='([^']+)'/.exec(await taskLine("compile"));
  const [, env, flags] = match ?? [];
  if (env === undefined || flags === undefined) throw new Error("the task compile is another");
  return { env, flags: flags.split(" ") };
}

/** Compiles the program into `folder`. */
async function compile(folder: string): Promise<Build> {
  const path = join(folder, Deno.build.os === "windows" ? "sealpost.exe" : "sealpost");
  const { env, flags } = await compileTask();
  // The base is kept where it is found again, not in the tests' own temporary folder.
  await shell(
    'unset TMPDIR; eval "$("$0")"; cd "$1"; shift; export "$1"; shift; exec "$DENO_COMPILE" compile ' +
      '--frozen "$@"',
    PREPARE,
    ROOT,
    env,
    ...flags,
    "--preload",
    "tests/support/witness_if_asked.ts",
    "--output",
    path,
    "main.ts",
  );
  // Through the shell, since the permission to run it cannot be given before it has a name.
  return { command: "sh", args: ["-c", 'exec "$0" "$@"', path] };
}

testUnless(missing, "the compiled executable does what the program does", async (t) => {
  await inFolder(async (folder) => {
    const build = await compile(folder);
    const { version } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));

    await t.step("it shows its version and its help under its own name", async () => {
      const start = { cwd: folder, build };
      assertEquals(await run(["--version"], start), {
        code: 0,
        stdout: `sealpost ${version}\n`,
        stderr: "",
      });
      const help = await run(["help"], start);
      assertEquals([help.code, help.stderr], [0, ""]);
      assertMatch(help.stdout, /^Usage: sealpost COMMAND/m);
      const wrong = await run(["frobnicate"], start);
      assertEquals([wrong.code, wrong.stdout], [64, ""]);
      assertMatch(wrong.stderr, /^sealpost: there is no command "frobnicate"[^\n]*\n$/);
    });

    await t.step(
      "of programs it may start sh alone, and no longer than until it connects",
      async () => {
        const text = (await compileTask()).flags.join(" ");
        assert(!/--allow-(all|ffi|sys)|-A\b|--allow-run(?!=sh( |$))/.test(text), text);
      },
    );

    await t.step("two people write to each other through its server", async () => {
      const group = await makeGroup(["alice", "bob"], { build });
      let server: ServerProcess | undefined;
      try {
        server = await ServerProcess.start({ cwd: group.dir, build });
        const attachment = crypto.getRandomValues(new Uint8Array(50_000));
        await Deno.writeFile(join(group.dir, "alice", "files", "scan.bin"), attachment);
        const talk = async (name: string, turns: readonly (readonly [string, string])[]) => {
          const program = Program.start(["connect", server?.address ?? ""], {
            cwd: join(group.dir, name),
            build,
          });
          await program.converse([
            ["Enter your username: ", name],
            ["Enter your password: ", passwordOf(name)],
            ...turns,
            ["choice: ", "4"],
          ]);
          const { code, stdout, stderr } = await program.finish();
          assertEquals([code, stderr], [0, ""]);
          return stdout;
        };
        await talk("bob", []);
        await talk("alice", [
          ["choice: ", "5"],
          ["(separated by ;): ", "bob"],
          ["Enter title: ", "Grüße 👋"],
          ["(Y/N) ", "N"],
          ["single .):\n", "first line\n\nlast line\n."],
          ["(separated by ;): ", "scan.bin"],
        ]);
        const read = await talk("bob", [
          ["choice: ", "2"],
          ["choice: ", "3"],
          ["wish to view: ", "1"],
          ["(Y/N) ", "Y"],
        ]);
        assertMatch(read, /^1 +alice +\S+ \S+ +.*Grüße 👋/m);
        assertStringIncludes(read, "first line\n\nlast line\n");
        assertEquals(await Deno.readFile(join(group.dir, "bob", "files", "scan.bin")), attachment);
        const { stderr } = await run(["read", "ffff", "--server", server.address], {
          cwd: join(group.dir, "bob"),
          build,
          env: { SEALPOST_PASSWORD: passwordOf("bob"), SEALPOST_WITNESS: "1" },
        });
        assertMatch(stderr, /^witness: starting may start programs\n/);
        assertMatch(stderr, /\nwitness: connecting may not start programs\n/);
        assertMatch(stderr, /\nwitness: ending may not start programs\n$/);
        const { code } = await server.stop();
        assertEquals(code, 0);
        server = undefined;
      } finally {
        await server?.stop();
        await group.remove();
      }
    });
  });
});
