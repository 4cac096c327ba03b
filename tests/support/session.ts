import { join } from "@std/path";
import { type LoggedOn, logOn } from "../../client/connection/log_on.ts";
import { ReconnectingConnection } from "../../client/connection/reconnecting_connection.ts";
import type { ClientSession } from "../../client/connection/client_session.ts";
import { Mail } from "../../client/mail.ts";
import { KeyLogClient } from "../../client/trust/key_log.ts";
import { RetiredKeys } from "../../client/state/retired_keys.ts";
import { State } from "../../client/state/state.ts";
import { utf8 } from "../../crypto/bytes.ts";
import { parseAddress } from "../../protocol/address.ts";
import { loadBundle, loadIdentity } from "../../files/key_files.ts";
import { passwordOf } from "./program.ts";

/** A client in this process: the modules of the program, without its menu. */
export interface Session {
  readonly name: string;
  readonly mail: Mail;
  readonly link: ClientSession;
  /** Whether a ticket took the place of the password. */
  readonly resumed: boolean;
}

/**
 * Logs on as `name` of the group in `dir`, with the keys and the state in the subfolder `own`: that of
 * the name if not given. `retries`: how often what a lost connection broke off is tried again.
 */
export async function openSession(
  dir: string,
  name: string,
  address: string,
  own: string = name,
  retries = 0,
): Promise<Session> {
  const folder = join(dir, own);
  const identity = await loadIdentity(folder, name, () => Promise.resolve(null));
  const retired = new RetiredKeys(folder, name, () => Promise.resolve(null));
  const state = await State.open(folder, name, identity, retired);
  const server = await loadBundle(join(folder, "server_public.pem"));
  const log = await KeyLogClient.load(state, { name, fp: identity.bundle.fp, retired }, [server]);
  let last: LoggedOn | null = null;
  const dial = async () => {
    last = await logOn({
      address: parseAddress(address),
      server,
      name,
      identity,
      state,
      useTicket: true,
      newPassword: () => Promise.reject(new Error("no one-time password is used here")),
      password: () => Promise.resolve(utf8(passwordOf(name))),
    });
    await log.greet(last.session, await last.head);
    return last;
  };
  const connection = await ReconnectingConnection.open({ dial, retries });
  const mail = await Mail.open(name, identity, connection, state, retired, log);
  const { session: link, resumed } = last ?? await dial();
  return { name, link, resumed, mail };
}
