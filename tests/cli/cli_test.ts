import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { COMMANDS, TABLE } from "../../commands/table.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { RSA_BITS } from "../../crypto/rsa.ts";
import { EXIT_CODES, exitCodeFor } from "../../cli/exit_codes.ts";
import { describeFailure } from "../../cli/failure.ts";
import { commandHelp, programHelp } from "../../cli/help.ts";
import { DEFAULT_MAX_MESSAGE, DEFAULT_PORT, MAX_MAX_MESSAGE } from "../../protocol/limits.ts";
import type { Arguments, Command } from "../../cli/command.ts";
import { formatExactSize, parseSize } from "../../cli/format.ts";
import type { Rights } from "../../cli/rights.ts";
import { nearest, parseCommand } from "../../cli/options.ts";
import { PROGRAM_VERSION } from "../../cli/program.ts";
import { assertRefused } from "../support/testing.ts";
import { buildFor, inFolder, permissionsOf, sealpost } from "../support/command.ts";
import { ROOT, run } from "../support/program.ts";

function commandNamed(name: string): Command {
  const command = COMMANDS.find((command) => command.name === name);
  assert(command);
  return command;
}

function parse(name: string, ...args: string[]): Arguments {
  const parsed = parseCommand(commandNamed(name), args);
  if (parsed.help) throw new Error(`${name} ${args.join(" ")} asks for help`);
  return parsed.given;
}

/** The message of the `usage` error that arguments lead to. */
function complaint(name: string, ...args: string[]): string {
  try {
    parse(name, ...args);
  } catch (error) {
    if (isSealpostError(error, "usage")) return error.message;
    throw error;
  }
  throw new Error(`${name} ${args.join(" ")} was taken`);
}

Deno.test("options are read in every form, before and after positional arguments", () => {
  const a = parse("keygen", "--dir=x y", "alice", "--force", "--bits", "2048");
  assertEquals(a.text("NAME"), "alice");
  assertEquals(a.optional("dir"), "x y");
  assertEquals(a.number("bits"), 2048);
  assertEquals([a.flag("force"), a.flag("json")], [true, false]);
  const b = parse("connect", "--dir", "007", "--", "--x");
  assertEquals(b.optional("dir"), "007");
  assertEquals(b.optional("[USER@]HOST[:PORT]"), "--x");
  assertEquals(b.optional("password-file"), undefined);
});

Deno.test("an option that is not given has its default", () => {
  const serve = parse("serve");
  assertEquals(serve.text("listen"), `0.0.0.0:${DEFAULT_PORT}`);
  assertEquals(serve.number("max-message"), DEFAULT_MAX_MESSAGE);
  assertEquals(serve.optional("dir"), undefined);
  assertEquals(parse("keygen", "x").number("bits"), RSA_BITS.usual);
});

Deno.test("the bounds in the table are those of the code", () => {
  const bits = commandNamed("keygen").options.find(({ name }) => name === "bits");
  assertEquals([bits?.min, bits?.max], [RSA_BITS.min, RSA_BITS.max]);
  const size = commandNamed("serve").options.find(({ name }) => name === "max-message");
  assertEquals(size?.max, MAX_MAX_MESSAGE);
});

Deno.test("what the table does not know is refused in one line that helps", () => {
  const cases: readonly (readonly [string, ...string[]])[] = [
    ["did you mean --listen?", "serve", "--lisen", "x"],
    ["did you mean --force?", "keygen", "alice", "--forec"],
    ["--help lists", "serve", "--colour"],
    ["no option", "serve", "-q"],
    ["no option", "serve", "--dir.x=1"],
    ["no option", "serve", "--__proto__=1"],
    ["--dir needs a value", "serve", "--dir"],
    ["--dir needs a value", "serve", "--dir="],
    ["--dir needs a value", "keygen", "x", "--dir", "--force"],
    ["--dir is given twice", "serve", "--dir", "a", "--dir=b"],
    ["--yes takes no value", "clean", "--yes=no"],
    ["--help takes no value", "clean", "--help=1"],
    ["needs a NAME", "keygen"],
    ["needs a NAME", "keygen", ""],
    ["needs an ID", "read"],
    ['does not know what to do with "b"', "keygen", "a", "b"],
    ["whole number from 2048 to 4096", "keygen", "a", "--bits", "1024"],
    ["whole number from 2048 to 4096", "keygen", "a", "--bits", "3e3"],
    ["not a size", "serve", "--max-message", "1GB"],
    ["out of bounds", "serve", "--max-message", "1KiB"],
    ["every user of this machine can see", "connect", "--password", "x"],
    ["every user of this machine can see", "connect", "--password=x"],
    ["every user of this machine can see", "connect", "-p", "x"],
  ];
  for (const [expected, name, ...args] of cases) {
    const message = complaint(name ?? "", ...args);
    assertStringIncludes(message, expected, `${name} ${args.join(" ")}`);
    assert(!message.includes("\n"));
  }
});

