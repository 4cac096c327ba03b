import { type Bytes, equal, fromBase64, toBase64 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import {
  type Bundle,
  decodeBundle,
  formatFingerprint,
  type Identity,
} from "../../crypto/identity.ts";
import { MAX_KEYS } from "../../protocol/limits.ts";
import { OPERATOR } from "../../protocol/name.ts";
import {
  type ChainKey,
  type ChainLink,
  decodeCertificate,
  followChain,
  MAX_CHAIN,
  MAX_LINKS,
  ROTATION_SLACK,
} from "../../protocol/rotation.ts";
import type { Response } from "../../protocol/request.ts";
import type { Channel } from "../connection/client_session.ts";
import { keyChanged, KeyChangedError, type Pin, type Pins } from "../state/pins.ts";
import type { RetiredKeys } from "../state/retired_keys.ts";
import { BY_OPERATOR, OWN, UNVERIFIED, type Verification, verification } from "./verification.ts";

/** Somebody whose key is known. */
export interface Correspondent {
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

/** One's own identity with the fingerprint `fp`: the present one, or a retired one. Throws `format`. */
export async function ownIdentity({ identity, retired }: Self, fp: Bytes): Promise<Identity> {
  if (equal(fp, identity.bundle.fp)) return identity;
  const former = await retired.find(fp);
  if (former) return former;
  throw new SealpostError("format", "it is sealed for a key that is not here");
}

/** A key that took the place of another. */
export interface Rotated {
  readonly name: string;
  readonly from: Bytes;
  readonly to: Bytes;
  /** Whether the old one had been verified by the person. */
  readonly wasVerified: boolean;
}

/** What tells whether the server says of keys what it says to everybody. */
export interface KeyWitness {
  /** The fingerprints of the server's keys that certificates may name. */
  readonly serverFps: readonly Bytes[];
  /** The server's key `fp`, if it was the server's when something arrived; null if it was not. */
  serverKey(fp: Bytes, arrived: number): Bundle | null;
  /** Throws `protocol` unless the server's key log, with this head, says the same of `keys`. */
  confirm(channel: Channel, keys: Response<"keys">["keys"], head: string): Promise<void>;
}

/**
 * The keys of correspondents: pinned at first use, never replaced in silence, and never without either
 * certificates that lead from the pinned one or a person's word.
 */
export class People {
  readonly #channel: Channel;
  readonly #pins: Pins;
  readonly #self: Self;
  readonly #bundles = new Map<string, Bundle>();
  /** What is wrong with the certificates of somebody's new key, by name. */
  readonly #faults = new Map<string, string>();
  /** Keys of senders that were asked about already, in vain. */
  readonly #asked = new Set<string>();
  readonly #log: KeyWitness;
  /** Told of every key that took the place of a pinned one because certificates say so. */
  onRotated: (change: Rotated) => void = () => {};

  constructor(channel: Channel, pins: Pins, self: Self, log: KeyWitness) {
    this.#log = log;
    this.#channel = channel;
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
  async find(names: readonly string[]): Promise<Correspondent[]> {
    const unknown = [...new Set(names)].filter((name) => this.fingerprint(name) === null);
    const offered = await this.#standings(unknown);
    const fresh = new Set<string>();
    for (const [name, { bundle, seq }] of offered) {
      if (await this.#pins.trustOnFirstUse(name, bundle, seq) === "new") fresh.add(name);
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
   * if it is none of these, `no-such-user`, `no-key`, and `authentication` for an announcement that is
   * not the server's.
   */
  async sender(
    name: string,
    fp: Bytes,
    arrived: number,
  ): Promise<{ bundle: Bundle; pin: () => Promise<void> }> {
    const settled = { pin: () => Promise.resolve() };
    if (name === OPERATOR) {
      const server = this.#log.serverKey(fp, arrived);
      if (server) return { bundle: server, ...settled };
      throw new SealpostError(
        "authentication",
        "it claims to be from the server's operator, and is not signed with a key of the server",
      );
    }
    if (name === this.#self.name) {
      const own = equal(this.#self.identity.bundle.fp, fp)
        ? this.#self.identity
        : await this.#self.retired.find(fp);
      if (own) return { bundle: own.bundle, ...settled };
      throw unexpectedKey(name, fp, this.#self.identity.bundle.fp);
    }
    const known = await this.#pinned(name, fp, arrived);
    if (known) return { bundle: known, ...settled };
    const asked = `${name} ${toBase64(fp)}`;
    const before = this.#pins.get(name);
    if (before && this.#asked.has(asked)) throw unexpectedKey(name, fp, before.fp);
    const now = (await this.#reachable([name], before !== null)).get(name);
    if (before) {
      // The key may have been rotated since it was pinned.
      const bundle = await this.#pinned(name, fp, arrived);
      if (bundle) return { bundle, ...settled };
      if (now) this.#asked.add(asked);
      throw unexpectedKey(name, fp, this.#pins.get(name)?.fp ?? before.fp);
    }
    if (!now) throw unexpectedKey(name, fp, fp);
    if (equal(now.bundle.fp, fp)) {
      return {
        bundle: now.bundle,
        pin: async () => {
          await this.#pins.trustOnFirstUse(name, now.bundle, now.seq);
        },
      };
    }
    return await this.#formerSender(name, fp, arrived, now);
  }

  /** The key `fp` of `name`, if it is pinned, or was when something arrived. */
  async #pinned(name: string, fp: Bytes, arrived: number): Promise<Bundle | null> {
    const pin = this.#pins.get(name);
    if (!pin) return null;
    if (equal(pin.fp, fp)) return await this.#bundle(name);
    const former = pin.former.find((key) => equal(key.fp, fp) && arrived <= key.until);
    return former ? await decodeBundle(former.bundle) : null;
  }

  /** Somebody unknown, who wrote with a key that was left since for the one that is offered. */
  async #formerSender(
    name: string,
    fp: Bytes,
    arrived: number,
    now: ChainKey,
  ): Promise<{ bundle: Bundle; pin: () => Promise<void> }> {
    const links = await this.#chain(name, fp);
    const first = links[0];
    if (first) {
      const bundle = await decodeBundle(first.bundle);
      const start = { bundle, seq: decodeCertificate(first.certificate).seq - 1 };
      const whose = { name, serverFps: this.#log.serverFps, retired: [] };
      const followed = await followChain(whose, start, links, now.bundle);
      const until = (followed.left[0]?.time ?? 0) + ROTATION_SLACK;
      if (equal(bundle.fp, fp) && arrived <= until) {
        return {
          bundle,
          pin: async () => {
            await this.#pins.follow(name, followed);
          },
        };
      }
    }
    throw unexpectedKey(name, fp, now.bundle.fp);
  }

  /**
   * The bundle of `name` with the fingerprint `fp`, if the server has it: the present one, or one that
   * was left. Its fingerprint is what makes it the right one. Null if the server has it not.
   */
  async bundleOf(name: string, fp: Bytes): Promise<Bundle | null> {
    const { keys: [key] } = await this.#ask([name]);
    if (key?.state === "bound") {
      const bundle = await decodeBundle(fromBase64(key.bundle));
      if (equal(bundle.fp, fp)) return bundle;
    }
    return await this.leftBundle(name, fp);
  }

  /** The bundle of `name` with the fingerprint `fp`, which was left for another by certificate; or null. */
  async leftBundle(name: string, fp: Bytes): Promise<Bundle | null> {
    const [first] = await this.#chain(name, fp);
    if (!first) return null;
    const bundle = await decodeBundle(first.bundle);
    return equal(bundle.fp, fp) ? bundle : null;
  }

  /** How far `fp` is known to be the key of `name`. A key that was replaced is not verified. */
  verification(name: string, fp: Bytes): Verification {
    if (name === this.#self.name) return OWN;
    if (name === OPERATOR) return BY_OPERATOR;
    const pin = this.#pins.get(name);
    return pin && equal(pin.fp, fp) ? verification(pin) : UNVERIFIED;
  }

  /**
   * What the server says the keys of `names` are now. Nothing new is pinned by this; where another key
   * than the pinned one is offered, it takes its place if certificates lead from the pinned one to it,
   * and else that it is offered is remembered.
   */
  async offered(names: readonly string[]): Promise<Map<string, Bundle>> {
    const standings = await this.#standings(names);
    return new Map([...standings].map(([name, { bundle }]) => [name, bundle]));
  }

  /**
   * Those of `names` whose key took the place of one that the person had verified, and who have not been
   * confirmed: here, or by another client of this user. Throws as {@linkcode Pins.load} does.
   */
  async unconfirmed(names: readonly string[]): Promise<Pin[]> {
    const waiting = () =>
      names.flatMap((name) => this.#pins.get(name) ?? [])
        .filter((pin) => pin.unconfirmed !== null);
    if (waiting().length > 0) await this.#pins.reload();
    return waiting();
  }

  /** The error for the key `offered` of somebody who has another one pinned. */
  changed(pin: Pin, offered: Bytes): SealpostError {
    return keyChanged(this.#pins.get(pin.name) ?? pin, offered, this.#faults.get(pin.name));
  }

  /** As `#standings`; nothing, if that is `enough` and the server is away or knows no such key. */
  async #reachable(names: readonly string[], enough: boolean): Promise<Map<string, ChainKey>> {
    try {
      return await this.#standings(names);
    } catch (error) {
      const nothing = isSealpostError(
        error,
        "offline",
        "connection-lost",
        "no-such-user",
        "no-key",
      );
      if (enough && nothing) return new Map();
      throw error;
    }
  }

  async #standings(names: readonly string[]): Promise<Map<string, ChainKey>> {
    const out = new Map<string, ChainKey>();
    for (let i = 0; i < names.length; i += MAX_KEYS) {
      const asked = names.slice(i, i + MAX_KEYS);
      const { keys: answered, head } = await this.#ask(asked);
      // Who is left out is said to be unknown.
      const keys = asked.map((name) => {
        return answered.find((key) => key.name === name) ?? { name, state: "unknown" as const };
      });
      await this.#log.confirm(this.#channel, keys, head);
      for (const key of keys) {
        const { name } = key;
        if (key.state === "unknown") {
          throw new SealpostError("no-such-user", `there is no user ${name} on this server`);
        }
        if (key.state === "no-key") {
          throw new SealpostError(
            "no-key",
            `${name} has never connected, so there is no key to seal with yet; ` +
              `ask ${name} to connect once, then send again`,
          );
        }
        out.set(name, { bundle: await decodeBundle(fromBase64(key.bundle)), seq: key.seq ?? 0 });
      }
    }
    for (const [name, { bundle }] of out) await this.#follow(name, bundle);
    await this.#pins.noteOffered([...out].map(([name, { bundle }]) => [name, bundle] as const));
    return out;
  }

  /** Goes from the pinned key of `name` to `offered`, if certificates lead there. */
  async #follow(name: string, offered: Bundle): Promise<void> {
    const pin = this.#pins.get(name);
    this.#faults.delete(name);
    if (!pin || equal(pin.fp, offered.fp)) return;
    try {
      const links = await this.#chain(name, pin.fp);
      const first = links[0];
      if (!first) return;
      const seq = pin.seq ?? decodeCertificate(first.certificate).seq - 1;
      const followed = await followChain(
        { name, serverFps: this.#log.serverFps, retired: pin.former.map(({ fp }) => fp) },
        { bundle: await decodeBundle(pin.bundle), seq },
        links,
        offered,
      );
      if (!await this.#pins.follow(name, followed)) return;
    } catch (error) {
      if (!isSealpostError(error, "authentication", "format", "key-format", "limit")) throw error;
      this.#faults.set(name, error.message);
      return;
    }
    const { fp: from, verified } = pin;
    this.onRotated({ name, from, to: offered.fp, wasVerified: verified !== null });
  }

  /** The certificates since the key `since` of `name`, as the server has them. */
  async #chain(name: string, since: Bytes): Promise<ChainLink[]> {
    const out: ChainLink[] = [];
    for (let at = since; out.length <= MAX_CHAIN;) {
      const request = { op: "rotations" as const, name, since: toBase64(at) };
      const { links } = await this.#channel.ask(request);
      const page = links.map(({ certificate, bundle }) => {
        return { certificate: fromBase64(certificate), bundle: fromBase64(bundle) };
      });
      out.push(...page);
      const last = page.at(-1);
      if (!last || page.length < MAX_LINKS) break;
      at = decodeCertificate(last.certificate).fpNew;
    }
    return out;
  }

  async #ask(names: string[]) {
    try {
      return await this.#channel.ask({ op: "keys", names });
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

  /** The fingerprint that is pinned for `name`; for oneself, that of the own key. Null if there is none. */
  fingerprint(name: string): Bytes | null {
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

/** In a sentence for a person, that somebody's key was replaced, and what to do. */
export function rotatedText({ name, from, to, wasVerified }: Rotated): string {
  const next = wasVerified
    ? `; you had verified the old one: what you send waits until you compare the new one with ` +
      `"keys verify ${name}", or take it with "keys trust ${name}"`
    : "";
  return `${name} has a new key, and the old one has signed that: ${
    formatFingerprint(to)
  } in the ` +
    `place of ${formatFingerprint(from)}${next}.`;
}

function unexpectedKey(name: string, fp: Bytes, known: Bytes): KeyChangedError {
  return new KeyChangedError(
    name,
    `it claims to be from ${name} but has the key ${formatFingerprint(fp)}; the key known for ` +
      `${name} is ${formatFingerprint(known)}`,
  );
}
