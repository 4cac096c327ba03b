import * as v from "valibot";
import { type Bytes, fromHex, fromUtf8, toHex, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import {
  type BuiltInFolder,
  FIRST_KEYWORD,
  type Flag,
  type Folder,
  folderNumber,
  folderOf,
  LAST_KEYWORD,
  NAMED_FLAGS,
} from "../../protocol/entry.ts";
import type { FolderState } from "../../protocol/folder_state.ts";
import { DEFAULT_MAX_MESSAGE, MAX_TITLE, MAX_UIDS } from "../../protocol/limits.ts";
import type { NewsEvent } from "../../protocol/request.ts";
import { parseJson } from "../../protocol/schema.ts";
import { isLost } from "../connection/reconnecting_connection.ts";
import { BackgroundTexts } from "../background_texts.ts";
import { type Mail, MANY_PAGES } from "../mail.ts";
import type { Opened } from "../mailbox/open.ts";
import { OwnNames } from "../mailbox/own_names.ts";
import type { CachedPlace, Fetched } from "../state/cache.ts";
import { TemporaryMessage } from "../message/temporary_message.ts";
import { flagOf, imapFlags, keywordNames } from "./flag_names.ts";
import {
  decodeGiven,
  encodeGiven,
  type Given,
  giveOut,
  notice,
  patched,
  patchesOf,
  saysAll,
} from "./given.ts";
import { ImapError } from "./imap/error.ts";
import { canonical } from "./imap/mailbox_name.ts";
import {
  type AppendedMessage,
  isDeleted,
  type MailboxInfo,
  type MailboxView,
  type MailStore,
  type MessageHead,
  type MessageSource,
  type PlacedMessage,
  type Placement,
} from "./imap/store.ts";
import { headerFields } from "./imap/header.ts";
import { lowerBound } from "./imap/sequence_set.ts";
import { OpenMessages, type Readable, type TellFetched } from "./open_messages.ts";
import { answering, defectLine } from "./problem.ts";
import { readHeader } from "./raw_header.ts";
import { messageIdOf, readStored, type Submitted } from "./submission.ts";

const FOLDERS_FILE = "bridge-folders";
const SUBSCRIPTIONS_FILE = "bridge-unsubscribed";

/** Messages whose heads are kept in memory. */
const MAX_HEADS = 50_000;

/** How often what changed meanwhile is asked for again in one go. */
const MAX_ROUNDS = 5;

/** Of Sent, the newest messages among which a copy is looked for that a mail program stores. */
const RECENTLY_SENT = 200;

const NAMES: Readonly<
  Record<BuiltInFolder, { readonly name: string; readonly use: string | null }>
> = {
  inbox: { name: "INBOX", use: null },
  sent: { name: "Sent", use: "\\Sent" },
  archive: { name: "Archive", use: "\\Archive" },
  trash: { name: "Trash", use: "\\Trash" },
  drafts: { name: "Drafts", use: "\\Drafts" },
};

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const foldersSchema = v.strictObject({
  epoch: v.string(),
  folders: v.array(v.strictObject({
    folder: count,
    validity: count,
    next: count,
    count,
    unseen: count,
    bytes: count,
    modseq: count,
  })),
});

/** What the server said of its folders last. */
interface KnownFolders {
  readonly epoch: string;
  readonly folders: readonly FolderState[];
}

/** A view, and what it was made of. */
interface MadeView {
  /** The generation. */
  readonly at: number;
  readonly names: OwnNames;
  readonly fetched: Fetched;
  readonly view: MailboxView;
}

/** The mail of one account, as the bridge gives it to mail programs. */
export class BridgeAccount implements MailStore {
  readonly #mail: Mail;
  readonly #tell: (line: string) => void;
  #names: OwnNames;
  #folders: KnownFolders;
  #unsubscribed: ReadonlySet<string>;
  /** Counts what makes views old. */
  #generation = 0;
  readonly #views = new Map<Folder, MadeView>();
  readonly #heads = new Map<number, Promise<Given>>();
  readonly #notices = new Map<number, Bytes>();
  readonly #open = new OpenMessages();
  readonly #listeners = new Set<() => void>();
  /** What has to be done one after the other: it changes the mailbox, or reads how it is. */
  #turn: Promise<unknown> = Promise.resolve();
  #refreshing: Promise<void> | null = null;
  /** The cache as it was when the folders' states were asked for. */
  #statesAt = -1;
  /** The cache as the views know it: other programs of this person bring it up to date, too. */
  #seen: Fetched = { epoch: "", bottom: 1, top: 0, modseq: 0 };
  /** Message-IDs of what this bridge has sent, and its ids, for the copies that mail programs store. */
  readonly #sent = new Map<string, string>();
  readonly #texts: BackgroundTexts;

  private constructor(
    mail: Mail,
    names: OwnNames,
    folders: KnownFolders,
    unsubscribed: ReadonlySet<string>,
    tell: (line: string) => void,
  ) {
    this.#mail = mail;
    this.#names = names;
    this.#folders = folders;
    this.#unsubscribed = unsubscribed;
    this.#tell = tell;
    this.#texts = new BackgroundTexts(mail, { onDefect: tell });
  }

  /**
   * Brings the whole mailbox here, if the server is there. `tell` gets lines about defects. Throws what
   * stops it.
   */
  static async open(mail: Mail, tell: (line: string) => void): Promise<BridgeAccount> {
    const kept = await mail.state.read(FOLDERS_FILE);
    const hidden = await mail.state.read(SUBSCRIPTIONS_FILE);
    const folders = kept === null ? null : parseJson(foldersSchema, fromUtf8(kept));
    const account = new BridgeAccount(
      mail,
      await mail.names(),
      folders === null ? { epoch: "", folders: [] } : {
        epoch: folders.epoch,
        folders: folders.folders.map((one) => ({ ...one, folder: folderOf(one.folder) })),
      },
      new Set(hidden === null ? [] : parseJson(v.array(v.string()), fromUtf8(hidden))),
      tell,
    );
    try {
      await account.refresh();
    } catch (error) {
      await account.#texts.close();
      throw error;
    }
    return account;
  }

  get mail(): Mail {
    return this.#mail;
  }

  get name(): string {
    return this.#mail.name;
  }

  get appendLimit(): number {
    return this.#mail.hello?.maxMessage ?? DEFAULT_MAX_MESSAGE;
  }

  get alert(): string | null {
    const { state } = this.#mail.connection;
    return state.kind === "offline"
      ? `Sealpost: there is no connection to the server, what was fetched is shown: ${state.why}`
      : null;
  }

  /** Ends it, and its mail with it, when what is under way has ended. Safe to call again. */
  async close(): Promise<void> {
    await this.#texts.close();
    // What waits for the server ends with that.
    await this.#mail.connection.close();
    let last: Promise<unknown>;
    do {
      last = this.#turn;
      await last;
    } while (last !== this.#turn);
    await this.#open.close();
    await this.#mail.close();
  }

  /** Takes notice of what the server tells. */
  notice(event: NewsEvent): void {
    if (event.event === "shared") {
      this.#inBackground(async () => {
        await this.#exclusive(() => this.#readNames());
        await this.refresh();
      });
    } else if ("modseq" in event && event.modseq > this.#seen.modseq) {
      this.#inBackground(() => this.refresh());
    }
  }

  /** Sends what waits, and looks for what is new: the connection is there again. */
  async online(): Promise<readonly string[]> {
    const { refused } = await this.#mail.flushOutbox();
    await this.#exclusive(() => this.#readNames());
    await this.refresh();
    return refused;
  }

  #inBackground(work: () => Promise<void>): void {
    // What fails here is asked for again by the next command.
    work().catch((error) => {
      if (!(error instanceof ImapError) && !isSealpostError(error)) this.#tell(defectLine(error));
    });
  }

  onChange(tell: () => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  #changed(): void {
    this.#generation++;
    for (const tell of [...this.#listeners]) tell();
  }

  /** Runs `work` when nothing else reads or changes the mailbox. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work, work);
    this.#turn = done.catch(() => {});
    return done;
  }

  refresh(): Promise<void> {
    return this.#refreshing ??= this.#exclusive(async () => {
      this.#refreshing = null;
      await answering(() => this.#syncIfThere());
    });
  }

  /** As {@linkcode BridgeAccount.#sync}; without the server, what was fetched is shown. */
  async #syncIfThere(): Promise<void> {
    if (!this.#mail.connection.online) return;
    try {
      await this.#sync();
    } catch (error) {
      if (!isLost(error)) throw error;
    }
  }

  /** Takes over what has changed, to the last message. Not twice at a time. */
  async #sync(): Promise<void> {
    const { cache } = this.#mail;
    for (let round = 1;; round++) {
      await this.#mail.sync();
      while (cache.fetched().bottom > 1 && await this.#mail.fetchOlder(MANY_PAGES));
      const now = cache.fetched();
      if (this.#statesAt === now.modseq && this.#folders.epoch === now.epoch) break;
      const folders = await this.#mail.folderStates();
      const newest = folders.reduce((most, { modseq }) => Math.max(most, modseq), 0);
      if (newest > now.modseq && round < MAX_ROUNDS) continue;
      this.#folders = { epoch: now.epoch, folders };
      this.#statesAt = now.modseq;
      const kept = folders.map((one) => ({ ...one, folder: folderNumber(one.folder) }));
      await this.#mail.state.write(
        FOLDERS_FILE,
        utf8(JSON.stringify({ epoch: now.epoch, folders: kept })),
      );
      break;
    }
    const [before, now] = [this.#seen, cache.fetched()];
    this.#seen = now;
    if (now.epoch !== before.epoch) {
      // Its keys stand for other messages.
      this.#heads.clear();
      this.#notices.clear();
      await this.#open.forgetAll();
    }
    if (now.modseq !== before.modseq || now.epoch !== before.epoch || before.bottom > 1) {
      this.#changed();
    }
  }

  async #readNames(): Promise<void> {
    this.#names = await this.#mail.names();
    this.#statesAt = -1;
    this.#changed();
  }

  /** The folders that are there, with their names. */
  #list(): { readonly name: string; readonly folder: Folder; readonly state: FolderState }[] {
    return this.#folders.folders.map((state) => {
      const { folder } = state;
      const name = typeof folder === "string"
        ? NAMES[folder].name
        : canonical(this.#names.folderName(folder));
      return { name, folder, state };
    });
  }

  mailboxes(): Promise<MailboxInfo[]> {
    return Promise.resolve(
      this.#list().map(({ name, folder }) => ({
        name,
        specialUse: typeof folder === "string" ? NAMES[folder].use : null,
        subscribed: !this.#unsubscribed.has(name),
      })),
    );
  }

  #find(name: string): { readonly folder: Folder; readonly state: FolderState } | null {
    return this.#list().find((one) => one.name === name) ?? null;
  }

  #require(name: string): Folder {
    const found = this.#find(name);
    if (found) return found.folder;
    throw new ImapError("NO", "there is no such mailbox", "NONEXISTENT");
  }

  async view(name: string): Promise<MailboxView | null> {
    const found = this.#find(name);
    if (!found) return null;
    const { folder } = found;
    const there = this.#views.get(folder);
    if (there && there.at === this.#generation && there.view.name === name) return there.view;
    return await this.#exclusive(() => Promise.resolve(this.#makeView(name)));
  }

  #makeView(name: string): MailboxView | null {
    const found = this.#find(name);
    if (!found) return null;
    const { folder, state } = found;
    const before = this.#views.get(folder);
    if (before && before.at === this.#generation && before.view.name === name) return before.view;
    const { cache } = this.#mail;
    const fetched = cache.fetched();
    const messages = this.#changedMessages(folder, state, before) ??
      this.#allMessages(folder, before);
    const own = messages.reduce((most, { modseq }) => Math.max(most, modseq), 1);
    const last = messages.at(-1)?.uid ?? 0;
    const view = {
      name,
      id: `F${fetched.epoch.replace(/[^A-Za-z0-9]/g, "-")}-${folderNumber(folder)}`,
      validity: state.validity,
      nextUid: Math.max(state.next, last + 1),
      modseq: Math.max(own, Math.min(state.modseq, fetched.modseq)),
      size: state.bytes,
      messages,
    };
    this.#views.set(folder, { at: this.#generation, names: this.#names, fetched, view });
    return view;
  }

  #allMessages(folder: Folder, before: MadeView | undefined): PlacedMessage[] {
    const known = new Map(before?.view.messages.map((one) => [one.key, one]));
    return this.#mail.cache.places(folder)
      .map((place) => this.#placed(place, known.get(place.uid)));
  }

  /**
   * The messages of a folder by what has changed since `before`; null where that does not tell: something
   * went, or not all of the mailbox was here.
   */
  #changedMessages(
    folder: Folder,
    { validity }: FolderState,
    before: MadeView | undefined,
  ): readonly PlacedMessage[] | null {
    const { cache } = this.#mail;
    const { epoch, bottom } = cache.fetched();
    const tells = before && before.names === this.#names && before.view.validity === validity &&
      before.fetched.epoch === epoch && before.fetched.bottom <= 1 && bottom <= 1;
    if (!tells) return null;
    const { changed, count } = cache.placesSince(folder, before.fetched.modseq);
    const known = before.view.messages;
    if (changed.length === 0 && count === known.length) return known;
    const messages = [...known];
    const uids = { length: known.length, at: (i: number) => known[i]?.uid ?? 0 };
    for (const place of changed) {
      const at = lowerBound(uids, place.number);
      const there = known[at];
      if (there === undefined) messages.push(this.#placed(place, undefined));
      else if (there.uid !== place.number || there.key !== place.uid) return null;
      else messages[at] = this.#placed(place, there);
    }
    return count === messages.length ? messages : null;
  }

  #placed(place: CachedPlace, before: PlacedMessage | undefined): PlacedMessage {
    const flags = imapFlags(place.flags, this.#names);
    const same = before?.uid === place.number && before.modseq === place.modseq &&
      before.flags.join(" ") === flags.join(" ");
    return same ? before : {
      uid: place.number,
      key: place.uid,
      flags,
      modseq: place.modseq,
      emailId: `M${toHex(place.id)}`,
    };
  }

  keywords(): readonly string[] {
    return keywordNames(this.#names);
  }

  async head(key: number): Promise<MessageHead> {
    return await answering(() => this.#given(key));
  }

  /** How the message `key` is given out: as the first time. */
  #given(key: number): Promise<Given> {
    const there = this.#heads.get(key);
    if (there) return there;
    if (this.#heads.size >= MAX_HEADS) this.#heads.clear();
    const made = this.#readGiven(key);
    this.#heads.set(key, made);
    // What failed is tried again, and what did not verify.
    made.then(
      () => this.#notices.has(key) && this.#heads.delete(key),
      () => this.#heads.delete(key),
    );
    return made;
  }

  async #readGiven(key: number): Promise<Given> {
    const kept = await this.#mail.cache.record("given", key);
    if (kept) return decodeGiven(kept);
    const { item, opened } = await this.#item(key);
    if (!opened) {
      const made = notice(
        item.entry.header.slice(1, 17),
        item.entry.receivedAt,
        item.problem ?? "",
      );
      this.#notices.set(key, made.bytes);
      return made.given;
    }
    if (this.#notices.delete(key)) await this.#open.forget(key);
    const bcc = await this.#mail.blindCopied(opened);
    const header = saysAll(opened.summary, MAX_TITLE) ? null : await this.#headerOf(opened);
    const given = giveOut(opened, item.duplicate, bcc, header);
    // Without its header it is told again when that can be had.
    const whole = header !== null || saysAll(opened.summary, MAX_TITLE);
    if (whole) await this.#keepGiven(key, given);
    return given;
  }

  /** A message's header, one character a byte; null if the message cannot be had now. */
  async #headerOf(opened: Opened): Promise<string | null> {
    try {
      await using message = await this.#mail.fetch(opened);
      return (await readHeader(message)).text;
    } catch (error) {
      if (isSealpostError(error)) return null;
      throw error;
    }
  }

  /** An entry, opened if it opens. Throws `no-such-message`, and what may pass. */
  async #item(key: number) {
    const cached = await this.#mail.cache.entry(key);
    if (!cached) throw new SealpostError("no-such-message", "the message is gone");
    try {
      const opened = await this.#mail.open(cached.entry);
      return { item: { ...cached, problem: null }, opened };
    } catch (error) {
      if (!isSealpostError(error, "authentication", "format", "version", "key-changed")) {
        throw error;
      }
      return { item: { ...cached, problem: error.message }, opened: null };
    }
  }

  async open(key: number, tell?: TellFetched): Promise<MessageSource> {
    return await answering(async () => {
      const given = await this.#given(key);
      return await this.#open.get(key, (all) => this.#openBody(key, given, all), tell);
    });
  }

  async #openBody(key: number, { prefix }: Given, tell: TellFetched): Promise<Readable> {
    const text = this.#notices.get(key);
    if (text) return inMemory(text);
    const { item, opened } = await this.#item(key);
    try {
      if (!opened) throw new SealpostError("authentication", item.problem ?? "");
      const size = opened.entry.bodySize;
      const message = await this.#mail.fetch(opened, (done) => tell(done, size));
      return await giveBody(message, opened, utf8(prefix));
    } catch (error) {
      if (!isSealpostError(error, "authentication", "format", "key-changed")) throw error;
      const { entry } = item;
      return inMemory(notice(entry.header.slice(1, 17), entry.receivedAt, error.message).bytes);
    }
  }

  async text(key: number): Promise<string> {
    return await answering(async () => {
      const { opened } = await this.#item(key);
      if (!opened) return "";
      await using message = await this.#mail.fetch(opened);
      try {
        return (await this.#mail.show(opened, message)).text;
      } catch (error) {
        // What has more structure than can be read is found by its head only.
        if (isSealpostError(error, "limit", "format")) return "";
        throw error;
      }
    });
  }

  async flag(
    keys: readonly number[],
    set: readonly string[],
    clear: readonly string[] | "others",
    unchangedSince: number | null,
  ): Promise<readonly number[]> {
    return await answering(() =>
      this.#exclusive(async () => {
        const wanted = await this.#flags(set, true);
        const gone = clear === "others"
          ? everyFlag().filter((flag) => !wanted.includes(flag))
          : await this.#flags(clear, false);
        const left: number[] = [];
        for (const some of chunks(keys)) {
          left.push(
            ...await this.#mail.flag(some, wanted, gone, undefined, unchangedSince ?? undefined),
          );
        }
        await this.#sync();
        return left;
      })
    );
  }

  /** The flags that IMAP spells so; with `make`, keywords are made that are not there. */
  async #flags(texts: readonly string[], make: boolean): Promise<Flag[]> {
    const flags = new Set<Flag>();
    for (const text of texts) {
      let found = flagOf(text, this.#names);
      if (found === null) {
        throw new ImapError("NO", "a keyword of this name cannot be made", "CANNOT");
      }
      if ("make" in found && make) {
        const bit = await this.#makeKeyword(found.make);
        found = { flag: bit };
      }
      if ("flag" in found) flags.add(found.flag);
    }
    return [...flags];
  }

  async #makeKeyword(word: string): Promise<number> {
    try {
      const bit = await this.#mail.makeKeyword(word);
      await this.#readNames();
      return bit;
    } catch (error) {
      // Another program of this person may have made it meanwhile.
      await this.#readNames();
      const found = this.#names.findFlag(word);
      if (typeof found === "number") return found;
      throw error;
    }
  }

  async move(keys: readonly number[], mailbox: string): Promise<Placement> {
    return await answering(() =>
      this.#exclusive(async () => {
        const folder = this.#require(mailbox);
        for (const some of chunks(keys)) await this.#mail.flag(some, [], [], folder);
        await this.#sync();
        return this.#placement(mailbox, keys);
      })
    );
  }

  #placement(mailbox: string, keys: readonly number[]): Placement {
    const view = this.#makeView(mailbox);
    const uids = new Map(view?.messages.map(({ key, uid }) => [key, uid]));
    return { validity: view?.validity ?? 0, uids: keys.flatMap((key) => uids.get(key) ?? []) };
  }

  async copy(keys: readonly number[], mailbox: string): Promise<Placement> {
    return await answering(() =>
      this.#exclusive(async () => {
        const folder = this.#require(mailbox);
        const copies: number[] = [];
        try {
          for (const key of keys) copies.push(...await this.#copyOne(key, folder));
        } catch (error) {
          // All of them or none (RFC 9051, section 6.4.7), as far as the server is there.
          await this.#remove(copies).catch((second) => {
            if (!isSealpostError(second)) throw second;
          });
          throw error;
        }
        return this.#placement(mailbox, copies);
      })
    );
  }

  /** Stores a copy of a message in `folder`; its key, or none if that cannot be had now. */
  async #copyOne(key: number, folder: Folder): Promise<number[]> {
    const { item, opened } = await this.#item(key);
    if (!opened) {
      throw new ImapError("NO", "a message that does not verify is not copied", "CANNOT");
    }
    await using message = await this.#mail.fetch(opened);
    const { receivedAt, flags } = item.entry;
    const copy = await this.#store(message, folder, flags, receivedAt, "saved");
    return copy === null ? [] : [copy];
  }

  async expunge(
    mailbox: string,
    validity: number,
    uids: ReadonlySet<number> | null,
  ): Promise<boolean> {
    return await answering(() =>
      this.#exclusive(async () => {
        // Another program may have moved some of them since, or taken the mark away.
        await this.#syncIfThere();
        const view = this.#makeView(mailbox);
        if (view?.validity !== validity) return false;
        const keys = view.messages
          .filter((one) => isDeleted(one) && (uids?.has(one.uid) ?? true))
          .map(({ key }) => key);
        await this.#remove(keys);
        return keys.length > 0;
      })
    );
  }

  /** Removes messages for good. */
  async #remove(keys: readonly number[]): Promise<void> {
    if (keys.length === 0) return;
    for (const some of chunks(keys)) await this.#mail.remove(some);
    for (const key of keys) this.#heads.delete(key);
    await this.#sync();
  }

  async append(appended: AppendedMessage): Promise<Placement | null> {
    return await answering(async () => {
      await using message = new TemporaryMessage(this.#mail.tempFolder());
      for await (const piece of appended.bytes) await message.write(piece);
      await message.verified(appended.size);
      return await this.#exclusive(async () => {
        const folder = this.#require(appended.mailbox);
        if (folder === "sent") {
          const there = await this.#sentAlready(message);
          if (there === "waiting") return null;
          if (there !== null) return this.#placement(appended.mailbox, [there]);
        }
        const flags = await this.#flags(appended.flags, true);
        const draft = folder === "drafts" || appended.flags.some((one) => /^\\draft$/i.test(one));
        const kind = draft ? "draft" : folder === "sent" ? "saved" : "import";
        const now = Date.now();
        const receivedAt = Math.min(appended.receivedAt ?? now, now);
        const key = await this.#store(message, folder, flags, receivedAt, kind);
        const placed = this.#placement(appended.mailbox, key === null ? [] : [key]);
        return placed.uids.length === 0 ? null : placed;
      });
    });
  }

  /** Stores a message that is sealed to oneself; its key, or null if that cannot be had now. */
  async #store(
    message: TemporaryMessage,
    folder: Folder,
    flags: readonly Flag[],
    receivedAt: number,
    kind: "draft" | "import" | "saved",
  ): Promise<number | null> {
    const ready = await readStored(message, kind);
    const { id, uid } = await this.#mail.append({ ...ready, folder, receivedAt, flags });
    try {
      await this.#sync();
      const key = uid ?? this.#findKey(id);
      if (key !== null) await this.#keepHeader(key, message);
      return key;
    } catch (error) {
      // It is stored: what fails from here on must not look as if it were not.
      if (!isSealpostError(error)) throw error;
      return uid;
    }
  }

  /** Keeps what lists will ask of a message, which its summary does not say, while it is here. */
  async #keepHeader(key: number, message: TemporaryMessage): Promise<void> {
    const { item, opened } = await this.#item(key);
    if (!opened) return;
    const { text } = await readHeader(message);
    await this.#keepGiven(key, giveOut(opened, item.duplicate, [], text));
  }

  /** The key of the message with this id, which was stored, its answer lost; null if it went since. */
  #findKey(id: string): number | null {
    return this.#mail.cache.withId(fromHex(id.replaceAll("-", "")))[0]?.uid ?? null;
  }

  async #keepGiven(key: number, given: Given): Promise<void> {
    await this.#mail.cache.putRecord("given", key, encodeGiven(given));
  }

  /**
   * The key of the message in Sent that `message` is a copy of, `"waiting"` if it is in the outbox, null
   * if there is none.
   */
  async #sentAlready(message: TemporaryMessage): Promise<number | "waiting" | null> {
    const messageId = messageIdOf(headerFields((await readHeader(message)).text));
    if (messageId === undefined) return null;
    const id = this.#sent.get(messageId);
    if (id !== undefined) {
      const unsent = await this.#mail.unsent();
      const waits = unsent.some(({ waiting, refused }) => !refused && waiting.request.id === id);
      if (waits) return "waiting";
      this.#sent.delete(messageId);
    }
    // What has left the outbox since may not be known here yet.
    await this.#syncIfThere();
    const recent = this.#mail.cache.places("sent").slice(-RECENTLY_SENT).toReversed();
    for (const { uid } of recent) {
      const { opened } = await this.#item(uid);
      if (opened && !opened.summary.stored && opened.summary.messageId === messageId) return uid;
    }
    return null;
  }

  /** Remembers what was sent, whose copy may be stored while it waits in the outbox. */
  sentAs({ messageId, id }: Submitted): void {
    this.#sent.set(messageId, id);
  }

  async create(name: string): Promise<void> {
    await answering(() =>
      this.#exclusive(async () => {
        if (this.#find(name)) {
          throw new ImapError("NO", "there is such a mailbox already", "ALREADYEXISTS");
        }
        await this.#mail.makeFolder(name);
        await this.#readNames();
        await this.#sync();
      })
    );
  }

  async delete(name: string): Promise<void> {
    await answering(() =>
      this.#exclusive(async () => {
        const folder = this.#require(name);
        if (typeof folder === "string") {
          throw new ImapError("NO", "this mailbox is there for everybody, and stays", "CANNOT");
        }
        // What is in it now, and nothing that was.
        await this.#sync();
        const keys = this.#mail.cache.places(folder).map(({ uid }) => uid);
        for (const some of chunks(keys)) await this.#mail.remove(some);
        await this.#mail.removeFolder(this.#names.folderName(folder));
        await this.#readNames();
        await this.#sync();
      })
    );
  }

  async rename(from: string, to: string): Promise<void> {
    await answering(() =>
      this.#exclusive(async () => {
        if (this.#find(to)) {
          throw new ImapError("NO", "there is such a mailbox already", "ALREADYEXISTS");
        }
        if (from === "INBOX") {
          // Its messages go into a new one (RFC 9051, section 6.3.6).
          await this.#sync();
          const folder = await this.#mail.makeFolder(to);
          const keys = this.#mail.cache.places("inbox").map(({ uid }) => uid);
          for (const some of chunks(keys)) await this.#mail.flag(some, [], [], folder);
        } else {
          const folder = this.#require(from);
          if (typeof folder === "string") {
            throw new ImapError("NO", "this mailbox keeps its name", "CANNOT");
          }
          await this.#mail.renameFolder(this.#names.folderName(folder), to);
        }
        await this.#readNames();
        await this.#sync();
      })
    );
  }

  async subscribe(name: string, subscribed: boolean): Promise<void> {
    await answering(() =>
      this.#exclusive(async () => {
        if (subscribed) this.#require(name);
        // No more names than there are mailboxes.
        const hidden = new Set([...this.#unsubscribed, name].filter((one) => this.#find(one)));
        if (subscribed) hidden.delete(name);
        await this.#mail.state.write(SUBSCRIPTIONS_FILE, utf8(JSON.stringify([...hidden])));
        this.#unsubscribed = hidden;
      })
    );
  }
}

