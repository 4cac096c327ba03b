import { within } from "../../protocol/timer.ts";
import type { Handler } from "./request_context.ts";

/** How long the goodbyes to other sessions are waited for, milliseconds. */
const GOODBYE_PATIENCE = 2000;

/**
 * Logs out everywhere: ends all sessions of the user but the one that asks, and all tickets; also those
 * that are being made at this moment, as a session that finds that its user has logged out since its
 * login began ends itself and takes back the ticket that it was issued. Throws `disk-full` and
 * `file-io`; the sessions end then all the same.
 */
export const handleLogout: Handler<"logout"> = async (_request, context) => {
  const { session: own, store, registry, audit, log } = context;
  const { name, peer } = own;
  const isOther = (session: { readonly name: string }) => session.name === name && session !== own;
  const sessions = registry.sessions().filter(isOther).length;
  registry.logOut(name);
  const ending = registry.endAll((session) => !isOther(session), "you logged out everywhere");
  let tickets: number;
  try {
    tickets = await store.dropTickets(name);
  } finally {
    await within(ending, GOODBYE_PATIENCE, undefined);
  }
  log.info("logged-out-everywhere", { name, peer, sessions, tickets });
  await audit.record({
    action: "logged-out-everywhere",
    name,
    origin: { via: "session", peer },
    result: "done",
    details: { sessions, tickets },
  });
  return { response: { ok: true, sessions, tickets } };
};
