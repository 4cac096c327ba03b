import * as v from "valibot";
import { type Bytes, equal, fromBase64, fromUtf8, toBase64, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { type Bundle, encodeBundle, formatFingerprint } from "../../crypto/identity.ts";
import { PROGRAM } from "../../cli/program.ts";
import { type ChainKey, type ReplacedChainKey, ROTATION_SLACK } from "../../protocol/rotation.ts";
import { fingerprintField, nameField, parseJson } from "../../protocol/schema.ts";
import type { State } from "./state.ts";

/** A correspondent whose key is known. */
export interface Pin {
  readonly name: string;
  /** The fingerprint, 32 bytes. */
  readonly fp: Bytes;
  /** The bundle, encoded by `encodeBundle`. */
  readonly bundle: Bytes;
  /** When it was pinned, milliseconds since 1970. */
  readonly firstSeen: number;
  /** How many rotations led to it; null if that was not known when it was pinned. */
  readonly seq: number | null;
  /** How and when the person made sure that it is the right one; null if not yet. */
  readonly verified: Verified | null;
  /**
   * When this key took the place of one that the person had verified, milliseconds since 1970: because
   * certificates say so, and nothing is sent under it until the person does. Null if nothing waits.
   */
  readonly unconfirmed: number | null;
  /** Another key that the server offers now, and since when that is known; null if none. */
  readonly offered: Offered | null;
  /** Keys that were pinned for this name before: old mail is still theirs. Latest last. */
  readonly former: readonly FormerKey[];
}

/** That a person has made sure of a key. No server has a part in it. */
export interface Verified {
  /** Compared by the two people, or taken from a file that came another way. */
  readonly how: "in-person" | "by-file";
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** A key that is offered in the place of the pinned one. */
export interface Offered {
  /** The fingerprint, 32 bytes. */
  readonly fp: Bytes;
  /** When it was seen first, milliseconds since 1970. */
  readonly since: number;
}

/** A key that was replaced. */
export interface FormerKey {
  readonly fp: Bytes;
  readonly bundle: Bytes;
  /** When it was replaced, milliseconds since 1970: what arrived later is not its. */
  readonly until: number;
}

/** Where a chain of certificates led that has verified. */
export interface Followed {
  /** The keys that were left, in their order. */
  readonly left: readonly ReplacedChainKey[];
  readonly now: ChainKey;
}

const FILE = "pins";

const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const schema = v.object({
  version: v.literal(1),
  pins: v.array(v.object({
    name: nameField,
    fp: fingerprintField,
    bundle: v.string(),
    firstSeen: time,
    seq: v.optional(time),
    unconfirmed: v.optional(time),
    verified: v.optional(v.object({ how: v.picklist(["in-person", "by-file"]), at: time })),
    offered: v.optional(v.object({ fp: fingerprintField, since: time })),
    former: v.array(v.object({ fp: fingerprintField, bundle: v.string(), until: time })),
  })),
});

/**
 * The keys of correspondents as they were at first use. One name has one key and one key one name.
 * Every change is made to what the file holds at that moment, so that clients of the same user that
 * run at the same time keep each other's pins.
 */
export class Pins {
  readonly #state: State;
  #pins: ReadonlyMap<string, Pin>;
  /** What the file held when it was read or written last. */
  #bytes: Bytes | null;

  private constructor(state: State, bytes: Bytes | null) {
    this.#state = state;
    this.#pins = decode(bytes);
    this.#bytes = bytes;
  }

  /** Throws `format` or `authentication` if the file is damaged, and `file-io`. */
  static async load(state: State): Promise<Pins> {
    return new Pins(state, await state.read(FILE));
  }

  /** Takes over what another process of this user has changed; whether there was anything. */
  async refresh(): Promise<boolean> {
    const bytes = await this.#state.read(FILE);
    if (bytes === null || (this.#bytes && equal(bytes, this.#bytes))) return false;
    this.#pins = decode(bytes);
    this.#bytes = bytes;
    return true;
  }

  get(name: string): Pin | null {
    return this.#pins.get(name) ?? null;
  }

  byFp(fp: Bytes): Pin | null {
    return find(this.#pins, fp);
  }

  /** All pins, by name. */
  all(): Pin[] {
    return [...this.#pins.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /**
   * Pins `bundle` for `name` if no key is pinned (`new`), or finds it pinned (`same`). `seq` is how many
   * rotations led to it, if that is known. Throws `key-changed` if another key is pinned for `name`, or
   * this key for another name; then nothing changes.
   */
  trustOnFirstUse(
    name: string,
    bundle: Bundle,
    seq: number | null = null,
  ): Promise<"new" | "same"> {
    return this.#change((pins) => {
      const pin = pins.get(name);
      if (pin !== undefined) {
        if (!equal(pin.fp, bundle.fp)) throw keyChanged(pin, bundle.fp);
        return "same";
      }
      const other = find(pins, bundle.fp);
      if (other !== null) throw taken(other, name);
      pins.set(name, newPin(name, bundle, seq));
      return "new";
    });
  }

  /**
   * Pins `bundle` for `name` in the place of what was pinned; the person has decided so. Throws
   * `key-changed` if it is pinned for another name.
   */
  replace(name: string, bundle: Bundle): Promise<void> {
    return this.#change((pins) => {
      const other = find(pins, bundle.fp);
      if (other !== null && other.name !== name) throw taken(other, name);
      const old = pins.get(name);
      const until = Date.now();
      const former = old ? [...old.former, { fp: old.fp, bundle: old.bundle, until }] : [];
      pins.set(name, { ...newPin(name, bundle), former });
    });
  }

  /**
   * Puts the key to which a chain led in the place of the pinned one, where that chain began; for
   * somebody unknown it is pinned with those that were left. Returns false, and changes nothing, if the
   * pin has changed meanwhile. The new key is not verified,
   * and what is sent under this one waits for {@linkcode Pins.confirm}.
   */
  follow(name: string, { left, now }: Followed): Promise<boolean> {
    return this.#change((pins) => {
      const pin = pins.get(name);
      const start = left[0];
      if (pin && !(start && equal(pin.fp, start.bundle.fp))) return false;
      const other = find(pins, now.bundle.fp);
      if (other !== null && other.name !== name) throw taken(other, name);
      const gone = left.map(({ bundle, time }) => {
        return { fp: bundle.fp, bundle: encodeBundle(bundle), until: time + ROTATION_SLACK };
      });
      const former = [...pin?.former ?? [], ...gone];
      const unconfirmed = pin?.verified ? Date.now() : pin?.unconfirmed ?? null;
      pins.set(name, { ...newPin(name, now.bundle, now.seq), unconfirmed, former });
      return true;
    });
  }

  /**
   * Remembers that the person made sure of the key `fp` of `name`, which must be the pinned one:
   * `key-changed` otherwise. A comparison in person is not replaced by a file.
   */
  verify(name: string, fp: Bytes, how: Verified["how"]): Promise<void> {
    return this.#change((pins) => {
      const pin = pinnedKey(pins, name, fp);
      if (how === "by-file" && pin.verified?.how === "in-person") return;
      pins.set(name, { ...pin, unconfirmed: null, verified: { how, at: Date.now() } });
    });
  }

  /**
   * Remembers that the person takes the key `fp` of `name`, which must be the pinned one, without having
   * compared it: `key-changed` otherwise.
   */
  confirm(name: string, fp: Bytes): Promise<void> {
    return this.#change((pins) => {
      const pin = pinnedKey(pins, name, fp);
      pins.set(name, { ...pin, unconfirmed: null });
    });
  }

  /** Takes over what other clients of this user have changed. Throws as {@linkcode Pins.load} does. */
  async reload(): Promise<void> {
    this.#pins = decode(await this.#state.read(FILE));
  }

  /** Takes back that the key of `name` was verified: the two turned out not to be the same. */
  revokeVerification(name: string): Promise<void> {
    return this.#change((pins) => {
      const pin = pins.get(name);
      if (pin) pins.set(name, { ...pin, verified: null });
    });
  }

  /**
   * Remembers which keys the server offers now for names that are pinned: another one marks the name
   * as changed, the pinned one takes the mark away. Pins and verifications stay.
   */
  async noteOffered(offers: Iterable<readonly [name: string, bundle: Bundle]>): Promise<void> {
    const changed = (pins: ReadonlyMap<string, Pin>) =>
      [...offers].flatMap(([name, { fp }]) => {
        const pin = pins.get(name);
        if (!pin) return [];
        const before = pin.offered;
        const other = !equal(pin.fp, fp);
        if (other ? before && equal(before.fp, fp) : before === null) return [];
        return [{ ...pin, offered: other ? { fp, since: Date.now() } : null }];
      });
    if (changed(this.#pins).length === 0) return;
    await this.#change((pins) => {
      for (const pin of changed(pins)) pins.set(pin.name, pin);
    });
  }

  /**
   * Takes over what another machine of the person knows of `name`, and leaves what the server offers.
   * Throws `key-changed` if the key is pinned for another name.
   */
  adopt(name: string, known: Omit<Pin, "name" | "offered">): Promise<void> {
    return this.#change((pins) => {
      const other = find(pins, known.fp);
      if (other !== null && other.name !== name) throw taken(other, name);
      const offered = pins.get(name)?.offered ?? null;
      pins.set(name, {
        name,
        ...known,
        offered: offered && equal(offered.fp, known.fp) ? null : offered,
      });
    });
  }

  /**
   * Remembers that another machine of the person knows the key `fp` of `name`: nothing is sent under this
   * one until the person has decided. False if that was known.
   */
  doubt(name: string, fp: Bytes): Promise<boolean> {
    return this.#change((pins) => {
      const pin = pins.get(name);
      if (!pin || pin.offered && equal(pin.offered.fp, fp) && pin.unconfirmed !== null) {
        return false;
      }
      const now = Date.now();
      pins.set(name, { ...pin, verified: null, unconfirmed: now, offered: { fp, since: now } });
      return true;
    });
  }

  async #change<T>(change: (pins: Map<string, Pin>) => T): Promise<T> {
    return await this.#state.update(FILE, (current) => {
      const pins = decode(current);
      const before = current === null ? null : encode(pins);
      const result = change(pins);
      this.#pins = pins;
      const after = encode(pins);
      const unchanged = before !== null && equal(before, after);
      this.#bytes = unchanged ? current : after;
      return { data: unchanged ? null : after, result };
    });
  }
}

