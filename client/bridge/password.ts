import { type Bytes, equal, fromUtf8, random, toHex, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { sleep } from "../../protocol/timer.ts";
import type { State } from "../state/state.ts";

const FILE = "bridge-password";

/** 128 bits. */
const SIZE = 16;

/** How long the first wrong password waits for its answer, and the longest, milliseconds. */
const SLOW = { first: 500, most: 30_000 } as const;

/** Most wrong passwords that wait for their answers. */
const MAX_WAITING = 20;

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
  #waiting = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(readonly pace: { readonly first: number; readonly most: number } = SLOW) {}

  /**
   * Which of the passwords `right` is `given`; null for none of them, which takes its time. Throws `busy`
   * at once if too many wait for that.
   */
  async find(given: string, right: readonly string[]): Promise<number | null> {
    const plain = utf8(given.trim().toLowerCase().replaceAll("-", ""));
    const found = right.findIndex((one) => equal(plain, utf8(one.replaceAll("-", ""))));
    if (found >= 0) {
      this.#wrong = 0;
      return found;
    }
    if (this.#waiting >= MAX_WAITING) {
      throw new SealpostError("busy", "too many wrong passwords at a time; try again later");
    }
    const { first, most } = this.pace;
    const wait = Math.min(most, first * 2 ** Math.min(this.#wrong++, 20));
    this.#waiting++;
    this.#queue = this.#queue.then(() => sleep(wait)).then(() => this.#waiting--);
    await this.#queue;
    return null;
  }
}
