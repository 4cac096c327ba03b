import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { isPinned, pinBodies } from "../../../server/store/pin.ts";
import { openSqliteStore } from "../../../server/store/sqlite_store.ts";
import { inFolder } from "../../support/command.ts";
import { bindPeople, filesIn, sendThrough } from "../../support/filled_store.ts";
import { waitFor } from "../../support/wait.ts";
import { readAll } from "./store_contract.ts";

const bodiesIn = (folder: string) => filesIn(join(folder, "bodies"));

Deno.test("a pin holds as long as one of those who hold it", () =>
  inFolder(async (folder) => {
    assertEquals(await isPinned(folder), false);
    {
      using _one = await pinBodies(folder);
      {
        using _two = await pinBodies(folder);
        assertEquals(await isPinned(folder), true);
      }
      assertEquals(await isPinned(folder), true);
    }
    assertEquals(await isPinned(folder), false);
  }));

Deno.test("a pinned body outlives its message, and goes when the pin does", () =>
  inFolder(async (folder) => {
    const store = await openSqliteStore(folder);
    try {
      await bindPeople(store);
      await sendThrough(store, 300_000);
      await sendThrough(store, 300_000);
      const bodies = bodiesIn(folder);
      assertEquals(bodies.length, 2);
      {
        using _pin = await pinBodies(folder);
        for (const name of ["alice", "bob"]) await store.remove(name, [1, 2]);
        assertEquals(await readAll(store, "bob", 1), null);
        assertEquals(bodiesIn(folder), bodies);
        // A delivery that comes to nothing leaves nothing all the same: no snapshot can name it.
        const sink = await store.openBody(300_000);
        await sink.abort();
        assertEquals(bodiesIn(folder), bodies);
      }
      await waitFor("the bodies to go", () => bodiesIn(folder).length === 0 ? true : null);
    } finally {
      await store.close();
    }
  }));

Deno.test("a start under a pin removes nothing that the holder may need", () =>
  inFolder(async (folder) => {
    let store = await openSqliteStore(folder);
    await bindPeople(store);
    await sendThrough(store, 300_000);
    {
      using _pin = await pinBodies(folder);
      for (const name of ["alice", "bob"]) await store.remove(name, [1]);
      await store.close();
      store = await openSqliteStore(folder);
      await store.close();
      assertEquals(bodiesIn(folder).length, 1);
    }
    store = await openSqliteStore(folder);
    await store.close();
    assertEquals(bodiesIn(folder), []);
  }));
