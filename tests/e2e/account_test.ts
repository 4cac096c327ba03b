// One's own account and keys by commands: passwords, tickets, and keys that stay unlocked.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { permissionsOf } from "../support/command.ts";
import { stepInFull, testInFull, testInFullUnless } from "../support/full.ts";
import { ended, Group } from "../support/group.ts";
import { ok, refused } from "../support/outcomes.ts";
import { type Build, MAIN, type Outcome, passwordOf, Program, run } from "../support/program.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";

const PASSPHRASE = "correct horse battery";
const [DENIED, USAGE] = [77, 64];

/** A group of alice alone, whose key has a passphrase, and a folder that goes with her login. */
class Place implements AsyncDisposable {
  private constructor(
    readonly group: Group,
    readonly runtime: string,
    readonly build: Build,
  ) {}

  static async make(): Promise<Place> {
    const group = await Group.start(["alice"]);
    const env = { SEALPOST_PASSPHRASE: PASSPHRASE };
    const made = ["keygen", "alice", "--force", "--passphrase", "--bits", "2048"];
    assertEquals((await run(made, { cwd: group.dir, env })).code, 0);
    const runtime = await Deno.makeTempDir({ prefix: "run-" });
    // The permissions of the tasks, with their folder as it is here.
    const own = join(runtime, "sealpost");
    const flags = (await permissionsOf("passwd")).map((flag) => {
      return /^--allow-(read|write)=/.test(flag) ? `${flag},${own}` : flag;
    });
    const place = new Place(group, runtime, {
      command: Deno.execPath(),
      args: ["run", "--no-prompt", "--quiet", ...flags, MAIN],
    });
    await place.configure();
    return place;
  }

  async configure(more = ""): Promise<void> {
    const text = `server = "${this.group.server.address}"\n${more}`;
    await Deno.writeTextFile(this.group.path("alice", "sealpost.toml"), text);
  }

