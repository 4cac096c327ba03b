import { join } from "@std/path";
import { exists } from "@std/fs";
import { createHash } from "node:crypto";
import { backup, DatabaseSync } from "node:sqlite";
import { toHex } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { makeBackup } from "../../server/maintenance/backup.ts";
import type { DatabaseStore } from "../../server/maintenance/which_store.ts";
import { DATABASE_NAME } from "../../server/store/database.ts";
import { readJournalFile } from "../../server/store/delivery_journal.ts";
import { Pool } from "../../server/store/postgres/pool.ts";
import { commitJournal } from "../../server/store/replay.ts";
import { filesBelow } from "../support/search.ts";

/** All that a server keeps, in a form that can be compared. */
export interface Kept {
  /** A line for each account. */
  readonly accounts: readonly string[];
  /** A line for each entry of a mailbox, with what it refers to. */
  readonly entries: readonly string[];
  /** How many messages no mailbox has: none, ever. */
  readonly orphans: number;
  /** A line for each id that was delivered. */
  readonly delivered: readonly string[];
  /** The ids of the tickets that can be used. */
  readonly tickets: readonly string[];
  /** The files of bodies, those that arrive included. */
  readonly bodies: readonly string[];
  /** user_pass.json, and what else an administrator finds in the folder. */
  readonly files: readonly string[];
}

/**
 * Reads all that the server in `folder` keeps, while it runs, without what the users `without` have. With
 * `database`, its mail is there.
 */
export async function readKept(
  folder: string,
  without: readonly string[],
  database: DatabaseStore | null,
): Promise<Kept> {
  if (database !== null) {
    const into = await Deno.makeTempDir({ prefix: "sealpost-kept-" });
    try {
      const { snapshot } = await makeBackup({ dir: folder, into, keys: false, keep: 1, database });
      const bodies = await bodiesIn(database);
      return await readCopy(folder, join(into, snapshot, DATABASE_NAME), without, bodies);
    } finally {
      await Deno.remove(into, { recursive: true });
    }
  }
  const mail = join(folder, "mail");
  const journal = await readJournalFile(mail);
  const copy = await Deno.makeTempFile({ prefix: "sealpost-kept-" });
  try {
    {
      using source = new DatabaseSync(join(mail, DATABASE_NAME), { readOnly: true });
      await backup(source, copy, { rate: -1 });
    }
    {
      using db = new DatabaseSync(copy);
      commitJournal(db, journal, mail);
    }
    return await readCopy(folder, copy, without, await filesBelow(join(mail, "bodies")));
  } finally {
    await Deno.remove(copy);
  }
}

/** The large bodies in a database that are of no upload which goes on or broke off. */
async function bodiesIn({ options }: DatabaseStore): Promise<string[]> {
  const pool = new Pool(options);
  try {
    const rows = await pool.query(
      `SELECT encode(id, 'hex') AS name FROM body
        WHERE state <> 'gone' AND (state <> 'arriving' OR sender_fp IS NULL)`,
    );
    return rows.map(({ name }) => String(name));
  } finally {
    pool.close();
  }
}

/** What is in a copy of the database, and beside it. */
async function readCopy(
  folder: string,
  copy: string,
  without: readonly string[],
  bodies: readonly string[],
): Promise<Kept> {
  const db = new DatabaseSync(copy);
  const lines = (sql: string) => {
    const rows = db.prepare(sql).all(JSON.stringify(without));
    return rows.map((row) => JSON.stringify(row, (_, v) => v instanceof Uint8Array ? brief(v) : v));
  };
  const mine = "a.name NOT IN (SELECT value FROM json_each(?1))";
  try {
    const kept = {
      accounts: lines(`SELECT * FROM account a WHERE ${mine} ORDER BY name`),
      entries: lines(
        `SELECT a.name, e.uid, e.folder, e.flags, e.received_at, e.changed_at, e.stanza, e.note,
         m.header, m.summary, m.body_size, m.body_file, m.body
         FROM entry e JOIN account a ON a.id = e.account_id
         JOIN message m ON m.id = e.message_id WHERE ${mine} ORDER BY a.name, e.uid`,
      ),
      orphans: lines(
        `SELECT m.id FROM message m WHERE ?1 IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.message_id = m.id)`,
      ).length,
      delivered: lines(
        `SELECT d.* FROM delivered_id d LEFT JOIN account a ON a.fp = d.sender_fp
         WHERE a.name IS NULL OR ${mine} ORDER BY d.sender_fp, d.message_id`,
      ),
      tickets: lines(
        `SELECT t.id FROM ticket t JOIN account a ON a.id = t.account_id WHERE ${mine}
         ORDER BY t.id`,
      ),
    };
    return { ...kept, bodies: bodies.toSorted(), files: await digests(folder) };
  } finally {
    db.close();
  }
}

/** `bytes` in a form that is short to read and other for every other. */
function brief(bytes: Uint8Array): string {
  if (bytes.length <= 32) return toHex(bytes);
  const hash = createHash("sha256").update(bytes).digest("hex");
  return `${bytes.length} bytes, ${hash.slice(0, 32)}`;
}

/** The files that are for people, each with the hash of its contents. */
async function digests(folder: string): Promise<string[]> {
  const out: string[] = [];
  for (const name of ["user_pass.json", "server_private.pem", "server_public.pem"]) {
    const path = join(folder, name);
    if (!await exists(path)) continue;
    out.push(`${name} ${toHex(await sha256(await Deno.readFile(path)))}`);
  }
  return out;
}
