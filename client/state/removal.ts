import * as v from "valibot";
import { type Bytes, fromBase64, fromUtf8, toBase64, utf8 } from "../../crypto/bytes.ts";
import { fingerprintField, parseJson } from "../../protocol/schema.ts";
import type { State } from "./state.ts";

const FILE = "removal";

/** A machine that was lost, as the person's list of machines had it. */
export interface LostMachine {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** What it is called in lists. */
  readonly label: string;
  /** When the server saw it last, milliseconds since 1970; null if it never did. */
  readonly last: number | null;
}

/** What is being done since machines were lost. */
export interface BegunRemoval {
  readonly machines: readonly LostMachine[];
  /** The fingerprint of the key that they have: as long as it is one's own, the keys are not new yet. */
  readonly from: Bytes;
  /** Whether the server may have the new password already. */
  readonly password: boolean;
}

const schema = v.strictObject({
  version: v.literal(1),
  from: fingerprintField,
  password: v.boolean(),
  machines: v.array(v.strictObject({
    id: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
    label: v.string(),
    last: v.nullable(v.number()),
  })),
});

/** The removal of lost machines that was begun and has not ended, sealed on this machine's disk. */
export class RemovalFile {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** Null if there is none. Throws as {@linkcode State.read} does. */
  async load(): Promise<BegunRemoval | null> {
    const bytes = await this.#state.read(FILE);
    if (bytes === null) return null;
    const { machines, from, password } = parseJson(schema, fromUtf8(bytes));
    return { machines, from: fromBase64(from), password };
  }

  /** Throws as {@linkcode State.write} does. */
  async save({ machines, from, password }: BegunRemoval): Promise<void> {
    const json = { version: 1, from: toBase64(from), password, machines };
    await this.#state.write(FILE, utf8(JSON.stringify(json)));
  }

  /** Throws as {@linkcode State.remove} does. */
  async forget(): Promise<void> {
    await this.#state.remove(FILE);
  }
}
