import { basename, dirname, join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../../../crypto/error.ts";
import { wrapFileError } from "../../../files/atomic_file.ts";
import { printable } from "../../../cli/printable.ts";
import { safeName, saveAttachment } from "../../message/attachments.ts";
import { parseMessage } from "../../message/parse.ts";
import { completePath, pathIn } from "../complete.ts";
import { chosen, fill, type Line, right, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { EMPTY_LIST, moveBy, moveTo, scrolled, withKeys } from "../list_model.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { movement } from "../scroller.ts";
import type { ReaderScreen } from "./reader.ts";

/** The attachments of a message, to be saved. */
export class AttachmentsScreen implements Screen {
  readonly mode = "attachments";
  readonly #host: Host;
  readonly #reader: ReaderScreen;
  readonly #closed: () => Promise<void>;
  #list = EMPTY_LIST;
  #rows = 1;

  /** `closed` is called when the screen is left: where `reader` is not shown itself. */
  constructor(host: Host, reader: ReaderScreen, closed = () => Promise.resolve()) {
    this.#host = host;
    this.#reader = reader;
    this.#closed = closed;
    this.#list = withKeys(this.#list, reader.attachments.map(({ index }) => String(index)));
  }

  where(): string {
    return `Attachments  ${this.#reader.attachments.length}`;
  }

  show({ columns, rows }: Size): Shown {
    this.#rows = rows;
    this.#list = scrolled(this.#list, rows);
    const { keys, top, cursor } = this.#list;
    const lines = keys.slice(top, top + rows).map((key): Line => {
      const one = this.#reader.attachments.find(({ index }) => String(index) === key);
      const size = `${right(one?.size ?? "", 10)} `;
      const line = [
        ...fill([span(` ${right(key, 3)}  `, "dim"), span(one?.name ?? "")], columns - size.length),
        span(size),
      ];
      return key === cursor ? chosen(line) : line;
    });
    return { lines };
  }

  async close(): Promise<void> {
    await this.#closed();
  }

  act(action: Action): void | Promise<void> {
    const by = movement(action, this.#rows);
    if (by !== null) {
      this.#list = Math.abs(by) === Infinity
        ? moveTo(this.#list, by < 0 ? 0 : this.#list.keys.length - 1)
        : moveBy(this.#list, by);
      return;
    }
    switch (action) {
      case "back":
        return this.#host.leave(this);
      case "quit":
        return this.#host.quit();
      case "save":
        return this.save();
      case "save-all":
        return this.saveAll();
    }
  }

  /** Saves the attachment at the cursor, where the person says. */
  async save(): Promise<void> {
    const one = this.#reader.attachments.find(({ index }) => String(index) === this.#list.cursor);
    if (!one) return;
    const path = await this.#host.input(`Save ${one.name} as:`, {
      value: pathIn(this.#host.files, safeName(one.name)),
      complete: completePath,
    });
    if (path === null || path.trim() === "") return this.#host.say("Nothing was saved.");
    const target = await isFolder(path) ? join(path, safeName(one.name)) : path;
    const keep = await this.#mayWrite(target);
    if (keep === null) return this.#host.say("Nothing was saved.");
    const [saved] = await this.#write([one.index], dirname(target), () => basename(target));
    if (saved === undefined) return;
    if (keep === "overwrite" && saved !== target) {
      await Deno.rename(saved, target).catch((error) => {
        throw wrapFileError(error, `replace ${target}`);
      });
      return this.#host.say(`Saved ${printable(target)}`, "good");
    }
    this.#host.say(`Saved ${printable(saved)}`, "good");
  }

  /** Saves all attachments in one folder; files that are there stay. */
  async saveAll(): Promise<void> {
    const count = this.#reader.attachments.length;
    const folder = await this.#host.input(`Save ${count === 1 ? "it" : `all ${count}`} in:`, {
      value: this.#host.files,
      complete: completePath,
    });
    if (folder === null || folder.trim() === "") return this.#host.say("Nothing was saved.");
    const indexes = this.#reader.attachments.map(({ index }) => index);
    const saved = await this.#write(indexes, folder, (name) => name);
    this.#host.say(
      saved.length === 1
        ? `Saved ${printable(saved[0] ?? "")}`
        : `Saved ${saved.length} files in ${printable(folder)}`,
      "good",
    );
  }

  /** What is to become of a file that is there already; null if the person leaves the question. */
  async #mayWrite(path: string): Promise<"new" | "overwrite" | "beside" | null> {
    if (!await exists(path)) return "new";
    const answer = await this.#host.choose(
      `${printable(basename(path))} is there already: (o)verwrite, (k)eep both, (c)ancel?`,
      "okc",
    );
    return answer === "o" ? "overwrite" : answer === "k" ? "beside" : null;
  }

  /** Writes the attachments with these numbers; the paths that they got. */
  async #write(
    indexes: readonly number[],
    folder: string,
    name: (given: string) => string,
  ): Promise<string[]> {
    await this.#reader.load();
    const { message } = this.#reader;
    if (!message) throw new SealpostError("cancelled", "the message was closed; nothing was saved");
    await Deno.mkdir(folder, { recursive: true }).catch((error) => {
      throw wrapFileError(error, `make ${folder}`);
    });
    const paths: string[] = [];
    this.#host.say("Saving …");
    await parseMessage(message.stream(), {
      attachment: async (part, content) => {
        if (!indexes.includes(part.index)) return;
        paths.push(await saveAttachment(folder, name(part.name), content));
      },
    });
    return paths;
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
