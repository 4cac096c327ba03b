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

  /** Whether `path` is a file that was attached here. */
  async has(path: string): Promise<boolean> {
    if (!this.#isHere(path)) return false;
    return await Deno.lstat(path).then(({ isFile }) => isFile, () => false);
  }

  /** Removes those of `paths` that were attached here and that no draft has any more. */
  async drop(paths: readonly string[]): Promise<void> {
    const here = paths.filter((path) => this.#isHere(path));
    if (here.length === 0) return;
    const { drafts, unreadable } = await this.#mail.drafts.list();
    // One that cannot be read may have files here.
    if (unreadable.length > 0) return;
    // A draft that became two, or got another id, has files in the folder of the id that it had.
    const used = new Set(drafts.flatMap(({ attachments }) => attachments).map(placeOf));
    for (const path of here) {
      if (used.has(placeOf(path))) continue;
      await Deno.remove(path).catch(unlessMissing(path));
      // Other files may be in the folder still.
      await Deno.remove(dirname(path)).catch(() => {});
    }
  }

  /** Removes what no draft has any more. */
  async tidy(): Promise<void> {
    const paths: string[] = [];
    for (const id of await namesIn(this.#folder)) {
      if (!DRAFT_ID.test(id)) continue;
      const folder = join(this.#folder, id);
      const names = await namesIn(folder);
      paths.push(...names.map((name) => join(folder, name)));
      if (names.length === 0) await Deno.remove(folder).catch(unlessMissing(folder));
    }
    await this.drop(paths);
  }

  #isHere(path: string): boolean {
    const id = basename(dirname(path));
    return DRAFT_ID.test(id) && path === join(this.#folder, id, basename(path));
  }

  #of(id: string): string {
    if (!DRAFT_ID.test(id)) throw new SealpostError("usage", "that is no draft");
    return join(this.#folder, id);
  }
}

/** The end of a path that tells the files here apart, whatever folder the program was started in. */
function placeOf(path: string): string {
  return join(basename(dirname(path)), basename(path));
}

/** The names in a folder, none if it is missing. Throws `file-io`. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw wrapFileError(error, `read ${folder}`);
  }
}

function unlessMissing(path: string): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw wrapFileError(error, `remove ${path}`);
  };
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
