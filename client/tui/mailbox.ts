import { isSealpostError } from "../../crypto/error.ts";
import { BUILT_IN_FOLDERS, type Flag, type Folder } from "../../protocol/entry.ts";
import type { Item } from "../mailbox/open.ts";
import type { Mail } from "../mail.ts";
import type { Before, Changing } from "../state/last_change.ts";

/** One message of the mailbox, whether it was opened or not. */
export interface MailboxEntry {
  readonly uid: number;
  readonly folder: Folder;
  readonly flags: readonly Flag[];
}

/** How many messages a folder has. */
export interface Count {
  readonly total: number;
  readonly unread: number;
}

/** Messages that are opened at a time in the background. */
const BATCH = 8;

/** What a mailbox calls. */
export interface MailboxEvents {
  /** What is shown may have changed. */
  changed(): void;
  /** The server made the mailbox anew since it was seen last. */
  renewed(): void;
  /** Work in the background ended with an error. */
  failed(error: unknown): void;
}

/**
 * The messages that a screen shows: those that are seen are opened first, then the others, and older
 * pages are fetched while nobody waits.
 */
export class Mailbox {
  readonly #mail: Mail;
  readonly #events: MailboxEvents;
  readonly #items = new Map<number, Item>();
  /** Newest first. */
  #entries: readonly MailboxEntry[] = [];
  #byFolder = new Map<Folder, readonly MailboxEntry[]>();
  #wanted: readonly number[] = [];
  #next = 0;
  #older = true;
  #turn: Promise<unknown> = Promise.resolve();
  #working = false;
  #closed = false;
  #version = 0;

  constructor(mail: Mail, events: MailboxEvents) {
    this.#mail = mail;
    this.#events = events;
    this.#reload();
  }

  /** Ends the work in the background. */
  close(): void {
    this.#closed = true;
  }

  /** A number that changes with every change of messages, flags or folders. */
  get version(): number {
    return this.#version;
  }

  /** Whether older pages are still to be fetched. */
  get fetching(): boolean {
    return this.#older && this.#working;
  }

  entries(folder: Folder): readonly MailboxEntry[] {
    return this.#byFolder.get(folder) ?? [];
  }

