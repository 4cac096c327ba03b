import * as v from "valibot";
import type { SharedRecord } from "../../protocol/shared_record.ts";
import type { SharedRecordClient } from "./shared_record.ts";

/** `removed/MACHINE` in the record that a person's machines share: that one was removed, and when. */
const PREFIX = "removed/";
const schema = v.object({ at: v.pipe(v.number(), v.safeInteger()) });

/**
 * Whether the machine `id`, which the server saw at `last` (milliseconds since 1970; null: never), was
 * removed, and has neither been here nor been linked again since.
 */
export function isRemoved(record: SharedRecord, id: string, last: number | null): boolean {
  const { value } = record.entries.get(PREFIX + id) ?? {};
  if (value === undefined) return false;
  const parsed = v.safeParse(schema, value);
  return !parsed.success || last === null || last <= parsed.output.at;
}

/**
 * Has all machines know that the machine `id` was removed, which the server saw at `last`, by its own
 * clock.
 */
export async function forgetMachine(
  shared: SharedRecordClient,
  id: string,
  last: number | null,
): Promise<void> {
  await shared.change((record) => {
    if (isRemoved(record, id, last)) return [];
    return [{ key: PREFIX + id, value: { at: Math.max(Date.now(), last ?? 0) }, isNew: false }];
  });
}

/** Takes it back for this machine, which was linked again. */
export async function returnMachine(shared: SharedRecordClient): Promise<void> {
  const { machine } = await shared.self();
  await shared.change((record) => {
    return isRemoved(record, machine, null)
      ? [{ key: PREFIX + machine, value: undefined, isNew: false }]
      : [];
  });
}

/** What the machine `id` changed last in the record, by the keys of the entries. */
export function traceOf(record: SharedRecord, id: string): string[] {
  return [...record.entries.values()].filter(({ machine, value }) => {
    return machine === id && value !== undefined;
  }).map(({ key }) => key).sort();
}
