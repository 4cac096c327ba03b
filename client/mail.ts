import { defined } from "../crypto/defined.ts";
import { formatSize } from "../cli/format.ts";
import { printable } from "../cli/printable.ts";
import { type Bytes, equal, fromBase64 } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import type { Identity } from "../crypto/identity.ts";
import { EVERYONE } from "../protocol/name.ts";
import { BUILT_IN_FOLDERS, type Entry, type Flag, type Folder } from "../protocol/entry.ts";
import type { Address } from "../protocol/address.ts";
import { decodeHello, encodeHello, type Hello } from "../protocol/hello.ts";
import { MAX_TEXT, MAX_TITLE, MAX_UIDS } from "../protocol/limits.ts";
import type { DeliverRequest, NewsEvent } from "../protocol/request.ts";
import type { Person } from "../protocol/summary.ts";
import { formatMessageId, newMessageId, parseMessageId } from "../protocol/uuid.ts";
import { type AttachmentSource, type Composed, composeMessage } from "./message/compose.ts";
import { fullMessageId } from "./message/mail_names.ts";
import { threadOf } from "./message/reply.ts";
import { Bodies } from "./state/bodies.ts";
import { Cache, type CachedEntry } from "./state/cache.ts";
import { type Appended, appendSealed } from "./mailbox/append.ts";
import { type Attempt, deliverWaiting, type OnRefusal } from "./mailbox/deliver.ts";
import { Drafts, type SavedDraft } from "./state/drafts.ts";
import { isLost, type ReconnectingConnection } from "./connection/reconnecting_connection.ts";
import { type FetchChannel, fetchMessage } from "./mailbox/fetch.ts";
import { forgetMessages } from "./mailbox/forget.ts";
import { listCached, type ListOptions } from "./mailbox/list.ts";
import { findMessage } from "./mailbox/message_ids.ts";
import { type Item, MessageOpener, type Opened } from "./mailbox/open.ts";
import { MailboxMemory } from "./state/mailbox_memory.ts";
import { FailedStanzas } from "./state/failed_stanzas.ts";
import { type Before, type Changing, inverseFor, LastChangeFile } from "./state/last_change.ts";
import { OpenedMessages } from "./state/opened_messages.ts";
import { AddressNotices } from "./state/address_notice.ts";
import { type FullName, Members } from "./state/members.ts";
import {
  followed,
  type Group,
  groupsOf,
  isListFile,
  planGroup,
  readSharedList,
  type SharedList,
} from "./mailbox/groups.ts";
import { groupFrom, type OfferedGroup, offerOf, planDeclined } from "./mailbox/offered_groups.ts";
import { expandRecipients, type Recipients } from "./mailbox/recipients.ts";
import { fetchMembers, freshenMembers } from "./mailbox/members.ts";
import { Lanes } from "./state/lanes.ts";
import { Outbox, type Waiting } from "./state/outbox.ts";
import { type Correspondent, People, type Self } from "./trust/people.ts";
import { heldByLog } from "./trust/confirm_key.ts";
import type { KeyLogClient } from "./trust/key_log.ts";
import { recipientName } from "./trust/recipient_name.ts";
import { type Pin, Pins } from "./state/pins.ts";
import { unconfirmedKeys } from "./trust/confirm_key.ts";
import { Progress } from "../cli/progress.ts";
import { reseal, sealedBy } from "./message/reseal.ts";
import type { RetiredKeys } from "./state/retired_keys.ts";
import {
  type MessageToStore,
  sealMessage,
  sealToStore,
  type SummaryHeaders,
} from "./message/seal.ts";
import { parseQuery, type Query, speaksOfNames } from "./mailbox/query.ts";
import { indexText, search, type SearchOptions, type SearchResult } from "./mailbox/search.ts";
import {
  type DisplayedMessage,
  isAnnouncement,
  readForDisplay,
  textWithCalendars,
} from "./mailbox/show.ts";
import type { State } from "./state/state.ts";
import { keepSentBody } from "./mailbox/keep_sent.ts";
import { unsealBody } from "./message/unseal.ts";
import { fetchFolderStates } from "./mailbox/folder_states.ts";
import {
  type EntryChange,
  noSuchFolder,
  overtakenLine,
  OwnNames,
  parseOwnName,
  planFolder,
  planKeyword,
  planRemoval,
  planRename,
  planSearch,
} from "./mailbox/own_names.ts";
import { planRemovedDrafts, removedDrafts } from "./mailbox/removed_drafts.ts";
import { SharedPins } from "./mailbox/shared_pins.ts";
import { RuleRunner } from "./mailbox/rule_runner.ts";
import { SharedRecordClient } from "./mailbox/shared_record.ts";
import type { SharedRecord } from "../protocol/shared_record.ts";
import type { FolderState } from "../protocol/folder_state.ts";
import { fetchOlder, type LocalMailbox, sync, type Synced } from "./mailbox/sync.ts";
import { conversationUids, onceEach, type Thread, threadsOf } from "./mailbox/threads.ts";
import type { TemporaryMessage } from "./message/temporary_message.ts";

/** What a person wants to send. Names are canonical. */
export interface Outgoing {
  readonly to: readonly string[];
  readonly cc?: readonly string[];
  readonly bcc?: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly attachments: readonly AttachmentSource[];
  /** The message this one answers. */
  readonly answers?: Opened;
  /** Called before the message goes into the outbox, with its id. */
  readonly onSealed?: (id: string) => Promise<void>;
  /** Called when the message is in the outbox, durably: from then on it is not lost. */
  readonly onKept?: () => Promise<void>;
  /** Called before a message that was refused for good leaves the outbox. */
  readonly onRefused?: () => Promise<void>;
  /** Asked when the message is in the outbox, before it goes out: false if its sender takes it back. */
  readonly hold?: () => Promise<boolean>;
  /** Called before a message that was taken back leaves the outbox. */
  readonly onTakenBack?: () => Promise<void>;
}

/** A message that is composed already, and what is to be sealed of it beside its bytes. */
export interface ReadyMessage {
  /** Canonical names. */
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  /** At most {@linkcode MAX_TITLE} characters. */
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly date: number;
  readonly attachments: readonly { readonly name: string; readonly size: number }[];
  readonly headers: SummaryHeaders;
  /** The id of the message it answers. */
  readonly inReplyTo?: string;
  readonly composed: Pick<Composed, "size" | "stream">;
}

/** What became of a message: it is stored on the server, or it waits in the outbox. */
export interface Sent {
  /** As it is written: 32 hexadecimal digits in five groups. */
  readonly id: string;
  /** When the server stored it, milliseconds since 1970; null while it waits. */
  readonly at: number | null;
  /** Why it waits in the outbox; null if it does not. */
  readonly waits: SealpostError | null;
}

/** What {@linkcode Mail.undo} did. */
export interface Undone {
  /** How those messages are again that were taken back. */
  readonly undone: readonly Before[];
  /** How many are left alone: they were changed since, or not by what is taken back. */
  readonly left: number;
  /** Whether messages had been moved. */
  readonly moved: boolean;
}

/** Asks the person whether a message may go out under this key. */
export type AskAboutKey = (pin: Pin) => Promise<boolean>;

