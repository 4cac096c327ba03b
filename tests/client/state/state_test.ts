import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { fromUtf8, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import type { Identity } from "../../../crypto/identity.ts";
import { State } from "../../../client/state/state.ts";
import { identityOf } from "../../support/identities.ts";

const posix = Deno.build.os !== "windows";

async function inFolder(test: (dir: string, alice: Identity) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir, await identityOf("alice"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("what is written is read back, also by another client of the same identity", async () => {
  await inFolder(async (dir, alice) => {
    const state = await State.open(dir, "alice", alice);
    assertEquals(await state.read("pins"), null);
    await state.write("pins", utf8("secret content"));
    assertEquals(await state.read("pins"), utf8("secret content"));
    assertEquals(
      await (await State.open(dir, "alice", alice)).read("pins"),
      utf8("secret content"),
    );
    await state.write("pins", new Uint8Array(0));
    assertEquals(await state.read("pins"), new Uint8Array(0));
    await state.remove("pins");
    await state.remove("pins");
    assertEquals(await state.read("pins"), null);
  });
});

Deno.test("a file holds version, a fresh nonce and nothing readable, and nobody else may read it", async () => {
  await inFolder(async (dir, alice) => {
    const state = await State.open(dir, "alice", alice);
    await state.write("pins", utf8("secret content"));
    const first = await Deno.readFile(state.path("pins"));
    await state.write("pins", utf8("secret content"));
    const second = await Deno.readFile(state.path("pins"));
    assertEquals(first.length, 1 + 12 + 14 + 16);
    assertEquals([first[0], second[0]], [1, 1]);
    assertNotEquals(first.slice(1, 13), second.slice(1, 13));
    assert(!fromLatin1(first).includes("secret"));
    if (!posix) return;
    for (const path of [state.tempFolder(), join(dir, ".sealpost", "alice")]) {
      assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o700);
    }
    assertEquals(((await Deno.stat(state.path("pins"))).mode ?? 0) & 0o777, 0o600);
  });
});

function fromLatin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

Deno.test("a damaged, exchanged or foreign file is refused with what to do", async () => {
  await inFolder(async (dir, alice) => {
    const state = await State.open(dir, "alice", alice);
    await state.write("pins", utf8("content"));
    const good = await Deno.readFile(state.path("pins"));
    const refused = async (content: Uint8Array, code: string) => {
      await Deno.writeFile(state.path("pins"), content);
      const error = await assertRejects(() => state.read("pins"), SealpostError);
      assertEquals(error.code, code);
      assertMatch(error.message, /alice.pins .*restore it from a backup, or move it away/);
    };
    for (let i = 1; i < good.length; i++) {
      const flipped = good.slice();
      flipped[i] = (flipped[i] ?? 0) ^ 1;
      await refused(flipped, "authentication");
    }
    await refused(good.slice(0, -1), "authentication");
    await refused(good.slice(0, 20), "format");
    await refused(new Uint8Array([2, ...good.slice(1)]), "format");
    await refused(new Uint8Array(0), "format");
    // The same file under another name, or for another identity.
    await Deno.writeFile(state.path("other"), good);
    assertEquals(
      (await assertRejects(() => state.read("other"), SealpostError)).code,
      "authentication",
    );
    await Deno.writeFile(state.path("pins"), good);
    const stranger = await State.open(dir, "alice", await identityOf("bob"));
    assertEquals(
      (await assertRejects(() => stranger.read("pins"), SealpostError)).code,
      "authentication",
    );
    assertEquals(await state.read("pins"), utf8("content"));
  });
});

Deno.test("changes of clients that run at the same time all count", async () => {
  await inFolder(async (dir, alice) => {
    const clients = await Promise.all([1, 2, 3, 4].map(() => State.open(dir, "alice", alice)));
    await Promise.all(
      clients.flatMap((state) =>
        [1, 2, 3, 4, 5].map(() =>
          state.update("count", (current) => {
            const count = current === null ? 0 : Number(fromUtf8(current));
            return { data: utf8(`${count + 1}`), result: null };
          })
        )
      ),
    );
    assertEquals(await clients[0]?.read("count"), utf8("20"));
  });
});

Deno.test("an update that fails or has nothing to write changes nothing and frees the lock", async () => {
  await inFolder(async (dir, alice) => {
    const state = await State.open(dir, "alice", alice);
    await state.write("f", utf8("old"));
    await assertRejects(
      () => state.update("f", () => Promise.reject(new Error("no"))),
      Error,
      "no",
    );
    assertEquals(await state.update("f", () => ({ data: null, result: 7 })), 7);
    assertEquals(await state.read("f"), utf8("old"));
  });
});

Deno.test("names of users and files that are none never reach the file system", async () => {
  await inFolder(async (dir, alice) => {
    for (const name of ["../bob", "", "a/b", ".."]) {
      const error = await assertRejects(() => State.open(dir, name, alice), SealpostError);
      assertEquals(error.code, "format");
    }
    const state = await State.open(dir, "alice", alice);
    for (const file of ["../pins", "", "lock", "tmp", "A", ".x"]) {
      assertEquals((await assertRejects(() => state.read(file), SealpostError)).code, "internal");
    }
  });
});

Deno.test("temporary files that a crash left are removed, and young ones are not", async () => {
  await inFolder(async (dir, alice) => {
    const state = await State.open(dir, "alice", alice);
    const old = join(state.tempFolder(), "old");
    const young = join(state.tempFolder(), "young");
    for (const path of [old, young]) await Deno.writeTextFile(path, "plain text");
    const long = new Date(Date.now() - 2 * 3_600_000);
    await Deno.utime(old, long, long);
    await State.open(dir, "alice", alice);
    await assertRejects(() => Deno.stat(old), Deno.errors.NotFound);
    assertEquals(await Deno.readTextFile(young), "plain text");
  });
});
