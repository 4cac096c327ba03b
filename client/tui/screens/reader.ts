import { formatFingerprint } from "../../../crypto/identity.ts";
import { printable } from "../../../cli/printable.ts";
import type { Person } from "../../../protocol/summary.ts";
import { formatMessageId } from "../../../protocol/uuid.ts";
import type { Written } from "../../state/drafts.ts";
import type { Item } from "../../mailbox/open.ts";
import { formatSize } from "../../terminal/progress.ts";
import { dateLine, type DisplayedMessage, senderNote, titleOf } from "../../mailbox/show.ts";
import type { TemporaryMessage } from "../../message/temporary_message.ts";
import type { Opened } from "../../mailbox/open.ts";
import { forwardOf, replyTo } from "../answers.ts";
import { fill, type Line, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { sort, sorts } from "../messages.ts";
import { type Header, layOut } from "../reader_view.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { Scroller } from "../scroller.ts";
import { AttachmentsScreen } from "./attachments.ts";
import { ComposeScreen } from "./compose.ts";
import { ContactsScreen } from "./contacts.ts";
import type { ListScreen } from "./list.ts";

/** One message. */
export class ReaderScreen implements Screen {
  readonly mode = "reader";
  readonly #host: Host;
  readonly #list: ListScreen;
  readonly #scroller = new Scroller();
  #item: Item;
  #message: TemporaryMessage | null = null;
  #text: DisplayedMessage | null = null;
  #bcc: readonly Person[] = [];
  #problem: string | null = null;
  #loading: Promise<void> | null = null;
  #allHeaders = false;
  #fold = false;
  #closed = false;
  /** The lines as they were laid out last, and for what. */
  #laid: { readonly for: string; readonly lines: Line[] } | null = null;

  constructor(host: Host, list: ListScreen, item: Item) {
    this.#host = host;
    this.#list = list;
    this.#item = item;
  }

  /** The message that is shown, once it was fetched. */
  get message(): TemporaryMessage | null {
    return this.#message;
  }

  get attachments(): DisplayedMessage["attachments"] {
    return this.#text?.attachments ?? [];
  }

  where(): string {
    const share = this.#scroller.share;
    return `${titleOf(this.#item)}${share === "" ? "" : `  ${share}`}`;
  }

  show({ columns, rows }: Size): Shown {
    if (!this.#loading && !this.#text && this.#problem === null) {
      this.#host.background(() => this.load());
    }
    return { lines: this.#scroller.show(this.#lines(columns), rows) };
  }

  /** Fetches the message. Afterwards it counts as read. */
  load(): Promise<void> {
    return this.#loading ??= this.#load();
  }

  async #load(): Promise<void> {
    const item = this.#item;
    const { opened } = item;
    if (!opened) {
      this.#problem = item.problem ?? "it cannot be opened";
      return;
    }
    try {
      const message = await this.#host.mail.fetch(opened);
      if (this.#closed || this.#item !== item) return await message.dispose();
      this.#message = message;
      this.#text = await this.#host.mail.show(opened, message);
      this.#bcc = await this.#host.mail.blindCopied(opened);
    } catch (error) {
      if (this.#item === item) {
        this.#problem = error instanceof Error ? error.message : String(error);
      }
      throw error;
    } finally {
      this.#laid = null;
      this.#host.refresh();
    }
    if (!item.entry.flags.includes("seen")) {
      await this.#host.mailbox.flag([item.entry.uid], ["seen"]);
    }
  }

  changed(): void {
    const now = this.#host.mailbox.item(this.#item.entry.uid);
    // The same message, with other flags.
    if (now && now !== this.#item && this.#text) this.#item = now;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#message?.dispose();
    this.#message = null;
  }

  /** A draft made of the message and its text; null if it cannot be read. */
  async draft(make: (opened: Opened, text: string) => Written): Promise<Written | null> {
    await this.load();
    const { opened } = this.#item;
    if (opened && this.#text) return make(opened, this.#text.text);
    this.#host.say("This message cannot be opened.", "error");
    return null;
  }

  act(action: Action): void | Promise<void> {
    if (this.#scroller.act(action)) return;
    if (sorts(action)) return this.#sort(action);
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
      case "reply-all": {
        const all = action === "reply-all";
        return this.#write((opened, text) => replyTo(opened, text, this.#host.mail.name, all));
      }
      case "forward":
        return this.#write(forwardOf);
      case "attachments":
      case "save":
        return this.#attachments(action === "save");
      case "save-all":
        return this.#saveAll();
      case "headers":
        this.#allHeaders = !this.#allHeaders;
        this.#laid = null;
        return;
      case "quotes":
        this.#fold = !this.#fold;
        this.#laid = null;
        return;
      case "contacts":
        return this.#host.open(
          new ContactsScreen(this.#host, this.#item.opened?.summary.from.name),
        );
    }
  }

  async #turn(to: Promise<Item | null>, otherwise: string): Promise<void> {
    const item = await to;
    if (!item) return this.#host.say(otherwise);
    await this.#message?.dispose();
    this.#message = null;
    this.#item = item;
    this.#text = null;
    this.#problem = null;
    this.#loading = null;
    this.#laid = null;
    this.#bcc = [];
    this.#scroller.reset();
    this.#host.refresh();
  }

  async #write(make: (opened: Opened, text: string) => Written): Promise<void> {
    const draft = await this.draft(make);
    if (draft) this.#host.open(new ComposeScreen(this.#host, draft));
  }

  async #sort(action: Action): Promise<void> {
    const { folder } = this.#item.entry;
    if (!await sort(this.#host, action, [this.#item])) return;
    const now = this.#host.mailbox.item(this.#item.entry.uid);
    // What was moved away makes room for the next one, at which the list's cursor is now.
    if (now?.entry.folder === folder && action !== "delete") return;
    const next = await this.#list.current();
    if (next) await this.#turn(Promise.resolve(next), "");
    else this.#host.leave(this);
  }

  async #attachments(save: boolean): Promise<void> {
    await this.load();
    if (this.attachments.length === 0) {
      return this.#host.say("Nothing is attached to this message.");
    }
    const screen = new AttachmentsScreen(this.#host, this);
    if (save && this.attachments.length === 1) return await screen.save();
    this.#host.open(screen);
  }

  async #saveAll(): Promise<void> {
    await this.load();
    if (this.attachments.length === 0) {
      return this.#host.say("Nothing is attached to this message.");
    }
    await new AttachmentsScreen(this.#host, this).saveAll();
  }

  #lines(columns: number): Line[] {
    const state = `${columns} ${this.#fold} ${this.#allHeaders}`;
    if (this.#laid?.for !== state) this.#laid = { for: state, lines: this.#layOut(columns) };
    return this.#laid.lines;
  }

  #layOut(columns: number): Line[] {
    const { opened } = this.#item;
    if (this.#problem !== null) {
      const headers = opened ? this.#headers(opened) : [];
      const text = `This message cannot be shown: ${printable(this.#problem)}`;
      return layOut({ headers, text, notes: [] }, columns, false);
    }
    if (!opened) return [];
    const headers = this.#headers(opened);
    if (!this.#text) {
      return [
        ...layOut({ headers, text: "", notes: [] }, columns, false),
        fill([span(" …", "dim")], columns),
      ];
    }
    const { text, truncated, attachments } = this.#text;
    const notes = [
      ...truncated ? ["The text is longer than can be shown."] : [],
      ...attachments.map(({ index, name, size }) => `[${index}: ${name}, ${size}]`),
    ];
    return layOut({ headers, text, notes }, columns, this.#fold);
  }

  #headers(opened: Opened): Header[] {
    const { summary, sender } = opened;
    const { mail, signs } = this.#host;
    const pins = mail.people.pins;
    const trust = mail.people.verification(summary.from.name, sender.fp);
    const note = senderNote(
      { ...opened, verification: trust },
      pins.all().map(({ name }) => name),
    );
    const mark = trust.mark === "✓" ? ` ${signs.verified}` : trust.mark === "!" ? " !" : "";
    const names = (people: readonly Person[]) => people.map(({ name }) => name).join(", ");
    const headers: Header[] = [
      {
        name: "From",
        value: `${summary.from.name}${mark}${note === "" ? "" : ` (${note})`}`,
        look: trust.verified ? "good" : trust.mark === "!" ? "bad" : "strong",
      },
      { name: "To", value: names(summary.to) || "-" },
    ];
    if (summary.cc.length > 0) headers.push({ name: "Cc", value: names(summary.cc) });
    if (this.#bcc.length > 0) headers.push({ name: "Bcc", value: names(this.#bcc) });
    headers.push(
      { name: "Date", value: dateLine(opened) },
      { name: "Subject", value: printable(summary.subject) || "(no title)", look: "strong" },
    );
    if (summary.attachmentCount > 0) {
      const shown = this.attachments.map(({ name }) => name).join(", ");
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
        { name: "Flags", value: this.#item.entry.flags.join(", ") || "-" },
        ...summary.inReplyTo === undefined ? [] : [{ name: "Answers", value: summary.inReplyTo }],
      );
    }
    return headers;
  }
}