/** That the mailbox may have changed since it was looked at. */
export interface Stale {
  /** When it was looked at last, milliseconds since 1970. */
  readonly asOf: number;
  /** Why it cannot be looked at now. */
  readonly why: string;
}

const SERVER = "server";

/** Pages of older messages that are fetched at once where all are wanted. */
export const MANY_PAGES = 5;

/** Larger messages are not fetched to be searched, bytes. */
const MAX_SEARCHED = 8 * 1024 * 1024;

/** One person's mail over one connection: what was fetched is there without a connection too. */
export class Mail {
  readonly people: People;
  readonly cache: Cache;
  readonly drafts: Drafts;
  /** The server's key log. */
  readonly log: KeyLogClient;
  /** Who is in the group. */
  readonly members: Members;
  /** Where the operator says that the server is. */
  readonly notices: AddressNotices;
  /** What all of the person's machines share. */
  readonly shared: SharedRecordClient;
  readonly #sharedPins: SharedPins;
  /** Runs the person's rules, if this machine does. */
  readonly rules: RuleRunner;
  /** Whether rules are run on what arrives, where this machine runs them. */
  runsRules = true;
  /** What this machine keeps. */
  readonly state: State;
  readonly #lanes: Lanes;
  readonly #opener: MessageOpener;
  /** Where bodies are kept; null if they are not. */
  readonly #bodies: Bodies | null;
  readonly #mailbox: LocalMailbox;
  readonly #outbox: Outbox;
  readonly #lastChange: LastChangeFile;
  readonly #self: Self;
  readonly #remembered: Hello | null;
  #groups: readonly Group[] = [];
  /** How often something in the mailbox was changed from here. */
  #ownChanges = 0;
  /** What stands below what the person writes; empty for nothing. */
  signature = "";
  /** How long a message that the person sends may be taken back, milliseconds; 0 for not at all. */
  undoSend = 0;
  /**
   * What the texts that searches look in may take here as far as they are fetched in the background, bytes; 0
   * for none.
   */
  searchTexts = 200 * 1024 * 1024;
  /** The server that this client talks to; null if that is not said. */
  server: Address | null = null;
  /**
   * Asks the person whether a message may go out under the new key of somebody whose former one they had
   * verified; null where nobody can be asked: it waits then.
   */
  onNewKey: AskAboutKey | null = null;
  /** Told that the operator calls the person so from now on, which what they send will say. */
  onFullName: (fullName: string) => void = () => {};
  /** Told, in a sentence, whom the owner of a list that is followed has added and removed. */
  onGroupChanged: (line: string) => void = () => {};
  /** Told when the cache answers in the place of the server. */
  onStale: (stale: Stale) => void = () => {};

