import { assert, assertEquals, assertRejects } from "@std/assert";
import { utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { type Bundle, decodeBundle, formatFingerprint } from "../../../crypto/identity.ts";
import { Pins } from "../../../client/state/pins.ts";
import { State } from "../../../client/state/state.ts";
import { lookalikes, verification } from "../../../client/trust/verification.ts";
import { identityOf } from "../../support/identities.ts";

async function inState(test: (state: State, other: State) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const alice = await identityOf("alice");
    await test(await State.open(dir, "alice", alice), await State.open(dir, "alice", alice));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a key is pinned at first use and found again", async () => {
  await inState(async (state) => {
    const bob = await identityOf("bob");
    const pins = await Pins.load(state);
    assertEquals(pins.get("bob"), null);
    assertEquals(await pins.trustOnFirstUse("bob", bob.bundle), "new");
    assertEquals(await pins.trustOnFirstUse("bob", bob.bundle), "same");
    for (const known of [pins, await Pins.load(state)]) {
      const pin = known.get("bob");
      assert(pin !== null);
      assertEquals([pin.name, pin.fp, pin.verified], ["bob", bob.bundle.fp, null]);
      assert(Math.abs(pin.firstSeen - Date.now()) < 60_000);
      assertEquals((await decodeBundle(pin.bundle)).fp, bob.bundle.fp);
      assertEquals(known.byFp(bob.bundle.fp), pin);
      assertEquals(known.all(), [pin]);
    }
  });
});

Deno.test("another key for a known name is refused, with both and what to do", async () => {
  await inState(async (state) => {
    const [alice, bob] = [await identityOf("alice"), await identityOf("bob")];
    const pins = await Pins.load(state);
    await pins.trustOnFirstUse("bob", bob.bundle);
    const error = await assertRejects(
      () => pins.trustOnFirstUse("bob", alice.bundle),
      SealpostError,
    );
    assertEquals(error.code, "key-changed");
    const today = new Date().toISOString().slice(0, 10);
    for (
      const part of [
        `known since ${today} is ${formatFingerprint(bob.bundle.fp)}`,
        `offered is ${formatFingerprint(alice.bundle.fp)}`,
        "Ask bob in person or by phone",
      ]
    ) {
      assert(error.message.includes(part), error.message);
    }
    assertEquals((await Pins.load(state)).get("bob")?.fp, bob.bundle.fp);
  });
});

Deno.test("a key known of one person is refused for another", async () => {
  await inState(async (state) => {
    const bob = await identityOf("bob");
    const pins = await Pins.load(state);
    await pins.trustOnFirstUse("bob", bob.bundle);
    for (
      const change of [
        () => pins.trustOnFirstUse("carol", bob.bundle),
        () => pins.replace("carol", bob.bundle),
      ]
    ) {
      assertEquals((await assertRejects(change, SealpostError)).code, "key-changed");
    }
    assertEquals(pins.get("carol"), null);
  });
});

Deno.test("a key is replaced when the person says so", async () => {
  await inState(async (state) => {
    const [alice, bob] = [await identityOf("alice"), await identityOf("bob")];
    const pins = await Pins.load(state);
    await pins.trustOnFirstUse("bob", bob.bundle);
    await pins.replace("bob", alice.bundle);
    assertEquals(pins.get("bob")?.fp, alice.bundle.fp);
    assertEquals(pins.byFp(bob.bundle.fp), null);
    assertEquals(await (await Pins.load(state)).trustOnFirstUse("bob", alice.bundle), "same");
  });
});

Deno.test("two clients of one person do not lose each other's pins, nor pin twice", async () => {
  await inState(async (state, other) => {
    const [alice, bob] = [await identityOf("alice"), await identityOf("bob")];
    const [one, two] = [await Pins.load(state), await Pins.load(other)];
    await Promise.all([
      one.trustOnFirstUse("bob", bob.bundle),
      two.trustOnFirstUse("carol", alice.bundle),
    ]);
    assertEquals((await Pins.load(state)).all().map(({ name }) => name), ["bob", "carol"]);
    // One does not know yet what the other pinned.
    const error = await assertRejects(
      () => one.trustOnFirstUse("carol", bob.bundle),
      SealpostError,
    );
    assertEquals(error.code, "key-changed");
  });
});

Deno.test("a file of pins that does not follow its form is refused", async () => {
  await inState(async (state) => {
    for (
      const text of [
        "",
        "[]",
        '{"version":2,"pins":[]}',
        '{"version":1,"pins":[{"name":"../x","fp":"","bundle":"","firstSeen":0}]}',
        '{"version":1,"pins":[{"name":"bob"}]}',
      ]
    ) {
      await state.write("pins", utf8(text));
      assertEquals((await assertRejects(() => Pins.load(state), SealpostError)).code, "format");
    }
  });
});

