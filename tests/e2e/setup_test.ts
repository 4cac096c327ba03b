// A new user, with an invitation and nothing else.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { testUnless } from "../support/testing.ts";
import { withControl } from "../support/control.ts";
import { stepInFull, testInFull, testInFullUnless } from "../support/full.ts";
import { makeGroup } from "../support/group_folder.ts";
import { type Build, MAIN, type Outcome, run, ServerProcess } from "../support/program.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";
import { waitFor } from "../support/wait.ts";

const missing = await whyNoTmux();

/** The program with the rights of the executable, as far as a client needs them. */
const BUILD: Build = {
  command: Deno.execPath(),
  args: [
    "run",
    "--no-prompt",
    "--quiet",
    "--allow-read",
    "--allow-write",
    "--allow-net=127.0.0.1",
    "--allow-env=SEALPOST_*,HOME,XDG_CONFIG_HOME,XDG_RUNTIME_DIR,APPDATA,TERM,TMUX,ZELLIJ,STY,SSH_CONNECTION,SSH_CLIENT,SSH_TTY",
    MAIN,
  ],
};

/** A server that runs, an operator who invites, and an empty folder for each newcomer. */
class Newcomers implements AsyncDisposable {
  private constructor(
    readonly dir: string,
    readonly server: ServerProcess,
    readonly remove: () => Promise<void>,
  ) {}

  static async start(): Promise<Newcomers> {
    const { dir, remove } = await makeGroup([]);
    for (const name of ["elsewhere", "config"]) await Deno.mkdir(join(dir, name));
    return new Newcomers(
      dir,
      await ServerProcess.start({ cwd: dir, build: withControl(dir) }),
      remove,
    );
  }

  path(...parts: readonly string[]): string {
    return join(this.dir, ...parts);
  }

  async operate(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(args, {
      cwd: this.dir,
      build: withControl(this.dir),
    });
    assertEquals(code, 0, stderr);
    return stdout;
  }

  /** The invitation of a new user, also as a file in the group's folder. */
  async invite(name: string): Promise<string> {
    const text = await this.operate("user", "add", name, "--invite");
    await Deno.writeTextFile(this.path(`${name}.txt`), `Hello ${name},\n\n${text}\nBye\n`);
    return text;
  }

  /** Keys of 2048 bits, which are made faster than those of a setup. */
  async makeKeys(name: string, dir: string): Promise<void> {
    const made = await run(["keygen", name, "--bits", "2048", "--dir", dir], {
      cwd: this.dir,
      build: BUILD,
    });
    assertEquals(made.code, 0, made.stderr);
    // Copied from ./server; a newcomer does not have it.
    await Deno.remove(join(dir, "server_public.pem"));
  }

  get start() {
    return {
      cwd: this.path("elsewhere"),
      build: BUILD,
      env: { HOME: this.dir, XDG_CONFIG_HOME: this.path("config") },
    };
  }