Deno.test("a refused password is not repeated", () => {
  assert(!complaint("connect", "--password=hunter2").includes("hunter2"));
});

Deno.test("sizes are read with units of 1024, and written so", () => {
  assertEquals(parseSize("100MiB"), 100 * 1024 ** 2);
  assertEquals(parseSize("1 gib"), 1024 ** 3);
  assertEquals(parseSize("17"), 17);
  assertEquals(parseSize("17B"), 17);
  for (const size of [0, 1, 1023, 1024, 1536, 1024 ** 2, 3 * 1024 ** 3, 1024 ** 4 + 1]) {
    assertEquals(parseSize(formatExactSize(size)), size);
  }
  for (const wrong of ["", "MiB", "1.5MiB", "-1", "1e6", "10MB", "1 M", "99999999999TiB"]) {
    assertRefused("usage", () => parseSize(wrong));
  }
});

Deno.test("a misspelled word is told from another word", () => {
  const known = COMMANDS.map(({ name }) => name);
  assertEquals(nearest("conect", known), "connect");
  assertEquals(nearest("sevre", known), "serve");
  assertEquals(nearest("keyg", known), "keygen");
  assertEquals(nearest("cleanal", known), "cleanall");
  assertEquals(nearest("frobnicate", known), null);
  assertEquals(nearest("", known), null);
});

Deno.test("help shows everything that the table has, within 80 columns", () => {
  const all = programHelp("sealpost", PROGRAM_VERSION, TABLE);
  for (const command of COMMANDS) {
    const [word, second] = command.name.split(" ");
    const line = new RegExp(`^  ${word} .*(\\n {6,}.*)*`, "m").exec(all)?.[0] ?? "";
    if (second === undefined) assertStringIncludes(line, command.summary);
    else assertMatch(line, new RegExp(`[ ,:]${second}(,|$)`, "m"));
    const help = commandHelp("sealpost", command);
    for (const { name } of command.options) assertStringIncludes(help, `--${name}`);
    for (const { line } of command.examples) assertStringIncludes(help, `sealpost ${line}`);
    for (const line of help.split("\n")) assert(line.length <= 80, line);
  }
  for (const { code } of EXIT_CODES) assertMatch(all, new RegExp(`^  ${code} `, "m"));
  for (const line of all.split("\n")) assert(line.length <= 80, line);
});

Deno.test("help settings lists every setting of a client, within 80 columns", async () => {
  await inFolder(async (cwd) => {
    const { code, stdout, stderr } = await sealpost(["help", "settings"], { cwd });
    assertEquals([code, stderr], [0, ""]);
    for (const name of ["server", "user", "cache", "unlock", "bell", "downloads"]) {
      assertMatch(stdout, new RegExp(`^  ${name} = \\S.*  \\S`, "m"));
    }
    for (const line of stdout.split("\n")) assert(line.length <= 80, line);
    const all = await sealpost(["help"], { cwd });
    assertStringIncludes(all.stdout, "help settings lists the settings of sealpost.toml");
  });
});

Deno.test("every command stands under one heading of help, and nothing else does", () => {
  const words = [...new Set([...COMMANDS.map(({ name }) => name.split(" ")[0]), "help"])].sort();
  assertEquals(TABLE.sections.flatMap(({ words }) => words).sort(), words);
  for (const word of Object.keys(TABLE.about)) {
    assert(COMMANDS.some(({ name }) => name.startsWith(`${word} `)));
    assert(COMMANDS.every(({ name }) => name !== word));
  }
});

