import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { install, pinnedOf, type Unpacked } from "../../../client/setup/machine.ts";
import { openTerminal } from "../../../client/terminal/terminal.ts";
import {
  bundleToPem,
  encodeBundle,
  identityToPem,
  type NewIdentity,
  shortFingerprint,
} from "../../../crypto/identity.ts";
import { loadIdentity, saveIdentityFiles } from "../../../files/key_files.ts";
import { pinnedServers } from "../../../files/server_pin.ts";
import { HEAD_SIZE } from "../../../protocol/key_log.ts";
import { EMPTY_RECORD } from "../../../protocol/shared_record.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf, newIdentityOf } from "../../support/identities.ts";
import { assertRefusedAsync } from "../../support/testing.ts";
import { testInFull } from "../../support/full.ts";

const OLD = await newIdentityOf("alice");
const NEW = await newIdentityOf("alice renewed");
const server = (await identityOf("server")).bundle;
const formerServer = (await identityOf("a former server")).bundle;
const address = { host: "mail.lan", port: 13000 };
const terminal = openTerminal();
const RETIRED = `alice_private.${shortFingerprint(OLD.bundle.fp)}.pem`;

async function packageOf(key: NewIdentity, ...retired: NewIdentity[]): Promise<Unpacked> {
  const old = retired.map(async (one) => {
    return { short: shortFingerprint(one.bundle.fp), pem: await identityToPem(one) };
  });
  return {
    device: "laptop",
    address,
    bundle: server,
    one: {
      name: "alice",
      servers: [address],
      chain: [formerServer, server].map(encodeBundle),
      bundle: encodeBundle(key.bundle),
      key: await identityToPem(key),
      retired: await Promise.all(old),
      record: EMPTY_RECORD,
      seen: 0,
      head: new Uint8Array(HEAD_SIZE),
    },
  };
}

async function fpIn(dir: string) {
  return (await loadIdentity(dir, "alice", () => Promise.resolve(null))).bundle.fp;
}

/** Ends `work` where it gives a file its name for the time `n`, from 0; false if it came to its end. */
async function endedAt(n: number, work: () => Promise<unknown>): Promise<boolean> {
  const { rename } = Deno;
  let left = n;
  Deno.rename = async (...paths) => {
    if (left-- <= 0) throw new Deno.errors.Interrupted("killed");
    await rename(...paths);
  };
  try {
    await work();
    return false;
  } catch {
    assert(left < 0, "something else was wrong");
    return true;
  } finally {
    Deno.rename = rename;
  }
}

/** Installs, ended at each step, until it comes to its end; each time it is done again. */
async function atEachStep(
  before: (dir: string) => Promise<unknown>,
  unpacked: Unpacked,
  check: (dir: string) => Promise<void>,
): Promise<number> {
  for (let steps = 0;; steps++) {
    assert(steps < 50, "it does not end");
    let ended = false;
    await inFolder(async (parent) => {
      const dir = join(parent, "alice");
      await before(dir);
      ended = await endedAt(steps, () => install(terminal, unpacked, dir));
      await install(terminal, unpacked, dir);
      await check(dir);
    });
    if (!ended) return steps;
  }
}

Deno.test("a machine that is linked has all keys, also if that ended at any step and is done again", async () => {
  const steps = await atEachStep(
    () => Promise.resolve(),
    await packageOf(NEW, OLD),
    async (dir) => {
      assertEquals(await fpIn(dir), NEW.bundle.fp);
      assertEquals(Deno.readTextFileSync(join(dir, RETIRED)), await identityToPem(OLD));
      assertEquals((await pinnedServers(dir)).map(({ fp }) => fp), [server.fp, formerServer.fp]);
    },
  );
  assert(steps >= 3, `${steps} steps`);
});

testInFull(
  "a machine with former keys gets the new ones and keeps its own, also if that ended at any step",
  async () => {
    const passphrase = new TextEncoder().encode("correct horse");
    const own = new Map<string, string>();
    const steps = await atEachStep(
      async (dir) => {
        await saveIdentityFiles(dir, "alice", OLD, { passphrase });
        own.set(dir, Deno.readTextFileSync(join(dir, "alice_private.pem")));
      },
      await packageOf(NEW, OLD),
      async (dir) => {
        assertEquals(await fpIn(dir), NEW.bundle.fp);
        assertEquals(
          Deno.readTextFileSync(join(dir, RETIRED)),
          own.get(dir),
          "with its passphrase",
        );
      },
    );
    assert(steps >= 3, `${steps} steps`);
  },
);

Deno.test("what a person compared for a server that the package has not is not taken for what followed", async () => {
  await inFolder(async (parent) => {
    const dir = join(parent, "alice");
    const { bundle } = await identityOf("another server");
    await install(terminal, { ...await packageOf(NEW, OLD), bundle }, dir);
    assertEquals((await pinnedServers(dir)).map(({ fp }) => fp), [bundle.fp]);
  });
});

Deno.test("of a server with another key the one is pinned that the person's machines knew last", async () => {
  const { one } = await packageOf(NEW);
  assertEquals((await pinnedOf(one, server)).fp, server.fp);
  const answered = (await identityOf("another server")).bundle;
  assertEquals((await pinnedOf(one, answered)).fp, server.fp);
  assertEquals((await pinnedOf(one, formerServer)).fp, server.fp);
});

Deno.test("a key that was followed, or compared, at an earlier try stays the pinned one", async () => {
  const answered = (await identityOf("another server")).bundle;
  await inFolder(async (parent) => {
    const dir = join(parent, "alice");
    const unpacked = { ...await packageOf(NEW, OLD), answered };
    await install(terminal, unpacked, dir);
    assertEquals((await pinnedServers(dir)).map(({ fp }) => fp), [server.fp, formerServer.fp]);
    await Deno.writeTextFile(join(dir, "server_public.pem"), bundleToPem(answered));
    await install(terminal, unpacked, dir);
    assertEquals((await pinnedServers(dir))[0]?.fp, answered.fp);
  });
});

Deno.test("keys that the new ones did not follow on are never replaced", async () => {
  await inFolder(async (parent) => {
    const dir = join(parent, "alice");
    await saveIdentityFiles(dir, "alice", OLD);
    const unpacked = await packageOf(NEW);
    await assertRefusedAsync("file-exists", () => install(terminal, unpacked, dir));
    assertEquals(await fpIn(dir), OLD.bundle.fp);
    await assertRejects(() => Deno.stat(join(dir, RETIRED)));
  });
});

Deno.test("a folder that was left while the server got a new key follows when it is linked again", async () => {
  const former = (await identityOf("mallory")).bundle;
  const { one, ...rest } = await packageOf(NEW);
  await inFolder(async (parent) => {
    const dir = join(parent, "alice");
    const before = { ...rest, bundle: former, one: { ...one, chain: [encodeBundle(former)] } };
    await install(terminal, before, dir);
    await assertRefusedAsync("server-identity", () => install(terminal, { ...rest, one }, dir));
    const chain = [encodeBundle(former), encodeBundle(server)];
    await install(terminal, { ...rest, one: { ...one, chain } }, dir);
    const fps = (await pinnedServers(dir)).map(({ fp }) => fp);
    assertEquals(fps, [server.fp, former.fp]);
  });
});
