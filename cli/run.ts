import { SealpostError } from "../crypto/error.ts";
import type { Command, CommandTable } from "./command.ts";
import { hint, nearest, parseCommand } from "./options.ts";
import { PROGRAM, PROGRAM_VERSION, versionLine } from "./program.ts";
import { giveUpOthers } from "./rights.ts";

/**
 * Runs the command of `table` that `args` name, or shows help. Before anything of the command runs,
 * this process gives up every right that its entry does not ask for.
 *
 * Throws `usage` for what the table does not know, and what the command throws.
 */
export async function run(table: CommandTable, args: readonly string[]): Promise<void> {
  const [first, ...rest] = args;
  switch (first) {
    case undefined:
      throw new SealpostError("usage", `no command is given; ${PROGRAM} help lists them`);
    case "--version":
      giveUpOthers({}, []);
      return printText(versionLine(rest.includes("--json")));
    case "-h":
    case "--help":
      return await showHelp(table, []);
    case "help":
      return await showHelp(table, rest);
  }
  if (membersOf(table, first).length > 0 && ["-h", "--help"].includes(rest[0] ?? "")) {
    return await showHelp(table, [first]);
  }
  const { command, words } = findCommand(table, args);
  const parsed = parseCommand(command, args.slice(words));
  if (parsed.help) return await showHelp(table, command.name.split(" "));
  giveUpOthers(command.rights, table.commands.flatMap(({ rights }) => rights.variables ?? []));
  await command.run(parsed.given, table);
}

/** Prints `text` on standard output, with one line end after it. */
export function printText(text: string): void {
  console.log(text.trimEnd());
}

/** The command that `args` begin with, and of how many words its name is. Throws `usage`. */
function findCommand(
  table: CommandTable,
  args: readonly string[],
): { readonly command: Command; readonly words: number } {
  const { commands } = table;
  const [name = "", next] = args;
  for (const words of [2, 1]) {
    const wanted = args.slice(0, words).join(" ");
    const command = commands.find((command) => command.name === wanted);
    // What takes no argument, and has others beside it, is followed by the name of one of those.
    const misspelt = command?.positionals.length === 0 && next !== undefined &&
      !next.startsWith("-") && words === 1 && membersOf(table, name).length > 0;
    if (command !== undefined && !misspelt) return { command, words };
  }
  const group = membersOf(table, name).filter((command) => command.name !== name);
  if (group.length > 0) {
    const known = group.map((command) => command.name.slice(name.length + 1));
    throw new SealpostError(
      "usage",
      next === undefined || next.startsWith("-")
        ? `${name} needs one of ${known.join(", ")}; ${PROGRAM} help ${name} says what they do`
        : `there is no command ${JSON.stringify(`${name} ${next}`)}${hint(nearest(next, known))}`,
    );
  }
  const kind = name.startsWith("-") ? "option" : "command";
  const known = kind === "option"
    ? ["--help", "--version"]
    : [...commands.map((command) => command.name.split(" ", 1)[0] ?? ""), "help"];
  throw new SealpostError(
    "usage",
    `there is no ${kind} ${JSON.stringify(name)}${hint(nearest(name, known))}`,
  );
}

/** The commands whose names have `word` as the first of two words; with them one that is `word`. */
function membersOf({ commands }: CommandTable, word: string): readonly Command[] {
  const members = commands.filter((command) => command.name.startsWith(`${word} `));
  return members.length === 0
    ? members
    : commands.filter((command) => command.name === word || members.includes(command));
}

/** The help of the program, of the command that `words` name, or of all whose first word is that. */
async function showHelp(table: CommandTable, words: readonly string[]): Promise<void> {
  giveUpOthers({}, []);
  const { commandHelp, groupHelp, programHelp, topicHelp } = await import("./help.ts");
  const [name] = words;
  const topic = words.length === 1 && table.topics.find((topic) => topic.name === name);
  if (topic) return printText(topicHelp(await topic.load()));
  const group = words.length === 1 && name !== undefined ? membersOf(table, name) : [];
  const own = group.find((command) => command.name === name);
  printText(
    name === undefined
      ? programHelp(PROGRAM, PROGRAM_VERSION, table)
      : group.length > 0
      ? [...own ? [commandHelp(PROGRAM, own)] : [], groupHelp(PROGRAM, group)].join("\n")
      : commandHelp(PROGRAM, findCommand(table, words).command),
  );
}
