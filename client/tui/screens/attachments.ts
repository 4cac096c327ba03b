import { expandHome } from "../../../cli/environment.ts";
import { formatSize } from "../../../cli/format.ts";
import { basename, dirname, join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../../../crypto/error.ts";
import { wrapFileError } from "../../../files/atomic_file.ts";
import { printable } from "../../../cli/printable.ts";
import { type DisplayedMessage, saveAttachments, type SaveOptions } from "../../mailbox/show.ts";
import { attachedMessage } from "../../message/attached_message.ts";
import { safeName } from "../../message/attachments.ts";
import { completePath } from "../../terminal/complete.ts";
import { pathIn } from "../complete.ts";
import { fill, highlighted, type Line, right, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { EMPTY_LIST, moved, scrolled, withKeys } from "../list_model.ts";
import type { AttachmentSource } from "../loaded_message.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { AttachedScreen } from "./attached.ts";

/** The list of a message's attachments. */
export class AttachmentsScreen implements Screen {
  readonly mode = "attachments";
  readonly #host: Host;
  readonly #source: AttachmentSource;
  readonly #closed: () => Promise<void>;
  #list = EMPTY_LIST;
  #rows = 1;

  /** `closed` is called when the screen is left. */
  constructor(host: Host, source: AttachmentSource, closed = () => Promise.resolve()) {
    this.#host = host;
    this.#source = source;
    this.#closed = closed;
    this.#list = withKeys(this.#list, source.attachments.map(({ index }) => String(index)));
  }

  where(): string {
    return `Attachments  ${this.#source.attachments.length}`;
  }

  show({ columns, rows }: Size): Shown {
    this.#rows = rows;
    this.#list = scrolled(this.#list, rows);
    const { keys, top, cursor } = this.#list;
    const lines = keys.slice(top, top + rows).map((key): Line => {
      const one = this.#source.attachments.find(({ index }) => String(index) === key);
      const size = `${right(one ? formatSize(one.size) : "", 10)} `;
      const line = [
        ...fill([span(` ${right(key, 3)}  `, "dim"), span(one?.name ?? "")], columns - size.length),
        span(size),
      ];
      return key === cursor ? highlighted(line) : line;
    });
    return { lines };
  }

  async close(): Promise<void> {
    await this.#closed();
  }

  act(action: Action): void | Promise<void> {
    const list = moved(this.#list, action, this.#rows);
    if (list) {
      this.#list = list;
      return;
    }
    switch (action) {
      case "back":
        return this.#host.leave(this);
      case "quit":
        return this.#host.quit();
      case "open":
        return this.#open();
      case "save":
        return this.save();
      case "save-all":
        return this.saveAll();
    }
  }

  get #current(): DisplayedMessage["attachments"][number] | undefined {
    return this.#source.attachments.find(({ index }) => String(index) === this.#list.cursor);
  }

  /** Opens the attachment at the cursor if it is a message; else saves it. */
  async #open(): Promise<void> {
    const one = this.#current;
    if (!one?.message) return await this.save();
    const { message } = this.#source;
    if (!message) throw new SealpostError("cancelled", "the message was closed");
    const attached = attachedMessage(message, one.index);
    const list = (source: AttachmentSource) => new AttachmentsScreen(this.#host, source);
    this.#host.open(new AttachedScreen(this.#host, attached, one.name, list));
  }

  /** Asks where to save the attachment at the cursor, and saves it. */
  async save(): Promise<void> {
    const one = this.#current;
    if (!one) return;
    const typed = await this.#host.input(`Save ${one.name} as:`, {
      value: pathIn(this.#host.files, safeName(one.name)),
      complete: completePath,
    });
    if (typed === null || typed.trim() === "") return this.#host.say("Nothing was saved.");
    const path = expandHome(typed);
    const target = await isFolder(path) ? join(path, safeName(one.name)) : path;
    const decision = await this.#decide(target);
    if (decision === null) return this.#host.say("Nothing was saved.");
    const [saved] = await this.#write(dirname(target), {
      only: new Set([one.index]),
      rename: () => basename(target),
      decide: () => Promise.resolve(decision),
    });
    if (saved !== undefined) this.#host.say(`Saved ${printable(saved)}`, "good");
  }

  /** Asks for a folder, and saves all attachments in it without replacing files. */
  async saveAll(): Promise<void> {
    const count = this.#source.attachments.length;
    const typed = await this.#host.input(`Save ${count === 1 ? "it" : `all ${count}`} in:`, {
      value: this.#host.files,
      complete: completePath,
    });
    if (typed === null || typed.trim() === "") return this.#host.say("Nothing was saved.");
    const folder = expandHome(typed);
    const saved = await this.#write(folder, {});
    this.#host.say(
      saved.length === 1
        ? `Saved ${printable(saved[0] ?? "")}`
        : `Saved ${saved.length} files in ${printable(folder)}`,
      "good",
    );
  }

  /** What to do with a file that is there already; null if the person leaves the question. */
  async #decide(path: string): Promise<"overwrite" | "rename" | null> {
    if (!await exists(path)) return "rename";
    const answer = await this.#host.choose(
      `${printable(basename(path))} is there already: (o)verwrite, (k)eep both, (c)ancel?`,
      "okc",
    );
    return answer === "o" ? "overwrite" : answer === "k" ? "rename" : null;
  }

  async #write(folder: string, options: SaveOptions): Promise<string[]> {
    const { message } = this.#source;
    if (!message) throw new SealpostError("cancelled", "the message was closed; nothing was saved");
    await Deno.mkdir(folder, { recursive: true }).catch((error) => {
      throw wrapFileError(error, `make ${folder}`);
    });
    this.#host.say("Saving …");
    return await saveAttachments(message, folder, options);
  }
}

async function isFolder(path: string): Promise<boolean> {
  if (path.endsWith("/")) return true;
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}