function newPin(name: string, bundle: Bundle, seq: number | null = null): Pin {
  const { fp } = bundle;
  return {
    name,
    fp,
    bundle: encodeBundle(bundle),
    firstSeen: Date.now(),
    seq,
    unconfirmed: null,
    verified: null,
    offered: null,
    former: [],
  };
}

/** The pin of `name`, whose key is `fp`. Throws `no-key`, `key-changed`. */
function pinnedKey(pins: ReadonlyMap<string, Pin>, name: string, fp: Bytes): Pin {
  const pin = pins.get(name);
  if (!pin) throw new SealpostError("no-key", `no key of ${name} is known`);
  if (!equal(pin.fp, fp)) throw keyChanged(pin, fp);
  return pin;
}

function find(pins: ReadonlyMap<string, Pin>, fp: Bytes): Pin | null {
  for (const pin of pins.values()) if (equal(pin.fp, fp)) return pin;
  return null;
}

/** JSON, as docs/PROTOCOL.md 16.2 says. */
function encode(pins: ReadonlyMap<string, Pin>): Bytes {
  const all = [...pins.values()].map(({ verified, offered, seq, unconfirmed, ...pin }) => ({
    ...pin,
    ...seq === null ? {} : { seq },
    fp: toBase64(pin.fp),
    bundle: toBase64(pin.bundle),
    ...verified ? { verified } : {},
    ...unconfirmed === null ? {} : { unconfirmed },
    ...offered ? { offered: { ...offered, fp: toBase64(offered.fp) } } : {},
    former: pin.former.map(({ fp, bundle, until }) => {
      return { fp: toBase64(fp), bundle: toBase64(bundle), until };
    }),
  }));
  return utf8(JSON.stringify({ version: 1, pins: all }));
}

