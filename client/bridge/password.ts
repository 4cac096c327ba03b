import { type Bytes, equal, fromUtf8, random, toHex, utf8 } from "../../crypto/bytes.ts";
import { sleep } from "../../protocol/timer.ts";
import type { State } from "../state/state.ts";

const FILE = "bridge-password";

/** 128 bits. */
const SIZE = 16;

/** How long the first wrong password waits for its answer, and the longest, milliseconds. */
const SLOW = { first: 500, most: 30_000 } as const;

/** The bridge's own password for an account, sealed like the rest of the state; made if there is none. */
export async function bridgePassword(state: State, anew = false): Promise<string> {
  return await state.update(FILE, (current) => {
    const kept = anew ? null : current;
    const bytes = kept ?? utf8(formatPassword(random(SIZE)));
    return { data: kept ? null : bytes, result: fromUtf8(bytes) };
  });
}

/** 128 bits as eight groups of four hexadecimal digits. */
function formatPassword(bytes: Bytes): string {
  return toHex(bytes).replace(/(.{4})(?=.)/g, "$1-");
}

/** Compares what a mail program gave. Wrong ones are answered late, one after the other. */
export class PasswordCheck {
  #wrong = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(readonly pace: { readonly first: number; readonly most: number } = SLOW) {}

  /** Whether `given` is the password; a wrong one takes its time. `right`: null for nobody's. */
  async check(given: string, right: string | null): Promise<boolean> {
    const plain = utf8(given.trim().toLowerCase().replaceAll("-", ""));
    if (right !== null && equal(plain, utf8(right.replaceAll("-", "")))) {
      this.#wrong = 0;
      return true;
    }
    const { first, most } = this.pace;
    const wait = Math.min(most, first * 2 ** Math.min(this.#wrong++, 20));
    this.#queue = this.#queue.then(() => sleep(wait));
    await this.#queue;
    return false;
  }
}
