import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { buildFor } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { FULL, stepInFull, testInFull } from "../support/full.ts";
import { type Outcome, passwordOf, Program } from "../support/program.ts";
import { sleep } from "../../protocol/timer.ts";

/** A folder of a person's, as commands run in it. */
class Machine {
  constructor(
    readonly people: Commanding,
    readonly name: string,
    readonly folder = name,
  ) {}

  as(args: readonly string[]): Promise<Outcome> {
    return this.people.as(this.folder, args, { password: passwordOf(this.name) });
  }

  async ok(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.as(args);
    assertEquals([code, stderr], [0, ""], args.join(" "));
    return stdout;
  }

  // deno-lint-ignore no-explicit-any -- as Commanding.json
  async json(args: readonly string[]): Promise<any> {
    return JSON.parse(await this.ok([...args, "--json"]));
  }

  /** The names of the person's own folders. */
  async folders(): Promise<string[]> {
    const rows: { folder: string; number: number | null }[] = await this.json(["folders", "list"]);
    return rows.filter(({ number }) => number !== null).map(({ folder }) => folder);
  }
}

async function twoMachines(): Promise<
  AsyncDisposable & { readonly people: Commanding; readonly a: Machine; readonly b: Machine }
> {
  const people = await Commanding.start(["alice", "bob"]);
  await people.anotherMachine("alice", "alice-laptop");
  return {
    people,
    a: new Machine(people, "alice"),
    b: new Machine(people, "alice", "alice-laptop"),
    [Symbol.asyncDispose]: () => people[Symbol.asyncDispose](),
  };
}

testInFull("folders and keywords of one's own are the same on all machines", async (t) => {
  await using both = await twoMachines();
  const { people, a, b } = both;
  const id = (await people.ok("bob", ["send", "-t", "alice", "-s", "figures"], { input: "x" }))
    .trim();

  await t.step("a folder is made, filled on one and read on the other", async () => {
    assertEquals(await a.ok(["folders", "make", "work/reports"]), "Made work/reports.\n");
    assertEquals(await b.folders(), ["work/reports"]);
    assertEquals(
      await b.ok(["move", id, "--folder", "work/reports"]),
      "Moved 1 message to work/reports.\n",
    );
    const [message] = await a.json(["inbox", "--folder", "Work/Reports"]);
    assertEquals([message.subject, message.folder], ["figures", "work/reports"]);
    assertEquals(
      (await a.json(["search", "figures", "--folder", "work/reports", "--fetch"])).length,
      1,
    );
    assertEquals(
      (await a.ok(["folders", "list"])).split("\n").filter((line) => line.startsWith("work")),
      ["work/reports  1         1"],
    );
  });

  await t.step("a folder that is not there is named with those that are", async () => {
    const { code, stderr } = await a.as(["inbox", "--folder", "wrok"]);
    assertEquals(code, 64);
    assertStringIncludes(stderr, 'no folder "wrok"');
    assertStringIncludes(stderr, "drafts, work/reports");
  });

  await stepInFull(t, "a name that is taken, or can be none, is refused", async () => {
    for (const name of ["work/reports", "Inbox", "a//b", " a", "#5", "x".repeat(101), "a\u200bb"]) {
      const { code } = await a.as(["folders", "make", name]);
      assertEquals(code, 64, name);
    }
    assertEquals(await a.folders(), ["work/reports"]);
  });

  await t.step("it is renamed with what is in it, and removed only when it is empty", async () => {
    await b.ok(["folders", "make", "work"]);
    assertEquals(
      await b.ok(["folders", "rename", "work", "job"]),
      "work is called job now, with 1 in it.\n",
    );
    assertEquals(await a.folders(), ["job", "job/reports"]);
    const refused = await a.as(["folders", "remove", "job/reports"]);
    assertStringIncludes(refused.stderr, "there are messages in");
    assert(refused.code !== 0);
    await a.ok(["move", id, "--folder", "inbox"]);
    await a.ok(["folders", "remove", "job/reports"]);
    assertEquals(await b.folders(), ["job"]);
    await b.ok(["folders", "make", "next"]);
    const rows: { folder: string; number: number }[] = await b.json(["folders", "list"]);
    // The number of the one that was removed is not given again.
    assertEquals(rows.filter(({ number }) => number).map(({ number }) => number), [17, 18]);
  });

  await t.step("a keyword is made once, with --new, and found on the other machine", async () => {
    const { code, stderr } = await a.as(["mark", id, "--set", "urgent"]);
    assertEquals(code, 64);
    assertStringIncludes(stderr, "--new makes one");
    await a.ok(["mark", id, "--set", "urgent", "--new"]);
    assertStringIncludes(await b.ok(["inbox", "--keyword", "urgent"]), "[urgent] figures");
    const [message] = await b.json(["inbox"]);
    assertEquals(message.flags, ["urgent"]);
    await b.ok(["mark", id, "--set", "later", "--new", "--clear", "urgent"]);
    assertEquals((await a.json(["inbox"]))[0].flags, ["later"]);
    assertEquals(await a.ok(["inbox", "--keyword", "urgent"]), "No messages.\n");
  });

  await t.step("their names are there for a shell without a server or a password", async () => {
    const names = (args: readonly string[]) => {
      return people.as("alice-laptop", ["folders", "names", ...args], { password: null });
    };
    assertEquals((await names([])).stdout, "job\nnext\n");
    assertEquals((await names(["--keywords"])).stdout, "later\nurgent\n");
    assertEquals(JSON.parse((await names(["--json"])).stdout), ["job", "next"]);
  });

  await stepInFull(t, "and none where the key has a passphrase and is not unlocked", async () => {
    const dir = people.group.path("alice", "locked");
    const env = { SEALPOST_PASSPHRASE: "long enough for this test" };
    await people.ok("alice", ["keygen", "alice", "--dir", dir, "--passphrase"], { env });
    const asked = await people.as("alice", ["folders", "names", "--dir", dir], { password: null });
    assertEquals([asked.code === 0, asked.stdout], [false, ""]);
    assertStringIncludes(asked.stderr, "is encrypted");
  });
});

