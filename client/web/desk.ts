import { sentence } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import type { Bytes } from "../../crypto/bytes.ts";
import { equal } from "../../crypto/bytes.ts";
import { errorText, isSealpostError, SealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { matchesSafetyNumber, safetyNumber } from "../../crypto/safety_number.ts";
import { formatAddress, formatServer } from "../../protocol/address.ts";
import { BUILT_IN_FOLDERS, type Flag, type Folder } from "../../protocol/entry.ts";
import { DEFAULT_MAX_MESSAGE, MAX_UIDS } from "../../protocol/limits.ts";
import { EVERYONE } from "../../protocol/name.ts";
import type { NewsEvent } from "../../protocol/request.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { isLost } from "../connection/reconnecting_connection.ts";
import { checkLimits, type Mail, MANY_PAGES, recipientWords } from "../mail.ts";
import type { Item, Opened } from "../mailbox/open.ts";
import { acceptedLine, declinedLine, offerQuestion } from "../mailbox/offered_groups.ts";
import { OwnNames } from "../mailbox/own_names.ts";
import {
  type DisplayedMessage,
  isAnnouncement,
  notSentLine,
  senderNote,
  senderText,
  sentLine,
  subjectOf,
} from "../mailbox/show.ts";
import { parseMessage } from "../message/parse.ts";
import { forwardedText, forwardOf, quotation, replyTo, withSignature } from "../message/reply.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import { followAddress, followedText } from "../follow_address.ts";
import { BackgroundTexts } from "../background_texts.ts";
import { HeldSends } from "../held_sends.ts";
import { sendDraft, TakenBackError } from "../send_draft.ts";
import { SyncedDrafts } from "../sync_drafts.ts";
import { type Draft, emptyDraft, type SavedDraft } from "../state/drafts.ts";
import type { AddressNotice } from "../state/address_notice.ts";
import type { Pin } from "../state/pins.ts";
import { isEmpty } from "../terminal/empty_message.ts";
import { missingAttachment } from "../terminal/mentions.ts";
import { PARTED } from "../terminal/write_draft.ts";
import { qrModules } from "../trust/qr_code.ts";
import { rotatedText } from "../trust/people.ts";
import { verification } from "../trust/verification.ts";
import { Attached } from "./attached.ts";
import { pictureType } from "./pictures.ts";
import type {
  CheckView,
  ConnectionView,
  ContactView,
  DraftFileView,
  DraftView,
  FolderView,
  HtmlView,
  KeptSearchView,
  ListView,
  MessageView,
  OfferView,
  OutboxView,
  PageEvent,
  RecipientView,
  SafetyView,
  SearchView,
  SentView,
  TakenBackView,
  ThreadView,
} from "./types.ts";
import {
  contactView,
  draftView,
  fileView,
  FORWARD,
  outboxView,
  personView,
  recipientView,
  rowView,
} from "./views.ts";

/** How long events are collected before the server is asked, or pages are told, milliseconds. */
const GATHER = 50;
/** How often to look for changes by other programs of this person, milliseconds. */
const LOOK_AROUND = 2000;
/** How often drafts that were written here are stored on the server, milliseconds. */
const STORE_DRAFTS = 20_000;
/** How long shutting the mail waits for what is being sent, milliseconds. */
const LAST_SENDS = 3000;
/** Opened messages that are kept, so that their attachments and their HTML need not be fetched again. */
const KEPT = 4;
/** Rows of a list that are given at once, at the most. */
export const MAX_ROWS = 200;
/** Messages that one search gives, at the most. */
const MAX_FOUND = 500;
/** Larger HTML, UTF-16 units, is shown as text only; so is what is nested deeper. */
const MAX_HTML = 1024 * 1024;
const MAX_DEPTH = 200;

/** A message that was fetched, and what of it is shown. */
interface Loaded {
  readonly opened: Opened;
  readonly message: TemporaryMessage;
  readonly shown: DisplayedMessage;
  readonly html: string | null;
  readonly pictures: ReadonlyMap<number, string>;
}

/** What a page sends of a draft. */
export interface WrittenDraft {
  readonly id: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** Keys of all its files: those that are not among them go. */
  readonly files: readonly string[];
}

/**
 * One person's open mail, as a page works with it. Everything that a page can do with mail is a function
 * here; how it is asked for is none of its business.
 */
export class Desk {
  readonly mail: Mail;
  readonly attached: Attached;
  readonly #held: HeldSends;
  readonly #texts: BackgroundTexts;
  /** The notice of another address that the person has not decided on. */
  #notice: AddressNotice | null = null;
  readonly #tell: (event: PageEvent) => void;
  readonly #changed: () => void;
  readonly #loaded = new Map<number, Promise<Loaded>>();
  readonly #clocks: ReturnType<typeof setInterval>[] = [];
  readonly #stopListening: () => void;
  /** What is done to drafts, one after the other; nothing that asks the server is waited for. */
  #ofDrafts: Promise<unknown> = Promise.resolve();
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #names: OwnNames;
  #fetching = false;
  #catchingUp: Promise<void> | null = null;
  /** Whether to catch up once more after the run that is under way. */
  #missed = false;
  #caughtUp = false;
  #turn: Promise<unknown> = Promise.resolve();
  #elsewhere: number;
  #counts = { drafts: 0, outbox: 0 };
  readonly #drafts: SyncedDrafts;
  /** What was said already of drafts that could not be stored. */
  readonly #saidOfDrafts = new Set<string>();
  /** Drafts as the page was given them last, by their id: what it writes is built on that. */
  readonly #given = new Map<string, Draft | SavedDraft>();
  #closed = false;

  private constructor(
    mail: Mail,
    names: OwnNames,
    tell: (event: PageEvent) => void,
    changed: () => void,
  ) {
    this.mail = mail;
    this.attached = new Attached(mail);
    this.#held = new HeldSends(mail.undoSend);
    this.#texts = new BackgroundTexts(mail, { onDefect: (text) => this.#say(text, true) });
    this.#names = names;
    this.#tell = tell;
    this.#changed = changed;
    this.#elsewhere = mail.cache.changesElsewhere;
    this.#stopListening = mail.connection.onState(({ kind }) => {
      if (kind === "online") this.#background(() => this.catchUp());
      changed();
    });
    mail.people.onRotated = (change) => this.#say(rotatedText(change), false);
    mail.shared.onNotice = (line) => this.#say(line, false);
    mail.notices.onNew = () => this.#background(() => this.#readNotice());
    mail.rules.onNotice = (line) => this.#say(line, false);
    this.#drafts = new SyncedDrafts(mail, () => this.#sync());
    this.#every(LOOK_AROUND, () => this.#lookAround());
    this.#every(STORE_DRAFTS, () => this.#syncDrafts());
  }

  /** `tell` gets what pages are told; `changed` is called when something that they show has changed. */
  static async open(
    mail: Mail,
    tell: (event: PageEvent) => void,
    changed: () => void,
  ): Promise<Desk> {
    const desk = new Desk(mail, new OwnNames(await mail.shared.known()), tell, changed);
    try {
      await desk.attached.tidy();
      await desk.#countLocal();
      await desk.#readNotice();
    } catch (error) {
      await desk.close();
      throw error;
    }
    if (mail.drafts.recovered.length > 0) {
      desk.#say("A text that was left in an editor is in Drafts.", false);
    }
    desk.#background(() => desk.catchUp());
    return desk;
  }

  /** Closes the mail and forgets what was opened. What may still be taken back goes out at once. */
  async close(): Promise<void> {
    await this.#held.finish(LAST_SENDS);
    await this.#texts.close();
    this.#closed = true;
    for (const clock of this.#clocks) clearInterval(clock);
    clearTimeout(this.#gathering);
    this.#stopListening();
    await this.#ofDrafts;
    await this.mail.close();
    for (const loaded of this.#loaded.values()) {
      await loaded.then(({ message }) => message.dispose(), () => {});
    }
    this.#loaded.clear();
  }

  /** Somebody does something at the page. */
  busy(): void {
    this.#texts.pause();
  }

  /** Called when the server says what other sessions did in the mailbox. */
  notice(event: NewsEvent): void {
    if (event.event === "shared" ? false : !this.mail.isNews(event)) return;
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#background(() => this.catchUp());
    }, GATHER);
  }

  get connection(): ConnectionView {
    const { state } = this.mail.connection;
    if (state.kind !== "offline") return { kind: state.kind, why: null, retryAt: null };
    const retryAt = Number.isFinite(state.retryAt) ? state.retryAt : null;
    return { kind: "offline", why: sentence(printable(state.why)), retryAt };
  }

  get local(): { readonly drafts: number; readonly outbox: number } {
    return this.#counts;
  }

  get fetching(): boolean {
    return this.#fetching;
  }

  get server(): string {
    return this.mail.server ? formatAddress(this.mail.server) : "";
  }

  get maxMessage(): number | null {
    return this.mail.hello?.maxMessage ?? null;
  }

  /** The notice of another address that the person has not decided on, as a page shows it. */
  get newAddress(): string | null {
    return this.#notice && formatServer(this.#notice.address);
  }

  /** Follows the notice that is shown, or declines it. Throws as {@linkcode followAddress} does. */
  async decideOnAddress(dir: string, follows: boolean): Promise<void> {
    const notice = this.#notice;
    if (!notice) return;
    if (follows) {
      const address = await followAddress(dir, this.mail, notice);
      this.#say(followedText(address, "From the next start on"), false);
    } else await this.mail.notices.decide(notice, "declined");
    await this.#readNotice();
  }

  async #readNotice(): Promise<void> {
    this.#notice = await this.mail.notices.open(this.mail.server);
    this.#changed();
  }

  get undoSend(): number {
    return this.#held.delay;
  }

  folders(): FolderView[] {
    const counts = new Map(this.mail.cache.counts().map((one) => [one.folder, one]));
    const of = (folder: Folder): FolderView => {
      const { total = 0, unread = 0 } = counts.get(folder) ?? {};
      return { id: folder, name: this.#names.folderName(folder), total, unread };
    };
    const own = new Set<Folder>(this.#names.folders.map(({ number }) => number));
    for (const folder of counts.keys()) if (typeof folder === "number") own.add(folder);
    return [...BUILT_IN_FOLDERS.filter((name) => name !== "drafts").map(of), ...[...own].map(of)];
  }

  searches(): KeptSearchView[] {
    return this.#names.searches.map(({ name, search }) => ({ name, words: search }));
  }

  // Lists and messages.

  async list(folder: Folder, from: number, limit: number): Promise<ListView> {
    const total = this.mail.cache.count(folder);
    const page = await this.mail.cache.list({
      folder,
      skip: from,
      limit: Math.min(limit, MAX_ROWS),
    });
    const items = await Promise.all(page.map((cached) => this.mail.openItem(cached)));
    return { total, from, rows: items.map((item) => rowView(this.mail, item, this.#names)) };
  }

  /** The UIDs of a folder, newest first, from a place on. */
  async uids(folder: Folder, from: number, limit: number): Promise<number[]> {
    const page = await this.mail.cache.list({
      folder,
      skip: from,
      limit: Math.min(limit, MAX_ROWS),
    });
    return page.map(({ entry }) => entry.uid);
  }

  /** A message, fetched if it was not; it counts as read from then on. */
  async message(uid: number): Promise<MessageView> {
    const item = await this.#item(uid);
    const row = rowView(this.mail, item, this.#names);
    const { opened, problem, keyChangedOf } = item;
    if (!opened) return closedMessage(row, item, problem ?? "it cannot be opened", keyChangedOf);
    const { summary, sender } = opened;
    const trust = summary.stored
      ? opened.verification
      : this.mail.people.verification(summary.from.name, sender.fp);
    const known = this.mail.people.pins.all().map(({ name }) => name);
    const whole = {
      row,
      id: formatMessageId(opened.id),
      from: { ...personView(this.mail, summary.from), name: senderText(summary) },
      note: senderNote({ ...opened, verification: trust }, known),
      announcement: isAnnouncement(summary),
      group: null,
      to: isAnnouncement(summary)
        ? [{ name: EVERYONE, trust: "unknown" as const }]
        : summary.to.map((one) => personView(this.mail, one)),
      cc: summary.cc.map((one) => personView(this.mail, one)),
      bcc: (await this.mail.blindCopied(opened)).map(({ name }) => name),
      date: summary.date,
      keyChangedOf,
      key: formatFingerprint(sender.fp),
      size: summary.size,
    };
    try {
      const { shown, html, pictures } = await this.#load(opened);
      if (row.fresh) this.#background(() => this.flag([uid], ["seen"], []));
      return {
        ...whole,
        group: await this.#groupQuestion(opened),
        text: shown.text,
        linked: row.answered || (summary.references ?? summary.inReplyTo) !== undefined,
        html: html !== null,
        notes: shown.notes,
        calendars: shown.calendars.map(({ lines }) => lines.join("\n")),
        attachments: shown.attachments.map(({ index, name, size }) => {
          return { index, name, size, picture: pictures.has(index) };
        }),
        problem: null,
      };
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      const why = sentence(printable(error.message));
      return {
        ...whole,
        text: "",
        linked: false,
        html: false,
        notes: [],
        calendars: [],
        attachments: [],
        problem: why,
      };
    }
  }

  /** The question about a group that a message offers; null if there is none. */
  async #groupQuestion(opened: Opened): Promise<string | null> {
    try {
      const offer = await this.mail.offeredGroup(opened);
      return offer && printable(offerQuestion(offer));
    } catch (error) {
      // The message was to be read: there is no question, then.
      if (!isSealpostError(error)) throw error;
      return null;
    }
  }

  /** Takes over the group that a message offers, or remembers that it is not wanted. */
  async answerGroup(uid: number, take: boolean): Promise<void> {
    const opened = await this.#opened(uid);
    const offer = await this.mail.offeredGroup(opened);
    if (offer === null) return;
    if (take) await this.mail.acceptGroup(offer);
    else await this.mail.declineGroup(offer);
    this.#say(take ? acceptedLine(offer) : declinedLine(opened), false);
  }

  /** The conversation that a message is of, in all folders but Trash, of what was fetched. */
  async conversation(uid: number): Promise<ThreadView[]> {
    const thread = await this.mail.conversation(await this.#opened(uid));
    return thread.map(({ item, depth }) => ({
      row: rowView(this.mail, item, this.#names),
      depth,
    }));
  }

  /** The HTML of a message. Throws `no-such-message` if it has none. */
  async html(uid: number): Promise<HtmlView> {
    const { html } = await this.#load(await this.#opened(uid));
    if (html === null) throw new SealpostError("no-such-message", "this message has no HTML");
    return { html };
  }

  /** The name, type and content of an attachment; as a picture only if it is one that may be shown. */
  async file(
    uid: number,
    index: number,
  ): Promise<{ name: string; picture: string | null; content: ReadableStream<Uint8Array> }> {
    const { message, shown, pictures } = await this.#load(await this.#opened(uid));
    const found = shown.attachments.find((one) => one.index === index);
    if (!found) throw new SealpostError("no-such-message", "there is no such attachment");
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    parseMessage(message.stream(), {
      attachment: async (part, content) => {
        if (part.index !== index) return;
        for await (const piece of content) await writer.write(piece);
      },
    }).then(() => writer.close(), (error) => writer.abort(error)).catch(() => {});
    return { name: found.name, picture: pictures.get(index) ?? null, content: readable };
  }

  async flag(
    uids: readonly number[],
    set: readonly Flag[],
    clear: readonly Flag[],
    folder?: Folder,
  ): Promise<void> {
    for (let i = 0; i < uids.length; i += MAX_UIDS) {
      await this.mail.flag(uids.slice(i, i + MAX_UIDS), set, clear, folder);
    }
    this.#changed();
  }

  async remove(uids: readonly number[]): Promise<void> {
    for (const uid of uids) {
      await this.#loaded.get(uid)?.then(({ message }) => message.dispose(), () => {});
      this.#loaded.delete(uid);
    }
    for (let i = 0; i < uids.length; i += MAX_UIDS) {
      await this.mail.remove(uids.slice(i, i + MAX_UIDS));
    }
    this.#changed();
  }

  async search(words: string, fetchTexts: boolean): Promise<SearchView> {
    const query = await this.mail.query(words);
    const look = () => this.mail.search(query, { folder: null, limit: MAX_FOUND });
    let result = await look();
    if (fetchTexts && result.unindexed.length > 0) {
      await this.mail.fetchTexts(result.unindexed);
      result = await look();
    }
    return {
      found: result.found.map(({ item, field, before, match, after }) => ({
        row: rowView(this.mail, item, this.#names),
        field,
        before: printable(before),
        match: printable(match),
        after: printable(after),
      })),
      matches: result.matches.length,
      unread: result.unindexed.length,
    };
  }

  /** Keeps a search under a name. Throws as {@linkcode Mail.keepSearch} does. */
  async keepSearch(name: string, words: string): Promise<void> {
    await this.mail.keepSearch(name, words);
    await this.#readNames();
  }

  async makeFolder(name: string): Promise<void> {
    await this.mail.makeFolder(name);
    await this.#readNames();
  }

  async renameFolder(from: string, to: string): Promise<void> {
    await this.mail.renameFolder(from, to);
    await this.#readNames();
  }

  async removeFolder(name: string): Promise<void> {
    await this.mail.removeFolder(name);
    await this.#readNames();
  }

  /** Asks the server for what is new, and sends what waits. Throws why there is no connection. */
  async refresh(): Promise<void> {
    await this.mail.connection.connect();
    await this.catchUp();
  }

  // Writing.

  async drafts(): Promise<DraftView[]> {
    return await Promise.all((await this.mail.listDrafts()).map(draftView));
  }

  /** A draft, to go on with it. */
  draft(id: string): Promise<DraftView> {
    return this.#withDrafts(async () => this.#give(await this.mail.drafts.load(id)));
  }

  /** A new draft; it is saved when something is written. */
  newDraft(to: readonly string[]): Promise<DraftView> {
    return this.#give({ ...emptyDraft(), to, text: withSignature("", this.mail.signature) });
  }

  #give(draft: Draft | SavedDraft): Promise<DraftView> {
    this.#given.set(draft.id, draft);
    return draftView(draft);
  }

  /**
   * A draft that answers or forwards a message; it is saved when something is written. An answer quotes
   * `selected`, null for the whole text.
   */
  async answer(
    uid: number,
    how: "reply" | "reply-all" | "forward",
    selected: string | null,
  ): Promise<DraftView> {
    const opened = await this.#opened(uid);
    const { shown } = await this.#load(opened);
    const draft = how === "forward"
      ? {
        ...forwardOf(opened, shown.attachments),
        text: `${withSignature("\n", this.mail.signature)}\n${forwardedText(opened, shown.text)}`,
      }
      : {
        ...replyTo(opened, this.mail.name, how === "reply-all"),
        text: withSignature(
          `\n\n${quotation(opened, selected ?? shown.text)}`,
          this.mail.signature,
        ),
      };
    return await this.#give(draft);
  }

  /**
   * Saves what a page has of a draft; the answer has the id that it goes on under. Of files only those
   * are taken that were attached here, or stood in the draft before: a page names no other file of this
   * machine. If another program or machine has changed the draft since the page was given it, this one
   * becomes a draft of its own, which the page is told. Throws `no-such-message` for one that was never
   * given, `disk-full`, `file-io`.
   */
  saveDraft(written: WrittenDraft): Promise<DraftView> {
    return this.#withDrafts(async () => {
      const { id, to, cc, bcc, subject, text } = written;
      const before = this.#given.get(id) ?? await this.mail.drafts.load(id);
      const { forwards } = before;
      const files = [...new Set(written.files)];
      const attachments: string[] = [];
      for (const file of files) {
        if (before.attachments.includes(file) || await this.attached.has(file)) {
          attachments.push(file);
        }
      }
      const kept = forwards?.attachments.filter(({ index }) =>
        files.includes(`${FORWARD}${index}`)
      );
      const { draft, parted } = await this.mail.drafts.saveOver({
        ...before,
        to,
        cc,
        bcc,
        subject,
        text,
        attachments,
        ...forwards && { forwards: { ...forwards, attachments: kept ?? [] } },
      }, savedAtOf(before));
      if (parted) this.#say(PARTED, false);
      this.#given.delete(id);
      await this.attached.drop(before.attachments.filter((path) => !attachments.includes(path)));
      return await this.#give(draft);
    });
  }

  async discardDraft(id: string): Promise<void> {
    await this.#withDrafts(async () => {
      const given = this.#given.get(id);
      const now = this.#idNow(id);
      const draft = await this.mail.drafts.load(now).catch(() => given);
      this.#given.delete(id);
      await this.mail.drafts.remove(now);
      await this.attached.drop(draft?.attachments ?? []);
    });
  }

  /**
   * Keeps `content` as a file for a draft; it is in the draft when that is saved with the key that is
   * given back. Throws `no-such-message`, `too-large`, `disk-full`, `file-io`.
   */
  async attach(id: string, name: string, content: AsyncIterable<Bytes>): Promise<DraftFileView> {
    if (!this.#given.has(id)) await this.mail.drafts.load(id);
    const most = this.maxMessage ?? DEFAULT_MAX_MESSAGE;
    return await fileView(await this.attached.add(id, name, content, most));
  }

  /** What speaks against sending a draft as it is now. */
  async check(id: string): Promise<CheckView> {
    const draft = await this.#saved(id);
    const nothing = { wrong: null, changed: null, ask: [] };
    const names = [...draft.to, ...draft.cc, ...draft.bcc];
    if (names.length === 0) return { ...nothing, wrong: "Whom is it for? Write a name after To." };
    try {
      const { names: users } = await this.mail.recipientNames(names);
      const others = users.filter((name) => name !== this.mail.name);
      if (this.mail.connection.online) await this.mail.people.offered(others);
      const changed = others.find((name) => {
        const pin = this.mail.people.pins.get(name);
        return pin?.offered || pin?.unconfirmed;
      });
      if (changed !== undefined) return { ...nothing, changed };
      await this.mail.recipients(users);
      checkLimits(draft);
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      return { ...nothing, wrong: sentence(printable(error.message)) };
    }
    const ask: CheckView["ask"][number][] = [];
    if (draft.subject === "") ask.push("subject");
    if (isEmpty(draft)) ask.push("empty");
    if (missingAttachment(draft) !== null) ask.push("attachment");
    return { ...nothing, ask };
  }

  /**
   * Sends a saved draft. Resolves when it is sent, is kept in the outbox, or was taken back; what goes
   * wrong is thrown, and it stays a draft.
   */
  async send(id: string): Promise<SentView | TakenBackView> {
    const draft = await this.#saved(id);
    try {
      const sent = await this.#held.send(id, (hold) => {
        return sendDraft(this.mail, draft, {
          note: (line) => this.#say(line, false),
          inOutbox: () => this.#background(() => this.#localChanged()),
          hold,
        });
      });
      this.#given.delete(id);
      await this.#withDrafts(() => this.attached.drop(draft.attachments));
      return { id: sent.id, waits: sent.waits && sentence(printable(sent.waits.message)) };
    } catch (error) {
      if (error instanceof TakenBackError) return { takenBack: error.draft.id };
      throw error;
    } finally {
      await this.#localChanged();
      if (this.mail.connection.online) this.#background(() => this.#sync());
    }
  }

  /** Takes back what is being sent of a draft. Throws `no-such-message` if it is too late. */
  takeBack(id: string): void {
    if (this.#held.takeBack(id)) return;
    throw new SealpostError("no-such-message", "it is too late: the message has gone out");
  }

  // The outbox.

  async outbox(): Promise<OutboxView[]> {
    return (await this.mail.unsent())
      .map(({ waiting, refused }) => outboxView(this.mail.name, waiting, refused));
  }

  async discardUnsent(id: string): Promise<void> {
    await this.mail.discardUnsent(id);
    await this.#localChanged();
  }

  // People and keys.

  contacts(): ContactView[] {
    const pins = this.mail.people.pins.all();
    const known = pins.map(({ name }) => name);
    return pins.map((pin) => contactView(pin, known));
  }

  /** Everybody whom a message can be written to, and the groups. */
  async recipients(): Promise<RecipientView[]> {
    const groups = new Map((await this.mail.groups()).map(({ name, members }) => [name, members]));
    groups.set(EVERYONE, this.mail.members.all().map(({ name }) => name));
    return recipientWords(this.mail).map((name) => {
      return recipientView(this.mail, name, groups.get(name) ?? null);
    });
  }

  /** Learns the key of somebody who is not known yet, as sending to them does. */
  async meet(text: string): Promise<string> {
    const name = this.mail.recipientName(text);
    await this.mail.people.find([name]);
    this.#changed();
    return name;
  }

  safety(name: string): SafetyView {
    const pin = this.#pin(name);
    const { groups, shown } = safetyNumber(this.#own(), pin);
    const { words, verified } = verification(pin);
    return {
      name,
      groups,
      text: shown,
      code: qrModules(shown).map((row) => row.map((dark) => dark ? "1" : "0").join("")),
      words,
      verified,
    };
  }

  /**
   * What the person says of the comparison of keys; with `text`, what the other's code says. `shown` is
   * the text of the safety number that they compared. Throws `key-changed` if that is not the one of
   * the keys by now.
   */
  async compare(
    name: string,
    shown: string,
    same: boolean,
    text: string | null,
  ): Promise<{ same: boolean }> {
    const pin = this.#pin(name);
    const number = safetyNumber(this.#own(), pin);
    if (number.shown !== shown) {
      throw new SealpostError(
        "key-changed",
        `the key of ${name}, or yours, has changed since the number was shown; compare again`,
      );
    }
    const result = text === null ? same : matchesSafetyNumber(number, text);
    const { pins } = this.mail.people;
    if (result) await pins.verify(name, pin.fp, "in-person");
    else await pins.revokeVerification(name);
    this.#changed();
    if (result) this.#background(() => this.#flush());
    return { same: result };
  }

  /** What the server offers for a name whose key is known. */
  async offer(name: string): Promise<OfferView> {
    const bundle = (await this.mail.people.offered([name])).get(name);
    const pin = this.#pin(name);
    const offered = bundle ?? pin;
    const changed = !equal(offered.fp, pin.fp);
    const of = ({ fp }: { readonly fp: Bytes }) => ({
      fingerprint: formatFingerprint(fp),
      groups: safetyNumber(this.#own(), { name, fp }).groups,
    });
    return {
      name,
      kind: changed ? "changed" : pin.unconfirmed === null ? "same" : "rotated",
      known: of(pin),
      offered: of(offered),
      words: verification({ ...pin, offered: null }).words,
    };
  }

  /** Takes the key with this fingerprint that the server offers for `name`: its owner says it is right. */
  async accept(name: string, fingerprint: string): Promise<void> {
    const { people } = this.mail;
    const bundle = (await people.offered([name])).get(name);
    const pin = this.#pin(name);
    if (!bundle || formatFingerprint(bundle.fp) !== fingerprint) {
      throw new SealpostError(
        "key-changed",
        `the server offers yet another key for ${name} now; nothing was changed`,
      );
    }
    if (!equal(bundle.fp, pin.fp)) await people.pins.replace(name, bundle);
    else await people.pins.confirm(name, pin.fp);
    this.#changed();
    this.#background(() => this.#flush());
  }

  /** One's own fingerprint. */
  get fingerprint(): string {
    return formatFingerprint(this.mail.identity.bundle.fp);
  }

  // What goes on by itself.

  /** What to do whenever there is a connection: take over what is new, send what waits, fetch what is older. */
  catchUp(): Promise<void> {
    // What is told while one is under way may be later than what it asked for.
    this.#missed = this.#catchingUp !== null;
    return this.#catchingUp ??= this.#catchUpAll().finally(() => this.#catchingUp = null);
  }

  async #catchUpAll(): Promise<void> {
    do {
      this.#missed = false;
      await this.#catchUp();
    } while (this.#missed && !this.#closed);
  }

  async #catchUp(): Promise<void> {
    if (!this.mail.connection.online) return;
    const fresh = await this.#sync();
    if (this.#caughtUp) await this.#announce(fresh);
    this.#caughtUp = true;
    await this.#flush();
    await this.#syncDrafts();
    await this.#readNames();
    this.#background(() => this.mail.refreshMembers());
    this.#background(() => this.#fetchOlder());
  }

  /** Brings the drafts here and those on the server together; without a connection, later. */
  async #syncDrafts(): Promise<void> {
    const { changed, problems } = await this.#drafts.run();
    for (const problem of problems.filter((line) => !this.#saidOfDrafts.has(line))) {
      this.#saidOfDrafts.add(problem);
      this.#say(problem, true);
    }
    if (changed) await this.#localChanged();
  }

  async #sync(): Promise<readonly number[]> {
    const { fresh, renewed } = await this.#alone(() => this.mail.sync());
    if (renewed) {
      this.#say("The server made this mailbox anew since you last looked: ask why.", true);
    }
    this.#changed();
    return fresh;
  }

  async #flush(): Promise<void> {
    if (!this.mail.connection.online) return;
    const { sent, refused } = await this.mail.flushOutbox();
    if (sent > 0) this.#say(`${sentLine(sent)}.`, false);
    const line = notSentLine(refused);
    if (line !== null) this.#say(sentence(line), true);
    await this.#localChanged();
    if (sent > 0) await this.#sync();
  }

  async #readNames(): Promise<void> {
    this.#names = await this.mail.names();
    this.#changed();
  }

  async #fetchOlder(): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (!this.#closed && this.mail.connection.online) {
        if (!await this.#alone(() => this.mail.fetchOlder(MANY_PAGES))) break;
        this.#changed();
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    } finally {
      this.#fetching = false;
      this.#changed();
    }
  }

  async #announce(fresh: readonly number[]): Promise<void> {
    let latest: Item | null = null;
    let count = 0;
    for (const uid of fresh) {
      const cached = await this.mail.cache.entry(uid);
      if (cached?.entry.folder !== "inbox" || cached.entry.flags.includes("seen")) continue;
      const item = await this.mail.openItem(cached);
      if (item.opened?.summary.from.name === this.mail.name) continue;
      latest ??= item;
      count++;
    }
    if (!latest) return;
    this.#tell({
      kind: "arrived",
      from: latest.opened ? senderText(latest.opened.summary) : "?",
      subject: subjectOf(latest),
      count,
    });
  }

  /** Takes over what other processes of this person have changed: keys, folders, flags, drafts. */
  async #lookAround(): Promise<void> {
    const before = JSON.stringify(this.#counts);
    await this.#countLocal();
    const { changesElsewhere } = this.mail.cache;
    const pins = await this.mail.people.pins.refresh();
    if (pins || changesElsewhere !== this.#elsewhere || before !== JSON.stringify(this.#counts)) {
      this.#elsewhere = changesElsewhere;
      this.#changed();
    }
  }

  async #localChanged(): Promise<void> {
    await this.#countLocal();
    this.#changed();
  }

  async #countLocal(): Promise<void> {
    const drafts = await this.mail.listDrafts();
    this.#counts = { drafts: drafts.length, outbox: (await this.mail.unsent()).length };
  }

  /** Runs `work` when nothing else of its kind is under way. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  /** Runs `work` on drafts after what was asked for before, however long the server takes. */
  #withDrafts<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) {
      return Promise.reject(new SealpostError("cancelled", "your mail is not open"));
    }
    const mine = this.#ofDrafts.then(work);
    this.#ofDrafts = mine.catch(() => {});
    return mine.finally(() => this.#background(() => this.#localChanged()));
  }

  /** The id by now of a draft that the page was given: bringing drafts together may give it another. */
  #idNow(id: string): string {
    const given = this.#given.get(id);
    return given ? this.mail.drafts.idNow(id, savedAtOf(given)) : id;
  }

  /**
   * A draft as it was saved last. Throws `version-conflict` if that is not what the page was given, and
   * what loading it throws.
   */
  #saved(id: string): Promise<SavedDraft> {
    return this.#withDrafts(async () => {
      const draft = await this.mail.drafts.load(this.#idNow(id));
      const given = this.#given.get(id);
      if (!given || savedAtOf(given) === draft.savedAt) return draft;
      throw new SealpostError(
        "version-conflict",
        "this draft was changed elsewhere meanwhile; look at it in Drafts, and send it from there",
      );
    });
  }

  async #item(uid: number): Promise<Item> {
    const cached = await this.mail.cache.entry(uid);
    if (cached) return await this.mail.openItem(cached);
    throw new SealpostError("no-such-message", "that message is not in your mailbox any more");
  }

  async #opened(uid: number): Promise<Opened> {
    const { opened, problem } = await this.#item(uid);
    if (opened) return opened;
    throw new SealpostError("authentication", `this message cannot be opened: ${problem}`);
  }

  #load(opened: Opened): Promise<Loaded> {
    const { uid } = opened.entry;
    const known = this.#loaded.get(uid);
    this.#loaded.delete(uid);
    const loading = known ?? this.#fetch(opened);
    this.#loaded.set(uid, loading);
    loading.catch(() => this.#loaded.delete(uid));
    for (const [other, loaded] of this.#loaded) {
      if (this.#loaded.size <= KEPT) break;
      this.#loaded.delete(other);
      loaded.then(({ message }) => message.dispose(), () => {});
    }
    return loading;
  }

  async #fetch(opened: Opened): Promise<Loaded> {
    const message = await this.mail.fetch(opened);
    const shown = await this.mail.show(opened, message, 0);
    const pictures = new Map<number, string>();
    const { html } = await parseMessage(message.stream(), {
      attachment: async ({ index }, content) => {
        for await (const piece of content) {
          const type = pictureType(piece);
          if (type !== null) pictures.set(index, type);
          break;
        }
      },
    });
    return {
      opened,
      message,
      shown,
      html: html === null || isTooMuch(html) ? null : html,
      pictures,
    };
  }

  #own() {
    return { name: this.mail.name, fp: this.mail.identity.bundle.fp };
  }

  #pin(name: string): Pin {
    const pin = this.mail.people.pins.get(name);
    if (pin) return pin;
    throw new SealpostError("no-key", `no key of ${printable(name)} is known`);
  }

  #say(text: string, bad: boolean): void {
    this.#tell({ kind: "said", text: printable(text), bad });
  }

  /** Runs `work` beside everything else; what goes wrong is said, but for a lost connection, which is shown. */
  #background(work: () => Promise<unknown>): void {
    work().catch((error) => {
      if (this.#closed || isLost(error)) return;
      this.#say(sentence(errorText(error)), true);
    });
  }

  /** Repeats `work`; a failure is left to the next time. */
  #every(milliseconds: number, work: () => Promise<void>): void {
    let working = false;
    this.#clocks.push(setInterval(() => {
      if (working) return;
      working = true;
      work().catch(() => {}).finally(() => working = false);
    }, milliseconds));
  }
}

/** When a draft was saved, milliseconds since 1970; null if it never was. */
function savedAtOf(draft: Draft | SavedDraft): number | null {
  return "savedAt" in draft ? draft.savedAt : null;
}

/** Whether HTML is larger, or nested deeper, than a browser should be given: it is shown as text then. */
function isTooMuch(html: string): boolean {
  if (html.length > MAX_HTML) return true;
  let depth = 0;
  for (const [, end] of html.matchAll(/<(\/?)(?:table|div|span|ul|ol|blockquote|font|b|i|p)\b/gi)) {
    depth = end === "" ? depth + 1 : Math.max(0, depth - 1);
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

function closedMessage(
  row: MessageView["row"],
  { entry }: Item,
  problem: string,
  keyChangedOf: string | null,
): MessageView {
  return {
    row,
    id: formatMessageId(entry.header.slice(1, 17)),
    from: { name: row.who, trust: row.trust },
    note: "",
    announcement: false,
    group: null,
    to: [],
    cc: [],
    bcc: [],
    date: entry.receivedAt,
    text: "",
    linked: false,
    html: false,
    notes: [],
    calendars: [],
    attachments: [],
    problem: sentence(printable(problem)),
    keyChangedOf,
    key: "",
    size: entry.bodySize,
  };
}
