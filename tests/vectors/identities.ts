import { type NewIdentity, newIdentityFromPem } from "../../crypto/identity.ts";
import { type KeysFile, readVectors } from "./files.ts";

/** The test identities of keys.json, each read from its file once. */
export class Identities {
  readonly #keys: KeysFile;
  readonly #read = new Map<string, Promise<NewIdentity>>();

  constructor(keys: KeysFile) {
    this.#keys = keys;
  }

  static async load(): Promise<Identities> {
    return new Identities(await readVectors("keys.json"));
  }

  get names(): string[] {
    return this.#keys.identities.map(({ name }) => name);
  }

  /** The identity called `name`; always the same object. */
  get(name: string): Promise<NewIdentity> {
    const known = this.#read.get(name);
    if (known) return known;
    const vector = this.#keys.identities.find((one) => one.name === name);
    if (!vector) throw new Error(`keys.json has no ${name}`);
    const reading = newIdentityFromPem(vector.privateFile);
    this.#read.set(name, reading);
    return reading;
  }
}
