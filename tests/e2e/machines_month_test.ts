// A month of somebody with two laptops and a desktop, used in turn and at once.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { SyncedDrafts } from "../../client/sync_drafts.ts";
import { groupsOf, planDiscard, planGroup } from "../../client/mailbox/groups.ts";
import { listAll } from "../support/ledger.ts";
import { emptyDraft } from "../../client/state/drafts.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { loadBundle, publicKeyPath } from "../../files/key_files.ts";
import { FULL } from "../support/full.ts";
import { makeGroup } from "../support/group_folder.ts";
import { messageText } from "../support/message_text.ts";
import { ServerProcess } from "../support/program.ts";
import { openSession, type Session } from "../support/session.ts";

/** A month; of it, a long weekend in the short form. */
const DAYS = FULL ? 30 : 3;
const MACHINES = ["laptop", "old laptop", "desktop"];
const OTHERS = ["bob", "carol", "dave"];

/** Numbers below `below` that a seed gives, so that a month that fails can be lived again. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** What somebody does on one machine until they leave it. */
class Sitting {
  readonly #drafts: SyncedDrafts;

  constructor(
    readonly session: Session,
    readonly random: (below: number) => number,
    readonly place: Place,
  ) {
    this.#drafts = new SyncedDrafts(session.mail);
    session.mail.shared.onNotice = (line) => place.told.push(line);
  }

  /** Sees what the other machines did, and shows them what was done here. */
  async sync(): Promise<void> {
    const { mail } = this.session;
    await mail.shareTrust();
    await mail.sync();
    const { problems } = await this.#drafts.run();
    assertEquals(problems, []);
  }

  async #any(folder: "inbox" | null = null): Promise<number | null> {
    const items = await this.session.mail.list({ folder, limit: 100 });
    const uids = items.filter(({ entry }) => entry.folder !== "drafts").map(({ entry }) =>
      entry.uid
    );
    return uids[this.random(uids.length)] ?? null;
  }

  async #drafted(): Promise<string | null> {
    const { drafts } = await this.session.mail.drafts.list();
    return drafts[this.random(drafts.length)]?.id ?? null;
  }

  /** Does one thing, as people do at a mail program. */
  async act(): Promise<void> {
    const { session: { mail }, random, place } = this;
    const label = `${place.next++}`;
    switch (random(10)) {
      case 0:
        await mail.send({ to: ["bob"], subject: label, text: `text ${label}`, attachments: [] });
        return void place.sent.push(label);
      case 1:
      case 2: {
        const uid = await this.#any("inbox");
        const [item] = await mail.list({
          folder: "inbox",
          limit: 1,
          ...uid && { before: uid + 1 },
        });
        if (!item?.opened) return;
        const { subject } = item.opened.summary;
        assertStringIncludes(await messageText(mail, item.opened), btoa(`text ${subject}`));
        return void await mail.flag([item.entry.uid], ["seen"]);
      }
      case 3: {
        const [uid, folder] = [await this.#any(), await this.#folder()];
        if (uid !== null && folder !== null) await mail.flag([uid], ["flagged"], [], folder);
        return;
      }
      case 4:
        return void await mail.makeFolder(`folder ${label}`);
      case 5: {
        const [first] = (await mail.names()).folders;
        if (first) await mail.renameFolder(first.shown, `renamed ${label}`).catch(allowLost);
        return;
      }
      case 6: {
        const name = OTHERS[random(OTHERS.length)] ?? "";
        const { fp } = await loadBundle(publicKeyPath(join(place.dir, name), name));
        await mail.recipients([name]);
        await mail.people.pins.verify(name, fp, "in-person");
        return void place.verified.add(name);
      }
      case 7:
        await mail.drafts.save({ ...emptyDraft(), subject: label, text: `draft ${label}` });
        return void place.drafts.add(`draft ${label}`);
      case 8: {
        const id = await this.#drafted();
        if (id === null) return;
        const draft = await mail.drafts.load(id);
        await mail.drafts.save({ ...draft, text: `${draft.text}, and ${label}` });
        place.touched.add(draft.text.split(",")[0] ?? "");
        return;
      }
      case 9: {
        const members = OTHERS.slice(0, 1 + random(OTHERS.length));
        const name = `team${random(3)}`;
        return await mail.changeGroups((record) => {
          const there = groupsOf(record).some((group) => group.name === name);
          return there
            ? planDiscard(record, name)
            : planGroup(record, { name, members, version: 1 });
        });
      }
    }
  }

  async #folder() {
    const { folders } = await this.session.mail.names();
    return folders[this.random(folders.length)]?.number ?? null;
  }

  /** All that a person sees here. */
  async seen() {
    const { mail } = this.session;
    const items = await mail.list({ folder: null, limit: 10_000 });
    for (const { entry, opened, problem } of items) {
      assert(opened !== null, `${entry.uid}: ${problem}`);
    }
    const names = await mail.names();
    const { drafts, unreadable } = await mail.drafts.list();
    assertEquals(unreadable, []);
    return {
      entries: items.map(({ entry }) => entry).sort((x, y) => x.uid - y.uid),
      folders: names.folders.map(({ number, shown }) => [number, shown]),
      groups: (await mail.groups()).map(({ name, members }) => [name, members]),
      pins: mail.people.pins.all().map(({ name, fp, verified }) => [name, fp, verified !== null])
        .sort(),
      drafts: drafts.map(({ subject, text }) => [subject, text]).sort(),
    };
  }
}

