// What a person does from the README, and what the seed's Makefile did, from end to end.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { inFolder, permissionsOf, taskLine } from "../support/command.ts";
import { testInFull } from "../support/full.ts";
import { CHOICE, ended, inboxIn, reading, sending, textsIn, type Turn } from "../support/group.ts";
import { FROM_SOURCE, MAIN, Program, ROOT, run, ServerProcess } from "../support/program.ts";
import { filesBelow } from "../support/search.ts";

testInFull("the demo shows two people writing to each other, and ends well", async () => {
  assertStringIncludes(await taskLine("demo"), " tools/demo.ts");
  await inFolder(async (folder) => {
    const { code, stdout, stderr } = await run([], {
      cwd: ROOT,
      env: { TMPDIR: folder, TEMP: folder, TMP: folder },
      build: {
        command: FROM_SOURCE.command,
        args: [
          ...["run", "--no-prompt", "--quiet", "--allow-read=.", `--allow-write=${folder}`],
          ...[`--allow-run=${Deno.execPath()}`, "tools/demo.ts"],
        ],
      },
    });
    assertEquals([code, stderr], [0, ""], stdout);
    for (
      const shown of [
        "$ deno task keygen server\n",
        "$ deno task serve --listen 127.0.0.1:0\nsealpost: listening on 127.0.0.1:",
        "$ deno task user add alice --invite | tee alice.txt\n-----BEGIN SEALPOST INVITATION-----\n",
        "$ deno task setup --dir bob --invitation bob.txt --password-stdin < bob/password.txt\n",
        "Sent a message to yourself, fetched it, opened it and verified it: everything works.\n",
        "$ cd alice; deno task send -t bob -s Results -a scan.png < letter.txt\n",
        "[new] Results [1 attached]\n",
        "Dear Bob,\nthe scan is attached.\n",
        "Saved downloads/scan.png\n",
        "The attachment is the same, byte for byte.\n",
        "[answered] Results [1 attached]\n",
        "Enter the email index you wish to view: 1\nFrom: bob\nTo: alice\n",
        "Thank you, Alice.\n",
      ]
    ) assertStringIncludes(stdout, shown);
    assert(!/ at .*\.ts:\d+|Error/.test(stdout), stdout);
    assertEquals(await filesBelow(folder), [], "nothing is left of it");
  });
});

testInFull("the seed's folders are made, used, cleaned and made again", async () => {
  await inFolder(async (cwd) => {
    /** Runs a command as its task does. */
    const task = async (name: string, args: readonly string[] = [], input?: string) => {
      const build = {
        command: Deno.execPath(),
        args: [
          "run",
          "--no-prompt",
          "--quiet",
          ...await permissionsOf(name),
          MAIN,
        ],
      };
      const lines = input === undefined ? {} : { input };
      return await run([name, ...args], { cwd, build, ...lines });
    };
    const works = async (name: string, args: readonly string[] = [], input?: string) => {
      const { code, stdout, stderr } = await task(name, args, input);
      assertEquals([code, stderr], [0, ""]);
      return stdout;
    };
    await works("keygen", ["server", "--bits", "2048"]);
    const users: Record<string, string> = JSON.parse(
      await Deno.readTextFile(join(cwd, "server", "user_pass.json")),
    );
    assertEquals(Object.keys(users), ["client1", "client2"]);
    for (const name of Object.keys(users)) {
      assertStringIncludes(await works("client", [name]), join(name, "server_public.pem"));
    }

    const talk = async (server: ServerProcess, name: string, turns: readonly Turn[]) => {
      const program = Program.start(["connect", `${name}@${server.address}`], {
        cwd: join(cwd, name),
        env: { SEALPOST_PASSWORD: users[name] ?? "" },
      });
      await program.converse([...turns, [CHOICE, "4"]]);
      return (await ended(program, 0)).stdout;
    };
    /** A message from client1 to client2, who reads it. */
    const correspond = async (title: string) => {
      const server = await ServerProcess.start({ cwd });
      try {
        await talk(server, "client2", []);
        await Deno.writeTextFile(join(cwd, "client1", "files", "text.txt"), `hello, ${title}`);
        await talk(
          server,
          "client1",
          sending({ to: "client2", title, contents: { file: "text.txt" } }),
        );
        const read = await talk(server, "client2", [[CHOICE, "2"], ...reading(1)]);
        assertEquals(inboxIn(read).map((row) => row.title), [`[new] ${title}`]);
        assertEquals(textsIn(read), [`hello, ${title}`]);
        for (const name of ["clean", "cleanall"]) {
          const busy = await task(name, ["--yes"]);
          assertEquals(busy.code, 75);
          assertEquals(busy.stderr, "sealpost: the server of ./server is running; stop it first\n");
        }
      } finally {
        await server.stop();
      }
    };
    await correspond("the first time");

    // The server's keys are made again: clients get the new one.
    assertMatch(
      await works("keygen", ["server", "--force", "--bits", "2048"]),
      /the old key: only to go back to it\n[^]*every client refuses the server[^]*pubkey NAME/,
    );
    for (const name of Object.keys(users)) {
      assertMatch(await works("pubkey", [name]), /instead of SHA256:/);
    }

    const refused = await task("clean", [], "n");
    assertEquals(refused.code, 130);
    assertStringIncludes(refused.stdout, "client1/files/text.txt\n");
    assert(await exists(join(cwd, "client1", "client1_private.pem")));
    const cleaned = await works("clean", [], "y");
    assertMatch(cleaned, /Remove all this for good\? \[y\/N\] Removed\.\n$/);
    const left = await filesBelow(cwd);
    assertEquals(left.filter((path) => !/^server\/[^/]+$/.test(path)), [
      "server/mail/sealpost.lock",
    ]);
    for (const file of ["server_private.pem", "server_public.pem", "user_pass.json"]) {
      assert(left.includes(`server/${file}`), file);
    }
    for (const name of Object.keys(users)) assert(await exists(join(cwd, name, "files")));

    // The folders are there still, and are filled again.
    for (const name of Object.keys(users)) await works("client", [name]);
    await correspond("the second time");

    assertMatch(await works("cleanall", ["--yes"]), /client1\/ with \d+ files\n/);
    for (const name of Object.keys(users)) assert(!await exists(join(cwd, name)));
    assertEquals(await works("cleanall", ["--yes"]), "There is nothing to remove here.\n");
    assert(await exists(join(cwd, "server", "server_private.pem")));
  });
});
