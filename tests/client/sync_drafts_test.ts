import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { SyncedDrafts } from "../../client/sync_drafts.ts";
import { SealpostError } from "../../crypto/error.ts";
import { sendDraft, TakenBackError } from "../../client/send_draft.ts";
import { type Draft, emptyDraft } from "../../client/state/drafts.ts";
import { AutosavedDraft } from "../../client/terminal/write_draft.ts";
import { shell } from "../support/command.ts";
import { makeGroup } from "../support/group_folder.ts";
import { ServerProcess } from "../support/program.ts";
import { openSession, type Session } from "../support/session.ts";

/** A machine of alice's. */
class Machine {
  readonly drafts: SyncedDrafts;

  constructor(readonly session: Session) {
    this.drafts = new SyncedDrafts(session.mail);
  }

  get mail() {
    return this.session.mail;
  }

  /** Brings its drafts and those on the server together. */
  async sync(): Promise<void> {
    await this.mail.sync();
    assertEquals((await this.drafts.run()).problems, []);
  }

  write(text: string, more: Partial<Draft> = {}): Promise<Draft> {
    return this.mail.drafts.save({ ...emptyDraft(), to: ["bob"], subject: "S", ...more, text });
  }

  /** The texts of its drafts. */
  async texts(): Promise<string[]> {
    return (await this.mail.drafts.list()).drafts.map(({ text }) => text).sort();
  }
}

interface Stage extends AsyncDisposable {
  readonly dir: string;
  readonly a: Machine;
  readonly b: Machine;
  /** Another machine of alice's, or of somebody else's. */
  open(own: string, name?: string): Promise<Session>;
}

/** Two machines of alice's, and bob. */
async function twoMachines(): Promise<Stage> {
  const { dir, remove } = await makeGroup(["alice", "bob"]);
  await shell(
    'cp -r "$0" "$1"; cp -r "$0" "$2"',
    ...["alice", "alice2"].map((one) => join(dir, one)),
    join(dir, "alice3"),
  );
  const server = await ServerProcess.start({ cwd: dir });
  const sessions: Session[] = [];
  const open = async (own: string, name = "alice") => {
    const session = await openSession(dir, name, server.address, own);
    sessions.push(session);
    return session;
  };
  await open("bob", "bob");
  const a = new Machine(await open("alice"));
  const b = new Machine(await open("alice2"));
  for (const { mail } of [a, b]) await mail.sync();
  return {
    dir,
    a,
    b,
    open,
    [Symbol.asyncDispose]: async () => {
      for (const { mail } of sessions) await mail.close();
      await server.stop();
      await remove();
    },
  };
}

