import { formatSize, timesAsIso } from "../../cli/format.ts";
import { PROGRAM } from "../../cli/program.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatAddress } from "../../protocol/address.ts";
import { databaseOf, openStore, type StoreSettings } from "../accounts/open_store.ts";
import { loadSettings } from "../settings/settings.ts";
import { readEnvironment } from "../settings/environment.ts";
import { openPostgresStore } from "../store/postgres/postgres_store.ts";
import { makeSchema } from "../store/postgres/open.ts";
import { Pool } from "../store/postgres/pool.ts";
import { readUsers, type StoredUsers } from "./stored_users.ts";

/** What the commands about a shared store were given. */
export interface StoreCommandOptions {
  /** The server's folder. */
  readonly dir: string;
  /** The settings of the command line, as they were typed, by name. */
  readonly flags: ReadonlyMap<string, string>;
  /** Environment variables that the program has besides the settings. */
  readonly variables: readonly string[];
  readonly json: boolean;
}

/** The settings of a server whose mail is in a database. Throws `usage` if it is not. */
async function storeSettings({ dir, flags, variables }: StoreCommandOptions) {
  const { given: environment } = readEnvironment(variables);
  const { values } = await loadSettings(dir, { flags, environment });
  if (values.store !== null) return values;
  throw new SealpostError(
    "usage",
    "say which database: --store postgres://USER@HOST/DATABASE, or store in sealpost.toml",
  );
}

/**
 * `store init`: makes the store in a database that has none, with the users of `user_pass.json`. One that
 * never had users is given them; else nothing is done if there is one. Throws what reading them throws,
 * before anything is made.
 */
export async function initStore(options: StoreCommandOptions): Promise<void> {
  const { dir, json } = options;
  const settings = await storeSettings(options);
  const credentials = await readUsers(dir);
  const pool = new Pool({ ...await databaseOf(dir, settings), patience: 0 });
  let made: boolean;
  try {
    made = await makeSchema(pool);
  } finally {
    pool.close();
  }
  const users = await importUsers(dir, settings, credentials);
  if (json) return console.log(JSON.stringify({ made, users }));
  const fromNow = `From now on \`${PROGRAM} user\` changes them there.`;
  console.log(
    made
      ? `Made the store in ${settings.store}, with ${users} users of user_pass.json. ${fromNow}`
      : users > 0
      ? `The store in ${settings.store} was there, and now has the ${users} users of ` +
        `user_pass.json. ${fromNow}`
      : `There is a store in ${settings.store} already; nothing was changed.`,
  );
}

/** Takes users over into a store whose users were never changed; returns how many. */
async function importUsers(
  dir: string,
  settings: StoreSettings,
  credentials: StoredUsers,
): Promise<number> {
  const { shared } = await openStore(dir, settings);
  if (shared === null) throw new SealpostError("internal", "a store that is not shared");
  try {
    // Not those of a store from which somebody has removed all.
    if ((await shared.logins())?.revision !== 0) return 0;
    let taken = 0;
    await shared.changeLogins((present) => {
      // An earlier try of this may have given them.
      if (present.size > 0) return new Map();
      taken = credentials.size;
      return credentials;
    });
    await shared.ensureAccounts([...credentials.keys()].slice(0, taken));
    return taken;
  } finally {
    await shared.close();
  }
}

/** `store status`: how the database stands, and what it holds. */
export async function showStore(options: StoreCommandOptions): Promise<void> {
  const settings = await storeSettings(options);
  const database = { ...await databaseOf(options.dir, settings), patience: 0 };
  const store = await openPostgresStore(database);
  try {
    const { waiting: _, ...stats } = await store.stats();
    const { version, schema, standbys } = await store.serverState();
    const users = (await store.logins())?.users.size ?? 0;
    const { hosts } = database.address;
    const state = { version, schema, users, ...stats, standbys };
    if (options.json) return console.log(JSON.stringify(state, timesAsIso(), 2));
    const rows = [
      ["hosts", hosts.map(formatAddress).join(", ")],
      ["PostgreSQL", version],
      ["schema", `${schema}`],
      ["users", `${users}`],
      ["accounts", `${stats.accounts}, ${stats.bound} with a key`],
      ["entries", `${stats.entries}, ${formatSize(stats.bytes)} of quota`],
      ["database", formatSize(stats.database)],
      ["standbys", standbys.length === 0 ? "none" : standbys.join(", ")],
    ];
    for (const [name = "", value = ""] of rows) console.log(`${name.padEnd(12)}${value}`);
  } finally {
    await store.close();
  }
}
