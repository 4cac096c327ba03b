// Settings and signals, through real processes.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { encodeJson } from "../../protocol/request.ts";
import { FrameKind } from "../../protocol/frame.ts";
import { MAIN, type Outcome, Program, run } from "../support/program.ts";
import { connectAs, preseal } from "../support/raw_session.ts";
import { waitFor } from "../support/wait.ts";
import { makeServerFolder, type ServerFolder } from "../support/server_folder.ts";

/** `serve` in a process, with the right to read every variable, as the executable has it. */
const BUILD = {
  command: Deno.execPath(),
  args: [
    "run",
    "--no-prompt",
    "--quiet",
    "--allow-read=.",
    "--allow-write=.",
    "--allow-net=127.0.0.1",
    "--allow-env",
    MAIN,
  ],
};

function startIn(folder: ServerFolder, env: Record<string, string> = {}) {
  return { cwd: join(folder.dir, ".."), build: BUILD, env };
}

async function check(
  folder: ServerFolder,
  flags: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  return await run(["serve", "--check-config", ...flags], startIn(folder, env));
}

async function serve(folder: ServerFolder, ...flags: string[]) {
  const program = Program.start(["serve", "--listen", "127.0.0.1:0", ...flags], startIn(folder));
  await program.expect("listening on ");
  return { program, address: (await program.expect(",")).slice(0, -1) };
}

Deno.test("--check-config shows what is in force, or what is wrong, and starts nothing", async () => {
  await using folder = await makeServerFolder(["alice"], { toml: 'quota = "3GiB"\n' });
  const [good, file, variable, flag] = await Promise.all([
    check(folder, ["--max-recipients", "7"], { SEALPOST_LOG_LEVEL: "warn" }),
    check(folder, [], { SEALPOST_QUOTA: "3GB" }),
    check(folder, [], { SEALPOST_MAX_MESAGE: "3GiB" }),
    check(folder, ["--max-recipents", "7"]),
  ]);
  assertEquals([good.code, good.stderr], [0, ""]);
  assertMatch(good.stdout, /^quota = "3GiB" +# sealpost\.toml:1$/m);
  assertMatch(good.stdout, /^max-recipients = 7 +# --max-recipients$/m);
  assertMatch(good.stdout, /^log-level = "warn" +# SEALPOST_LOG_LEVEL$/m);
  assertMatch(good.stdout, /^listen = "0\.0\.0\.0:13000" +# default$/m);
  assertMatch(good.stdout, /^# server\/user_pass\.json: 1 users$/m);
  assertEquals([file.code, variable.code, flag.code], [78, 78, 64]);
  assertMatch(file.stderr, /^sealpost: SEALPOST_QUOTA: "3GB" is not a size: [^\n]*\n$/);
  assertMatch(variable.stderr, /; did you mean SEALPOST_MAX_MESSAGE\?\n$/);
  assertMatch(flag.stderr, /; did you mean --max-recipients\?\n$/);

  await Deno.writeTextFile(join(folder.dir, "user_pass.json"), "{");
  const users = await check(folder, []);
  assertEquals(users.code, 78);
  assertMatch(users.stderr, /user_pass\.json:1:/);
});

Deno.test({
  name: "SIGHUP reloads the settings; a second signal to stop ends the server at once",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await makeServerFolder(["alice"]);
    const toml = join(folder.dir, "sealpost.toml");
    const { program, address } = await serve(folder, "--stop-timeout", "1h");
    await Deno.writeTextFile(toml, 'max-recipients = 1\nlog = "json"\n');
    program.kill("SIGHUP");
    await program.expectError("reloaded");
    assertMatch(await program.expectError("\n"), / applied=max-recipients restart=log\n$/);
    await Deno.writeTextFile(toml, "max-recipients = 0\n");
    program.kill("SIGHUP");
    await program.expectError("reload-failed");
    assertMatch(await program.expectError("\n"), /sealpost\.toml:1: max-recipients: .*1 to 255/);

    // An upload that goes on for ever keeps the server for as long as it may.
    const alice = folder.person("alice");
    const { connection } = await connectAs(address, folder.bundle, alice);
    // The head of the key log, which comes after every login.
    assertEquals((await connection.receive())?.kind, FrameKind.event);
    const { request, bytes } = await preseal(alice, [alice], 500_000);
    await connection.send({ kind: FrameKind.request, id: 1, payload: encodeJson(request) });
    await connection.send({ kind: FrameKind.data, id: 1, payload: bytes.slice(0, 60_000) });
    // Its answer to a ping comes after all that was sent before.
    const before = connection.lastReceived;
    const over = connection.receive().catch((error) => error);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await connection.ping();
    await waitFor("the pong", () => connection.lastReceived > before ? true : null);
    program.kill("SIGTERM");
    await program.expectError("stopping");
    program.kill("SIGTERM");
    const { code } = await program.finish();
    assertEquals(code, 130);
    assert(await over instanceof Error);
  },
});
