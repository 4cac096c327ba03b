import { printable } from "../../cli/printable.ts";
import { type ErrorCode, errorText, isSealpostError } from "../../crypto/error.ts";
import { ImapError } from "./imap/error.ts";

/** Response codes of IMAP (RFC 9051, section 7.1) for what can go wrong. */
const CODES: Readonly<Partial<Record<ErrorCode, string>>> = {
  "offline": "UNAVAILABLE",
  "connection-lost": "UNAVAILABLE",
  "timeout": "UNAVAILABLE",
  "unreachable": "UNAVAILABLE",
  "busy": "INUSE",
  "quota": "OVERQUOTA",
  "disk-full": "UNAVAILABLE",
  "limit": "LIMIT",
  "usage": "CANNOT",
  "too-large": "TOOBIG",
  "no-such-message": "EXPUNGEISSUED",
};

/** The line that tells a person of what should not happen. */
export function defectLine(error: unknown): string {
  return printable(`a defect: ${errorText(error)}`);
}

/** `error` as the answer to a mail program; what is no answer stays what it is. */
function answerFor(error: unknown): unknown {
  if (!isSealpostError(error) || error.code === "internal") return error;
  return new ImapError("NO", printable(error.message), CODES[error.code] ?? "CONTACTADMIN");
}

/** Does `work`; what it throws becomes an answer to the mail program. */
export async function answering<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw answerFor(error);
  }
}
