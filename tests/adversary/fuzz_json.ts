import { type Bytes, utf8 } from "../../crypto/bytes.ts";
import type { Random } from "./fuzz.ts";

/** What may stand in the place of any other value: other types, and numbers and texts at bounds. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  1.5,
  255,
  256,
  2 ** 53 - 1,
  2 ** 53,
  1e300,
  "",
  "a",
  "../a",
  "\u0000",
  "\ud800",
  "\u202E",
  "x".repeat(1001),
  [],
  {},
  [[]],
  { length: 1 },
  Array.from({ length: 300 }, () => 1),
  Array.from({ length: 100 }).reduce<unknown>((inner) => [inner], 0),
];

const KEYS = ["__proto__", "constructor", "toString", "length", "", "op", "ok", "x"];

/** JSON of `value` after one to three changes: its form is right, what it says is not. */
export function changedJson(rng: Random, value: unknown): Bytes {
  let out = value;
  for (let changes = 1 + rng.below(3); changes > 0; changes--) out = changed(rng, out);
  return utf8(JSON.stringify(out) ?? "");
}

function changed(rng: Random, value: unknown): unknown {
  // Deeper first: most of what a schema says is not about the outermost value.
  if (Array.isArray(value) && value.length > 0 && rng.below(8) > 0) return changedArray(rng, value);
  if (isObject(value) && rng.below(16) > 0) return changedObject(rng, value);
  if (typeof value === "number" && rng.below(2) === 0) return value + rng.below(3) - 1;
  if (typeof value === "string" && rng.below(2) === 0) {
    const at = rng.below(value.length + 1);
    return value.slice(0, at) + String.fromCharCode(rng.below(0x3000)) + value.slice(at);
  }
  return rng.of(VALUES);
}

function changedArray(rng: Random, value: readonly unknown[]): unknown[] {
  const at = rng.below(value.length);
  const out = [...value];
  switch (rng.below(4)) {
    case 0:
      out.splice(at, 1);
      break;
    case 1:
      out.splice(at, 0, value[at]);
      break;
    default:
      out[at] = changed(rng, value[at]);
  }
  return out;
}

function changedObject(
  rng: Random,
  value: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const entries = Object.entries(value);
  const at = rng.below(entries.length + 1);
  const [key, member] = entries[at] ?? [rng.of(KEYS), rng.of(VALUES)];
  switch (rng.below(8)) {
    case 0:
      entries.splice(at, 1);
      break;
    case 1:
      entries[at] = [rng.of(KEYS), member];
      break;
    default:
      entries[at] = [key, changed(rng, member)];
  }
  // `fromEntries` makes `__proto__` a member like any other.
  return Object.fromEntries(entries);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
