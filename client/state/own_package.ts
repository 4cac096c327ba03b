import { join } from "@std/path";
import { type Bytes, fromBase64 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import {
  encodeBundle,
  forgetPkcs8,
  identityToPem,
  isEncryptedPem,
  newIdentityFromPem,
} from "../../crypto/identity.ts";
import {
  loadBundle,
  loadNewIdentity,
  privateKeyPath,
  publicKeyPath,
  readKeyFile,
} from "../../files/key_files.ts";
import { pinnedServers } from "../../files/server_pin.ts";
import type { Address } from "../../protocol/address.ts";
import type { DevicePackage } from "../../protocol/device_package.ts";
import { retiredKeyFiles } from "./retired_keys.ts";
import { SharedRecordFile } from "./shared_record.ts";
import type { State } from "./state.ts";

/**
 * What another machine of the person needs, from the client's folder `dir`: key files as they are, so
 * that a passphrase stays on them. `head`: the newest head of the server's key log, in base64. Throws `file-missing`, `key-format`, `file-io`.
 */
export async function ownPackage(
  dir: string,
  name: string,
  address: Address,
  state: State,
  head: string,
): Promise<DevicePackage> {
  const { record, seen } = await new SharedRecordFile(state).load();
  const retired = await Promise.all(
    (await retiredKeyFiles(dir, name)).map(async ({ short, file }) => {
      return { short, pem: await readKeyFile(join(dir, file)) };
    }),
  );
  return {
    name,
    servers: [address],
    chain: (await pinnedServers(dir)).toReversed().map(encodeBundle),
    bundle: encodeBundle(await loadBundle(publicKeyPath(dir, name))),
    key: await readKeyFile(privateKeyPath(dir, name)),
    retired,
    record,
    seen,
    head: fromBase64(head),
  };
}

/**
 * {@linkcode ownPackage} with key files without passphrase, which `ask` gives where there is one, as
 * `loadIdentity` asks for it. Throws `passphrase` too.
 */
export async function openPackage(
  dir: string,
  name: string,
  address: Address,
  state: State,
  head: string,
  ask: (attempt: number) => Promise<Bytes | null>,
): Promise<DevicePackage> {
  const one = await ownPackage(dir, name, address, state, head);
  if (!isEncryptedPem(one.key)) return one;
  let passphrase: Bytes | null = null;
  const identity = await loadNewIdentity(
    dir,
    name,
    async (attempt) => passphrase = await ask(attempt),
  );
  try {
    const retired = await Promise.all(one.retired.map(async ({ short, pem }) => {
      return { short, pem: await withoutPassphrase(pem, passphrase) };
    }));
    return { ...one, key: await identityToPem(identity), retired };
  } finally {
    forgetPkcs8(identity);
  }
}

/** A retired key file without its passphrase; as it is if it has another one. */
async function withoutPassphrase(pem: string, passphrase: Bytes | null): Promise<string> {
  if (!isEncryptedPem(pem) || passphrase === null) return pem;
  try {
    const identity = await newIdentityFromPem(pem, passphrase);
    const open = await identityToPem(identity);
    forgetPkcs8(identity);
    return open;
  } catch (error) {
    if (!isSealpostError(error, "passphrase")) throw error;
    return pem;
  }
}
