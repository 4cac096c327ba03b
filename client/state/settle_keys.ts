import { type Bytes, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, type SealpostError } from "../../crypto/error.ts";
import { formatFingerprint, type Identity } from "../../crypto/identity.ts";
import { NextKeys } from "../../files/next_keys.ts";
import type { LocalUser } from "./local_user.ts";
import { State } from "./state.ts";

/** What settling an interrupted key change needs. */
export interface Settling {
  readonly dir: string;
  readonly name: string;
  /** With the keys that are in place. */
  readonly person: LocalUser;
  /** Logs in, and out again. Throws `login-refused` if the account has another key. */
  readonly logIn: (identity: Identity, state: State) => Promise<void>;
  readonly passphrase: (path: string) => Promise<Bytes | null>;
  readonly announce: (line: string) => void;
}

/**
 * Asks the server whether an interrupted key change took effect, and completes or reverts it; returns the person as it is then. While another client of this user is at it, or the
 * server is away, nothing changes. Throws what loading the new key throws, and the refusal if the server
 * takes neither key.
 */
export async function settleKeys(settling: Settling): Promise<LocalUser> {
  const { dir, name, person, announce } = settling;
  using next = await NextKeys.take(dir, name);
  if (next === null) return person;
  let refused: SealpostError;
  try {
    await settling.logIn(person.identity, person.state);
    await next.discard();
    announce(
      "A change of your key was broken off before the server took it: your key is the one you had. " +
        '"keys rotate" begins anew.',
    );
    return person;
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    if (error.code !== "login-refused") return person;
    refused = error;
  }
  const identity = await next.load(settling.passphrase);
  const state = await State.open(dir, name, identity, person.retired);
  try {
    await settling.logIn(identity, state);
  } catch (error) {
    throw isSealpostError(error, "login-refused") ? refused : error;
  }
  await next.finish();
  announce(
    "A change of your key was broken off after the server had taken it, and is complete now: your " +
      `key is ${formatFingerprint(identity.bundle.fp)}.`,
  );
  return { identity, retired: person.retired, state };
}

/** Asks for a secret once, and gives a copy of it each time; {@linkcode forget} wipes it. */
export function remembered(ask: () => Promise<Bytes>) {
  let known: Promise<Bytes> | null = null;
  return {
    get: async () => (await (known ??= ask())).slice(),
    forget: async () => {
      const secret = await known?.catch(() => null);
      if (secret) wipe(secret);
      known = null;
    },
  };
}
