import type { Rights } from "./rights.ts";

/** An option of a command. Without `value` it is a flag that is on or off. */
export interface Option {
  readonly name: string;
  /** One letter: the option is `-x` too. */
  readonly short?: string;
  /** Whether it may be given several times. */
  readonly repeatable?: boolean;
  /** What stands for its value in help, like `DIR`. */
  readonly value?: string;
  readonly kind?: "text" | "integer" | "size";
  /** Bounds of an `integer`, or of a `size` in bytes, both included. */
  readonly min?: number;
  readonly max?: number;
  /** Used where the option is not given; shown in help. */
  readonly default?: string;
  /** The heading it stands under in help; without one it stands before all headings. */
  readonly group?: string;
  readonly help: string;
}

/** A positional argument. */
export interface Positional {
  readonly name: string;
  readonly required: boolean;
  /** Whether it takes all the arguments that are left. */
  readonly rest?: boolean;
  readonly help: string;
}

/** What a command is, apart from its arguments. */
interface Description {
  /** One word or two. */
  readonly name: string;
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  /** Options that people will try and that are refused, each with the reason and the way to do it. */
  readonly refused?: Readonly<Record<string, string>>;
  readonly examples: readonly { readonly line: string; readonly what: string }[];
  readonly environment?: readonly { readonly name: string; readonly help: string }[];
  /** What the command may do; the program gives up every other right before `run`. */
  readonly rights: Rights;
}

/** A command: the one entry from which arguments are parsed, help is written and work is started. */
export interface Command extends Description {
  readonly positionals: readonly Positional[];
  readonly options: readonly Option[];
  /** Loads the module that does the work, and has it done. */
  readonly run: (given: Arguments, table: CommandTable) => Promise<void>;
}

/** All commands, and how help arranges them. */
export interface CommandTable {
  readonly commands: readonly Command[];
  /** The headings of help, each with the first words of the commands under it. */
  readonly sections: readonly { readonly title: string; readonly words: readonly string[] }[];
  /** What the commands are about that share a first word, where none has that word alone. */
  readonly about: Readonly<Record<string, string>>;
  /** What help can be asked about besides commands. */
  readonly topics: readonly Topic[];
}

/** Something that help explains and that is no command, like the settings. */
export interface Topic {
  /** One word. */
  readonly name: string;
  readonly summary: string;
  /** Loads the text: paragraphs, and below them terms with what each means. */
  readonly load: () => Promise<TopicText>;
}

/** The text of a {@linkcode Topic}. */
export interface TopicText {
  readonly paragraphs: readonly string[];
  readonly terms: readonly (readonly [term: string, text: string])[];
}

/**
 * What was given on the command line. Each function takes the names of options and positional
 * arguments for which it makes sense.
 */
interface Reader<
  Text extends string,
  Optional extends string,
  Typed extends string,
  All extends string,
  Numeric extends string,
  OptionalNumeric extends string,
  Flag extends string,
> {
  /** The value of an option with a default, or of a required positional argument. */
  readonly text: (name: Text) => string;
  /** The value of any option or positional argument; undefined if it was not given. */
  readonly optional: (name: Optional) => string | undefined;
  /** The options among `names` that were given, whatever has a default, as they were typed. */
  readonly typed: (names: readonly Typed[]) => ReadonlyMap<string, string>;
  /** All values of a repeatable option, or of a positional argument that takes the rest. */
  readonly all: (name: All) => readonly string[];
  /** The value of a numeric option with a default, within its bounds. */
  readonly number: (name: Numeric) => number;
  /** The value of a numeric option, within its bounds; undefined if it was not given. */
  readonly optionalNumber: (name: OptionalNumeric) => number | undefined;
  /** Whether a flag was given. */
  readonly flag: (name: Flag) => boolean;
}

/** What was given for a command whose names are not known when this is compiled. */
export type Arguments = Reader<string, string, string, string, string, string, string>;

/** What was given for the positional arguments `P` and the options `O`. */
export type Given<P extends Positional, O extends Option> = Reader<
  NameOf<WithDefault<O> | Extract<P, { required: true }>>,
  NameOf<WithValue<O> | P>,
  NameOf<WithValue<O>>,
  NameOf<Extract<O, { repeatable: true }> | Extract<P, { rest: true }>>,
  NameOf<Extract<WithDefault<O>, Numeric>>,
  NameOf<Extract<O, Numeric>>,
  NameOf<Exclude<O, { value: string }>>
>;

type NameOf<T extends { readonly name: string }> = T["name"];
/** Options that take a value, and those of which only running shows it. */
type WithValue<O extends Option> = O extends { value: string } ? O
  : string extends O["name"] ? O
  : never;
type WithDefault<O> = Extract<O, { default: string }>;
type Numeric = { kind: "integer" | "size" };

/**
 * A command whose `run` can read only what its options and positional arguments declare: another
 * name, or the text of a flag, does not compile.
 */
export function defineCommand<const P extends Positional, const O extends Option>(
  command: Description & {
    readonly positionals: readonly P[];
    readonly options: readonly O[];
    readonly run: (given: Given<P, O>, table: CommandTable) => Promise<void>;
  },
): Command {
  return command;
}
