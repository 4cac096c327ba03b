import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  isRenewalDue,
  type KeptKit,
  type KitConnection,
  kitNews,
  type KitState,
  knownKit,
  makeKit,
  renewKit,
} from "../../../client/mailbox/kits.ts";
import type { EntryChange } from "../../../client/mailbox/own_names.ts";
import { State } from "../../../client/state/state.ts";
import { type Bytes, concat } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { entropyOf } from "../../../crypto/words.ts";
import { decodePackage, type DevicePackage } from "../../../protocol/device_package.ts";
import { HEAD_SIZE } from "../../../protocol/key_log.ts";
import { openKit } from "../../../protocol/kit.ts";
import { EMPTY_RECORD, type SharedRecord } from "../../../protocol/shared_record.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

const HOUR = 3_600_000;
const ID = "00".repeat(16);

/** What the machines know of a kit that was made `age` milliseconds ago. */
function recordOf(age: number): SharedRecord {
  const value = {
    id: btoa("\0".repeat(16)),
    x: "AA==",
    ek: "AA==",
    mac: "AA==",
    counter: 1,
    date: Date.now() - age,
  };
  const entry = { key: "kit", value, version: 1, machine: "01".repeat(8) };
  return { entries: new Map([["kit", entry]]), machines: new Map() };
}

async function withState(work: (state: State) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    await work(await State.open(dir, "alice", await identityOf("alice")));
  });
}

const NONE: KeptKit = {};
const kept = (fetched?: number): KeptKit => ({
  kit: { id: ID, at: 1, ...fetched === undefined ? {} : { fetched } },
});
const never = () => Promise.reject(new Error("asked"));

Deno.test("that a kit was fetched is told once, and not to whoever has just fetched it", async () => {
  await withState(async (state) => {
    const record = recordOf(HOUR);
    const news = (account: KeptKit) => kitNews(record, account, state, never);
    assertEquals(await news(kept(5)), null, "the first login here");
    assertEquals(await news(kept(5)), null);
    assertStringIncludes(await news(kept(6)) ?? "", "It was fetched");
    assertEquals(await news(kept(6)), null);
    assertEquals(await news(kept()), null, "it was renewed");
    assertStringIncludes(await news(kept(7)) ?? "", "It was fetched");
  });
});

Deno.test("that a kit was fetched is told where there was none at the first login", async () => {
  await withState(async (state) => {
    assertEquals(await kitNews(EMPTY_RECORD, NONE, state, never), null);
    const text = await kitNews(recordOf(HOUR), kept(5), state, never);
    assertStringIncludes(text ?? "", "It was fetched");
  });
});

Deno.test("that a kit has vanished is told once, and not while it is on its way", async () => {
  await withState(async (state) => {
    const news = (age: number, again: KeptKit) =>
      kitNews(recordOf(age), NONE, state, () => Promise.resolve(again));
    assertEquals(await news(1000, NONE), null, "it was made just now");
    assertEquals(await news(HOUR, kept()), null, "the server has it by now");
    assertStringIncludes(await news(HOUR, NONE) ?? "", "does not have your recovery kit any more");
    assertEquals(await news(HOUR, NONE), null);
    assertEquals(await kitNews(recordOf(HOUR), kept(), state, never), null, "it is back");
    assertStringIncludes(await news(HOUR, NONE) ?? "", "does not have your recovery kit any more");
  });
});

const DAY = 24 * HOUR;
const MACHINE = "0123456789abcdef";

/** A server that keeps a kit, and the record that the person's machines share. */
class Model {
  record: SharedRecord = EMPTY_RECORD;
  kit: Bytes | null = null;
  refuses = false;

  readonly connection: KitConnection = {
    ask: () => {
      this.kit = null;
      return Promise.resolve({ ok: true });
    },
    upload: async (request, data) => {
      const sealed = concat(...await Array.fromAsync(data));
      if (this.refuses) throw new SealpostError("disk-full", "no room");
      assertEquals(sealed.length, request.size);
      this.kit = sealed;
      return { ok: true, at: Date.now() };
    },
  };

  readonly shared = {
    refresh: () => Promise.resolve(this.record),
    change: (plan: (record: SharedRecord) => readonly EntryChange[]) => {
      const changes = plan(this.record);
      const entries = new Map(this.record.entries);
      for (const { key, value } of changes) {
        const version = (entries.get(key)?.version ?? 0) + 1;
        entries.set(key, { key, value, version, machine: MACHINE });
      }
      this.record = { ...this.record, entries };
      return Promise.resolve({ record: this.record, changes, lost: [] });
    },
  };

  get known() {
    return knownKit(this.record) ?? raise();
  }
}

function raise(): never {
  throw new Error("there is no kit");
}

const pack = (seen: number) => (): Promise<DevicePackage> =>
  Promise.resolve({
    name: "alice",
    servers: [{ host: "mail.lan", port: 13000 }],
    chain: [new Uint8Array(1684)],
    bundle: new Uint8Array(1684),
    key: "-----BEGIN PRIVATE KEY-----\n",
    retired: [],
    record: EMPTY_RECORD,
    seen,
    head: new Uint8Array(HEAD_SIZE),
  });

Deno.test("a kit is renewed under its words, and no machine takes it for renewed that is not", async () => {
  const model = new Model();
  let words = "";
  const show = (shown: readonly string[]) => {
    words = shown.join(" ");
    return Promise.resolve();
  };
  await makeKit(model.shared, model.connection, pack(1), show);
  const first = model.known;
  const opened = async () => {
    const { counter, date, package: bytes } = await openKit(
      entropyOf(words, 24),
      model.kit ?? raise(),
    );
    return { counter, date, seen: decodePackage(bytes).seen };
  };
  assertEquals(await opened(), { counter: 1, date: first.date, seen: 1 });

  model.refuses = true;
  await assertRejects(() => renewKit(model.shared, model.connection, pack(2)), SealpostError);
  assertEquals(model.known, first);
  model.refuses = false;
  await renewKit(model.shared, model.connection, pack(3));
  const { counter, date } = model.known;
  assertEquals(counter, 2);
  assertEquals(await opened(), { counter, date, seen: 3 });
  assertEquals(model.known.id, first.id);
});

Deno.test("a kit is due for renewal after a month, and nothing is where there is none", async () => {
  const kept: KitState = { kind: "kept", date: 1000 * DAY, fetched: null };
  assertEquals(isRenewalDue(kept, 1030 * DAY), false);
  assertEquals(isRenewalDue(kept, 1030 * DAY + 1), true);
  assertEquals(isRenewalDue({ kind: "vanished" }, 2000 * DAY), false);
  const model = new Model();
  await renewKit(model.shared, model.connection, pack(1));
  assertEquals([model.kit, model.record], [null, EMPTY_RECORD]);
});
