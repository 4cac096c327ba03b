// Whether several servers on one database are one server to all who use them at once.

import { assert, assertEquals } from "@std/assert";
import { sealToStore } from "../../../client/message/seal.ts";
import { type Bytes, concat, readU32 } from "../../../crypto/bytes.ts";
import { decodeChange, type MailboxChange } from "../../../protocol/change.ts";
import type { Flag, Folder } from "../../../protocol/entry.ts";
import { newMessageId } from "../../../protocol/uuid.ts";
import { utf8 } from "../../../crypto/bytes.ts";
import { FULL } from "../../support/full.ts";
import { anomaliesIn, type Done, type Known, takeOver } from "../../support/history.ts";
import { SOME_HEAD } from "../../support/log_head.ts";
import { NO_POSTGRES, sharedCluster } from "../../support/postgres.ts";
import type { KeptTicket, RawSession } from "../../support/raw_session.ts";
import { ServingSeveral } from "../../support/serving_several.ts";
import { testUnless } from "../../support/testing.ts";

const NAMES = ["alice", "bob"];
const SERVERS = 3;
const FOLDERS: readonly Folder[] = ["inbox", "archive", 16, 17];
const FLAGS: readonly Flag[] = ["seen", "flagged", "answered", 7];

/** Sessions, and what each does. With SEALPOST_ISOLATION_SESSIONS there are as many as that says. */
const SESSIONS = Number(Deno.env.get("SEALPOST_ISOLATION_SESSIONS") ?? (FULL ? 18 : 6));
const STEPS = 20;

function any<T>(of: readonly T[]): T {
  const one = of[Math.floor(Math.random() * of.length)];
  assert(one !== undefined);
  return one;
}

/** Some of `of`, by chance; perhaps none. */
function some<T>(of: readonly T[], chance = 0.3): T[] {
  return of.filter(() => Math.random() < chance);
}

async function changesOf({ link }: RawSession, since: number, nextUid: number) {
  const { response, data } = await link.stream({ op: "changes", since, nextUid, limit: 1000 });
  const pieces: Bytes[] = [];
  for await (const piece of data) pieces.push(piece);
  const bytes = concat(...pieces);
  const changes: MailboxChange[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = readU32(bytes, at);
    changes.push(decodeChange(bytes.slice(at + 4, at + 4 + size)));
    at += 4 + size;
  }
  return { ...response, changes };
}

async function append({ link, person }: RawSession, folder: Folder, flags: readonly Flag[]) {
  const text = utf8("Subject: a message\r\n\r\nKept.\r\n");
  const { request, bytes } = await sealToStore({
    id: newMessageId(),
    name: person.name,
    stored: { kind: "import", from: person.name },
    folder,
    receivedAt: Date.now(),
    flags,
    subject: "a message",
    date: Date.now(),
    head: SOME_HEAD,
    attachments: [],
    composed: {
      size: text.length,
      stream: async function* () {
        yield await Promise.resolve(text);
      },
    },
  }, person.identity);
  return await link.upload(request, bytes);
}

/** One session, which does what it likes and writes down what came of it. */
class Actor {
  readonly #known = new Map<number, Known>();
  #since = 0;
  #nextUid = 1;

  constructor(
    readonly by: string,
    readonly session: RawSession,
    readonly history: Done[],
  ) {}

  async step(): Promise<void> {
    const begun = performance.now();
    const done = await this.#do();
    this.history.push({ by: this.by, begun, ended: performance.now(), ...done });
  }

