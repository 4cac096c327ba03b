import { PROGRAM } from "../../cli/program.ts";
import { isThere } from "../../files/key_files.ts";
import { FileUsers } from "../accounts/file_users.ts";
import type { Querying } from "../store/postgres/pool.ts";
import { texts } from "../store/postgres/arrays.ts";
import { text } from "../store/statements.ts";
import { join } from "@std/path";

/** The file of users in a server's folder. */
export const USERS_NAME = "user_pass.json";

/** Users, each with what stands for the password. */
export type StoredUsers = ReadonlyMap<string, string>;

/** The users in a database. */
export async function usersOf(connection: Querying): Promise<StoredUsers> {
  const rows = await connection.query("SELECT name, value FROM login ORDER BY name");
  return new Map(rows.map((row) => [text(row, "name"), text(row, "value")]));
}

/** Puts users in the place of those in a database. */
export async function putUsers(connection: Querying, users: StoredUsers): Promise<void> {
  await connection.run("DELETE FROM login");
  await connection.run(
    "INSERT INTO login (name, value) SELECT * FROM unnest($1::text[], $2::text[])",
    [texts([...users.keys()]), texts([...users.values()])],
  );
  await connection.run("UPDATE revision SET logins = logins + 1");
}

/** The text of `user_pass.json` for these users. */
export function formatUsers(users: StoredUsers): string {
  return `${JSON.stringify(Object.fromEntries(users), null, 2)}\n`;
}

/**
 * The users of `user_pass.json` in `dir`; none without it. Plain passwords in it are replaced first. Throws
 * what reading it throws.
 */
export async function readUsers(dir: string): Promise<StoredUsers> {
  const path = join(dir, USERS_NAME);
  if (!await isThere(path)) return new Map();
  const users = await FileUsers.open(path, {
    onProblem: (problem) => console.error(`${PROGRAM}: ${problem}`),
  });
  users.close();
  return new Map(users.names().map((name) => [name, users.credential(name) ?? ""]));
}
