/** `PRAGMA application_id` of a store: "SPst". */
export const APPLICATION_ID = 0x53507374;

/** `PRAGMA user_version` of a store with this schema. Lower ones were never released. */
export const SCHEMA_VERSION = 9;

/**
 * The schema.
 *
 * - `account`: a user's mailbox, made at `since`; `full_name` as the operator wrote it. `bytes` is kept with every change of `entry`, in the same
 *   transaction; `modseq` is the last modification sequence that was given, `forgotten` the highest of
 *   those whose `departure` is gone, `last_validity` the highest that a folder ever had.
 * - `folder`: those that every mailbox has, and those of a person's own; `next` is the number of the
 *   next comer. `count`, `unseen` and `bytes` are kept with every change of `entry`.
 * - `message`: what all copies share. The body is in the row, or in the file `body_file`.
 * - `entry`: one copy. `folder` has the codes of `protocol/entry.ts`; `flags` are bits 0 to 31,
 *   `flags_high` bits 32 to 62; `bytes` is what it counts for: header, stanza, summary, note and body; `changed_at` is when folder or flags changed
 *   last, from which it expires. The two indexes for that hold no entry that is new.
 * - `departure`: what changes of the past left: an entry that was removed, a place that a move left, a
 *   range of UIDs that were never given (`uid` to `number`). `kind` has the codes of
 *   `protocol/change.ts`.
 * - `shared_record`: the sealed record that all machines of a person share, and its version.
 * - `delivered_id`: the memory of ids, which outlives the messages.
 * - `rotation`: a key that was left for another by certificate: one successor for each, and no key has
 *   two predecessors. `unbound_key`: keys that an operator took away; with `may_return` their account,
 *   and no other, may bind them again. Both outlive what they name: no rotation leads to any of these
 *   keys again.
 * - `key_log`: the records of the key log by their number, with the codes of `protocol/key_log.ts`; each
 *   is added in the transaction of what it tells of. `hash` is that of the log up to it, `generation`
 *   the one it is of. Row 0 is no record but the log's beginning.
 * - `journal`: one row, the generation of the records of the journal that have no rows here.
 * - `machine`: which machines of a person were here, first and last, and from where; what they are
 *   called, the sealed record knows.
 * - `kit`: the sealed package that a person's words on paper open, found by its id alone; `fetched_at` is
 *   when somebody fetched it last.
 * - `ticket`: resumption tickets; `wrapped` is their key under a key that is not in the database.
 *
 * Large columns are last in their rows: SQLite then reads the others without them.
 */
