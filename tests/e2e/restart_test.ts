// The server is started again and again while clients send. SEALPOST_TEST_CLIENTS says how many.

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { toHex } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { RefusedError } from "../../protocol/refused.ts";
import { openSqliteStore } from "../../server/store/sqlite_store.ts";
import { testInFull } from "../support/full.ts";
import { Program } from "../support/program.ts";
import {
  type KeptTicket,
  type Person,
  preseal,
  type Presealed,
  RawSession,
} from "../support/raw_session.ts";
import { makeServerFolder, type ServerFolder } from "../support/server_folder.ts";

const CLIENTS = Number(Deno.env.get("SEALPOST_TEST_CLIENTS") ?? 20);
/** Accounts that the clients share; each has its keys. */
const USERS = ["alice", "bob", "carol"];
const RESTARTS = 3;

/** A client that sends until it is told to end, and sends again what was not acknowledged. */
class Sender {
  readonly acknowledged: string[] = [];
  /** The codes of what it met; and how often it was told when to come again. */
  readonly troubles = new Set<string>();
  askedBack = 0;
  #session: RawSession | null = null;
  #ticket: KeptTicket | null = null;

  constructor(
    readonly folder: ServerFolder,
    readonly address: string,
    readonly person: Person,
    readonly to: Person,
  ) {}

  /** Sends while `more`; gives up what was not acknowledged when there is no more `hope`. */
  async run(more: () => boolean, hope: () => boolean): Promise<void> {
    while (more()) {
      const message = await preseal(this.person, [this.to]);
      while (!await this.#deliver(message)) if (!hope()) return;
      this.acknowledged.push(message.request.id);
    }
    await this.#session?.close();
  }

  async #deliver(message: Presealed): Promise<boolean> {
    try {
      const session = this.#session ?? await this.#connect();
      await session.deliver(message);
      return true;
    } catch (error) {
      assert(isSealpostError(error), String(error));
      this.troubles.add(error.code);
      const after = error instanceof RefusedError ? error.retryAfter : undefined;
      if (error.code === "connection-lost" && after !== undefined) this.askedBack++;
      this.#session = null;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(after ?? 0.2, 2)));
      return false;
    }
  }

  async #connect(): Promise<RawSession> {
    const { address, person, folder: { bundle } } = this;
    const ticket = this.#ticket;
    this.#ticket = null;
    const resumed = ticket && await RawSession.resume(address, bundle, person, ticket);
    if (resumed) {
      this.#session = resumed;
      this.#ticket = await resumed.nextTicket();
      return resumed;
    }
    const fresh = await RawSession.logIn(address, bundle, person);
    this.#ticket = fresh.ticket;
    return this.#session = fresh.session;
  }
}

testInFull(
  "a server that is started again while clients send loses nothing and doubles nothing",
  async () => {
    await using folder = await makeServerFolder([...USERS, "dave"]);
    const where = { cwd: join(folder.dir, "..") };
    const start = async (listen: string) => {
      const program = Program.start(
        ["serve", "--listen", listen, "--messages-per-minute=off"],
        where,
      );
      await program.expect("listening on ");
      return { program, address: (await program.expect(",")).slice(0, -1) };
    };
    let { program, address } = await start("127.0.0.1:0");
    const dave = folder.person("dave");
    // Bob has connected once, so that there is a key to seal to.
    await (await RawSession.logIn(address, folder.bundle, dave)).session.close();

    let more = true;
    const senders = Array.from(
      { length: CLIENTS },
      (_, i) => new Sender(folder, address, folder.person(USERS[i % USERS.length] ?? ""), dave),
    );
    let hope = true;
    const running = senders.map((sender) => sender.run(() => more, () => hope));
    const total = () => senders.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    try {
      for (let i = 0; i < RESTARTS; i++) {
        const target = total() + 3 * CLIENTS;
        while (total() < target) await new Promise((resolve) => setTimeout(resolve, 20));
        program.kill("SIGTERM");
        const { code, stderr } = await program.finish();
        assertEquals(code, 0, stderr);
        assert(!/internal-error| error /.test(stderr), stderr);
        ({ program } = await start(address));
      }
      const target = total() + CLIENTS;
      while (total() < target) await new Promise((resolve) => setTimeout(resolve, 20));
      more = false;
      await Promise.all(running);
    } finally {
      [more, hope] = [false, false];
      program.kill("SIGTERM");
      await program.finish();
      await Promise.all(running);
    }

    const store = await openSqliteStore(join(folder.dir, "mail"));
    const stored: string[] = [];
    for (let after = 0;;) {
      const page = await store.list("dave", { ascending: true, after, limit: 1000 });
      for (const { header } of page) stored.push(toHex(header.slice(1, 17)));
      const last = page.at(-1);
      if (!last) break;
      after = last.uid;
    }
    await store.close();
    const acknowledged = senders.flatMap(({ acknowledged }) => acknowledged)
      .map((id) => id.replaceAll("-", ""));
    assertEquals(new Set(stored).size, stored.length, "a message is there twice");
    assertEquals(stored.sort(), acknowledged.sort());

    const troubles = [...new Set(senders.flatMap(({ troubles }) => [...troubles]))].sort();
    assertEquals(troubles.filter((code) => !/^(connection-lost|unreachable)$/.test(code)), []);
    assert(senders.some(({ askedBack }) => askedBack > 0), "nobody was asked back");
  },
);
