import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../../../crypto/error.ts";
import { parseLife } from "../../../client/state/unlock.ts";
import { forgetUnlocked, keepUnlocked, loadUnlocked } from "../../../client/state/unlocked.ts";
import { assertRefused, testUnless } from "../../support/testing.ts";
import { newIdentityOf } from "../../support/identities.ts";

const HOUR = 3_600_000;
const keys = await newIdentityOf("alice");

interface Place {
  readonly dir: string;
  readonly runtime: string;
  readonly blob: string;
  /** The files in the runtime folder. */
  keys(): string[];
}

async function inPlace(test: (place: Place) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  const [dir, runtime] = [join(root, "alice"), join(root, "run", "sealpost")];
  await Deno.mkdir(dir);
  try {
    await test({
      dir,
      runtime,
      blob: join(dir, ".sealpost", "alice", "unlocked"),
      keys: () => [...Deno.readDirSync(runtime)].map(({ name }) => join(runtime, name)),
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function keep({ dir, runtime }: Place, until = Date.now() + HOUR): Promise<void> {
  await keepUnlocked(dir, "alice", [await newIdentityOf("alice")], until, runtime);
}

function load({ dir, runtime }: Place) {
  return loadUnlocked(dir, "alice", runtime);
}

async function assertGone(place: Place): Promise<void> {
  assertEquals(await load(place), null);
  assertEquals([await exists(place.blob), place.keys()], [false, []]);
}

Deno.test("unlocked keys are the same keys, until they are locked", async () => {
  await inPlace(async (place) => {
    assertEquals(await load(place), null);
    await keep(place);
    const [loaded, ...others] = await load(place) ?? [];
    assertEquals([loaded?.bundle.fp, others], [keys.bundle.fp, []]);
    assertEquals(loaded?.mlkemSeed, keys.mlkemSeed);
    // Once more takes the place of the first.
    await keep(place);
    assertEquals(place.keys().length, 1);
    assert(await forgetUnlocked(place.dir, "alice", place.runtime));
    await assertGone(place);
    assertEquals(await forgetUnlocked(place.dir, "alice", place.runtime), false);
  });
});

Deno.test("neither half alone gives anything away, and both are for their owner only", async () => {
  await inPlace(async (place) => {
    await keep(place);
    const [path = ""] = place.keys();
    const [blob, key] = [await Deno.readFile(place.blob), await Deno.readFile(path)];
    assertEquals(key.length, 32);
    for (const secret of [keys.mlkemSeed, keys.pkcs8.ed25519, keys.pkcs8.rsa.subarray(40, 80)]) {
      assert(!includes(blob, secret) && !includes(key, secret));
    }
    if (Deno.build.os !== "windows") {
      for (const file of [place.blob, path]) {
        assertEquals((await Deno.stat(file)).mode, 0o100600);
      }
      assertEquals((await Deno.stat(place.runtime)).mode, 0o40700);
    }
    await Deno.remove(path);
    await assertGone(place);
  });
});

Deno.test("what was unlocked ends in time, and not later by an altered file", async () => {
  await inPlace(async (place) => {
    await keep(place, Date.now() - 1);
    await assertGone(place);
    await keep(place);
    const whole = await Deno.readFile(place.blob);
    // Version, id, since, until, and the first and the last of the sealed bytes.
    for (const at of [0, 1, 17, 22, 25, 30, 32, 33, whole.length - 1]) {
      await keep(place);
      const altered = await Deno.readFile(place.blob);
      altered[at] = (altered[at] ?? 0) ^ 1;
      await Deno.writeFile(place.blob, altered);
      assertEquals(await load(place), null, `at ${at}`);
      assertEquals(await exists(place.blob), false);
    }
    await keep(place);
    await Deno.writeFile(place.blob, whole.subarray(0, 20));
    assertEquals(await load(place), null);
    // Unlocked for one user is not unlocked for another.
    await keep(place);
    await Deno.mkdir(join(place.dir, ".sealpost", "bob"), { recursive: true });
    await Deno.copyFile(place.blob, join(place.dir, ".sealpost", "bob", "unlocked"));
    assertEquals(await loadUnlocked(place.dir, "bob", place.runtime), null);
  });
});

testUnless(
  Deno.build.os === "windows" ? "files have no modes on Windows" : null,
  "a folder or a file that others can read is not used",
  async () => {
    await inPlace(async (place) => {
      await Deno.mkdir(place.runtime, { recursive: true, mode: 0o755 });
      await Deno.chmod(place.runtime, 0o755);
      const error = await assertRejects(() => keep(place), SealpostError);
      assertEquals(error.code, "key-permissions");
      await Deno.chmod(place.runtime, 0o700);
      for (const path of [() => place.blob, () => place.keys()[0] ?? ""]) {
        await keep(place);
        await Deno.chmod(path(), 0o644);
        await assertGone(place);
      }
    });
  },
);

Deno.test("without a folder that goes with the login nothing is kept", async () => {
  await inPlace(async ({ dir, blob }) => {
    const until = Date.now() + HOUR;
    const error = await assertRejects(
      async () => await keepUnlocked(dir, "alice", [await newIdentityOf("alice")], until, null),
      SealpostError,
    );
    assertEquals([error.code, await exists(blob)], ["config", false]);
    assertEquals(await loadUnlocked(dir, "alice", null), null);
  });
});

Deno.test("times to stay unlocked are a minute to a week", () => {
  assertEquals(["1m", "8h", "7d"].map(parseLife), [60_000, 8 * HOUR, 7 * 24 * HOUR]);
  for (const wrong of ["", "8", "h", "0m", "8d", "1.5h", "-1h", "8 h", "99999h"]) {
    assertRefused("usage", () => parseLife(wrong));
  }
});

function includes(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; at + part.length <= bytes.length; at++) {
    if (part.every((byte, i) => bytes[at + i] === byte)) return true;
  }
  return false;
}
