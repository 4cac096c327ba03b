import { join } from "@std/path";
import { type Bytes, concat, equal, lp, readU32 } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { type Bundle, decodeBundle } from "../crypto/identity.ts";
import { formatPem, parsePem } from "../crypto/pem.ts";
import {
  type ChainLink,
  decodeServerCertificate,
  followServerChain,
} from "../protocol/rotation.ts";
import { writeFileAtomic } from "./atomic_file.ts";
import { isThere, readKeyFile } from "./key_files.ts";

/** Where a server's folder has the certificates of the keys that the server has left. */
export const CHAIN_NAME = "server_rotations.pem";

const LABEL = "SEALPOST SERVER ROTATION";

/** A key that the server has left by certificate for another. */
export interface LeftServerKey extends ChainLink {
  readonly left: Bundle;
  readonly fpNew: Bytes;
  /** The number of the certificate. */
  readonly seq: number;
  /** When the key was left, milliseconds since 1970. */
  readonly time: number;
}

/**
 * All that the file in `dir` has, oldest first; nothing if there is none. What it leads to is not looked
 * at. Throws `key-format`, `format`, `file-io`.
 */
export async function readServerChain(dir: string): Promise<LeftServerKey[]> {
  const path = join(dir, CHAIN_NAME);
  if (!await isThere(path)) return [];
  const links: LeftServerKey[] = [];
  for (const { label, der } of parsePem(await readKeyFile(path))) {
    if (label !== LABEL) throw new SealpostError("key-format", `${path} has a block ${label}`);
    const size = readU32(der, 0);
    const [certificate, bundle] = [der.slice(4, 4 + size), der.slice(8 + size)];
    const { fpNew, seq, time } = decodeServerCertificate(certificate);
    links.push({ certificate, bundle, left: await decodeBundle(bundle), fpNew, seq, time });
  }
  return links;
}

/** Writes the whole file anew: for each link, a PEM block of `LP(certificate) ‖ LP(bundle)`. */
export async function writeServerChain(dir: string, links: readonly ChainLink[]): Promise<void> {
  const blocks = links.map(({ certificate, bundle }) => {
    return formatPem(LABEL, concat(lp(certificate), lp(bundle)));
  });
  await writeFileAtomic(join(dir, CHAIN_NAME), blocks.join(""), { mode: 0o644 });
}

/**
 * The links of `chain` that lead to the key `present`, verified; none if it was not reached by
 * certificate. Throws `authentication` for one that does not verify.
 */
export async function chainTo(
  chain: readonly LeftServerKey[],
  present: Bundle,
): Promise<readonly LeftServerKey[]> {
  const links: LeftServerKey[] = [];
  let reached = present.fp;
  for (const link of chain.toReversed()) {
    if (!equal(link.fpNew, reached)) continue;
    links.unshift(link);
    reached = link.left.fp;
  }
  const first = links[0];
  if (first) await followServerChain({ bundle: first.left, seq: null }, links, present);
  return links;
}
