import { type Bytes, fromBase64, toBase64, wipe } from "../../crypto/bytes.ts";
import { encodeBundle, type Identity } from "../../crypto/identity.ts";
import { decapsulate } from "../../crypto/kem.ts";
import { TimingGrid } from "../../protocol/timing_grid.ts";
import { certify, rotationProof } from "../../protocol/rotation.ts";
import type { ClientSession } from "./client_session.ts";

/** Decapsulations that are timed before the one that is answered: see {@linkcode TimingGrid}. */
const GRID_SAMPLES = 6;

/** A session that began with the password, and whose it is. */
export interface RotationSession {
  readonly session: Pick<ClientSession, "ask">;
  readonly exporter: (label: string, context: Bytes) => Promise<Bytes>;
  readonly name: string;
  /** The fingerprint of the server's key. */
  readonly serverFp: Bytes;
}

/**
 * Has the server put the key `to` in the place of `from`, the session's: certifies it with both, and
 * proves the new one. When this resolves, `to` is the account's key and the session is at its end; if it
 * throws `connection-lost` or `timeout`, either may be. Throws what the server refuses with:
 * `login-refused` (a session that began with a ticket), `key-changed`, `limit`, `format`.
 */
export async function rotateKey(
  { session, exporter, name, serverFp }: RotationSession,
  from: Identity,
  to: Identity,
): Promise<void> {
  const { seq = 0 } = await session.ask({ op: "whoami" });
  const time = Date.now();
  const certificate = await certify({ name, serverFp, seq: seq + 1, time }, from, to);
  const grid = await TimingGrid.measure(to, GRID_SAMPLES);
  const asked = await session.ask({
    op: "rotate-begin",
    bundle: toBase64(encodeBundle(to.bundle)),
    certificate: toBase64(certificate),
  });
  const arrived = performance.now();
  const ctRsa = fromBase64(asked.ctRsa);
  const ctMlkem = fromBase64(asked.ctMlkem);
  const secret = await decapsulate(to, "rotate", ctRsa, ctMlkem);
  const proof = await rotationProof(secret, certificate, exporter);
  wipe(secret);
  await grid.wait(arrived);
  await session.ask({ op: "rotate", proof: toBase64(proof) });
}
