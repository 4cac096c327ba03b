import { both, type Mutant, one } from "./mutant.ts";

const DELIVERIES = "server/store/postgres/deliveries.ts";
const MAILBOXES = "server/store/postgres/mailboxes.ts";
const POOL = "server/store/postgres/pool.ts";

/** Breakages of the store in PostgreSQL, and of what checks, keeps and moves it. */
export const OF_DATABASE: readonly Mutant[] = [
  both(
    "a message that comes again is stored again in a database",
    DELIVERIES,
    ["const before = known.get(key);", "const before = known.get(`${key}-`);"],
    ["    if (added !== stored.length) throw gotInTheWay();\n", ""],
  ),
  one(
    "the UID of an entry that was removed from a database is given again",
    MAILBOXES,
    "`SELECT id, name, epoch, next_uid, modseq, bytes, last_validity FROM account",
    "`SELECT id, name, epoch, (SELECT coalesce(max(uid), 0) + 1 FROM entry " +
      "WHERE account_id = account.id) AS next_uid, modseq, bytes, last_validity FROM account",
  ),
  one(
    "the quota in a database is that of one message",
    MAILBOXES,
    "if (mailbox.bytes > quota) {",
    "if (bytes > quota) {",
  ),
  one(
    "two servers change a mailbox at the same moment",
    MAILBOXES,
    "ORDER BY id FOR NO KEY UPDATE`,",
    "ORDER BY id`,",
  ),
  one(
    "servers lock mailboxes in the order in which a message names them",
    MAILBOXES,
    "ORDER BY id FOR NO KEY UPDATE`,",
    "ORDER BY array_position($1::text[], name) FOR NO KEY UPDATE`,",
  ),
  one(
    "a backup of a database is of several moments",
    POOL,
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "BEGIN READ ONLY",
  ),
  one(
    "a store that somebody has alone is used by others",
    POOL,
    '"pg_try_advisory_lock" :',
    '"pg_try_advisory_lock_shared" :',
  ),
  one(
    "a large body in a database that lacks a part is taken for whole",
    "server/maintenance/database_check.ts",
    "if (is !== size || ",
    "if (size < 0 || ",
  ),
  one(
    "a copy of a store goes on with one of another state",
    "server/maintenance/incoming.ts",
    "if (await originOf(tx) === source) return;",
    "if (await originOf(tx) !== null) return;",
  ),
  one(
    "a copy of a store that differs is taken for the same",
    "server/maintenance/copy_rows.ts",
    "if (done || !sameRow(table, row, value)) throw",
    "if (done) throw",
  ),
  one(
    "a restore to a database does not know of the mailboxes that are there",
    "server/maintenance/restore.ts",
    "used ? await databaseBefore(incoming) : NOTHING_BEFORE",
    "NOTHING_BEFORE",
  ),
];
