import * as v from "valibot";
import { type Bytes, equal, fromBase64, fromUtf8, toBase64, utf8 } from "../../crypto/bytes.ts";
import { fingerprintField, fullNameField, nameField, parseJson } from "../../protocol/schema.ts";
import type { State } from "./state.ts";

const LISTED = "members";
const SIGNED = "full-names";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const member = v.strictObject({
  name: nameField,
  fullName: v.optional(fullNameField),
  since: count,
  bound: v.boolean(),
});
const listed = v.strictObject({
  version: v.literal(1),
  at: count,
  members: v.array(member),
});
const signed = v.strictObject({
  version: v.literal(1),
  names: v.array(v.tuple([nameField, fullNameField, fingerprintField, count])),
});

/** Somebody of the group, as the server says. */
export type Member = v.InferOutput<typeof member>;

/** What somebody is called. */
export interface FullName {
  readonly text: string;
  /** Whether they have signed it themselves, with the key that is known for them; else the operator says so. */
  readonly signed: boolean;
}

interface SignedName {
  readonly text: string;
  readonly fp: Bytes;
  /** When the message that has it says it was written, milliseconds since 1970. */
  readonly date: number;
}

/** Who is in the group, as the server said last, and what they call themselves; sealed on the disk. */
export class Members {
  readonly #state: State;
  #listed: readonly Member[];
  #at: number | null;
  readonly #signed: Map<string, SignedName>;

  private constructor(
    state: State,
    kept: { readonly at: number; readonly members: readonly Member[] } | null,
    signed: Map<string, SignedName>,
  ) {
    this.#state = state;
    this.#listed = kept?.members ?? [];
    this.#at = kept?.at ?? null;
    this.#signed = signed;
  }

  /** Throws as {@linkcode State.read} does. */
  static async load(state: State): Promise<Members> {
    const kept = await state.read(LISTED);
    const names = await state.read(SIGNED);
    const known = names === null ? [] : parseJson(signed, fromUtf8(names)).names;
    return new Members(
      state,
      kept === null ? null : parseJson(listed, fromUtf8(kept)),
      new Map(known.map(([name, text, fp, date]) => [name, { text, fp: fromBase64(fp), date }])),
    );
  }

  /** In the order of their names; empty before the server was asked once. */
  all(): readonly Member[] {
    return this.#listed;
  }

  /** When the server was asked last, milliseconds since 1970; null if it never was. */
  get at(): number | null {
    return this.#at;
  }

  /** Takes over what the server said at the time `at`. */
  async setListed(members: readonly Member[], at: number): Promise<void> {
    this.#listed = members;
    this.#at = at;
    await this.#state.write(LISTED, utf8(JSON.stringify({ version: 1, at, members })));
  }

  /** Remembers what `name` has signed, with the key `fp`, in a message of the time `date`; the latest counts. */
  async noteSigned(name: string, text: string, fp: Bytes, date: number): Promise<void> {
    const before = this.#signed.get(name);
    if (before && before.date >= date) return;
    this.#signed.set(name, { text, fp, date });
    // Of one name and key, a date that only grows is not worth a write.
    if (before?.text === text && equal(before.fp, fp)) return;
    const names = [...this.#signed].map(([name, { text, fp, date }]) => {
      return [name, text, toBase64(fp), date];
    });
    await this.#state.write(SIGNED, utf8(JSON.stringify({ version: 1, names })));
  }

  /** What `name`, whose key has the fingerprint `fp` if one is known, is called; null if nobody says. */
  fullName(name: string, fp: Bytes | null): FullName | null {
    const own = this.#signed.get(name);
    if (own && fp !== null && equal(own.fp, fp)) return { text: own.text, signed: true };
    const text = this.#listed.find((one) => one.name === name)?.fullName;
    return text === undefined ? null : { text, signed: false };
  }
}