  #options(env: Record<string, string>) {
    const { group, runtime, build } = this;
    return { cwd: group.path("alice"), build, env: { XDG_RUNTIME_DIR: runtime, ...env } };
  }

  /** Runs a command to its end; the lines of `input` are there at once. */
  run(args: readonly string[], env: Record<string, string> = {}, input = ""): Promise<Outcome> {
    return run(args, { ...this.#options(env), input });
  }

  /** Runs a command on a terminal. */
  screen(args: readonly string[], env: Record<string, string> = {}): Promise<Screen> {
    return Screen.start(args, this.#options(env));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.group[Symbol.asyncDispose]();
    await Deno.remove(this.runtime, { recursive: true });
  }
}

testInFull(
  "keys stay unlocked, passwords change, and tickets are forgotten by commands",
  async (t) => {
    await using place = await Place.make();
    const passphrase = { SEALPOST_PASSPHRASE: PASSPHRASE };
    const password = { SEALPOST_PASSWORD: passwordOf("alice") };
    const next = { SEALPOST_PASSWORD: "quite another password" };
    ok(await place.run(["status"], { ...passphrase, ...password }));
    const isLocked = async () => (await place.run(["keys", "list"])).code === USAGE;

    await t.step("once unlocked, no command asks for the passphrase", async () => {
      assertEquals(await isLocked(), true);
      refused(await place.run(["unlock", "--for", "soon"], passphrase), USAGE, "30m, 8h or 2d");
      refused(await place.run(["unlock"], { SEALPOST_PASSPHRASE: "wrong" }), DENIED, "passphrase");
      assertEquals(await isLocked(), true);
      const { until } = JSON.parse(ok(await place.run(["unlock", "--json"], passphrase)));
      assertEquals(Math.round((Date.parse(until) - Date.now()) / 600_000), 48);
      assertEquals(JSON.parse(ok(await place.run(["status", "--json"]))).name, "alice");
      // Without the key in memory, what is on the disk is nothing.
      const elsewhere = { XDG_RUNTIME_DIR: "" };
      assertEquals((await place.run(["keys", "list"], elsewhere)).code, USAGE);
      assertEquals(await isLocked(), false);
      assertEquals(ok(await place.run(["lock"])), "Locked.\n");
      assertEquals(ok(await place.run(["lock"])), "It was not unlocked.\n");
      assertEquals(await isLocked(), true);
      refused(await place.run(["unlock"], { ...passphrase, ...elsewhere }), 78, "XDG_RUNTIME_DIR");
      ok(await place.run(["unlock"], passphrase));
    });

    await stepInFull(
      t,
      "a password is changed by who knows it, and this machine goes on",
      async () => {
        const change = (old: string, to: string) =>
          place.run(["passwd", "--password-stdin", "--json"], {}, `${old}\n${to}`);
        const { SEALPOST_PASSWORD: old } = password;
        refused(
          await change("not the password", "long enough 1"),
          DENIED,
          "the old password is wrong",
        );
        refused(await change(old, PASSPHRASE), USAGE, "the passphrase of your private key");
        refused(await change(old, "short"), USAGE, "8 characters");
        refused(await change(old, "Password123"), USAGE, "everybody tries first");
        refused(await place.run(["passwd"]), USAGE, "--password-stdin");
        const changed = JSON.parse(ok(await change(old, next.SEALPOST_PASSWORD)));
        assertEquals(changed, { changed: true, ticket: true });
        ok(await place.run(["status"]));
        ok(await place.run(["logout"]));
        refused(await place.run(["status"], password), DENIED, "invalid username or password");
        ok(await place.run(["status"], next));
      },
    );

    await stepInFull(t, "a ticket is forgotten here, or everywhere", async () => {
      ok(await place.run(["status"]));
      assertStringIncludes(ok(await place.run(["logout"])), "asks for the password");
      assertEquals(ok(await place.run(["logout"])), "There was no ticket on this machine.\n");
      assertEquals((await place.run(["status"])).code, USAGE);

      const open = Program.start(["connect", `alice@${place.group.server.address}`], {
        cwd: place.group.path("alice"),
        build: place.build,
        env: { XDG_RUNTIME_DIR: place.runtime, ...next },
      });
      await open.expect("choice: ");
      const report = ok(await place.run(["logout", "--everywhere", "--json"], next));
      const { everywhere, ticketForgotten } = JSON.parse(report);
      assertEquals([everywhere.sessions, ticketForgotten], [1, true]);
      await open.type("2");
      const { stderr } = await ended(open, 75);
      assertStringIncludes(stderr, "you logged out everywhere");
      assertEquals((await place.run(["status"])).code, USAGE);
      ok(await place.run(["status"], next));
    });
  },
);

testInFullUnless(
  await whyNoTmux(),
  "on a terminal the passphrase is asked for once, and a new password twice",
  async () => {
    await using place = await Place.make();
    const prompt = "Passphrase of the private key of alice:";
    const password = { SEALPOST_PASSWORD: passwordOf("alice") };
    await place.configure('unlock = "2h"\n');
    {
      await using screen = await place.screen(["status"], password);
      await screen.converse([[prompt, "wrong"], [prompt, PASSPHRASE]]);
      assertEquals((await screen.ended()).code, 0);
      assertStringIncludes(await screen.text(), "alice at ");
    }
    await using screen = await place.screen(["passwd"]);
    await screen.converse([
      ["Current password:", passwordOf("alice")],
      ["New password:", "something longer"],
      ["The same again:", "something else"],
      ["New password:", PASSPHRASE],
      ["The same again:", PASSPHRASE],
      ["New password:", "something longer"],
      ["The same again:", "something longer"],
    ]);
    assertEquals((await screen.ended()).code, 0);
    const text = await screen.text();
    for (
      const line of ["The two are not the same.", "That is the passphrase of your private key"]
    ) {
      assertStringIncludes(text, line);
    }
    assertStringIncludes(text, "Your password is changed. Your other sessions have ended.");
    for (const secret of ["something", PASSPHRASE, passwordOf("alice")]) {
      assertEquals(text.includes(secret), false);
    }
    ok(await place.run(["status"]));
  },
);
