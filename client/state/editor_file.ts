import { join } from "@std/path";
import { exists } from "@std/fs";
import { SealpostError } from "../../crypto/error.ts";
import { readFileBounded, wrapFileError } from "../../files/atomic_file.ts";
import { EDITING, type State } from "./state.ts";

// What an editor works on: `tmp/edit-ID/message.txt` of the state, in a folder of its own so that
// what the editor writes beside it is private too. It is in the clear, and no longer there than it
// must be.

const LETTER = "message.txt";
const LOCK = "lock";
const ID = /^[0-9a-f]{16}$/;
const MAX_LETTER = 16 * 1024 * 1024;

/** The place of the letter of one draft while it is edited. Disposing of it leaves the letter. */
export class Desk implements Disposable {
  readonly #folder: string;
  #lock: Deno.FsFile | null;

  private constructor(readonly id: string, folder: string, lock: Deno.FsFile) {
    this.#folder = folder;
    this.#lock = lock;
  }

  /**
   * The desk of draft `id`, with `letter` on it (0600 in a folder of 0700). Throws `busy` if another
   * process has it, `file-io`, `disk-full`.
   */
  static async lay(state: State, id: string, letter: string): Promise<Desk> {
    const folder = folderOf(state, id);
    try {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      const desk = await Desk.at(id, folder);
      if (desk === null) {
        throw new SealpostError("busy", "this draft is open in an editor; close it there first");
      }
      try {
        await Deno.writeTextFile(desk.path, letter, { mode: 0o600 });
        return desk;
      } catch (error) {
        await desk.clear();
        throw error;
      }
    } catch (error) {
      throw wrapFileError(error, `write the text for the editor to ${folder}`);
    }
  }

  /** A desk that is there; null if another process is at it. */
  static async at(id: string, folder: string): Promise<Desk | null> {
    const path = join(folder, LOCK);
    const lock = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    if (await lock.tryLock(true)) return new Desk(id, folder, lock);
    lock.close();
    return null;
  }

  /** Where the letter is. */
  get path(): string {
    return join(this.#folder, LETTER);
  }

  /** The letter, also where it is not UTF-8; null if there is none. Throws `limit` over 16 MiB. */
  async read(): Promise<string | null> {
    if (!await exists(this.path)) return null;
    return new TextDecoder().decode(await readFileBounded(this.path, MAX_LETTER));
  }

  /**
   * Removes the letter, and the desk unless an editor left something beside it: that is for the
   * next time this draft is edited.
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

/** The desks at which nobody is: a process that ended abnormally left them. Throws `file-io`. */
export async function leftDesks(state: State): Promise<Desk[]> {
  const found: Desk[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(state.tempFolder())) {
      const id = name.slice(EDITING.length);
      if (!isDirectory || !name.startsWith(EDITING) || !ID.test(id)) continue;
      const desk = await Desk.at(id, folderOf(state, id));
      if (desk !== null) found.push(desk);
    }
  } catch (error) {
    throw wrapFileError(error, `read ${state.tempFolder()}`);
  }
  return found;
}

/** Removes the desk of draft `id` with everything on it, if there is one and nobody is at it. */
export async function removeDesk(state: State, id: string): Promise<void> {
  const folder = folderOf(state, id);
  if (!await exists(folder)) return;
  using desk = await Desk.at(id, folder);
  if (desk !== null) await Deno.remove(folder, { recursive: true }).catch(() => {});
}

function folderOf(state: State, id: string): string {
  if (!ID.test(id)) throw new SealpostError("internal", "not the id of a draft");
  return join(state.tempFolder(), EDITING + id);
}
