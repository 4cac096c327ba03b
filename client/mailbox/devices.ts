import { formatTime } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import { isDeviceName } from "../../protocol/link.ts";
import type { SharedRecord } from "../../protocol/shared_record.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { isRemoved } from "./removed_machines.ts";
import { presentRunner, rulesOf } from "./rules.ts";
import type { SharedRecordClient } from "./shared_record.ts";

/** What of one's mail is needed here. */
interface Asking {
  readonly shared: SharedRecordClient;
  readonly connection: Pick<ReconnectingConnection, "ask">;
}

/** A machine of the person: what the server saw of it, and what the shared record calls it. */
export interface Device {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** Null for one that has not said what it is called. */
  readonly name: string | null;
  /**
   * What it is called in lists, where no other is called so: its name; if another has the same, with the
   * beginning of its id; that alone if it has no name.
   */
  readonly label: string;
  /** When it was here first and last, milliseconds since 1970; null if the server has not seen it. */
  readonly first: number | null;
  readonly last: number | null;
  /** The host that it came from last. */
  readonly source: string | null;
  readonly online: boolean;
  /** Whether it is this one. */
  readonly own: boolean;
  /** Whether it runs the person's rules. */
  readonly runsRules: boolean;
}

/** The machines of the person, this one first, then the latest first. Throws what asking throws. */
export async function devicesOf(mail: Asking): Promise<Device[]> {
  const record = await mail.shared.introduce();
  const { machine } = await mail.shared.self();
  const { machines } = await mail.connection.ask({ op: "machines" });
  const seen = new Map(machines.map((one) => [one.id, one]));
  const ids = new Set([machine, ...seen.keys(), ...record.machines.keys()]);
  const present = [...ids].filter((id) =>
    id === machine || !isRemoved(record, id, seen.get(id)?.last ?? null)
  );
  const nameOf = (id: string) => record.machines.get(id)?.name ?? null;
  const names = present.map(nameOf);
  const runner = rulesOf(record).length === 0 ? null : presentRunner(record);
  return present.map((id): Device => {
    const here = seen.get(id);
    const name = nameOf(id);
    const alone = names.filter((other) => other === name).length === 1;
    return {
      id,
      name,
      label: labelOf(id, name, alone),
      first: here?.first ?? null,
      last: here?.last ?? null,
      source: here?.source ?? null,
      online: here?.online ?? false,
      own: id === machine,
      runsRules: id === runner?.machine,
    };
  }).sort((a, b) => Number(b.own) - Number(a.own) || (b.last ?? 0) - (a.last ?? 0));
}

function labelOf(id: string, name: string | null, alone: boolean): string {
  const short = id.slice(0, 8);
  if (name === null) return short;
  return alone ? printable(name) : `${printable(name)}-${short}`;
}

/**
 * `name`, or if another machine that was not removed is called so, `name-2` or the next that is free: for
 * the machine `id`, before the others know of it.
 */
export function freeName(record: SharedRecord, id: string, name: string): string {
  const taken = new Set(
    [...record.machines.values()].filter((one) => one.id !== id && !isRemoved(record, one.id, null))
      .map((one) => one.name),
  );
  let free = name;
  for (let n = 2; taken.has(free); n++) free = `${name}-${n}`;
  return isDeviceName(free) ? free : name;
}

/** When and from where a machine was here last, and whether it runs rules, in words. */
export function lastSeen(device: Device): string {
  return device.runsRules ? `${seen(device)}; runs your rules` : seen(device);
}

function seen({ last, source, online, own }: Device): string {
  if (own) return `this one, from ${printable(source ?? "")}`;
  if (last === null) return "not seen since your key was changed";
  const from = printable(source ?? "");
  return online ? `here now, from ${from}` : `${formatTime(last)}, from ${from}`;
}
