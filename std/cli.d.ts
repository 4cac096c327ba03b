// Types of what is used of @std/cli (JSR), whose sources npm's deno-std carries without types.

/** What `parseArgs` is told of the arguments to expect. */
export interface ParseOptions {
  /** Options that take no value. */
  boolean?: readonly string[];
  /** Options whose value stays text; `_` keeps positional arguments text. */
  string?: readonly string[];
  /** Options whose values are gathered in an array. */
  collect?: readonly string[];
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Whether to stop at the first positional argument and leave the rest in `_`. */
  stopEarly?: boolean;
  /** Called for what was not declared; `key` is undefined for a positional argument. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** `_` holds the positional arguments, every other name an option's value. */
export interface Args {
  _: string[];
  [name: string]: unknown;
}

/** Splits command-line arguments into options and positional arguments. */
export function parseArgs(args: readonly string[], options?: ParseOptions): Args;
