import { parseArgs } from "@std/cli";
import { levenshteinDistance } from "@std/text";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { parseName } from "../protocol/name.ts";
import type { Arguments, Command, Option } from "./command.ts";
import { parseSize } from "./format.ts";

/** The arguments after a command's name, read. */
export type Parsed =
  /** `--help` was given; nothing else was checked. */
  | { readonly help: true }
  | { readonly help: false; readonly given: Arguments };

/**
 * Reads the arguments after the command's name. Everything that the table does not know, a value
 * too many, too few, twice or out of bounds throws `usage`.
 */
export function parseCommand(command: Command, args: readonly string[]): Parsed {
  const flags = command.options.filter((option) => option.value === undefined);
  const valued = command.options.filter((option) => option.value !== undefined);
  const names = valued.map((option) => option.name);
  const aliases = Object.fromEntries(
    command.options.flatMap((option) => option.short ? [[option.name, option.short]] : []),
  );
  for (const arg of beforeDashes(args)) {
    // parseArgs would take `--yes=no` for a yes.
    const flag = /^--([^=]+)=/.exec(arg)?.[1];
    if (flag === "help" || flags.some((option) => option.name === flag)) {
      throw new SealpostError("usage", `--${flag} takes no value`);
    }
  }
  const parsed = parseArgs(args, {
    boolean: ["help", ...flags.map((option) => option.name)],
    string: ["_", ...names],
    collect: names,
    alias: { help: "h", ...aliases },
    unknown: (arg, key) => key === undefined ? true : refuseOption(command, arg),
  });
  if (parsed.help === true) return { help: true };
  const values = new Map<string, string>();
  const typed = new Map<string, string>();
  const lists = new Map<string, readonly string[]>();
  const numbers = new Map<string, number>();
  for (const option of valued) {
    if (option.repeatable) {
      lists.set(option.name, allValues(option, parsed[option.name]));
      continue;
    }
    const given = oneValue(option, parsed[option.name]);
    if (given !== undefined) typed.set(option.name, given);
    const value = given ?? option.default;
    if (value === undefined) continue;
    values.set(option.name, value);
    if (option.kind === "integer" || option.kind === "size") {
      numbers.set(option.name, toNumber(option, value));
    }
  }
  placePositionals(command, parsed._, values, lists);
  const given: Arguments = {
    text: (name) => values.get(name) ?? missing(command, name),
    optional: (name) => values.get(name),
    typed: (names) => new Map([...typed].filter(([name]) => names.includes(name))),
    all: (name) => lists.get(name) ?? [],
    number: (name) => numbers.get(name) ?? missing(command, name),
    optionalNumber: (name) => numbers.get(name),
    flag: (name) => parsed[name] === true,
  };
  return { help: false, given };
}

function missing(command: Command, name: string): never {
  throw new Error(`the table of ${command.name} has no ${name}, or no default for it`);
}

/** The one of `known` that `word` is most likely a misspelling of; null if none is near. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const d = candidate.startsWith(word) && word.length >= 2 ? 1 : distance(word, candidate);
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}

/** The argument NAME in its canonical form. Throws `usage`. */
export function nameArgument(text: string): string {
  try {
    return parseName(text);
  } catch (cause) {
    if (!isSealpostError(cause, "format")) throw cause;
    throw new SealpostError("usage", `${JSON.stringify(text)} is no name: ${cause.message}`, {
      cause,
    });
  }
}

function beforeDashes(args: readonly string[]): readonly string[] {
  const end = args.indexOf("--");
  return end === -1 ? args : args.slice(0, end);
}

function refuseOption(command: Command, arg: string): never {
  const given = arg.replace(/=.*$/s, "");
  const reason = command.refused?.[given.replace(/^--?/, "")];
  if (reason !== undefined) throw new SealpostError("usage", `${given} is refused: ${reason}`);
  const known = ["--help", ...command.options.map((option) => `--${option.name}`)];
  throw new SealpostError(
    "usage",
    `${command.name} has no option ${JSON.stringify(given)}${hint(nearest(given, known))}`,
  );
}

/** The end of a message about an unknown word: the nearest known one, or that `list` shows all. */
export function hint(near: string | null, list = "--help"): string {
  return near === null ? `; ${list} lists what there is` : `; did you mean ${near}?`;
}

function oneValue(option: Option, given: unknown): string | undefined {
  const values = Array.isArray(given) ? given : [];
  const value: unknown = values[0];
  if (value === undefined) return undefined;
  if (values.length > 1) throw new SealpostError("usage", `--${option.name} is given twice`);
  if (typeof value !== "string" || value === "") {
    throw new SealpostError(
      "usage",
      `--${option.name} needs a value: --${option.name} ${option.value}`,
    );
  }
  return value;
}

function allValues(option: Option, given: unknown): string[] {
  const values = Array.isArray(given) ? given : [];
  return values.map((value) => oneValue(option, [value]) ?? "");
}

function lacking(command: string, name: string): SealpostError {
  const what = name.includes("|")
    ? `one of ${name.split("|").join(", ")}`
    : name.endsWith("S")
    ? name.toLowerCase()
    : `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`;
  return new SealpostError("usage", `${command} needs ${what}; see --help`);
}

function placePositionals(
  command: Command,
  given: readonly string[],
  into: Map<string, string>,
  lists: Map<string, readonly string[]>,
) {
  for (const [i, positional] of command.positionals.entries()) {
    if (positional.rest) {
      lists.set(positional.name, given.slice(i));
      if (positional.required && given.length <= i) {
        throw lacking(command.name, positional.name);
      }
      return;
    }
    const value = given[i];
    if (value !== undefined && value !== "") into.set(positional.name, value);
    else if (positional.required) {
      throw lacking(command.name, positional.name);
    }
  }
  const extra = given[command.positionals.length];
  if (extra !== undefined) {
    throw new SealpostError(
      "usage",
      `${command.name} does not know what to do with ${JSON.stringify(extra)}; see --help`,
    );
  }
}

function toNumber(option: Option, text: string): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = option;
  if (option.kind === "size") return parseSize(text, min, max);
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) {
    throw new SealpostError(
      "usage",
      `--${option.name} must be a whole number from ${min} to ${max}`,
    );
  }
  return value;
}

/** Edits that lead from `a` to `b`. Letters in another order, the commonest slip, count as one. */
function distance(a: string, b: string): number {
  const letters = (word: string) => [...word].sort().join("");
  return letters(a) === letters(b) ? Number(a !== b) : levenshteinDistance(a, b);
}
