import type { SharedRecord } from "../../protocol/shared_record.ts";
import type { SharedRecordClient } from "./shared_record.ts";

/** `removed/MACHINE` in the record that a person's machines share: that one was lost. */
const PREFIX = "removed/";

/** Whether the machine `id` was removed, and not linked again since. */
export function isRemoved(record: SharedRecord, id: string): boolean {
  return record.entries.get(PREFIX + id)?.value !== undefined;
}

/** Has all machines know that the machine `id` was removed. */
export async function forgetMachine(shared: SharedRecordClient, id: string): Promise<void> {
  await shared.change((record) => {
    return isRemoved(record, id)
      ? []
      : [{ key: PREFIX + id, value: { at: Date.now() }, isNew: false }];
  });
}

/** Takes it back for this machine, which was linked again. */
export async function returnMachine(shared: SharedRecordClient): Promise<void> {
  const { machine } = await shared.self();
  await shared.change((record) => {
    return isRemoved(record, machine)
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
