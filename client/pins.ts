import * as v from "valibot";
import { type Bytes, equal, fromBase64, fromUtf8, toBase64, utf8 } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { type Bundle, encodeBundle, formatFingerprint } from "../crypto/identity.ts";
import { fingerprintField, nameField, parseJson } from "../protocol/schema.ts";
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
  /** Whether the two people have compared it. */
  readonly compared: boolean;
  /** Keys that were pinned for this name before: old mail is still theirs. Latest last. */
  readonly former: readonly FormerKey[];
}

/** A key that was replaced. */
export interface FormerKey {
  readonly fp: Bytes;
  readonly bundle: Bytes;
  /** When it was replaced, milliseconds since 1970: what arrived later is not its. */
  readonly until: number;
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
    compared: v.boolean(),
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

  private constructor(state: State, pins: ReadonlyMap<string, Pin>) {
    this.#state = state;
    this.#pins = pins;
  }

  /** Throws `format` or `authentication` if the file is damaged, and `file-io`. */
  static async load(state: State): Promise<Pins> {
    return new Pins(state, decode(await state.read(FILE)));
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
   * Pins `bundle` for `name` if no key is pinned (`new`), or finds it pinned (`same`). Throws
   * `key-changed` if another key is pinned for `name`, or this key for another name; then nothing
   * changes.
   */
  trustOnFirstUse(name: string, bundle: Bundle): Promise<"new" | "same"> {
    return this.#change((pins) => {
      const pin = pins.get(name);
      if (pin !== undefined) {
        if (!equal(pin.fp, bundle.fp)) throw keyChanged(pin, bundle.fp);
        return "same";
      }
      const other = find(pins, bundle.fp);
      if (other !== null) throw taken(other, name);
      pins.set(name, newPin(name, bundle));
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

  async #change<T>(change: (pins: Map<string, Pin>) => T): Promise<T> {
    return await this.#state.update(FILE, (current) => {
      const pins = decode(current);
      const before = current === null ? null : encode(pins);
      const result = change(pins);
      this.#pins = pins;
      const after = encode(pins);
      const unchanged = before !== null && equal(before, after);
      return { data: unchanged ? null : after, result };
    });
  }
}

function newPin(name: string, bundle: Bundle): Pin {
  const { fp } = bundle;
  return {
    name,
    fp,
    bundle: encodeBundle(bundle),
    firstSeen: Date.now(),
    compared: false,
    former: [],
  };
}

function find(pins: ReadonlyMap<string, Pin>, fp: Bytes): Pin | null {
  for (const pin of pins.values()) if (equal(pin.fp, fp)) return pin;
  return null;
}

/** JSON: `{ version: 1, pins: [{ name, fp, bundle, firstSeen, compared, former }] }`, bytes in base64. */
function encode(pins: ReadonlyMap<string, Pin>): Bytes {
  const all = [...pins.values()].map((pin) => ({
    ...pin,
    fp: toBase64(pin.fp),
    bundle: toBase64(pin.bundle),
    former: pin.former.map(({ fp, bundle, until }) => {
      return { fp: toBase64(fp), bundle: toBase64(bundle), until };
    }),
  }));
  return utf8(JSON.stringify({ version: 1, pins: all }));
}

function decode(bytes: Bytes | null): Map<string, Pin> {
  const pins = new Map<string, Pin>();
  if (bytes === null) return pins;
  for (const pin of parseJson(schema, fromUtf8(bytes)).pins) {
    pins.set(pin.name, {
      ...pin,
      fp: fromBase64(pin.fp),
      bundle: fromBase64(pin.bundle),
      former: pin.former.map(({ fp, bundle, until }) => {
        return { fp: fromBase64(fp), bundle: fromBase64(bundle), until };
      }),
    });
  }
  return pins;
}

/** The error of a key that is not the one pinned. */
export function keyChanged(pin: Pin, offered: Bytes): SealpostError {
  const since = new Date(pin.firstSeen).toISOString().slice(0, 10);
  const how = pin.compared ? "known and compared since" : "known since";
  return new SealpostError(
    "key-changed",
    `the key of ${pin.name} is not the one you know: ${how} ${since} is ` +
      `${formatFingerprint(pin.fp)}, offered is ${formatFingerprint(offered)}; nothing was sent ` +
      `or opened. Ask ${pin.name} in person or by phone which is right; menu item 8 changes it`,
  );
}

function taken(pin: Pin, name: string): SealpostError {
  return new SealpostError(
    "key-changed",
    `the key offered for ${name} is the one you know of ${pin.name} ` +
      `(${formatFingerprint(pin.fp)}); ask both, and whoever runs the server, before you go on`,
  );
}
