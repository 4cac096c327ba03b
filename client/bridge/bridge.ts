import { printable } from "../../cli/printable.ts";
import { errorText, SealpostError } from "../../crypto/error.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import type { ByteStream } from "../../protocol/byte_stream.ts";
import { listenSocket } from "../../protocol/socket.ts";
import { parseName } from "../../protocol/name.ts";
import type { BridgeAccount } from "./account.ts";
import { ImapSession } from "./imap/session.ts";
import { bridgePassword, PasswordCheck } from "./password.ts";
import { listenSmtp } from "./smtp.ts";

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

/** Throws `usage` unless `address` is one that this machine alone reaches. */
export function requireLoopback(address: Address): void {
  if (/^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(address.host)) return;
  throw new SealpostError(
    "usage",
    `${formatAddress(address)} can be reached from elsewhere: the bridge listens on 127.0.0.1 or ` +
      "[::1] alone",
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
  const sessions = new Set<ByteStream>();
  try {
    const largest = Math.max(...accounts.map(({ appendLimit }) => appendLimit));
    const smtp = addresses.smtp && await listenSmtp(addresses.smtp, largest, logIn);
    if (imap) serveImap(imap.accept(), sessions, logIn, tell);
    return {
      addresses: { imap: imap?.address ?? null, smtp: smtp?.address ?? null },
      close: async () => {
        imap?.close();
        for (const stream of sessions) stream.close();
        await smtp?.close();
        for (const account of accounts) await account.close();
      },
    };
  } catch (error) {
    imap?.close();
    throw error;
  }
}

/** Finds the account for a name, with or without an `@`, and its bridge's password. */
function loggingIn(accounts: readonly BridgeAccount[]) {
  const passwords = new PasswordCheck();
  return async (name: string, password: string): Promise<BridgeAccount | null> => {
    const wanted = nameIn(name);
    const account = accounts.find((one) => one.name === wanted) ?? null;
    // Read anew: another command may have made another one meanwhile.
    const right = account && await bridgePassword(account.mail.state);
    return await passwords.check(password, right) ? account : null;
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
  sessions: Set<ByteStream>,
  logIn: (name: string, password: string) => Promise<BridgeAccount | null>,
  tell: (line: string) => void,
): Promise<void> {
  for await (const stream of connections) {
    if (sessions.size >= MAX_CONNECTIONS) {
      stream.close();
      continue;
    }
    sessions.add(stream);
    serveOne(stream, { logIn }, tell).finally(() => sessions.delete(stream));
  }
}

/** Serves one mail program. Never throws. */
async function serveOne(
  stream: ByteStream,
  accounts: { logIn(name: string, password: string): Promise<BridgeAccount | null> },
  tell: (line: string) => void,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const session = new ImapSession({
    source: stream,
    sink: stream,
    accounts,
    onWait: (silence) => {
      clearTimeout(timer);
      timer = setTimeout(() => stream.close(), silence);
    },
    onDefect: (error) => tell(printable(`a defect: ${errorText(error)}`)),
  });
  try {
    await session.run();
  } catch {
    // The mail program is gone.
  } finally {
    clearTimeout(timer);
    stream.close();
  }
}
