/** Stable names of everything that can go wrong; programs match on these, people read the message. */
export type ErrorCode =
  | "authentication" // a tag, signature or commitment did not verify
  | "busy" // a limit of the moment was met; trying again later helps
  | "cancelled" // the person or the peer gave the operation up
  | "config" // a setting or user_pass.json is wrong
  | "connection-lost" // the connection ended without a close frame
  | "disk-full" // no space left where something had to be written
  | "file-exists" // refusing to overwrite
  | "file-io" // the operating system refused a read or a write
  | "file-missing" // a file that was named is not there
  | "format" // bytes that do not follow their layout
  | "id-conflict" // a message id was used before for other bytes
  | "internal" // a defect of this program
  | "key-changed" // a correspondent's or server's key is not the one known
  | "key-format" // a key that does not parse or is out of bounds
  | "key-unconfirmed" // a new key of somebody verified, which waits for the person's word
  | "key-mismatch" // private and public key file do not belong together
  | "key-permissions" // a private key file that others can read
  | "limit" // a fixed limit of size or count was exceeded
  | "login-refused" // the one answer to every failed login
  | "no-key" // a recipient who has never connected
  | "no-such-message" // a UID that is not in the mailbox
  | "no-such-user" // a name the server does not know
  | "offline" // what was asked needs the server, and there is no connection
  | "passphrase" // a wrong or missing passphrase of a private key
  | "protocol" // the peer broke the protocol
  | "quota" // the mailbox has no room
  | "secret-needed" // a password or passphrase that nobody can be asked for
  | "server-identity" // the server is not the one whose key is pinned
  | "timeout" // the peer did not answer in time
  | "too-large" // a message over the server's limit
  | "too-old" // changes since a moment that the server remembers no more
  | "unreachable" // no connection could be made
  | "usage" // wrong arguments
  | "version" // the peer speaks another version or suite
  | "version-conflict"; // another version of a record is there than the one to be replaced

/**
 * The one error class of Sealpost. `message` is a single line for a person: what is wrong and
 * what to do. It never holds a secret. `cause` keeps the error underneath, where there is one.
 */
export class SealpostError extends Error {
  override readonly name = "SealpostError";

  constructor(readonly code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What a caught value says of itself: the message of an error, else the value as text. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** True if `error` is a {@linkcode SealpostError} with one of `codes`, or with any code if none are given. */
export function isSealpostError(error: unknown, ...codes: ErrorCode[]): error is SealpostError {
  return error instanceof SealpostError && (codes.length === 0 || codes.includes(error.code));
}
