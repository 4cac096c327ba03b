import { alignColumns } from "../../cli/columns.ts";
import { formatSize, formatTime } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import type { SessionInfo, Stats, UserInfo } from "./protocol.ts";

// What operators' commands print.

/** `1 user`, `2 users`. */
export function quantity(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** A time in local time; `-` for none. */
function timeOrDash(ms: number | null): string {
  return ms === null ? "-" : formatTime(ms);
}

/** A table of users. */
export function formatUsers(users: readonly UserInfo[]): string {
  return table(
    [
      "NAME",
      "FULL NAME",
      "STATE",
      "KEY",
      "BOUND",
      "LAST SEEN",
      "MACHINES",
      "MESSAGES",
      "UNSEEN",
      "SIZE",
      "SESSIONS",
    ],
    users.map((user) => [
      user.name,
      user.fullName ?? "-",
      user.state === "invited" ? `invited until ${timeOrDash(user.expires)}` : user.state,
      user.key === null ? "-" : user.key.slice(0, 17),
      timeOrDash(user.boundAt),
      timeOrDash(user.lastSeen),
      String(user.machines),
      String(user.entries),
      String(user.unseen),
      user.quota === null
        ? formatSize(user.bytes)
        : `${formatSize(user.bytes)} of ${formatSize(user.quota)}`,
      String(user.sessions),
    ]),
  );
}

/** A table of sessions. */
export function formatSessions(sessions: readonly SessionInfo[]): string {
  const several = sessions.some(({ node }) => node !== null);
  return table(
    ["ID", ...several ? ["SERVER"] : [], "NAME", "FROM", "CLIENT", "SINCE", "LAST RECEIVED"],
    sessions.map((session) => [
      `#${session.id}`,
      ...several ? [session.node === null ? "-" : String(session.node)] : [],
      session.name,
      session.from,
      session.resumed ? "(resumed)" : session.client,
      formatTime(session.since),
      formatTime(session.lastReceived),
    ]),
  );
}

/** Counts and gauges, one topic a line. */
export function formatStats(stats: Stats): string {
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
      `sealpost ${stats.version}, Deno ${stats.deno}, since ${formatTime(stats.startedAt)}`,
    ],
    ["address", stats.address],
    ["key", stats.fingerprint],
    ["users", `${stats.users}, ${stats.online} online with ${quantity(stats.sessions, "session")}`],
    [
      "connections",
      `${stats.connections} in all, ${stats.handshakes} not logged in yet`,
    ],
    ["rejected", counts(stats.rejected)],
    ["penalties", counts(stats.penalties)],
    ["logins", counts(stats.logins)],
    ["waiting", counts({ ...stats.queues, commit: store.waiting })],
    ["requests", counts(stats.requests)],
    ["refusals", counts(stats.refusals)],
    [
      "deliveries",
      `${stats.deliveries["stored"] ?? 0} stored (${formatSize(stats.messageBytes)}, ` +
      `${stats.copies} copies), ${stats.deliveries["again"] ?? 0} again`,
    ],
    ["network", `${formatSize(network["in"] ?? 0)} in, ${formatSize(network["out"] ?? 0)} out`],
    ["commits", `${commits.count}, ${mean} writes each${failed}`],
    [
      "store",
      `${store.entries} messages in ${store.accounts} mailboxes (${store.bound} with a key), ` +
      `${formatSize(store.bytes)}; database ${
        formatSize(store.database)
      }; ${store.tickets} tickets`,
    ],
    ["memory", formatSize(stats.memory)],
    ...stats.nodes.map((node): [string, string] => [
      `server ${node.number}`,
      `${node.address}, sealpost ${node.version}, since ${formatTime(node.startedAt)}: ` +
      `${quantity(node.sessions, "session")}, ${quantity(node.connections, "connection")}, ` +
      `${node.stored} stored, ${formatSize(node.memory)}`,
    ]),
  ];
  return rows.map(([name, text]) => `${name.padEnd(13)}${text}`).join("\n");
}

function counts(of: Readonly<Record<string, number>>): string {
  const some = Object.entries(of).filter(([, count]) => count > 0);
  return some.length === 0 ? "none" : some.map(([kind, n]) => `${kind} ${n}`).join(", ");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return alignColumns([head, ...rows].map((row) => row.map((cell) => printable(cell)))).join("\n");
}
