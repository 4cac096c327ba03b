// user_pass.json as an operator edits it, before the server starts and while it runs.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { stepInFull, testInFull } from "../support/full.ts";
import {
  CHOICE,
  ended,
  Group,
  inboxOf,
  LOGIN_REFUSED,
  reading,
  sending,
  SENT,
  textsIn,
} from "../support/group.ts";
import { passwordOf, run } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

const REFUSED = { code: 77, stderr: `sealpost: ${LOGIN_REFUSED}\n` };

testInFull("user_pass.json is edited while the server runs", async (t) => {
  await using group = await Group.start(["alice", "bob", "carol"], { plain: true });
  const path = group.path("server", "user_pass.json");
  const users = async (): Promise<Record<string, string>> =>
    JSON.parse(await Deno.readTextFile(path));
  const write = async (text: string) => await Deno.writeTextFile(path, text);
  const save = async (changed: Record<string, string>) =>
    await write(JSON.stringify(changed, null, 2));
  const logIn = async (name: string, password = passwordOf(name)) => {
    const { code, stderr } = await group.logIn(name, password);
    return { code, stderr };
  };

  await t.step(
    "plain passwords are hashes by the time the server listens, in their order",
    async () => {
      const text = await Deno.readTextFile(path);
      assertEquals(Object.keys(await users()), ["alice", "bob", "carol"]);
      for (const value of Object.values(await users())) {
        assertMatch(value, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
      }
      assertEquals(
        text.replaceAll(/\$argon2id[^"]*/g, "…"),
        '{\n  "alice": "…",\n  "bob": "…",\n  "carol": "…"\n}',
      );
      if (Deno.build.os !== "windows") {
        assertEquals(
          ((await Deno.stat(path)).mode ?? 0) & 0o777,
          0o600,
        );
      }
      await group.bind("alice", "bob");
    },
  );

  await t.step(
    "a name that is added can log in at once, and its password becomes a hash",
    async () => {
      const { carol: _carol, ...others } = await users();
      await save(others);
      assertEquals(await logIn("carol"), REFUSED);
      await save({ ...others, carol: "a new password" });
      assertEquals(await logIn("carol", "a new password"), { code: 0, stderr: "" });
      assertMatch((await users()).carol ?? "", /^\$argon2id\$/);
    },
  );

  await t.step("a password that is changed counts at once", async () => {
    await save({ ...await users(), carol: passwordOf("carol") });
    assertEquals(await logIn("carol", "a new password"), REFUSED);
    assertEquals(await logIn("carol"), { code: 0, stderr: "" });
  });

  await t.step(
    "a name that is taken out cannot log in, gets no mail, and keeps what it has",
    async () => {
      await group.talk(
        "alice",
        sending({ to: "bob", title: "kept", contents: { typed: "still here" } }),
      );
      // A client that is connected is not any more; a ticket from before opens nothing.
      const bob = group.connect("bob");
      await bob.expect(CHOICE);
      const before = await users();
      const { bob: _bob, ...others } = before;
      const ends = () => group.log.split(/ (?:goodbye|connection-ended) /).length;
      const earlier = ends();
      await save(others);
      await waitFor("the end of bob's session", () => ends() > earlier || null);
      await bob.type("2");
      const { stderr } = await ended(bob, 75);
      assertMatch(stderr, /^sealpost: the server ended the connection: your account [^\n]*\n$/);
      assertEquals(await logIn("bob"), REFUSED);
      const withTicket = await group.connect("bob").finish();
      assertEquals({ code: withTicket.code, stderr: withTicket.stderr }, REFUSED);
      const refused = await group.talk(
        "alice",
        sending({ to: "bob", title: "x", contents: { typed: "x" } }),
        { code: 67 },
      );
      assertEquals(refused.stderr, "there is no user bob\n");

      await save(before);
      const { stdout } = await group.talk("bob", reading(1));
      assertEquals(textsIn(stdout), ["still here"]);
      assertEquals((await inboxOf(group, "bob")).length, 1);
    },
  );

  await t.step(
    "a damaged file leaves the last good one in force, and the log says where",
    async () => {
      const good = await Deno.readTextFile(path);
      await write(good.replace('"bob": "', '"bob: "'));
      assertEquals(await logIn("bob"), { code: 0, stderr: "" });
      const [problem = ""] = /.*warn user_pass\.json.*/.exec(group.log) ?? [];
      assertMatch(problem, /problem="server\/user_pass\.json:3:\d+: /);
      assert(!problem.includes("argon2id"), problem);
      // Once, not once for each look at the file.
      assertEquals(await logIn("alice"), { code: 0, stderr: "" });
      assertEquals(group.log.match(/warn user_pass\.json/g)?.length, 1, group.log);
      await write(good);
      assertEquals(await logIn("bob"), { code: 0, stderr: "" });
    },
  );

  await stepInFull(t, "without a login too the file is looked at", async () => {
    await save({ ...await users(), dora: "a password for dora" });
    await waitFor("the hash of a new password", async () => {
      return (await users()).dora?.startsWith("$argon2id$") ? true : null;
    });
    assertStringIncludes((await group.talk("alice", [])).stdout, CHOICE);
  });

  await stepInFull(
    t,
    "a file that is damaged, or gone, stops the start with its place",
    async () => {
      await group.server.stop();
      const good = await Deno.readTextFile(path);
      const start = () => run(["serve", "--listen", "127.0.0.1:0"], { cwd: group.dir });
      const cases: [text: string, problem: RegExp][] = [
        ['{\n  "alice": "one"\n  "bob": "two"\n}', /:3:3: expected a comma/],
        ['{\n  "alice": secret\n}', /:2:12: /],
        ['{\n  "Alice": "one",\n  "alice": "two"\n}', /:3:3: .*alice.* line 2/],
        ['{ "../etc": "one" }', /:1:3: a name is/],
        ['["alice"]', /:1:1: expected an object/],
        ["", /:1:1: /],
        ['{ "alice": "$argon2id$v=19$m=1$x" }', /:1:12: /],
      ];
      for (const [text, problem] of cases) {
        await write(text);
        const { code, stdout, stderr } = await start();
        assertEquals({ code, stdout }, { code: 78, stdout: "" }, text);
        assertMatch(
          stderr,
          new RegExp(`^sealpost: server/user_pass\\.json${problem.source}.*\n$`),
          text,
        );
        assert(!/one|two|secret/.test(stderr), stderr);
        assertEquals(await Deno.readTextFile(path), text);
      }
      await Deno.remove(path);
      const { code, stderr } = await start();
      assertEquals(code, 78);
      assertMatch(stderr, /^sealpost: there is no server\/user_pass\.json.*\n$/);
      await write(good);
      await group.restart();
      assertStringIncludes(
        (await group.talk("alice", sending({ to: "bob", title: "x", contents: { typed: "x" } })))
          .stdout,
        SENT,
      );
    },
  );
});
