import { formatSize } from "../../cli/format.ts";
import { PROGRAM } from "../../cli/program.ts";
import { fromUtf8, utf8 } from "../../crypto/bytes.ts";
import type { Response } from "../../protocol/request.ts";
import type { State } from "../state/state.ts";

/** From which part of it on a full mailbox is warned of. */
const NEARLY = 0.9;
/** How often, milliseconds (1 day). */
const PAUSE = 86_400_000;
const FILE = "quota-warned";

/** What a mailbox takes, and may take if that is bounded, bytes. */
export type Usage = Pick<Response<"whoami">, "bytes" | "quota">;

/** `2.1 of 10 GiB used (21 %)`; without a quota what is stored. */
export function usageText({ bytes, quota }: Usage): string {
  if (quota === undefined) return `${formatSize(bytes)} stored`;
  return `${formatSize(bytes)} of ${formatSize(quota)} used (${percent(bytes, quota)} %)`;
}

function percent(bytes: number, quota: number): number {
  return quota === 0 ? 100 : Math.floor(bytes / quota * 100);
}

/** Whether a mailbox is full, or nearly so. */
export function isNearlyFull({ bytes, quota }: Usage): boolean {
  return quota !== undefined && bytes >= quota * NEARLY;
}

/** What to say of a mailbox that {@linkcode isNearlyFull}, to its owner. */
export function fullText(usage: Usage): string {
  return `Your mailbox is nearly full: ${
    usageText(usage)
  }. When it is full nobody can write to you, and you ` +
    `can send nothing: remove what you do not need ("${PROGRAM} delete --for-good"), or ask the operator ` +
    "for more room.";
}

/** The warning for a nearly full mailbox, once a day; null if there is nothing to say. Throws as State does. */
export async function quotaWarning(
  state: State,
  usage: Usage,
  now = Date.now(),
): Promise<string | null> {
  const told = await state.read(FILE);
  if (!isNearlyFull(usage)) {
    if (told !== null) await state.remove(FILE);
    return null;
  }
  const since = told === null ? Infinity : now - Number(fromUtf8(told));
  if (since >= 0 && since < PAUSE) return null;
  await state.write(FILE, utf8(String(now)));
  return fullText(usage);
}
