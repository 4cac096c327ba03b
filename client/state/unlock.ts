import { join } from "@std/path";
import { type Bytes, equal, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import {
  forgetPkcs8,
  type Identity,
  isEncryptedPem,
  type NewIdentity,
  newIdentityFromPem,
} from "../../crypto/identity.ts";
import {
  isThere,
  loadBundle,
  loadNewIdentity,
  privateKeyPath,
  publicKeyPath,
  readKeyFile,
  requirePrivate,
} from "../../files/key_files.ts";
import { forgetUnlocked, keepUnlocked, loadUnlocked } from "./unlocked.ts";

/** Shortest and longest time for which keys are kept without their passphrase, milliseconds. */
const LIFE = { min: 60_000, max: 7 * 86_400_000 };
const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `30m`, `8h` or `2d`, from a minute to a week. Throws `usage`. */
export function parseLife(text: string): number {
  const [, count, unit = ""] = /^(\d{1,5})([mhd])$/.exec(text) ?? [];
  const life = Number(count) * (UNITS[unit] ?? NaN);
  if (life >= LIFE.min && life <= LIFE.max) return life;
  throw new SealpostError(
    "usage",
    `${JSON.stringify(text)} is not such a time: write 30m, 8h or 2d, from 1m to 7d`,
  );
}

/**
 * Opens the keys of `name` as `loadIdentity` does, with those of the retired ones that have the same
 * passphrase, and keeps them for `life` milliseconds: see {@linkcode keepUnlocked}. `problem` receives
 * why they could not be kept; the passphrases that `ask` gives are wiped.
 */
export async function unlockKeys(
  dir: string,
  name: string,
  life: number,
  ask: (attempt: number) => Promise<Bytes | null>,
  problem: (error: SealpostError) => void,
): Promise<{ readonly identity: Identity; readonly others: readonly Identity[]; until: number }> {
  const given: Bytes[] = [];
  const until = Date.now() + life;
  const open: NewIdentity[] = [];
  try {
    const own = await loadNewIdentity(dir, name, async (attempt) => {
      const passphrase = await ask(attempt);
      if (passphrase) given.push(passphrase);
      return passphrase;
    });
    open.push(own);
    const passphrase = given.at(-1);
    if (passphrase) open.push(...await openRetired(dir, name, passphrase));
    try {
      await keepUnlocked(dir, name, open, until);
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      problem(error);
    }
    return { identity: forgetPkcs8(own), others: open.slice(1).map(forgetPkcs8), until };
  } finally {
    wipe(...given);
    for (const { pkcs8 } of open) wipe(pkcs8.rsa, pkcs8.mlkem, pkcs8.ed25519);
  }
}

/**
 * The keys of `name` that were unlocked before, its own first; null if there are none, or others than
 * those of the files. Throws `key-permissions`, `key-format`, `file-io`.
 */
export async function openUnlocked(
  dir: string,
  name: string,
): Promise<readonly [Identity, ...Identity[]] | null> {
  const kept = await loadUnlocked(dir, name);
  const [privatePath, publicPath] = [privateKeyPath(dir, name), publicKeyPath(dir, name)];
  if (!kept || !await isThere(privatePath) || !await isThere(publicPath)) return null;
  await requirePrivate(privatePath);
  const { fp } = await loadBundle(publicPath);
  const own = kept.find(({ bundle }) => equal(bundle.fp, fp));
  if (own) return [own, ...kept.filter((other) => other !== own)];
  await forgetUnlocked(dir, name);
  return null;
}

/** The retired keys that this passphrase opens. */
async function openRetired(dir: string, name: string, passphrase: Bytes): Promise<NewIdentity[]> {
  const open: NewIdentity[] = [];
  for await (const entry of Deno.readDir(dir)) {
    const start = `${name}_private.`;
    if (!entry.isFile || !entry.name.startsWith(start)) continue;
    if (!/^[0-9a-f]{8,}\.pem$/.test(entry.name.slice(start.length))) continue;
    const pem = await readKeyFile(join(dir, entry.name));
    if (!isEncryptedPem(pem)) continue;
    try {
      open.push(await newIdentityFromPem(pem, passphrase));
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      // Another passphrase, or not a key: it is said when it is needed.
    }
  }
  return open;
}
