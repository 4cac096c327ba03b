import { fit, printable } from "../../cli/printable.ts";
import type { SessionInfo, Stats, UserInfo } from "./protocol.ts";

// What operators' commands print for people.

/** `1 user`, `2 users`. */
export function quantity(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** `2026-11-29 10:15`, in local time; `-` for none. */
export function shownTime(ms: number | null): string {
  if (ms === null) return "-";
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `1.2 MiB`. */
export function shownSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let size = bytes;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit] ?? ""}`;
}

/** A table of users. */
export function listUsers(users: readonly UserInfo[]): string {
  return table(
    ["NAME", "STATE", "KEY", "BOUND", "MESSAGES", "UNSEEN", "SIZE", "SESSIONS"],
    users.map((user) => [
      user.name,
      user.state === "invited" ? `invited until ${shownTime(user.expires)}` : user.state,
      user.key === null ? "-" : user.key.slice(0, 17),
      shownTime(user.boundAt),
      String(user.entries),
      String(user.unseen),
      shownSize(user.bytes),
      String(user.sessions),
    ]),
  );
}

/** A table of sessions. */
export function listSessions(sessions: readonly SessionInfo[]): string {
  return table(
    ["ID", "NAME", "FROM", "CLIENT", "SINCE", "LAST RECEIVED"],
    sessions.map((session) => [
      `#${session.id}`,
      session.name,
      session.from,
      session.resumed ? "(resumed)" : session.client,
      shownTime(session.since),
      shownTime(session.lastReceived),
    ]),
  );
}

/** Counts and gauges, one topic a line. */
export function describeStats(stats: Stats): string {
  const { commits, store, network } = stats;
  const mean = commits.count === 0 ? "0" : (commits.writes / commits.count).toFixed(1);
  const failed = commits.failed === 0
    ? ""
    : `, ${commits.failed} failed${
      commits.lastFailure === null ? "" : ` (the last one: ${commits.lastFailure})`
    }`;
  const rows: readonly (readonly [string, string])[] = [
    [
      "server",
      `sealpost ${stats.version}, Deno ${stats.deno}, since ${shownTime(stats.startedAt)}`,
    ],
    ["address", stats.address],
    ["key", stats.fingerprint],
    ["users", `${stats.users}, ${stats.online} online with ${quantity(stats.sessions, "session")}`],
    [
      "connections",
      `${stats.connections} in all, ${stats.handshakes} not logged in yet`,
    ],
    ["turned away", counts(stats.rejected)],
    ["penalties", counts(stats.penalties)],
    ["logins", counts(stats.logins)],
    ["waiting", counts({ ...stats.queues, commit: store.waiting })],
    ["requests", counts(stats.requests)],
    ["refusals", counts(stats.refusals)],
    [
      "deliveries",
      `${stats.deliveries["stored"] ?? 0} stored (${shownSize(stats.messageBytes)}, ` +
      `${stats.copies} copies), ${stats.deliveries["again"] ?? 0} again`,
    ],
    ["network", `${shownSize(network["in"] ?? 0)} in, ${shownSize(network["out"] ?? 0)} out`],
    ["commits", `${commits.count}, ${mean} writes each${failed}`],
    [
      "store",
      `${store.entries} messages in ${store.accounts} mailboxes (${store.bound} with a key), ` +
      `${shownSize(store.bytes)}; database ${shownSize(store.database)}; ${store.tickets} tickets`,
    ],
    ["memory", shownSize(stats.memory)],
  ];
  return rows.map(([name, text]) => `${name.padEnd(13)}${text}`).join("\n");
}

function counts(of: Readonly<Record<string, number>>): string {
  const some = Object.entries(of).filter(([, count]) => count > 0);
  return some.length === 0 ? "none" : some.map(([kind, n]) => `${kind} ${n}`).join(", ");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const safe = [head, ...rows].map((row) => row.map((cell) => printable(cell)));
  const widths = head.map((_, at) => Math.max(...safe.map((row) => (row[at] ?? "").length)));
  return safe.map((row) =>
    row.map((cell, at) => fit(cell, widths[at] ?? 0, { pad: true })).join("  ").trimEnd()
  ).join("\n");
}
