// A removal of a lost machine that ends anywhere, as by `kill -9`.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { openLocalUser } from "../../client/session.ts";
import { RemovalFile } from "../../client/state/removal.ts";
import { openTerminal } from "../../client/terminal/terminal.ts";
import { random, toHex } from "../../crypto/bytes.ts";
import { testInFullUnless } from "../support/full.ts";
import { BUILD, Place, stoppable, wordsIn } from "../support/machines.ts";
import { ok } from "../support/outcomes.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";
import { waitFor } from "../support/wait.ts";

const missing = await whyNoTmux();

/** At how many steps, evenly over the removal, it is killed. */
const POINTS = Number(Deno.env.get("SEALPOST_CRASH_POINTS") ?? 8);

/** After so many removals another account goes on: a key changes at most ten times a day. */
const A_DAY = 8;

const COUNTED = stoppable(BUILD);

/** Alice, whose machines are lost one after another, and bob, whom each has verified. */
class Losing implements AsyncDisposable {
  /** What alice chose last, and what she had before. */
  password = "password of alice";
  chosen = this.password;
  #changed = 0;
  #lost = 0;

  constructor(readonly place: Place) {}

  /** The password that the server has. */
  get present(): string {
    const { stderr } = this.place.server.program;
    return stderr.split("password-changed").length - 1 > this.#changed
      ? this.chosen
      : this.password;
  }

  /** How often alice has got new keys. */
  get rotations(): number {
    return this.place.server.program.stderr.split("key-rotated").length - 1;
  }

  run(folder: string, ...args: string[]) {
    return this.place.runWith(this.present, folder, ...args);
  }

  /** Gives alice another machine, which verifies bob; returns its name. */
  async lose(): Promise<string> {
    const { dir } = this.place;
    const name = `lost${++this.#lost}`;
    await Deno.mkdir(join(dir, name), { mode: 0o700 });
    const files = [
      ...["alice_private.pem", "alice_public.pem", "server_public.pem"],
      ...["sealpost.toml", "bob.txt"],
    ];
    for (const file of files) {
      await Deno.copyFile(join(dir, "alice", file), join(dir, name, file));
    }
    // What the others know first: what it says of bob is a change then.
    ok(await this.run(name, "status"));
    ok(await this.run(name, ...["keys", "import", "bob.txt"]));
    ok(await this.run(name, "status"));
    return name;
  }

  /** Starts `devices remove`; `stop`: the file for its steps, and the one at which it stands still. */
  remove(machine: string, stop: string): Promise<Screen> {
    return Screen.start(["devices", "remove", machine], {
      cwd: join(this.place.dir, "alice"),
      build: COUNTED,
      columns: 120,
      rows: 60,
      env: {
        HOME: this.place.dir,
        SEALPOST_HOME: ".",
        SEALPOST_PASSWORD: this.present,
        SEALPOST_STOP_AT: stop,
      },
    });
  }

  /** Answers as somebody who has lost a machine, with a new password. */
  async answer(screen: Screen): Promise<void> {
    const next = `password of alice since ${this.#lost}`;
    const text = await screen.see(/\(lost, retired, or Enter\)|New password:/);
    if (!text.includes("New password:")) await screen.converse([["or Enter)", "lost"]]);
    await screen.converse([["New password:", next]]);
    await screen.expect("The same again:");
    if (this.chosen !== next) {
      this.password = this.present;
      this.chosen = next;
      this.#changed = this.place.server.program.stderr.split("password-changed").length - 1;
    }
  }

  enterAgain(screen: Screen): Promise<void> {
    return screen.enter(this.chosen);
  }

  /** The end of a removal: new words are offered, and written down. */
  async finish(screen: Screen): Promise<void> {
    await screen.converse([["Write them down now? (y/N)", "y"]]);
    assertEquals(wordsIn(await screen.see("on paper, all 24? (y/N)")).length, 24);
    await screen.enter("y");
    assertEquals((await screen.ended()).code, 0, await screen.text());
  }

  /** Asserts that all of a removal was done. */
  async assertRemoved(machine: string, kit = true): Promise<void> {
    const list = JSON.parse(ok(await this.run("alice", "devices", "list", "--json")));
    const labels = list.map(({ label }: { label: string }) => label);
    assert(!labels.includes(machine), `${machine} is on the list`);
    const keys = JSON.parse(ok(await this.run("alice", "keys", "list", "--json")));
    const bob = keys.find(({ name }: { name: string }) => name === "bob");
    assertEquals(bob.verified, false, "what the lost machine verified counts no more");
    assertEquals(this.present, this.chosen);
    const status = await this.run("alice", "status");
    if (kit) assertStringIncludes(ok(status), "Your recovery kit is of");
    assert(!status.stderr.includes("was broken off"), status.stderr);
  }

