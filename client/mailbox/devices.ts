import { formatTime } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { isRemoved } from "./removed_machines.ts";
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
  /** When it was here first and last, milliseconds since 1970; null if the server has not seen it. */
  readonly first: number | null;
  readonly last: number | null;
  /** The host that it came from last. */
  readonly source: string | null;
  readonly online: boolean;
  /** Whether it is this one. */
  readonly own: boolean;
}

/** The machines of the person, this one first, then the latest first. Throws what asking throws. */
export async function devicesOf(mail: Asking): Promise<Device[]> {
  const record = await mail.shared.introduce();
  const { machine } = await mail.shared.self();
  const { machines } = await mail.connection.ask({ op: "machines" });
  const seen = new Map(machines.map((one) => [one.id, one]));
  const ids = new Set([machine, ...seen.keys(), ...record.machines.keys()]);
  return [...ids].filter((id) => id === machine || !isRemoved(record, id)).map((id): Device => {
    const here = seen.get(id);
    return {
      id,
      name: record.machines.get(id)?.name ?? null,
      first: here?.first ?? null,
      last: here?.last ?? null,
      source: here?.source ?? null,
      online: here?.online ?? false,
      own: id === machine,
    };
  }).sort((a, b) => Number(b.own) - Number(a.own) || (b.last ?? 0) - (a.last ?? 0));
}

/** What a machine is called in a list. */
export function deviceName({ id, name }: Device): string {
  return name === null ? `#${id.slice(0, 8)}` : printable(name);
}

/** When and from where a machine was here last, in words. */
export function lastSeen({ last, source, online, own }: Device): string {
  if (own) return `this one, from ${printable(source ?? "")}`;
  if (last === null) return "not seen since your key was changed";
  const from = printable(source ?? "");
  return online ? `here now, from ${from}` : `${formatTime(last)}, from ${from}`;
}
