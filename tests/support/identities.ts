import { exists } from "@std/fs";
import { join } from "@std/path";
import {
  forgetPkcs8,
  generateIdentity,
  type Identity,
  identityToPem,
  type NewIdentity,
  newIdentityFromPem,
} from "../../crypto/identity.ts";
import { ROOT } from "./program.ts";

/** Where identities are kept from one run of the tests to the next. Whoever deletes it gets new ones. */
const POOL = join(ROOT, ".deno", "tmp", "identities");

const pems = new Map<string, Promise<string>>();
const identities = new Map<string, Promise<Identity>>();

/**
 * The identity of `name`: the same one in every test, generated once and kept in `.deno/tmp`, since
 * generating RSA keys takes most of the time of a short test. Tests that do not say otherwise get
 * the smallest size, 2048 bits.
 */
export function identityOf(name: string, rsaBits = 2048): Promise<Identity> {
  return remembered(identities, `${rsaBits} ${name}`, async () => {
    return forgetPkcs8(await newIdentityOf(name, rsaBits));
  });
}

/** {@linkcode identityOf}, to be written to a file or forgotten by the caller. */
export async function newIdentityOf(name: string, rsaBits = 2048): Promise<NewIdentity> {
  return await newIdentityFromPem(
    await remembered(pems, `${rsaBits} ${name}`, () => fromPool(name, rsaBits)),
  );
}

/** The private key file of `name` in the pool, which is made if it is not there. */
async function fromPool(name: string, rsaBits: number): Promise<string> {
  const path = join(POOL, `${encodeURIComponent(name)}.${rsaBits}.pem`);
  if (await exists(path)) return await Deno.readTextFile(path);
  await Deno.mkdir(POOL, { recursive: true, mode: 0o700 });
  // Tests run side by side, and all of them are to get the same keys.
  using lock = await Deno.open(join(POOL, "lock"), { create: true, write: true });
  await lock.lock(true);
  if (await exists(path)) return await Deno.readTextFile(path);
  const pem = await identityToPem(await generateIdentity({ rsaBits }));
  await Deno.writeTextFile(`${path}.new`, pem, { mode: 0o600 });
  await Deno.rename(`${path}.new`, path);
  return pem;
}

function remembered<T>(
  known: Map<string, Promise<T>>,
  key: string,
  make: () => Promise<T>,
): Promise<T> {
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}