export const SCHEMA = `
  CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    next_uid INTEGER NOT NULL DEFAULT 1,
    modseq INTEGER NOT NULL DEFAULT 0 CHECK (modseq >= 0),
    forgotten INTEGER NOT NULL DEFAULT 0,
    last_validity INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    epoch BLOB NOT NULL CHECK (length(epoch) = 8),
    since INTEGER NOT NULL,
    full_name TEXT,
    bound_at INTEGER,
    fp BLOB UNIQUE CHECK (length(fp) = 32),
    bundle BLOB,
    CHECK ((fp IS NULL) = (bundle IS NULL) AND (fp IS NULL) = (bound_at IS NULL))
  ) STRICT;

  CREATE TABLE folder (
    account_id INTEGER NOT NULL REFERENCES account (id),
    folder INTEGER NOT NULL CHECK (folder BETWEEN 0 AND 4294967295),
    validity INTEGER NOT NULL CHECK (validity BETWEEN 1 AND 4294967295),
    next INTEGER NOT NULL DEFAULT 1 CHECK (next BETWEEN 1 AND 4294967295),
    count INTEGER NOT NULL DEFAULT 0 CHECK (count >= 0),
    unseen INTEGER NOT NULL DEFAULT 0 CHECK (unseen >= 0),
    bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    modseq INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, folder)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    body_size INTEGER NOT NULL CHECK (body_size >= 0),
    body_file TEXT,
    header BLOB NOT NULL,
    summary BLOB NOT NULL,
    body BLOB,
    CHECK ((body IS NULL) <> (body_file IS NULL)),
    CHECK (body IS NULL OR length(body) = body_size)
  ) STRICT;
  CREATE UNIQUE INDEX message_body_file ON message (body_file) WHERE body_file IS NOT NULL;

  CREATE TABLE entry (
    account_id INTEGER NOT NULL REFERENCES account (id),
    uid INTEGER NOT NULL CHECK (uid >= 1),
    message_id INTEGER NOT NULL REFERENCES message (id),
    folder INTEGER NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 1),
    flags INTEGER NOT NULL,
    flags_high INTEGER NOT NULL,
    modseq INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    stanza BLOB NOT NULL,
    note BLOB
  ) STRICT;
  CREATE UNIQUE INDEX entry_uid ON entry (account_id, uid);
  CREATE UNIQUE INDEX entry_modseq ON entry (account_id, modseq);
  CREATE INDEX entry_folder ON entry (account_id, folder, uid);
  CREATE INDEX entry_message ON entry (message_id);
  CREATE INDEX entry_trash ON entry (changed_at) WHERE folder = 3;
  CREATE INDEX entry_read ON entry (changed_at) WHERE folder = 0 AND flags & 5 = 1;

  CREATE TABLE departure (
    account_id INTEGER NOT NULL REFERENCES account (id),
    modseq INTEGER NOT NULL,
    kind INTEGER NOT NULL CHECK (kind IN (3, 4, 5)),
    uid INTEGER NOT NULL,
    folder INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (account_id, modseq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX departure_at ON departure (at);

  CREATE TABLE shared_record (
    account_id INTEGER PRIMARY KEY REFERENCES account (id),
    version INTEGER NOT NULL CHECK (version >= 1),
    sealed BLOB NOT NULL
  ) STRICT;

  CREATE TABLE delivered_id (
    sender_fp BLOB NOT NULL CHECK (length(sender_fp) = 32),
    message_id BLOB NOT NULL CHECK (length(message_id) = 16),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    at INTEGER NOT NULL,
    PRIMARY KEY (sender_fp, message_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX delivered_id_at ON delivered_id (at);

  CREATE TABLE journal (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation BLOB NOT NULL CHECK (length(generation) = 8)
  ) STRICT;
  INSERT INTO journal (id, generation) VALUES (1, randomblob(8));

  CREATE TABLE machine (
    account_id INTEGER NOT NULL REFERENCES account (id),
    id BLOB NOT NULL CHECK (length(id) = 8),
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (account_id, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX machine_last ON machine (account_id, last_at);

  CREATE TABLE kit (
    account_id INTEGER PRIMARY KEY REFERENCES account (id),
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    at INTEGER NOT NULL,
    fetched_at INTEGER,
    sealed BLOB NOT NULL
  ) STRICT;

  CREATE TABLE ticket (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    account_id INTEGER NOT NULL REFERENCES account (id),
    fp BLOB NOT NULL CHECK (length(fp) = 32),
    credential BLOB NOT NULL CHECK (length(credential) = 16),
    wrapped BLOB NOT NULL,
    full_at INTEGER NOT NULL,
    expires INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ticket_account ON ticket (account_id, expires);
  CREATE INDEX ticket_expires ON ticket (expires);

  CREATE TABLE rotation (
    fp_old BLOB PRIMARY KEY CHECK (length(fp_old) = 32),
    fp_new BLOB NOT NULL UNIQUE CHECK (length(fp_new) = 32),
    account_id INTEGER NOT NULL REFERENCES account (id),
    seq INTEGER NOT NULL CHECK (seq >= 1),
    at INTEGER NOT NULL,
    certificate BLOB NOT NULL,
    bundle_old BLOB NOT NULL,
    bundle_new BLOB NOT NULL,
    CHECK (fp_old <> fp_new)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX rotation_account ON rotation (account_id, at);

  CREATE TABLE unbound_key (
    fp BLOB PRIMARY KEY CHECK (length(fp) = 32),
    account_id INTEGER NOT NULL REFERENCES account (id),
    at INTEGER NOT NULL,
    may_return INTEGER NOT NULL CHECK (may_return IN (0, 1))
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX unbound_key_account ON unbound_key (account_id, at);

  CREATE TABLE key_log (
    number INTEGER PRIMARY KEY CHECK (number >= 0),
    at INTEGER NOT NULL,
    event INTEGER NOT NULL CHECK (event IN (0, 1, 2, 3, 5, 6)),
    generation INTEGER NOT NULL,
    seq INTEGER NOT NULL CHECK (seq >= 0),
    name TEXT NOT NULL,
    fp BLOB NOT NULL CHECK (length(fp) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32)
  ) STRICT;
  CREATE INDEX key_log_server ON key_log (number) WHERE event = 5;
`;
