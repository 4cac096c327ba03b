import { join } from "@std/path";
import { ClientSession } from "../../client/connection/client_session.ts";
import { logIn } from "../../client/connection/login.ts";
import { utf8 } from "../../crypto/bytes.ts";
import type { Bundle } from "../../crypto/identity.ts";
import { parseAddress } from "../../protocol/address.ts";
import type { Verdict } from "../../protocol/request.ts";
import { controlPath } from "../../server/control/path.ts";
import { identityOf } from "./identities.ts";
import { type Build, FROM_SOURCE } from "./program.ts";

/**
 * The program from its source, allowed to use the control socket of `dir`/server: Deno 2.7 wants
 * nothing for that but the right to the path, later ones want it named.
 */
export function withControl(dir: string): Build {
  const socket = `unix:${controlPath(join(Deno.realPathSync(dir), "server"))}`;
  const args = FROM_SOURCE.args.map((arg) => {
    if (!arg.startsWith("--allow-net=")) return arg;
    return knowsLocalSockets() ? `${arg},${socket}` : arg;
  });
  return { command: FROM_SOURCE.command, args };
}

function knowsLocalSockets(): boolean {
  try {
    Deno.permissions.querySync({ name: "net", host: "unix:/socket" });
    return true;
  } catch {
    return false;
  }
}

/** A client in this process that is logged in. */
export interface Client extends AsyncDisposable {
  readonly link: ClientSession;
  readonly verdict: Verdict & { readonly ok: true };
}

/** Logs in as `name`, with a key of `key`'s (default: that of the name). Throws what a login throws. */
export async function connectAs(
  name: string,
  password: string,
  server: { readonly address: string; readonly bundle: Bundle },
  key = name,
): Promise<Client> {
  const { connection, verdict } = await logIn(
    parseAddress(server.address),
    server.bundle,
    await identityOf(key),
    { name, password: utf8(password), client: "test" },
  );
  const link = new ClientSession(connection);
  return { link, verdict, [Symbol.asyncDispose]: () => link.close() };
}
