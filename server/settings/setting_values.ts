import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Address, formatAddress, parseAddress } from "../../protocol/address.ts";
import { formatExactSize, parseSize } from "../../cli/format.ts";
import { formatNetblock, type Netblock, parseNetblock, type Prefixes } from "./netblock.ts";
import type { Setting, SETTINGS } from "./settings_table.ts";

type Camel<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S;

/** `off` is Infinity for a number, null for an address, a store or a file, and an empty list. */
type ValueOf<S> = S extends { readonly kind: "size" | "count" | "duration" } ? number
  : S extends { readonly kind: "address" }
    ? S extends { readonly off: string } ? Address | null : Address
  : S extends { readonly kind: "addresses" } ? readonly Address[]
  : S extends { readonly kind: "netblocks" } ? readonly Netblock[]
  : S extends { readonly kind: "prefixes" } ? Prefixes
  : S extends { readonly kind: "switch" } ? boolean
  : S extends { readonly kind: "store" | "file" } ? string | null
  : S extends { readonly kind: "choice"; readonly choices: readonly (infer C)[] } ? C
  : never;

/**
 * The settings as the program uses them: `maxMessage` for `max-message`. Sizes in bytes, durations in
 * milliseconds; a limit that is off is Infinity.
 */
export type Values = {
  readonly [S in typeof SETTINGS[number] as Camel<S["name"]>]: ValueOf<S>;
};

/** Any value of a setting. */
export type Value =
  | number
  | boolean
  | string
  | null
  | Address
  | Prefixes
  | readonly Address[]
  | readonly Netblock[];

/** `maxMessage` for `max-message`. */
export function propertyOf(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** An address of a store, without a password. */
const STORE = /^postgres(ql)?:\/\/[^:@/?\s]+@[^@/?\s]+\/[^/?\s]+(\?\S*)?$/;

const UNITS = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 } as const;

/** The value of a setting as it is written. Throws `config`, saying how to write it. */
export function parseValue(setting: Setting, text: string): Value {
  const { kind, min = 0, max = Number.MAX_SAFE_INTEGER } = setting;
  const word = text.trim();
  const number = kind === "size" || kind === "count" || kind === "duration";
  if (setting.off !== undefined && (word === "off" || number && /^0+$/.test(word))) {
    return number ? Infinity : ["address", "store", "file"].includes(kind) ? null : [];
  }
  const alternative = setting.off === undefined ? "" : ", or off";
  switch (kind) {
    case "size":
      return convert(() => parseSize(word, min, max), alternative);
    case "count": {
      const count = /^\d{1,15}$/.test(word) ? Number(word) : NaN;
      if (count >= min && count <= max) return count;
      throw wrong(word, `a whole number from ${min} to ${max}${alternative}`);
    }
    case "duration": {
      const duration = parseDuration(word);
      if (duration !== null && duration >= min && duration <= max) return duration;
      const bounds = `from ${formatSettingDuration(min)} to ${formatSettingDuration(max)}`;
      throw wrong(word, `a duration ${bounds}, like 90s, 5m, 12h or 30d${alternative}`);
    }
    case "address":
      return convert(() => parseAddress(word), alternative);
    case "addresses":
      return word.split(",").map((part) => convert(() => parseAddress(part), alternative));
    case "netblocks":
      return word.split(",").map((part) => {
        const block = parseNetblock(part.trim());
        if (block) return block;
        throw wrong(part.trim(), `a network, like 192.0.2.0/24 or 2001:db8::/32${alternative}`);
      });
    case "prefixes": {
      const [, v4, v6] = /^(\d{1,2}):(\d{1,3})$/.exec(word) ?? [];
      if (v4 !== undefined && v6 !== undefined && Number(v4) <= 32 && Number(v6) <= 128) {
        return { v4: Number(v4), v6: Number(v6) };
      }
      throw wrong(word, "two numbers of bits, at most 32:128");
    }
    case "switch":
      if (word === "on" || word === "off") return word === "on";
      throw wrong(word, "on or off");
    case "choice":
      if (setting.choices?.includes(word)) return word;
      throw wrong(word, `one of ${setting.choices?.join(", ")}${alternative}`);
    case "store":
      if (STORE.test(word)) return word;
      // It may have a password, which is not repeated.
      throw new SealpostError(
        "config",
        "write postgres://USER@HOST[:PORT]/DATABASE, the password in a file " +
          `(store-password-file)${alternative}`,
      );
    case "file":
      if (word !== "") return word;
      throw wrong(word, `the name of a file${alternative}`);
  }
}

/** The inverse of {@linkcode parseValue}. */
export function formatValue(setting: Setting, value: Value): string {
  if (value === null || value === Infinity) return "off";
  if (typeof value === "number") {
    if (setting.kind === "size") return formatExactSize(value);
    return setting.kind === "duration" ? formatSettingDuration(value) : String(value);
  }
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "string") return value;
  if ("host" in value) return formatAddress(value);
  if ("v4" in value) return `${value.v4}:${value.v6}`;
  if (value.length === 0) return "off";
  return value.map((one) => "host" in one ? formatAddress(one) : formatNetblock(one)).join(", ");
}

/** `1h30m` in milliseconds; a number alone is seconds. Null if it is not written so. */
export function parseDuration(text: string): number | null {
  if (/^\d{1,12}$/.test(text)) return 1000 * Number(text);
  if (!/^(\d{1,9}[wdhms])+$/.test(text)) return null;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([wdhms])/g)) {
    sum += Number(count) * UNITS[unit as keyof typeof UNITS];
  }
  return sum;
}

/** Milliseconds as {@linkcode parseDuration} reads them: `90m` is `1h30m`. */
export function formatSettingDuration(ms: number): string {
  let left = Math.round(ms / 1000) * 1000;
  if (left === 0) return "0s";
  let text = "";
  for (const unit of ["d", "h", "m", "s"] as const) {
    const count = Math.floor(left / UNITS[unit]);
    if (count > 0) text += `${count}${unit}`;
    left -= count * UNITS[unit];
  }
  return text;
}

function wrong(text: string, expected: string): SealpostError {
  return new SealpostError("config", `${JSON.stringify(text)} is not ${expected}`);
}

/** A parser of the command line's words, with the error of a setting. */
function convert<T>(parse: () => T, alternative: string): T {
  try {
    return parse();
  } catch (error) {
    if (!isSealpostError(error, "usage")) throw error;
    throw new SealpostError("config", error.message + alternative, { cause: error });
  }
}
