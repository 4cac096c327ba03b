import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { type Bytes, random } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import type { Identity } from "../../crypto/identity.ts";
import { loadIdentity } from "../../files/key_files.ts";
import { checkDatabaseStore } from "../../server/maintenance/database_check.ts";
import type { FsckReport } from "../../server/maintenance/findings.ts";
import { checkStore } from "../../server/maintenance/fsck.ts";
import { testInFull, testInFullUnless } from "../support/full.ts";
import {
  type Copy,
  fetchBody,
  Ledger,
  type Letter,
  listAll,
  sumOf,
  writeLetter,
} from "../support/ledger.ts";
import { makeGroup } from "../support/group_folder.ts";
import { Cluster, NO_POSTGRES } from "../support/postgres.ts";
import { Program, ServerProcess } from "../support/program.ts";
import { openSession, type Session } from "../support/session.ts";
import { Several } from "../support/several.ts";

const NAMES = ["alice", "bob", "carol"];
/** Connections of each of them. */
const WIDTH = 2;
/** How often the server is killed: few times here, 200 times by `deno task test:crash`. */
const ROUNDS = Number(Deno.env.get("SEALPOST_CRASH_ROUNDS") ?? 8);
/** A mailbox does not grow beyond about this many entries, so that each round can look at all. */
const MOST_ENTRIES = 60;

const LIMITS = ["--messages-per-minute", "off"];

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const NOTHING_YET = {
  kills: 0,
  duringStart: 0,
  crashes: 0,
  acknowledged: 0,
  files: 0,
  storedUnanswered: 0,
  lostUnanswered: 0,
  moves: 0,
  removals: 0,
  resumed: 0,
  logins: 0,
  leftovers: 0,
};

/** What happened in all rounds. */
let seen = { ...NOTHING_YET };

/** Where a server is killed, and what keeps its mail. */
interface Place extends AsyncDisposable {
  /** The folder with those of the server and of the people. */
  readonly dir: string;
  /** Checks the store as the kill left it. */
  readonly fsck: () => Promise<FsckReport>;
  /** Kills the database as if the power had failed, and starts it again; null if there is none. */
  readonly crash: (() => Promise<void>) | null;
}

async function inFolder(): Promise<Place> {
  const { dir, remove } = await makeGroup(NAMES);
  const fsck = () => checkStore(join(dir, "server", "mail"));
  return { dir, fsck, crash: null, [Symbol.asyncDispose]: remove };
}

async function inDatabase(): Promise<Place> {
  const cluster = await Cluster.start({ durable: true });
  const several = await Several.make(NAMES, 1, cluster);
  assertEquals((await several.run(1, "store", "init")).code, 0);
  const name = cluster.address(several.database);
  const options = cluster.options(several.database);
  return {
    dir: several.dir,
    fsck: () => checkDatabaseStore({ name, options }),
    crash: () => cluster.crash(),
    [Symbol.asyncDispose]: async () => {
      await several[Symbol.asyncDispose]();
      cluster.stop();
    },
  };
}

/** Something below `n`. */
function below(n: number): number {
  return Math.floor(Math.random() * n);
}

function pick<T>(from: readonly T[]): T | undefined {
  return from[below(from.length)];
}

/** A letter to one or two others: some with a body that goes to a file of its own. */
async function anyLetter(people: ReadonlyMap<string, Identity>, sender: string): Promise<Letter> {
  const others = NAMES.filter((name) => name !== sender);
  const to = below(3) === 0 ? others : others.slice(below(2)).slice(0, 1);
  const size = [300_000, 700_000][below(10)] ?? null;
  const attachment: Bytes | null = size === null ? null : random(size + below(50_000));
  const text = `${crypto.randomUUID()} ${"wörds ".repeat(below(2000))}`;
  return await writeLetter(people, sender, to, text, attachment);
}

/** Kills the server and waits until it is gone. */
async function kill(program: Program): Promise<void> {
  program.kill("SIGKILL");
  await program.finish();
  seen.kills++;
}

/** The test, with what it needs. */
class Crashes {
  readonly #dir: string;
  readonly #fsck: Place["fsck"];
  readonly #people: ReadonlyMap<string, Identity>;
  readonly #ledger: Ledger;
  readonly #stock = new Map<string, Letter[]>(NAMES.map((name) => [name, []]));
  readonly #nextUids = new Map<string, number>();

  constructor({ dir, fsck }: Place, people: ReadonlyMap<string, Identity>) {
    this.#dir = dir;
    this.#fsck = fsck;
    this.#people = people;
    this.#ledger = new Ledger(people);
  }

