import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { EntryPlace, MailboxChange } from "../../protocol/change.ts";
import type { Entry, Flag, Folder } from "../../protocol/entry.ts";
import type { FolderState } from "../../protocol/folder_state.ts";
import type { LogRecord, LogState } from "../../protocol/key_log.ts";

export type { Entry, Flag, Folder, FolderState, MailboxChange };

/** The error of whatever is asked of a user who has no account. */
export function noSuchUser(name: string): SealpostError {
  return new SealpostError("no-such-user", `there is no user ${name}`);
}

/** One user's account. Passwords are elsewhere (user_pass.json). */
export interface Account {
  readonly name: string;
  /** As the operator wrote it; null if they did not. */
  readonly fullName: string | null;
  /** When the account was made, milliseconds since 1970. */
  readonly since: number;
  /** Fingerprint of the bound key, 32 bytes; null before the first connection. */
  readonly fp: Bytes | null;
  /** The bound bundle, encoded by `encodeBundle`; null before the first connection. */
  readonly bundle: Bytes | null;
  /** When the key was bound, milliseconds since 1970; null before that. */
  readonly boundAt: number | null;
  /** How many rotations led to the bound key. */
  readonly seq: number;
  /** Changes if the mailbox is ever made anew, so that its UIDs start over: 8 random bytes. */
  readonly epoch: Bytes;
  /** The UID that the next entry gets; UIDs start at 1 and only grow. */
  readonly nextUid: number;
  /** The modification sequence that was given last; 0 before the first. */
  readonly modseq: number;
}

/**
 * `bound`: had no key, has this one now. `same`: this key was bound before. `other-key`: another
 * key is bound. `taken`: another account has this key. `retired`: the key was left for another by a
 * rotation. `taken-away`: an operator took the key away. `unknown`: no such account. `not-allowed`: the
 * caller said no.
 */
export type BindOutcome =
  | "bound"
  | "same"
  | "other-key"
  | "taken"
  | "retired"
  | "taken-away"
  | "unknown"
  | "not-allowed";

