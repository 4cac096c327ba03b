import * as v from "valibot";
import { fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { flagBits, flagsOf, folderNumber, folderOf } from "../../protocol/entry.ts";
import { parseJson } from "../../protocol/schema.ts";
import type { Changing } from "./last_change.ts";
import type { State } from "./state.ts";

const FILE = "rules";
const LOCK = "rules.lock";
/** How long another program of this user may run rules, milliseconds. */
const PATIENCE = 10_000;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const bits = v.strictObject({ low: count, high: count });
const schema = v.strictObject({
  version: v.literal(1),
  epoch: v.string(),
  uid: count,
  doing: v.array(v.strictObject({
    uids: v.array(count),
    set: bits,
    folder: v.nullable(count),
    unchangedSince: count,
  })),
});

/** A change that rules want, and that is on its way. */
export interface RuleChange extends Omit<Changing, "clear"> {
  readonly uids: readonly number[];
  /** Messages that somebody has changed since this modification sequence are left alone. */
  readonly unchangedSince: number;
}

/** Up to which message rules were run here. */
export interface RulesDone {
  /** The mailbox's epoch: in another one the UIDs are others. */
  readonly epoch: string;
  readonly uid: number;
  /** What was decided for messages up to there and may not have reached the server. */
  readonly doing: readonly RuleChange[];
}

/** How far this machine has run the rules, sealed on its disk. */
export class RulesDoneFile {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** Takes the right to run rules, so that no two programs of this user do. Throws `busy`, `file-io`. */
  lock(): Promise<Disposable> {
    return this.#state.waitForLock(LOCK, PATIENCE);
  }

  /** Null if they were never run here. Throws as State does. */
  async read(): Promise<RulesDone | null> {
    const bytes = await this.#state.read(FILE);
    if (bytes === null) return null;
    const { epoch, uid, doing } = parseJson(schema, fromUtf8(bytes));
    return {
      epoch,
      uid,
      doing: doing.map(({ set, folder, ...one }) => ({
        ...one,
        set: flagsOf(set),
        folder: folder === null ? undefined : folderOf(folder),
      })),
    };
  }

  async write({ epoch, uid, doing }: RulesDone): Promise<void> {
    const data = {
      version: 1,
      epoch,
      uid,
      doing: doing.map(({ uids, set, folder, unchangedSince }) => ({
        uids,
        set: flagBits(set),
        folder: folder === undefined ? null : folderNumber(folder),
        unchangedSince,
      })),
    };
    await this.#state.write(FILE, utf8(JSON.stringify(data)));
  }
}