  start(): Promise<ServerProcess> {
    return ServerProcess.start({ cwd: this.#dir }, LIMITS);
  }

  /** Starts a server and kills it before or as it is ready. */
  async killStart(): Promise<void> {
    const args = ["serve", "--listen", "127.0.0.1:0", ...LIMITS];
    const program = Program.start(args, { cwd: this.#dir });
    await sleep(below(700));
    await kill(program);
    seen.duringStart++;
  }

  /** Nothing is damaged in the store as the kill left it; what has no owner may lie there. */
  async fsck(): Promise<void> {
    const { findings, damaged } = await this.#fsck();
    assertEquals(damaged, 0, JSON.stringify(findings));
    for (const { kind } of findings) {
      assert(kind === "unnamed" || kind === "uploads", kind);
      seen.leftovers++;
    }
  }

  /** Letters for a while, so that the time of a round goes to the server. */
  async write(): Promise<void> {
    for (const [name, letters] of this.#stock) {
      while (letters.length < 12) letters.push(await anyLetter(this.#people, name));
    }
  }

  async openAll(address: string): Promise<Session[]> {
    const sessions: Session[] = [];
    for (const name of NAMES) {
      for (let i = 0; i < WIDTH; i++) {
        const session = await openSession(
          this.#dir,
          name,
          address,
          i === 0 ? name : `${name}-${i}`,
        );
        if (session.resumed) seen.resumed++;
        else seen.logins++;
        sessions.push(session);
      }
    }
    return sessions;
  }

  /**
   * Sends, moves and removes until the connection is gone. No entry in `touched` is changed: two
   * connections that change the same one could do so in either order.
   */
  async work({ name, link }: Session, touched: Set<Copy>): Promise<void> {
    try {
      for (;;) {
        const mine = this.#ledger.in(name)
          .filter(({ copy }) => copy.uid !== null && copy.removal === "none" && !touched.has(copy));
        const chosen = pick(mine)?.copy;
        const what = below(10);
        if (chosen && (what < 2 || mine.length > MOST_ENTRIES)) {
          const uids = [chosen.uid ?? 0];
          touched.add(chosen);
          if (what === 0) {
            chosen.folders.add("archive");
            chosen.seen.add(true);
            const answer = await link.ask({
              op: "flag",
              uids,
              set: ["seen"],
              clear: [],
              folder: "archive",
            });
            assertEquals(answer.uids, uids);
            chosen.folders = new Set(["archive"]);
            chosen.seen = new Set([true]);
            seen.moves++;
          } else {
            chosen.removal = "asked";
            assertEquals((await link.ask({ op: "remove", uids })).uids, uids);
            chosen.removal = "acknowledged";
            seen.removals++;
          }
        } else {
          const letter = this.#stock.get(name)?.pop() ?? await anyLetter(this.#people, name);
          this.#ledger.add(letter);
          letter.fate = "sent";
          const { again } = await deliver(link, letter);
          assert(!again);
          letter.fate = "acknowledged";
          seen.acknowledged++;
          if (letter.envelope.bodySize > 262_144) seen.files++;
        }
      }
    } catch (error) {
      if (!isSealpostError(error, "connection-lost")) throw error;
    }
  }

  /**
   * What every mailbox has is what it must have, once and byte for byte; a letter that was not
   * acknowledged is in all its mailboxes or in none. Then it is sent again, the same bytes, and the
   * server knows whether it has it.
   */
  async check(sessions: readonly Session[]): Promise<void> {
    const stored = new Map<Letter, number>();
    for (const name of NAMES) {
      const link = linkOf(sessions, name);
      const { entries, nextUid } = await listAll(link);
      assert(nextUid >= (this.#nextUids.get(name) ?? 1), "UIDs went back");
      this.#nextUids.set(name, nextUid);
      for (const letter of this.#ledger.check(name, entries)) {
        stored.set(letter, (stored.get(letter) ?? 0) + 1);
      }
      for (const entry of entries) await this.#compareBody(link, name, entry.uid, entry);
    }
    for (const letter of this.#ledger.letters) {
      if (letter.fate !== "sent") continue;
      const copies = stored.get(letter) ?? 0;
      assert(copies === 0 || copies === letter.copies.size, "in some of its mailboxes");
      const { again } = await deliver(linkOf(sessions, letter.sender), letter);
      assertEquals(again, copies > 0, "the server knows what it has");
      if (again) seen.storedUnanswered++;
      else seen.lostUnanswered++;
      letter.fate = "acknowledged";
    }
  }

  async #compareBody(
    link: Session["link"],
    name: string,
    uid: number,
    entry: Parameters<Ledger["letterOf"]>[0],
  ): Promise<void> {
    const letter = this.#ledger.letterOf(entry);
    const copy = letter.copies.get(name);
    if (!copy || copy.compared) return;
    assertEquals(await fetchBody(link, uid), letter.body);
    copy.compared = true;
  }

  /** Everything that is left is opened and verified by the client, as people do. */
  async readAll(sessions: readonly Session[]): Promise<void> {
    for (const { copies } of this.#ledger.letters) {
      for (const copy of copies.values()) copy.compared = false;
    }
    await this.check(sessions);
    for (const name of NAMES) {
      const mail = sessions.find((session) => session.name === name)?.mail;
      assert(mail);
      assert(!(await mail.sync()).renewed);
      let count = 0;
      for (const folder of ["inbox", "sent", "archive"] as const) {
        for (const item of await mail.list({ folder, limit: 10_000 })) {
          const { opened, entry, problem, duplicate } = item;
          assert(opened && !duplicate, problem ?? "a duplicate");
          const message = await mail.fetch(opened);
          const plain = sumOf(...await Array.fromAsync(message.stream()));
          await message.dispose();
          assertEquals(plain, this.#ledger.letterOf(entry).message);
          count++;
        }
      }
      const must = this.#ledger.in(name).filter(({ copy }) => copy.removal === "none").length;
      assertEquals(count, must);
    }
  }
}

function linkOf(sessions: readonly Session[], name: string): Session["link"] {
  const session = sessions.find((session) => session.name === name);
  assert(session);
  return session.link;
}

async function deliver(link: Session["link"], letter: Letter): Promise<{ again: boolean }> {
  const bytes = async function* () {
    await Promise.resolve();
    yield letter.sealed;
  };
  return await link.upload(letter.request, bytes());
}

/** Kills a server again and again, and its database now and then. */
async function killAgainAndAgain(make: () => Promise<Place>): Promise<void> {
  seen = { ...NOTHING_YET };
  await using place = await make();
  const { dir, fsck, crash } = place;
  let server: ServerProcess | null = null;
  try {
    const people = new Map<string, Identity>();
    for (const name of NAMES) {
      people.set(name, await loadIdentity(join(dir, name), name, () => Promise.resolve(null)));
      for (let i = 1; i < WIDTH; i++) {
        await Deno.mkdir(join(dir, `${name}-${i}`));
        for await (const file of Deno.readDir(join(dir, name))) {
          if (!file.isFile) continue;
          await Deno.copyFile(join(dir, name, file.name), join(dir, `${name}-${i}`, file.name));
        }
      }
    }
    const crashes = new Crashes(place, people);
    // A busy machine gets less done between two kills, so it may need more of them.
    const enough = () => seen.acknowledged > ROUNDS && seen.files > 0 && seen.removals > 0;
    while (seen.kills < ROUNDS || (!enough() && seen.kills < 10 * ROUNDS)) {
      if (seen.kills > 0 && below(5) === 0) {
        await crashes.killStart();
        await crashes.fsck();
      }
      [server] = await Promise.all([crashes.start(), crashes.write()]);
      const sessions = await crashes.openAll(server.address);
      await crashes.check(sessions);
      const touched = new Set<Copy>();
      const working = Promise.all(sessions.map((session) => crashes.work(session, touched)));
      await sleep(below(600));
      // The server goes on with what it was asked for as soon as the database is back.
      if (crash !== null && below(2) === 0) {
        await crash();
        seen.crashes++;
        await sleep(below(2000));
      }
      await kill(server.program);
      await working;
      for (const { mail } of sessions) await mail.close();
      await crashes.fsck();
    }
    server = await crashes.start();
    const sessions = await crashes.openAll(server.address);
    await crashes.check(sessions);
    await crashes.readAll(sessions);
    for (const { mail } of sessions) await mail.close();
    assertEquals((await server.stop()).code, 0);
    server = null;
    const { findings } = await fsck();
    assertEquals(findings, []);
    assert(enough(), JSON.stringify(seen));
    if (Deno.env.has("SEALPOST_CRASH_ROUNDS")) console.log(seen);
  } finally {
    server?.program.kill("SIGKILL");
    await server?.program.finish();
  }
}

testInFull(
  `a server that is killed ${ROUNDS} times keeps all that it acknowledged, once and whole`,
  () => killAgainAndAgain(inFolder),
);

testInFullUnless(
  NO_POSTGRES,
  "a server with its mail in a database keeps it too, whichever of them is killed",
  () => killAgainAndAgain(inDatabase),
);
