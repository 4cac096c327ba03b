import { within } from "../../protocol/timer.ts";
import type { AuditLog } from "../observe/audit.ts";
import type { Hub, Member } from "../accounts/session_registry.ts";
import type { Log } from "../observe/log.ts";
import type { Store } from "../store/store.ts";

/** How long the goodbyes to other sessions are waited for, milliseconds. */
const PATIENCE = 2000;

/** What logging out everywhere needs. */
export interface LogOutContext {
  readonly store: Store;
  readonly hub: Hub;
  readonly audit: AuditLog;
  readonly log: Log;
}

/**
 * Ends all sessions of a user but `own`, and all tickets; also those that are being made at this
 * moment: a session that finds that its user has logged out since its login began ends itself, and
 * takes back the ticket that it was issued. Throws `disk-full` and `file-io`; the sessions end then
 * all the same.
 */
export async function logOutEverywhere(
  own: Member,
  { store, hub, audit, log }: LogOutContext,
): Promise<{ sessions: number; tickets: number }> {
  const { name, peer } = own;
  const others = hub.members().filter((member) => member.name === name && member !== own).length;
  hub.logOut(name);
  const ending = hub.endAll(
    (member) => member.name !== name || member === own,
    "you logged out everywhere",
  );
  let tickets: number;
  try {
    tickets = await store.dropTickets(name);
  } finally {
    await within(ending, PATIENCE, undefined);
  }
  log.info("logged-out-everywhere", { name, peer, sessions: others, tickets });
  await audit.record({
    action: "logged-out-everywhere",
    name,
    origin: { via: "session", peer },
    result: "done",
    details: { sessions: others, tickets },
  });
  return { sessions: others, tickets };
}
