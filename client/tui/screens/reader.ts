import { formatSize } from "../../../cli/format.ts";
import { formatFingerprint } from "../../../crypto/identity.ts";
import { printable } from "../../../cli/printable.ts";
import type { Flag } from "../../../protocol/entry.ts";
import type { Person } from "../../../protocol/summary.ts";
import { formatMessageId } from "../../../protocol/uuid.ts";
import { acceptedLine, declinedLine, offerQuestion } from "../../mailbox/offered_groups.ts";
import type { Item, Opened } from "../../mailbox/open.ts";
import {
  dateLine,
  headerLines,
  recipientsText,
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
import type { Size } from "../frame.ts";
import type { Action } from "../keys.ts";
import { type FittedMessage, LoadedMessage } from "../loaded_message.ts";
import { MessageText } from "../message_text.ts";
import { organize, organizes, pipeTo } from "../messages.ts";
import { contentOf, type Header, type LaidOut, layOut, withoutText } from "../reader_view.ts";
import { keywordsOf } from "../rows.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { AttachmentsScreen } from "./attachments.ts";
import { ChangedKeyScreen } from "./changed_key.ts";
import { ComposeScreen } from "./compose.ts";
import { ContactsScreen } from "./contacts.ts";
import { openLinks } from "./links.ts";

/** The list that a message was opened from, with its cursor. */
export interface MessageCursor {
  /** The message `by` further down, at which the cursor is then; null if there is none. */
  neighbour(by: number): Promise<Item | null>;
  /** The next new message, at which the cursor is then; null if there is none. */
  unread(): Promise<Item | null>;
  /** The message at the cursor; null if there is none. */
  current(): Promise<Item | null>;
  /** The words by which a search has found the messages, folded; none if they are not those of one. */
  readonly searched: readonly string[];
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

/** One message. */
export class ReaderScreen implements Screen {
  readonly mode = "reader";
  readonly #host: Host;
  readonly #list: MessageCursor;
  readonly #text: MessageText;
  #message: LoadedMessage;
  #allHeaders = false;
  /** The messages about whose groups was asked here. */
  readonly #asked = new Set<number>();

  constructor(host: Host, list: MessageCursor, item: Item) {
    this.#host = host;
    this.#list = list;
    this.#message = new LoadedMessage(host, item);
    this.#text = new MessageText(
      host,
      (columns, fold) => this.#layOut(columns, fold),
      list.searched,
    );
  }

  where(): string {
    const { share } = this.#text;
    return `${subjectOf(this.#message.item)}${share === "" ? "" : `  ${share}`}`;
  }

  show(size: Size): Shown {
    const lines = this.#text.show(size);
    const { text } = this.#message;
    const columns = this.#text.columns - 2;
    if (!this.#message.started) this.#host.background(() => this.#load());
    else if (text?.isUnfit(columns)) this.#host.background(() => this.#refit(text, columns));
    return { lines };
  }

  async #refit(text: FittedMessage, columns: number): Promise<void> {
    const message = this.#message;
    try {
      await text.refit(columns);
    } catch (error) {
      // One that was left meanwhile is read no more.
      if (message.message !== null) throw error;
    }
    if (this.#message === message) this.#text.invalidate();
  }

  async #load(): Promise<void> {
    const message = this.#message;
    try {
      await message.load(this.#text.columns - 2);
    } finally {
      if (this.#message === message) this.#text.invalidate();
    }
    this.#host.background(() => this.#askAboutGroup(message));
  }

  /** Asks, once, whether the person wants a group that the message offers. */
  async #askAboutGroup(message: LoadedMessage): Promise<void> {
    const { opened } = message.item;
    const { mail } = this.#host;
    if (!opened || this.#asked.has(opened.entry.uid)) return;
    this.#asked.add(opened.entry.uid);
    const offer = await mail.offeredGroup(opened);
    if (offer === null || this.#message !== message) return;
    const answer = await this.#host.choose(printable(`${offerQuestion(offer)} (y/n)`), "yn");
    if (answer === "y") {
      await mail.acceptGroup(offer);
      this.#host.say(acceptedLine(offer), "good");
    } else if (answer === "n") {
      await mail.declineGroup(offer);
      this.#host.say(declinedLine(opened));
    }
  }

  changed(): void {
    if (this.#message.update()) this.#text.invalidate();
  }

  async close(): Promise<void> {
    await this.#message.dispose();
  }

  act(action: Action): void | Promise<void> {
    if (this.#text.act(action)) return;
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
        return answer(this.#host, this.#message, action, this.#text.takeMarked());
      case "forward":
        return answer(this.#host, this.#message, action);
      case "attachments":
        return this.#showAttachments();
      case "links":
        return this.#showLinks();
      case "pipe":
        return this.#pipe();
      case "save":
        return this.#saveOne();
      case "save-all":
        return this.#saveAll();
      case "headers":
        this.#allHeaders = !this.#allHeaders;
        this.#text.invalidate();
        return;
      case "trust":
        return this.#trust();
      case "contacts":
        return this.#host.open(
          new ContactsScreen(this.#host, this.#message.item.opened?.summary.from.name),
        );
    }
  }

  async #turn(to: Promise<Item | null>, otherwise: string): Promise<void> {
    const item = await to;
    if (!item) return this.#host.say(otherwise);
    await this.#message.dispose();
    this.#message = new LoadedMessage(this.#host, item);
    this.#text.reset();
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

  async #pipe(): Promise<void> {
    const { item: { opened }, shown, bcc } = this.#message;
    if (!opened || !shown) return this.#host.say("There is no text yet.");
    const known = this.#host.mail.people.pins.all().map(({ name }) => name);
    const head = headerLines(opened, bcc, senderNote(opened, known));
    await pipeTo(this.#host, [...head, "", textWithCalendars(shown)].join("\n"));
  }

  async #showLinks(): Promise<void> {
    await this.#load();
    openLinks(this.#host, this.#message.shown);
  }

  async #saveAll(): Promise<void> {
    await (await this.#attachments())?.saveAll();
  }

  #layOut(columns: number, fold: boolean): LaidOut {
    const { item: { opened }, problem, shown } = this.#message;
    const headers = opened ? this.#headers(opened) : [];
    if (problem !== null) return withoutText(headers, this.#why(problem), columns);
    if (!opened) return withoutText([], "", columns);
    if (!shown) return withoutText(headers, "…", columns);
    return layOut(contentOf(headers, shown), columns, fold);
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
      { name: "To", value: recipientsText(summary).join(", ") || "-" },
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