/** A key that takes the place of another, with all that says so. */
export interface KeyRotation {
  readonly name: string;
  readonly fpOld: Bytes;
  readonly fpNew: Bytes;
  readonly bundleOld: Bytes;
  readonly bundleNew: Bytes;
  readonly seq: number;
  readonly certificate: Bytes;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * `rotated`: the new key is bound now. `other-key`: the old one is not the account's, or `seq` is not
 * one more than its. `used`: the new key is or was somebody's.
 */
export type RotateOutcome = "rotated" | "other-key" | "used";

/** A rotation as it is kept: the certificate, and the bundle of the key that was left. */
export interface KeptRotation {
  readonly fpNew: Bytes;
  readonly certificate: Bytes;
  readonly bundle: Bytes;
}

/** How the key log stands, and when its last record was added: one moment. */
export interface StoredLog extends LogState {
  /** Milliseconds since 1970. */
  readonly time: number;
  /**
   * The time that a head of it carries, milliseconds since 1970: that of every later record is above it,
   * whichever server adds that and whatever its clock says. So of two heads the one with more records has
   * the higher time.
   */
  readonly headTime: number;
}

/** A key of the server. */
export interface ServerKey {
  readonly fp: Bytes;
  /** How many rotations by certificate led to it, 0 if none did. */
  readonly seq: number;
}

/** Records of the key log. */
export interface LogPage {
  /** The generation in which the log began, seconds since 1970. */
  readonly first: number;
  /** How the log stood when they were read. */
  readonly log: StoredLog;
  readonly records: readonly LogRecord[];
}

/** A body while it arrives. Nothing of it is visible before the delivery is committed. */
export interface BodySink {
  /**
   * Takes the next bytes; the promise is the back-pressure, and `chunk` may be reused after it. One
   * call at a time. Throws `limit` for more than was announced, `disk-full` or `file-io`; whatever
   * it throws, the body is given up and nothing of it is left.
   */
  write(chunk: Bytes): Promise<void>;
  /**
   * Makes what was written durable and returns the handle for {@linkcode Store.deliver}. Throws
   * `format` for less than was announced, `disk-full` or `file-io`; the body is given up then.
   */
  finish(): Promise<StoredBody>;
  /**
   * Forgets what was written. Safe to call at any time, also after `finish`; without effect on what
   * a delivery has taken over.
   */
  abort(): Promise<void>;
  /**
   * Keeps what was written for {@linkcode Store.resumeBody} if the body was opened as part of an
   * upload, else as {@linkcode BodySink.abort}. Never rejects.
   */
  suspend(): Promise<void>;
}

/** Which upload bytes belong to: nobody can go on with one under another of these. */
export interface UploadId {
  /** The fingerprint of the session's key, 32 bytes. */
  readonly senderFp: Bytes;
  /** 16 bytes. */
  readonly messageId: Bytes;
  /** Bytes of the whole upload, as announced. */
  readonly size: number;
}

/** Makes a body resumable when its upload breaks off. */
export interface UploadStart {
  readonly id: UploadId;
  /** Gives all bytes of the upload before the body: asked of a body that goes to a file only. */
  readonly envelope: () => Bytes;
  /** What broken uploads of this sender may come to, bytes; the oldest go first. */
  readonly limit: number;
}

/** An upload that goes on. */
export interface ResumedBody {
  /** All bytes of the upload before the body. */
  readonly envelope: Bytes;
  /** The bytes of the body that are stored already, to be hashed before more is written. */
  readonly stored: AsyncIterable<Bytes>;
  /** For the rest of the body. */
  readonly sink: BodySink;
}

/** A finished body that no delivery has taken yet: in memory if small, else the name of a file. */
export interface StoredBody {
  readonly size: number;
  readonly inline: Bytes | null;
  readonly file: string | null;
}

/** One mailbox's copy of a message. */
export interface Copy {
  readonly account: string;
  readonly folder: Folder;
  /** Set at once: the sender's own Sent copy is `seen`. */
  readonly flags: readonly Flag[];
  readonly stanza: Bytes;
  /** The blob that only the sender's copy has (the list of Bcc, sealed to the sender), else null. */
  readonly note: Bytes | null;
  /** What counts as its arrival, milliseconds since 1970, where that is not the delivery's. */
  readonly date?: number;
}

/** Everything that is committed, together or not at all, for one `deliver`. */
export interface Delivery {
  readonly senderFp: Bytes;
  /** 16 bytes, a UUIDv7. */
  readonly messageId: Bytes;
  /** SHA-256 of the whole sealed message as it was uploaded. */
  readonly digest: Bytes;
  readonly header: Bytes;
  readonly summary: Bytes;
  readonly body: StoredBody;
  readonly copies: readonly Copy[];
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  /** What a mailbox may hold in all when its copies are in it, bytes; unlimited if not given. */
  readonly quota?: number;
}

/** Where a copy went. */
export interface Placed extends EntryPlace {
  readonly account: string;
  readonly modseq: number;
}

/**
 * `stored`: committed now. `already`: the same digest was committed before; `at` is what it was
 * received at then. `conflict`: the id was used for another digest.
 */
export type DeliverOutcome =
  | { readonly kind: "stored"; readonly at: number; readonly placed: readonly Placed[] }
  | { readonly kind: "already"; readonly at: number }
  | { readonly kind: "conflict" };

/** Which entries to list. Newest (highest UID) first unless `ascending`. */
export interface ListQuery {
  readonly folder?: Folder;
  /** Only UIDs greater than this. */
  readonly after?: number;
  /** Only UIDs smaller than this. */
  readonly before?: number;
  readonly ascending?: boolean;
  /** 1 to 1000. */
  readonly limit: number;
}

/** A change of flags and, if `folder` is given, of place. A flag in both `set` and `clear` is set. */
export interface FlagChange {
  readonly set: readonly Flag[];
  readonly clear: readonly Flag[];
  readonly folder?: Folder;
  /** Entries with a higher modification sequence are left alone. */
  readonly unchangedSince?: number;
  /** When, milliseconds since 1970; now if not given. What is changed by it expires from then on. */
  readonly at?: number;
}

/** What became of a {@linkcode FlagChange} or a removal. */
export interface Changed {
  /** The UIDs that exist (a removal: existed): each is now as asked, whether or not it was before. */
  readonly uids: readonly number[];
  /** Those that were left alone because of `unchangedSince`. */
  readonly modified: readonly number[];
  /** The mailbox's modification sequence after it. */
  readonly modseq: number;
  /** Whether anything is different now. */
  readonly any: boolean;
}

/** A change as the store tells of it: of a new entry, only where it is. */
export type StoredChange =
  | Exclude<MailboxChange, { readonly kind: "new" }>
  | ({ readonly kind: "new"; readonly modseq: number } & EntryPlace);

/** A page of changes, and how the mailbox stands: one moment. */
export interface ChangePage {
  readonly epoch: Bytes;
  readonly nextUid: number;
  readonly modseq: number;
  /** In the order of their modification sequences. */
  readonly changes: readonly StoredChange[];
  /** Whether there are more behind the last. */
  readonly more: boolean;
}

/** How a mailbox and all its folders stand: one moment. */
export interface MailboxFolders {
  readonly epoch: Bytes;
  readonly nextUid: number;
  readonly modseq: number;
  /** In the order of their numbers. */
  readonly folders: readonly FolderState[];
}

/** The record that all machines of a person share. */
export interface StoredRecord {
  /** From 1; 0 if there is none. */
  readonly version: number;
  readonly sealed: Bytes;
}

/** A machine of a person, as the server saw it. */
export interface StoredMachine {
  /** 8 bytes, which it made itself. */
  readonly id: Bytes;
  /** When it was here first and last, milliseconds since 1970. */
  readonly first: number;
  readonly last: number;
  /** From which host it came last. */
  readonly source: string;
}

/** That a machine was here. */
export interface SeenMachine {
  /** 8 bytes. */
  readonly id: Bytes;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The host that it came from. */
  readonly source: string;
}

/** A kit as its owner put it. */
export interface StoredKit {
  /** 16 bytes. */
  readonly id: Bytes;
  /** When it was put, milliseconds since 1970. */
  readonly at: number;
  readonly sealed: Bytes;
}

/** A kit, for somebody who knows its id. */
export interface FetchedKit {
  readonly account: string;
  readonly sealed: Bytes;
}

/** What is known of a person's kit without opening it. */
export interface KitState {
  /** 16 bytes. */
  readonly id: Bytes;
  /** When it was put, milliseconds since 1970. */
  readonly at: number;
  /** When it was fetched last, milliseconds since 1970; null if never. */
  readonly fetchedAt: number | null;
}

/**
 * What can expire. `trash`: everything in Trash. `read`: what is in the inbox, `seen` and not
 * `flagged`; the other folders are where people put what they keep.
 */
export type Expiring = "trash" | "read";

/** A resumption ticket as it is kept: its key is wrapped under a key that the store does not have. */
export interface StoredTicket {
  /** 16 bytes. */
  readonly id: Bytes;
  readonly account: string;
  /** Fingerprint of the key that the session had proven. */
  readonly fp: Bytes;
  /** Digest of what stood for the password when the ticket was issued, 16 bytes. */
  readonly credential: Bytes;
  readonly wrapped: Bytes;
  /** When password and keys were last proven in full, milliseconds since 1970. */
  readonly fullAt: number;
  /** When it ends, milliseconds since 1970. */
  readonly expires: number;
}

/** Totals over the whole store. */
export interface StoreStats {
  readonly accounts: number;
  /** Accounts with a bound key. */
  readonly bound: number;
  readonly entries: number;
  /** What the entries count for, bytes: a message counts in every mailbox that has it. */
  readonly bytes: number;
  /** Size of the database without the files beside it, bytes. */
  readonly database: number;
  readonly tickets: number;
  /** Writes that wait for their commit. */
  readonly waiting: number;
}

/** A commit that was tried: how many writes it took, in how many milliseconds, and if it failed. */
export interface CommitReport {
  readonly writes: number;
  readonly ms: number;
  readonly failed: SealpostError | null;
}

/**
 * Accounts, mailboxes and messages, kept for good. Every promise of a write resolves only after
 * the write is committed to disk; a rejected one left nothing. Implementations pass the contract
 * tests in `tests/server/store/store_contract.ts`.
 *
 * Names are canonical when they get here; what is asked about a mailbox that does not exist throws
 * `no-such-user`. All methods throw `disk-full` or `file-io` when the disk refuses; the store stays
 * usable for reads after that, and for writes once there is room again. After `close` they throw
 * `busy`.
 */
export interface Store {
  /** Makes accounts for those of `names` that have none. */
  ensureAccounts(names: readonly string[]): Promise<void>;
  account(name: string): Promise<Account | null>;
  /** The accounts of those of `names` that have one, in this order. */
  accounts(names: readonly string[]): Promise<readonly Account[]>;
  /** Gives a person another full name, or none. */
  setFullName(name: string, fullName: string | null): Promise<void>;
  /** The fingerprint of the key that is bound to an account; null if none is, undefined if it is unknown. */
  boundKey(name: string): Promise<Bytes | null | undefined>;
  /** The account to which the key with this fingerprint is bound. */
  accountByFp(fp: Bytes): Promise<Account | null>;
  /**
   * Binds by one conditional update (`fp IS NULL`, fingerprints unique), unless `isAllowed`, which is
   * asked inside the transaction, says no.
   */
  bindKey(
    name: string,
    fp: Bytes,
    bundle: Bytes,
    at: number,
    isAllowed?: () => boolean,
  ): Promise<BindOutcome>;
  /**
   * Takes the key of an account away, and its tickets with it, so that the next login binds another. No
   * account binds that key again, unless `mayReturn`: then this one does. No rotation leads to it; the
   * certificates that led to it stay. Where no key is bound, `mayReturn` is about the one that was taken
   * away last. Returns the fingerprint of the key, null if there is none. Throws `no-such-user`.
   */
  unbindKey(name: string, options: { readonly mayReturn: boolean }): Promise<Bytes | null>;
  /**
   * Puts a new key in the place of another, drops the account's tickets and forgets its machines, which
   * know the old key only, in one transaction.
   */
  rotateKey(rotation: KeyRotation): Promise<RotateOutcome>;
  /** The rotations of an account since the key `from`, oldest first, at most `limit`. */
  rotations(name: string, from: Bytes, limit: number): Promise<readonly KeptRotation[]>;
  /** How many rotations an account has had since `after`, milliseconds since 1970. */
  countRotations(name: string, after: number): Promise<number>;

