import { isPhc, parsePhc } from "../../crypto/phc.ts";
import { SealpostError } from "../../crypto/error.ts";

/**
 * What `user_pass.json` says of one user's password:
 *
 * - `$argon2id$…`, a PHC string: the password.
 * - `once:EXPIRES:$argon2id$…`: a one-time password, which ends at EXPIRES (UTC, to the second, as
 *   `2026-11-29T10:15:00Z`) and opens a session in which only a password of one's own can be set.
 * - `!` and then one of these: disabled, as in shadow(5). Nothing is lost by it, and `user enable`
 *   takes the mark away.
 */
export interface UserState {
  /** The PHC string. */
  readonly phc: string;
  readonly disabled: boolean;
  /** When a one-time password ends, milliseconds since 1970; null for a lasting one. */
  readonly expires: number | null;
}

const FORM = /^(!?)(?:once:([^$]*):)?(\$argon2id\$.*)$/s;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** Whether `value` is one of the forms of {@linkcode UserState} rather than a plain password. */
export function isUserState(value: string): boolean {
  return FORM.test(value);
}

/** The inverse of {@linkcode formatUserState}. Throws `format` for what is none. */
export function parseUserState(value: string): UserState {
  const [, mark, time, phc] = FORM.exec(value) ?? [];
  if (phc === undefined || !isPhc(phc)) {
    throw new SealpostError("format", "not an Argon2id password string");
  }
  parsePhc(phc);
  const expires = time === undefined ? null : TIME.test(time) ? Date.parse(time) : NaN;
  if (Number.isNaN(expires)) {
    throw new SealpostError(
      "format",
      "the time of a one-time password has another form than 2026-11-29T10:15:00Z",
    );
  }
  return { phc, disabled: mark === "!", expires };
}

/** `state` as it stands in `user_pass.json`. */
export function formatUserState({ phc, disabled, expires }: UserState): string {
  const once = expires === null ? "" : `once:${formatUtcSeconds(expires)}:`;
  return `${disabled ? "!" : ""}${once}${phc}`;
}

/** `2026-11-29T10:15:00Z`: UTC, without the fraction of a second. */
export function formatUtcSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