  /** The folders that everybody has, and those of the person's own that have messages. */
  folders(): Folder[] {
    return [...this.#byFolder.keys()];
  }

  all(): readonly MailboxEntry[] {
    return this.#entries;
  }

  count(folder: Folder): Count {
    const entries = this.entries(folder);
    let unread = 0;
    for (const { flags } of entries) if (!flags.includes("seen")) unread++;
    return { total: entries.length, unread };
  }

  /** A message, if it was opened already. */
  item(uid: number): Item | null {
    return this.#items.get(uid) ?? null;
  }

  /** Has messages opened before all others: those on the screen. */
  want(uids: readonly number[]): void {
    this.#wanted = uids.filter((uid) => !this.#items.has(uid));
    if (this.#wanted.length > 0) this.#work();
  }

  /** A message, opened now if necessary; null if it is gone. */
  async open(uid: number): Promise<Item | null> {
    const known = this.#items.get(uid);
    if (known) return known;
    const cached = await this.#mail.cache.entry(uid);
    if (!cached) return null;
    const item = await this.#mail.openItem(cached);
    this.#items.set(uid, item);
    return item;
  }

  /**
   * Asks the server for what is new, and fetches older pages in the background. Returns the UIDs of
   * what is new. Throws what {@linkcode Mail.sync} throws.
   */
  async sync(): Promise<readonly number[]> {
    const { fresh, renewed } = await this.#alone(() => this.#mail.sync());
    if (renewed) {
      this.#items.clear();
      this.#events.renewed();
    }
    this.#older = true;
    this.#reload();
    this.#work();
    return fresh;
  }

  /** Tries again to open what did not open because of a key, which may be accepted by now. */
  reopen(): void {
    for (const [uid, { keyChangedOf }] of this.#items) {
      if (keyChangedOf !== null) this.#items.delete(uid);
    }
    this.#reload();
    this.#work();
  }

  /** Takes over what changed in the cache. */
  reload(): void {
    this.#reload();
  }

  /** Sets and clears flags, and moves to `folder` if that is given. */
  async flag(
    uids: readonly number[],
    set: readonly Flag[],
    clear: readonly Flag[] = [],
    folder?: Folder,
  ): Promise<void> {
    await this.#mail.flag(uids, set, clear, folder);
    this.#reload();
  }

  /** As {@linkcode Mailbox.flag}, for any number of messages; {@linkcode Mailbox.undo} takes it back. */
  async change(uids: readonly number[], changing: Changing): Promise<void> {
    await this.#mail.change(uids, changing);
    this.#reload();
  }

  /** Takes back the last change: how those were before that were taken back, and whether they had moved. */
  async undo(): Promise<{ readonly undone: readonly Before[]; readonly moved: boolean }> {
    const done = await this.#mail.undo();
    this.#reload();
    return done ?? { undone: [], moved: false };
  }

  async remove(uids: readonly number[]): Promise<void> {
    await this.#mail.remove(uids);
    this.#reload();
  }

  /** Reads the entries of the cache again. */
  #reload(): void {
    this.#entries = this.#mail.cache.ids().map(({ uid, folder, flags }) => ({
      uid,
      folder,
      flags,
    }));
    const lists = new Map<Folder, MailboxEntry[]>(BUILT_IN_FOLDERS.map((folder) => [folder, []]));
    for (const entry of this.#entries) {
      const list = lists.get(entry.folder);
      if (list) list.push(entry);
      else lists.set(entry.folder, [entry]);
      const item = this.#items.get(entry.uid);
      if (item && !same(item.entry, entry)) {
        const changed = { ...item.entry, folder: entry.folder, flags: entry.flags };
        const opened = item.opened && { ...item.opened, entry: changed };
        this.#items.set(entry.uid, { ...item, entry: changed, opened });
      }
    }
    this.#byFolder = lists;
    this.#next = 0;
    this.#version++;
    this.#events.changed();
  }

  /** Runs `work` when no other change of the cache is under way. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      while (!this.#closed && await this.#step());
    } catch (error) {
      if (!this.#closed) this.#events.failed(error);
    } finally {
      this.#working = false;
    }
    if (!this.#closed) this.#events.changed();
  }

  /** Does the next piece of work; false when there is none. */
  async #step(): Promise<boolean> {
    const wanted = this.#wanted;
    this.#wanted = [];
    if (await this.#openAll(wanted)) {
      this.#events.changed();
      return true;
    }
    const batch: number[] = [];
    while (this.#next < this.#entries.length && batch.length < BATCH) {
      const uid = this.#entries[this.#next++]?.uid;
      if (uid !== undefined && !this.#items.has(uid)) batch.push(uid);
    }
    if (await this.#openAll(batch)) {
      this.#events.changed();
      return true;
    }
    if (!this.#older) return this.#wanted.length > 0;
    this.#older = await this.#alone(() => this.#mail.fetchOlder());
    this.#reload();
    return true;
  }

  async #openAll(uids: readonly number[]): Promise<boolean> {
    const found = await Promise.all(uids.map((uid) => {
      return this.open(uid).catch((error) => {
        // The message was removed meanwhile, or the disk is full: it stays unopened.
        if (isSealpostError(error, "connection-lost", "internal")) throw error;
        return null;
      });
    }));
    // Lets keys be read and the screen be drawn.
    await new Promise((resolve) => setTimeout(resolve, 0));
    return found.length > 0;
  }
}

function same(a: MailboxEntry, b: MailboxEntry): boolean {
  return a.folder === b.folder && a.flags.join() === b.flags.join();
}