  /** Runs a command in a folder that is nobody's. */
  run(
    args: readonly string[],
    options: { readonly input?: string; readonly env?: Record<string, string> } = {},
  ): Promise<Outcome> {
    const { start } = this;
    return run(args, { ...start, ...options, env: { ...start.env, ...options.env } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await this.remove();
  }
}

testUnless(
  missing,
  "somebody with an invitation is set up at a terminal, in two runs",
  async (t) => {
    await using place = await Newcomers.start();
    const invitation = await place.invite("alice");
    const folder = place.path("config", "sealpost");
    const key = join(folder, "alice_private.pem");
    const passphrase = "correct horse battery";
    const own = "a password of my own";

    await t.step("the first run is stopped at the passphrase", async () => {
      await using screen = await Screen.start(["setup"], place.start);
      await screen.expect("type the address of the server:\n>");
      await screen.enter("not an address");
      await screen.expect(">");
      await screen.paste(`Hi!\n${invitation.replace(/^/gm, "> ")}\nBye\n`);
      await screen.expect("(Enter for ~/config/sealpost):");
      await screen.type("~/conf");
      await screen.press("Tab");
      await screen.expect("(Enter for ~/config/sealpost): ~/config/");
      await screen.enter("sealpost");
      await screen.expect("Passphrase (Enter for none):");
      await screen.press("C-c");
      assertEquals((await screen.ended()).code, 130);
      const text = await screen.text();
      assertStringIncludes(text, "That is no address of a server.");
      assertStringIncludes(text, `An invitation for alice to ${place.server.address}.`);
      assertStringIncludes(text, "The server answers, and its key is the right one.");
      assertMatch(text, /sealpost: stopped; "[^"]*setup" goes on from here\n/);
      assert(!await exists(key));
    });

    await t.step("the second goes on, and ends with mail that was read", async () => {
      await using screen = await Screen.start(["setup"], place.start);
      await screen.converse([
        ["Passphrase (Enter for none):", passphrase],
        ["The same again:", passphrase],
      ]);
      await screen.expect("(the invitation's, if you have not chosen your own):");
      await screen.paste(invitation);
      await screen.converse([
        ["New password:", passphrase],
        ["The same again:", passphrase],
        ["New password:", "Password1"],
        ["The same again:", "Password1"],
        ["New password:", own],
        ["The same again:", own],
        ["Write them down now? (y/N)", ""],
      ]);
      assertEquals((await screen.ended()).code, 0);
      const text = await screen.text();
      assertStringIncludes(
        text,
        `Going on with the setup of alice at ${place.server.address}, in `,
      );
      assertMatch(text, /Made your keys. Their fingerprint is\n {2}SHA256:/);
      assertStringIncludes(text, "That is the passphrase of your keys;");
      assertStringIncludes(
        text.replaceAll("\n", " "),
        "A password has 8 characters or more, and is",
      );
      assertStringIncludes(text, "That is one of the passwords that everybody tries first.");
      assertStringIncludes(text, "opened it and verified it: everything works.");
      assertMatch(text, /Go on with\n {2}\S.* inbox +what has come\n/);
      for (const secret of [passphrase, own]) assert(!(await screen.written()).includes(secret));
      assertMatch(await Deno.readTextFile(key), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    });

    await t.step("from then on commands work in any folder, without a password", async () => {
      const env = { SEALPOST_PASSPHRASE: passphrase };
      const { code, stdout, stderr } = await place.run(["inbox"], { env });
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, /alice .*\[new\] Welcome to Sealpost\n$/);
      const before = await Deno.readTextFile(key);
      const again = await place.run(["setup"], { env });
      assertEquals(again.code, 0, again.stderr);
      assertStringIncludes(again.stdout, "Everything is set up.");
      assertEquals(await Deno.readTextFile(key), before);
      await using screen = await Screen.start(["connect"], {
        ...place.start,
        env: { ...place.start.env, ...env },
      });
      await waitFor("the mail program", async () => {
        return /choice:|Welcome to Sealpost/.exec(await screen.text());
      });
    });
  },
);

testInFullUnless(missing, "somebody without an invitation compares fingerprints", async () => {
  await using place = await Newcomers.start();
  await Deno.writeTextFile(
    place.path("server", "user_pass.json"),
    JSON.stringify({ carol: "password of carol" }),
  );
  const [, fingerprint = ""] = /key (SHA256:\S+)/.exec(place.server.program.stdout) ?? [];
  const folder = place.path("elsewhere", "carol");
  const answers = async (answer: string) => {
    const screen = await Screen.start(["setup", "--dir", "carol"], place.start);
    await screen.converse([
      ["type the address of the server:\n>", place.server.address],
      ["(yes, no, or paste the one you have)", answer],
    ]);
    return screen;
  };
  for (const [answer, code] of [[`SHA256:${"A".repeat(43)}`, 77], ["no", 130]] as const) {
    await using screen = await answers(answer);
    assertEquals((await screen.ended()).code, code);
    assertMatch(await screen.text(), /sealpost: [^]*; nothing was sent/);
    assert(!await exists(folder));
  }
  await using screen = await answers(fingerprint);
  await screen.expect("Your name on this server:");
  await place.makeKeys("carol", folder);
  await screen.enter("Carol");
  await screen.converse([
    ["(the invitation's, if you have not chosen your own):", "a wrong password"],
    ["(the invitation's, if you have not chosen your own):", "password of carol"],
    ["Write them down now? (y/N)", "no"],
  ]);
  assertEquals((await screen.ended()).code, 0);
  const text = await screen.text();
  assertStringIncludes(
    text.replaceAll("\n", " "),
    "The server does not accept that password for carol and these keys. Either it is wrong, or carol",
  );
  assertStringIncludes(text, "Your keys are in carol already.");
  assertMatch(text, /Go on with\n {2}cd carol\n/);
});

testInFullUnless(
  missing,
  "what is typed while setup makes keys is not shown, and is no password",
  async () => {
    await using place = await Newcomers.start();
    await place.invite("erin");
    const args = ["setup", "--dir", "erin", "--invitation", place.path("erin.txt")];
    {
      await using screen = await Screen.start(args, place.start);
      await screen.expect("Passphrase (Enter for none):");
      await screen.enter("");
      await screen.see("Making keys");
      await screen.press("C-c");
      const { code, stty } = await screen.ended();
      assertEquals(code, 130);
      assert(/ icanon/.test(stty) && / echo /.test(stty), stty);
      assertMatch(await screen.text(), /sealpost: stopped; "[^"]*setup" goes on from here\n/);
    }
    await using screen = await Screen.start(args, place.start);
    await screen.expect("Passphrase (Enter for none):");
    await screen.enter("");
    await screen.see("Making keys");
    for (const line of ["typed too early", "typed too early"]) await screen.enter(line);
    await screen.converse([
      ["New password:", "a password of my own"],
      ["The same again:", "a password of my own"],
      ["Write them down now? (y/N)", ""],
    ]);
    assertEquals((await screen.ended()).code, 0);
    assert(!(await screen.written()).includes("typed too early"));
    const own = { SEALPOST_PASSWORD: "a password of my own" };
    const forgotten = await place.run(["logout", "--dir", "erin"]);
    assertEquals(forgotten.code, 0, forgotten.stderr);
    const { code, stderr } = await place.run(["status", "--dir", "erin"], { env: own });
    assertEquals(code, 0, stderr);
  },
);

testInFull(
  "setup works in a script, again and again, and says in one line what stops it",
  async (t) => {
    await using place = await Newcomers.start();
    await place.invite("dave");
    const folder = place.path("config", "sealpost");
    await place.makeKeys("dave", folder);
    const invited = ["setup", "--invitation", "../dave.txt", "--json"];
    const own = { input: "a password of my own" };

    /** The one line that a setup ends with. */
    const refused = async (
      code: number,
      args: readonly string[],
      options: Parameters<Newcomers["run"]>[1] = own,
    ) => {
      const outcome = await place.run(args, options);
      assertEquals(outcome.code, code, outcome.stderr);
      const lines = outcome.stderr.trimEnd().split("\n");
      assertEquals(lines.filter((line) => line.startsWith("sealpost: ")).length, 1);
      return lines.at(-1) ?? "";
    };

    await t.step("what is missing is asked for before anything is done", async () => {
      for (
        const [args, what] of [
          [["setup"], "at a terminal"],
          [["setup", "--server", place.server.address], "--fingerprint SHA256:"],
          [["setup", "--fingerprint", "SHA256:x"], "goes with --server"],
          [["setup", "--server", "x", "--fingerprint", "SHA256:x"], "43 characters"],
          [[...invited, "--server", "x"], "leave out --server"],
          [[...invited, "--password-stdin", "--password-file", "x"], "one of them"],
        ] as const
      ) assertStringIncludes(await refused(64, args, {}), what);
      const short = await refused(64, [...invited, "--password-stdin"], { input: "short" });
      assertStringIncludes(short, "8 characters or more");
      assert(!await exists(join(folder, "sealpost.toml")));
    });

    await stepInFull(
      t,
      "an invitation that is over, damaged, or of another server is refused",
      async () => {
        const text = await Deno.readTextFile(place.path("dave.txt"));
        const changed = async (from: RegExp, to: string) => {
          await Deno.writeTextFile(place.path("changed.txt"), text.replace(from, to));
          return ["setup", "--invitation", "../changed.txt", "--password-stdin"];
        };
        const over = await changed(/Expires: .*/, "Expires: 2026-01-01T00:00:00Z");
        assertMatch(await refused(77, over), /good until 2026-01-01 .*; ask whoever sent it/);
        const other = await changed(/Key: .*/, `Key: SHA256:${"A".repeat(43)}`);
        assertMatch(
          await refused(77, other),
          /not SHA256:A{43} as you were told; nothing was sent/,
        );
        const away = await changed(/Server: .*/, "Server: 127.0.0.1:1\nServer: 127.0.0.1:2");
        assertMatch(
          await refused(69, away),
          /none of .* answers \(127\.0\.0\.1:1, 127\.0\.0\.1:2\)/,
        );
        assertMatch(await refused(65, await changed(/Password: .*/, "")), /damaged invitation/);
        assert(!await exists(join(folder, "sealpost.toml")));
      },
    );

    await t.step("it ends with a message that was read, and can be repeated", async () => {
      assertStringIncludes(await refused(64, invited, {}), "is good for one time only");
      const first = await place.run([...invited, "--password-stdin"], own);
      assertEquals(first.code, 0, first.stderr);
      const done = JSON.parse(first.stdout);
      assertEquals(
        [done.name, done.server, done.folder],
        ["dave", place.server.address, folder],
      );
      const again = JSON.parse((await place.run([...invited, "--password-stdin"], own)).stdout);
      assertEquals(again, { ...done, tested: null });
      // As after a crash between the new password and the first ticket.
      await Deno.remove(join(folder, ".sealpost"), { recursive: true });
      const third = await place.run([...invited, "--password-stdin"], own);
      assertEquals(third.code, 0, third.stderr);
      const listed = await place.run(["inbox", "--json"]);
      assertEquals(
        JSON.parse(listed.stdout).map(({ subject }: { subject: string }) => subject),
        ["Welcome to Sealpost", "Welcome to Sealpost"],
      );
    });

    await stepInFull(
      t,
      "a name that belongs to other keys, and a folder of another, are told",
      async () => {
        await place.makeKeys("dave", place.path("other"));
        const other = await refused(77, [...invited, "--dir", "../other", "--password-stdin"]);
        assertMatch(
          other,
          /does not let dave in: .* belongs to other keys\. If .* devices add" there.* ask .* "user unbind dave"/,
        );
        await place.invite("erin");
        const erin = ["setup", "--invitation", "../erin.txt", "--password-stdin"];
        assertMatch(
          await refused(73, erin),
          /sealpost is the folder of dave; give erin another with/,
        );
        await Deno.remove(join(folder, "dave_private.pem"));
        const half = await refused(73, [...invited, "--password-stdin"]);
        assertMatch(half, /dave_public\.pem is there without its private key/);
      },
    );
  },
);
