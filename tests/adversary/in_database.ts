import { join } from "@std/path";
import { initStore } from "../../server/maintenance/store_command.ts";
import type { DatabaseStore } from "../../server/maintenance/which_store.ts";
import { sharedCluster } from "../support/postgres.ts";

let wanted = false;

/** From now on, servers that are started have their mail in a database. */
export function keepMailInDatabases(): void {
  wanted = true;
}

/** An empty database for a server; null if its mail is in its folder. */
export async function makeDatabase(): Promise<DatabaseStore | null> {
  if (!wanted) return null;
  const cluster = await sharedCluster();
  const name = await cluster.makeDatabase();
  return { name: cluster.address(name), options: cluster.options(name) };
}

/** Has the server of the group in `dir` use a database, and makes the store there. */
export async function prepare(dir: string, { name, options }: DatabaseStore): Promise<void> {
  const server = join(dir, "server");
  await Deno.writeTextFile(
    join(server, "sealpost.toml"),
    `store = "${name}"\nstore-password-file = "store.password"\n`,
  );
  await Deno.writeTextFile(join(server, "store.password"), options.password, { mode: 0o600 });
  const log = console.log;
  console.log = () => {};
  try {
    await initStore({ dir: server, flags: new Map(), variables: VARIABLES, json: true });
  } finally {
    console.log = log;
  }
}

/** Variables of the tests that are no settings. */
const VARIABLES = ["SEALPOST_TESTS", "SEALPOST_TEST_PROGRAM", "SEALPOST_ADVERSARY"];