  [Symbol.asyncDispose]() {
    return this.place[Symbol.asyncDispose]();
  }
}

/** Alice with mail and a kit, and a card of bob's for machines that verify him. */
async function begin(): Promise<Losing> {
  const place = await Place.make("alice", "bob");
  ok(await place.run("alice", "alice", ...["send", "-t", "alice", "-s", "to keep"]));
  ok(await place.run("bob", "bob", "status"));
  await Deno.writeTextFile(
    join(place.dir, "alice", "bob.txt"),
    ok(await place.run("bob", "bob", "keys", "export")),
  );
  await place.kit("alice", "alice");
  return new Losing(place);
}

testInFullUnless(
  missing,
  "a removal that is killed anywhere leaves all as it was, or goes on when it is run again",
  async (t) => {
    let losing = await begin();
    await using ends = new AsyncDisposableStack();
    ends.defer(() => losing[Symbol.asyncDispose]());
    const count = async (path: string) => (await Deno.stat(path)).size;
    let [first, last] = [0, 0];

    const whole = await t.step("one that ends by itself shows its steps", async () => {
      const machine = await losing.lose();
      const steps = join(losing.place.dir, "steps");
      await using screen = await losing.remove(machine, steps);
      await losing.answer(screen);
      first = await count(steps);
      await losing.enterAgain(screen);
      await screen.see("Write them down now? (y/N)");
      last = await count(steps);
      await losing.finish(screen);
      await losing.assertRemoved(machine);
      assert(last - first > 20, `${last - first} steps`);
    });

    await t.step("one whose machine is off the list already is finished all the same", async () => {
      const dir = join(losing.place.dir, "alice");
      const { state } = await openLocalUser(openTerminal(), dir, "alice");
      // As it is where only this was left to be forgotten.
      const lost = { id: toHex(random(8)), label: "lost1", last: null };
      const begun = { machines: [lost], from: random(32), password: true };
      await new RemovalFile(state).save(begun);
      await using screen = await losing.remove("lost1", join(losing.place.dir, "unlimited"));
      await screen.see("was broken off, and goes on");
      await losing.answer(screen);
      await losing.enterAgain(screen);
      await losing.finish(screen);
      await losing.assertRemoved("lost1");
    });

    for (let point = 0; whole && point < POINTS; point++) {
      const at = first + 1 + Math.floor(point * (last - first) / POINTS);
      await t.step(`killed at step ${at - first} of ${last - first}`, async () => {
        if (point > 0 && point % A_DAY === 0) {
          await losing[Symbol.asyncDispose]();
          losing = await begin();
        }
        const machine = await losing.lose();
        const steps = join(losing.place.dir, `steps-${at}`);
        const { rotations } = losing;
        {
          await using screen = await losing.remove(machine, `${steps}:${at}`);
          await losing.answer(screen);
          await losing.enterAgain(screen);
          await waitFor(`step ${at}`, async () => await count(steps) >= at || null);
          await screen.kill();
          assertEquals((await screen.ended()).code, 137);
        }
        // Whatever was done by then: the person reads their mail, and is told if there is more to do.
        const inbox = await losing.run("alice", "inbox");
        assertStringIncludes(ok(inbox), "to keep");
        const told = inbox.stderr.includes(`The removal of ${machine} was broken off`);
        if (losing.rotations > rotations && !told) {
          return await losing.assertRemoved(machine, false);
        }
        await using screen = await losing.remove(machine, join(losing.place.dir, "unlimited"));
        const text = await screen.see(/\(lost, retired, or Enter\)|New password:/);
        assertEquals(text.includes("was broken off, and goes on"), told, text);
        await losing.answer(screen);
        await losing.enterAgain(screen);
        await losing.finish(screen);
        await losing.assertRemoved(machine);
      });
    }

    await t.step("none of them logs in with any password", async () => {
      const sent = ["send", "-t", "alice", "-s", "after all"];
      ok(await losing.place.run("bob", "bob", ...sent));
      const thief = await losing.run("lost1", "inbox");
      assert(thief.code !== 0 && !thief.stdout.includes("after all"), thief.stdout);
      assertStringIncludes(ok(await losing.run("alice", "inbox")), "after all");
    });
  },
);
