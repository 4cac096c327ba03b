import type { ErrorCode } from "../crypto/error.ts";

/** Exit codes, after sysexits.h where it has one, with what each means to a person or a script. */
export const EXIT_CODES = [
  { code: 0, meaning: "done" },
  { code: 64, meaning: "wrong arguments" },
  { code: 65, meaning: "damaged, forged or oversized data: a message, a key file" },
  { code: 66, meaning: "a file or message that was named is not there" },
  { code: 67, meaning: "no such user" },
  { code: 69, meaning: "the server cannot be reached" },
  { code: 70, meaning: "a defect of this program" },
  { code: 73, meaning: "refusing to overwrite, or no room in a mailbox" },
  { code: 74, meaning: "the disk or the system refused a read or a write" },
  { code: 75, meaning: "not now; trying again later can help" },
  { code: 76, meaning: "the other side broke the protocol or speaks another version" },
  { code: 77, meaning: "refused: login, passphrase, a changed key, permissions" },
  { code: 78, meaning: "a setting or user_pass.json is wrong" },
  { code: 130, meaning: "given up by the person" },
] as const;

/** One of the exit codes above. */
export type ExitCode = typeof EXIT_CODES[number]["code"];

/** The exit code for each error; total, so a new {@linkcode ErrorCode} does not compile without one. */
const BY_ERROR: Readonly<Record<ErrorCode, ExitCode>> = {
  "authentication": 65,
  "busy": 75,
  "cancelled": 130,
  "config": 78,
  "connection-lost": 75,
  "disk-full": 74,
  "file-exists": 73,
  "file-io": 74,
  "file-missing": 66,
  "format": 65,
  "id-conflict": 65,
  "internal": 70,
  "key-changed": 77,
  "key-format": 65,
  "key-mismatch": 65,
  "key-permissions": 77,
  "key-unconfirmed": 75,
  "limit": 65,
  "login-refused": 77,
  "no-key": 75,
  "no-such-message": 66,
  "no-such-user": 67,
  "offline": 69,
  "passphrase": 77,
  "protocol": 76,
  "quota": 73,
  "secret-needed": 64,
  "server-identity": 77,
  "timeout": 75,
  "too-large": 65,
  "too-old": 75,
  "unreachable": 69,
  "usage": 64,
  "version": 76,
  "version-conflict": 75,
};

/** The exit code of a command that failed with `code`. */
export function exitCodeFor(code: ErrorCode): ExitCode {
  return BY_ERROR[code];
}
