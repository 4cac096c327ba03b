import * as v from "valibot";
import { fromUtf8, random, toHex, utf8 } from "../../crypto/bytes.ts";
import { parseJson } from "../../protocol/schema.ts";
import type { State } from "./state.ts";

const FILE = "editions";
const LOCK = "editions.lock";
const MACHINE_ID = 8;

const uid = v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(1)));
const attachment = v.object({ index: v.number(), name: v.string(), size: v.number() });

const schema = v.strictObject({
  version: v.literal(1),
  machine: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  epoch: v.string(),
  drafts: v.record(
    v.string(),
    v.strictObject({
      edition: v.string(),
      uid,
      saved: v.number(),
      files: v.nullable(v.strictObject({
        of: v.string(),
        message: v.string(),
        attachments: v.array(attachment),
      })),
    }),
  ),
  seen: v.record(
    v.string(),
    v.strictObject({
      draft: v.nullable(v.string()),
      carries: v.nullable(v.string()),
      replaces: v.array(v.string()),
    }),
  ),
  gone: v.array(v.strictObject({ edition: v.string(), uid, draft: v.nullable(v.string()) })),
  storing: v.record(v.string(), v.number()),
});

/**
 * What this machine knows of the drafts on the server. There, each version of a draft is a message of
 * its own in the folder drafts, an *edition*; the next one takes its place.
 */
export interface Editions {
  /** The id of this machine, 16 hexadecimal digits, random. */
  readonly machine: string;
  /** The epoch of the mailbox that `uid`s are of. */
  epoch: string;
  /** For the id of each draft that is stored: its edition. */
  readonly drafts: Record<string, StoredDraft>;
  /** For the message id of each message in the folder: what it is. */
  readonly seen: Record<string, SeenEdition>;
  /** Editions that are to be removed from the server. */
  gone: GoneEdition[];
  /** For the id of each draft of which an edition may have been stored that is not noted: its `savedAt`. */
  readonly storing: Record<string, number>;
}

/** Where an edition is. */
export interface PlacedEdition {
  /** The text form of the id of its message. */
  readonly edition: string;
  /** Null as long as it was not seen in the mailbox. */
  readonly uid: number | null;
}

/** An edition that is to be removed from the server. */
export interface GoneEdition extends PlacedEdition {
  /** The id of the draft that was sent or thrown away; null where another edition takes its place. */
  readonly draft: string | null;
}

/** A draft of this machine that the server has. */
export interface StoredDraft extends PlacedEdition {
  /** `savedAt` of the text that the edition has: another one here is still to be stored. */
  readonly saved: number;
  /**
   * The edition that has the files attached to the draft: `of` says which those are. Null if there are
   * none.
   */
  readonly files: CarriedFiles | null;
}

/** Files that were stored with a draft once, for all its editions. */
export interface CarriedFiles {
  /** What they are made of, as JSON: paths, and attachments of another message. */
  readonly of: string;
  /** The text form of the id of the message that has them. */
  readonly message: string;
  readonly attachments: v.InferOutput<typeof attachment>[];
}

/** What a message in the folder is. */
export interface SeenEdition {
  /** The id of the draft; null for a message that is no draft. */
  readonly draft: string | null;
  /** The message whose attachments go along; null if there is none. */
  readonly carries: string | null;
  /** The editions whose place it takes. */
  readonly replaces: readonly string[];
}

/** {@linkcode Editions} on the disk, sealed. */
export class DraftEditions {
  readonly #state: State;
  #last: Editions | null = null;

  constructor(state: State) {
    this.#state = state;
  }

  /** Throws what {@linkcode State.read} throws. */
  async load(): Promise<Editions> {
    const bytes = await this.#state.read(FILE);
    return this.#last = bytes ? decode(bytes) : await this.update(() => {});
  }

  /** Changes them as `change` does. Throws what {@linkcode State.update} throws. */
  async update(change: (editions: Editions) => void): Promise<Editions> {
    return this.#last = await this.#state.update(FILE, (current) => {
      const editions = current ? decode(current) : {
        machine: toHex(random(MACHINE_ID)),
        epoch: "",
        drafts: {},
        seen: {},
        gone: [],
        storing: {},
      };
      change(editions);
      const data = utf8(JSON.stringify({ version: 1, ...editions }));
      return { data, result: editions };
    });
  }

  /** Notes that the edition of a draft, if there is one, is to be removed from the server. */
  async leave(id: string): Promise<void> {
    const bytes = await this.#state.read(FILE);
    if (!bytes || decode(bytes).drafts[id] === undefined) return;
    await this.update((editions) => {
      const stored = editions.drafts[id];
      if (stored === undefined) return;
      delete editions.drafts[id];
      removeEdition(editions, stored, id);
    });
  }

  /** Whether a message in the folder is known to be no draft, as of the last {@linkcode load}. */
  isMessage(id: string): boolean {
    return this.#last?.seen[id]?.draft === null;
  }

  /** Null while another program of this user has it. */
  lock(): Promise<Disposable | null> {
    return this.#state.tryLock(LOCK);
  }
}

/**
 * Notes that an edition is to be removed from the server, and the one that has its files; `gone` is the
 * id of the draft if that was sent or thrown away, null if another edition takes its place.
 */
export function removeEdition(
  editions: Pick<Editions, "seen" | "gone">,
  { edition, uid }: PlacedEdition,
  gone: string | null,
): void {
  const { draft = null, carries = null } = editions.seen[edition] ?? {};
  const all = [{ edition, uid, draft: gone }];
  // What another draft has, or is none, stays.
  if (carries !== null && draft !== null && editions.seen[carries]?.draft === draft) {
    all.push({ edition: carries, uid: null, draft: gone });
  }
  addGone(editions, all);
}

/** Notes that these are to be removed from the server. */
export function addGone(editions: Pick<Editions, "gone">, all: readonly GoneEdition[]): void {
  const there = new Set(editions.gone.map(({ edition }) => edition));
  editions.gone.push(...all.filter(({ edition }) => !there.has(edition)));
}

function decode(bytes: Uint8Array<ArrayBuffer>): Editions {
  const { version: _, ...editions } = parseJson(schema, fromUtf8(bytes));
  return editions;
}
