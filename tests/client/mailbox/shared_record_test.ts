import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { OwnNames, planFolder, planKeyword } from "../../../client/mailbox/own_names.ts";
import {
  type RecordConnection,
  SharedRecordClient,
} from "../../../client/mailbox/shared_record.ts";
import { RetiredKeys } from "../../../client/state/retired_keys.ts";
import { State } from "../../../client/state/state.ts";
import { type Bytes, concat, utf8 } from "../../../crypto/bytes.ts";
import { type ErrorCode, SealpostError } from "../../../crypto/error.ts";
import type { Identity } from "../../../crypto/identity.ts";
import { decodeRecord, openRecord, sealRecord } from "../../../protocol/shared_record.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

/** The record as a server keeps it. */
class ModelServer {
  version = 0;
  sealed: Bytes = new Uint8Array(0);
  /** Called once before the next put is looked at. */
  before: (() => Promise<void>) | null = null;
  /** Whether the next answer to a put is lost. */
  loses = false;
  puts = 0;

  readonly connection: RecordConnection = {
    again: async (work) => {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof SealpostError) || error.code !== "connection-lost") throw error;
        return await work();
      }
    },
    stream: (request) => {
      assertEquals(request.op, "shared-get");
      const { version, sealed } = this;
      const response = { ok: true as const, version, size: sealed.length };
      return Promise.resolve({ response, data: pieces(sealed), cancel: () => Promise.resolve() });
    },
    upload: async (request, data) => {
      const received: Bytes[] = [];
      for await (const piece of data) received.push(piece);
      const { before } = this;
      this.before = null;
      await before?.();
      if (request.version !== this.version) throw new SealpostError("version-conflict", "another");
      this.version++;
      this.puts++;
      this.sealed = concat(...received);
      assertEquals(this.sealed.length, request.size);
      const lost = this.loses;
      this.loses = false;
      if (lost) throw new SealpostError("connection-lost", "lost");
      return { ok: true, version: this.version };
    },
  };
}

async function* pieces(bytes: Bytes): AsyncGenerator<Bytes, void, undefined> {
  for (let at = 0; at < bytes.length; at += 100) {
    yield await Promise.resolve(bytes.slice(at, at + 100));
  }
}

interface Machine {
  readonly client: SharedRecordClient;
  readonly told: string[];
  names(): Promise<string[]>;
}

async function machine(
  dir: string,
  folder: string,
  server: ModelServer,
  identity: Identity,
  former: readonly Identity[] = [],
): Promise<Machine> {
  const place = join(dir, folder);
  await Deno.mkdir(place, { recursive: true });
  // As if their files were there.
  class Retired extends RetiredKeys {
    override all() {
      return Promise.resolve([...former]);
    }
  }
  const retired = new Retired(place, "alice", () => Promise.resolve(null));
  const state = await State.open(place, "alice", identity, retired);
  const client = new SharedRecordClient(
    server.connection,
    { name: "alice", identity, retired },
    state,
  );
  const told: string[] = [];
  client.onNotice = (line) => told.push(line);
  const names = async () => new OwnNames(await client.refresh()).folders.map(({ shown }) => shown);
  return { client, told, names };
}

const make = (one: Machine, name: string) =>
  one.client.change((record) => planFolder(record, name, 0));

/** Calls `fn` with a server and two machines of alice's. */
async function withTwo(
  fn: (server: ModelServer, a: Machine, b: Machine, dir: string) => Promise<void>,
): Promise<void> {
  const alice = await identityOf("alice");
  await inFolder(async (dir) => {
    const server = new ModelServer();
    const [a, b] = [await machine(dir, "a", server, alice), await machine(dir, "b", server, alice)];
    await fn(server, a, b, dir);
  });
}

async function assertCode(code: ErrorCode, run: () => Promise<unknown>): Promise<void> {
  assertEquals((await assertRejects(run, SealpostError)).code, code);
}

Deno.test("what one machine puts is there on the other, and nobody puts without a reason", async () => {
  await withTwo(async (server, a, b) => {
    assertEquals(await a.names(), []);
    assertEquals(server.puts, 0);
    await make(a, "work");
    assertEquals(await b.names(), ["work"]);
    assertEquals(await a.names(), ["work"]);
    assertEquals(server.puts, 1);
    const { machines } = await openRecord(await identityOf("alice"), "alice", 1, server.sealed);
    assertEquals([...machines.values()].map(({ name, put }) => [name, put]), [["a", 1]]);
  });
});

Deno.test("a number that another machine took first is not used for something else", async () => {
  await withTwo(async (server, a, b) => {
    server.before = async () => {
      await make(b, "theirs");
    };
    const { changes } = await make(a, "mine");
    assertEquals(changes.map(({ key }) => key), ["folder/17"]);
    assertEquals(await b.names(), ["mine", "theirs"]);
    assertEquals(await a.names(), ["mine", "theirs"]);
    assertEquals([a.told, b.told], [[], []]);
  });
});

Deno.test("two folders of one name are both there, the later one as NAME (2)", async () => {
  await withTwo(async (server, a, b) => {
    const record = decodeRecord(utf8(JSON.stringify({
      machines: [],
      entries: [
        { k: "folder/16", v: { name: "x" }, n: 1, m: "0000000000000001" },
        { k: "folder/17", v: { name: "x" }, n: 1, m: "0000000000000002" },
        { k: "folder/18", v: { name: "x (2)" }, n: 1, m: "0000000000000002" },
        { k: "folder/19", v: { name: "\u200b" }, n: 1, m: "0000000000000002" },
        { k: "folder/20", v: "of a later kind", n: 1, m: "0000000000000002" },
      ],
    })));
    server.sealed = await sealRecord(await identityOf("alice"), "alice", 1, record);
    server.version = 1;
    assertEquals(await a.names(), ["#19", "x", "x (2)", "x (3)"]);
    assertEquals(await b.names(), ["#19", "x", "x (2)", "x (3)"]);
    // And what this version does not know stays.
    await make(a, "y");
    const kept = await openRecord(await identityOf("alice"), "alice", 2, server.sealed);
    assertEquals(kept.entries.get("folder/20")?.value, "of a later kind");
    assertEquals([...kept.entries.keys()].includes("folder/21"), true);
  });
});

