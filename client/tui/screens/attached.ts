import { errorText } from "../../../crypto/error.ts";
import { printable } from "../../../cli/printable.ts";
import {
  ATTACHED,
  type DisplayedMessage,
  readForDisplay,
  textWithCalendars,
} from "../../mailbox/show.ts";
import type { MessageSource } from "../../message/attached_message.ts";
import type { Size } from "../frame.ts";
import type { Action } from "../keys.ts";
import { type AttachmentSource, FittedMessage } from "../loaded_message.ts";
import { pipeTo } from "../messages.ts";
import { MessageText } from "../message_text.ts";
import { contentOf, type LaidOut, layOut, withoutText } from "../reader_view.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { openLinks } from "./links.ts";

/** A message that is attached to another one. */
export class AttachedScreen implements Screen, AttachmentSource {
  readonly mode = "attached";
  readonly #host: Host;
  readonly #source: MessageSource;
  readonly #name: string;
  readonly #list: (source: AttachmentSource) => Screen;
  readonly #text: MessageText;
  readonly #fitted: FittedMessage;
  #loading = false;
  #problem: string | null = null;
  #closed = false;

  /** `name` is that of the attachment, safe to print; `list` shows what is attached to this one. */
  constructor(
    host: Host,
    source: MessageSource,
    name: string,
    list: (source: AttachmentSource) => Screen,
  ) {
    this.#list = list;
    this.#host = host;
    this.#source = source;
    this.#name = name;
    this.#fitted = new FittedMessage((columns) => readForDisplay(source, columns));
    this.#text = new MessageText(host, (columns, fold) => this.#layOut(columns, fold));
  }

  get #shown(): DisplayedMessage | null {
    return this.#fitted.shown;
  }

  get attachments(): DisplayedMessage["attachments"] {
    return this.#shown?.attachments ?? [];
  }

  get message(): MessageSource | null {
    return this.#closed ? null : this.#source;
  }

  where(): string {
    const { share } = this.#text;
    return `Attached: ${this.#name}${share === "" ? "" : `  ${share}`}`;
  }

  show(size: Size): Shown {
    const lines = this.#text.show(size);
    if (!this.#loading) {
      this.#loading = true;
      this.#host.background(() => this.#load());
    } else if (this.#fitted.isUnfit(this.#text.columns - 2)) {
      this.#host.background(() => this.#load());
    }
    return { lines };
  }

  close(): void {
    this.#closed = true;
  }

  act(action: Action): void | Promise<void> {
    if (this.#text.act(action)) return;
    switch (action) {
      case "back":
        return this.#host.leave(this);
      case "quit":
        return this.#host.quit();
      case "attachments":
        if (this.attachments.length === 0) {
          return this.#host.say("Nothing is attached to this message.");
        }
        return this.#host.open(this.#list(this));
      case "links":
        return openLinks(this.#host, this.#shown);
      case "pipe":
        return this.#pipe();
    }
  }

  async #pipe(): Promise<void> {
    if (!this.#shown) return this.#host.say("There is no text yet.");
    const head = this.#shown.claims.map(({ name, value }) => `${name}: ${value}`);
    const text = textWithCalendars(this.#shown);
    await pipeTo(this.#host, [...head, `(${ATTACHED})`, "", text].join("\n"));
  }

  async #load(): Promise<void> {
    try {
      await this.#fitted.refit(this.#text.columns - 2);
    } catch (error) {
      // One that was left meanwhile is read no more.
      if (this.#closed) return;
      this.#problem = errorText(error);
      throw error;
    } finally {
      this.#text.invalidate();
    }
  }

  #layOut(columns: number, fold: boolean): LaidOut {
    if (this.#problem !== null) {
      const words = `This message cannot be shown: ${printable(this.#problem)}`;
      return withoutText([], words, columns);
    }
    if (this.#shown === null) return withoutText([], "…", columns);
    const content = contentOf(this.#shown.claims, this.#shown);
    return layOut({ ...content, notes: [...content.notes, `(${ATTACHED})`] }, columns, fold);
  }
}