  private constructor(
    self: Self,
    readonly connection: ReconnectingConnection,
    hello: Hello | null,
    parts: {
      people: People;
      opener: MessageOpener;
      bodies: Bodies | null;
      cache: Cache;
      lanes: Lanes;
      drafts: Drafts;
      state: State;
      memory: MailboxMemory;
      outbox: Outbox;
      log: KeyLogClient;
      members: Members;
      notices: AddressNotices;
    },
  ) {
    this.log = parts.log;
    this.members = parts.members;
    this.notices = parts.notices;
    this.#self = self;
    this.#remembered = hello;
    this.people = parts.people;
    this.#opener = parts.opener;
    this.#bodies = parts.bodies;
    this.cache = parts.cache;
    this.#lanes = parts.lanes;
    this.drafts = parts.drafts;
    this.shared = new SharedRecordClient(connection, self, parts.state);
    this.#lastChange = new LastChangeFile(parts.state);
    this.state = parts.state;
    this.#sharedPins = new SharedPins(this.shared, parts.people, parts.state);
    this.#mailbox = {
      cache: parts.cache,
      memory: parts.memory,
      forget: (uids) => forgetMessages(parts, uids),
    };
    this.#outbox = parts.outbox;
    this.rules = new RuleRunner({
      cache: parts.cache,
      shared: this.shared,
      state: parts.state,
      sharedVersion: async () => (await connection.ask({ op: "whoami" })).shared ?? 0,
      openAt: async (uid) => {
        const cached = await parts.cache.entry(uid);
        return cached && await this.openItem(cached);
      },
      fetchOlder: () => this.fetchOlder(),
      textOf: (opened) => this.#textOf(opened),
      carryOut: async ({ uids, set, folder, unchangedSince }) => {
        await this.flag(uids, set, [], folder, unchangedSince);
      },
    });
  }

  /** Opens the mail of `name`; `log` is what is known of the server and its key log. */
  static async open(
    name: string,
    identity: Identity,
    connection: ReconnectingConnection,
    state: State,
    retired: RetiredKeys,
    log: KeyLogClient,
    keepCache = true,
  ): Promise<Mail> {
    const self = { name, identity, retired };
    const people = new People(connection, await Pins.load(state), self, log);
    const cache = await Cache.open(state, keepCache);
    const bodies = keepCache ? await Bodies.open(state) : null;
    const lanes = new Lanes(cache);
    await lanes.forget(async (fp) => !equal(fp, identity.bundle.fp) && !await retired.has(fp));
    const members = await Members.load(state);
    const notices = new AddressNotices(state);
    const opener = new MessageOpener(
      self,
      people,
      new OpenedMessages(cache),
      new FailedStanzas(state),
      lanes,
      log,
      members,
      notices,
    );
    const memory = await MailboxMemory.load(state);
    const outbox = await Outbox.open(state);
    const drafts = await Drafts.open(state);
    const remembered = await rememberedHello(state, connection);
    const mail = new Mail(self, connection, remembered, {
      people,
      opener,
      bodies,
      cache,
      lanes,
      drafts,
      state,
      memory,
      outbox,
      log,
      members,
      notices,
    });
    mail.#groups = groupsOf(await mail.shared.known());
    await mail.#dropSentDrafts();
    return mail;
  }

  get name(): string {
    return this.#self.name;
  }

  get identity(): Identity {
    return this.#self.identity;
  }

  /**
   * Asks the server who is in the group; with `ifOld` only if that was long ago. Throws what asking throws.
   */
  async refreshMembers(ifOld = false): Promise<void> {
    const before = this.#ownFullName();
    if (ifOld) await freshenMembers(this.connection, this.members);
    else await fetchMembers(this.connection, this.members);
    const now = this.#ownFullName();
    if (now !== undefined && now !== before) this.onFullName(now);
  }

  /** What `name` is called, and whether they have signed it. */
  fullNameOf(name: string): FullName | null {
    return this.members.fullName(name, this.people.fingerprint(name));
  }

  #ownFullName(): string | undefined {
    return this.members.all().find(({ name }) => name === this.name)?.fullName;
  }

  /** What the server said of itself last, maybe long ago; null if it was never reached. */
  get hello(): Hello | null {
    return this.connection.hello ?? this.#remembered;
  }

  /**
   * Brings the cache up to date with the mailbox, and runs the person's rules on what has come, if this
   * machine does. Throws what {@linkcode sync} throws.
   */
  async sync(): Promise<Synced> {
    const fresh: number[] = [];
    for (let renewed = false;;) {
      const before = this.#ownChanges;
      const synced = await this.connection.again(() => sync(this.connection, this.#mailbox));
      fresh.unshift(...synced.fresh);
      renewed ||= synced.renewed;
      // What was done here meanwhile may have been overwritten by what was so before.
      if (before !== this.#ownChanges) continue;
      this.cache.setSynced(Date.now());
      await this.#followNews(fresh);
      if (this.runsRules) await this.rules.run();
      return { fresh, renewed };
    }
  }

  /** Whether an event tells of something that the cache does not have yet. */
  isNews(event: NewsEvent): boolean {
    return "modseq" in event && event.modseq > this.cache.fetched().modseq;
  }

  /**
   * As {@linkcode Mail.sync}; without a connection, tells {@linkcode Mail.onStale} how old the cache
   * is. Throws what `sync` throws if nothing was ever fetched.
   */
  async refresh(): Promise<Synced> {
    try {
      return await this.sync();
    } catch (error) {
      const asOf = this.cache.synced;
      if (!isSealpostError(error) || !isLost(error) || asOf === null) throw error;
      this.onStale({ asOf, why: error.message });
      return { fresh: [], renewed: false };
    }
  }

  /** Fetches pages of what is older than the cache reaches; false when there is nothing older. */
  fetchOlder(pages = 1): Promise<boolean> {
    return this.connection.again(() => fetchOlder(this.connection, this.#mailbox, pages));
  }

  /** A folder for temporary files that nobody else can read. */
  tempFolder(): string {
    return this.state.tempFolder();
  }

  /** What waits in the outbox. */
  async waiting(): Promise<DeliverRequest[]> {
    return (await this.#outbox.list()).waiting.map(({ request }) => request);
  }

  /** What waits in the outbox, and what was refused for good and is kept there. */
  async unsent(): Promise<{ waiting: Waiting; refused: boolean }[]> {
    const { waiting } = await this.#outbox.list();
    const refused = await this.#outbox.listRefused();
    return [
      ...waiting.map((one) => ({ waiting: one, refused: false })),
      ...refused.map((one) => ({ waiting: one, refused: true })),
    ];
  }

  /**
   * The newest messages that were fetched, fetching older ones as far as they are needed and there is
   * a connection.
   */
  async list(options: ListOptions): Promise<Item[]> {
    const progress = new Progress("Opening", options.limit, "messages");
    try {
      return await listCached(
        this.cache,
        this.#opener,
        options,
        async () => this.connection.online && await this.fetchOlder(),
        (done) => progress.update(done),
      );
    } finally {
      progress.finish();
      await this.#settleLog();
    }
  }

  /**
   * Fetches what is missing of the key log, if messages that were opened told of more. After the whole
   * list: when it is asked would say how long opening one of them took.
   */
  async #settleLog(): Promise<void> {
    if (!this.connection.online) return;
    try {
      await this.log.settle();
    } catch (error) {
      // At the next login, then.
      if (!isSealpostError(error) || !isLost(error)) throw error;
    }
  }

  /**
   * The entry that `id` names, a whole id or a beginning of one, opened if it opens. Fetches what is
   * new first, and older pages as far as it must. Throws `no-such-message`, `usage` if several
   * messages fit.
   */
  async findItem(id: string): Promise<Item> {
    await this.refresh();
    for (;;) {
      try {
        const cached = await this.cache.entry(findMessage(this.cache, id));
        if (cached) return await this.openItem(cached);
        throw new SealpostError("no-such-message", "that message is not in your mailbox any more");
      } catch (error) {
        if (!isSealpostError(error, "no-such-message") || !await this.fetchOlder()) throw error;
      }
    }
  }

  /** The conversation that `opened` is of, in all folders but Trash, of what was fetched. */
  async conversation(opened: Opened): Promise<Thread> {
    const { uid } = opened.entry;
    const items: Item[] = [];
    const progress = new Progress("Opening", this.cache.count(null), "messages");
    try {
      const beside = this.#itemsBeside(opened, (done) => progress.update(done));
      for (const one of await conversationUids(beside, uid)) {
        const cached = await this.cache.entry(one);
        if (cached) items.push(await this.openItem(cached));
      }
    } finally {
      progress.finish();
    }
    const thread = threadsOf(items).find((thread) => {
      return thread.some(({ item }) => item.entry.uid === uid);
    });
    if (thread) return onceEach(thread);
    const { entry } = opened;
    const item = { entry, opened, problem: null, keyChangedOf: null, duplicate: false };
    return [{ item, depth: 0 }];
  }

  /** Everything that may be of the conversation that `opened` is of; `tell` is told how many were looked at. */
  async *#itemsBeside(
    opened: Opened,
    tell: (done: number) => void,
  ): AsyncGenerator<Item, void, undefined> {
    let done = 0;
    for await (const item of this.itemsOf(null)) {
      tell(++done);
      const thrownAway = item.entry.folder === "trash" && opened.entry.folder !== "trash";
      if (!item.duplicate && !thrownAway) yield item;
    }
  }

  /** Opens an entry; with the reason if it does not open. */
  openItem(cached: CachedEntry): Promise<Item> {
    return this.#opener.openItem(cached);
  }

  /** Opens an entry and verifies who wrote it. Throws as {@linkcode MessageOpener.open} does. */
  open(entry: Entry): Promise<Opened> {
    return this.#opener.open(entry);
  }

  /** Who was blind-copied, for one's own Sent copy; nobody for what others sent. */
  blindCopied(opened: Opened): Promise<Person[]> {
    return this.#opener.blindCopied(opened);
  }

  /**
   * The message that `id` names, opened. Throws what {@linkcode Mail.findItem} throws, and
   * `authentication` if the message does not open.
   */
  async openMessage(id: string): Promise<Opened> {
    const { opened, problem } = await this.findItem(id);
    await this.#settleLog();
    if (opened) return opened;
    throw new SealpostError("authentication", `this message cannot be opened: ${problem}`);
  }

  /**
   * The name of the user that a person means by `text`: a name, or a name and `@` with this server.
   * Throws `no-such-user`.
   */
  recipientName(text: string): string {
    return recipientName(text, this.server);
  }

  /**
   * The users that a person means by names of users and groups, each once. Lists of others' groups among them
   * are brought up to date first, as {@linkcode Mail.followGroups} says, and the members of `everyone`. Throws `no-such-user`, `usage`.
   */
  async recipientNames(written: readonly string[]): Promise<Recipients> {
    await this.groups();
    if (this.namesFollowed(written)) await this.followGroups();
    const everyone = written.some((text) => text.trim().toLowerCase() === EVERYONE);
    if (everyone && this.connection.online) await this.refreshMembers();
    return expandRecipients(written, {
      me: this.name,
      groups: this.knownGroups,
      members: this.members.all(),
      user: (text) => this.recipientName(text),
    });
  }

  /** Whether a group of somebody else, whose list is followed, is among what a person wrote. */
  namesFollowed(written: readonly string[]): boolean {
    const words = new Set(written.map((text) => text.trim().toLowerCase()));
    return this.knownGroups.some(({ name, from }) => from !== undefined && words.has(name));
  }

  /** The person's groups, the same on all of their machines, as this one knows them since it connected. */
  async groups(): Promise<readonly Group[]> {
    return this.#groups = groupsOf(await this.shared.known());
  }

  /** The groups as {@linkcode Mail.groups} gave them last. */
  get knownGroups(): readonly Group[] {
    return this.#groups;
  }

  /** Changes groups in the shared record. Throws what `plan` and {@linkcode SharedRecordClient.change} throw. */
  async changeGroups(plan: (record: SharedRecord) => readonly EntryChange[]): Promise<void> {
    await this.shared.change(plan);
    await this.groups();
  }

  /** The list that a message shares; null if it shares none. Throws `format` for one that is damaged. */
  async sharedList(opened: Opened): Promise<SharedList | null> {
    const { attachments, stored } = opened.summary;
    if (
      stored || isAnnouncement(opened.summary) || !attachments.some(({ name }) => isListFile(name))
    ) return null;
    await using message = await this.fetch(opened);
    return await readSharedList(message);
  }

  /**
   * The group that a message offers which somebody else has signed, if the person was not asked about it yet.
   * If it is followed already, what is new of it is taken over. Nothing without a connection.
   */
  async offeredGroup(opened: Opened): Promise<OfferedGroup | null> {
    const owner = opened.summary.from.name;
    if (!this.connection.online || owner === this.name) return null;
    const list = await this.#undamagedList(opened);
    if (list === null) return null;
    await this.followGroups();
    await this.refreshMembers(true);
    const members = this.members.all().map(({ name }) => name);
    return offerOf(await this.shared.known(), members, list, owner, opened.entry.uid);
  }

  /** Takes over what was offered, and follows it. Throws what the shared record does, `usage`. */
  async acceptGroup(offer: OfferedGroup): Promise<void> {
    await this.changeGroups((record) => planGroup(record, groupFrom(offer)));
  }

  /** The person is not asked about it again. Throws what the shared record does. */
  async declineGroup(offer: OfferedGroup): Promise<void> {
    await this.changeGroups(() => planDeclined(offer));
  }

  /** {@linkcode Mail.followGroups}, if one of these messages may bring a later list. */
  async #followNews(uids: readonly number[]): Promise<void> {
    const owners = new Set(this.#groups.flatMap(({ from }) => from?.owner ?? []));
    if (owners.size === 0) return;
    try {
      for (const uid of uids) {
        const cached = await this.cache.entry(uid);
        const summary = cached && (await this.openItem(cached)).opened?.summary;
        if (!summary || summary.stored || !owners.has(summary.from.name)) continue;
        if (!summary.attachments.some(({ name }) => isListFile(name))) continue;
        return await this.followGroups();
      }
    } catch (error) {
      // Whoever writes to the group has it followed before.
      if (!isSealpostError(error)) throw error;
    }
  }

  /**
   * Takes over later versions of the lists that are followed, from messages of their owners that were fetched,
   * and tells {@linkcode Mail.onGroupChanged}. Nothing without a connection.
   */
  async followGroups(): Promise<void> {
    const oldest = Math.min(...(await this.groups()).map(({ from }) => from?.uid ?? Infinity));
    if (!this.connection.online || oldest === Infinity) return;
    const lines = new Set<string>();
    const uids = this.cache.uids().filter((uid) => uid > oldest);
    for (const uid of uids.sort((a, b) => a - b)) {
      const cached = await this.cache.entry(uid);
      const opened = cached && (await this.openItem(cached)).opened;
      const sender = opened?.summary.from.name;
      const follows = this.#groups.some(({ from }) => from?.owner === sender);
      const later = opened && follows ? await this.#undamagedList(opened) : null;
      if (!later || sender === undefined) continue;
      await this.changeGroups((record) => {
        return groupsOf(record).flatMap((group) => {
          const news = followed(group, later, sender, uid);
          if (news?.line) lines.add(news.line);
          return news ? [news.change] : [];
        });
      });
    }
    for (const line of lines) this.onGroupChanged(line);
  }

  /** {@linkcode Mail.sharedList}; null too for a message whose list, or that itself, is damaged. */
  async #undamagedList(opened: Opened): Promise<SharedList | null> {
    try {
      return await this.sharedList(opened);
    } catch (error) {
      if (isSealpostError(error, "authentication", "format", "limit", "no-such-message")) {
        return null;
      }
      throw error;
    }
  }

  /**
   * The keys of those who are to get a message: the one place where recipients are looked up. Keys
   * that are known by now are not asked for again. Throws `limit` for more than the server takes,
   * `no-such-user`, `no-key`, `offline`.
   */
  async recipients(names: readonly string[]): Promise<Correspondent[]> {
    const { maxRecipients = Infinity } = this.hello ?? {};
    if (new Set(names).size > maxRecipients) {
      throw new SealpostError(
        "limit",
        `this server takes ${maxRecipients} recipients for one message; send it in parts`,
      );
    }
    return await this.people.find(names);
  }

  /**
   * Composes, seals and sends. When this resolves the message is stored on the server, or on this
   * disk, sealed, to go out with a later connection; when it throws, it is neither. Throws `limit`,
   * `too-large` (before anything is sealed), `no-such-user`, `no-key`, `key-changed`, `offline` (a
   * recipient's key is not known yet), what the server refuses for good, and `cancelled` if its sender
   * takes it back.
   */
  async send(outgoing: Outgoing): Promise<Sent> {
    checkLimits(outgoing);
    const id = newMessageId();
    const date = new Date();
    const { to, cc = [], bcc = [] } = outgoing;
    // Before anything is read: those who cannot be written to are named first.
    await this.recipients([...to, ...cc, ...bcc]);
    const { answers } = outgoing;
    const references = answers && threadOf(answers);
    const composed = await composeMessage({
      from: this.name,
      to,
      cc,
      subject: outgoing.subject,
      text: outgoing.text,
      date,
      messageId: formatMessageId(id),
      attachments: outgoing.attachments,
      ...defined({ inReplyTo: references?.at(-1), references }),
    });
    const ready = {
      to,
      cc,
      bcc,
      subject: outgoing.subject,
      date: date.getTime(),
      attachments: outgoing.attachments,
      composed,
      headers: defined({
        messageId: fullMessageId(formatMessageId(id)),
        references,
        type: composed.type,
      }),
      ...defined({ inReplyTo: answers && formatMessageId(answers.id) }),
    };
    const sent = await this.sendReady(ready, outgoing, id);
    if (sent.waits || !outgoing.answers) return sent;
    try {
      await this.flag([outgoing.answers.entry.uid], ["answered"]);
    } catch (error) {
      // The message is stored: that its mark is missing must not look as if it were not.
      if (!isLost(error) && !isSealpostError(error, "disk-full")) throw error;
    }
    return sent;
  }

  /**
   * Seals and sends a message that is composed already. As {@linkcode Mail.send} otherwise.
   */
  async sendReady(
    ready: ReadyMessage,
    told: Pick<Outgoing, "onSealed" | "onKept" | "onRefused" | "hold" | "onTakenBack"> = {},
    id: Bytes = newMessageId(),
  ): Promise<Sent> {
    const { to, cc, bcc, composed } = ready;
    const { maxMessage = Infinity } = this.hello ?? {};
    const known = new Map(
      (await this.recipients([...to, ...cc, ...bcc])).map((one) => [one.name, one]),
    );
    const pick = (names: readonly string[]) => names.flatMap((name) => known.get(name) ?? []);
    if (composed.size > maxMessage) {
      throw new SealpostError(
        "too-large",
        `the message has ${formatSize(composed.size)} with its attachments as mail carries them; ` +
          `this server takes ${formatSize(maxMessage)}`,
      );
    }
    await this.refreshMembers(true);
    const sealed = await sealMessage(
      {
        ...ready,
        id,
        from: this.name,
        ...defined({ fullName: this.#ownFullName() }),
        to: pick(to),
        cc: pick(cc),
        bcc: pick(bcc),
        head: this.log.head(),
      },
      this.identity,
      this.#lanes,
    );
    const { size } = sealed.request;
    await told.onSealed?.(sealed.request.id);
    const waiting = await withProgress("Sealing", size, (tell) => this.#outbox.add(sealed, tell));
    try {
      await told.onKept?.();
      if (told.hold && !await told.hold()) {
        // Whatever happens now, it does not go out any more.
        await waiting.setAside("you have taken it back");
        await told.onTakenBack?.();
        await waiting.remove();
        throw new SealpostError("cancelled", "nothing was sent");
      }
      return await this.#deliver(waiting, told.onRefused ?? "remove", this.onNewKey);
    } catch (error) {
      throw isSealpostError(error, "key-changed")
        ? await this.#explainChange([...to, ...cc, ...bcc], error)
        : error;
    } finally {
      waiting.release();
    }
  }

  /**
   * Stores a message in the own mailbox, sealed to oneself, with the mark that it was stored and not
   * sent. Throws `too-large`, and what {@linkcode appendSealed} throws. `quiet`: shows no progress.
   */
  async append(
    message: Omit<MessageToStore, "id" | "name" | "head">,
    quiet = false,
  ): Promise<Appended> {
    const { maxMessage = Infinity } = this.hello ?? {};
    if (message.composed.size > maxMessage) {
      throw new SealpostError(
        "too-large",
        `the message has ${formatSize(message.composed.size)}; this server takes ` +
          formatSize(maxMessage),
      );
    }
    const whole = { ...message, id: newMessageId(), name: this.name, head: this.log.head() };
    const sealed = await sealToStore(whole, this.identity, this.#lanes);
    const append = (tell?: (done: number) => void) => {
      return appendSealed(this.connection, sealed, this.tempFolder(), tell);
    };
    const appended = quiet
      ? await append()
      : await withProgress("Storing", sealed.request.size, append);
    this.#ownChanges++;
    return appended;
  }

  /** Forgets the drafts that a crash left although their messages are on their way or sent. */
  async #dropSentDrafts(): Promise<void> {
    await this.drafts.dropSent(async (message) => {
      if (await this.#outbox.hasUnclaimed(message)) return true;
      return this.cache.withId(parseMessageId(message)).some(({ folder }) => folder === "sent");
    });
  }

  /** The drafts but those whose message is in the outbox, where it may still be taken back. Throws `file-io`. */
  async listDrafts(): Promise<SavedDraft[]> {
    const { drafts } = await this.drafts.list();
    const onTheirWay = await Promise.all(drafts.map((draft) => this.isOnItsWay(draft)));
    return drafts.filter((_, i) => !onTheirWay[i]);
  }

  /** Whether the message that was made of a draft is in the outbox. Throws `file-io`. */
  async isOnItsWay({ sentAs }: Pick<SavedDraft, "sentAs">): Promise<boolean> {
    return sentAs !== undefined && await this.#outbox.has(sentAs);
  }

  /** Resolves when no other client of this user is sending any of what waits. Throws `file-io`. */
  async othersSent(): Promise<void> {
    for (const one of (await this.#outbox.list()).waiting) {
      if (await one.claim("wait")) one.release();
    }
  }

  /**
   * Throws a message away that waits, or was refused. No error if it went out meanwhile. Throws `busy`
   * while another client of this user is sending it.
   */
  async discardUnsent(id: string): Promise<void> {
    for (const { waiting } of await this.unsent()) {
      if (waiting.request.id === id) await waiting.discard();
    }
  }

  /**
   * Sends what waits from earlier, but for what another client of this user is sending; with `asks`, the
   * person is asked where that waits for their word. Returns how many went out, and the refusals.
   * Throws if the connection fails, or there is none.
   */
  async flushOutbox(asks = false): Promise<{ sent: number; refused: string[] }> {
    // Once a message has left the outbox, nothing shows that its draft was sent.
    await this.#dropSentDrafts();
    const refused: string[] = [];
    let sent = 0;
    const { waiting: messages, unknown } = await this.#outbox.list();
    for (const path of unknown) refused.push(`${path}: where it was to go is not known any more`);
    for (const waiting of messages) {
      // Another client of this user sends it, and says what became of it.
      if (!await waiting.claim()) continue;
      try {
        // Sealed under a former key of one's own, which the server no longer accepts.
        const former = !equal(await sealedBy(waiting), this.identity.bundle.fp);
        const present = former ? await this.#reseal(waiting) : waiting;
        const { waits } = await this.#deliver(present, "set-aside", asks ? this.onNewKey : null);
        if (waits) throw waits;
        sent++;
      } catch (error) {
        if (!isSealpostError(error)) throw error;
        if (isLost(error) || error.code === "timeout") throw error;
        const names = waiting.request.recipients.map(({ name }) => name);
        const why = error.code === "key-changed"
          ? `${(await this.#explainChange(names, error)).message}; it waits in the outbox`
          : error.message;
        refused.push(`to ${names.join(", ")}: ${why}`);
      } finally {
        waiting.release();
      }
    }
    return { sent, refused };
  }

  /**
   * Fetches and verifies a message, which is kept here; the caller disposes of it. `onProgress` receives
   * the number of sealed bytes that came from the server.
   */
  fetch(
    opened: Opened,
    onProgress: (done: number) => void = () => {},
  ): Promise<TemporaryMessage> {
    return withProgress(
      "Receiving",
      opened.entry.bodySize,
      (tell) =>
        this.#fetch(opened, true, (done) => {
          tell(done);
          onProgress(done);
        }),
    );
  }

  /** As {@linkcode Mail.fetch} for one of many, of which none is kept; shows no progress. */
  fetchOnce(opened: Opened): Promise<TemporaryMessage> {
    return this.#fetch(opened, false);
  }

  #fetch(
    opened: Opened,
    keep: boolean,
    tell?: (done: number) => void,
  ): Promise<TemporaryMessage> {
    const places = {
      channel: this.connection,
      bodies: this.#bodies,
      keep,
      tempFolder: this.tempFolder(),
    };
    return this.connection.again(() => fetchMessage(places, opened, tell));
  }

  /**
   * Fetches what the cache does not reach, to the oldest message; false where that is not possible: there is
   * no connection, or the cache is full.
   */
  async fetchAll(): Promise<boolean> {
    while (this.connection.online && await this.fetchOlder(MANY_PAGES));
    return this.cache.fetched().bottom <= 1;
  }

  /** Everything that was fetched from a folder, or all, opened as {@linkcode Mail.openItem} does, oldest first. */
  async *itemsOf(folder: Folder | null): AsyncGenerator<Item, void, undefined> {
    for (const uid of this.cache.uids(folder).reverse()) {
      const cached = await this.cache.entry(uid);
      if (cached) yield await this.openItem(cached);
    }
  }

  /**
   * What a fetched message is shown as, on a terminal of `columns` where that is known; its text is found
   * by searches from then on.
   */
  async show(
    opened: Opened,
    message: TemporaryMessage,
    columns?: number,
  ): Promise<DisplayedMessage> {
    const shown = await readForDisplay(message, columns);
    await indexText(this.cache, opened, shown);
    return shown;
  }

  /**
   * Fetches the texts of messages so that searches find them, but no message of over 8 MiB. Returns how
   * many were too large. Throws what ends the connection.
   */
  async fetchTexts(uids: readonly number[]): Promise<number> {
    const progress = new Progress("Fetching", uids.length, "messages");
    let large = 0;
    try {
      for (const [i, uid] of uids.entries()) {
        const cached = await this.cache.entry(uid);
        const opened = cached && (await this.openItem(cached)).opened;
        if (opened && opened.entry.bodySize > MAX_SEARCHED) large++;
        else if (opened) await this.#fetchText(opened);
        progress.update(i + 1);
      }
    } finally {
      progress.finish();
    }
    return large;
  }

  /** The text of a message, which is found by searches from then on; null if it cannot be had. */
  async #fetchText(opened: Opened): Promise<string | null> {
    try {
      await using message = await this.fetch(opened);
      const shown = await this.show(opened, message);
      return shown.truncated ? null : textWithCalendars(shown);
    } catch (error) {
      // One that is damaged, or gone meanwhile, must not keep the others from being searched.
      if (!isSealpostError(error, "authentication", "format", "limit", "no-such-message")) {
        throw error;
      }
      return null;
    }
  }

  /**
   * As {@linkcode Mail.fetchTexts} for one message, while nobody waits for it: over `channel`, nothing of it is
   * shown, and its body is not kept. Throws what stops `channel`.
   */
  async fetchTextBehind(opened: Opened, channel: FetchChannel): Promise<void> {
    if (opened.entry.bodySize > MAX_SEARCHED) return;
    const places = {
      channel,
      bodies: this.#bodies,
      keep: false,
      tempFolder: this.tempFolder(),
    };
    try {
      await using message = await fetchMessage(places, opened);
      await this.show(opened, message);
    } catch (error) {
      if (!isSealpostError(error, "authentication", "format", "limit", "no-such-message")) {
        throw error;
      }
    }
  }

  async #textOf(opened: Opened): Promise<string | null> {
    return opened.entry.bodySize > MAX_SEARCHED ? null : await this.#fetchText(opened);
  }

  /** The search that a person means by `text`. Throws as {@linkcode parseQuery} does. */
  async query(text: string): Promise<Query> {
    const names = speaksOfNames(text) ? this.names() : this.#knownNames();
    return parseQuery(text, await names);
  }

  /** Looks for `query` in what was fetched. Asks no server for bodies. */
  async search(query: Query, options: SearchOptions): Promise<SearchResult> {
    const sources = {
      opener: this.#opener,
      own: this.name,
      written: (opened: Opened) => this.#keptText(opened),
    };
    const progress = new Progress("Searching", 1, "messages");
    try {
      return await search(this.cache, sources, query, {
        onProgress: (done, total) => progress.update(done, total),
        ...options,
      });
    } finally {
      progress.finish();
    }
  }

  /**
   * The UIDs of all messages that fit, newest first, with everything fetched that must be known for that;
   * and of how many it cannot be said: their texts are too large, or cannot be read. Throws what `sync` does.
   */
  async findFitting(
    query: Query,
  ): Promise<{ readonly uids: readonly number[]; readonly unknown: number }> {
    await this.sync();
    await this.fetchAll();
    const look = () => this.search(query, { folder: null, limit: 0 });
    let result = await look();
    if (result.unindexed.length > 0) {
      await this.fetchTexts(result.unindexed);
      result = await look();
    }
    const { matches, unindexed, cut } = result;
    return { uids: matches, unknown: unindexed.length + cut };
  }

  /** The text of a message whose body is kept here; null if it is not, or is damaged. */
  async #keptText(opened: Opened): Promise<DisplayedMessage | null> {
    const { entry } = opened;
    const body = await this.#bodies?.read(entry) ?? null;
    if (!body) return null;
    try {
      await using message = await unsealBody(
        opened,
        entry.header,
        body,
        entry.bodySize,
        this.tempFolder(),
      );
      return await readForDisplay(message);
    } catch (error) {
      if (isSealpostError(error, "disk-full") || !isSealpostError(error)) throw error;
      return null;
    }
  }

  /**
   * Sets and clears flags, and moves to `folder` if that is given. Entries whose modification sequence
   * is above `unchangedSince` are left alone, and returned.
   */
  async flag(
    uids: readonly number[],
    set: readonly Flag[],
    clear: readonly Flag[] = [],
    folder?: Folder,
    unchangedSince?: number,
  ): Promise<readonly number[]> {
    if (folder !== undefined && folder !== "drafts") {
      const drafts = await this.#draftsAmong(uids);
      if (drafts.length > 0) await this.tellRemovedDrafts(drafts);
    }
    const changed = await this.connection.ask({
      op: "flag",
      uids: [...uids],
      set: [...set],
      clear: [...clear],
      ...defined({ folder, unchangedSince }),
    });
    for (const uid of changed.uids.filter((uid) => uids.includes(uid))) {
      const cached = await this.cache.entry(uid);
      if (!cached) continue;
      // Both cleared and set is set, as the server does it.
      const kept = cached.entry.flags.filter((flag) => !clear.includes(flag));
      const flags = new Set([...kept, ...set]);
      this.cache.setPlace(uid, folder ?? cached.entry.folder, [...flags]);
    }
    this.#ownChanges++;
    return changed.modified ?? [];
  }

  /**
   * As {@linkcode Mail.flag}, for any number of messages; how they were before is kept, so that
   * {@linkcode Mail.undo} takes it back, also what was interrupted in the middle.
   */
  async change(uids: readonly number[], changing: Changing): Promise<void> {
    await this.changeAll([{ uids, changing }]);
  }

  /** {@linkcode Mail.change} with several things at once, no message twice, which undo takes back together. */
  async changeAll(
    groups: readonly { readonly uids: readonly number[]; readonly changing: Changing }[],
  ): Promise<void> {
    if (groups.every(({ uids }) => uids.length === 0)) return;
    const parts = groups.map(({ uids, changing }) => {
      return {
        ...changing,
        before: [...new Set(uids)].flatMap((uid) => this.cache.idOf(uid) ?? []),
      };
    });
    await this.#lastChange.write({ epoch: this.cache.fetched().epoch, parts });
    for (const { uids, changing } of groups) await this.#apply(uids, changing);
  }

  /**
   * Takes back the last {@linkcode Mail.change} of this machine, but for messages that are not as it left
   * them. Null if there is nothing to take back.
   */
  async undo(): Promise<Undone | null> {
    const last = await this.#lastChange.read();
    if (last === null || last.epoch !== this.cache.fetched().epoch) return null;
    const groups = new Map<string, { readonly changing: Changing; readonly uids: number[] }>();
    const undone: Before[] = [];
    for (const part of last.parts) {
      for (const before of part.before) {
        const there = this.cache.idOf(before.uid);
        const changing = there ? inverseFor(part, before, there) : null;
        if (changing === null) continue;
        undone.push(before);
        const key = JSON.stringify(changing);
        const group = groups.get(key);
        if (group) group.uids.push(before.uid);
        else groups.set(key, { changing, uids: [before.uid] });
      }
    }
    for (const { uids, changing } of groups.values()) await this.#apply(uids, changing);
    await this.#lastChange.forget();
    const all = last.parts.reduce((sum, { before }) => sum + before.length, 0);
    return {
      undone,
      left: all - undone.length,
      moved: last.parts.some(({ folder }) => folder !== undefined),
    };
  }

  async #apply(uids: readonly number[], { set, clear, folder }: Changing): Promise<void> {
    const progress = new Progress("Changing", uids.length, "messages");
    try {
      for (let i = 0; i < uids.length; i += MAX_UIDS) {
        await this.flag(uids.slice(i, i + MAX_UIDS), set, clear, folder);
        progress.update(Math.min(i + MAX_UIDS, uids.length));
      }
    } finally {
      progress.finish();
    }
  }

  /**
   * What the person's folders and keywords are called, on all of their machines; without a connection,
   * as it was known here last.
   */
  async names(): Promise<OwnNames> {
    if (!this.connection.online) return await this.#knownNames();
    try {
      return new OwnNames(await this.shared.refresh());
    } catch (error) {
      if (!isSealpostError(error) || !isLost(error)) throw error;
      return await this.#knownNames();
    }
  }

  async #knownNames(): Promise<OwnNames> {
    return new OwnNames(await this.shared.known());
  }

  /** The folder that a person means by `text`. Throws `usage` if there is none. */
  async findFolder(text: string): Promise<Folder> {
    const builtIn = BUILT_IN_FOLDERS.find((name) => name === text.toLowerCase());
    if (builtIn !== undefined) return builtIn;
    const names = await this.names();
    const found = names.findFolder(text);
    if (found === null) throw noSuchFolder(text, names);
    return found;
  }

  /**
   * The messages that a person means by the name of a folder, or of a search that they keep: a folder, or
   * null for all, and what fits. Throws `usage` if there is neither.
   */
  async findPlace(
    text: string,
  ): Promise<{ readonly folder: Folder | null; readonly query: Query }> {
    if (!BUILT_IN_FOLDERS.some((name) => name === text.toLowerCase())) {
      const names = await this.names();
      const kept = names.findFolder(text) === null ? names.findSearch(text) : null;
      if (kept) return { folder: null, query: parseQuery(kept.search, names) };
    }
    return { folder: await this.findFolder(text), query: [] };
  }

  /** Keeps a search under a name, on all machines. Throws `usage` for what is none, or a taken name, `limit`. */
  async keepSearch(text: string, search: string): Promise<void> {
    const name = parseOwnName(text, "folder");
    await this.query(search);
    await this.shared.change((record) => planSearch(record, name, search));
  }

  /** What the mailbox has in each folder; of one moment. */
  folderStates(): Promise<FolderState[]> {
    return this.connection.again(() => fetchFolderStates(this.connection));
  }

  /**
   * Makes a folder of the person's own; its number. The name is there on all machines before the
   * number is used. Throws `usage` if there is one of this name or it can be none, `limit`.
   */
  async makeFolder(text: string): Promise<number> {
    const name = parseOwnName(text, "folder");
    const highest = (await this.folderStates()).map(({ folder }) => folder)
      .reduce<number>((most, one) => typeof one === "number" ? Math.max(most, one) : most, 0);
    const { changes } = await this.shared.change((record) => planFolder(record, name, highest));
    const folder = Number(changes[0]?.key.split("/")[1]);
    try {
      await this.connection.ask({ op: "folder-make", folder });
    } catch (error) {
      // A name for what the server refuses would be of no use.
      if (isSealpostError(error, "limit")) await this.shared.change(() => planRemoval(folder));
      throw error;
    }
    return folder;
  }

  /**
   * Gives a folder, and the folders in it, another name; returns how many were renamed. Throws `usage`
   * if there is no such folder or the name is taken, `version-conflict` if another machine renamed it
   * at the same time and its name counts.
   */
  async renameFolder(from: string, to: string): Promise<number> {
    const name = parseOwnName(to, "folder");
    const { changes, lost } = await this.shared.change((record) => planRename(record, from, name));
    const [first] = lost;
    if (first === undefined) return changes.length;
    const mine = changes.find(({ key }) => key === first.key);
    throw new SealpostError(
      "version-conflict",
      overtakenLine({ ...first, value: mine?.value }, first),
    );
  }

  /**
   * Removes a folder of the person's own that is empty, or a search that they keep. Throws `usage`, `limit`
   * if it is not empty.
   */
  async removeFolder(text: string): Promise<void> {
    const names = await this.names();
    const kept = names.findFolder(text) === null ? names.findSearch(text) : null;
    if (kept) {
      await this.shared.change(() => planRemoval(kept.number, "search"));
      return;
    }
    const folder = await this.findFolder(text);
    if (typeof folder === "string") {
      throw new SealpostError("usage", `${folder} is there for everybody, and stays`);
    }
    try {
      await this.connection.ask({ op: "folder-drop", folder });
    } catch (error) {
      if (!isSealpostError(error, "limit")) throw error;
      throw new SealpostError(
        "limit",
        `there are messages in ${printable(JSON.stringify(text))}: move or delete them first`,
        { cause: error },
      );
    }
    await this.shared.change(() => planRemoval(folder));
  }

  /** Makes a keyword; its bit. The word is there on all machines before the bit is used. Throws `usage`, `limit`. */
  async makeKeyword(text: string): Promise<number> {
    const word = parseOwnName(text, "keyword");
    const { changes } = await this.shared.change((record) => planKeyword(record, word));
    return Number(changes[0]?.key.split("/")[1]);
  }

  /** Ends the connection with a goodbye. Never throws. */
  async close(): Promise<void> {
    // What cannot be shared now is shared the next time.
    if (this.connection.online) await this.#shareChanges().catch(() => {});
    await this.connection.close();
    this.cache.close();
  }

  /**
   * Shares pins and verifications with the person's other machines, whose record has the version
   * `version`; always, if none is given. Throws what {@linkcode SharedPins.share} throws.
   */
  async shareTrust(version?: number): Promise<void> {
    const news = version === undefined || version !== await this.shared.seen();
    await (news ? this.#sharedPins.share() : this.#shareChanges());
  }

  /** Shares what was changed here, if there are other machines. */
  async #shareChanges(): Promise<void> {
    if (!await this.shared.hasOthers() || !await this.#sharedPins.changedHere()) return;
    await this.#sharedPins.share();
  }

  /**
   * Removes messages from the own mailbox for good, and every trace of them here. The person's other
   * machines keep a draft that only the server has removed: they are told first of those among `uids`.
   */
  async remove(uids: readonly number[]): Promise<void> {
    const drafts = await this.#draftsAmong(uids);
    if (drafts.length > 0) await this.tellRemovedDrafts(drafts);
    await this.removeReplaced(uids);
  }

  /** As {@linkcode Mail.remove}, for drafts whose removal the other machines know of. */
  async removeReplaced(uids: readonly number[]): Promise<void> {
    for (let i = 0; i < uids.length; i += MAX_UIDS) {
      const some = uids.slice(i, i + MAX_UIDS);
      await this.connection.ask({ op: "remove", uids: some });
      await this.#mailbox.forget(some);
      this.#ownChanges++;
    }
  }

  /** The ids of those of these messages that are in the folder drafts. */
  async #draftsAmong(uids: readonly number[]): Promise<string[]> {
    const ids: string[] = [];
    for (const uid of uids) {
      const cached = await this.cache.entry(uid);
      if (cached?.entry.folder !== "drafts") continue;
      ids.push(formatMessageId(cached.entry.header.slice(1, 17)));
    }
    return ids;
  }

  /**
   * Tells the person's other machines, in the shared record, that drafts were sent or thrown away: ids of
   * drafts, or of messages in the folder drafts. Throws what {@linkcode SharedRecordClient.change} throws.
   */
  async tellRemovedDrafts(ids: readonly string[]): Promise<void> {
    const known = removedDrafts(await this.shared.known());
    if (ids.every((id) => known.has(id))) return;
    const { machine } = await this.drafts.editions.load();
    await this.shared.change((record) => planRemovedDrafts(record, machine, ids));
  }

  /** Sends a claimed message, and once more if the person, asked by `ask`, takes the new keys it is for. */
  async #deliver(
    waiting: Waiting,
    onRefusal: OnRefusal,
    ask: AskAboutKey | null,
  ): Promise<Attempt> {
    const attempt = await withProgress("Sending", waiting.request.size, (onProgress) => {
      return deliverWaiting(this.connection, waiting, {
        onRefusal,
        reseal: (one) => this.#renew(one),
        heldBack: async ({ request }) => {
          const pins = await this.#unconfirmed(request);
          return pins.length === 0 ? await this.#heldByLog(request) : unconfirmedKeys(pins);
        },
        onSent: (one) => keepSentBody(one, this.#bodies),
        onProgress,
      });
    });
    if (!ask || !isSealpostError(attempt.waits, "key-unconfirmed")) return attempt;
    // Sealed again meanwhile, it has another id.
    const held = await this.#outbox.claim(attempt.id);
    if (!held) return attempt;
    const unconfirmed = await this.#unconfirmed(held.request);
    for (const pin of unconfirmed) {
      if (await ask(pin)) await this.people.pins.confirm(pin.name, pin.fp);
      else {
        held.release();
        return attempt;
      }
    }
    if (unconfirmed.length === 0) {
      held.release();
      return attempt;
    }
    return await this.#deliver(held, onRefusal, ask);
  }

  /** Why a message waits because of what the key log has shown; null if it does not. */
  async #heldByLog({ recipients }: DeliverRequest): Promise<SealpostError | null> {
    const holds = () => {
      return this.log.held(recipients.flatMap(({ name }) => this.people.pins.get(name) ?? []));
    };
    // Another program of this user may have found two histories, or the person allowed a key there.
    await this.log.reload();
    if (holds().length > 0) await this.people.pins.reload();
    const held = holds();
    return held.length === 0 ? null : heldByLog(held);
  }

  #unconfirmed({ recipients }: DeliverRequest): Promise<Pin[]> {
    return this.people.unconfirmed(recipients.map(({ name }) => name));
  }

  /**
   * A waiting message that was refused because keys have changed, sealed again for those that are known
   * now; null while the server offers others.
   */
  async #renew(waiting: Waiting): Promise<Waiting | null> {
    const { recipients } = waiting.request;
    const others = recipients.map(({ name }) => name).filter((name) => name !== this.name);
    for (const [name, bundle] of await this.people.offered(others)) {
      const pin = this.people.pins.get(name);
      if (pin && !equal(pin.fp, bundle.fp)) return null;
    }
    const now = await this.people.find(recipients.map(({ name }) => name));
    const changed = now.some(({ bundle }, i) => {
      return !equal(bundle.fp, fromBase64(recipients[i]?.fp ?? ""));
    });
    return changed ? await this.#reseal(waiting) : null;
  }

  /** A waiting message sealed again, in the place of the one that waited. */
  #reseal(waiting: Waiting): Promise<Waiting> {
    const context = {
      self: this.#self,
      find: (names: readonly string[]) => this.people.find(names),
      tempFolder: this.tempFolder(),
      lanes: this.#lanes,
      head: this.log.head(),
    };
    return withProgress("Sealing", waiting.request.size, (tell) => {
      return reseal(waiting, context, (sealed) => this.#outbox.add(sealed, tell, waiting));
    });
  }

  /** The error for a refused key, with what is pinned, what is offered and what to do. */
  async #explainChange(names: readonly string[], cause: SealpostError): Promise<SealpostError> {
    const offered = await this.people.offered(names.filter((name) => name !== this.name));
    for (const [name, bundle] of offered) {
      const pin = this.people.pins.get(name);
      if (pin && !equal(pin.fp, bundle.fp)) return this.people.changed(pin, bundle.fp);
    }
    return cause;
  }
}