Deno.test("a draft is the same on the next machine, and goes when it is sent or thrown away", async (t) => {
  await using stage = await twoMachines();
  const { a, b } = stage;
  const draft = await a.write("Grüße\n\n  indented, and 漢字", {
    to: ["bob", "carol@elsewhere.example"],
    bcc: ["dave"],
    subject: "Later =?x?=",
  });

  await t.step("all of it", async () => {
    await a.sync();
    await b.sync();
    const [there] = (await b.mail.drafts.list()).drafts;
    assert(there);
    const { savedAt: _, ...rest } = there;
    const { savedAt: __, ...here } = { savedAt: 0, ...draft };
    assertEquals(rest, here);
  });

  await t.step("a change takes the place of what was there, either way", async () => {
    for (const [from, to] of [[b, a], [a, b]] as const) {
      const { id } = draft;
      await from.mail.drafts.save({ ...await from.mail.drafts.load(id), text: "changed" });
      await from.sync();
      await to.sync();
      assertEquals([await from.texts(), await to.texts()], [["changed"], ["changed"]]);
      assertEquals(from.mail.cache.count("drafts"), 1);
      assertEquals(to.mail.cache.count("drafts"), 1);
    }
  });

  await t.step("nothing is stored while nothing changes", async () => {
    const before = a.mail.cache.fetched();
    for (const machine of [a, b, a, b]) await machine.sync();
    assertEquals(a.mail.cache.fetched(), before);
  });

  await t.step("sent on one machine, it is gone from both", async () => {
    const saved = await b.mail.drafts.load(draft.id);
    await sendDraft(b.mail, { ...saved, to: ["bob"], bcc: [] }, { note: () => {} });
    await b.sync();
    await a.sync();
    assertEquals([await a.texts(), await b.texts()], [[], []]);
    assertEquals(a.mail.cache.count("drafts"), 0);
  });

  await t.step("thrown away on one machine, it stays where it was changed meanwhile", async () => {
    const { id } = await a.write("one");
    await a.write("two");
    await a.sync();
    await b.sync();
    for (const one of (await a.mail.drafts.list()).drafts) await a.mail.drafts.remove(one.id);
    await b.mail.drafts.save({ ...await b.mail.drafts.load(id), text: "one, and more" });
    await a.sync();
    await b.sync();
    assertEquals(await b.texts(), ["one, and more"]);
    await a.sync();
    assertEquals(await a.texts(), ["one, and more"]);
  });

  await t.step("what the server alone removes stays, and is stored there again", async () => {
    const [{ uid = 0 } = {}] = a.mail.cache.ids().filter(({ folder }) => folder === "drafts");
    // As a server could: no machine tells the others of it.
    await a.mail.connection.ask({ op: "remove", uids: [uid] });
    await b.mail.sync();
    assertEquals((await b.drafts.run()).problems, [
      "S: the server has lost it; it is stored there again from this machine",
    ]);
    for (const machine of [a, b]) {
      await machine.sync();
      assertEquals(await machine.texts(), ["one, and more"]);
      assertEquals(machine.mail.cache.count("drafts"), 1);
    }
  });

  await t.step("an older text that the server brings back replaces no newer one", async () => {
    const [{ uid = 0 } = {}] = a.mail.cache.ids().filter(({ folder }) => folder === "drafts");
    const place = (uid: number, folder: "archive" | "drafts") =>
      a.mail.connection.ask({ op: "flag", uids: [uid], set: [], clear: [], folder });
    const [draft] = (await a.mail.drafts.list()).drafts;
    assert(draft);
    await a.mail.drafts.save({ ...draft, text: "newer" });
    await place(uid, "archive");
    await a.sync();
    await b.sync();
    const [newer] = a.mail.cache.ids().filter(({ folder }) => folder === "drafts");
    assert(newer);
    await a.mail.connection.ask({ op: "remove", uids: [newer.uid] });
    await place(uid, "drafts");
    for (const machine of [b, a, b, a]) await machine.sync();
    for (const machine of [a, b]) {
      assertEquals(new Set(await machine.texts()), new Set(["one, and more", "newer"]));
    }
  });

  await t.step("a draft whose file was lost or damaged stays on the server", async () => {
    const [{ id = "" } = {}] = (await a.mail.drafts.list()).drafts;
    const path = a.mail.state.path(`draft-${id}`);
    const [before, count] = [await a.texts(), a.mail.cache.count("drafts")];
    const whole = await Deno.readFile(path);
    await Deno.writeFile(path, whole.map((byte, i) => i === 40 ? byte ^ 1 : byte));
    const { problems } = await a.drafts.run();
    assertEquals(problems.length, 1);
    assertStringIncludes(problems[0] ?? "", "a draft could not be brought together: ");
    await b.sync();
    assertEquals(b.mail.cache.count("drafts"), count);
    await Deno.remove(path);
    await a.sync();
    assertEquals([await a.texts(), await b.texts()], [before, before]);
    assertEquals(await a.drafts.pending(), false);
  });

  await t.step("what was removed while it was stored does not come back", async () => {
    const before = await a.texts();
    const { id } = await a.write("short-lived");
    const { append } = a.mail;
    a.mail.append = async (message) => {
      const appended = await append.call(a.mail, message);
      await a.mail.drafts.remove(id);
      return appended;
    };
    await a.sync();
    a.mail.append = append;
    for (const machine of [a, b, a]) {
      await machine.sync();
      assertEquals(await machine.texts(), before);
    }
    assertEquals(a.mail.cache.count("drafts"), b.mail.cache.count("drafts"));
  });

  await t.step("nor does it if the program ended before it noted what it had stored", async () => {
    const before = await a.texts();
    const { id } = await a.write("sent at last");
    const { append } = a.mail;
    a.mail.append = async (message) => {
      await append.call(a.mail, message);
      throw new SealpostError("connection-lost", "this program ends here");
    };
    await assertRejects(() => a.sync(), SealpostError, "ends here");
    a.mail.append = append;
    // Nothing is noted of it to be removed.
    await a.mail.drafts.remove(id);
    for (const machine of [a, b, a]) {
      await machine.sync();
      assertEquals(await machine.texts(), before);
    }
    assertEquals(a.mail.cache.count("drafts"), b.mail.cache.count("drafts"));
  });

  await t.step("an edition that was never there is not waited for", async () => {
    await a.mail.drafts.editions.update(({ gone }) => {
      gone.push({ edition: "0198c0de-0000-7000-8000-000000000000", uid: null, draft: null });
    });
    await a.sync();
    assertEquals(await a.drafts.pending(), false);
  });

  await t.step("a message that a person removes from the folder is a draft nowhere", async () => {
    const uids = a.mail.cache.ids().filter(({ folder }) => folder === "drafts")
      .map(({ uid }) => uid);
    await a.mail.remove(uids);
    for (const machine of [a, b]) {
      await machine.sync();
      assertEquals(await machine.texts(), []);
    }
  });
});