  /** How the key log stands now. */
  logState(): Promise<StoredLog>;
  /** At most `limit` records of the key log, after record number `after`. */
  logRecords(after: number, limit: number): Promise<LogPage>;
  /** The accounts of `names`, null for those that have none, and the key log of the same moment. */
  accountsAndLog(
    names: readonly string[],
  ): Promise<{ readonly accounts: readonly (Account | null)[]; readonly log: StoredLog }>;
  /**
   * Adds to the key log that the server's keys were `keys`, one after the other, the present one last:
   * those behind the one that it has last, all if that is not among them. Returns how many were added.
   */
  logServerKeys(keys: readonly ServerKey[], at: number): Promise<number>;

  /**
   * Room for a body of exactly `size` bytes. With `upload`, a large one can be continued after it
   * broke off; an earlier part of the same upload is forgotten.
   */
  openBody(size: number, upload?: UploadStart): Promise<BodySink>;
  /**
   * How many bytes of an upload that broke off are safe on the disk, from its first: they survive any
   * crash. 0 if there are none. One that still goes on elsewhere is ended there.
   */
  uploaded(id: UploadId): Promise<number>;
  /**
   * Goes on with an upload after its first `offset` bytes; what was there beyond is cut off. Null if
   * that much is not there, or `offset` is within the envelope. `limit` as in
   * {@linkcode UploadStart}.
   */
  resumeBody(id: UploadId, offset: number, limit: number): Promise<ResumedBody | null>;
  /**
   * Forgets uploads that broke off before `before` (milliseconds since 1970), and the oldest of each
   * sender who has more than `limit` bytes of them. Returns how many.
   */
  dropUploads(before: number, limit: number): Promise<number>;
  /** The answer already given for this id, if there is one: checked before bulk is taken. */
  delivered(senderFp: Bytes, messageId: Bytes): Promise<{ digest: Bytes; at: number } | null>;
  /**
   * Stores a message with all its copies in one transaction; an account may get several. Takes over
   * `body`: it is gone if the outcome is not `stored` or the promise rejects. Throws `no-such-user`
   * if an account of `copies` does not exist, and a `RefusedError` with the code `quota` that is
   * `about` the first account without room.
   */
  deliver(delivery: Delivery): Promise<DeliverOutcome>;

