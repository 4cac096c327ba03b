/**
 * A command that is refused: `NO` for what cannot be done, `BAD` for what is no command (RFC 9051,
 * section 7.1). `code` is a response code without its brackets.
 */
export class ImapError extends Error {
  override readonly name = "ImapError";

  constructor(
    readonly kind: "NO" | "BAD",
    text: string,
    readonly code: string | null = null,
  ) {
    super(text);
  }
}

/** The error for what does not fit the grammar. */
export function bad(text: string): ImapError {
  return new ImapError("BAD", text);
}

/** The connection is to end: `text` goes out with `BYE`. */
export class ImapBye extends Error {
  override readonly name = "ImapBye";
}
