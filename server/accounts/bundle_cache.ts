import { type Bytes, equal, toHex } from "../../crypto/bytes.ts";
import { type Bundle, decodeBundle } from "../../crypto/identity.ts";

/** Bundles that are kept: some 6 KiB of memory each. */
const CAPACITY = 256;

/**
 * The public keys of those who connected last, decoded and checked: whoever resumes again and again
 * does not have three keys imported each time. A bundle never changes under its fingerprint, so nothing
 * here is ever out of date; which key is an account's, the store says.
 */
export class BundleCache {
  /** By fingerprint in hexadecimal; the one that was used last is the last. */
  readonly #bundles = new Map<string, Bundle>();

  /** Decodes `bytes`, the encoded bundle with the fingerprint `fp`. Throws what `decodeBundle` does. */
  async decode(fp: Bytes, bytes: Bytes): Promise<Bundle> {
    const key = toHex(fp);
    const bundle = this.#bundles.get(key) ?? await decodeBundle(bytes);
    // A damaged store may have other keys under this fingerprint: those stand for themselves only.
    if (!equal(bundle.fp, fp)) return bundle;
    this.#bundles.delete(key);
    this.#bundles.set(key, bundle);
    if (this.#bundles.size > CAPACITY) {
      const [oldest] = this.#bundles.keys();
      if (oldest !== undefined) this.#bundles.delete(oldest);
    }
    return bundle;
  }

  /** How many are kept. */
  get size(): number {
    return this.#bundles.size;
  }
}
