import * as v from "valibot";
import { equal, fromBase64, fromUtf8, toBase64, utf8 } from "../../crypto/bytes.ts";
import { encodeBundle } from "../../crypto/identity.ts";
import { isName } from "../../protocol/name.ts";
import { fingerprintField, parseJson } from "../../protocol/schema.ts";
import { canonicalJson, type SharedRecord } from "../../protocol/shared_record.ts";
import type { Pin } from "../state/pins.ts";
import type { State } from "../state/state.ts";
import type { People } from "../trust/people.ts";
import type { EntryChange } from "./own_names.ts";
import type { SharedRecordClient } from "./shared_record.ts";

const PREFIX = "pin/";
/** What this machine and the record agreed on last. */
const FILE = "shared-pins";

const time = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const schema = v.object({
  fp: fingerprintField,
  since: time,
  seq: v.optional(time),
  verified: v.optional(v.object({ how: v.picklist(["in-person", "by-file"]), at: time })),
  unconfirmed: v.optional(time),
  former: v.array(v.object({ fp: fingerprintField, until: time })),
});
type Shared = v.InferOutput<typeof schema>;
const agreedSchema = v.record(v.string(), v.string());

/** A pin as the record has it: without bundles, which the server gives for their fingerprints. */
function sharedPin({ fp, firstSeen, seq, verified, unconfirmed, former }: Pin): Shared {
  return {
    fp: toBase64(fp),
    since: firstSeen,
    ...seq === null ? {} : { seq },
    ...verified === null ? {} : { verified },
    ...unconfirmed === null ? {} : { unconfirmed },
    former: former.map(({ fp, until }) => ({ fp: toBase64(fp), until })),
  };
}

/** Whose pin an entry with this key is; null if it is something else. */
export function pinnedName(key: string): string | null {
  const name = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : "";
  return isName(name) ? name : null;
}

/** The pins in a record; what another version of this program wrote otherwise is left alone. */
function pinsIn(record: SharedRecord): Map<string, Shared> {
  const out = new Map<string, Shared>();
  for (const { key, value } of record.entries.values()) {
    const name = pinnedName(key);
    const parsed = v.safeParse(schema, value);
    if (name !== null && parsed.success) out.set(name, parsed.output);
  }
  return out;
}

/** Says that two machines know different keys of somebody, and what to do. */
function conflictLine(name: string): string {
  return `two of your machines know different keys of ${name}, and neither is used to send: compare ` +
    `with "keys verify ${name}", or take one with "keys trust ${name}"`;
}

/**
 * The pins and verifications of this machine, and those in the record that a person's machines share:
 * what changed here goes there, what changed there comes here. A key takes the place of another only if
 * the machine that did so had the other one before; where two machines know different keys of one name
 * and neither followed on the other, mail to that name waits, and it is said.
 */
export class SharedPins {
  readonly #shared: SharedRecordClient;
  readonly #people: People;
  readonly #state: State;

  constructor(shared: SharedRecordClient, people: People, state: State) {
    this.#shared = shared;
    this.#people = people;
    this.#state = state;
  }

