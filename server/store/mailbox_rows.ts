import { type Bytes, equal } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { FIRST_OWN_FOLDER, type FlagBits, flagBits, folderNumber } from "../../protocol/entry.ts";
import { MAX_OWN_FOLDERS } from "../../protocol/limits.ts";
import { RefusedError } from "../../protocol/refused.ts";
import { blob, integer, type Statements } from "./statements.ts";
import { type Copy, type DeliverOutcome, type Delivery, noSuchUser, type Placed } from "./store.ts";

/** The bit of `seen`. */
const SEEN = 1;
/** The highest validity and number of a folder. */
const MAX_U32 = 0xffff_ffff;

/**
 * The rows of deliveries and of folders, inside a transaction of the caller's. What becomes of a
 * delivery follows from the rows that are there and the delivery alone, never from a clock or from
 * chance: its rows are made a second time, from the journal, when the first transaction is lost.
 */
export class MailboxRows {
  readonly #sql: Statements;

  constructor(sql: Statements) {
    this.#sql = sql;
  }

  /** Throws `no-such-user`. */
  accountId(account: string): number {
    const row = this.#sql.accountId.get(account);
    if (row === undefined) throw noSuchUser(account);
    return integer(row, "id");
  }

  /**
   * Makes a folder at the time `at` (milliseconds since 1970); returns its validity. Throws `limit` for
   * one too many.
   */
  addFolder(id: number, folder: number, at: number): number {
    if (folder >= FIRST_OWN_FOLDER) {
      const { n = 0 } = this.#sql.ownFolders.get(id, FIRST_OWN_FOLDER) ?? {};
      if (Number(n) >= MAX_OWN_FOLDERS) {
        throw new RefusedError("limit", `a mailbox has at most ${MAX_OWN_FOLDERS} folders`, {
          limit: "folders",
        });
      }
    }
    const seconds = Math.min(Math.floor(at / 1000), MAX_U32);
    const validity = integer(this.#sql.takeValidity.get(seconds, id) ?? {}, "validity");
    this.#sql.addFolder.run(id, folder, validity);
    return validity;
  }

  /**
   * Counts one more entry in a folder, which is made at the time `at` if it is not there; returns its
   * number. Throws `limit`.
   */
  takeNumber(
    id: number,
    folder: number,
    unseen: number,
    bytes: number,
    modseq: number,
    at: number,
  ): number {
    const take = () => this.#sql.takeNumber.get(unseen, bytes, modseq, id, folder);
    let row = take();
    if (row === undefined && this.#sql.folderValidity.get(id, folder) === undefined) {
      this.addFolder(id, folder, at);
      row = take();
    }
    if (row !== undefined) return integer(row, "number");
    throw new RefusedError("limit", "that folder has given all its numbers; make another", {
      limit: "folders",
    });
  }

  /** What {@linkcode Store.delivered} gives. */
  delivered(senderFp: Bytes, messageId: Bytes): { digest: Bytes; at: number } | null {
    const row = this.#sql.delivered.get(senderFp, messageId);
    return row === undefined ? null : { digest: blob(row, "digest"), at: integer(row, "at") };
  }

  /** The rows of a delivery: the work of {@linkcode Store.deliver}, which says what it throws. */
  deliver(delivery: Delivery): DeliverOutcome {
    const { senderFp, messageId, digest, header, summary, body, receivedAt: at } = delivery;
    if (this.#sql.addDelivered.run(senderFp, messageId, digest, at).changes === 0) {
      const known = this.delivered(senderFp, messageId);
      if (known === null) throw new SealpostError("internal", "an id that is there and is not");
      return equal(known.digest, digest) ? { kind: "already", at: known.at } : { kind: "conflict" };
    }
    if (delivery.copies.length === 0) throw new RangeError("a delivery without copies");
    const message = this.#sql.addMessage
      .run(body.size, body.file, header, summary, body.inline).lastInsertRowid;
    const shared = header.length + summary.length + body.size;
    const quota = delivery.quota ?? Infinity;
    const placed = delivery.copies.map((copy) => this.#place(copy, message, shared, at, quota));
    return { kind: "stored", at, placed };
  }

  #place(
    copy: Copy,
    message: number | bigint,
    shared: number,
    at: number,
    quota: number,
  ): Placed {
    const { account, stanza, note } = copy;
    const folder = folderNumber(copy.folder);
    const flags = flagBits(copy.flags);
    const bytes = shared + stanza.length + (note?.length ?? 0);
    const row = this.#sql.takeUid.get(bytes, account);
    if (row === undefined) throw noSuchUser(account);
    if (integer(row, "bytes") > quota) throw noRoom(account);
    const [id, uid, modseq] = [integer(row, "id"), integer(row, "uid"), integer(row, "modseq")];
    const number = this.takeNumber(id, folder, unseenOf(flags), bytes, modseq, at);
    const { low, high } = flags;
    const arrival = copy.date ?? at;
    this.#sql.addEntry.run(
      id,
      uid,
      message,
      folder,
      number,
      low,
      high,
      modseq,
      arrival,
      at,
      bytes,
      stanza,
      note,
    );
    return { account, folder: copy.folder, number, uid, modseq };
  }
}

/** 1 for flags without `seen`, else 0. */
export function unseenOf(flags: FlagBits): number {
  return (flags.low & SEEN) === 0 ? 1 : 0;
}

function noRoom(account: string): RefusedError {
  return new RefusedError(
    "quota",
    `the mailbox of ${account} has no room for this message`,
    { limit: "quota", about: account },
  );
}