  list(account: string, query: ListQuery): Promise<readonly Entry[]>;
  entry(account: string, uid: number): Promise<Entry | null>;
  /** Those of `uids` that exist, in their order. */
  entries(account: string, uids: readonly number[]): Promise<readonly Entry[]>;
  /**
   * The sealed body from byte `offset` on, in chunks of at most 64 KiB; null if there is no such
   * entry. Nothing is held until the first chunk is asked for, so it need not be iterated. If the
   * message is removed before that, asking may throw `no-such-message`; a reading that has begun
   * gets every byte.
   */
  readBody(account: string, uid: number, offset?: number): Promise<AsyncIterable<Bytes> | null>;
  /**
   * Sets and clears flags, and moves. Throws `limit` if a folder that is not there would be one too
   * many, or has given all its numbers.
   */
  flag(account: string, uids: readonly number[], change: FlagChange): Promise<Changed>;
  /**
   * Removes entries for good; a message without entries goes with its body. The memory of its id
   * stays.
   */
  remove(account: string, uids: readonly number[]): Promise<Changed>;
  /**
   * At most `limit` changes with a modification sequence above `since`; entries with a UID from
   * `knownUid` on are new. Throws `too-old` if not all of them are remembered, or `since` is above the
   * mailbox's.
   */
  changes(account: string, since: number, knownUid: number, limit: number): Promise<ChangePage>;
  folders(account: string): Promise<MailboxFolders>;
  /** Makes a folder if it is not there; returns its validity. Throws `limit` for one too many. */
  makeFolder(account: string, folder: Folder): Promise<number>;
  /** Takes a folder away if it is there. Throws `limit` if it has entries. */
  dropFolder(account: string, folder: Folder): Promise<void>;
  /** Forgets removals and moves before `before` (milliseconds since 1970). Returns how many. */
  forgetDepartures(before: number): Promise<number>;
  sharedRecord(account: string): Promise<StoredRecord>;
  /** The version of the record alone; 0 if there is none. */
  sharedVersion(account: string): Promise<number>;
  /**
   * Puts `sealed` in the place of version `version` (0: of none); returns the new version. Throws
   * `version-conflict` if another is there.
   */
  putSharedRecord(account: string, version: number, sealed: Bytes): Promise<number>;
  /**
   * Removes, as {@linkcode Store.remove} does, what can expire and has changed neither folder nor flags
   * since `before` (milliseconds since 1970). Returns how many.
   */
  expire(what: Expiring, before: number): Promise<number>;
  /** Entries and stored bytes of one mailbox, for quota and `whoami`; `unseen` counts the inbox. */
  usage(account: string): Promise<{ entries: number; unseen: number; bytes: number }>;
  /** What the entries of a mailbox take of its quota, bytes. */
  storedBytes(account: string): Promise<number>;
  /** Forgets ids of deliveries older than `before` (milliseconds since 1970). Returns how many. */
  forgetDelivered(before: number): Promise<number>;

