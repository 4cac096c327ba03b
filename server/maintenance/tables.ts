/**
 * What a column holds. `switch`: 0 or 1, a boolean in PostgreSQL. `body`: the name of a large body as 32
 * hexadecimal digits, 16 bytes in PostgreSQL, where it is called `body_id`.
 */
export type ColumnKind = "integer" | "text" | "blob" | "switch" | "body";

/** A table that both stores have, with the columns that they have in common. */
export interface Table {
  readonly name: string;
  readonly columns: Readonly<Record<string, ColumnKind>>;
  /** What no two rows have in common, and their order. */
  readonly key: readonly string[];
  /** Whether the database counts the column `id` by itself. */
  readonly counted?: true;
}

export const MESSAGE: Table = {
  name: "message",
  columns: {
    id: "integer",
    body_size: "integer",
    body_file: "body",
    header: "blob",
    summary: "blob",
    body: "blob",
  },
  key: ["id"],
  counted: true,
};

/** The large tables, in which every row comes with a change of its mailbox. */
export const LARGE: readonly Table[] = [
  MESSAGE,
  {
    name: "entry",
    columns: {
      account_id: "integer",
      uid: "integer",
      message_id: "integer",
      folder: "integer",
      number: "integer",
      flags: "integer",
      flags_high: "integer",
      modseq: "integer",
      received_at: "integer",
      changed_at: "integer",
      bytes: "integer",
      stanza: "blob",
      note: "blob",
    },
    key: ["account_id", "uid"],
  },
  {
    name: "departure",
    columns: {
      account_id: "integer",
      modseq: "integer",
      kind: "integer",
      uid: "integer",
      folder: "integer",
      number: "integer",
      at: "integer",
    },
    key: ["account_id", "modseq"],
  },
  {
    name: "delivered_id",
    columns: { sender_fp: "blob", message_id: "blob", digest: "blob", at: "integer" },
    key: ["sender_fp", "message_id"],
  },
];

export const ACCOUNT: Table = {
  name: "account",
  columns: {
    id: "integer",
    name: "text",
    next_uid: "integer",
    modseq: "integer",
    forgotten: "integer",
    last_validity: "integer",
    bytes: "integer",
    epoch: "blob",
    since: "integer",
    full_name: "text",
    bound_at: "integer",
    fp: "blob",
    bundle: "blob",
  },
  key: ["id"],
  counted: true,
};

/** The others, in an order in which each comes after those that it refers to. */
export const SMALL: readonly Table[] = [
  ACCOUNT,
  {
    name: "folder",
    columns: {
      account_id: "integer",
      folder: "integer",
      validity: "integer",
      next: "integer",
      count: "integer",
      unseen: "integer",
      bytes: "integer",
      modseq: "integer",
    },
    key: ["account_id", "folder"],
  },
  {
    name: "shared_record",
    columns: { account_id: "integer", version: "integer", sealed: "blob" },
    key: ["account_id"],
  },
  {
    name: "machine",
    columns: {
      account_id: "integer",
      id: "blob",
      first_at: "integer",
      last_at: "integer",
      source: "text",
    },
    key: ["account_id", "id"],
  },
  {
    name: "kit",
    columns: {
      account_id: "integer",
      id: "blob",
      at: "integer",
      fetched_at: "integer",
      sealed: "blob",
    },
    key: ["account_id"],
  },
  {
    name: "ticket",
    columns: {
      id: "blob",
      account_id: "integer",
      fp: "blob",
      credential: "blob",
      wrapped: "blob",
      full_at: "integer",
      expires: "integer",
    },
    key: ["id"],
  },
  {
    name: "rotation",
    columns: {
      fp_old: "blob",
      fp_new: "blob",
      account_id: "integer",
      seq: "integer",
      at: "integer",
      certificate: "blob",
      bundle_old: "blob",
      bundle_new: "blob",
    },
    key: ["fp_old"],
  },
  {
    // In the order in which the keys were taken away, which PostgreSQL numbers.
    name: "unbound_key",
    columns: { fp: "blob", account_id: "integer", at: "integer", may_return: "switch" },
    key: ["at", "fp"],
  },
  {
    name: "key_log",
    columns: {
      number: "integer",
      at: "integer",
      event: "integer",
      generation: "integer",
      seq: "integer",
      name: "text",
      fp: "blob",
      hash: "blob",
    },
    key: ["number"],
  },
];
