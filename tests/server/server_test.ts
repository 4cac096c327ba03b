import { assertEquals } from "@std/assert";
import { exists } from "@std/fs";
import { openSqliteStore } from "../../server/store/sqlite_store.ts";
import { makeServerFolder } from "../support/server_folder.ts";
import { Serving } from "../support/serving.ts";
import { waitFor } from "../support/wait.ts";
import { assertCode, copyFor, delivered } from "./store/store_contract.ts";
import { join } from "@std/path";

Deno.test("what lies in Trash expires while the server runs, if that is wanted", async () => {
  const folder = await makeServerFolder(["alice"]);
  const store = await openSqliteStore(join(folder.dir, "mail"));
  await store.ensureAccounts(["alice"]);
  const day = 86_400_000;
  for (const [i, age] of [40, 20].entries()) {
    const receivedAt = Date.now() - age * day;
    await delivered(store, { copies: [copyFor("alice", { folder: "trash" })], receivedAt });
    await delivered(store, { copies: [copyFor("alice", { flags: ["seen"] })], receivedAt });
    assertEquals((await store.usage("alice")).entries, 2 * (i + 1));
  }
  await store.close();
  const count = async (settings: Record<string, string>) => {
    const serving = await Serving.of(folder, settings);
    const alice = await serving.session("alice");
    if (Object.keys(settings).length > 0) {
      await waitFor("expiry", () => serving.logged("expired").length > 0 ? true : null);
    }
    const { entries } = await alice.link.ask({ op: "whoami" });
    await alice.close();
    await serving.server.stop();
    return entries;
  };
  assertEquals(await count({}), 4);
  assertEquals(await count({ "expire-trash": "30d" }), 3);
  assertEquals(await count({ "expire-read": "30d" }), 2);
  await folder[Symbol.asyncDispose]();
});

Deno.test("where user_pass.json is missing or damaged a server does not start, and makes no store", async () => {
  await using folder = await makeServerFolder(["alice"]);
  const path = join(folder.dir, "user_pass.json");
  await Deno.writeTextFile(path, "{");
  await assertCode("config", () => Serving.of(folder));
  await Deno.remove(path);
  await assertCode("config", () => Serving.of(folder));
  assertEquals(await exists(join(folder.dir, "mail")), false);
});
