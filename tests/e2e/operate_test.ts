// Operators' commands, as processes, on a server that runs and on one that does not.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { toHex } from "../../crypto/bytes.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { isPhc } from "../../crypto/phc.ts";
import { parseInvitation } from "../../protocol/invitation.ts";
import { loadBundle } from "../../files/key_files.ts";
import { assertCode } from "../server/store/store_contract.ts";
import { testInFull } from "../support/full.ts";
import { identityOf } from "../support/identities.ts";
import { withControl } from "../support/control.ts";
import { connectAs } from "../support/operator.ts";
import { makeGroup } from "../support/group_folder.ts";
import { type Build, type Outcome, run, ServerProcess } from "../support/program.ts";

const posix = Deno.build.os !== "windows";
const OTHER_KEY = "invalid username or password, or this account is bound to another key";

/** A server's folder in a folder of its own, and how commands are given there. */
class Place implements AsyncDisposable {
  readonly #remove: () => Promise<void>;
  readonly build: Build;
  /** Every password that was ever given or printed here. */
  readonly passwords: string[] = [];

  private constructor(readonly dir: string, remove: () => Promise<void>) {
    this.#remove = remove;
    this.build = withControl(dir);
  }

  static async make(): Promise<Place> {
    const { dir, remove } = await makeGroup([]);
    return new Place(dir, remove);
  }

  start(...args: readonly string[]): Promise<ServerProcess> {
    return ServerProcess.start({ cwd: this.dir, build: this.build }, args);
  }

  /** Runs a command to its end. */
  run(args: readonly string[], input?: string): Promise<Outcome> {
    const options = { cwd: this.dir, build: this.build, env: { USER: "root", SUDO_USER: "olga" } };
    return run(args, input === undefined ? options : { ...options, input });
  }

