import { type ErrorCode, SealpostError } from "../crypto/error.ts";

/** What a program may want to know of a refusal; the message says the same to a person. */
export interface RefusalDetails {
  /** The setting of the server whose limit it was, like `messages-per-minute`. */
  readonly limit?: string;
  /** In how many seconds it is worth trying again; not given where waiting does not help. */
  readonly retryAfter?: number;
  /** The user that the refusal is about, where it is another than who asked. */
  readonly about?: string;
}

/** A refusal that says which limit it was, and when to try again. */
export class RefusedError extends SealpostError implements RefusalDetails {
  readonly limit?: string;
  readonly retryAfter?: number;
  readonly about?: string;

  constructor(code: ErrorCode, message: string, details: RefusalDetails, options?: ErrorOptions) {
    super(code, message, options);
    if (details.limit !== undefined) this.limit = details.limit;
    if (details.retryAfter !== undefined) this.retryAfter = details.retryAfter;
    if (details.about !== undefined) this.about = details.about;
  }
}

/** A time to wait, for people: `40 s`, `15 min`, `3 h`; rounded up. */
export function formatWait(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  return seconds < 100 * 60 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}
