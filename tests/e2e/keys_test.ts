// Key files and passwords as `connect` and `serve` take them, and as they refuse them.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { stepInFull, testInFull, testInFullUnless } from "../support/full.ts";
import { CHOICE, ended, Group, sending, SENT } from "../support/group.ts";
import { passwordOf, Program, run } from "../support/program.ts";

const noModes = Deno.build.os === "windows" ? "files have no modes on Windows" : null;

testInFull("keys and passwords come from where they should, and from nowhere else", async (t) => {
  await using group = await Group.start(["alice", "bob"]);
  await group.bind("bob");
  const target = `alice@${group.server.address}`;
  const cwd = group.path("alice");
  /** Runs `connect` as alice, and gives `lines` to what it asks. */
  const connect = async (
    args: readonly string[],
    options: { lines?: readonly string[]; env?: Record<string, string> } = {},
  ) => {
    const program = Program.start(["connect", target, ...args], { cwd, env: options.env ?? {} });
    for (const line of options.lines ?? []) await program.type(line).catch(() => {});
    return await program.finish();
  };
  const writePrivate = async (file: string, text: string) => {
    await Deno.writeTextFile(group.path("alice", file), text);
    await Deno.chmod(group.path("alice", file), 0o600);
  };

  /** Forgets the ticket that would stand for the password. */
  const forget = async (name: string) => {
    await Deno.remove(group.path(name, ".sealpost"), { recursive: true }).catch(() => {});
  };

  await t.step("a password comes from a file, its first line, however that ends", async () => {
    for (
      const text of ["password of alice", "password of alice\nmore\n", "password of alice\r\n"]
    ) {
      await writePrivate("password.txt", text);
      await forget("alice");
      const { code, stdout, stderr } = await connect(["--password-file", "password.txt"]);
      assertEquals([code, stderr], [0, ""]);
      assert(!stdout.includes("password"), stdout);
    }
    assertEquals(group.log.match(/ info (login|key-bound) name=alice /g)?.length, 3);
  });

  await t.step("a password comes from SEALPOST_PASSWORD, in whatever normal form", async () => {
    const users = JSON.parse(await Deno.readTextFile(group.path("server", "user_pass.json")));
    users.bob = "Pässwörter zählen";
    await Deno.writeTextFile(group.path("server", "user_pass.json"), JSON.stringify(users));
    for (const form of ["NFC", "NFD"]) {
      const { code, stderr } = await group.logIn("bob", users.bob.normalize(form));
      assertEquals([code, stderr], [0, ""]);
      await forget("bob");
      await group.talk("bob", [], { password: users.bob.normalize(form) });
    }
  });

  await t.step("a password as an argument is refused, and not repeated", async () => {
    for (const args of [["--password", "hunter2"], ["--password=hunter2"], ["-p", "hunter2"]]) {
      const { code, stdout, stderr } = await connect(args);
      assertEquals([code, stdout], [64, ""]);
      assertMatch(stderr, /^sealpost: -[^\n]* is refused: [^\n]*--password-file FILE[^\n]*\n$/);
      assert(!stderr.includes("hunter2"), stderr);
    }
  });

  await t.step("a password file that is missing, empty or too long is named", async () => {
    await forget("alice");
    await writePrivate("password.txt", "\n");
    const empty = await connect(["--password-file", "password.txt"]);
    await writePrivate("password.txt", "x".repeat(257));
    const long = await connect(["--password-file", "password.txt"]);
    for (const { code, stderr } of [empty, long]) {
      assertEquals(code, 64);
      assertEquals(stderr, "sealpost: a password has 1 to 256 bytes\n");
    }
    const missing = await connect(["--password-file", "nowhere.txt"]);
    assertEquals(missing.code, 66);
    assertMatch(missing.stderr, /^sealpost: [^\n]*nowhere\.txt[^\n]*\n$/);
  });

  await t.step(
    "an empty and an overlong password that is typed is refused before it is sent",
    async () => {
      const before = group.log;
      for (const line of ["", "x".repeat(257)]) {
        const { code, stderr } = await connect([], { lines: [line] });
        assertEquals([code, stderr], [64, "sealpost: a password has 1 to 256 bytes\n"]);
      }
      assertEquals(group.log, before);
    },
  );

  await t.step(
    "without server_public.pem, and without a terminal, nobody is asked and nothing sent",
    async () => {
      const path = group.path("alice", "server_public.pem");
      const pem = await Deno.readTextFile(path);
      await Deno.remove(path);
      const before = group.log;
      const { code, stdout, stderr } = await connect([], { lines: [passwordOf("alice"), "yes"] });
      assertEquals([code, stdout], [66, ""]);
      assertEquals(
        stderr,
        "sealpost: server_public.pem is missing; get it from the server's operator\n",
      );
      assertEquals(group.log, before);
      await Deno.writeTextFile(
        path,
        "-----BEGIN PUBLIC KEY-----\nbm90IGEga2V5\n-----END PUBLIC KEY-----\n",
      );
      const damaged = await connect([], { lines: [passwordOf("alice")] });
      assertEquals(damaged.code, 65);
      assertMatch(damaged.stderr, /^sealpost: server_public\.pem: [^\n]*\n$/);
      await Deno.writeTextFile(path, pem);
    },
  );

  await t.step("a folder without keys, and a name that is none, are told", async () => {
    const other = async (name: string) => {
      return await run(["connect", `${name}@${group.server.address}`], { cwd, input: "x" });
    };
    const carol = await other("carol");
    assertEquals(carol.code, 66);
    assertMatch(carol.stderr, /^sealpost: there are no keys for carol in this folder; [^\n]*\n$/);
    for (const name of ["../bob", "Ali ce", "a".repeat(33)]) {
      const { code, stderr } = await other(name);
      assertEquals(code, 65, stderr);
      assertMatch(stderr, /^sealpost: [^\n]+\n$/);
    }
    // From beside the folder, and with --dir.
    const outside = { cwd: group.dir, env: { SEALPOST_PASSWORD: passwordOf("alice") } };
    assertEquals((await run(["connect", target], outside)).code, 0);
    assertEquals((await run(["connect", target, "--dir", "alice"], outside)).code, 0);
    assertEquals((await run(["connect", target, "--dir", "bob"], outside)).code, 66);
  });

  await t.step("a public key file that belongs to another private one is told", async () => {
    const path = group.path("alice", "alice_public.pem");
    const own = await Deno.readTextFile(path);
    await Deno.copyFile(group.path("bob", "bob_public.pem"), path);
    const { code, stderr } = await connect([], { env: { SEALPOST_PASSWORD: passwordOf("alice") } });
    assertEquals(code, 65);
    assertMatch(
      stderr,
      /^sealpost: alice_private\.pem and alice_public\.pem do not belong together; [^\n]*\n$/,
    );
    await Deno.writeTextFile(path, own);
  });

  await stepInFull(
    t,
    "an encrypted private key takes its passphrase from the environment or a pipe",
    async () => {
      const env = { SEALPOST_PASSPHRASE: "correct horse" };
      const keygen = await run(["keygen", "carol", "--passphrase", "--bits", "2048"], {
        cwd: group.dir,
        env,
      });
      assertEquals(keygen.code, 0, keygen.stderr);
      const users = JSON.parse(await Deno.readTextFile(group.path("server", "user_pass.json")));
      await Deno.writeTextFile(
        group.path("server", "user_pass.json"),
        JSON.stringify({ ...users, carol: passwordOf("carol") }),
      );
      assertMatch(
        await Deno.readTextFile(group.path("carol", "carol_private.pem")),
        /^-----BEGIN ENCRYPTED PRIVATE KEY-----/,
      );
      await group.talk("carol", sending({ to: "bob", title: "x", contents: { typed: "x" } }), {
        env,
      });

      const piped = group.connect("carol", { password: null });
      const said = await piped.converse([
        ["Passphrase of the private key of carol: ", "correct horse"],
        ["Enter your password: ", passwordOf("carol")],
        [CHOICE, "4"],
      ]);
      assert(!said.includes("horse"));
      await ended(piped, 0);

      const wrong = await group.connect("carol", { env: { SEALPOST_PASSPHRASE: "wrong" } })
        .finish();
      assertEquals(wrong.code, 77);
      assertMatch(wrong.stderr, /^sealpost: carol_private\.pem: [^\n]*passphrase[^\n]*\n$/);
      const none = group.connect("carol");
      const { code, stderr } = await none.finish();
      assertEquals(code, 77);
      assertMatch(
        stderr,
        /^sealpost: carol_private\.pem is encrypted; set SEALPOST_PASSPHRASE[^\n]*\n$/,
      );
      assert(!group.log.includes("invalid username"));
    },
  );

  await stepInFull(t, "the server's private key can be encrypted too", async () => {
    await group.server.stop();
    const env = { SEALPOST_PASSPHRASE: "for the server" };
    const { code } = await run([
      "keygen",
      "server",
      "--dir",
      "locked",
      "--passphrase",
      "--bits",
      "2048",
    ], {
      cwd: group.dir,
      env,
    });
    assertEquals(code, 0);
    const args = ["serve", "--dir", "locked", "--listen", "127.0.0.1:0"];
    const none = await run(args, { cwd: group.dir });
    assertEquals([none.code, none.stdout], [77, ""]);
    assertMatch(none.stderr, /^sealpost: [^\n]*SEALPOST_PASSPHRASE[^\n]*\n$/);
    const wrong = await run(args, { cwd: group.dir, env: { SEALPOST_PASSPHRASE: "wrong" } });
    assertEquals(wrong.code, 77);
    assertMatch(wrong.stderr, /^sealpost: locked\/server_private\.pem: [^\n]*\n$/);
    const served = Program.start(args, { cwd: group.dir, env });
    assertStringIncludes(await served.expect("listening on 127.0.0.1:"), "listening");
    served.kill();
    await ended(served, 0);
    await group.restart();
  });
});