  /**
   * Keeps a ticket; if the account has more than `limit` then, those that end first go. Throws
   * `no-such-user`.
   */
  saveTicket(ticket: StoredTicket, limit: number): Promise<void>;
  /**
   * Deletes a ticket and keeps `next`, if there is one, in its place, in one transaction: true for the
   * one caller that found it there; for all others nothing is kept.
   */
  exchangeTicket(id: Bytes, next: StoredTicket | null): Promise<boolean>;
  ticket(id: Bytes): Promise<StoredTicket | null>;
  /** Deletes a ticket in one step: true for the one caller that found it there. */
  takeTicket(id: Bytes): Promise<boolean>;
  /** Deletes all tickets of an account. Returns how many. */
  dropTickets(account: string): Promise<number>;
  /** Deletes tickets that ended before `before` (milliseconds since 1970). Returns how many. */
  dropExpiredTickets(before: number): Promise<number>;

  /**
   * Remembers that a machine of the account was here; of more than `limit`, those that were here longest
   * ago are forgotten. Throws `no-such-user`.
   */
  seeMachine(account: string, machine: SeenMachine, limit: number): Promise<void>;
  /** The machines of an account, the latest first. */
  machines(account: string): Promise<readonly StoredMachine[]>;

  /** Puts a kit in the place of the one that is there. Throws `id-conflict` if its id is another account's. */
  putKit(account: string, kit: StoredKit): Promise<void>;
  kitState(account: string): Promise<KitState | null>;
  /** The kit with this id and whose it is, and remembers that it was fetched at `at`; null if there is none. */
  fetchKit(id: Bytes, at: number): Promise<FetchedKit | null>;
  /** Removes the kit of an account; false if there was none. */
  dropKit(account: string): Promise<boolean>;