Deno.test("a put whose answer was lost is not done twice", async () => {
  await withTwo(async (server, a, b) => {
    server.loses = true;
    await make(a, "once");
    assertEquals(await b.names(), ["once"]);
    server.loses = true;
    await a.client.change((record) => planKeyword(record, "urgent"));
    assertEquals(new OwnNames(await b.client.refresh()).keywords.length, 1);
  });
});

Deno.test("an older record is told, and what this machine knows is put again", async () => {
  await withTwo(async (server, a) => {
    await make(a, "first");
    const { version, sealed } = server;
    await make(a, "second");
    Object.assign(server, { version, sealed });
    assertEquals(await a.names(), ["first", "second"]);
    assertEquals(a.told.length, 1);
    const record = await openRecord(await identityOf("alice"), "alice", 2, server.sealed);
    assertEquals(new OwnNames(record).folders.length, 2);
    // Once.
    assertEquals(await a.names(), ["first", "second"]);
    assertEquals(a.told.length, 1);
    // None at all is older, too.
    Object.assign(server, { version: 0, sealed: new Uint8Array(0) });
    assertEquals(await a.names(), ["first", "second"]);
    assertEquals([a.told.length, server.version], [2, 1]);
    assertEquals(await a.names(), ["first", "second"]);
    assertEquals(a.told.length, 2);
  });
});

Deno.test("a machine that was away takes the record over, with what was removed and forgotten meanwhile", async () => {
  await withTwo(async (server, a, b, dir) => {
    const group = (value: { members: string[] } | undefined) => (one: Machine) =>
      one.client.change(() => [{ key: "group/team", value, isNew: false }]);
    await group({ members: ["bob"] })(a);
    await b.client.introduce();
    const away = await machine(dir, "away", server, await identityOf("alice"));
    await away.client.refresh();
    // It has put nothing, so the others do not know of it.
    await group(undefined)(a);
    assertEquals((await b.client.known()).entries.has("group/team"), true);
    await make(b, "x");
    await make(a, "y");
    const there = await openRecord(
      await identityOf("alice"),
      "alice",
      server.version,
      server.sealed,
    );
    assertEquals([there.entries.has("group/team"), there.forgotten], [false, 3]);
    const { puts } = server;
    for (const one of [away, a, b]) {
      const { entries } = await one.client.refresh();
      assertEquals([...entries.keys()], ["folder/16", "folder/17"]);
    }
    assertEquals([server.puts, a.told, b.told, away.told], [puts, [], [], []]);
  });
});

Deno.test("another history under the same version is told by the puts that it lacks", async () => {
  await withTwo(async (server, a, b) => {
    await make(a, "first");
    const { version, sealed } = server;
    await make(a, "second");
    const known = server.version;
    Object.assign(server, { version, sealed });
    // The other machine has not seen what the server takes back.
    await make(b, "other");
    assertEquals([server.version, b.told.length], [known, 0]);
    const names = await a.names();
    assertStringIncludes(a.told[0] ?? "", "older names");
    assertEquals(await b.names(), names);
    // Both used the same number for something else: one of the names counts, and the other was told.
    const lost = names.includes("other") ? a.told.slice(1) : b.told;
    assertEquals(lost.length, 1);
    assertStringIncludes(lost[0] ?? "", "folder 17 is called");
  });
});

Deno.test("a change that lost against one at the same time is told to whose it was", async () => {
  await withTwo(async (server, a, b) => {
    await make(a, "work");
    await b.names();
    const rename = (one: Machine, name: string) =>
      one.client.change(() => [{ key: "folder/16", value: { name }, isNew: false }]);
    server.before = async () => {
      await rename(b, "b");
    };
    const { lost } = await rename(a, "a");
    const names = [await a.names(), await b.names()];
    assertEquals(names[0], names[1]);
    const aLost = names[0]?.[0] === "b";
    assertEquals([lost.length, b.told.length], aLost ? [1, 0] : [0, 1]);
  });
});

Deno.test("a new key seals the record anew; what a former one seals from then on is refused", async () => {
  const [former, present] = [await identityOf("alice"), await identityOf("bob")];
  await inFolder(async (dir) => {
    const server = new ModelServer();
    const before = await machine(dir, "a", server, former);
    await make(before, "kept");
    const old = { version: server.version + 2, sealed: server.sealed };
    const after = await machine(dir, "a", server, present, [former]);
    assertEquals(await after.names(), ["kept"]);
    assertEquals(server.puts, 2);
    await openRecord(present, "alice", 2, server.sealed);
    assertEquals(await after.names(), ["kept"]);
    assertEquals(server.puts, 2);
    const record = await openRecord(former, "alice", 1, old.sealed);
    old.sealed = await sealRecord(former, "alice", old.version, record);
    Object.assign(server, old);
    await assertCode("authentication", after.names);
  });
});

Deno.test("a record of another size, or of another person, is refused", async () => {
  await withTwo(async (server, a) => {
    await make(a, "work");
    const { sealed } = server;
    server.sealed = new Uint8Array(0);
    await assertCode("protocol", a.names);
    const record = await openRecord(await identityOf("alice"), "alice", 1, sealed);
    server.sealed = await sealRecord(await identityOf("bob"), "alice", 1, record);
    await assertCode("authentication", a.names);
  });
});
