import * as v from "valibot";
import { fromUtf8, utf8 } from "../crypto/bytes.ts";
import type { Folder } from "../protocol/entry.ts";
import { parseJson } from "../protocol/schema.ts";
import type { CachedEntry } from "./state/cache.ts";
import type { Mail } from "./mail.ts";
import type { State } from "./state/state.ts";

/** Entries that are looked at at a time. */
const PAGE = 200;

const schema = v.object({ epoch: v.string(), uid: v.pipe(v.number(), v.safeInteger()) });

/** Up to where a mailbox was told of. */
type Place = v.InferOutput<typeof schema>;

/**
 * What comes into a folder, each message once: also over breaks of the connection, and from one run
 * of the program to the next.
 */
export class Arrivals {
  readonly #state: State;
  readonly #folder: Folder;
  #place: Place | null;

  private constructor(state: State, folder: Folder, place: Place | null) {
    this.#state = state;
    this.#folder = folder;
    this.#place = place;
  }

  /**
   * Goes on where the last run has ended; the first one, and one that begins `anew`, begins with what
   * comes from now on. Throws what `state` throws.
   */
  static async load(state: State, folder: Folder, anew: boolean): Promise<Arrivals> {
    const bytes = anew ? null : await state.read(fileOf(folder));
    return new Arrivals(state, folder, bytes && parseJson(schema, fromUtf8(bytes)));
  }

  /**
   * Asks the server, and gives what came since {@linkcode Arrivals.told}, oldest first. Throws what
   * `mail` throws.
   */
  async fetch(mail: Mail): Promise<CachedEntry[]> {
    await mail.sync();
    const { epoch, top } = mail.cache.fetched();
    if (this.#place === null) await this.#go({ epoch, uid: top });
    // The mailbox was recreated: what was reported before is a duplicate there.
    const after = this.#place?.epoch === epoch ? this.#place.uid : 0;
    while (mail.cache.fetched().bottom > after + 1 && await mail.fetchOlder());
    const fresh: CachedEntry[] = [];
    let before = Number.MAX_SAFE_INTEGER;
    while (before > after + 1) {
      const page = await mail.cache.list({ folder: this.#folder, before, limit: PAGE });
      fresh.push(...page.filter(({ entry, duplicate }) => entry.uid > after && !duplicate));
      before = page.length < PAGE ? 0 : page.at(-1)?.entry.uid ?? 0;
    }
    // What is in other folders, or is not new, is done with.
    if (fresh.length === 0) await this.#go({ epoch, uid: top });
    return fresh.reverse();
  }

  /** Notes that somebody was told of `uid` and of everything before it. */
  async told(mail: Mail, uid: number): Promise<void> {
    await this.#go({ epoch: mail.cache.fetched().epoch, uid });
  }

  async #go(place: Place): Promise<void> {
    const { epoch, uid } = this.#place ?? { epoch: "", uid: 0 };
    if (epoch === place.epoch && uid >= place.uid) return;
    this.#place = place;
    await this.#state.write(fileOf(this.#folder), utf8(JSON.stringify(place)));
  }
}

function fileOf(folder: Folder): string {
  return `watched-${folder}`;
}