  stats(): Promise<StoreStats>;

  close(): Promise<void>;
}

/** How a mailbox stands, for those who follow it from another server. */
export interface MailboxState {
  readonly nextUid: number;
  readonly modseq: number;
  /** Of the shared record. */
  readonly sharedVersion: number;
  /** How often its sessions were ended: all, by a new key, a new password, or logging out everywhere. */
  readonly ends: number;
}

/** What one write of this server has changed in a mailbox. */
export interface OwnChange {
  readonly account: string;
  /** The modification sequences around it. */
  readonly before: number;
  readonly after: number;
  /** The UID that the next entry gets after it. */
  readonly nextUid: number;
}

/** A server on a shared store. */
export interface NodeRow {
  /** 8 random bytes of its run. */
  readonly id: Bytes;
  /** From 1; no two that are there have the same. */
  readonly number: number;
  /** Where it listens, `host:port`. */
  readonly address: string;
}

/** A store that several servers use at a time, which keeps the users as well. */
export interface SharedStore extends Store {
  /** How the mailboxes of those of `accounts` stand that have one. */
  mailboxStates(accounts: readonly string[]): Promise<ReadonlyMap<string, MailboxState>>;
  /** How often this server has ended the sessions of an account; null while it does. */
  ownEnds(account: string): number | null;
  /**
   * From now on, tells other servers which mailboxes this one has changed, and calls `own` after each of
   * its commits, `others` with the accounts whose mailboxes others have changed; null: it may be any, or
   * the users.
   */
  follow(
    own: (changes: readonly OwnChange[]) => void,
    others: (accounts: readonly string[] | null) => void,
  ): void;
  /** The users, each with what stands for the password; null if that is still revision `known`. */
  logins(
    known?: number,
  ): Promise<{ readonly revision: number; readonly users: ReadonlyMap<string, string> } | null>;
  /** Changes the users, and tells other servers; `decide` as for `Users.change`. */
  changeLogins(
    decide: (users: ReadonlyMap<string, string>) => ReadonlyMap<string, string | null>,
  ): Promise<void>;
  /** Tells other servers a line, soon; it may be lost. At most 1000 bytes, without line breaks. */
  tellLine(line: string): void;
  /** From now on `hear` is called with each line of another server. After {@linkcode SharedStore.follow}. */
  hearLines(hear: (line: string) => void): void;
  /** Why the database cannot be used at the moment, as far as is known; null if nothing is wrong. */
  readonly trouble: string | null;
  /**
   * Says that a server is there, forgets those that have not said so for `lease` milliseconds, and returns
   * all that are left.
   */
  renewNode(node: Pick<NodeRow, "id" | "address">, lease: number): Promise<readonly NodeRow[]>;
  removeNode(id: Bytes): Promise<void>;
  /** Keeps a question of the server `from` to all others; returns its id. */
  addQuestion(from: Bytes, question: string): Promise<Bytes>;
  removeQuestion(id: Bytes): Promise<void>;
  /** The questions of others that the server `node` has not answered. */
  questionsFor(node: Bytes): Promise<readonly { readonly id: Bytes; readonly question: string }[]>;
  /** Nothing happens if the question is gone. */
  addAnswer(question: Bytes, node: Bytes, text: string): Promise<void>;
  answersTo(
    question: Bytes,
  ): Promise<readonly { readonly node: Bytes; readonly text: string }[]>;
  /**
   * Gives the database `ms` milliseconds for all that is asked of it before `close`, which so ends soon;
   * what is not done then throws `busy`.
   */
  giveUpIn(ms: number): void;
}
