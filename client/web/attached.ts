import { basename, dirname, join } from "@std/path";
import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { ensurePrivateDir } from "../../files/key_files.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import type { Mail } from "../mail.ts";
import { writeAttachment } from "../message/attachments.ts";

/** The folder, in a person's state, of the files that a page attached, and how its folders are called. */
const FOLDER = "attached";
const DRAFT_ID = /^[0-9a-f]{16}$/;

/**
 * The files that a page has attached to drafts: a browser gives their contents and no path, so they are
 * kept (0600) in a folder for each draft until the message is on its way or the draft is gone.
 */
export class Attached {
  readonly #folder: string;
  readonly #mail: Mail;

  constructor(mail: Mail) {
    this.#mail = mail;
    this.#folder = join(dirname(mail.tempFolder()), FOLDER);
  }

  /** Keeps `content` under `name` for the draft `id`; its path. Throws `too-large`, `disk-full`, `file-io`. */
  async add(
    id: string,
    name: string,
    content: AsyncIterable<Bytes>,
    most: number,
  ): Promise<string> {
    const folder = this.#of(id);
    await ensurePrivateDir(folder);
    return await writeAttachment(folder, name, bounded(content, most));
  }

  /** Whether `path` is a file that was attached to the draft `id` here. */
  has(id: string, path: string): boolean {
    return DRAFT_ID.test(id) && path === join(this.#of(id), basename(path));
  }

  /** Removes one file. No error if it is gone. */
  async removeFile(id: string, path: string): Promise<void> {
    if (this.has(id, path)) await remove(path);
  }

  /** Removes all files of a draft. */
  async remove(id: string): Promise<void> {
    await remove(this.#of(id));
  }

  /** Removes what belongs to no draft any more. */
  async tidy(): Promise<void> {
    const names: string[] = [];
    try {
      for await (const { name } of Deno.readDir(this.#folder)) names.push(name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw wrapFileError(error, `read ${this.#folder}`);
    }
    if (names.length === 0) return;
    const { drafts, unreadable } = await this.#mail.drafts.list();
    // One that cannot be read may have files here.
    if (unreadable.length > 0) return;
    for (const name of names) {
      if (!drafts.some(({ id }) => id === name)) await remove(join(this.#folder, name));
    }
  }

  #of(id: string): string {
    if (!DRAFT_ID.test(id)) throw new SealpostError("usage", "that is no draft");
    return join(this.#folder, id);
  }
}

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw wrapFileError(error, `remove ${path}`);
  }
}

/** `content`, ended by `too-large` after `most` bytes. */
async function* bounded(content: AsyncIterable<Bytes>, most: number): AsyncGenerator<Bytes> {
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > most) {
      throw new SealpostError(
        "too-large",
        "this file is larger than the server takes in a message",
      );
    }
    yield piece;
  }
}
