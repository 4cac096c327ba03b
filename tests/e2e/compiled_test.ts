import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { permissionFlags } from "../../tools/release/build.ts";
import { inFolder } from "../support/command.ts";
import { executable, whyNotCompile } from "../support/executable.ts";
import { testInFullUnless } from "../support/full.ts";
import { makeGroup } from "../support/group_folder.ts";
import { passwordOf, Program, ROOT, run, ServerProcess } from "../support/program.ts";

testInFullUnless(
  await whyNotCompile(),
  "the compiled executable does what the program does",
  async (t) => {
    await inFolder(async (folder) => {
      // Through the shell, since the permission to run it cannot be given before it has a name.
      const build = { command: "sh", args: ["-c", 'exec "$0" "$@"', await executable()] };
      const { version } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));

      await t.step("it shows what it was built from and its help under its own name", async () => {
        const start = { cwd: folder, build };
        const shown = await run(["--version"], start);
        assertEquals([shown.code, shown.stderr], [0, ""]);
        assertMatch(
          shown.stdout,
          /^sealpost \S+ \(commit ([0-9a-f]{12}(\+changes)?|unknown), Deno \S+, \S+\)\n$/,
        );
        assertEquals(shown.stdout.split(" ")[1], version);
        const help = await run(["help"], start);
        assertEquals([help.code, help.stderr], [0, ""]);
        assertMatch(help.stdout, /^Usage: sealpost COMMAND/m);
        const wrong = await run(["frobnicate"], start);
        assertEquals([wrong.code, wrong.stdout], [64, ""]);
        assertMatch(wrong.stderr, /^sealpost: there is no command "frobnicate"[^\n]*\n$/);
      });

      await t.step("it works in an environment without PATH, or anything", async () => {
        const bare = { ...build, args: ["-c", 'exec env -i "$0" "$@"', await executable()] };
        const start = { cwd: folder, build: bare };
        assertEquals((await run(["help"], start)).code, 0);
        const { code, stderr } = await run(["inbox", "--dir", "none"], start);
        assertEquals(code, 78, stderr);
        assertMatch(stderr, /^sealpost: there are no keys in none[^\n]*\n$/);
      });

      await t.step("it keeps no code where others could have put theirs first", async () => {
        const temporary = join(folder, "temporary");
        await Deno.mkdir(temporary);
        const env = Object.fromEntries(["TMPDIR", "TEMP", "TMP"].map((name) => [name, temporary]));
        for (let times = 0; times < 2; times++) {
          assertEquals((await run(["help"], { cwd: folder, build, env })).code, 0);
        }
        assertEquals(await Array.fromAsync(Deno.readDir(temporary)), []);
      });

      await t.step(
        "it may start sh alone, and ask the system for its host's name alone",
        () => {
          const text = permissionFlags().join(" ");
          assert(
            !/--allow-(all|ffi)|-A\b|--allow-(run(?!=\/bin\/sh( |$))|sys(?!=hostname( |$)))/.test(
              text,
            ),
            text,
          );
        },
      );

      await t.step("a command gives up the rights that its entry does not ask for", async () => {
        const cases: readonly (readonly [args: string[], rights: string])[] = [
          [["completions", "tcsh"], ""],
          [["keygen", "x", "--dir", "none", "--public"], "read write env"],
          [["outbox", "--dir", "none"], "read write env"],
          [["inbox", "--dir", "none"], "read write net env"],
          [["read", "x", "--dir", "none"], "read write net env"],
        ];
        for (const [args, rights] of cases) {
          const env = { SEALPOST_DEBUG: "1" };
          const { stderr } = await run(args, { cwd: folder, build, env });
          assertMatch(stderr, new RegExp(`^rights left: ${rights}$`, "m"), args.join(" "));
        }
      });

      await t.step("two people write to each other through its server", async () => {
        const group = await makeGroup(["alice", "bob"], { keygen: build, plain: true });
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
          assertEquals(
            await Deno.readFile(join(group.dir, "bob", "files", "scan.bin")),
            attachment,
          );
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
  },
);