Deno.test("every example in help is taken by its command", () => {
  for (const command of COMMANDS) {
    for (const { line } of command.examples) {
      const words = command.name.split(" ").length;
      const args = line.replace(/ [<>] .*/, "").replaceAll("'", "").split(" ");
      assertEquals(args.slice(0, words).join(" "), command.name);
      parseCommand(command, args.slice(words));
    }
  }
});

Deno.test("a known error ends with its own code and one line", async () => {
  const error = new SealpostError("no-such-user", "there is no user\x1b[2J bob\nhere");
  assertEquals(await describeFailure(error, false), {
    exitCode: exitCodeFor("no-such-user"),
    lines: ["sealpost: there is no user\\x1b[2J bob\\nhere"],
  });
});

Deno.test("an unknown error is a defect: one line, and the stack only for who asks", async () => {
  const error = new TypeError("x is not a function\nmore", { cause: new Error("underneath") });
  const plain = await describeFailure(error, false);
  assertEquals(plain.exitCode, 70);
  assertEquals(plain.lines.length, 1);
  assertStringIncludes(plain.lines[0] ?? "", "TypeError: x is not a function;");
  const debug = await describeFailure(error, true);
  assertMatch(debug.lines.join("\n"), /cli_test\.ts:\d+[\s\S]*caused by Error: underneath/);
});

Deno.test("an end of the reader is no error to talk about", async () => {
  assertEquals(await describeFailure(new Deno.errors.BrokenPipe("x"), true), {
    exitCode: 141,
    lines: [],
  });
});

Deno.test("a program ends with one line however it fails", async () => {
  const failures: readonly (readonly [script: string, code: number, stderr: RegExp])[] = [
    ['throw new SealpostError("busy", "later")', 75, /^sealpost: later\n$/],
    ['throw new Error("x")', 70, /^sealpost: a defect of this program: Error: x; [^\n]*\n$/],
    ['Promise.reject(new Error("x")); await forever', 70, /^sealpost: a defect [^\n]*\n$/],
    [
      "setTimeout(() => { throw 7; }); await forever",
      70,
      /^sealpost: a defect [^\n]*: 7; [^\n]*\n$/,
    ],
    ['await Deno.readTextFile("/etc/hosts")', 74, /^sealpost: Requires read access [^\n]*\n$/],
    ['throw new Deno.errors.BrokenPipe("x")', 141, /^$/],
  ];
  await inFolder(async (cwd) => {
    for (const [i, [script, code, stderr]] of failures.entries()) {
      const path = join(cwd, `${i}.ts`);
      await Deno.writeTextFile(
        path,
        `import { runProgram } from ${JSON.stringify(join(ROOT, "cli/failure.ts"))};
        import { SealpostError } from ${JSON.stringify(join(ROOT, "crypto/error.ts"))};
        const forever = new Promise((resolve) => setTimeout(resolve, 60_000));
        await runProgram(async () => { ${script}; console.log(SealpostError, await forever); });`,
      );
      const build = { command: Deno.execPath(), args: ["run", "--no-prompt", "--quiet", path] };
      const ended = await run([], { cwd, build });
      assertEquals([ended.code, ended.stdout], [code, ""], script);
      assertMatch(ended.stderr, stderr, script);
    }
  });
});

Deno.test("a program whose parts are missing ends too, with one line", async () => {
  await inFolder(async (cwd) => {
    const path = join(cwd, "broken.ts");
    const module = JSON.stringify(join(ROOT, "cli/failure.ts"));
    await Deno.writeTextFile(
      path,
      `import { runProgram } from ${module}; await runProgram(() => Promise.reject(new Error("x")));`,
    );
    // Without the settings of the project, what prepares messages for a terminal cannot be loaded.
    const args = ["run", "--no-prompt", "--quiet", "--no-config", path];
    const ended = await run([], { cwd, build: { command: Deno.execPath(), args } });
    assertEquals([ended.code, ended.stdout], [70, ""]);
    assertMatch(ended.stderr, /^sealpost: a part of this program is missing[^\n]*\n$/);
  });
});

