import { type Bytes, utf8 } from "../../crypto/bytes.ts";
import type { Identity } from "../../crypto/identity.ts";
import { ClientHandshake, type LoginClaim, ServerHandshake } from "../../protocol/handshake.ts";
import type { Hello } from "../../protocol/hello.ts";
import type { Login } from "../../protocol/login.ts";
import type { SplitKeys } from "../../protocol/noise.ts";

export const HELLO: Hello = { server: "sealpost/test", maxMessage: 1000, maxRecipients: 100 };

/** A fresh login: the handshake's reader clears the password. */
export function loginOf(name = "alice", password = "correct horse"): Login {
  return { name, password: utf8(password), client: "sealpost/test" };
}

export type MessageName = "A" | "B" | "C" | "D" | "E";

/** Both ends of a finished handshake, and what went over the wire. */
export interface Finished {
  readonly client: SplitKeys;
  readonly server: SplitKeys;
  readonly hello: Hello;
  readonly claim: LoginClaim;
  readonly messages: Readonly<Record<MessageName, Bytes>>;
}

/** A handshake whose client and server are one call apart from where they stand. */
export interface Ends {
  readonly client: ClientHandshake;
  readonly server: ServerHandshake;
}

export async function ends(client: Identity, server: Identity): Promise<Ends> {
  return {
    client: await ClientHandshake.start(server.bundle, client),
    server: await ServerHandshake.start(server),
  };
}

/** A whole handshake; `onWire` may change what a message becomes on its way. */
export async function shake(
  client: Identity,
  server: Identity,
  onWire: (name: MessageName, message: Bytes) => Bytes = (_, message) => message,
  login: Login = loginOf(),
): Promise<Finished> {
  const at = await ends(client, server);
  const a = onWire("A", await at.client.writeA());
  await at.server.readA(a);
  const b = onWire("B", await at.server.writeB(HELLO));
  const hello = await at.client.readB(b);
  const c = onWire("C", await at.client.writeC(login));
  const claim = await at.server.readC(c);
  const d = onWire("D", await at.server.writeD());
  await at.client.readD(d);
  const e = onWire("E", await at.client.writeE());
  await at.server.readE(e);
  return {
    client: await at.client.split(),
    server: await at.server.split(),
    hello,
    claim,
    messages: { A: a, B: b, C: c, D: d, E: e },
  };
}
