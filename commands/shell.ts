import type { Command } from "../cli/options.ts";

/** The commands that make the program at home on a machine. */
export const SHELL_COMMANDS = [
  {
    name: "completions",
    summary: "print what a shell needs to complete commands and options",
    description: [
      "Prints a script for bash, zsh or fish that completes commands, options, folders, flags " +
      "and file names. It asks no server and reads no file of Sealpost.",
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
  },
  {
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
  },
] as const satisfies readonly Command[];
