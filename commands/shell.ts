import { type Command, defineCommand } from "../cli/command.ts";
import { PROGRAM_VERSION } from "../cli/program.ts";
import { printText } from "../cli/run.ts";
import { SealpostError } from "../crypto/error.ts";
import { openTools } from "./editor.ts";

/** The name of the executable: what completions and the manual are for. */
const EXECUTABLE = "sealpost";

/** The commands that make the program at home on a machine. */
export const SHELL_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "completions",
    summary: "print what a shell needs to complete commands and options",
    description: [
      "Prints a script for bash, zsh or fish that completes commands, options, folders, flags " +
      "and file names. For folders and keywords of your own, and for people, the shell asks folders " +
      "names and members names, which ask no server, and for no passphrase.",
    ],
    positionals: [{
      name: "bash|zsh|fish",
      required: true,
      help: "the shell",
    }],
    options: [],
    examples: [
      {
        line: "completions bash > ~/.bash_completion",
        what: "for bash, with the package bash-completion; >> if you have that file already",
      },
      {
        line: "completions zsh > ~/.zfunc/_sealpost",
        what: "for zsh, with fpath+=~/.zfunc before compinit in ~/.zshrc",
      },
      {
        line: "completions fish > ~/.config/fish/completions/sealpost.fish",
        what: "for fish",
      },
    ],
    environment: [],
    rights: {},
    run: async (given, { commands }) => {
      const { completionScript, SHELLS } = await import("../cli/completions.ts");
      const shell = SHELLS.find((shell) => shell === given.text("bash|zsh|fish"));
      if (shell === undefined) {
        throw new SealpostError("usage", `there are completions for ${SHELLS.join(", ")}`);
      }
      printText(completionScript(shell, EXECUTABLE, commands));
    },
  }),
  defineCommand({
    name: "man",
    summary: "show the manual",
    description: [
      "Shows the manual at a terminal. In a pipe, and with --troff, prints it as man wants it.",
    ],
    positionals: [],
    options: [{ name: "troff", help: "print the source of the man page" }],
    examples: [
      { line: "man", what: "read it" },
      {
        line: "man --troff > ~/.local/share/man/man1/sealpost.1",
        what: "install it for: man sealpost",
      },
    ],
    environment: [],
    rights: { programs: true },
    run: async (given, { commands, topics }) => {
      const { manPage, manText } = await import("../cli/man_page.ts");
      const readable = Deno.stdout.isTerminal() && !given.flag("troff");
      const tools = await openTools(readable);
      const loaded = await Promise.all(
        topics.map(async ({ name, load }) => ({ name, ...await load() })),
      );
      const text = (readable ? manText : manPage)(EXECUTABLE, PROGRAM_VERSION, commands, loaded);
      if (!await tools?.page(text)) printText(text);
      await tools?.close();
    },
  }),
];
