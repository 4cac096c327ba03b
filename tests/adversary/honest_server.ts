import { join } from "@std/path";
import type { ClientSession } from "../../client/connection/client_session.ts";
import { concat, toBase64 } from "../../crypto/bytes.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { encodeEnvelope } from "../../protocol/envelope.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { logTo } from "../../server/observe/log.ts";
import { type Server, startServer } from "../../server/server.ts";
import { LiveSettings } from "../../server/settings/settings.ts";
import { identityOf } from "../support/identities.ts";
import { pieces, type SealedParts } from "../support/sealed.ts";
import { hashedUsers } from "../support/users.ts";

/** The real server, in this process. */
export interface Honest extends AsyncDisposable {
  readonly address: string;
  readonly identity: Identity;
}

/** Starts a server in `dir` with accounts for `names`, on a free port of 127.0.0.1. */
export async function startHonest(dir: string, names: readonly string[]): Promise<Honest> {
  await Deno.mkdir(dir, { recursive: true });
  const users = await hashedUsers(names);
  await Deno.writeTextFile(join(dir, "user_pass.json"), JSON.stringify(users), { mode: 0o600 });
  const identity = await identityOf("server");
  const flags = new Map([["listen", "127.0.0.1:0"], ["messages-burst", "1000"]]);
  const settings = await LiveSettings.load(dir, { flags });
  const server: Server = await startServer(dir, settings, identity, logTo("error", () => {}));
  return {
    address: server.address,
    identity,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

/** Delivers a message whose first stanzas are for `recipients`, in their order, and keeps no copy. */
export async function deliver(
  link: ClientSession,
  parts: Omit<SealedParts, "fileKey" | "summaryHash" | "note">,
  recipients: readonly { readonly name: string; readonly bundle: Bundle }[],
): Promise<void> {
  const body = concat(...parts.chunks);
  const envelope = encodeEnvelope({
    header: parts.header,
    stanzas: parts.stanzas.slice(0, recipients.length),
    summary: parts.summary,
    note: null,
    bodySize: body.length,
  });
  await link.upload({
    op: "deliver",
    id: formatMessageId(parts.header.slice(1, 17)),
    size: envelope.length + body.length,
    recipients: recipients.map(({ name, bundle }) => ({ name, fp: toBase64(bundle.fp) })),
    copy: false,
  }, pieces(envelope, body));
}
