import { assert, assertEquals, assertMatch } from "@std/assert";
import { buildFor } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { FULL, testInFull } from "../support/full.ts";
import { type Outcome, passwordOf, Program } from "../support/program.ts";
import { sleep } from "../../protocol/timer.ts";

const AT_ONCE = FULL ? 10 : 4;

/** Runs `count` commands of one person at the same time; `of` gives the arguments of each. */
function atOnce(
  people: Commanding,
  name: string,
  of: (i: number) => readonly string[],
  options: { readonly count?: number; readonly password?: string | null } = {},
): Promise<Outcome[]> {
  const { count = AT_ONCE, password = null } = options;
  return Promise.all(Array.from({ length: count }, (_, i) => {
    return people.as(name, of(i), { password, input: `text ${i}` });
  }));
}

/** Asserts that all ended well, and said nothing of trouble. */
function allWell(outcomes: readonly Outcome[]): void {
  assertEquals(outcomes.map(({ code, stderr }) => [code, stderr]), outcomes.map(() => [0, ""]));
}

async function titles(people: Commanding, name: string): Promise<string[]> {
  const items: { subject: string }[] = await people.json(name, ["inbox", "-n", "100"]);
  return items.map(({ subject }) => subject).sort();
}

testInFull("commands of one person at once all work, with one ticket between them", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  await people.ok("alice", ["send", "-t", "bob", "-s", "first"], { input: "x" });

  await t.step("lists", async () => {
    allWell(await atOnce(people, "alice", () => ["inbox"]));
    allWell(await atOnce(people, "alice", (i) => [i % 2 ? "status" : "inbox"]));
  });

  await t.step("messages: each goes out once", async () => {
    allWell(await atOnce(people, "alice", (i) => ["send", "-t", "bob", "-s", `at once ${i}`]));
    const expected = Array.from({ length: AT_ONCE }, (_, i) => `at once ${i}`);
    assertEquals(await titles(people, "bob"), [...expected, "first"]);
  });

  await t.step("without a ticket, with a password at hand", async () => {
    assertEquals((await people.as("alice", ["logout"])).code, 0);
    allWell(await atOnce(people, "alice", () => ["inbox"], { password: passwordOf("alice") }));
  });

  assert(!people.group.log.includes("login-failed"));
});

testInFull(
  "several commands share what waits: each message goes out once, each result is told once",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    await people.ok("alice", ["send", "-t", "bob", "-s", "first"], { input: "x" });
    const { address } = people.group.server;
    await people.group.server.stop();
    const waiting = await atOnce(
      people,
      "alice",
      (i) => ["send", "-t", "bob", "-s", `later ${i}`],
      {
        count: 6,
      },
    );
    assertEquals(waiting.map(({ code }) => code), waiting.map(() => 75));
    await people.group.restart(["--listen", address]);

    const outcomes = await atOnce(people, "alice", (i) => i < 3 ? ["outbox", "flush"] : ["inbox"], {
      count: 5,
    });
    assertEquals(outcomes.map(({ code }) => code), outcomes.map(() => 0));
    const told = outcomes.map(({ stdout, stderr }, i) => {
      if (i < 3) {
        assertEquals(stderr, "");
        return parseInt(stdout);
      }
      // A list says on stderr what it sent beside.
      if (stderr !== "") assertMatch(stderr, /^\d+ messages? sent\.\n$/);
      return parseInt(stderr || "0");
    });
    assertEquals(told.reduce((a, b) => a + b), 6, told.join());
    const expected = Array.from({ length: 6 }, (_, i) => `later ${i}`);
    assertEquals(await titles(people, "bob"), ["first", ...expected]);
    assertEquals(await people.ok("alice", ["outbox"]), "Nothing waits to be sent.\n");
  },
);

testInFull("a command that is killed while it logs on keeps no other waiting", async () => {
  await using people = await Commanding.start(["alice"]);
  for (const after of [0, 50, 100, 200, 400]) {
    const program = Program.start(["inbox"], {
      cwd: people.group.path("alice"),
      build: await buildFor(["inbox"]),
      env: { SEALPOST_PASSWORD: passwordOf("alice") },
    });
    await sleep(after);
    program.kill("SIGKILL");
    await program.finish();
    await people.ok("alice", ["inbox"]);
  }
});

testInFull("a command that waits for its text keeps no other waiting", async () => {
  await using people = await Commanding.start(["alice", "bob"]);
  await people.ok("alice", ["send", "-t", "bob", "-s", "first"], { input: "x" });
  const program = Program.start(["send", "-t", "bob", "-s", "slow"], {
    cwd: people.group.path("alice"),
    build: await buildFor(["send"]),
  });
  // From when it has taken the ticket, which is gone then.
  await program.type("the first line");
  allWell(await atOnce(people, "alice", () => ["inbox"], { count: 3 }));
  assertEquals((await program.finish()).code, 0);
  assertEquals(await titles(people, "bob"), ["first", "slow"]);
});