/**
 * What the server said of itself when it was reached last: limits are checked against it where there
 * is no connection.
 */
async function rememberedHello(
  state: State,
  connection: ReconnectingConnection,
): Promise<Hello | null> {
  const bytes = await state.read(SERVER);
  const before = bytes && decodeHello(bytes);
  const { hello } = connection;
  if (!hello) return before;
  const now = encodeHello(hello);
  if (!bytes || !equal(bytes, now)) await state.write(SERVER, now);
  return hello;
}

/** Whom a message can be written to, as far as it is known here, in the order of the names. */
export function recipientWords({ name, people, members, knownGroups }: Mail): string[] {
  const known = people.pins.all().map((pin) => pin.name);
  const groups = [EVERYONE, ...knownGroups.map((group) => group.name)];
  return [
    ...new Set([name, ...known, ...members.all().map((member) => member.name), ...groups]),
  ].sort();
}

export function checkLimits(outgoing: Pick<Outgoing, "subject" | "text">): void {
  const length = [...outgoing.subject].length;
  if (length > MAX_TITLE) {
    throw new SealpostError(
      "limit",
      `the subject has ${length} characters; at most ${MAX_TITLE} are possible`,
    );
  }
  // A string has at least as many UTF-16 units as code points.
  if (outgoing.text.length <= MAX_TEXT) return;
  let text = 0;
  for (const _ of outgoing.text) text++;
  if (text > MAX_TEXT) {
    throw new SealpostError(
      "limit",
      `the contents have ${text} characters; at most ${MAX_TEXT} are possible; attach them as a file`,
    );
  }
}

async function withProgress<T>(
  label: string,
  total: number,
  work: (tell: (done: number) => void) => Promise<T>,
): Promise<T> {
  const progress = new Progress(label, total);
  try {
    return await work((done) => progress.update(done));
  } finally {
    progress.finish();
  }
}
