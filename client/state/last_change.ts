import * as v from "valibot";
import { fromUtf8, utf8 } from "../../crypto/bytes.ts";
import {
  type Flag,
  flagBits,
  flagsOf,
  type Folder,
  folderNumber,
  folderOf,
} from "../../protocol/entry.ts";
import { parseJson } from "../../protocol/schema.ts";
import type { State } from "./state.ts";

const FILE = "last-change";

/** Flags that are set and cleared, and a folder to which messages are moved. */
export interface Changing {
  readonly set: readonly Flag[];
  readonly clear: readonly Flag[];
  readonly folder?: Folder | undefined;
}

/** Where a message was, and its flags. */
export interface Before {
  readonly uid: number;
  readonly folder: Folder;
  readonly flags: readonly Flag[];
}

/** What was done with some messages alike, and how they were before. */
export interface ChangedAlike extends Changing {
  readonly before: readonly Before[];
}

/** The change that was made last: one or several things at once, no message twice. */
export interface LastChange {
  /** The mailbox's epoch: in another one the UIDs are others. */
  readonly epoch: string;
  readonly parts: readonly ChangedAlike[];
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const bits = v.strictObject({ low: count, high: count });
const schema = v.strictObject({
  version: v.literal(1),
  epoch: v.string(),
  parts: v.array(v.strictObject({
    set: bits,
    clear: bits,
    folder: v.nullable(count),
    /** UID, folder, and flags: their low and their high bits. */
    before: v.array(v.tuple([count, count, count, count])),
  })),
});

/** The last change of this user's on this machine, sealed on its disk, so that it can be taken back. */
export class LastChangeFile {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** Null if there is none. Throws as State does. */
  async read(): Promise<LastChange | null> {
    const bytes = await this.#state.read(FILE);
    if (bytes === null) return null;
    const { epoch, parts } = parseJson(schema, fromUtf8(bytes));
    return {
      epoch,
      parts: parts.map(({ set, clear, folder, before }) => ({
        set: flagsOf(set),
        clear: flagsOf(clear),
        folder: folder === null ? undefined : folderOf(folder),
        before: before.map(([uid, folder, low, high]) => {
          return { uid, folder: folderOf(folder), flags: flagsOf({ low, high }) };
        }),
      })),
    };
  }

  async write({ epoch, parts }: LastChange): Promise<void> {
    const data = {
      version: 1,
      epoch,
      parts: parts.map(({ set, clear, folder, before }) => ({
        set: flagBits(set),
        clear: flagBits(clear),
        folder: folder === undefined ? null : folderNumber(folder),
        before: before.map(({ uid, folder, flags }) => {
          const { low, high } = flagBits(flags);
          return [uid, folderNumber(folder), low, high];
        }),
      })),
    };
    await this.#state.write(FILE, utf8(JSON.stringify(data)));
  }

  async forget(): Promise<void> {
    await this.#state.remove(FILE);
  }
}

/** What takes a change back for one message; null if that is not as the change left it, or was so before. */
export function inverseFor(
  { set, clear, folder }: Changing,
  before: Before,
  now: Pick<Before, "folder" | "flags">,
): Changing | null {
  const wasSet = set.filter((flag) => !before.flags.includes(flag));
  const wasCleared = clear.filter((flag) => before.flags.includes(flag) && !set.includes(flag));
  const moved = folder !== undefined && folder !== before.folder;
  if (moved && now.folder !== folder) return null;
  const stale = wasSet.some((flag) => !now.flags.includes(flag)) ||
    wasCleared.some((flag) => now.flags.includes(flag));
  if (stale || (!moved && wasSet.length + wasCleared.length === 0)) return null;
  return { set: wasCleared, clear: wasSet, folder: moved ? before.folder : undefined };
}
