import { isSealpostError } from "../../crypto/error.ts";
import { RefusedError } from "../../protocol/refused.ts";
import { isLost, type ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import type { Member, Members } from "../state/members.ts";

/** How long what the server said of the group is good enough for sending, milliseconds (1 day). */
const FRESH = 86_400_000;

/** Most pages that are asked for: more members than a user list can have. */
const MAX_PAGES = 1000;

/** Asks the server for the members of the group, and keeps the answer. Throws what asking throws. */
export async function fetchMembers(
  connection: Pick<ReconnectingConnection, "ask">,
  members: Members,
): Promise<void> {
  const found: Member[] = [];
  for (let page = 0; page < MAX_PAGES; page++) {
    const after = found.at(-1)?.name;
    const answer = await connection.ask(
      after === undefined ? { op: "members" } : { op: "members", after },
    );
    // A server that goes back or round in circles ends it.
    const fresh = answer.members.filter(({ name }) => after === undefined || name > after);
    found.push(...fresh);
    if (!answer.more || fresh.length === 0) break;
  }
  await members.setListed(found, Date.now());
}

/**
 * As {@linkcode fetchMembers}, if that was long ago and there is a connection. One that is lost, and a server
 * that refuses, are no error: what is sent must not wait for it.
 */
export async function freshenMembers(
  connection: Pick<ReconnectingConnection, "ask" | "online">,
  members: Members,
): Promise<void> {
  if (!connection.online || Date.now() - (members.at ?? 0) < FRESH) return;
  try {
    await fetchMembers(connection, members);
  } catch (error) {
    const lost = isSealpostError(error) && isLost(error);
    if (!lost && !(error instanceof RefusedError)) throw error;
  }
}
