import * as v from "valibot";
import type { SharedRecord } from "../../protocol/shared_record.ts";
import type { Pins } from "../state/pins.ts";
import { dropKit, type KitDropping, knownKit } from "./kits.ts";
import { pinnedName } from "./shared_pins.ts";
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
  shared: Pick<SharedRecordClient, "change">,
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

/** What was taken back of what a machine had said. */
export interface TakenBack {
  /** Whose keys count as verified no more. */
  readonly unverified: readonly string[];
  /** The keys of other entries that it was the last to change. */
  readonly changed: readonly string[];
}

/** What of one's mail is needed here. */
interface Sharing {
  readonly shared: Pick<SharedRecordClient, "refresh" | "change">;
  readonly connection: KitDropping;
  readonly people: { readonly pins: Pick<Pins, "get" | "revokeVerification"> };
  shareTrust(): Promise<void>;
}

/**
 * For the machine `id`, which was lost: ends the kit, and undoes what the machine was the last to say of
 * verified keys. It stays on the list until {@linkcode forgetMachine} is called, so that what is broken off
 * before can be done again. The session must have begun with the password. Throws what the server refuses
 * with.
 */
export async function takeBack(mail: Sharing, id: string): Promise<TakenBack> {
  const record = await mail.shared.refresh();
  const trace = traceOf(record, id);
  if (knownKit(record) !== null) await dropKit(mail.shared, mail.connection);
  const unverified: string[] = [];
  for (const name of trace.flatMap((key) => pinnedName(key) ?? [])) {
    if (!mail.people.pins.get(name)?.verified) continue;
    await mail.people.pins.revokeVerification(name);
    unverified.push(name);
  }
  await mail.shareTrust();
  const changed = trace.filter((key) => {
    return pinnedName(key) === null && !key.startsWith("drafts-removed/");
  });
  return { unverified, changed };
}

/** What the machine `id` changed last in the record, by the keys of the entries. */
function traceOf(record: SharedRecord, id: string): string[] {
  return [...record.entries.values()].filter(({ machine, value }) => {
    return machine === id && value !== undefined;
  }).map(({ key }) => key).sort();
}
