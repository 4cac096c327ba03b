import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { bundleToPem, shortFingerprint } from "../../crypto/identity.ts";
import { loadIdentity, saveIdentityFiles } from "../../files/key_files.ts";
import { NextKeys } from "../../files/next_keys.ts";
import { inFolder } from "../support/command.ts";
import { newIdentityOf } from "../support/identities.ts";

const OLD = await newIdentityOf("alice");
const NEW = await newIdentityOf("alice renewed");

const NONE = () => Promise.resolve(null);
const FILES = {
  private: "alice_private.pem",
  public: "alice_public.pem",
  nextPrivate: "alice_private.next.pem",
  nextPublic: "alice_public.next.pem",
  retired: `alice_private.${shortFingerprint(OLD.bundle.fp)}.pem`,
};

async function withKeys(work: (dir: string) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    await saveIdentityFiles(dir, "alice", OLD);
    await work(dir);
  });
}

function namesIn(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

async function fpOf(dir: string) {
  return (await loadIdentity(dir, "alice", NONE)).bundle.fp;
}

Deno.test("new keys wait beside the old ones, and take their place; the old private key stays", async () => {
  await withKeys(async (dir) => {
    assertEquals(await NextKeys.waiting(dir, "alice"), false);
    assertEquals(await NextKeys.take(dir, "alice"), null);
    using next = await NextKeys.prepare(dir, "alice", NEW);
    assertEquals(await NextKeys.waiting(dir, "alice"), true);
    assertEquals(await fpOf(dir), OLD.bundle.fp);
    assertEquals((await next.load(NONE)).bundle.fp, NEW.bundle.fp);
    assertEquals(await next.inPlace(), false);
    if (Deno.build.os !== "windows") {
      assertEquals((Deno.statSync(join(dir, FILES.nextPrivate)).mode ?? 0) & 0o777, 0o600);
    }
    const old = Deno.readTextFileSync(join(dir, FILES.private));
    await next.finish();
    assertEquals(await fpOf(dir), NEW.bundle.fp);
    assertEquals(Deno.readTextFileSync(join(dir, FILES.retired)), old);
    assertEquals(namesIn(dir), [FILES.retired, FILES.private, FILES.public].sort());
  });
});

Deno.test("new keys are removed without a trace, and with a passphrase they need it", async () => {
  await withKeys(async (dir) => {
    const passphrase = utf8("correct horse");
    using next = await NextKeys.prepare(dir, "alice", NEW, passphrase);
    const error = await assertRejects(() => next.load(NONE), SealpostError);
    assertEquals(error.code, "passphrase");
    assertEquals((await next.load(() => Promise.resolve(passphrase))).bundle.fp, NEW.bundle.fp);
    await next.discard();
    assertEquals(namesIn(dir), [FILES.private, FILES.public].sort());
    await next.discard();
  });
});

Deno.test("of those that change keys at the same moment one has them, until it lets go", async () => {
  await withKeys(async (dir) => {
    const first = await NextKeys.prepare(dir, "alice", NEW);
    assertEquals(await NextKeys.take(dir, "alice"), null);
    const error = await assertRejects(() => NextKeys.prepare(dir, "alice", OLD), SealpostError);
    assertEquals(error.code, "file-exists");
    // What the first has is untouched by that.
    assertEquals(Deno.readTextFileSync(join(dir, FILES.nextPublic)), bundleToPem(NEW.bundle));
    first[Symbol.dispose]();
    using second = await NextKeys.take(dir, "alice");
    assert(second);
    assertEquals((await second.load(NONE)).bundle.fp, NEW.bundle.fp);
  });
});

Deno.test("a change that ends at any step is completed by doing it again", async (t) => {
  const steps: readonly (readonly [string, inPlace: boolean, (dir: string) => void])[] = [
    ["before anything", false, () => {}],
    ["with an empty file in the place of the retired key", false, (dir) => {
      Deno.writeTextFileSync(join(dir, FILES.retired), "");
    }],
    ["with the retired key", false, (dir) => {
      Deno.copyFileSync(join(dir, FILES.private), join(dir, FILES.retired));
    }],
    ["with the new private key in its place", true, (dir) => {
      Deno.copyFileSync(join(dir, FILES.private), join(dir, FILES.retired));
      Deno.copyFileSync(join(dir, FILES.nextPrivate), join(dir, FILES.private));
    }],
    ["with both in their place", true, (dir) => {
      Deno.copyFileSync(join(dir, FILES.private), join(dir, FILES.retired));
      Deno.copyFileSync(join(dir, FILES.nextPrivate), join(dir, FILES.private));
      Deno.copyFileSync(join(dir, FILES.nextPublic), join(dir, FILES.public));
    }],
  ];
  for (const [name, inPlace, leave] of steps) {
    await t.step(name, () =>
      withKeys(async (dir) => {
        (await NextKeys.prepare(dir, "alice", NEW))[Symbol.dispose]();
        const old = Deno.readTextFileSync(join(dir, FILES.private));
        leave(dir);
        using next = await NextKeys.take(dir, "alice");
        assert(next);
        assertEquals(await next.inPlace(), inPlace);
        await next.finish();
        assertEquals(await fpOf(dir), NEW.bundle.fp);
        assertEquals(Deno.readTextFileSync(join(dir, FILES.retired)), old);
        assertEquals(namesIn(dir), [FILES.retired, FILES.private, FILES.public].sort());
      }));
  }
});