  /** Whether something was changed here that the record does not have. */
  async changedHere(): Promise<boolean> {
    const agreed = await this.#agreed();
    return this.#people.pins.all().some((pin) => {
      return agreed.get(pin.name) !== canonicalJson(sharedPin(pin));
    });
  }

  /**
   * Brings both together. Throws what {@linkcode SharedRecordClient.refresh} and asking for keys throw;
   * what was not done then is done the next time.
   */
  async share(): Promise<void> {
    const agreed = await this.#agreed();
    const there = pinsIn(await this.#shared.refresh());
    await this.#people.pins.refresh();
    for (const [name, theirs] of there) await this.#take(name, theirs, agreed.get(name));
    const changes = this.#changes(there);
    if (changes.length > 0) {
      await this.#shared.change((record) => {
        // What another machine changed in these moments is looked at the next time.
        const now = pinsIn(record);
        return changes.filter(({ key }) => {
          const name = key.slice(PREFIX.length);
          return canonicalJson(now.get(name)) === canonicalJson(there.get(name));
        });
      });
    }
    await this.#agree(pinsIn(await this.#shared.known()));
  }

  /** Takes over what the record says of `name`, as far as it can be. */
  async #take(name: string, theirs: Shared, agreed: string | undefined): Promise<void> {
    const { pins } = this.#people;
    const pin = pins.get(name);
    const ours = pin && sharedPin(pin);
    const text = canonicalJson(theirs);
    if (ours !== null && (canonicalJson(ours) === text || agreed === text)) return;
    const fp = fromBase64(theirs.fp);
    if (pin === null || !equal(pin.fp, fp)) {
      // Ours came after theirs: it goes there.
      if (pin?.former.some((key) => equal(key.fp, fp))) return;
      const followed = pin === null || theirs.former.some((key) => key.fp === toBase64(pin.fp));
      if (!followed) {
        if (isSurer(pin, theirs)) return;
        if (await pins.doubt(name, fp)) this.#shared.onNotice(conflictLine(name));
        return;
      }
      const bundle = await this.#people.bundleOf(name, fp);
      // The server may know it later; until then this machine goes on with what it has.
      if (bundle === null) return;
      const former: { fp: typeof fp; bundle: typeof fp; until: number }[] = [];
      for (const { fp: left, until } of theirs.former) {
        const known = fromBase64(left);
        const found = pin !== null && equal(pin.fp, known)
          ? pin.bundle
          : pin?.former.find((key) => equal(key.fp, known))?.bundle ??
            await this.#people.leftBundle(name, known).then((one) => one && encodeBundle(one));
        if (found) former.push({ fp: known, bundle: found, until });
      }
      return await pins.adopt(name, {
        ...detailsOf(theirs),
        fp,
        bundle: encodeBundle(bundle),
        former,
      });
    }
    const changedHere = ours !== null && agreed !== undefined && canonicalJson(ours) !== agreed;
    // Changed on both sides: doubt wins over verified.
    const merged = changedHere
      ? {
        ...detailsOf(theirs),
        verified: pin.verified === null ? null : theirs.verified ?? null,
        unconfirmed: pin.unconfirmed ?? theirs.unconfirmed ?? null,
      }
      : detailsOf(theirs);
    await pins.adopt(name, { ...merged, fp, bundle: pin.bundle, former: pin.former });
  }

  /** What of this machine's pins is to go into the record. */
  #changes(there: ReadonlyMap<string, Shared>): EntryChange[] {
    return this.#people.pins.all().flatMap((pin) => {
      const value = sharedPin(pin);
      const theirs = there.get(pin.name);
      if (canonicalJson(value) === canonicalJson(theirs)) return [];
      // Theirs is one that this machine could not take over, or does not agree with.
      const apart = theirs !== undefined && theirs.fp !== value.fp &&
        !pin.former.some(({ fp }) => toBase64(fp) === theirs.fp);
      return apart && !isSurer(pin, theirs)
        ? []
        : [{ key: `${PREFIX}${pin.name}`, value, isNew: false }];
    });
  }

  async #agreed(): Promise<ReadonlyMap<string, string>> {
    const bytes = await this.#state.read(FILE);
    return new Map(bytes ? Object.entries(parseJson(agreedSchema, fromUtf8(bytes))) : []);
  }

  /** Remembers of which pins the record has the same as this machine. */
  async #agree(there: ReadonlyMap<string, Shared>): Promise<void> {
    const before = await this.#agreed();
    const agreed = new Map(before);
    for (const pin of this.#people.pins.all()) {
      const text = canonicalJson(sharedPin(pin));
      if (canonicalJson(there.get(pin.name)) === text) agreed.set(pin.name, text);
    }
    if (canonicalJson([...agreed]) === canonicalJson([...before])) return;
    await this.#state.write(FILE, utf8(JSON.stringify(Object.fromEntries(agreed))));
  }
}

/** Whether the person made sure of this machine's key, and not of the other. */
function isSurer(ours: Pin, theirs: Shared): boolean {
  return ours.verified !== null && theirs.verified === undefined;
}

function detailsOf({ since, seq, verified, unconfirmed }: Shared) {
  return {
    firstSeen: since,
    seq: seq ?? null,
    verified: verified ?? null,
    unconfirmed: unconfirmed ?? null,
  };
}
