import { join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../../crypto/error.ts";
import { readFileBounded, wrapFileError } from "../../files/atomic_file.ts";
import { EDITING, type State } from "./state.ts";

// What an editor works on: `tmp/edit-ID/message.txt` of the state, in a folder of its own so that
// what the editor writes beside it is private too. It is plain text, so it is removed as soon as it
// can be.

/** The name of the text in its folder. */
export const EDITED_TEXT = "message.txt";
/** Hexadecimal digits of a draft's id. */
export const DRAFT_ID_DIGITS = 16;
const LOCK = "lock";
const ID = new RegExp(`^[0-9a-f]{${DRAFT_ID_DIGITS}}$`);
/** Bytes. */
const MAX_TEXT = 16 * 1024 * 1024;

/** The text of one draft while a person edits it, locked. Disposing of it leaves the text there. */
export class EditorFile implements Disposable {
  readonly #folder: string;
  #lock: Deno.FsFile | null;

  private constructor(readonly id: string, folder: string, lock: Deno.FsFile) {
    this.#folder = folder;
    this.#lock = lock;
  }

  /**
   * Writes `text`, that of draft `id`, where an editor can have it (mode 0600 in a folder of 0700).
   * Throws `busy` if another process edits that draft, `file-io`, `disk-full`.
   */
  static async create(state: State, id: string, text: string): Promise<EditorFile> {
    const folder = folderOf(state, id);
    try {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      const file = await EditorFile.open(id, folder);
      if (file === null) {
        throw new SealpostError("busy", "this draft is open in an editor; close it there first");
      }
      try {
        await Deno.writeTextFile(file.path, text, { mode: 0o600 });
        return file;
      } catch (error) {
        await file.clear();
        throw error;
      }
    } catch (error) {
      throw wrapFileError(error, `write the text for the editor to ${folder}`);
    }
  }

  /** The editor file that is in `folder`; null if another process has it open. */
  static async open(id: string, folder: string): Promise<EditorFile | null> {
    const path = join(folder, LOCK);
    const lock = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    if (await lock.tryLock(true)) return new EditorFile(id, folder, lock);
    lock.close();
    return null;
  }

  get path(): string {
    return join(this.#folder, EDITED_TEXT);
  }

  /**
   * The text, with replacement characters for what is not UTF-8; null if the editor removed it.
   * Throws `limit` over 16 MiB.
   */
  async read(): Promise<string | null> {
    if (!await exists(this.path)) return null;
    return new TextDecoder().decode(await readFileBounded(this.path, MAX_TEXT));
  }

  /**
   * Removes the text, and its folder unless an editor left something beside it, such as a swap file:
   * that is for the next time this draft is edited.
   */
  async clear(): Promise<void> {
    try {
      if (await exists(this.path)) await Deno.remove(this.path);
      for await (const { name } of Deno.readDir(this.#folder)) if (name !== LOCK) return;
      await Deno.remove(this.#folder, { recursive: true });
    } catch (error) {
      throw wrapFileError(error, `clear ${this.#folder}`);
    }
  }

  [Symbol.dispose](): void {
    this.#lock?.close();
    this.#lock = null;
  }
}

/** The editor files that no process has open: one that was killed left them. Throws `file-io`. */
export async function abandonedEditorFiles(state: State): Promise<EditorFile[]> {
  const found: EditorFile[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(state.tempFolder())) {
      const id = name.slice(EDITING.length);
      if (!isDirectory || !name.startsWith(EDITING) || !ID.test(id)) continue;
      const file = await EditorFile.open(id, folderOf(state, id));
      if (file !== null) found.push(file);
    }
  } catch (error) {
    throw wrapFileError(error, `read ${state.tempFolder()}`);
  }
  return found;
}

/** Removes the editor file of draft `id` and all beside it, unless another process has it open. */
export async function removeEditorFile(state: State, id: string): Promise<void> {
  const folder = folderOf(state, id);
  if (!await exists(folder)) return;
  // Not with `using`: the bundler inlines a name that is used once, and the lock would stay.
  const file = await EditorFile.open(id, folder);
  if (file === null) return;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  file[Symbol.dispose]();
}

function folderOf(state: State, id: string): string {
  if (!ID.test(id)) throw new SealpostError("internal", "not the id of a draft");
  return join(state.tempFolder(), EDITING + id);
}
