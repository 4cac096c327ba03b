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
    /** The row of the tables of section 13 that is violated, as `13.1/5`; empty elsewhere. */
    this.check = "";
  }
}

/**
 * Makes one of the checks of section 13: what it throws says which.
 *
 * @template T @param {string} row @param {() => T} check @returns {T}
 */
export function row(row, check) {
  try {
    return check();
  } catch (error) {
    if (error instanceof Failure && error.check === "") error.check = row;
    throw error;
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
