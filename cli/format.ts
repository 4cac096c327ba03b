import { SealpostError } from "../crypto/error.ts";

// How sizes and times are written for people, in settings, and for programs.

/** `bytes` for people: `999 bytes`, `1.0 KiB`, `12 MiB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let size = bytes / 1024;
  let unit = 0;
  // What would be rounded to 1024 is one of the next unit.
  while (size >= 1023.5 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${size < 9.95 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** `1 message`, `2 messages`; `what` in the singular. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/**
 * A size in bytes: a whole number, or one with the unit KiB, MiB, GiB or TiB. Throws `usage` for
 * anything else, units of 1000 included, and outside `min` to `max`.
 */
export function parseSize(text: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const match = /^(\d{1,16}) ?(B|KiB|MiB|GiB|TiB)?$/i.exec(text.trim());
  if (match?.[1] === undefined) {
    throw new SealpostError(
      "usage",
      `${JSON.stringify(text)} is not a size: write it like 500KiB, 100MiB or 1GiB`,
    );
  }
  const exponent = ["b", "kib", "mib", "gib", "tib"].indexOf((match[2] ?? "b").toLowerCase());
  const size = Number(match[1]) * 1024 ** exponent;
  if (size < min || size > max) {
    throw new SealpostError(
      "usage",
      `a size of ${text} is out of bounds: it can be ${formatExactSize(min)} to ${
        formatExactSize(max)
      }`,
    );
  }
  return size;
}

/** `bytes` in the largest unit that gives a whole number, as {@linkcode parseSize} reads it. */
export function formatExactSize(bytes: number): string {
  const units = ["", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes > 0 && bytes % 1024 === 0 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${bytes}${units[unit] ?? ""}`;
}

/** `seconds` for people: `5 s`, `2:05`, `1:02:05`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => `${n}`.padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** A time as people read it, in the local zone: `2026-11-22 13:05`. */
export function formatTime(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "?";
  const two = (n: number) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** A time for programs, as ISO 8601 in UTC; null for one that no calendar has. */
export function isoTime(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** A replacer for `JSON.stringify` that writes the times under `names`, milliseconds, as ISO 8601. */
export function timesAsIso(...names: readonly string[]): (key: string, value: unknown) => unknown {
  return (key, value) => names.includes(key) && typeof value === "number" ? isoTime(value) : value;
}

/** A message, such as that of an error, as a sentence: with a capital and a full stop. */
export function sentence(message: string): string {
  const whole = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

const DAY = 86_400_000;
const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, d: DAY, w: 7 * DAY };

/** Milliseconds since 1970 of a date (local midnight), a date and time, or an age like `7d`. */
export function parseSince(text: string, now = Date.now()): number {
  const age = /^(\d{1,5})([hdw])$/.exec(text);
  if (age) return now - Number(age[1]) * (UNITS[age[2] ?? ""] ?? DAY);
  const date = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00`) : Date.parse(text);
  if (!Number.isNaN(date)) return date;
  throw new SealpostError(
    "usage",
    `${JSON.stringify(text)} is not a date: write 2026-11-22, or an age like 12h, 7d or 2w`,
  );
}
