import { type Bytes, equal, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { type Bundle, forgetPkcs8, formatFingerprint } from "../../crypto/identity.ts";
import { RSA_BITS } from "../../crypto/rsa.ts";
import {
  isThere,
  loadPrivateKey,
  privateKeyPath,
  publicKeyPath,
  saveIdentityFiles,
  savePublicKey,
} from "../../files/key_files.ts";
import { PROGRAM } from "../../cli/program.ts";
import { makeIdentity } from "../../cli/make_identity.ts";
import { passphraseBytes, passphraseFromEnvironment } from "../../cli/secret_input.ts";
import { askPassphrase, openLocalUser } from "../session.ts";
import type { LocalUser } from "../state/local_user.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { shown } from "./folder.ts";

/** What a setup works with. */
export interface Place {
  readonly terminal: Terminal;
  /** The client's folder. */
  readonly dir: string;
  readonly name: string;
  /** Tells the person something, on standard error if standard output is for a program. */
  readonly say: (line?: string) => void;
}

/** A person's keys, opened. */
export interface OpenKeys {
  readonly person: LocalUser;
  /** Whether `password` is the passphrase of the keys, as far as that is known. */
  readonly isPassphrase: (password: string) => boolean;
}

/**
 * The keys of the folder, which are made if they are not there; what is there is never replaced.
 * `oneTime` is the password that the person knows already: no passphrase. `arrived`: the keys have just
 * come from another machine, or from a kit. Throws `passphrase`, `key-permissions`, `key-format`,
 * `key-mismatch`, `cancelled`, `disk-full`, `file-io`.
 */
export async function openKeys(
  place: Place,
  oneTime: string | null,
  arrived = false,
): Promise<OpenKeys> {
  const { terminal, dir, name, say } = place;
  let passphrase: Bytes | null = null;
  const ask = async (attempt: number) => {
    if (attempt > 1 || passphrase === null) {
      passphrase = await askPassphrase(terminal, name, attempt);
    }
    return passphrase?.slice() ?? null;
  };
  if (!await isThere(privateKeyPath(dir, name))) {
    if (await isThere(publicKeyPath(dir, name))) throw halfAPair(dir, name);
    passphrase = await choosePassphrase(terminal, oneTime, () => explainKeys(place, oneTime));
    const bundle = await makeKeys(place, passphrase);
    say(`Made your keys. Their fingerprint is\n  ${formatFingerprint(bundle.fp)}`);
  } else {
    say(
      arrived ? `Your keys are in ${shown(dir)} now.` : `Your keys are in ${shown(dir)} already.`,
    );
    if (!await isThere(publicKeyPath(dir, name))) {
      const { bundle } = await loadPrivateKey(dir, name, ask);
      await savePublicKey(dir, name, bundle);
    }
  }
  const person = await openLocalUser(terminal, dir, name, ask);
  return {
    person,
    isPassphrase: (password) => {
      return passphrase !== null && equal(passphraseBytes(password), passphrase);
    },
  };
}

async function makeKeys({ dir, name }: Place, passphrase: Bytes | null): Promise<Bundle> {
  const identity = await makeIdentity(RSA_BITS.usual);
  try {
    await saveIdentityFiles(dir, name, identity, { passphrase: passphrase ?? undefined });
    return identity.bundle;
  } finally {
    forgetPkcs8(identity);
  }
}

/** What a person has to know of a passphrase. */
export const PASSPHRASE_USE =
  `you are asked for it when Sealpost starts, or once in some hours with "${PROGRAM} unlock". Press ` +
  "Enter for none. It must not be your password, which the server sees when you log in.";

/** Tells somebody new what is to happen. */
function explainKeys({ name, say }: Place, oneTime: string | null): void {
  say();
  // People without an invitation have an account, and maybe keys on another machine.
  if (oneTime === null) {
    say(
      `There are no keys of ${name} on this machine. If you are ${name} on another machine already, ` +
        `press Ctrl-C and ${linkInstead()}: the server lets no other keys in, and none but ` +
        "those read your mail.",
    );
    say();
  }
  say(
    "Your keys are made on this machine and stay on it. A passphrase keeps them shut for whoever " +
      `copies your files; ${PASSPHRASE_USE}`,
  );
}

/**
 * From the environment or the person, who is told by `explain` what it is for, and must not take the
 * password `oneTime`; null for none, as without a person. Throws `cancelled`.
 */
export async function choosePassphrase(
  terminal: Terminal,
  oneTime: string | null,
  explain: () => void,
): Promise<Bytes | null> {
  const fixed = passphraseFromEnvironment();
  if (fixed !== null) return passphraseBytes(fixed);
  if (!terminal.interactive) return null;
  explain();
  for (;;) {
    const first = await terminal.askSecret("Passphrase (Enter for none): ");
    if (first === null) throw new SealpostError("cancelled", "the input has ended");
    if (first.length === 0) return null;
    if (fromUtf8(first) === oneTime) {
      terminal.printError("That is the password of your invitation, which the server knows.");
      wipe(first);
      continue;
    }
    const second = await terminal.askSecret("The same again: ");
    if (second && equal(first, second)) return first;
    wipe(first);
    terminal.printError("The two are not the same.");
  }
}

/** What somebody does whose keys are on another machine. */
export function linkInstead(): string {
  return `run "${PROGRAM} devices add" there, and "${PROGRAM} setup --device" here`;
}

function halfAPair(dir: string, name: string): SealpostError {
  return new SealpostError(
    "file-exists",
    `${publicKeyPath(dir, name)} is there without its private key; put the private key back, or ` +
      "move the public one away to have new keys made",
  );
}