  /** Runs a command with --json that must succeed; what it printed. */
  async json(...args: readonly string[]) {
    const { code, stdout, stderr } = await this.run([...args, "--json"]);
    assertEquals(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** Adds a user, whose password is generated. */
  async add(name: string): Promise<string> {
    const { password } = await this.json("user", "add", name, "--generate");
    this.passwords.push(password);
    return password;
  }

  path(...parts: readonly string[]): string {
    return join(this.dir, "server", ...parts);
  }

  async audit(): Promise<Record<string, unknown>[]> {
    const text = await Deno.readTextFile(this.path("audit.log"));
    return text.trimEnd().split("\n").map((line) => JSON.parse(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#remove();
  }
}

testInFull("users are managed while no server runs", async () => {
  await using place = await Place.make();
  const password = await place.add("alice");
  assertMatch(password, /^[0-9a-z]{5}(-[0-9a-z]{5}){3}$/);
  const users = JSON.parse(await Deno.readTextFile(place.path("user_pass.json")));
  assert(isPhc(users.alice));

  const [again, short, none, two, sessions, unknown] = await Promise.all([
    place.run(["user", "add", "Alice", "--generate"]),
    place.run(["user", "add", "bob", "--password-stdin"], "short"),
    place.run(["user", "add", "bob"]),
    place.run(["user", "add", "bob", "--generate", "--invite"]),
    place.run(["sessions", "list"]),
    place.run(["user", "frobnicate"]),
  ]);
  assertEquals([again.code, short.code, none.code, two.code, sessions.code, unknown.code], [
    73,
    64,
    64,
    64,
    69,
    64,
  ]);
  assertStringIncludes(short.stderr, "8 characters or more");
  assertStringIncludes(none.stderr, "--generate, --invite, or --password-stdin");
  assertStringIncludes(sessions.stderr, "no server is running in server");
  assertMatch(unknown.stderr, /there is no command "user frobnicate"/);

  const typed = await place.run(["user", "passwd", "alice", "--password-stdin"], "typed in a pipe");
  assertEquals([typed.code, typed.stdout], [0, ""], typed.stderr);
  const { user } = await place.json("user", "disable", "alice");
  assertEquals(user.state, "disabled");
  const changed = JSON.parse(await Deno.readTextFile(place.path("user_pass.json")));
  assertMatch(changed.alice, /^!\$argon2id\$/);
  assert(changed.alice.slice(1) !== users.alice);
  assertEquals((await place.json("user", "list")).users, [user]);
  assertEquals((await place.json("user", "remove", "alice")).purged, null);
  assertEquals((await place.json("user", "list")).users, []);
  const gone = await place.run(["user", "enable", "alice"]);
  assertEquals([gone.code, gone.stderr], [67, "sealpost: there is no user alice\n"]);
  const records = await place.audit();
  assertEquals(
    records.map(({ action, name, result, via }) => `${action} ${name} ${result} ${via}`),
    [
      "user-add alice done offline",
      "user-add alice file-exists offline",
      "user-passwd alice done offline",
      "user-disable alice done offline",
      "user-remove alice done offline",
      "user-enable alice no-such-user offline",
    ],
  );
});

testInFull("an operator looks after a running server", async (t) => {
  await using place = await Place.make();
  await place.add("alice");
  const bundle = await loadBundle(place.path("server_public.pem"));
  let process = await place.start("--log-level", "debug", "--metrics", "127.0.0.1:0");
  const server = () => ({ address: process.address, bundle });
  try {
    await t.step("the control socket is the owner's alone", async () => {
      if (!posix) return;
      const modes = ["run", "run/sealpost.sock", "audit.log"].map(async (name) =>
        ((await Deno.stat(place.path(name))).mode ?? 0) & 0o777
      );
      assertEquals(await Promise.all(modes), [0o700, 0o600, 0o600]);
    });

    let invited = "";
    await t.step("an invitation says all that a new user needs", async () => {
      // It listens on an address, so it knows where it is.
      const { invitation } = await place.json("user", "add", "bob", "--invite");
      const read = parseInvitation(`Hi Bob!\n> ${invitation.replaceAll("\n", "\n> ")}`);
      invited = read.password;
      place.passwords.push(invited);
      assertEquals(read.name, "bob");
      assertEquals(read.servers.map(({ host, port }) => `${host}:${port}`), [process.address]);
      assertEquals(toHex(read.fp), toHex(bundle.fp));
      const days = (read.expires - Date.now()) / 86_400_000;
      assert(days > 6.9 && days <= 7);
      const listed = await place.json("user", "list");
      assertEquals(listed.users.map(({ state }: { state: string }) => state), [
        "active",
        "invited",
      ]);
    });

    const own = "a password of my own";
    await t.step("a one-time password opens nothing but the way to one's own", async () => {
      await using bob = await connectAs("bob", invited, server());
      await using second = await connectAs("bob", invited, server());
      assertEquals([bob.verdict.bound, bob.verdict.change], [true, true]);
      assertEquals((await bob.link.ask({ op: "whoami" })).change, true);
      const { link } = bob;
      await assertCode("login-refused", () => link.ask({ op: "keys", names: ["alice"] }));
      await assertCode(
        "login-refused",
        () => link.stream({ op: "list", order: "newest", limit: 10 }),
      );
      await assertCode(
        "login-refused",
        () => link.ask({ op: "passwd", old: "something else", new: own }),
      );
      await assertCode("limit", () => link.ask({ op: "passwd", old: invited, new: "short" }));
      await assertCode("limit", () => link.ask({ op: "passwd", old: invited, new: invited }));
      await link.ask({ op: "passwd", old: invited, new: own });
      place.passwords.push(own);
      assertEquals((await link.ask({ op: "whoami" })).change, undefined);
      await link.ask({ op: "keys", names: ["alice"] });
      await assertCode("connection-lost", () => second.link.ask({ op: "whoami" }));
    });
    await t.step("a one-time password is good until it is changed", async () => {
      await assertCode("login-refused", () => connectAs("bob", invited, server()));
      await using bob = await connectAs("bob", own, server());
      assertEquals([bob.verdict.bound, bob.verdict.change], [false, undefined]);
    });

    await t.step("sessions are shown and ended", async () => {
      await using one = await connectAs("bob", own, server());
      await using two = await connectAs("bob", own, server());
      const { sessions } = await place.json("sessions", "list");
      assertEquals(
        sessions.map((s: Record<string, unknown>) => [s.name, s.from, s.client, s.resumed]),
        [["bob", "127.0.0.1", "test", false], ["bob", "127.0.0.1", "test", false]],
      );
      const id = Math.min(...sessions.map((s: { id: number }) => s.id));
      assertEquals(await place.json("sessions", "end", `#${id}`), { ended: 1 });
      await assertCode("connection-lost", () => one.link.ask({ op: "whoami" }));
      await two.link.ask({ op: "whoami" });
      assertEquals(await place.json("sessions", "end", "bob"), { ended: 1 });
      await assertCode("connection-lost", () => two.link.ask({ op: "whoami" }));
      const none = await place.run(["sessions", "end", "#999999"]);
      assertEquals(none.code, 64);
    });

    await t.step("a disabled user is out, and gets the answer that anybody gets", async () => {
      await using bob = await connectAs("bob", own, server());
      const { ended } = await place.json("user", "disable", "bob");
      assertEquals(ended, 1);
      await assertCode("connection-lost", () => bob.link.ask({ op: "whoami" }));
      const error = await assertCode("login-refused", () => connectAs("bob", own, server()));
      assertStringIncludes(error.message, OTHER_KEY);
      await place.json("user", "enable", "bob");
      await using again = await connectAs("bob", own, server());
      await again.link.ask({ op: "whoami" });
    });

    await t.step("times in JSON are ISO 8601, sizes numbers", async () => {
      const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
      await using _session = await connectAs("bob", own, server());
      const { users } = await place.json("user", "list");
      const bob = users.find(({ name }: { name: string }) => name === "bob");
      assertMatch(bob.boundAt, iso);
      assertEquals(typeof bob.bytes, "number");
      const { sessions: [one] } = await place.json("sessions", "list");
      assertMatch(one.since, iso);
      assertMatch(one.lastReceived, iso);
      assertMatch((await place.json("stats")).startedAt, iso);
    });

    await t.step("a user who is unbound binds another key", async () => {
      await assertCode("login-refused", () => connectAs("bob", own, server(), "bob2"));
      const { key, user } = await place.json("user", "unbind", "bob");
      assertEquals(key, formatFingerprint((await identityOf("bob")).bundle.fp));
      assertEquals([user.key, user.boundAt], [null, null]);
      await using bob = await connectAs("bob", own, server(), "bob2");
      assertEquals(bob.verdict.bound, true);
      await assertCode("login-refused", () => connectAs("bob", own, server()));
    });

    await t.step("a key that was taken away is bound again only with --same-key", async () => {
      const second = formatFingerprint((await identityOf("bob2")).bundle.fp);
      const unbound = await place.json("user", "unbind", "bob");
      assertEquals([unbound.key, unbound.ended], [second, 0]);
      for (const key of ["bob", "bob2"]) {
        await assertCode("login-refused", () => connectAs("bob", own, server(), key));
      }
      const said = await place.run(["user", "unbind", "bob", "--same-key"]);
      assertEquals([said.code, said.stderr], [0, ""]);
      assertStringIncludes(said.stdout, `bob is released from the key ${second}.`);
      assertMatch(said.stdout, /^3\. .*user list shows the new key: have bob read theirs/m);
      await assertCode("login-refused", () => connectAs("bob", own, server()));
      await using bob = await connectAs("bob", own, server(), "bob2");
      assertEquals(bob.verdict.bound, true);
    });

    await t.step("a reload says what is wrong and changes nothing then", async () => {
      const users = await Deno.readTextFile(place.path("user_pass.json"));
      await Deno.writeTextFile(place.path("user_pass.json"), `${users}!`);
      const wrong = await place.run(["reload"]);
      assertEquals(wrong.code, 78);
      assertMatch(wrong.stderr, /user_pass\.json:\d+:\d+: /);
      await Deno.writeTextFile(place.path("user_pass.json"), users);
      await Deno.writeTextFile(place.path("sealpost.toml"), 'quota = "1GiB"\nlog = "json"\n');
      assertEquals(await place.json("reload"), {
        users: 2,
        applied: [{ name: "quota", from: "10GiB", to: "1GiB" }],
        waiting: [{ name: "log", from: "text", to: "json" }],
      });
      await Deno.remove(place.path("sealpost.toml"));
      if (posix) {
        process.program.kill("SIGHUP");
        await process.program.expectError("reloaded applied=quota");
      }
    });

    await t.step("counts add up", async () => {
      const stats = await place.json("stats");
      assertEquals(stats.logins.password, 10);
      assertEquals(stats.logins.refused, 7);
      assertEquals(stats.refusals, { "login-refused": 3, limit: 2 });
      assertEquals([stats.users, stats.sessions, stats.store.bound], [2, 0, 1]);
      const queue = await place.run(["queue"]);
      assertMatch(queue.stdout, /^waiting +none$/m);
    });

    await t.step("rubbish on the socket is answered, and harms nothing", async () => {
      const script = place.path("..", "rubbish.ts");
      await Deno.writeTextFile(
        script,
        `const decoder = new TextDecoder();
        for (const text of JSON.parse(Deno.args[1])) {
          const socket = await Deno.connect({ transport: "unix", path: Deno.args[0] });
          await socket.write(new TextEncoder().encode(text)).catch(() => {});
          const answer = new Uint8Array(1000);
          const n = await socket.read(answer).catch(() => null);
          console.log(n === null ? "closed" : decoder.decode(answer.subarray(0, n)).trimEnd());
          socket.close();
        }`,
      );
      const by = { pid: 1 };
      const texts = [
        "rubbish\n",
        "{}\n",
        `${JSON.stringify({ op: "stats", by, more: 1 })}\n`,
        `${JSON.stringify({ op: "user-remove", by, name: "../alice", purge: true })}\n`,
        `${JSON.stringify({ op: "user-add", by, name: "eve", credential: "plain" })}\n`,
        `${JSON.stringify({ op: "user-add", by, name: "eve", credential: "!$argon2id$" })}\n`,
        `${" ".repeat(9000)}\n`,
        '\u0000\uffff{"op":"stats"}\n',
      ];
      const args = place.build.args.slice(0, -1);
      const { code, stdout, stderr } = await run(
        [script, "server/run/sealpost.sock", JSON.stringify(texts)],
        { cwd: place.dir, build: { command: place.build.command, args } },
      );
      assertEquals(code, 0, stderr);
      const answers = stdout.trimEnd().split("\n");
      assertEquals(answers.length, texts.length);
      for (const answer of answers) {
        if (answer !== "closed") assertMatch(answer, /^\{"ok":false,"code":"format",/);
      }
      assertEquals((await place.json("user", "list")).users.length, 2);
    });

    await t.step(
      "a server that was killed leaves a socket that the next one replaces",
      async () => {
        process.program.kill("SIGKILL");
        await process.program.finish();
        if (posix) await Deno.stat(place.path("run", "sealpost.sock"));
        process = await place.start();
        assertEquals((await place.json("stats")).sessions, 0);
      },
    );

    await t.step("a user is removed with mail and key", async () => {
      await place.json("user", "full-name", "bob", "Bob Müller");
      const asked = await place.run(["user", "remove", "bob", "--purge"], "n");
      assertEquals(asked.code, 130);
      const { purged } = await place.json("user", "remove", "bob", "--purge", "--yes");
      assertEquals(purged, 0);
      await assertCode("login-refused", () => connectAs("bob", own, server(), "bob2"));
      const { existed, user } = await place.json("user", "add", "bob", "--generate");
      assertEquals([existed, user.fullName], [false, null], "nobody inherits a full name");
      const { code, stderr } = await place.run(["user", "add", "everyone", "--generate"]);
      assertEquals([code, stderr.includes("everyone means all members")], [64, true]);
    });
  } finally {
    await process.stop();
  }

  await t.step("a stopped server leaves no socket", () => {
    assertEquals([...Deno.readDirSync(place.path("run"))], []);
  });

  await t.step("the audit log has who did what, and no secret", async () => {
    const records = await place.audit();
    const told = records.map(({ action, name, result, via }) =>
      [action, name, result, via]
        .filter((part) => part !== undefined).join(" ")
    );
    assertEquals(told, [
      "user-add alice done offline",
      "user-add bob done control",
      "key-bound bob done login",
      "password-changed bob login-refused session",
      "password-changed bob done session",
      "sessions-end done control",
      "sessions-end done control",
      "sessions-end usage control",
      "user-disable bob done control",
      "user-enable bob done control",
      "user-unbind bob done control",
      "key-bound bob done login",
      "user-unbind bob done control",
      "user-unbind bob done control",
      "key-bound bob done login",
      "reload config control",
      "reload done control",
      ...posix ? ["reload done signal"] : [],
      "user-full-name bob done control",
      "user-remove bob done control",
      "user-add bob done control",
      "user-add everyone usage control",
    ]);
    for (const record of records.filter(({ via }) => via === "control")) {
      assert(Number(record.pid) > 0);
      assertEquals(Number.isNaN(Date.parse(String(record.time))), false);
    }
    const text = await Deno.readTextFile(place.path("audit.log"));
    for (const secret of [...place.passwords, "$argon2id$"]) assert(!text.includes(secret));
  });
});
