import { type Bytes, random } from "../crypto/bytes.ts";
import type { Identity } from "../crypto/identity.ts";
import { decapsulate } from "../crypto/kem.ts";
import { sleep } from "./timer.ts";

const FLOOR = 15;
const SAMPLES = 24;
/** How much earlier than it is due the timer is set to wake, milliseconds. */
const MARGIN = 2;
const CT_MLKEM_SIZE = 1088;

/**
 * Hides how long a private operation took: what it gave leaves only at a multiple of T after the
 * peer's last byte. This runtime's RSA-OAEP decryption is not blinded (RUSTSEC-2023-0071), so
 * its time may depend on the key.
 */
export class TimingGrid {
  /** `step`: T in milliseconds. */
  constructor(readonly step: number) {}

  /**
   * The grid for `identity`: T is at least 15 ms and four times the slowest of `samples` (24)
   * decapsulations of random ciphertexts measured now.
   */
  static async measure(identity: Identity, samples = SAMPLES): Promise<TimingGrid> {
    let slowest = 0;
    for (let i = 0; i < samples; i++) {
      const ctRsa: Bytes = random(identity.bundle.rsaBits / 8);
      // Below every modulus of this size, so that the operation runs to its end.
      ctRsa[0] = 0;
      const from = performance.now();
      await decapsulate(identity, "hs-server", ctRsa, random(CT_MLKEM_SIZE));
      slowest = Math.max(slowest, performance.now() - from);
    }
    return new TimingGrid(Math.max(FLOOR, Math.ceil(4 * slowest)));
  }

  /** The first multiple of T, 1 or more times T, that is not over when `passed` ms have passed. */
  due(passed: number): number {
    return Math.max(1, Math.ceil(passed / this.step)) * this.step;
  }

  /** Resolves at the first multiple of T after `from` (of `performance.now()`) that is not over. */
  async wait(from: number): Promise<void> {
    const due = from + this.due(performance.now() - from);
    // A timer counts whole milliseconds from when it is set: what is below one, which is as long as
    // the operation took, would show in when it fires. So the rest is spent looking at the clock.
    const coarse = Math.floor(due - performance.now()) - MARGIN;
    if (coarse > 0) await sleep(coarse);
    while (performance.now() < due);
  }
}
