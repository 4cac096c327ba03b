import { ClientSession } from "../../client/connection/client_session.ts";
import { logIn } from "../../client/connection/login.ts";
import { utf8 } from "../../crypto/bytes.ts";
import type { Bundle } from "../../crypto/identity.ts";
import { parseAddress } from "../../protocol/address.ts";
import type { Verdict } from "../../protocol/request.ts";
import { identityOf } from "./identities.ts";

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
