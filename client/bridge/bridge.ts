import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import type { ByteStream } from "../../protocol/byte_stream.ts";
import { listenSocket } from "../../protocol/socket.ts";
import { parseName } from "../../protocol/name.ts";
import type { BridgeAccount } from "./account.ts";
import { ImapBye } from "./imap/error.ts";
import { ImapSession } from "./imap/session.ts";
import { bridgePassword, PasswordCheck } from "./password.ts";
import { defectLine } from "./problem.ts";
import { listenSmtp, type LogIn } from "./smtp.ts";

/** Most connections of mail programs at a time: each uses several. */
const MAX_CONNECTIONS = 100;

/** Where mail programs find the bridge. */
export interface BridgeAddresses {
  /** Null: it is off. */
  readonly imap: Address | null;
  readonly smtp: Address | null;
}

/** A running bridge. */
export interface Bridge {
  /** Where it listens, with the ports that the system chose. */
  readonly addresses: BridgeAddresses;
  close(): Promise<void>;
}

/** Throws `usage` unless `address` is 127.0.0.1 or [::1], which this machine alone reaches. */
export function requireLoopback(address: Address): void {
  if (address.host === "127.0.0.1" || address.host === "::1") return;
  throw new SealpostError(
    "usage",
    `the bridge listens on 127.0.0.1 or [::1] alone, which nobody else reaches, and not on ` +
      formatAddress(address),
  );
}

/**
 * Serves IMAP and SMTP for `accounts` until it is closed. `tell` gets lines about defects. Throws
 * `usage` for an address that is not this machine's own, `unreachable` if it cannot listen there.
 */
export async function startBridge(
  accounts: readonly BridgeAccount[],
  addresses: BridgeAddresses,
  tell: (line: string) => void,
): Promise<Bridge> {
  for (const address of [addresses.imap, addresses.smtp]) if (address) requireLoopback(address);
  const logIn = loggingIn(accounts);
  const imap = addresses.imap && listenSocket(addresses.imap, "--imap");
  const sessions = new Set<Serving>();
  try {
    const largest = Math.max(...accounts.map(({ appendLimit }) => appendLimit));
    const smtp = addresses.smtp && await listenSmtp(addresses.smtp, largest, logIn);
    if (imap) serveImap(imap.accept(), sessions, logIn, tell);
    return {
      addresses: { imap: imap?.address ?? null, smtp: smtp?.address ?? null },
      close: async () => {
        imap?.close();
        for (const { close } of sessions) close();
        await smtp?.close();
      },
    };
  } catch (error) {
    imap?.close();
    throw error;
  }
}

/**
 * Finds the account by its name, with or without an `@`, and its bridge's password: on two servers there
 * may be accounts of one name.
 */
function loggingIn(accounts: readonly BridgeAccount[]): LogIn {
  const passwords = new PasswordCheck();
  return async (name, password) => {
    const wanted = nameIn(name);
    const named = accounts.filter((one) => one.name === wanted);
    // Read anew: another command may have made another one meanwhile.
    const right = await Promise.all(named.map(({ mail }) => bridgePassword(mail.state)));
    const found = await passwords.find(password, right);
    return found === null ? null : named[found] ?? null;
  };
}

function nameIn(text: string): string | null {
  try {
    return parseName(text.split("@", 1)[0] ?? "");
  } catch {
    return null;
  }
}

async function serveImap(
  connections: AsyncIterable<ByteStream>,
  sessions: Set<Serving>,
  logIn: LogIn,
  tell: (line: string) => void,
): Promise<void> {
  for await (const stream of connections) {
    if (sessions.size >= MAX_CONNECTIONS) {
      stream.close();
      continue;
    }
    const serving = serve(stream, logIn, tell);
    sessions.add(serving);
    serving.ended.then(() => sessions.delete(serving));
  }
}

/** A mail program that is served. */
interface Serving {
  /** Resolves when its connection has ended. */
  readonly ended: Promise<void>;
  readonly close: () => void;
}

function serve(stream: ByteStream, logIn: LogIn, tell: (line: string) => void): Serving {
  const closed = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let open = true;
  const close = () => {
    open = false;
    clearTimeout(timer);
    stream.close();
    closed.resolve();
  };
  const session = new ImapSession({
    source: stream,
    sink: stream,
    accounts: { logIn: (name, password) => logIn(name, password).catch(refuse) },
    onWait: (silence) => {
      clearTimeout(timer);
      if (open) timer = setTimeout(close, silence);
    },
    onDefect: (error) => {
      if (open) tell(defectLine(error));
    },
  });
  // One that throws has lost its mail program. What it still waits for holds no place.
  session.run().then(close, close);
  return { ended: closed.promise, close };
}

/** Ends the connection of who comes when too many have given wrong passwords. */
function refuse(error: unknown): never {
  throw isSealpostError(error, "busy") ? new ImapBye(error.message) : error;
}
