// @ts-check

/** What goes wrong, with a code of section 11 of docs/PROTOCOL.md. */
export class Failure extends Error {
  /**
   * @param {string} code
   * @param {string} message one line
   * @param {unknown} [cause]
   */
  constructor(code, message, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "Failure";
    this.code = code;
  }
}

/**
 * The code of an error: that of a {@linkcode Failure}, or `unexpected`, which no test expects.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function codeOf(error) {
  return error instanceof Failure ? error.code : "unexpected";
}
