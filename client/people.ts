import { type Bytes, equal, fromBase64 } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { type Bundle, decodeBundle, formatFingerprint, type Identity } from "../crypto/identity.ts";
import { MAX_KEYS } from "../protocol/limits.ts";
import type { Channel } from "./link.ts";
import type { Pins } from "./pins.ts";
import type { RetiredKeys } from "./retired_keys.ts";
import { OWN, UNVERIFIED, type Verification, verification } from "./verification.ts";

/** Somebody whose key is known. */
export interface Known {
  readonly name: string;
  readonly bundle: Bundle;
  /** Whether the key was pinned just now, at first use. */
  readonly fresh: boolean;
}

/** Whose mail it is. */
export interface Self {
  readonly name: string;
  readonly identity: Identity;
  readonly retired: RetiredKeys;
}

/** The keys of correspondents: pinned at first use, and never replaced in silence. */
export class People {
  readonly #link: Channel;
  readonly #pins: Pins;
  readonly #self: Self;
  readonly #bundles = new Map<string, Bundle>();

  constructor(link: Channel, pins: Pins, self: Self) {
    this.#link = link;
    this.#pins = pins;
    this.#self = self;
  }

  get pins(): Pins {
    return this.#pins;
  }

  /**
   * The pinned keys of `names`, asking the server for those that are not pinned yet. Throws
   * `no-such-user` or `no-key` with the name.
   */
  async find(names: readonly string[]): Promise<Known[]> {
    const unknown = [...new Set(names)].filter((name) => this.#known(name) === null);
    const offered = await this.offered(unknown);
    const fresh = new Set<string>();
    for (const [name, bundle] of offered) {
      if (await this.#pins.trustOnFirstUse(name, bundle) === "new") fresh.add(name);
      this.#bundles.set(name, bundle);
    }
    return await Promise.all(names.map(async (name) => {
      return { name, bundle: await this.#bundle(name), fresh: fresh.has(name) };
    }));
  }

  /**
   * The bundle of `name` whose fingerprint is `fp`: the pinned one, one that was pinned before (for
   * what arrived by then), or for somebody unknown the one that the server offers, which `pin` then
   * pins; nothing is pinned before the caller has verified what made it ask. Throws `key-changed`
   * if it is none of these, `no-such-user`, `no-key`.
   */
  async sender(
    name: string,
    fp: Bytes,
    arrived: number,
  ): Promise<{ bundle: Bundle; pin: () => Promise<void> }> {
    const settled = { pin: () => Promise.resolve() };
    if (name === this.#self.name) {
      const own = equal(this.#self.identity.bundle.fp, fp)
        ? this.#self.identity
        : await this.#self.retired.find(fp);
      if (own) return { bundle: own.bundle, ...settled };
      throw strange(name, fp, this.#self.identity.bundle.fp);
    }
    const pin = this.#pins.get(name);
    if (pin && equal(pin.fp, fp)) return { bundle: await this.#bundle(name), ...settled };
    if (pin) {
      const former = pin.former.find((key) => equal(key.fp, fp) && arrived <= key.until);
      if (former) return { bundle: await decodeBundle(former.bundle), ...settled };
      throw strange(name, fp, pin.fp);
    }
    const bundle = (await this.offered([name])).get(name);
    if (!bundle || !equal(bundle.fp, fp)) throw strange(name, fp, bundle?.fp ?? fp);
    return {
      bundle,
      pin: async () => {
        await this.#pins.trustOnFirstUse(name, bundle);
      },
    };
  }

  /** How far `fp` is known to be the key of `name`. A key that was replaced is not verified. */
  verification(name: string, fp: Bytes): Verification {
    if (name === this.#self.name) return OWN;
    const pin = this.#pins.get(name);
    return pin && equal(pin.fp, fp) ? verification(pin) : UNVERIFIED;
  }

  /**
   * What the server says the keys of `names` are now. Nothing is pinned by this; that another key
   * than the pinned one is offered is remembered.
   */
  async offered(names: readonly string[]): Promise<Map<string, Bundle>> {
    const out = new Map<string, Bundle>();
    for (let i = 0; i < names.length; i += MAX_KEYS) {
      const asked = names.slice(i, i + MAX_KEYS);
      const { keys } = await this.#ask(asked);
      for (const name of asked) {
        const key = keys.find((key) => key.name === name);
        if (!key || key.state === "unknown") {
          throw new SealpostError("no-such-user", `there is no user ${name} on this server`);
        }
        if (key.state === "no-key") {
          throw new SealpostError(
            "no-key",
            `${name} has never connected, so there is no key to seal with yet; ` +
              `ask ${name} to connect once, then send again`,
          );
        }
        out.set(name, await decodeBundle(fromBase64(key.bundle)));
      }
    }
    await this.#pins.noteOffered(out);
    return out;
  }

  async #ask(names: string[]) {
    try {
      return await this.#link.ask({ op: "keys", names });
    } catch (error) {
      if (!isSealpostError(error, "offline")) throw error;
      const who = names.length === 1
        ? `the key of ${names[0]} is`
        : `keys of ${names.join(", ")} are`;
      throw new SealpostError("offline", `${who} not known here yet, and ${error.message}`, {
        cause: error,
      });
    }
  }

  /** The pin of `name`; for oneself, the own key. Null if there is none. */
  #known(name: string): Uint8Array | null {
    return name === this.#self.name
      ? this.#self.identity.bundle.fp
      : this.#pins.get(name)?.fp ?? null;
  }

  async #bundle(name: string): Promise<Bundle> {
    if (name === this.#self.name) return this.#self.identity.bundle;
    const cached = this.#bundles.get(name);
    const pin = this.#pins.get(name);
    if (!pin) throw new SealpostError("internal", "a correspondent without a pin");
    if (cached && equal(cached.fp, pin.fp)) return cached;
    const bundle = await decodeBundle(pin.bundle);
    this.#bundles.set(name, bundle);
    return bundle;
  }
}

function strange(name: string, fp: Bytes, known: Bytes): SealpostError {
  return new SealpostError(
    "key-changed",
    `it claims to be from ${name} but has the key ${formatFingerprint(fp)}; the key known for ` +
      `${name} is ${formatFingerprint(known)}`,
  );
}
