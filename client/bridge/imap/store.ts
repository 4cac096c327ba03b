import type { Bytes } from "../../../crypto/bytes.ts";
import type { Part } from "./structure.ts";

// What the IMAP side of the bridge needs of an account's mail. Everything here is as mail programs see
// it: names of mailboxes, UIDs, flags in their IMAP spelling.

/** A mailbox, as LIST shows it. */
export interface MailboxInfo {
  /** `INBOX`, or names with `/` between them. */
  readonly name: string;
  /** `\Sent` and the like; null for others. */
  readonly specialUse: string | null;
  readonly subscribed: boolean;
}

/** A message in a mailbox. */
export interface PlacedMessage {
  readonly uid: number;
  /** What {@linkcode MailStore} knows it by, in whatever mailbox it is. */
  readonly key: number;
  /** In their IMAP spelling. */
  readonly flags: readonly string[];
  readonly modseq: number;
  /** The same for a message wherever it moves; letters and digits. */
  readonly emailId: string;
}

/** Whether a message is marked as deleted. */
export function isDeleted({ flags }: PlacedMessage): boolean {
  return flags.includes("\\Deleted");
}

/** A mailbox at one moment. Never changes: another moment has another object. */
export interface MailboxView {
  readonly name: string;
  /** Letters, digits and dashes: stays when it is renamed. */
  readonly id: string;
  readonly validity: number;
  readonly nextUid: number;
  readonly modseq: number;
  /** At least the size of all its messages, bytes. */
  readonly size: number;
  /** In the order of their UIDs. */
  readonly messages: readonly PlacedMessage[];
}

/** What is known of a message without its body. */
export interface MessageHead {
  /** Exact size of what is given out, bytes. */
  readonly size: number;
  /** When it arrived, milliseconds since 1970. */
  readonly receivedAt: number;
  /** The header fields that are known, each `Name: value` without a line end. */
  readonly fields: readonly string[];
}

/** A message with its body, verified to its last byte. */
export interface MessageSource extends AsyncDisposable {
  readonly size: number;
  /** The bytes from `from` up to `to`. */
  read(from: number, to: number): AsyncIterable<Bytes>;
  /** What parts it has, and where. */
  structure(): Promise<Part>;
}

/** A message that is being stored: its bytes come to their end, or throw, before it is. */
export interface AppendedMessage {
  readonly mailbox: string;
  readonly flags: readonly string[];
  /** What counts as its arrival, milliseconds since 1970; null: now. */
  readonly receivedAt: number | null;
  readonly size: number;
  readonly bytes: AsyncIterable<Bytes>;
}

/** Where messages are now that were stored, copied or moved: pairs of UIDs are in one order. */
export interface Placement {
  readonly validity: number;
  readonly uids: readonly number[];
}

/**
 * The mail of one account. What changes something resolves when the views have it; everything throws
 * `ImapError` for what cannot be done.
 */
export interface MailStore {
  /** Largest message, bytes. */
  readonly appendLimit: number;
  /** What a person should be told once in a session; null for nothing. */
  readonly alert: string | null;
  mailboxes(): Promise<readonly MailboxInfo[]>;
  /** The mailbox called `name`; null if there is none. */
  view(name: string): Promise<MailboxView | null>;
  /** Asks the server what is new, if it is there. */
  refresh(): Promise<void>;
  /** Tells of changes of any mailbox; returns how to stop that. */
  onChange(tell: () => void): () => void;
  /** The keywords that messages have or could have. */
  keywords(): readonly string[];
  head(key: number): Promise<MessageHead>;
  /** `tell` hears how much of a message is here that has to be fetched, and how large it is, bytes. */
  open(key: number, tell?: (done: number, size: number) => void): Promise<MessageSource>;
  /** The text of a message as a person reads it, for searches. */
  text(key: number): Promise<string>;
  /**
   * Sets and clears flags; those who changed after `unchangedSince` are left alone, and returned.
   * `clear: "others"`: all flags that are not set go.
   */
  flag(
    keys: readonly number[],
    set: readonly string[],
    clear: readonly string[] | "others",
    unchangedSince: number | null,
  ): Promise<readonly number[]>;
  move(keys: readonly number[], mailbox: string): Promise<Placement>;
  copy(keys: readonly number[], mailbox: string): Promise<Placement>;
  /**
   * Removes for good what is marked as deleted in a mailbox now, or those of `uids`; nothing if its
   * validity is another. Returns whether something was removed.
   */
  expunge(mailbox: string, validity: number, uids: ReadonlySet<number> | null): Promise<boolean>;
  /** Stores a message; where, or null if that is not known. */
  append(message: AppendedMessage): Promise<Placement | null>;
  create(name: string): Promise<void>;
  delete(name: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  subscribe(name: string, subscribed: boolean): Promise<void>;
}

/** Lets a mail program in, by a name and the bridge's password. */
export interface Accounts {
  /** Null for a wrong name or password; that takes its time. */
  logIn(name: string, password: string): Promise<MailStore | null>;
}
