import { fromUtf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { defined } from "../../crypto/defined.ts";
import { readFileBounded, wrapFileError } from "../../files/atomic_file.ts";
import type { Values } from "../settings/setting_values.ts";
import { openSqliteStore } from "../store/sqlite_store.ts";
import type { PoolOptions } from "../store/postgres/pool.ts";
import type { CommitReport, SharedStore, Store } from "../store/store.ts";
import { FileUsers } from "./file_users.ts";
import { RowUsers } from "./row_users.ts";
import type { Users, UsersOptions } from "./users.ts";
import { isAbsolute, join } from "@std/path";

/** Longest password of a store, and largest file of root certificates, bytes. */
const MAX_PASSWORD = 1024;
const MAX_CERTIFICATES = 1024 * 1024;

/** The settings that say where mail is kept. */
export type StoreSettings = Pick<Values, "store" | "storePasswordFile">;

/** A server's store. */
export interface OpenedStore {
  readonly store: Store;
  /** The same one, if other servers may use it too; else null. */
  readonly shared: SharedStore | null;
}

/**
 * Opens the store of the server in `dir`: in `mail/`, or in the database that `settings` name. Throws
 * what opening it throws, and `config` for a password file that cannot be read.
 */
export async function openStore(
  dir: string,
  settings: StoreSettings,
  onCommit?: (report: CommitReport) => void,
): Promise<OpenedStore> {
  if (settings.store === null) {
    const store = await openSqliteStore(join(dir, "mail"), defined({ onCommit }));
    return { store, shared: null };
  }
  const { openPostgresStore } = await import("../store/postgres/postgres_store.ts");
  const options = await databaseOf(dir, settings);
  const shared = await openPostgresStore({ ...options, ...defined({ onCommit }) });
  return { store: shared, shared };
}

/** The users of the server in `dir`: from `user_pass.json` in it, or from a shared store. */
export function openUsers(
  dir: string,
  shared: SharedStore | null,
  options: UsersOptions,
): Promise<Users> {
  return shared === null
    ? FileUsers.open(join(dir, "user_pass.json"), options)
    : RowUsers.open(shared, options);
}

/** How the database that `settings` name is connected to. Files are named from `dir`. Throws `config`. */
export async function databaseOf(dir: string, settings: StoreSettings): Promise<PoolOptions> {
  const { parsePostgresAddress } = await import("../store/postgres/address.ts");
  const address = parsePostgresAddress(settings.store ?? "");
  const { rootCertificates } = address;
  return {
    address,
    password: settings.storePasswordFile === null
      ? ""
      : (await read(dir, settings.storePasswordFile, MAX_PASSWORD)).replace(/\r?\n[^]*$/, ""),
    certificates: rootCertificates === null
      ? null
      : await read(dir, rootCertificates, MAX_CERTIFICATES),
  };
}

async function read(dir: string, name: string, limit: number): Promise<string> {
  const path = isAbsolute(name) ? name : join(dir, name);
  try {
    return fromUtf8(await readFileBounded(path, limit));
  } catch (cause) {
    const { message } = wrapFileError(cause, `read ${path}`);
    throw new SealpostError("config", message, { cause });
  }
}
