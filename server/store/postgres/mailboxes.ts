import {
  FIRST_OWN_FOLDER,
  type FlagBits,
  flagBits,
  folderNumber,
} from "../../../protocol/entry.ts";
import { CHANGE_KINDS } from "../../../protocol/change.ts";
import { MAX_OWN_FOLDERS } from "../../../protocol/limits.ts";
import { RefusedError } from "../../../protocol/refused.ts";
import { unseenOf } from "../mailbox_rows.ts";
import { blob, integer, text } from "../statements.ts";
import { type Delivery, type Folder, noSuchUser, type OwnChange, type Placed } from "../store.ts";
import { blobs, numbers, texts } from "./arrays.ts";
import type { Querying } from "./pool.ts";

/** The highest validity and number of a folder. */
const MAX_U32 = 0xffff_ffff;

/** A folder of a mailbox as it is in the transaction. */
interface FolderRow {
  readonly validity: number;
  next: number;
  count: number;
  unseen: number;
  bytes: number;
  modseq: number;
}

/** Where an entry was. */
export interface Left {
  readonly uid: number;
  readonly folder: number;
  readonly number: number;
}

/** A mailbox whose row is locked: nobody else changes it until the transaction ends. */
export interface Mailbox {
  readonly id: number;
  readonly account: string;
  readonly epoch: Uint8Array<ArrayBuffer>;
  /** The modification sequence when it was locked. */
  readonly before: number;
  nextUid: number;
  modseq: number;
  bytes: number;
  lastValidity: number;
  /** Those that were asked for. */
  readonly folders: Map<number, FolderRow>;
  /** How many folders of one's own there are. */
  ownFolders: number;
}

/** A message that is stored with a delivery. */
interface NewMessage {
  readonly id: number;
  readonly delivery: Delivery;
}

interface NewEntry {
  readonly mailbox: Mailbox;
  readonly uid: number;
  readonly message: number;
  readonly folder: number;
  readonly number: number;
  readonly flags: FlagBits;
  readonly modseq: number;
  readonly receivedAt: number;
  readonly changedAt: number;
  readonly bytes: number;
  readonly stanza: Uint8Array;
  readonly note: Uint8Array | null;
}

/**
 * The mailboxes that a transaction changes, locked. What becomes of them is worked out here, for as many
 * writes as the transaction has, and {@linkcode Mailboxes.flush} writes it by a few statements.
 */