  async sync() {
    const page = await changesOf(this.session, this.#since, this.#nextUid);
    assert(!page.more);
    const ahead = takeOver(this.#known, page.changes);
    [this.#since, this.#nextUid] = [page.modseq, page.nextUid];
    return { kind: "sync" as const, modseq: page.modseq, known: new Map(this.#known), ahead };
  }

  async #do() {
    const { link } = this.session;
    const dice = Math.random();
    const uids = [...this.#known.keys()];
    if (uids.length === 0 ? dice < 0.8 : dice < 0.15) {
      const [folder, flags] = [any(FOLDERS), some(FLAGS)];
      const { uid, number, modseq } = await append(this.session, folder, flags);
      assert(uid !== undefined && number !== undefined && modseq !== undefined);
      return { kind: "append" as const, folder, flags, uid, number, modseq };
    }
    if (uids.length === 0 || dice > 0.7) return await this.sync();
    const chosen = Array.from({ length: 1 + Math.floor(3 * Math.random()) }, () => any(uids));
    if (dice < 0.22) {
      const { uids: done, modseq } = await link.ask({ op: "remove", uids: chosen });
      return { kind: "remove" as const, uids: chosen, done, modseq };
    }
    const [set, clear] = [some(FLAGS), some(FLAGS)];
    const folder = Math.random() < 0.3 ? any(FOLDERS) : null;
    const unchangedSince = Math.random() < 0.3 ? this.#since : null;
    const { uids: done, modified = [], modseq } = await link.ask({
      op: "flag",
      uids: chosen,
      set,
      clear,
      ...folder === null ? {} : { folder },
      ...unchangedSince === null ? {} : { unchangedSince },
    });
    return {
      kind: "flag" as const,
      uids: chosen,
      set,
      clear,
      folder,
      unchangedSince,
      done,
      modified,
      modseq,
    };
  }
}

testUnless(
  NO_POSTGRES,
  "what many sessions do at several servers at once can have happened in one mailbox",
  async () => {
    await using several = await ServingSeveral.start(NAMES, SERVERS, await sharedCluster(), {
      "max-connections-per-user": "1000",
      "messages-burst": "100000",
      "messages-per-minute": "100000",
    });
    const histories = new Map(NAMES.map((name) => [name, [] as Done[]]));
    const actors: Actor[] = [];
    for (let i = 0; i < SESSIONS; i++) {
      const name = NAMES[i % NAMES.length] ?? "";
      const server = 1 + i % SERVERS;
      const session = await several.at(server).session(name);
      actors.push(
        new Actor(`session ${i} at server ${server}`, session, histories.get(name) ?? []),
      );
    }
    await Promise.all(actors.map(async (actor) => {
      for (let i = 0; i < STEPS; i++) await actor.step();
    }));
    // In the end everybody sees the same, wherever they ask.
    for (const actor of actors) {
      const begun = performance.now();
      const seen = await actor.sync();
      actor.history.push({ by: actor.by, begun, ended: performance.now(), ...seen });
    }
    for (const [name, history] of histories) {
      assertEquals(history.length, (STEPS + 1) * SESSIONS / NAMES.length, name);
      assertEquals(anomaliesIn(history), [], name);
    }
    await Promise.all(actors.map(({ session }) => session.close()));
  },
);

testUnless(
  NO_POSTGRES,
  "a ticket that comes to several servers at once lets one session in",
  async () => {
    await using several = await ServingSeveral.start(NAMES, SERVERS, await sharedCluster());
    const alice = several.at(1).person("alice");
    let { session, ticket }: { session: RawSession; ticket: KeptTicket | null } = await several.at(
      1,
    )
      .logIn("alice");
    for (let round = 0; round < (FULL ? 10 : 3); round++) {
      await session.close();
      assert(ticket);
      const used = ticket;
      const tries = await Promise.all(
        Array.from({ length: 6 }, (_, i) => several.at(1 + i % SERVERS).resume(alice.name, used)),
      );
      const [one, ...more] = tries.filter((each) => each !== null);
      assert(one);
      assertEquals(more.length, 0);
      await one.link.ask({ op: "whoami" });
      [session, ticket] = [one, await one.nextTicket()];
    }
    await session.close();
  },
);

/** What two sessions may have done with a mailbox, one thing after the other. */
function right(): Done[] {
  const at = (n: number, by: string, modseq: number) => ({
    by,
    begun: 10 * n,
    ended: 10 * n + 5,
    modseq,
  });
  const flag = {
    kind: "flag" as const,
    clear: [],
    folder: null,
    unchangedSince: null,
    modified: [],
  };
  const entry = (...flags: Flag[]) => ({ folder: "inbox" as const, flags });
  return [
    { ...at(0, "a", 1), kind: "append", uid: 1, folder: "inbox", number: 1, flags: [] },
    { ...at(1, "b", 2), kind: "append", uid: 2, folder: "inbox", number: 2, flags: [] },
    { ...at(2, "a", 3), ...flag, uids: [1], set: ["seen"], done: [1] },
    { ...at(3, "b", 4), ...flag, uids: [1], set: ["flagged"], done: [1] },
    {
      ...at(4, "a", 4),
      ...flag,
      uids: [1],
      set: ["answered"],
      unchangedSince: 3,
      done: [],
      modified: [1],
    },
    {
      ...at(5, "b", 4),
      kind: "sync",
      known: new Map([[1, entry("seen", "flagged")], [2, entry()]]),
      ahead: new Set(),
    },
    { ...at(6, "a", 6), ...flag, uids: [2], set: [], folder: "archive", done: [2] },
    { ...at(7, "b", 7), kind: "remove", uids: [2], done: [2] },
    {
      ...at(8, "a", 7),
      kind: "sync",
      known: new Map([[1, entry("seen", "flagged")]]),
      ahead: new Set(),
    },
  ];
}

Deno.test("the checker of histories passes what is right, and finds each fault that is put into it", () => {
  assertEquals(anomaliesIn(right()), []);
  const faults: readonly (readonly [string, number, object])[] = [
    ["a UID that is given twice", 1, { uid: 1 }],
    ["a UID that is left out", 1, { uid: 3 }],
    ["a number that is given twice", 1, { number: 1 }],
    ["a change that is lost", 5, {
      known: new Map([[1, { folder: "inbox", flags: ["flagged"] }]]),
    }],
    ["two writes with one modification sequence", 3, { modseq: 3 }],
    ["a write that nobody sees", 3, { modseq: 5 }],
    ["a condition that was not looked at", 4, { done: [1], modified: [] }],
    ["a condition that held and was refused", 4, { unchangedSince: 4 }],
    ["an old state that is read", 8, { modseq: 4 }],
    ["an entry that comes back", 8, {
      known: new Map([[1, { folder: "inbox", flags: ["seen", "flagged"] }], [2, {
        folder: "archive",
        flags: [],
      }]]),
    }],
    ["a removal that was told to two", 7, { done: [2, 1] }],
    ["a write that went back in time", 2, { begun: 200, ended: 201 }],
  ];
  for (const [what, at, change] of faults) {
    const broken = right().map((done, i) => i === at ? Object.assign({}, done, change) : done);
    assert(anomaliesIn(broken).length > 0, what);
  }
});