testInFull("two machines that change folders at the same time lose nothing", async (t) => {
  await using both = await twoMachines();
  const { a, b } = both;

  await t.step("folders of different names: both are there", async () => {
    const made = Array.from({ length: FULL ? 6 : 2 }, (_, i) => i);
    await Promise.all(made.flatMap((i) => [
      a.ok(["folders", "make", `a${i}`]),
      b.ok(["folders", "make", `b${i}`]),
    ]));
    const expected = [...made.map((i) => `a${i}`), ...made.map((i) => `b${i}`)];
    assertEquals(await a.folders(), expected);
    assertEquals(await b.folders(), expected);
  });

  await t.step("one folder, renamed on both: one name counts, the same on both", async () => {
    const outcomes = await Promise.all([
      a.as(["folders", "rename", "a0", "mine"]),
      b.as(["folders", "rename", "a0", "yours"]),
    ]);
    const after = await Promise.all([a.as(["folders", "list"]), b.as(["folders", "list"])]);
    assertEquals(after[0].stdout, after[1].stdout);
    const won = ["mine", "yours"].filter((name) => after[0].stdout.includes(name));
    assertEquals(won.length, 1, after[0].stdout);
    assert(!after[0].stdout.includes("a0"));
    // Whose name does not count was told, by this command or the next one; the other one was not.
    const own = won[0] === "mine" ? [1, 0] as const : [0, 1] as const;
    const [loser, winner] = own;
    assertEquals([outcomes[winner].code, outcomes[winner].stderr, after[winner].stderr], [
      0,
      "",
      "",
    ]);
    const told = outcomes[loser].stderr + after[loser].stderr;
    assert(/another machine of yours changed it|there is no folder "a0"/.test(told), told);
  });
});

testInFull("a command that is killed while it changes folders leaves all or nothing", async () => {
  await using both = await twoMachines();
  const { people, a, b } = both;
  await a.ok(["folders", "make", "kept"]);
  const waits = FULL ? [50, 100, 150, 200, 300, 400, 600, 800] : [150, 400];
  for (const [i, after] of waits.entries()) {
    const args = [
      "folders",
      "rename",
      i % 2 === 0 ? "kept" : "other",
      i % 2 === 0 ? "other" : "kept",
    ];
    const program = Program.start(args, {
      cwd: people.group.path("alice"),
      build: await buildFor(args),
      env: { SEALPOST_PASSWORD: passwordOf("alice") },
    });
    await sleep(after);
    program.kill("SIGKILL");
    await program.finish();
    const seen = await b.folders();
    assertEquals(await a.folders(), seen);
    assertEquals(seen.length, 1);
    const [name = ""] = seen;
    const next = i % 2 === 0 ? "other" : "kept";
    if (name !== next) await a.ok(["folders", "rename", name, next]);
  }
});

testInFull(
  "a new key seals the names anew, and the old key reads and writes them no more",
  async () => {
    await using both = await twoMachines();
    const { people, a, b } = both;
    await a.ok(["folders", "make", "kept"]);
    assertEquals(await b.folders(), ["kept"]);
    assertEquals((await a.as(["keys", "rotate", "--yes"])).stderr, "");
    for (const file of ["alice_private.pem", "alice_public.pem"]) {
      const to = people.group.path("alice-laptop", file);
      if (file.includes("private")) {
        const former = [...Deno.readDirSync(people.group.path("alice"))]
          .find(({ name }) => /^alice_private\..+\.pem$/.test(name))?.name ?? "";
        await Deno.rename(to, people.group.path("alice-laptop", former));
      }
      await Deno.copyFile(people.group.path("alice", file), to);
    }
    // The other machine has never seen the record under the new key, and does.
    assertEquals(await b.folders(), ["kept"]);
    await b.ok(["folders", "make", "later"]);
    // Without the old key there is nothing left to be read with it.
    for await (const { name } of Deno.readDir(people.group.path("alice"))) {
      if (/^alice_private\..+\.pem$/.test(name)) {
        await Deno.remove(
          people.group.path("alice", name),
        );
      }
    }
    assertEquals(await a.folders(), ["kept", "later"]);
  },
);
