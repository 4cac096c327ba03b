import { SealpostError } from "../../crypto/error.ts";
import { databaseOf } from "../accounts/open_store.ts";
import { settingsAround } from "../settings/environment.ts";
import { loadSettings } from "../settings/settings.ts";
import type { PoolOptions } from "../store/postgres/pool.ts";

/** Says which store a command is about. */
export interface WhichStore {
  /** The server's folder. */
  readonly dir: string;
  /** The settings of the command line, as they were typed, by name. */
  readonly flags?: ReadonlyMap<string, string>;
}

/** A store in a database, and how those are connected to who read or write all of it. */
export interface DatabaseStore {
  /** Its address, as the settings have it. */
  readonly name: string;
  readonly options: PoolOptions;
}

/** How long a statement may take that looks at all rows of a table, milliseconds. */
const STUCK = 6 * 3_600_000;

/**
 * The database that has the mail of a server, null if that is in its folder. Throws `config`, `usage` and
 * `file-io` as the settings do.
 */
export async function databaseFor(which: WhichStore): Promise<DatabaseStore | null> {
  const { dir, flags = new Map<string, string>() } = which;
  const { values } = await loadSettings(dir, { flags, environment: settingsAround() });
  if (values.store === null) return null;
  // What the driver reads, tasks grant that may connect.
  if (Deno.permissions.querySync({ name: "env", variable: "PGAPPNAME" }).state !== "granted") {
    throw new SealpostError(
      "config",
      `this task may not connect to ${values.store}; for a database take deno task as:cluster`,
    );
  }
  const options = await databaseOf(dir, values);
  return { name: values.store, options: { ...options, patience: 0, stuck: STUCK } };
}