Deno.test("two machines that change the same draft at the same time lose nothing", async (t) => {
  await using stage = await twoMachines();
  const { a, b } = stage;
  const { id } = await a.write("base");
  await a.sync();
  await b.sync();
  const settled = async (expected: readonly string[]) => {
    for (const machine of [a, b, a, b]) await machine.sync();
    assertEquals([await a.texts(), await b.texts()], [expected, expected]);
    const c = new Machine(await stage.open("alice3"));
    await c.sync();
    assertEquals(await c.texts(), expected);
  };

  await t.step("what is stored second is a draft of its own", async () => {
    for (const [machine, text] of [[a, "of a"], [b, "of b"]] as const) {
      await machine.mail.drafts.save({ ...await machine.mail.drafts.load(id), text });
    }
    await a.sync();
    await settled(["of a", "of b"]);
  });

  await t.step("also if neither sees the other's before it is stored", async () => {
    for (const machine of [a, b]) {
      const mine = (await machine.mail.drafts.list()).drafts.find(({ text }) => text === "of a");
      assert(mine);
      const text = machine === a ? "new of a" : "new of b";
      await machine.mail.drafts.save({ ...mine, text });
    }
    // Both store with what they know of the mailbox.
    await Promise.all([a.drafts.run(), b.drafts.run()]);
    await settled(["new of a", "new of b", "of b"]);
  });

  await t.step("what somebody is writing goes on as a draft of its own", async () => {
    const mine = (await a.mail.drafts.list()).drafts.find(({ text }) => text === "of b");
    assert(mine);
    await using open = new AutosavedDraft(a.mail.drafts, mine);
    let parted = 0;
    open.onParted = () => parted++;
    await b.mail.drafts.save({ ...await b.mail.drafts.load(mine.id), text: "of b, by b" });
    await b.sync();
    await a.sync();
    open.type(() => "of b, by a");
    await open.save();
    assertEquals(parted, 1);
    open.type(() => "of b, by a, and more");
    await open.save();
    assertEquals(parted, 1);
    await settled(["new of a", "new of b", "of b, by a, and more", "of b, by b"]);
  });
});

Deno.test("files that are attached to a draft are there on the next machine, and stored once", async () => {
  await using stage = await twoMachines();
  const { a, b, dir } = stage;
  const path = join(dir, "figures.csv");
  await Deno.writeTextFile(path, "1,2,3\n");
  const draft = await a.write("see the file", { attachments: [path] });
  await a.sync();
  const size = () =>
    (a.mail.cache.list({ folder: "drafts", limit: 10 }))
      .then((all) => all.map(({ entry }) => entry.bodySize));
  await a.mail.drafts.save({ ...await a.mail.drafts.load(draft.id), text: "see this file" });
  await a.sync();
  // The one with the file, and the text of now.
  assertEquals((await size()).length, 2);
  await b.sync();
  const [there] = (await b.mail.drafts.list()).drafts;
  assert(there?.forwards);
  assertEquals(there.text, "see this file");
  assertEquals(there.forwards.attachments.map(({ name, size }) => [name, size]), [[
    "figures.csv",
    6,
  ]]);
  await b.mail.drafts.save({ ...there, text: "see that file" });
  await b.sync();
  await a.sync();
  const [back] = (await a.mail.drafts.list()).drafts;
  assert(back);
  assertEquals([back.text, back.attachments], ["see that file", []]);
  await Deno.remove(path);
  await sendDraft(a.mail, back, { note: () => {} });
  await a.sync();
  await b.sync();
  assertEquals([await a.texts(), await b.texts()], [[], []]);
  assertEquals(b.mail.cache.count("drafts"), 0);
  const bob = await stage.open("bob", "bob");
  await bob.mail.sync();
  const [cached] = await bob.mail.cache.list({ folder: "inbox", limit: 1 });
  assert(cached);
  const { opened } = await bob.mail.openItem(cached);
  assertEquals(opened?.summary.attachments, [{ name: "figures.csv", size: 6 }]);
});

Deno.test("what is taken back has the files that another machine attached", async () => {
  await using stage = await twoMachines();
  const { a, b, dir } = stage;
  const path = join(dir, "figures.csv");
  await Deno.writeTextFile(path, "1,2,3\n");
  await a.write("see the file", { attachments: [path] });
  await a.sync();
  await b.sync();
  const [there] = (await b.mail.drafts.list()).drafts;
  assert(there?.forwards);
  const hold = async () => {
    for (const machine of [b, a, b]) await machine.sync();
    assertEquals(await b.mail.listDrafts(), []);
    const sent = await b.mail.drafts.load(there.id);
    await assertRejects(
      () => sendDraft(b.mail, sent, { note: () => {} }),
      SealpostError,
      "this was sent",
    );
    return false;
  };
  await assertRejects(() => sendDraft(b.mail, there, { note: () => {}, hold }), TakenBackError);
  for (const machine of [b, a, b]) await machine.sync();
  const [back, ...more] = (await b.mail.drafts.list()).drafts;
  assert(back);
  assertEquals([back.text, more], ["see the file", []]);
  await sendDraft(b.mail, back, { note: () => {} });
  for (const machine of [b, a]) await machine.sync();
  assertEquals([await a.texts(), await b.texts()], [[], []]);
  const bob = await stage.open("bob", "bob");
  await bob.mail.sync();
  const [cached, ...others] = await bob.mail.cache.list({ folder: "inbox", limit: 5 });
  assert(cached);
  assertEquals(others, []);
  const { opened } = await bob.mail.openItem(cached);
  assertEquals(opened?.summary.attachments, [{ name: "figures.csv", size: 6 }]);
});
