import { errorText } from "../../crypto/error.ts";
import { assert } from "@std/assert";
import type { ErrorCode } from "../../crypto/error.ts";
import { assertRefusedAsync } from "../support/testing.ts";

/**
 * Runs `work` for every case of `list`, of which there must be one at least; what fails says which
 * case it was.
 */
export async function forEachCase<T extends { readonly name: string }>(
  list: readonly T[],
  work: (one: T) => Promise<void> | void,
): Promise<void> {
  assert(list.length > 0, "there are no cases");
  for (const one of list) {
    try {
      await work(one);
    } catch (cause) {
      const text = errorText(cause);
      throw new Error(`${one.name}: ${text}`, { cause });
    }
  }
}

/** Runs `read` for every case of `list`, which must be refused with just the error of the case. */
export async function forEachRefused<
  T extends { readonly name: string; readonly error: ErrorCode },
>(
  list: readonly T[],
  read: (one: T) => Promise<unknown> | unknown,
): Promise<void> {
  await forEachCase(list, async (one) => {
    await assertRefusedAsync(one.error, async () => await read(one));
  });
}