export class Mailboxes {
  readonly #tx: Querying;
  readonly #byName: ReadonlyMap<string, Mailbox>;
  readonly #changed = new Set<Mailbox>();
  readonly #changedFolders = new Map<Mailbox, Set<number>>();
  readonly #messages: NewMessage[] = [];
  readonly #entries: NewEntry[] = [];
  readonly #departures: {
    mailbox: Mailbox;
    modseq: number;
    left: Left;
    kind: number;
    at: number;
  }[] = [];
  /** What takes back the changes of the present attempt, in their order. */
  #undo: (() => void)[] = [];

  private constructor(tx: Querying, byName: ReadonlyMap<string, Mailbox>) {
    this.#tx = tx;
    this.#byName = byName;
  }

  /**
   * Locks those mailboxes of `accounts` that exist, and reads the `folders` of theirs that may change; all
   * if none are given.
   */
  static async lock(
    tx: Querying,
    accounts: readonly string[],
    folders?: readonly Folder[],
  ): Promise<Mailboxes> {
    const names = texts([...new Set(accounts)]);
    const wanted = folders && [...new Set(folders.map(folderNumber))];
    const mayMakeOne = wanted?.some((number) => number >= FIRST_OWN_FOLDER) ?? true;
    const [rows, folderRows, counts] = await Promise.all([
      tx.query(
        `SELECT id, name, epoch, next_uid, modseq, bytes, last_validity FROM account
          WHERE name = ANY ($1::text[]) ORDER BY id FOR NO KEY UPDATE`,
        [names],
      ),
      tx.query(
        `SELECT account_id, folder, validity, next, count, unseen, bytes, modseq FROM folder
          WHERE account_id IN (SELECT id FROM account WHERE name = ANY ($1::text[]))
            AND ($2::bigint[] IS NULL OR folder = ANY ($2::bigint[]))`,
        [names, wanted === undefined ? null : numbers(wanted)],
      ),
      mayMakeOne
        ? tx.query(
          `SELECT account_id, count(*) AS n FROM folder
            WHERE account_id IN (SELECT id FROM account WHERE name = ANY ($1::text[]))
              AND folder >= $2 GROUP BY account_id`,
          [names, FIRST_OWN_FOLDER],
        )
        : [],
    ]);
    const byId = new Map<number, Mailbox>();
    const byName = new Map<string, Mailbox>();
    for (const row of rows) {
      const mailbox: Mailbox = {
        id: integer(row, "id"),
        account: text(row, "name"),
        epoch: blob(row, "epoch"),
        before: integer(row, "modseq"),
        nextUid: integer(row, "next_uid"),
        modseq: integer(row, "modseq"),
        bytes: integer(row, "bytes"),
        lastValidity: integer(row, "last_validity"),
        folders: new Map(),
        ownFolders: 0,
      };
      byId.set(mailbox.id, mailbox);
      byName.set(mailbox.account, mailbox);
    }
    for (const row of counts) {
      const mailbox = byId.get(integer(row, "account_id"));
      if (mailbox !== undefined) mailbox.ownFolders = integer(row, "n");
    }
    for (const row of folderRows) {
      byId.get(integer(row, "account_id"))?.folders.set(integer(row, "folder"), {
        validity: integer(row, "validity"),
        next: integer(row, "next"),
        count: integer(row, "count"),
        unseen: integer(row, "unseen"),
        bytes: integer(row, "bytes"),
        modseq: integer(row, "modseq"),
      });
    }
    return new Mailboxes(tx, byName);
  }

  /** Throws `no-such-user`. */
  of(account: string): Mailbox {
    const mailbox = this.#byName.get(account);
    if (mailbox === undefined) throw noSuchUser(account);
    return mailbox;
  }

  /** Does `change`; if it throws, nothing is changed by it. */
  #attempt<T>(change: () => T): T {
    this.#undo = [];
    try {
      return change();
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo();
      throw error;
    }
  }

  /** What has changed in which mailboxes. */
  changes(): OwnChange[] {
    return [...this.#changed].filter(({ before, modseq }) => modseq !== before)
      .map(({ account, before, modseq, nextUid }) => {
        return { account, before, after: modseq, nextUid };
      });
  }

  /** The next modification sequence of a mailbox. */
  nextModseq(mailbox: Mailbox): number {
    this.#change(mailbox);
    return ++mailbox.modseq;
  }

  /** Makes a folder at the time `at`, milliseconds; returns its validity. Throws `limit`. */
  addFolder(mailbox: Mailbox, folder: number, at: number): number {
    const isOwn = folder >= FIRST_OWN_FOLDER;
    if (isOwn && mailbox.ownFolders >= MAX_OWN_FOLDERS) {
      throw new RefusedError("limit", `a mailbox has at most ${MAX_OWN_FOLDERS} folders`, {
        limit: "folders",
      });
    }
    this.#change(mailbox);
    const seconds = Math.min(Math.floor(at / 1000), MAX_U32);
    const validity = Math.max(mailbox.lastValidity + 1, seconds);
    mailbox.lastValidity = validity;
    if (isOwn) mailbox.ownFolders++;
    mailbox.folders.set(folder, { validity, next: 1, count: 0, unseen: 0, bytes: 0, modseq: 0 });
    this.#undo.push(() => mailbox.folders.delete(folder));
    this.#noteFolder(mailbox, folder);
    return validity;
  }

  /** One more entry in a folder, which is made if it is not there; returns its number. Throws `limit`. */
  enterFolder(
    mailbox: Mailbox,
    folder: number,
    entry: { readonly unseen: number; readonly bytes: number; readonly modseq: number },
    at: number,
  ): number {
    if (!mailbox.folders.has(folder)) this.addFolder(mailbox, folder, at);
    const row = this.#folder(mailbox, folder);
    if (row.next >= MAX_U32) {
      throw new RefusedError("limit", "that folder has given all its numbers; make another", {
        limit: "folders",
      });
    }
    row.count++;
    row.unseen += entry.unseen;
    row.bytes += entry.bytes;
    row.modseq = Math.max(row.modseq, entry.modseq);
    return row.next++;
  }

  /** One entry less in a folder. */
  leaveFolder(
    mailbox: Mailbox,
    folder: number,
    unseen: number,
    bytes: number,
    modseq: number,
  ): void {
    const row = this.#folder(mailbox, folder);
    row.count--;
    row.unseen -= unseen;
    row.bytes -= bytes;
    row.modseq = Math.max(row.modseq, modseq);
  }

  /** An entry of a folder has changed, of which `unseen` more are unseen now. */
  touchFolder(mailbox: Mailbox, folder: number, unseen: number, modseq: number): void {
    const row = this.#folder(mailbox, folder);
    row.unseen += unseen;
    row.modseq = Math.max(row.modseq, modseq);
  }

  /** Remembers that an entry has left a place, at the time `at`. */
  depart(mailbox: Mailbox, modseq: number, kind: "gone" | "left", left: Left, at: number): void {
    this.#departures.push({ mailbox, modseq, left, kind: CHANGE_KINDS[kind], at });
  }

  /** A mailbox has `bytes` less. */
  free(mailbox: Mailbox, bytes: number): void {
    this.#change(mailbox);
    mailbox.bytes -= bytes;
  }

  /** The copies of a delivery, whose message is to have the number `message`, or none of them. */
  deliver(delivery: Delivery, message: number): readonly Placed[] {
    if (delivery.copies.length === 0) throw new RangeError("a delivery without copies");
    const { header, summary, body, receivedAt: at, quota = Infinity } = delivery;
    const shared = header.length + summary.length + body.size;
    const [messages, entries] = [this.#messages.length, this.#entries.length];
    return this.#attempt(() => {
      this.#undo.push(() => {
        this.#messages.length = messages;
        this.#entries.length = entries;
      });
      this.#messages.push({ id: message, delivery });
      return delivery.copies.map((copy): Placed => {
        const { account, stanza, note } = copy;
        const mailbox = this.of(account);
        const bytes = shared + stanza.length + (note?.length ?? 0);
        this.#change(mailbox);
        mailbox.bytes += bytes;
        if (mailbox.bytes > quota) {
          throw new RefusedError(
            "quota",
            `the mailbox of ${account} has no room for this message`,
            { limit: "quota", about: account },
          );
        }
        const [uid, modseq] = [mailbox.nextUid++, ++mailbox.modseq];
        const [folder, flags] = [folderNumber(copy.folder), flagBits(copy.flags)];
        const counted = { unseen: unseenOf(flags), bytes, modseq };
        const number = this.enterFolder(mailbox, folder, counted, at);
        this.#entries.push({
          mailbox,
          uid,
          message,
          folder,
          number,
          flags,
          modseq,
          receivedAt: copy.date ?? at,
          changedAt: at,
          bytes,
          stanza,
          note,
        });
        return { account, folder: copy.folder, number, uid, modseq };
      });
    });
  }

  /** Writes all that has changed. To be called once, at the end of the transaction. */
  async flush(): Promise<void> {
    await Promise.all([
      this.#flushMailboxes(),
      this.#flushFolders(),
      this.#flushMessages(),
      this.#flushEntries(),
      this.#flushDepartures(),
    ]);
  }

  /** Keeps how a mailbox is, for undoing. */
  #change(mailbox: Mailbox): void {
    this.#changed.add(mailbox);
    const { nextUid, modseq, bytes, lastValidity, ownFolders } = mailbox;
    const before = { nextUid, modseq, bytes, lastValidity, ownFolders };
    this.#undo.push(() => Object.assign(mailbox, before));
  }

  #folder(mailbox: Mailbox, folder: number): FolderRow {
    const row = mailbox.folders.get(folder);
    if (row === undefined) throw new RangeError(`no folder ${folder}`);
    const before = { ...row };
    this.#undo.push(() => Object.assign(row, before));
    this.#noteFolder(mailbox, folder);
    return row;
  }

  #noteFolder(mailbox: Mailbox, folder: number): void {
    const changed = this.#changedFolders.get(mailbox);
    if (changed === undefined) this.#changedFolders.set(mailbox, new Set([folder]));
    else changed.add(folder);
  }

  async #flushMailboxes(): Promise<void> {
    const all = [...this.#changed];
    if (all.length === 0) return;
    await this.#tx.run(
      `UPDATE account AS a SET next_uid = u.next_uid, modseq = u.modseq, bytes = u.bytes,
          last_validity = u.last_validity
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
          AS u (id, next_uid, modseq, bytes, last_validity) WHERE a.id = u.id`,
      [
        numbers(all.map(({ id }) => id)),
        numbers(all.map(({ nextUid }) => nextUid)),
        numbers(all.map(({ modseq }) => modseq)),
        numbers(all.map(({ bytes }) => bytes)),
        numbers(all.map(({ lastValidity }) => lastValidity)),
      ],
    );
  }

  async #flushFolders(): Promise<void> {
    const all = [...this.#changedFolders].flatMap(([mailbox, folders]) =>
      [...folders].flatMap((folder) => {
        const row = mailbox.folders.get(folder);
        return row === undefined ? [] : [{ id: mailbox.id, folder, ...row }];
      })
    );
    if (all.length === 0) return;
    await this.#tx.run(
      `INSERT INTO folder (account_id, folder, validity, next, count, unseen, bytes, modseq)
        SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
          $6::bigint[], $7::bigint[], $8::bigint[])
        ON CONFLICT (account_id, folder) DO UPDATE SET next = excluded.next, count = excluded.count,
          unseen = excluded.unseen, bytes = excluded.bytes, modseq = excluded.modseq`,
      [
        numbers(all.map(({ id }) => id)),
        numbers(all.map(({ folder }) => folder)),
        numbers(all.map(({ validity }) => validity)),
        numbers(all.map(({ next }) => next)),
        numbers(all.map(({ count }) => count)),
        numbers(all.map(({ unseen }) => unseen)),
        numbers(all.map(({ bytes }) => bytes)),
        numbers(all.map(({ modseq }) => modseq)),
      ],
    );
  }

  async #flushMessages(): Promise<void> {
    const all = this.#messages.map(({ id, delivery }) => ({ id, ...delivery }));
    if (all.length === 0) return;
    await this.#tx.run(
      `INSERT INTO message (id, body_size, body_id, header, summary, body) SELECT *
        FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])`,
      [
        numbers(all.map(({ id }) => id)),
        numbers(all.map(({ body }) => body.size)),
        blobs(all.map(({ body: { file } }) => file === null ? null : Uint8Array.fromHex(file))),
        blobs(all.map(({ header }) => header)),
        blobs(all.map(({ summary }) => summary)),
        blobs(all.map(({ body }) => body.inline)),
      ],
    );
  }

  async #flushEntries(): Promise<void> {
    const all = this.#entries;
    if (all.length === 0) return;
    await this.#tx.run(
      `INSERT INTO entry (account_id, uid, message_id, folder, number, flags, flags_high, modseq,
          received_at, changed_at, bytes, stanza, note) SELECT *
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
          $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
          $12::bytea[], $13::bytea[])`,
      [
        numbers(all.map(({ mailbox }) => mailbox.id)),
        numbers(all.map(({ uid }) => uid)),
        numbers(all.map(({ message }) => message)),
        numbers(all.map(({ folder }) => folder)),
        numbers(all.map(({ number }) => number)),
        numbers(all.map(({ flags }) => flags.low)),
        numbers(all.map(({ flags }) => flags.high)),
        numbers(all.map(({ modseq }) => modseq)),
        numbers(all.map(({ receivedAt }) => receivedAt)),
        numbers(all.map(({ changedAt }) => changedAt)),
        numbers(all.map(({ bytes }) => bytes)),
        blobs(all.map(({ stanza }) => stanza)),
        blobs(all.map(({ note }) => note)),
      ],
    );
  }

  async #flushDepartures(): Promise<void> {
    const all = this.#departures;
    if (all.length === 0) return;
    await this.#tx.run(
      `INSERT INTO departure (account_id, modseq, kind, uid, folder, number, at) SELECT *
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
          $6::bigint[], $7::bigint[])`,
      [
        numbers(all.map(({ mailbox }) => mailbox.id)),
        numbers(all.map(({ modseq }) => modseq)),
        numbers(all.map(({ kind }) => kind)),
        numbers(all.map(({ left }) => left.uid)),
        numbers(all.map(({ left }) => left.folder)),
        numbers(all.map(({ left }) => left.number)),
        numbers(all.map(({ at }) => at)),
      ],
    );
  }
}
