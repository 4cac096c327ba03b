import { errorText } from "../../crypto/error.ts";
import type { Person } from "../../protocol/summary.ts";
import type { Item } from "../mailbox/open.ts";
import type { DisplayedMessage } from "../mailbox/show.ts";
import type { MessageSource } from "../message/attached_message.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import type { Host } from "./screen.ts";

/** A message whose attachments are shown. */
export interface AttachmentSource {
  readonly attachments: DisplayedMessage["attachments"];
  /** The message itself; null if it was closed meanwhile. */
  readonly message: MessageSource | null;
}

/** What is shown of a message, made for the width of a terminal, and anew where that matters. */
export class FittedMessage {
  readonly #read: (columns?: number) => Promise<DisplayedMessage>;
  #shown: DisplayedMessage | null = null;
  #columns: number | undefined;
  #fitting = false;

  /** `read` makes it for a width, in columns; none: for any. */
  constructor(read: (columns?: number) => Promise<DisplayedMessage>) {
    this.#read = read;
  }

  /** Null before it was made. */
  get shown(): DisplayedMessage | null {
    return this.#shown;
  }

  async load(columns?: number): Promise<void> {
    this.#shown = await this.#read(columns);
    this.#columns = columns;
  }

  /** Whether {@linkcode FittedMessage.load} has to be called again now that there are `columns`. */
  isUnfit(columns: number): boolean {
    return this.#shown !== null && this.#shown.depends && this.#columns !== columns &&
      !this.#fitting;
  }

  /** Makes it for `columns`, one time after the other: while that goes on, it is not unfit. */
  async refit(columns: number): Promise<void> {
    this.#fitting = true;
    try {
      await this.load(columns);
    } finally {
      // Where it failed too: it would else be tried again and again.
      this.#columns = columns;
      this.#fitting = false;
    }
  }
}

/** A message of the mailbox with its text, fetched when it is first needed. */
export class LoadedMessage implements AttachmentSource {
  readonly #host: Host;
  #item: Item;
  #message: TemporaryMessage | null = null;
  #text: FittedMessage | null = null;
  #bcc: readonly Person[] = [];
  #problem: string | null = null;
  #loading: Promise<void> | null = null;
  #disposed = false;

  constructor(host: Host, item: Item) {
    this.#host = host;
    this.#item = item;
  }

  get item(): Item {
    return this.#item;
  }

  /** The verified message in a temporary file; null before it was fetched. */
  get message(): TemporaryMessage | null {
    return this.#message;
  }

  /** Its text and the list of its attachments, safe to print; null before it was fetched. */
  get shown(): DisplayedMessage | null {
    return this.#text?.shown ?? null;
  }

  /** The same, to be made for another width; null before it was fetched. */
  get text(): FittedMessage | null {
    return this.#text;
  }

  get attachments(): DisplayedMessage["attachments"] {
    return this.shown?.attachments ?? [];
  }

  /** Who got a blind copy, as far as the reader may know. */
  get bcc(): readonly Person[] {
    return this.#bcc;
  }

  /** Why it cannot be shown; null if it can, or is not known to be so yet. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Whether loading has begun. */
  get started(): boolean {
    return this.#loading !== null;
  }

  /**
   * Takes over what has changed of the same message: flags, or that it can be opened now. Whether there
   * was anything.
   */
  update(): boolean {
    const now = this.#host.mailbox.item(this.#item.entry.uid);
    if (!now || now === this.#item) return false;
    if (now.opened && !this.#item.opened) {
      this.#problem = null;
      this.#loading = null;
    }
    this.#item = now;
    return true;
  }

  /**
   * Fetches the message, once, to be shown in `columns` where that is known. Afterwards it counts as read.
   * Throws why it cannot be read.
   */
  load(columns?: number): Promise<void> {
    return this.#loading ??= this.#load(columns);
  }

  async #load(columns?: number): Promise<void> {
    const { entry, opened, problem } = this.#item;
    if (!opened) {
      this.#problem = problem ?? "it cannot be opened";
      return;
    }
    const { mail, mailbox } = this.#host;
    try {
      const message = await mail.fetch(opened);
      if (this.#disposed) return await message.dispose();
      this.#message = message;
      const text = new FittedMessage((width) => mail.show(opened, message, width));
      await text.load(columns);
      this.#text = text;
      this.#bcc = await mail.blindCopied(opened);
    } catch (error) {
      this.#problem = errorText(error);
      throw error;
    } finally {
      this.#host.refresh();
    }
    if (!entry.flags.includes("seen")) await mailbox.flag([entry.uid], ["seen"]);
  }

  /** Removes the temporary file. Never throws. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#message?.dispose();
    this.#message = null;
  }
}
