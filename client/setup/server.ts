import { type Bytes, equal } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Bundle, findFingerprint, formatFingerprint } from "../../crypto/identity.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { askForBundle } from "../connection/login.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { askTrimmed, places } from "./who.ts";

/** A server that answered, and whose key is the right one. */
export interface FoundServer {
  readonly address: Address;
  readonly bundle: Bundle;
}

/**
 * The first of `servers` that answers. It must have the fingerprint `fp`; if that is not known, the
 * person compares it. Throws `server-identity`, `unreachable`, `timeout`, `cancelled`, and what
 * `askForBundle` throws.
 */
export async function findServer(
  terminal: Terminal,
  servers: readonly Address[],
  fp: Bytes | null,
): Promise<FoundServer> {
  const found = await firstThatAnswers(servers);
  if (fp === null) await compare(terminal, found);
  else requireServer(found, fp);
  return found;
}

/** Throws `server-identity` unless the server has the fingerprint `fp`. */
function requireServer({ address, bundle }: FoundServer, fp: Bytes): void {
  if (equal(bundle.fp, fp)) return;
  throw new SealpostError(
    "server-identity",
    `the server at ${formatAddress(address)} has the key ${formatFingerprint(bundle.fp)}, and ` +
      `not ${formatFingerprint(fp)} as you were told; nothing was sent. Ask its operator`,
  );
}

async function firstThatAnswers(servers: readonly Address[]): Promise<FoundServer> {
  let failure: unknown = null;
  for (const address of servers) {
    try {
      return { address, bundle: await askForBundle(address) };
    } catch (error) {
      if (!isSealpostError(error, "unreachable", "timeout", "connection-lost")) throw error;
      failure ??= error;
    }
  }
  if (servers.length < 2) throw failure;
  throw new SealpostError(
    "unreachable",
    `none of the server's addresses answers (${places(servers)}); check that you are online, or ` +
      "in the server's network, and ask its operator",
    { cause: failure },
  );
}

/** Shows the server's fingerprint and lets the person decide, as ssh does. Throws `cancelled`. */
export async function compare(terminal: Terminal, { address, bundle }: FoundServer): Promise<void> {
  const fingerprint = formatFingerprint(bundle.fp);
  terminal.print(
    `\nThe server at ${formatAddress(address)} says that the fingerprint of its key is`,
  );
  terminal.print(`  ${fingerprint}`);
  terminal.print("Compare it with the one that the server's operator gave you, not by this way.");
  for (;;) {
    const answer = await askTrimmed(
      terminal,
      "Is it the same? (yes, no, or paste the one you have) ",
    );
    if (answer.toLowerCase() === "yes" || answer === fingerprint) return;
    const other = findFingerprint(answer);
    if (other) return requireServer({ address, bundle }, other);
    if (["no", "n"].includes(answer.toLowerCase())) {
      throw new SealpostError("cancelled", "the server's key was not accepted; nothing was sent");
    }
  }
}