/** What happened in the month, by whoever lived it. */
interface Place {
  readonly dir: string;
  next: number;
  readonly sent: string[];
  readonly verified: Set<string>;
  readonly drafts: Set<string>;
  /** Drafts that were gone on with, on whichever machine. */
  readonly touched: Set<string>;
  readonly told: string[];
}

/** A change that lost against one of the same moment is told, and no fault. */
function allowLost(error: unknown): void {
  if (!isSealpostError(error, "version-conflict", "usage")) throw error;
}

Deno.test("a month of three machines, in turn and at once: nothing is lost, and nothing differs at its end", async () => {
  const seed = FULL ? Math.floor(Math.random() * 2 ** 32) : 7;
  const random = chance(seed);
  const { dir, remove } = await makeGroup(["alice", ...OTHERS]);
  const server = await ServerProcess.start({ cwd: dir });
  const place: Place = {
    ...{ dir, next: 1, sent: [], told: [] },
    ...{ verified: new Set<string>(), drafts: new Set<string>(), touched: new Set<string>() },
  };
  const open: Session[] = [];
  const log = async (name: string, own = name) => {
    const session = await openSession(dir, name, server.address, own, 3);
    open.push(session);
    return session;
  };
  const leaveAll = async () => {
    for (const { mail } of open.splice(0)) await mail.close();
  };
  const sit = async (machine: string) => {
    const sitting = new Sitting(await log("alice", machine), random, place);
    await sitting.sync();
    return sitting;
  };
  try {
    for (const machine of MACHINES) {
      await Deno.mkdir(join(dir, machine), { mode: 0o700 });
      for (const file of ["alice_private.pem", "alice_public.pem", "server_public.pem"]) {
        await Deno.copyFile(join(dir, "alice", file), join(dir, machine, file));
      }
    }
    for (const name of OTHERS) await log(name);
    // As a link does it: the machines know of each other from the first day on.
    for (const machine of MACHINES) await (await sit(machine)).session.mail.shared.introduce();
    await leaveAll();
    for (let day = 0; day < DAYS; day++) {
      const bob = await log("bob");
      const label = `${place.next++}`;
      await bob.mail.send({
        to: ["alice"],
        subject: label,
        text: `text ${label}`,
        attachments: [],
      });
      // The old laptop lies in a drawer for the second and third week.
      const used = MACHINES.filter((one) => one !== "old laptop" || day < 7 || day > 20);
      if (random(2) === 0) {
        const sittings: Sitting[] = [];
        for (const machine of used) sittings.push(await sit(machine));
        for (let round = 0; round < 2; round++) {
          await Promise.all(sittings.map((sitting) => sitting.act()));
        }
        await Promise.all(sittings.map((sitting) => sitting.sync()));
      } else {
        const machine = used[random(used.length)] ?? "";
        const sitting = await sit(machine);
        for (let i = 0; i < 4; i++) await sitting.act();
        await sitting.sync();
      }
      await leaveAll();
    }

    // Each of them sees what the last of the others had not shown before.
    for (let round = 0; round < 2; round++) {
      for (const machine of MACHINES) {
        await sit(machine);
        await leaveAll();
      }
    }
    const all = [];
    for (const machine of MACHINES) all.push(await sit(machine));
    const [first, ...others] = await Promise.all(all.map((sitting) => sitting.seen()));
    assert(first);
    for (const other of others) assertEquals(other, first, `seed ${seed}`);
    const [sitting] = all;
    assert(sitting);
    const { entries } = await listAll(sitting.session.link);
    assertEquals(first.entries, entries.toSorted((x, y) => x.uid - y.uid));
    const items = await sitting.session.mail.list({ folder: null, limit: 10_000 });
    const subjects = items.map(({ opened }) => opened?.summary.subject ?? "");
    for (const label of place.sent) assert(subjects.includes(label), `${label}, seed ${seed}`);
    const verified = first.pins.filter(([, , one]) => one).map(([name]) => name);
    assertEquals(verified, [...place.verified].sort(), `seed ${seed}`);
    // A draft that was changed on two machines at once is there twice, with both texts.
    const texts = first.drafts.map(([, text]) => text);
    for (const text of place.drafts) {
      const found = texts.filter((one) => one === text || one?.startsWith(`${text},`));
      assert(found.length > 0, `${text}, seed ${seed}`);
      if (!place.touched.has(text)) assertEquals(found, [text], `seed ${seed}`);
    }
    const alarms = place.told.filter((line) => line.includes("older names"));
    assertEquals(alarms, [], "no machine of one's own looks like a lie of the server");
  } finally {
    await leaveAll();
    await server.stop();
    await remove();
  }
});