Deno.test("the program shows its version, its help, and what it does not know", async () => {
  await inFolder(async (cwd) => {
    const [version, help, short, ofServe, helpServe, none, wrong, option] = await Promise.all([
      sealpost(["--version"], { cwd }),
      sealpost(["--help"], { cwd }),
      sealpost(["-h"], { cwd }),
      sealpost(["serve", "--help"], { cwd }),
      sealpost(["help", "serve"], { cwd }),
      sealpost([], { cwd }),
      sealpost(["conect"], { cwd }),
      sealpost(["serve", "--dri", "x"], { cwd }),
    ]);
    const { version: released } = JSON.parse(await Deno.readTextFile("deno.json"));
    const { deno } = Deno.version;
    assertEquals(version, {
      code: 0,
      stdout: `sealpost ${released} (from its source, Deno ${deno}, ${Deno.build.target})\n`,
      stderr: "",
    });
    assertEquals(JSON.parse((await sealpost(["--version", "--json"], { cwd })).stdout), {
      version: released,
      commit: null,
      deno,
      platform: Deno.build.target,
    });
    assertEquals([help.code, help.stderr], [0, ""]);
    assertEquals(short, help);
    assertEquals(ofServe.code, 0);
    assertEquals(helpServe, ofServe);
    assertMatch(ofServe.stdout, /--listen ADDRESS +\S/);
    assertEquals([none.code, none.stdout], [64, ""]);
    assertMatch(none.stderr, /^sealpost: no command is given.*\n$/);
    assertEquals([wrong.code, wrong.stdout], [64, ""]);
    assertMatch(wrong.stderr, /^sealpost: there is no command "conect"; did you mean connect\?\n$/);
    assertEquals([option.code, option.stdout], [64, ""]);
    assertMatch(option.stderr, /^sealpost: serve has no option "--dri"; did you mean --dir\?\n$/);
  });
});

Deno.test("a folder beyond the task's permissions is refused in one line", async () => {
  await inFolder(async (cwd) => {
    const { code, stderr } = await sealpost(["keygen", "x", "--dir", "../elsewhere"], { cwd });
    assertEquals(code, exitCodeFor("file-io"));
    assertMatch(stderr, /^sealpost: .*without that right\n$/);
  });
});

Deno.test("a task acts in the folder where it is typed, also without a Deno on the PATH", async () => {
  await inFolder(async (folder) => {
    const cwd = join(folder, "a folder");
    await Deno.mkdir(cwd);
    const config = join(ROOT, "deno.json");
    const build = { command: Deno.execPath(), args: ["task", "--quiet", "--config", config] };
    // INIT_CWD: as a shell has it, not as the task that runs these tests has set it.
    const env = { PATH: "/usr/bin:/bin", INIT_CWD: cwd };
    const made = await run(["keygen", "bob", "--dir", "bob's", "--bits", "2048"], {
      cwd,
      build,
      env,
    });
    assertEquals([made.code, made.stderr], [0, ""]);
    assert(await exists(join(cwd, "bob's", "bob_public.pem")));
    const help = await run(["help", "keygen"], { cwd, build, env });
    assertEquals([help.code, help.stderr], [0, ""]);
    assertStringIncludes(help.stdout, "deno task keygen server");
  });
});

