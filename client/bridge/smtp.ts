import { SMTPServer, type SMTPServerSession } from "smtp-server";
import { printable } from "../../cli/printable.ts";
import { owned, utf8 } from "../../crypto/bytes.ts";
import { type ErrorCode, isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { TemporaryMessage } from "../message/temporary_message.ts";
import type { BridgeAccount } from "./account.ts";
import { Addressees, requireOwn, submit } from "./submission.ts";

/** Lets a mail program in; null for a wrong name or password. Throws `busy` if too many wait. */
export type LogIn = (name: string, password: string) => Promise<BridgeAccount | null>;

/** A running SMTP server. */
export interface SmtpListener {
  readonly address: Address;
  close(): Promise<void>;
}

/** Reply codes (RFC 5321, RFC 3463) for what can go wrong; all else is 451. */
const REPLIES: Readonly<Partial<Record<ErrorCode, readonly [number, string]>>> = {
  "no-such-user": [550, "5.1.1"],
  "no-key": [550, "5.1.1"],
  "key-changed": [550, "5.7.1"],
  "key-unconfirmed": [550, "5.7.1"],
  "usage": [553, "5.7.1"],
  "limit": [552, "5.3.4"],
  "too-large": [552, "5.3.4"],
  "quota": [552, "5.2.2"],
  "format": [554, "5.6.0"],
  "authentication": [554, "5.7.1"],
  "busy": [421, "4.7.0"],
};

/** Longest text of a reply, bytes: with its code and its end a line has 512 (RFC 5321, section 4.5.3.1.5). */
const MAX_TEXT = 506;

/** Most connections at a time. */
const MAX_CLIENTS = 32;

/** How long a connection may be silent, milliseconds. */
const SILENCE = 5 * 60_000;

/**
 * Takes messages from mail programs (RFC 6409) at `address`. Throws `unreachable` if it cannot listen
 * there.
 */
export async function listenSmtp(
  address: Address,
  largest: number,
  logIn: LogIn,
): Promise<SmtpListener> {
  const accounts = new Map<string, BridgeAccount>();
  const account = ({ id }: SMTPServerSession) => {
    const found = accounts.get(id);
    if (found) return found;
    throw new SealpostError("internal", "a message without a login");
  };
  const server = new SMTPServer({
    name: "localhost",
    banner: "Sealpost",
    // The loopback is not left: there is nobody to hide from.
    disabledCommands: ["STARTTLS"],
    allowInsecureAuth: true,
    authMethods: ["PLAIN", "LOGIN"],
    size: largest,
    // Reports of deliveries are not sent.
    hideDSN: true,
    hideENHANCEDSTATUSCODES: true,
    disableReverseLookup: true,
    maxClients: MAX_CLIENTS,
    socketTimeout: SILENCE,
    closeTimeout: 1000,
    logger: false,
    onAuth: ({ username, password }, session, done) => {
      logIn(username ?? "", password ?? "").then((found) => {
        if (!found) {
          return done(reply(535, "5.7.8", "wrong name or password of the bridge"));
        }
        accounts.set(session.id, found);
        done(null, { user: found.name });
      }).catch((error) => done(refusal(error)));
    },
    onMailFrom: ({ address }, session, done) => {
      attempt(done, () => {
        // Empty for reports of deliveries (RFC 5321, section 4.5.5).
        if (address !== "") requireOwn(account(session).mail, address);
      });
    },
    onRcptTo: ({ address }, session, done) => {
      attempt(done, async () => {
        const { mail } = account(session);
        await mail.recipients(await new Addressees(mail).users([address]));
      });
    },
    onData: (stream, session, done) => {
      takeMessage(account(session), stream, session).then(
        (text) => done(null, text),
        (error) => {
          stream.resume();
          done(refusal(error));
        },
      );
    },
    onClose: ({ id }) => {
      accounts.delete(id);
    },
  });
  // Connections that break are the mail program's to tell.
  const listening = Promise.withResolvers<void>();
  server.on("error", (error) => listening.reject(error));
  server.listen(address.port, address.host, () => listening.resolve());
  try {
    await listening.promise;
  } catch (cause) {
    throw new SealpostError(
      "unreachable",
      `cannot listen on ${formatAddress(address)}: another program listens there, or it is no ` +
        "address of this machine; choose another with --smtp",
      { cause },
    );
  }
  const bound = server.server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
  return {
    address: { host: address.host, port },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** What the library's stream has beside the bytes. */
interface DataStream extends AsyncIterable<Uint8Array> {
  readonly sizeExceeded: boolean;
}

async function takeMessage(
  account: BridgeAccount,
  stream: DataStream,
  session: SMTPServerSession,
): Promise<string> {
  const { mail } = account;
  await using message = new TemporaryMessage(mail.tempFolder());
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    if (!stream.sizeExceeded && size <= account.appendLimit) await message.write(owned(piece));
  }
  if (stream.sizeExceeded || size > account.appendLimit) {
    throw new SealpostError("too-large", "the message is larger than the server takes");
  }
  await message.verified(size);
  const recipients = session.envelope.rcptTo.map(({ address }) => address);
  const addressees = new Addressees(mail);
  const sent = await submit(mail, message, await addressees.users(recipients), addressees);
  account.sentAs(sent);
  const became = sent.waits === null
    ? `sealed and sent: ${sent.id}`
    : `sealed, and waits in the outbox: ${sent.waits.message}`;
  const text = printable(`2.0.0 ${[became, ...sent.notes].join("; ")}`);
  return shortened(text, sent.notes.length === 0 ? " …" : " … (the copy in Sent names all)");
}

/** `text` as it fits into a reply: where it is cut, `rest` stands in the place of the rest. */
export function shortened(text: string, rest: string): string {
  if (utf8(text).length <= MAX_TEXT) return text;
  let cut = text;
  while (utf8(cut + rest).length > MAX_TEXT) {
    const at = cut.lastIndexOf(" ");
    cut = at > 0 ? cut.slice(0, at) : cut.slice(0, -10);
  }
  return cut + rest;
}

function attempt(done: (error?: Error | null) => void, work: () => void | Promise<void>): void {
  Promise.resolve().then(work).then(() => done(), (error) => done(refusal(error)));
}

/** The reply to what went wrong. */
function refusal(error: unknown): Error {
  if (!isSealpostError(error)) return reply(451, "4.3.0", "this did not work");
  const [code, status] = REPLIES[error.code] ?? [451, "4.4.1"];
  return reply(code, status, printable(error.message));
}

function reply(code: number, status: string, text: string): Error {
  return Object.assign(new Error(shortened(`${status} ${text}`, " …")), { responseCode: code });
}
