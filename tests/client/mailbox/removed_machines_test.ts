import { assert, assertEquals } from "@std/assert";
import { forgetMachine, isRemoved, takeBack } from "../../../client/mailbox/removed_machines.ts";
import type { EntryChange } from "../../../client/mailbox/own_names.ts";
import type { RecordChange } from "../../../client/mailbox/shared_record.ts";
import { Pins } from "../../../client/state/pins.ts";
import { State } from "../../../client/state/state.ts";
import { EMPTY_RECORD, type SharedRecord } from "../../../protocol/shared_record.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

const LOST = "0a".repeat(8);
const OWN = "0b".repeat(8);
const KIT = { id: "AA==", x: "AA==", ek: "AA==", mac: "AA==", counter: 1, date: 1 };

/** The record as one machine sees it that is alone with it. */
class OneRecord {
  record: SharedRecord = EMPTY_RECORD;

  refresh(): Promise<SharedRecord> {
    return Promise.resolve(this.record);
  }

  change(plan: (record: SharedRecord) => readonly EntryChange[]): Promise<RecordChange> {
    const changes = plan(this.record);
    for (const { key, value } of changes) this.put(OWN, key, value);
    return Promise.resolve({ record: this.record, changes, lost: [] });
  }

  put(machine: string, key: string, value: EntryChange["value"]): void {
    const entries = new Map(this.record.entries);
    entries.set(key, { key, value, machine, version: entries.size + 1 });
    this.record = { ...this.record, entries };
  }
}

Deno.test("what a lost machine said is taken back: kit, verifications, and what else is listed", async () => {
  await inFolder(async (dir) => {
    const pins = await Pins.load(await State.open(dir, "alice", await identityOf("alice")));
    for (const name of ["bob", "carol", "dave"]) {
      const { bundle } = await identityOf(name);
      await pins.trustOnFirstUse(name, bundle);
      if (name !== "dave") await pins.verify(name, bundle.fp, "in-person");
    }
    const shared = new OneRecord();
    shared.put(LOST, "pin/bob", {});
    shared.put(OWN, "pin/carol", {});
    shared.put(LOST, "pin/dave", {});
    shared.put(LOST, "folder/16", { name: "Bills" });
    shared.put(LOST, `drafts-removed/${LOST}`, []);
    shared.put(OWN, "kit", KIT);
    const asked: string[] = [];
    let shares = 0;
    const mail = {
      shared,
      people: { pins },
      connection: {
        ask: ({ op }: { readonly op: string }) => Promise.resolve(asked.push(op)),
      },
      shareTrust: () => Promise.resolve(void shares++),
    };
    const taken = await takeBack(mail, LOST);
    assertEquals(taken, { unverified: ["bob"], changed: ["folder/16"] });
    assertEquals(asked, ["kit-drop"]);
    assertEquals(shared.record.entries.get("kit")?.value, undefined);
    const verified = pins.all().filter((pin) => pin.verified !== null).map(({ name }) => name);
    assertEquals(verified, ["carol"]);
    assertEquals(shares, 1);
    assert(!isRemoved(shared.record, LOST, 5), "what is broken off now can be done again");
  });
});

Deno.test("a machine that was removed is gone until the server sees it again", async () => {
  const shared = new OneRecord();
  assert(!isRemoved(shared.record, LOST, 5));
  const late = Date.now() + 1_000_000;
  await forgetMachine(shared, LOST, late);
  assert(isRemoved(shared.record, LOST, late), "by the server's clock, which is fast");
  assert(isRemoved(shared.record, LOST, null));
  assert(!isRemoved(shared.record, OWN, late));
  assert(!isRemoved(shared.record, LOST, late + 1));
  await forgetMachine(shared, LOST, late + 1);
  assert(isRemoved(shared.record, LOST, late + 1), "it is removed once more");
});