Deno.test("every command has a task, and no task has more rights than it needs", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const lines = Object.values<string>(tasks);
  for (const line of lines) {
    assert(!/--allow-(all|ffi|sys(?!=hostname))|-A\b|--allow-run(?!=)/.test(line), line);
  }
  for (const word of new Set([...COMMANDS.map(({ name }) => name.split(" ", 1)[0]), "help"])) {
    assertMatch(tasks[word ?? ""], new RegExp(`^deno task -q as:\\w+ ${word}$`));
  }
  for (const [task, line] of Object.entries<string>(tasks)) {
    if (!task.startsWith("as:")) continue;
    assertMatch(
      line,
      /^ROOT=\$PWD && cd "\$INIT_CWD" && .*deno run --no-prompt .*"\$ROOT\/main.ts"$/,
    );
    assert(!/--allow-run(?!=\/bin\/sh )/.test(line), line);
    if (task !== "as:guide") {
      assertMatch(line, /&& SEALPOST_HERE=1 .*--allow-env=\S*SEALPOST_/, task);
    }
    assertEquals(line.includes("tools/socket_permission.ts"), /server|operator/.test(task), task);
  }
  assertMatch(tasks["as:operator"], /--allow-net=127\.0\.0\.1:0"\$\(/);
  assertEquals(await permissionsOf("man"), ["--allow-run=/bin/sh", "--allow-env=SEALPOST_DEBUG"]);
  const folder = ["--allow-read=.", "--allow-write=."];
  assertEquals((await permissionsOf("keygen")).slice(0, 2), folder);
  assertEquals((await permissionsOf("inbox")).slice(0, 2), folder);
});

/** Prints at the end of the program which of its rights are left. */
const WITNESS = `addEventListener("unload", () => {
  const has = (descriptor) => Deno.permissions.querySync(descriptor).state === "granted";
  const left = {
    read: has({ name: "read", path: "." }),
    write: has({ name: "write", path: "." }),
    net: has({ name: "net", host: "127.0.0.1:0" }),
    run: has({ name: "run", command: "/bin/sh" }),
    sys: has({ name: "sys", kind: "hostname" }),
    env: VARIABLES.filter((variable) => has({ name: "env", variable })),
  };
  Deno.stderr.writeSync(new TextEncoder().encode("LEFT " + JSON.stringify(left) + "\\n"));
});`;

Deno.test("a command keeps no right that its entry does not ask for, and none to start programs", async () => {
  /** A command with each set of rights, and arguments with which it soon ends. */
  const cases: readonly (readonly [name: string, ...args: string[]])[] = [
    ["serve", "--dir", "none"],
    ["store status", "--dir", "none"],
    ["store migrate", "--from", "none", "--to", "none"],
    ["fsck", "--dir", "none"],
    ["audit", "--dir", "none"],
    ["keygen", "x", "--dir", "none", "--public"],
    ["stats", "--dir", "none"],
    ["connect", "--dir", "none", "x@127.0.0.1:1"],
    ["setup", "--dir", "none", "--server", "x"],
    ["send", "--dir", "none", "-t", "x"],
    ["inbox", "--dir", "none"],
    ["outbox", "--dir", "none"],
    ["drafts edit", "x", "--dir", "none"],
    ["completions", "bash"],
    ["man"],
  ];
  const rights = (name: string) => JSON.stringify(commandNamed(name).rights);
  assertEquals(
    new Set(cases.map(([name]) => rights(name))),
    new Set(COMMANDS.map(({ name }) => rights(name))),
    "every set of rights is tried",
  );
  const variables = [
    ...new Set(COMMANDS.flatMap(({ rights }) => rights.variables ?? [])),
    "SEALPOST_MAX_MESSAGE",
  ].filter((name) => !name.endsWith("*"));
  await inFolder(async (cwd) => {
    const witness = join(cwd, "witness.js");
    await Deno.writeTextFile(witness, WITNESS.replace("VARIABLES", JSON.stringify(variables)));
    for (const [name, ...args] of [...cases, ["help"]] as const) {
      const build = await buildFor([name.split(" ")[0] ?? ""], ["--preload", witness]);
      const { stderr } = await run([...name.split(" "), ...args], { cwd, build });
      const left = JSON.parse(/^LEFT (.*)$/m.exec(stderr)?.[1] ?? "null");
      const { files, net, host, variables: needed = [] }: Rights = name === "help"
        ? {}
        : commandNamed(name).rights;
      const message = `${name}: ${stderr}`;
      assertEquals([left.read, left.write, left.run], [!!files, !!files, false], message);
      assert(net || !left.net, message);
      assertEquals(left.sys, !!host, message);
      const mayRead = (variable: string) =>
        needed.some((pattern) =>
          pattern === variable || pattern.endsWith("*") && variable.startsWith(pattern.slice(0, -1))
        );
      assertEquals(left.env.filter((variable: string) => !mayRead(variable)), [], message);
    }
  });
});