testInFullUnless(
  noModes,
  "a private key or a password that others can read is not used",
  async () => {
    await using group = await Group.start(["alice", "bob"]);
    await group.bind("bob");
    const key = group.path("alice", "alice_private.pem");
    for (const mode of [0o644, 0o640, 0o604, 0o660]) {
      await Deno.chmod(key, mode);
      const { code, stdout, stderr } = await group.connect("alice").finish();
      assertEquals([code, stdout], [77, ""]);
      assertEquals(
        stderr,
        "sealpost: others can read or change alice_private.pem, so it is not used; " +
          "run: chmod 600 alice_private.pem\n",
      );
    }
    await Deno.chmod(key, 0o600);
    const { stdout } = await group.talk(
      "alice",
      sending({ to: "bob", title: "x", contents: { typed: "x" } }),
    );
    assertStringIncludes(stdout, SENT);

    const password = group.path("alice", "password.txt");
    await Deno.writeTextFile(password, passwordOf("alice"), { mode: 0o644 });
    await Deno.chmod(password, 0o644);
    const args = ["connect", `alice@${group.server.address}`, "--password-file", "password.txt"];
    await Deno.remove(group.path("alice", ".sealpost"), { recursive: true });
    const { code, stderr } = await run(args, { cwd: group.path("alice") });
    assertEquals(code, 77);
    assertEquals(
      stderr,
      "sealpost: others can read or change password.txt, so it is not used; run: chmod 600 password.txt\n",
    );

    await group.server.stop();
    await Deno.chmod(group.path("server", "server_private.pem"), 0o640);
    const server = await run(["serve", "--listen", "127.0.0.1:0"], { cwd: group.dir });
    assertEquals(server.code, 77);
    assertMatch(
      server.stderr,
      /^sealpost: others can read or change server\/server_private\.pem, [^\n]*\n$/,
    );
  },
);
