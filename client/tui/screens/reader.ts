import { formatSize } from "../../../cli/format.ts";
import { formatFingerprint } from "../../../crypto/identity.ts";
import { printable } from "../../../cli/printable.ts";
import type { Flag } from "../../../protocol/entry.ts";
import type { Person } from "../../../protocol/summary.ts";
import { formatMessageId } from "../../../protocol/uuid.ts";
import type { Item, Opened } from "../../mailbox/open.ts";
import {
  dateLine,
  senderNote,
  senderWithFullName,
  subjectOf,
  textWithCalendars,
} from "../../mailbox/show.ts";
import {
  forwardedText,
  forwardOf,
  quotation,
  replyTo,
  withSignature,
} from "../../message/reply.ts";
import { findIn, type Match } from "../find.ts";
import { fill, highlighted, type Line, marked, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { LoadedMessage } from "../loaded_message.ts";
import { linesOf, type Markable, markBy, type Marking } from "../marking.ts";
import { organize, organizes } from "../messages.ts";
import { type Header, type LaidOut, layOut, textOf } from "../reader_view.ts";
import { keywordsOf } from "../rows.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { Scroller } from "../scroller.ts";
import { AttachmentsScreen } from "./attachments.ts";
import { ChangedKeyScreen } from "./changed_key.ts";
import { ComposeScreen } from "./compose.ts";
import { ContactsScreen } from "./contacts.ts";

/** The list that a message was opened from, with its cursor. */
export interface MessageCursor {
  /** The message `by` further down, at which the cursor is then; null if there is none. */
  neighbour(by: number): Promise<Item | null>;
  /** The next new message, at which the cursor is then; null if there is none. */
  unread(): Promise<Item | null>;
  /** The message at the cursor; null if there is none. */
  current(): Promise<Item | null>;
}

/** The actions that write a message about another one. */
export type Answering = "reply" | "reply-all" | "forward";

/**
 * Opens a composer for a message that answers or forwards `message`; an answer quotes what was marked,
 * else all of it.
 */
export async function answer(
  host: Host,
  message: LoadedMessage,
  action: Answering,
  marked: string | null = null,
): Promise<void> {
  await message.load();
  const { item: { opened }, shown } = message;
  if (!opened || !shown) return host.say("This message cannot be opened.", "error");
  const draft = action === "forward"
    ? {
      ...forwardOf(opened, shown.attachments),
      text: `${withSignature("\n", host.mail.signature)}\n${forwardedText(opened, shown.text)}`,
    }
    : {
      ...replyTo(opened, host.mail.name, action === "reply-all"),
      text: withSignature(`\n\n${quotation(opened, marked ?? shown.text)}`, host.mail.signature),
    };
  host.open(new ComposeScreen(host, draft));
}

/** A message laid out: for what, its lines, and where the words were found. */
interface Laid extends LaidOut {
  readonly for: string;
  readonly matches: readonly Match[];
}

/** One message. */
export class ReaderScreen implements Screen {
  readonly mode = "reader";
  readonly #host: Host;
  readonly #list: MessageCursor;
  readonly #scroller = new Scroller();
  #message: LoadedMessage;
  #allHeaders = false;
  #fold = false;
  /** The last layout. */
  #laid: Laid | null = null;
  /** The words to find; empty for none. */
  #words = "";
  /** The match that is highlighted; null if none is. */
  #match: Match | null = null;
  /** The lines that are marked to be quoted, from the first one of the text; null for none. */
  #marking: Marking | null = null;

  constructor(host: Host, list: MessageCursor, item: Item) {
    this.#host = host;
    this.#list = list;
    this.#message = new LoadedMessage(host, item);
  }

  where(): string {
    const share = this.#scroller.share;
    return `${subjectOf(this.#message.item)}${share === "" ? "" : `  ${share}`}`;
  }

  show({ columns, rows }: Size): Shown {
    this.#columns = columns;
    if (!this.#message.started) this.#host.background(() => this.#load());
    const { lines } = this.#layout(columns);
    const shown = this.#scroller.show(lines, rows);
    const { top } = this.#scroller;
    const chosen = this.#markedLines();
    return {
      lines: shown.map((line, i) => {
        if (chosen && top + i >= chosen.first && top + i <= chosen.last) return highlighted(line);
        const parts = this.#match?.parts.filter(({ row }) => row === top + i) ?? [];
        return parts.reduce((all, { from, to }) => marked(all, from, to, "match"), line);
      }),
    };
  }

  #columns = 80;

  async #load(): Promise<void> {
    const message = this.#message;
    try {
      await message.load(this.#columns - 2);
    } finally {
      if (this.#message === message) this.#laid = null;
    }
  }

  changed(): void {
    if (this.#message.update()) this.#laid = null;
  }

  async close(): Promise<void> {
    await this.#message.dispose();
  }

  act(action: Action): void | Promise<void> {
    if (this.#mark(action)) return;
    if (this.#scroller.act(action)) return;
    if (organizes(action)) return this.#organize(action);
    switch (action) {
      case "back":
        return this.#host.leave(this);
      case "quit":
        return this.#host.quit();
      case "next":
        return this.#turn(this.#list.neighbour(1), "This is the last message.");
      case "previous":
        return this.#turn(this.#list.neighbour(-1), "This is the first message.");
      case "next-unread":
        return this.#turn(this.#list.unread(), "There is no other new message here.");
      case "compose":
        return this.#host.open(new ComposeScreen(this.#host));
      case "reply":
      case "reply-all":
        return answer(this.#host, this.#message, action, this.#marked());
      case "forward":
        return answer(this.#host, this.#message, action);
      case "attachments":
        return this.#showAttachments();
      case "save":
        return this.#saveOne();
      case "save-all":
        return this.#saveAll();
      case "headers":
        this.#allHeaders = !this.#allHeaders;
        this.#laid = null;
        return;
      case "quotes":
        this.#fold = !this.#fold;
        this.#laid = null;
        this.#marking = null;
        return;
      case "find":
        return this.#find();
      case "find-next":
        return this.#goOn(1);
      case "find-previous":
        return this.#goOn(-1);
      case "trust":
        return this.#trust();
      case "contacts":
        return this.#host.open(
          new ContactsScreen(this.#host, this.#message.item.opened?.summary.from.name),
        );
    }
  }

  /** Marks lines as `action` says; false if it is none of marking. */
  #mark(action: Action): boolean {
    const { first, last } = this.#textLines();
    if (first > last) return false;
    const before = this.#marking;
    const { top, rows } = this.#scroller;
    const now = markBy(before, action, { first: 0, last: last - first }, top - first, rows);
    if (now === undefined) return false;
    this.#marking = now;
    if (now === null) {
      this.#host.say("Nothing is marked any more.");
      return true;
    }
    this.#scroller.reveal(first + now.at);
    if (now.anchor === null) {
      this.#host.say(
        "Go to the first line to quote; V marks from there, r quotes this one alone.",
      );
    } else if (before === null || before.anchor === null) {
      this.#host.say(
        "Go to the last line to quote; r or R quotes what is marked, Esc forgets it.",
      );
    }
    return true;
  }

  /** The first and the last line of the screen's that show text; none, if the first is after the last. */
  #textLines(): Markable {
    const lines = [...this.#layout(this.#columns).origins.keys()];
    return { first: lines[0] ?? 0, last: lines.at(-1) ?? -1 };
  }

  /** The lines of the screen's that are marked; null if none are. */
  #markedLines(): Markable | null {
    if (this.#marking === null) return null;
    const { first, last } = linesOf(this.#marking);
    const start = this.#textLines().first;
    return { first: start + first, last: start + last };
  }

  /** The text that is marked, which is marked no more then; null if none is. */
  #marked(): string | null {
    const lines = this.#markedLines();
    this.#marking = null;
    return lines && textOf(this.#layout(this.#columns).origins, lines.first, lines.last);
  }

  async #turn(to: Promise<Item | null>, otherwise: string): Promise<void> {
    const item = await to;
    if (!item) return this.#host.say(otherwise);
    await this.#message.dispose();
    this.#message = new LoadedMessage(this.#host, item);
    this.#laid = null;
    this.#match = null;
    this.#marking = null;
    this.#scroller.reset();
    this.#host.refresh();
  }

  async #organize(action: Action): Promise<void> {
    const { item } = this.#message;
    const { folder, uid } = item.entry;
    if (!await organize(this.#host, action, [item])) return;
    const now = this.#host.mailbox.item(uid);
    // The list's cursor is on the next message now.
    if (now?.entry.folder === folder && action !== "delete") return;
    const next = await this.#list.current();
    if (next) await this.#turn(Promise.resolve(next), "");
    else this.#host.leave(this);
  }

  /** The screen of the attachments; null, after saying so, if there are none. */
  async #attachments(): Promise<AttachmentsScreen | null> {
    await this.#load();
    if (this.#message.attachments.length > 0) {
      return new AttachmentsScreen(this.#host, this.#message);
    }
    this.#host.say("Nothing is attached to this message.");
    return null;
  }

  #trust(): void {
    const { keyChangedOf, opened } = this.#message.item;
    const name = keyChangedOf ?? opened?.summary.from.name;
    if (name !== undefined && this.#host.mail.people.pins.get(name)) {
      this.#host.open(
        new ChangedKeyScreen(this.#host, name, { ofMessage: keyChangedOf !== null }),
      );
    } else this.#host.say("No key of the sender is known.");
  }

  async #saveOne(): Promise<void> {
    const screen = await this.#attachments();
    if (screen && this.#message.attachments.length === 1) await screen.save();
    else if (screen) this.#host.open(screen);
  }

  async #showAttachments(): Promise<void> {
    const screen = await this.#attachments();
    if (screen) this.#host.open(screen);
  }

  async #saveAll(): Promise<void> {
    await (await this.#attachments())?.saveAll();
  }

  async #find(): Promise<void> {
    const last = this.#words === "" ? "" : ` (Enter: ${printable(this.#words)})`;
    const words = await this.#host.input(`Find${last}:`);
    if (words === null) return;
    if (words.trim() === "") return this.#goOn(1);
    this.#words = words;
    if (this.#fold) this.#marking = null;
    this.#fold = false;
    this.#laid = null;
    this.#match = null;
    this.#goOn(1);
  }

  /** Goes to the next match, or to the previous one. */
  #goOn(by: 1 | -1): void {
    if (this.#words === "") return this.#host.say("/ finds words in the message.");
    const { matches } = this.#layout(this.#columns);
    const shown = printable(this.#words);
    if (matches.length === 0) return this.#host.say(`"${shown}" is not in this message.`);
    // The first time, from what is visible on.
    const after = matches.findIndex(({ row }) => row >= this.#scroller.top);
    const at = this.#match
      ? matches.indexOf(this.#match) + by
      : by > 0
      ? (after < 0 ? matches.length : after)
      : (after < 0 ? matches.length : after) - 1;
    const index = (at + matches.length) % matches.length;
    this.#match = matches[index] ?? null;
    if (this.#match) this.#scroller.reveal(this.#match.row);
    const around = at >= matches.length
      ? ", from the top again"
      : at < 0
      ? ", from the end again"
      : "";
    this.#host.say(`"${shown}" ${index + 1} of ${matches.length}${around}`);
  }

  #layout(columns: number): Laid {
    const state = `${columns} ${this.#fold} ${this.#allHeaders}`;
    if (this.#laid?.for !== state) {
      // Its lines are others then.
      if (this.#laid) this.#marking = null;
      const { lines, origins } = this.#layOut(columns);
      const matches = findIn(lines, this.#words);
      this.#laid = { for: state, lines, origins, matches };
      const [part] = this.#match?.parts ?? [];
      this.#match = matches.find(({ parts: [first] }) => {
        return first?.row === part?.row && first?.from === part?.from;
      }) ?? null;
    }
    return this.#laid;
  }

  #layOut(columns: number): LaidOut {
    const withoutText = (lines: Line[]) => ({ lines, origins: new Map() });
    const { item: { opened }, problem, shown } = this.#message;
    if (problem !== null) {
      const headers = opened ? this.#headers(opened) : [];
      return withoutText(
        layOut({ headers, text: this.#why(problem), notes: [] }, columns, false).lines,
      );
    }
    if (!opened) return withoutText([]);
    const headers = this.#headers(opened);
    if (!shown) {
      return withoutText([
        ...layOut({ headers, text: "", notes: [] }, columns, false).lines,
        fill([span(" …", "dim")], columns),
      ]);
    }
    const { attachments } = shown;
    const text = textWithCalendars(shown);
    const notes = [
      ...shown.notes.map((note) => `(${note})`),
      ...attachments.map(({ index, name, size }) => `[${index}: ${name}, ${formatSize(size)}]`),
    ];
    return layOut({ headers, text, notes }, columns, this.#fold);
  }

  /** Why the message cannot be shown, and what to do. */
  #why(problem: string): string {
    const name = this.#message.item.keyChangedOf;
    if (name === null) return `This message cannot be shown: ${printable(problem)}`;
    return `This message says that it is from ${name}, but it has another key than the one that ` +
      `you know of ${name}. Nothing of it is shown.\n\n` +
      `Either ${name} has made new keys, or somebody else wrote it. t shows both keys, says how ` +
      "to find out which is right, and accepts the new one.";
  }

  #headers(opened: Opened): Header[] {
    const { summary, sender } = opened;
    const { mail, signs } = this.#host;
    const pins = mail.people.pins;
    const trust = summary.stored
      ? opened.verification
      : mail.people.verification(summary.from.name, sender.fp);
    const note = senderNote(
      { ...opened, verification: trust },
      pins.all().map(({ name }) => name),
    );
    const mark = trust.mark === "✓" ? ` ${signs.verified}` : trust.mark === "!" ? " !" : "";
    const names = (people: readonly Person[]) => people.map(({ name }) => name).join(", ");
    const headers: Header[] = [
      {
        name: "From",
        value: `${senderWithFullName(summary)}${mark}${note === "" ? "" : ` (${note})`}`,
        look: trust.verified ? "good" : trust.mark === "!" ? "bad" : "strong",
      },
      { name: "To", value: names(summary.to) || "-" },
    ];
    if (summary.cc.length > 0) headers.push({ name: "Cc", value: names(summary.cc) });
    if (this.#message.bcc.length > 0) {
      headers.push({ name: "Bcc", value: names(this.#message.bcc) });
    }
    headers.push(
      { name: "Date", value: dateLine(opened) },
      { name: "Subject", value: printable(summary.subject) || "(no subject)", look: "strong" },
    );
    const { entry } = this.#message.item;
    const keywords = keywordsOf(entry.flags, this.#host.names);
    if (keywords.length > 0) headers.push({ name: "Keywords", value: keywords.join(", ") });
    if (summary.attachmentCount > 0) {
      const shown = this.#message.attachments.map(({ name }) => name).join(", ");
      headers.push({
        name: "Attached",
        value: shown === "" ? `${summary.attachmentCount}` : `${shown} (v shows, s saves)`,
      });
    }
    if (this.#allHeaders) {
      headers.push(
        { name: "Key", value: formatFingerprint(sender.fp) },
        { name: "Id", value: formatMessageId(opened.id) },
        { name: "Size", value: formatSize(summary.size) },
        { name: "Flags", value: this.#flags(entry.flags) },
        ...summary.inReplyTo === undefined ? [] : [{ name: "Answers", value: summary.inReplyTo }],
      );
    }
    return headers;
  }

  #flags(flags: readonly Flag[]): string {
    return printable(flags.map((flag) => this.#host.names.flagName(flag)).join(", ")) || "-";
  }
}