Deno.test("a verification is remembered, and goes with the key", async () => {
  await inState(async (state) => {
    const [alice, bob] = [await identityOf("alice"), await identityOf("bob")];
    const pins = await Pins.load(state);
    await pins.trustOnFirstUse("bob", bob.bundle);
    assertEquals(verification(pins.get("bob")).state, "unverified");
    await pins.verify("bob", bob.bundle.fp, "by-file");
    assertEquals(verification(pins.get("bob")).state, "by-file");
    await pins.verify("bob", bob.bundle.fp, "in-person");
    await pins.verify("bob", bob.bundle.fp, "by-file");
    const { state: how, verified, at } = verification((await Pins.load(state)).get("bob"));
    assertEquals([how, verified], ["in-person", true]);
    assert(Math.abs((at ?? 0) - Date.now()) < 60_000);
    const other = await assertRejects(
      () => pins.verify("bob", alice.bundle.fp, "in-person"),
      SealpostError,
    );
    assertEquals(other.code, "key-changed");
    await pins.replace("bob", alice.bundle);
    for (const known of [pins, await Pins.load(state)]) {
      assertEquals(verification(known.get("bob")).state, "unverified");
    }
    await pins.verify("bob", alice.bundle.fp, "in-person");
    await pins.revokeVerification("bob");
    assertEquals(verification(pins.get("bob")).verified, false);
  });
});

Deno.test("another key that is offered takes the mark away until the right one is back", async () => {
  await inState(async (state) => {
    const [alice, bob] = [await identityOf("alice"), await identityOf("bob")];
    const pins = await Pins.load(state);
    await pins.trustOnFirstUse("bob", bob.bundle);
    await pins.verify("bob", bob.bundle.fp, "in-person");
    await pins.noteOffered([["bob", alice.bundle], ["carol", alice.bundle]]);
    const changed = (await Pins.load(state)).get("bob");
    const { state: how, verified, mark } = verification(changed);
    assertEquals([how, verified, mark], ["changed", false, "!"]);
    assertEquals([changed?.fp, changed?.offered?.fp], [bob.bundle.fp, alice.bundle.fp]);
    // Since when is not forgotten when it is seen again.
    await pins.noteOffered([["bob", alice.bundle]]);
    assertEquals((await Pins.load(state)).get("bob")?.offered, changed?.offered);
    await pins.noteOffered([["bob", bob.bundle]]);
    assertEquals(verification((await Pins.load(state)).get("bob")).state, "in-person");
    assertEquals(pins.get("carol"), null);
  });
});

Deno.test("what is sent under the successor of a verified key waits for the person's word", async () => {
  await inState(async (state) => {
    const [first, second, third] = await Promise.all(
      ["bob", "carol", "mallory"].map(async (name) => (await identityOf(name)).bundle),
    );
    assert(first && second && third);
    const step = (from: Bundle, to: Bundle, seq: number) => ({
      left: [{ bundle: from, seq: seq - 1, time: 1_700_000_000_000 }],
      now: { bundle: to, seq },
    });
    const pins = await Pins.load(state);
    await pins.trustOnFirstUse("bob", first);
    await pins.follow("bob", step(first, second, 1));
    assertEquals(pins.get("bob")?.unconfirmed, null, "one that was never verified");
    await pins.verify("bob", second.fp, "by-file");
    await pins.follow("bob", step(second, first, 2));
    const since = pins.get("bob")?.unconfirmed;
    assert(since);
    assertEquals(verification(pins.get("bob")).state, "rotated");
    // Another step before the person has said anything changes nothing about that.
    await pins.follow("bob", step(first, third, 3));
    assertEquals((await Pins.load(state)).get("bob")?.unconfirmed, since);

    const other = await Pins.load(state);
    await assertRejects(() => other.confirm("bob", first.fp), SealpostError, "key of bob");
    await other.confirm("bob", third.fp);
    assertEquals(pins.get("bob")?.unconfirmed, since);
    await pins.reload();
    const pin = pins.get("bob");
    assertEquals([pin?.unconfirmed, pin?.verified], [null, null]);
    assertEquals(verification(pin).state, "unverified");

    await pins.verify("bob", third.fp, "in-person");
    await pins.follow("bob", step(third, second, 4));
    assert(pins.get("bob")?.unconfirmed);
    await pins.verify("bob", second.fp, "in-person");
    assertEquals(pins.get("bob")?.unconfirmed, null);
  });
});

Deno.test("names that look alike are told from others", () => {
  const known = ["bob", "b0b", "william", "wi11iam", "modern", "alice", "a.lice", "vvim"];
  assertEquals(lookalikes("bob", known), ["b0b"]);
  assertEquals(lookalikes("william", known), ["wi11iam"]);
  assertEquals(lookalikes("wlllIam".toLowerCase(), known), ["wi11iam", "william"]);
  assertEquals(lookalikes("modem", known), ["modern"]);
  assertEquals(lookalikes("a-lice", known), ["a.lice", "alice"]);
  assertEquals(lookalikes("wim", known), ["vvim"]);
  assertEquals(lookalikes("bobby", known), []);
});
