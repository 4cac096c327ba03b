import { fromBase64 } from "../../../crypto/bytes.ts";
import { fit, printable } from "../../../cli/printable.ts";
import { formatMessageId } from "../../../protocol/uuid.ts";
import type { SavedDraft } from "../../state/drafts.ts";
import type { Item } from "../../mailbox/open.ts";
import { allHitWords, type Query } from "../../mailbox/query.ts";
import type { SearchResult } from "../../mailbox/search.ts";
import type { Waiting } from "../../state/outbox.ts";
import { type Line, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { cursorIndex, EMPTY_LIST, moveBy, moved, withKeys } from "../list_model.ts";
import { viewList } from "../list_view.ts";
import { LoadedMessage } from "../loaded_message.ts";
import {
  askForPlace,
  digitOf,
  folderName,
  isSearch,
  keptSearch,
  type ListFolder,
  listFolders,
  NUMBERED_FOLDERS,
  organize,
  organizes,
  type SearchKey,
} from "../messages.ts";
import { type Row, rowOf, type Trust } from "../rows.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { AttachmentsScreen } from "./attachments.ts";
import { ComposeScreen } from "./compose.ts";
import { ContactsScreen } from "./contacts.ts";
import { type FolderChooser, FoldersScreen } from "./folders.ts";
import { answer, type Answering, type MessageCursor, ReaderScreen } from "./reader.ts";

/** From how many columns the folders are shown beside the list, and how many these take. */
const WIDE = 110;
const SIDE = 22;

/** Most messages that one search shows. */
const MAX_FOUND = 10_000;

/** A message of the outbox. */
interface Unsent {
  readonly waiting: Waiting;
  readonly refused: boolean;
}

/** What a search has found. */
interface Search {
  readonly words: string;
  readonly query: Query;
  readonly uids: ReadonlySet<number>;
}

/** The messages of one folder or of a search, the drafts, or the outbox. */
export class ListScreen implements Screen, MessageCursor, FolderChooser {
  readonly mode = "list";
  readonly #host: Host;
  #folder: Exclude<ListFolder, SearchKey> = "inbox";
  #list = EMPTY_LIST;
  #rows = 1;
  #tagged = new Set<string>();
  #found: Search | null = null;
  /** Where the cursor was in each folder. */
  readonly #cursors = new Map<ListFolder, string>();
  #drafts: readonly SavedDraft[] = [];
  #outbox: readonly Unsent[] = [];
  #version = -1;

  constructor(host: Host) {
    this.#host = host;
  }

  get folder(): ListFolder {
    return this.#folder;
  }

  /** Whether it shows what is on this disk. */
  get isLocal(): boolean {
    return this.#folder === "drafts" || this.#folder === "outbox";
  }

  where(): string {
    const name = folderName(this.#folder, this.#host.names);
    const { mailbox } = this.#host;
    if (this.#folder === "drafts" || this.#folder === "outbox") {
      return `${name}  ${this.#list.keys.length}`;
    }
    if (this.#found) {
      return `${name}  found ${this.#list.keys.length}: ${printable(this.#found.words)}`;
    }
    const { total, unread } = mailbox.count(this.#folder);
    return `${name}  ${total}${unread > 0 ? ` (${unread} new)` : ""}${
      mailbox.fetching ? ", older ones are coming" : ""
    }`;
  }

  show(size: Size): Shown {
    this.#rows = size.rows;
    const side = size.columns >= WIDE ? this.#side(size.rows) : null;
    const { lines, list } = viewList({
      list: this.#list,
      tagged: this.#tagged,
      row: (key) => this.#row(key),
      empty: this.#empty(),
      signs: this.#host.signs,
      query: this.#found?.query ?? null,
      now: Date.now(),
    }, { columns: size.columns - (side ? SIDE + 1 : 0), rows: size.rows });
    this.#list = list;
    this.#host.mailbox.want(
      list.keys.slice(list.top, list.top + size.rows).flatMap((key) => uidOf(key) ?? []),
    );
    if (!side) return { lines };
    return {
      lines: side.map((left, i) => [...left, span(this.#host.signs.bar, "dim"), ...lines[i] ?? []]),
    };
  }

  /** The folders, beside the list where there is room for them. */
  #side(rows: number): Line[] {
    const folders = listFolders(this.#host);
    const at = folders.indexOf(this.#folder);
    const out: Line[] = folders.map((folder) => {
      const { total, unread } = this.counts(folder);
      const count = unread > 0 ? `${unread}/${total}` : total > 0 ? String(total) : "";
      const look = folder === this.#folder ? "cursor" : unread > 0 ? "strong" : "plain";
      const digit = digitOf(folder);
      const room = SIDE - 5 - count.length;
      const name = fit(folderName(folder, this.#host.names), room, { pad: true });
      return [span(` ${digit} ${name} ${count} `, look)];
    });
    // The folder that is shown is always among them.
    out.splice(0, Math.max(0, at - rows + 1));
    while (out.length < rows) out.push([span(" ".repeat(SIDE))]);
    return out.slice(0, rows);
  }

  changed(): void {
    if (this.#version !== this.#host.mailbox.version) this.#update();
  }

  /** Reads the drafts and the outbox again. */
  async reloadLocal(): Promise<void> {
    this.#drafts = await this.#host.mail.listDrafts();
    this.#outbox = await this.#host.mail.unsent();
    this.#update();
    this.#host.refresh();
  }

  counts(folder: ListFolder): { readonly total: number; readonly unread: number } {
    if (folder === "drafts") {
      return { total: this.#drafts.length + this.#otherInDrafts().length, unread: 0 };
    }
    if (folder === "outbox") return { total: this.#outbox.length, unread: 0 };
    if (isSearch(folder)) return { total: 0, unread: 0 };
    return this.#host.mailbox.count(folder);
  }

  go(folder: ListFolder): void {
    if (isSearch(folder)) {
      const search = keptSearch(folder, this.#host.names);
      if (search !== null) this.#host.background(() => this.#find(search));
      return;
    }
    if (this.#list.cursor !== null) this.#cursors.set(this.#folder, this.#list.cursor);
    this.#folder = folder;
    this.#tagged.clear();
    this.#found = null;
    const cursor = this.#cursors.get(folder) ?? null;
    this.#list = { keys: [], cursor, top: 0 };
    this.#update();
    this.#host.background(() => this.reloadLocal());
  }

  act(action: Action): void | Promise<void> {
    const list = moved(this.#list, action, this.#rows);
    if (list) {
      this.#list = list;
      return;
    }
    if (organizes(action)) return this.#organize(action);
    switch (action) {
      case "open":
        return this.#open();
      case "quit":
        return this.#host.quit();
      case "compose":
        return this.#host.open(new ComposeScreen(this.#host));
      case "reply":
      case "reply-all":
      case "forward":
        return this.#answer(action);
      case "next-unread":
        return this.#nextUnread();
      case "tag":
        return this.#tag();
      case "tag-found":
        return this.#tagFound();
      case "tag-range":
        return this.#tagRange();
      case "untag":
        return this.#untag();
      case "save":
      case "attachments":
        return this.#attachments();
      case "search":
        return this.#search();
      case "folders":
        return this.#changeFolder();
      case "contacts":
        return this.#host.open(new ContactsScreen(this.#host));
      case "next-folder":
        return this.#step(1);
      case "previous-folder":
        return this.#step(-1);
      default: {
        const folder = NUMBERED_FOLDERS[Number(/^folder-(\d)$/.exec(action)?.[1] ?? 0) - 1];
        if (folder) this.go(folder);
      }
    }
  }

  /** The message `by` lines further down, at which the cursor is then; null if there is none. */
  async neighbour(by: number): Promise<Item | null> {
    const before = this.#list.cursor;
    this.#list = moveBy(this.#list, by);
    return this.#list.cursor === before ? null : await this.current();
  }

  get searched(): readonly string[] {
    return this.#found ? allHitWords(this.#found.query) : [];
  }

  /** The next new message below the cursor, or from the top; null if there is none. */
  async unread(): Promise<Item | null> {
    const { keys } = this.#list;
    const at = cursorIndex(this.#list);
    const flags = new Map(this.#host.mailbox.all().map(({ uid, flags }) => [uid, flags]));
    for (const key of [...keys.slice(at + 1), ...keys.slice(0, at)]) {
      const uid = uidOf(key);
      if (uid === null || flags.get(uid)?.includes("seen") !== false) continue;
      this.#list = { ...this.#list, cursor: key };
      return await this.current();
    }
    return null;
  }

  /** The message at the cursor; null if there is none. */
  async current(): Promise<Item | null> {
    const uid = this.#list.cursor === null ? null : uidOf(this.#list.cursor);
    return uid === null ? null : await this.#host.mailbox.open(uid);
  }

  #update(): void {
    this.#version = this.#host.mailbox.version;
    const keys = this.#keys();
    this.#list = withKeys(this.#list, keys);
    if (this.#tagged.size > 0) {
      const there = new Set(keys);
      this.#tagged = new Set([...this.#tagged].filter((key) => there.has(key)));
    }
  }

  #keys(): string[] {
    const folder = this.#folder;
    if (folder === "drafts") {
      const drafts = this.#drafts.map(({ id }) => `d${id}`);
      return [...drafts, ...this.#otherInDrafts().map((uid) => `m${uid}`)];
    }
    if (folder === "outbox") return this.#outbox.map(keyOf);
    const found = this.#found?.uids;
    const entries = found ? this.#host.mailbox.all() : this.#host.mailbox.entries(folder);
    const keys: string[] = [];
    for (const { uid } of entries) if (!found || found.has(uid)) keys.push(`m${uid}`);
    return keys;
  }

  /** The messages in the folder for drafts that are none. */
  #otherInDrafts(): number[] {
    const { mailbox, mail: { drafts } } = this.#host;
    return mailbox.entries("drafts").map(({ uid }) => uid).filter((uid) => {
      const header = mailbox.item(uid)?.entry.header;
      return header && drafts.editions.isMessage(formatMessageId(header.slice(1, 17)));
    });
  }

  #empty(): string {
    if (this.#found) return "Nothing was found. Esc goes back.";
    if (this.#host.mailbox.fetching) return "The messages are being fetched …";
    return this.#folder === "inbox" ? "The inbox is empty." : "There is nothing here.";
  }

  #row(key: string): Row | null {
    const uid = uidOf(key);
    if (uid !== null) {
      const item = this.#host.mailbox.item(uid);
      const { mail: { name: me }, names } = this.#host;
      const fullName = (name: string) => this.#host.mail.fullNameOf(name);
      return item && rowOf(item, { me, names, trust: trustIn(this.#host), fullName });
    }
    const draft = this.#drafts.find(({ id }) => `d${id}` === key);
    if (draft) return draftRow(draft);
    const waiting = this.#outbox.find((one) => keyOf(one) === key);
    return waiting ? outboxRow(waiting, this.#host.mail.name) : null;
  }

  async #open(): Promise<void> {
    const key = this.#list.cursor;
    if (key === null) return;
    if (key.startsWith("d")) {
      const draft = await this.#host.mail.drafts.load(key.slice(1));
      return this.#host.open(new ComposeScreen(this.#host, draft));
    }
    if (key.startsWith("o")) {
      const unsent = this.#outbox.find((one) => keyOf(one) === key);
      return this.#host.say(
        unsent?.refused
          ? `It was refused and is not sent again; d throws it away. ${whyOf(unsent)}`
          : `It is sealed and waits; ^R sends it now, d throws it away. ${whyOf(unsent)}`,
      );
    }
    const item = await this.current();
    if (item) this.#host.open(new ReaderScreen(this.#host, this, item));
  }

  async #answer(action: Answering): Promise<void> {
    const item = await this.current();
    if (!item) return;
    const message = new LoadedMessage(this.#host, item);
    try {
      await answer(this.#host, message, action);
    } finally {
      await message.dispose();
    }
  }

  async #nextUnread(): Promise<void> {
    if (!await this.unread()) this.#host.say("There is no other new message here.");
  }

  #tag(): void {
    const key = this.#list.cursor;
    if (key === null) return;
    if (!this.#tagged.delete(key)) this.#tagged.add(key);
    this.#list = moveBy(this.#list, 1);
  }

  /** Tags all from the last message that was tagged to the cursor. */
  #tagRange(): void {
    const { keys } = this.#list;
    const at = cursorIndex(this.#list);
    const tagged = keys.flatMap((key, i) => this.#tagged.has(key) ? [i] : []);
    const near = tagged.findLast((i) => i < at) ?? tagged.find((i) => i > at);
    if (near === undefined || at < 0) {
      return this.#host.say("Tag one message with t; this tags all from there to the cursor.");
    }
    for (const key of keys.slice(Math.min(at, near), Math.max(at, near) + 1)) this.#tagged.add(key);
    this.#host.say(`${this.#tagged.size} messages are tagged; Esc forgets that.`);
  }

  /** Tags what fits a search, of what is in the list. */
  async #tagFound(): Promise<void> {
    const words = (await this.#host.input("Tag what fits (nothing: all):"))?.trim();
    if (words === undefined) return;
    const keys = this.#list.keys.filter((key) => uidOf(key) !== null);
    let fitting = keys;
    if (words !== "") {
      const { mail } = this.#host;
      const { uids } = await mail.findFitting(await mail.query(words));
      const found = new Set(uids.map((uid) => `m${uid}`));
      fitting = keys.filter((key) => found.has(key));
    }
    for (const key of fitting) this.#tagged.add(key);
    const many = fitting.length === 1 ? "1 message" : `${fitting.length} messages`;
    this.#host.say(`${many} tagged; what follows is done to all that are tagged.`);
  }

  #untag(): void {
    if (this.#tagged.size > 0) this.#tagged.clear();
    else if (this.#found) {
      this.#found = null;
      this.#update();
    }
  }

  async #attachments(): Promise<void> {
    const item = await this.current();
    if (!item) return;
    const message = new LoadedMessage(this.#host, item);
    await message.load();
    if (message.attachments.length === 0) {
      await message.dispose();
      return this.#host.say("Nothing is attached to this message.");
    }
    this.#host.open(new AttachmentsScreen(this.#host, message, () => message.dispose()));
  }

  /** The tagged messages, or the one at the cursor. */
  async #selected(): Promise<Item[]> {
    const keys = this.#tagged.size > 0
      ? this.#list.keys.filter((key) => this.#tagged.has(key))
      : this.#list.cursor === null
      ? []
      : [this.#list.cursor];
    const items: Item[] = [];
    for (const key of keys) {
      const uid = uidOf(key);
      const item = uid === null ? null : await this.#host.mailbox.open(uid);
      if (item) items.push(item);
    }
    return items;
  }

  async #organize(action: Action): Promise<void> {
    const key = this.#list.cursor;
    if (action === "delete" && key?.startsWith("d")) return await this.#discard(key.slice(1));
    if (key?.startsWith("o")) {
      if (action === "delete") return await this.#discardUnsent(key.slice(1));
      return this.#host.say("A message that waits can be thrown away with d, and no more.");
    }
    const undoes = action === "undelete" && this.#host.undoable;
    const before = new Set(this.#list.keys);
    const items = undoes ? [] : await this.#selected();
    if (!await organize(this.#host, action, items)) return;
    this.#tagged.clear();
    const restored = undoes ? this.#keys().find((key) => !before.has(key)) : undefined;
    if (restored === undefined) return;
    this.#update();
    this.#list = { ...this.#list, cursor: restored };
  }

  async #discard(id: string): Promise<void> {
    if (await this.#host.choose("Throw this draft away? (y/n)", "yn") !== "y") return;
    await this.#host.mail.drafts.remove(id);
    await this.#host.reloadLocal();
    this.#host.say("The draft is gone.");
  }

  async #discardUnsent(id: string): Promise<void> {
    const question = "Throw this message away for good, without sending it? (y/n)";
    if (await this.#host.choose(question, "yn") !== "y") return;
    await this.#host.mail.discardUnsent(id);
    await this.reloadLocal();
    this.#host.say("The message is gone; it will not be sent.");
  }

  #step(by: number): void {
    const folders = listFolders(this.#host);
    const at = folders.indexOf(this.#folder) + folders.length;
    this.go(folders[(at + by) % folders.length] ?? "inbox");
  }

  async #changeFolder(): Promise<void> {
    const folder = await askForPlace(this.#host, "Folder (Tab completes, Enter shows all):");
    if (folder === null) this.#host.open(new FoldersScreen(this.#host, this));
    else if (folder !== undefined) this.go(folder);
  }

  async #search(): Promise<void> {
    const words = await this.#host.input("Search:", { value: this.#found?.words ?? "" });
    if (words === null) return;
    if (words.trim() === "") {
      this.#found = null;
      return this.#update();
    }
    await this.#find(words);
  }

  async #find(words: string): Promise<void> {
    this.#host.say("Searching …");
    const { mail, mailbox } = this.#host;
    const query = await mail.query(words);
    const look = () => mail.search(query, { folder: null, limit: MAX_FOUND });
    const older = () => mailbox.fetching ? ["Older messages are still being fetched."] : [];
    const result = await look();
    this.#showFound(words, query, result);
    const texts = result.unindexed.length;
    const said = [foundText(result), ...cutText(result), ...older()];
    if (texts > 0) said.push(`${textsOf(texts)} never fetched, so not searched.`);
    if (texts === 0 || !mail.connection.online) return this.#host.say(said.join(" "));
    const them = texts === 1 ? "it" : "them";
    const answer = await this.#host.choose(
      `${said.join(" ")} Fetch and search ${them}? (y/n)`,
      "yn",
    );
    if (answer !== "y") return;
    const large = await mail.fetchTexts(result.unindexed);
    const whole = await look();
    if (this.#found?.words === words) this.#showFound(words, query, whole);
    const left = whole.unindexed.length - large;
    this.#host.say([
      foundText(whole),
      ...cutText(whole),
      ...large > 0 ? [`${textsOf(large)} too large to be searched.`] : [],
      ...left > 0 ? [`${textsOf(left)} not readable.`] : [],
      ...older(),
    ].join(" "));
  }

  #showFound(words: string, query: Query, { found }: SearchResult): void {
    const uids = new Set(found.map(({ item }) => item.entry.uid));
    if (this.#folder === "drafts" || this.#folder === "outbox") this.go("inbox");
    this.#found = { words, query, uids };
    this.#list = EMPTY_LIST;
    this.#update();
    this.#host.refresh();
  }
}

function foundText({ found, matches: { length: matches } }: SearchResult): string {
  if (matches === 0) return "Nothing was found.";
  const most = matches > found.length ? `, of which the newest ${found.length} are shown` : "";
  return `${matches} ${matches === 1 ? "message" : "messages"} found${most}; Esc shows all again.`;
}

/** How many texts, as the subject of a sentence. */
function textsOf(count: number): string {
  return count === 1 ? "The text of 1 message was" : `The texts of ${count} messages were`;
}

/** That long texts were searched in part only, if any were. */
function cutText({ cut }: SearchResult): string[] {
  return cut === 0 ? [] : [`${textsOf(cut)} too long to be searched to the end.`];
}

function uidOf(key: string): number | null {
  return key.startsWith("m") ? Number(key.slice(1)) : null;
}

/** How far a key, in base64, is trusted as that of a name. */
export function trustIn({ mail }: Host): (name: string, fp: string) => Trust {
  return (name, fp) => {
    const { verified, mark } = mail.people.verification(name, fromBase64(fp));
    if (name === mail.name) return "unknown";
    return verified ? "verified" : mark === "!" ? "changed" : "unknown";
  };
}

const PLAIN = {
  toOthers: true,
  fresh: false,
  keywords: [],
  answered: false,
  flagged: false,
  fullName: "",
  trust: "unknown",
  broken: false,
} as const;

function draftRow(draft: SavedDraft): Row {
  const to = [...draft.to, ...draft.cc, ...draft.bcc];
  return {
    ...PLAIN,
    who: printable(`To ${to.join(", ") || "-"}`),
    subject: printable(draft.subject || draft.text.trim().split("\n")[0] || "(empty)"),
    date: draft.savedAt,
    size: draft.text.length,
    attachments: draft.attachments.length + (draft.forwards?.attachments.length ?? 0),
    reply: draft.answers !== undefined,
  };
}

function keyOf({ waiting }: Unsent): string {
  return `o${waiting.request.id}`;
}

function whyOf(unsent: Unsent | undefined): string {
  const why = unsent?.waiting.why;
  return why ? `(${printable(why)})` : "";
}

/** A waiting message is sealed: only what the server will see of it is shown. */
function outboxRow({ waiting, refused }: Unsent, me: string): Row {
  const { id, size, recipients } = waiting.request;
  const to = recipients.map(({ name }) => name).filter((name) => name !== me);
  return {
    ...PLAIN,
    who: `To ${to.join(", ") || me}`,
    subject: refused ? "(refused; it is not sent again)" : "(sealed; it waits for the connection)",
    // The id begins with the time, in milliseconds.
    date: parseInt(id.slice(0, 8) + id.slice(9, 13), 16),
    size,
    attachments: 0,
    reply: false,
  };
}
