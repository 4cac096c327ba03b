import { breakLines } from "./printable.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import type { Command, CommandTable, Option, TopicText } from "./command.ts";

/** Columns of all help. */
export const WIDTH = 80;

/** The help of the program as a whole. `program` is how it was started, like `sealpost`. */
export function programHelp(program: string, version: string, table: CommandTable): string {
  const { commands, sections, about, topics } = table;
  const line = (word: string): readonly [string, string] => {
    const own = commands.find(({ name }) => name === word);
    const more = commands.flatMap(({ name }) =>
      name.startsWith(`${word} `) ? name.slice(word.length + 1) : []
    );
    const summary = own?.summary ?? about[word] ?? "show this, or what one command does";
    return [word, more.length === 0 ? summary : `${summary}: ${word} ${more.join(", ")}`];
  };
  const width = Math.max(...sections.flatMap(({ words }) => words.map((word) => word.length)));
  return [
    `Sealpost ${version}: private mail for a small group, sealed end to end.`,
    "",
    `Usage: ${program} COMMAND [OPTIONS]`,
    "",
    ...sections.flatMap(({ title, words }) => [`${title}:`, ...rows(words.map(line), width), ""]),
    "Options:",
    ...rows([
      ["-h, --help", "show help"],
      ["--version", "show the version and what it was built from, also with --json"],
    ]),
    "",
    "Environment:",
    ...rows([["SEALPOST_DEBUG=1", "show where in the program an error came from"]]),
    "",
    "Exit codes:",
    ...rows(EXIT_CODES.map(({ code, meaning }) => [String(code), meaning] as const)),
    "",
    `${program} COMMAND --help shows options and examples.`,
    ...topics.map(({ name, summary }) => `${program} help ${name} lists ${summary}.`),
    "",
  ].join("\n");
}

/** The help of a topic. */
export function topicHelp({ paragraphs, terms }: TopicText): string {
  return [
    ...paragraphs.flatMap((text) => [...inLines(text, WIDTH), ""]),
    ...rows(terms),
    "",
  ].join("\n");
}

/** The help of subcommands that share their first word. */
export function groupHelp(program: string, commands: readonly Command[]): string {
  return [
    "Commands:",
    ...rows(commands.map((command) => [command.name, command.summary] as const)),
    "",
    `${program} COMMAND --help shows options and examples.`,
    "",
  ].join("\n");
}

/** The help of one subcommand. */
export function commandHelp(program: string, command: Command): string {
  const lines = [`Usage: ${program} ${usage(command)}`, ""];
  for (const paragraph of command.description) lines.push(...inLines(paragraph, WIDTH), "");
  if (command.positionals.length > 0) {
    const entries = command.positionals.map(({ name, help }) => [name, help] as const);
    lines.push("Arguments:", ...rows(entries), "");
  }
  const options = (group?: string) =>
    command.options.filter((option) => option.group === group)
      .map((option) => [optionName(option), optionHelp(option)] as const);
  lines.push("Options:", ...rows([...options(), ["-h, --help", "show this"]]), "");
  for (const group of new Set(command.options.flatMap((option) => option.group ?? []))) {
    lines.push(`${group}:`, ...rows(options(group)), "");
  }
  if (command.environment !== undefined) {
    const entries = command.environment.map(({ name, help }) => [name, help] as const);
    lines.push("Environment:", ...rows(entries), "");
  }
  lines.push("Examples:");
  for (const { line, what } of command.examples) {
    lines.push(`  ${program} ${line}`, ...inLines(what, WIDTH - 6).map((text) => `      ${text}`));
  }
  lines.push("", `${program} help lists the exit codes.`, "");
  return lines.join("\n");
}

/** How a command is typed: `read ID [OPTIONS]`. */
export function usage(command: Command): string {
  const positionals = command.positionals.map(({ name, required }) =>
    required ? name : `[${name}]`
  );
  return [command.name, ...positionals, "[OPTIONS]"].join(" ");
}

/** `-s, --subject TEXT`. */
export function optionName(option: Option): string {
  const short = option.short === undefined ? "" : `-${option.short}, `;
  const value = option.value === undefined ? "" : ` ${option.value}`;
  return `${short}--${option.name}${value}`;
}

/** What an option does, with its default. */
export function optionHelp(option: Option): string {
  return option.default === undefined ? option.help : `${option.help} (default: ${option.default})`;
}

/** Rows of two columns, the first of at least `width`, the second wrapped and aligned. */
function rows(entries: readonly (readonly [string, string])[], width = 0): string[] {
  const column = Math.max(width, ...entries.map(([name]) => name.length)) + 4;
  const lines: string[] = [];
  for (const [name, text] of entries) {
    for (const [i, line] of inLines(text, WIDTH - column).entries()) {
      lines.push((i === 0 ? `  ${name}` : "").padEnd(column) + line);
    }
  }
  return lines;
}

/** `text` in lines of at most `width` columns, words that are longer aside. */
export function inLines(text: string, width: number): string[] {
  return breakLines(text, width).split("\n");
}