function decode(bytes: Bytes | null): Map<string, Pin> {
  const pins = new Map<string, Pin>();
  if (bytes === null) return pins;
  const all = parseJson(schema, fromUtf8(bytes)).pins;
  for (const { verified = null, offered, seq = null, unconfirmed = null, ...pin } of all) {
    pins.set(pin.name, {
      ...pin,
      seq,
      unconfirmed,
      verified,
      offered: offered ? { fp: fromBase64(offered.fp), since: offered.since } : null,
      fp: fromBase64(pin.fp),
      bundle: fromBase64(pin.bundle),
      former: pin.former.map(({ fp, bundle, until }) => {
        return { fp: fromBase64(fp), bundle: fromBase64(bundle), until };
      }),
    });
  }
  return pins;
}

/** The error of a key that is not the one known for `person`, who may have another one now. */
export class KeyChangedError extends SealpostError {
  constructor(readonly person: string, message: string) {
    super("key-changed", message);
  }
}

/**
 * The error of a key that is not the one pinned; `why` says what is wrong with its certificates, if there
 * are any.
 */
export function keyChanged(pin: Pin, offered: Bytes, why?: string): KeyChangedError {
  const { name } = pin;
  const how = pin.verified ? "known and verified since" : "known since";
  const since = pin.offered && equal(pin.offered.fp, offered)
    ? `offered since ${dateOf(pin.offered.since)}`
    : "offered";
  const certificates = why === undefined
    ? "without a certificate by the one you know"
    : `with certificates that do not hold (${why})`;
  return new KeyChangedError(
    name,
    `the key of ${name} is not the one you know: ${how} ${dateOf(pin.firstSeen)} is ` +
      `${formatFingerprint(pin.fp)}, ${since} is ${formatFingerprint(offered)}, ${certificates}; ` +
      `nothing was sent or opened. Ask ${name} in person or by phone which is right ` +
      `("${PROGRAM} keys show ${name}" and "keys verify ${name}" say what to compare); ` +
      `"${PROGRAM} keys trust ${name}" takes the new one`,
  );
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function taken(pin: Pin, name: string): SealpostError {
  return new SealpostError(
    "key-changed",
    `the key offered for ${name} is the one you know of ${pin.name} ` +
      `(${formatFingerprint(pin.fp)}); ask both, and the server's operator, before you go on`,
  );
}
