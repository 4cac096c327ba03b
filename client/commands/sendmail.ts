import { printable } from "../../cli/printable.ts";
import { type Bytes, concat, owned, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { DEFAULT_MAX_MESSAGE } from "../../protocol/limits.ts";
import {
  Addressees,
  addressesIn,
  parseAddresses,
  requireOwn,
  submit,
} from "../bridge/submission.ts";
import { headerFields } from "../bridge/imap/header.ts";
import { readHeader } from "../bridge/raw_header.ts";
import { LineReader } from "../message/line_reader.ts";
import { TemporaryMessage } from "../message/temporary_message.ts";
import { type CommonOptions, withMail } from "./common.ts";

/** What `sendmail` was given. */
export interface SendmailOptions extends CommonOptions {
  readonly recipients: readonly string[];
  /** Whether To, Cc and Bcc name recipients too. */
  readonly fromMessage: boolean;
  /** Whether a line that is a single dot is text, and not the end. */
  readonly dotIsText: boolean;
  /** Whom it is from: oneself. */
  readonly from?: string;
}

/**
 * The `sendmail` command: sends the message on standard input, as other programs call it. What waits in
 * the outbox counts as sent. Throws what {@linkcode submit} throws.
 */
export async function sendmail(options: SendmailOptions): Promise<void> {
  await withMail(options, async ({ terminal, mail }) => {
    if (options.from) requireOwn(mail, options.from);
    await using message = new TemporaryMessage(mail.tempFolder());
    const limit = mail.hello?.maxMessage ?? DEFAULT_MAX_MESSAGE;
    let size = 0;
    for await (const line of messageLines(Deno.stdin.readable, options.dotIsText)) {
      size += line.length;
      if (size > limit) {
        throw new SealpostError("too-large", "the message is larger than the server takes");
      }
      await message.write(line);
    }
    if (size === 0) throw new SealpostError("usage", "there is no message on standard input");
    await message.verified(size);
    const addresses = parseAddresses(options.recipients.join(", "));
    const named = options.fromMessage ? await namedIn(message) : [];
    const addressees = new Addressees(mail);
    const recipients = await addressees.users([...addresses, ...named]);
    // Where nobody reads it, a line would be taken for an error.
    if (Deno.stderr.isTerminal()) {
      for (const line of addressees.notes) terminal.printError(printable(line));
    }
    if (recipients.length === 0) {
      throw new SealpostError(
        "usage",
        "sendmail needs recipients: as arguments, or with -t in To, Cc and Bcc",
      );
    }
    const { waits } = await submit(mail, message, recipients, addressees);
    if (waits) terminal.printError(printable(waits.message));
  }, "write");
}

/** The addresses in To, Cc and Bcc. */
async function namedIn(message: TemporaryMessage): Promise<string[]> {
  const { text } = await readHeader(message);
  return addressesIn(headerFields(text).filter(({ name }) => ["to", "cc", "bcc"].includes(name)));
}

const CRLF = utf8("\r\n");

/** The lines of a message, each ending with CRLF, up to its end or a line that is a single dot. */
export async function* messageLines(
  input: AsyncIterable<Uint8Array>,
  dotIsText: boolean,
): AsyncGenerator<Bytes, void, undefined> {
  const reader = new LineReader();
  /** Whether the line goes on that came in pieces. */
  let within = false;
  const read = function* (pieces: Iterable<Uint8Array>) {
    for (const piece of pieces) {
      const ends = piece.at(-1) === 0x0a;
      const stripped = ends ? piece.subarray(0, piece.at(-2) === 0x0d ? -2 : -1) : piece;
      const dot = !within && stripped.length === 1 && stripped[0] === 0x2e;
      if (dot && !dotIsText) return true;
      within = !ends;
      yield ends ? concat(stripped, CRLF) : owned(piece.slice());
    }
    return false;
  };
  for await (const chunk of input) if (yield* read(reader.push(chunk))) return;
  if (yield* read(reader.finish())) return;
  if (within) yield CRLF.slice();
}