function everyFlag(): Flag[] {
  const bits = Array.from(
    { length: LAST_KEYWORD - FIRST_KEYWORD + 1 },
    (_, i) => FIRST_KEYWORD + i,
  );
  return [...NAMED_FLAGS, ...bits];
}

/** `keys` in parts that one request takes. */
function chunks(keys: readonly number[]): number[][] {
  const parts: number[][] = [];
  for (let at = 0; at < keys.length; at += MAX_UIDS) parts.push(keys.slice(at, at + MAX_UIDS));
  return parts;
}

function inMemory(bytes: Bytes): Readable {
  return {
    size: bytes.length,
    async *read(from, to) {
      yield await Promise.resolve(bytes.slice(from, to));
    },
    dispose: () => Promise.resolve(),
  };
}

/** A message with `prefix` in front, and what is renamed in its header. */
async function giveBody(
  message: TemporaryMessage,
  { summary }: Opened,
  prefix: Bytes,
): Promise<Readable> {
  const patches = patchesOf((await readHeader(message)).text, summary);
  const before = prefix.length;
  return {
    size: before + message.size,
    async *read(from, to) {
      if (from < before) yield prefix.slice(from, Math.min(to, before));
      let at = Math.max(0, from - before);
      for await (const piece of message.read(at, Math.max(0, to - before))) {
        const from = at;
        // Whoever gets it may free it.
        at += piece.length;
        yield patched(piece, from, patches);
      }
    },
    dispose: () => message.dispose(),
  };
}
