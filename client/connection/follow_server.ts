import { equal, fromBase64, toBase64 } from "../../crypto/bytes.ts";
import type { Bytes } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Bundle, decodeBundle, formatFingerprint } from "../../crypto/identity.ts";
import { decodeHead } from "../../protocol/key_log.ts";
import {
  type ChainLink,
  decodeServerCertificate,
  followServerChain,
  MAX_CHAIN,
} from "../../protocol/rotation.ts";
import type { ClientSession } from "./client_session.ts";
import { isAway } from "./reconnecting_connection.ts";

/** That a server has another key than the pinned one, as both have certified. */
export interface ServerMove {
  readonly from: Bundle;
  readonly to: Bundle;
  /** How many rotations by certificate led to `to`. */
  readonly seq: number;
  /** When the key before `to` was left, milliseconds since 1970. */
  readonly time: number;
}

/** Whether the head of the key log that a server has shown names another key of it than `server`. */
export function namesOtherKey(head: Bytes, server: Bundle): boolean {
  return !equal(decodeHead(head).serverFp, server.fp);
}

/**
 * Which key has followed `from` at a server that has proved `from`; `left`: keys that were left before,
 * to none of which it may lead. Throws `server-identity` if it cannot show that, and what stops the
 * session.
 */
export async function successorOf(
  session: Pick<ClientSession, "ask">,
  from: Bundle,
  left: readonly Bytes[],
): Promise<ServerMove> {
  let to: Bundle | null = null;
  try {
    const links: ChainLink[] = [];
    for (let at = from.fp; to === null || !equal(at, to.fp);) {
      const answer = await session.ask({ op: "server-keys", since: toBase64(at) });
      to ??= await decodeBundle(fromBase64(answer.bundle));
      if (answer.links.length === 0 || links.length > MAX_CHAIN) break;
      for (const { certificate, bundle } of answer.links) {
        links.push({ certificate: fromBase64(certificate), bundle: fromBase64(bundle) });
        at = decodeServerCertificate(fromBase64(certificate)).fpNew;
      }
    }
    if (to === null) throw new SealpostError("authentication", "there is no certificate");
    const { left: gone, now } = await followServerChain(
      { bundle: from, seq: null },
      links,
      to,
      left,
    );
    return { from, to, seq: now.seq, time: gone.at(-1)?.time ?? 0 };
  } catch (error) {
    if (!isSealpostError(error) || isAway(error)) throw error;
    throw falseSuccessor(to, error);
  }
}

/** A server that has proved the pinned key, and shows another one that did not follow on it. */
export class FalseSuccessor extends SealpostError {}

/** For the person who has to decide whom to call. */
export function falseSuccessor(to: Bundle | null, cause: SealpostError): FalseSuccessor {
  const which = to === null ? "" : ` (${formatFingerprint(to.fp)})`;
  return new FalseSuccessor(
    "server-identity",
    `the server says that it has a new key${which}, and does not prove that it is still your server ` +
      `(${cause.message}). Nothing was changed, and no mail was sent or fetched. Do not go on: call the ` +
      "person who runs your server, and ask them whether it has a new key",
    { cause },
  );
}
