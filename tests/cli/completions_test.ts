import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { COMMANDS, TABLE } from "../../commands/table.ts";
import { completionScript, type Shell, SHELLS } from "../../cli/completions.ts";
import type { Command } from "../../cli/command.ts";
import { manPage, manText } from "../../cli/man_page.ts";
import { testUnless } from "../support/testing.ts";
import { inFolder, sealpost, shell, whyNo } from "../support/command.ts";

const topics = await Promise.all(
  TABLE.topics.map(async ({ name, load }) => ({ name, ...await load() })),
);

/** Answers `folders names` as somebody's own names would be, the worst of them included. */
const NAMES = `#!/bin/sh
case "$*" in
"folders names") printf '%s\\n' work 'work/annual reports' 'a$(touch owned)b' ;;
"folders names --keywords") printf '%s\\n' urgent fun ;;
"members names") printf '%s\\n' bob carol ;;
*) exit 64 ;;
esac
`;

/**
 * Calls `fn` with the script of a shell, and a folder with two files and two folders in it; the folder
 * of the same name and `.bin` has a program {@linkcode NAMES} for the path.
 */
async function withScript(
  name: Shell,
  fn: (script: string, folder: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    const script = join(folder, `script.${name}`);
    await Deno.writeTextFile(script, completionScript(name, "sealpost", COMMANDS));
    for (const made of ["a folder", "archives"]) await Deno.mkdir(join(folder, made));
    await Deno.writeTextFile(join(folder, "a file.txt"), "");
    await Deno.mkdir(`${folder}.bin`);
    try {
      await Deno.writeTextFile(`${folder}.bin/sealpost`, NAMES, { mode: 0o755 });
      await fn(script, folder);
      assertEquals(await exists(join(folder, "owned")), false);
    } finally {
      await Deno.remove(`${folder}.bin`, { recursive: true });
    }
  });
}

/** The options of a command as they are typed. */
function optionsOf(command: Command): string[] {
  const names = command.options.flatMap(({ name, short }) => {
    return [`--${name}`, ...short === undefined ? [] : [`-${short}`]];
  });
  return [...names, "--help"].sort();
}

const BASH = `cd "$1" && . "$0" || exit
PATH=$1.bin:$PATH
while IFS= read -r line; do
  IFS=$'\\t' read -r -a COMP_WORDS <<<"$line"
  # What read leaves out: an empty word at the end.
  [[ $line == *$'\\t' ]] && COMP_WORDS+=("")
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _sealpost
  (IFS=$'\\t'; printf '%s\\n' "\${COMPREPLY[*]}")
done
complete -p sealpost`;

Deno.test("bash completes every command, option, folder, flag and file", async () => {
  await withScript("bash", async (script, folder) => {
    const cases: [typed: string[], offered: string[]][] = [
      [["user", ""], [
        ...["add", "disable", "enable", "full-name", "list", "passwd", "remove", "unbind"],
      ]],
      [["sett"], []],
      [["set"], ["setup"]],
      [["move", "--folder", ""], [
        ...["archive", "drafts", "inbox", "sent", "trash"],
        ...["work", "work/annual\\ reports", "a\\$\\(touch\\ owned\\)b"],
      ]],
      [["move", "--folder", "=", "ar"], ["archive"]],
      [["move", "--folder", "work/annual\\ re"], ["work/annual\\ reports"]],
      [["move", "--folder", "'work/"], ["work/annual reports"]],
      [["move", "--folder", '"a'], ["archive"]],
      [["move", "--dir", ".", "--folder", "w"], []],
      [["mark", "4f3a", "--set", "f"], ["flagged", "forwarded", "fun"]],
      [["inbox", "--keyword", ""], ["fun", "urgent"]],
      [["folders", "remove", "work/"], ["work/annual\\ reports"]],
      [["send", "-a", "a"], ["a file.txt", "a folder", "archives"]],
      [["inbox", "--dir", "a"], ["a folder", "archives"]],
      [["inbox", "--dir", "=", ""], ["a folder", "archives"]],
      [["backup", "ar"], ["archives"]],
      [["completions", ""], ["bash", "fish", "zsh"]],
      [["send", "-t", ""], ["bob", "carol"]],
      [["send", "-t", "bob,ca"], ["bob,carol"]],
      [["inbox", "--from", "c"], ["carol"]],
      [["help", "key"], ["keygen", ...firstWordsWith("keys")]],
      [["--"], ["--help", "--version"]],
    ];
    for (const command of COMMANDS) {
      const words = command.name.split(" ");
      cases.push([[...words, "-"], optionsOf(command)]);
      const [first = "", second] = words;
      if (second === undefined) cases.push([[first], firstWordsWith(first)]);
    }
    const input = join(folder, "..", `${folder.split("/").at(-1)}.input`);
    await Deno.writeTextFile(
      input,
      cases.map(([typed]) => `${["sealpost", ...typed].join("\t")}\n`).join(""),
    );
    try {
      const said = await shell(
        'bash --norc --noprofile -c "$0" "$1" "$2" < "$3"',
        BASH,
        script,
        folder,
        input,
      );
      const lines = said.trimEnd().split("\n");
      assertEquals(lines.pop(), "complete -F _sealpost sealpost");
      for (const [i, [typed, offered]] of cases.entries()) {
        const got = (lines[i] ?? "").split("\t").filter((word) => word !== "").sort();
        assertEquals(got, [...offered].sort(), typed.join(" "));
      }
      assertEquals(lines.length, cases.length);
    } finally {
      await Deno.remove(input);
    }
  });
});

/** The first words of commands that begin with `start`. */
function firstWordsWith(start: string): string[] {
  const words = new Set([...COMMANDS.map(({ name }) => name.split(" ")[0] ?? ""), "help"]);
  return [...words].filter((word) => word.startsWith(start));
}

// A line editor in a terminal of its own, as somebody types into it; the command prints its words.
const ZSH = `cd "$2" || exit
zmodload zsh/zpty
zpty shell 'zsh -f -i'
zpty -w shell "PS1=; autoload -Uz compinit; compinit -D -u; source $1; sealpost() { print -r -- got:\\\${(j:,:)@} }; print -r -- ready:now"
read_until() { local text= piece; until [[ $text == *$1* ]]; do zpty -r shell piece || exit; text+=$piece; done; print -r -- $text }
read_until $'\\n'ready: >/dev/null
for words in "\${@:3}"; do
  zpty -w -n shell "$words"$'\\t\\n'
  read_until $'\\n'got:
done`;

testUnless(await whyNo("zsh"), "zsh completes commands, options, folders and files", async () => {
  await withScript("zsh", async (script, folder) => {
    const cases = [
      ["send -t bob,c", "send,-t,bob,carol"],
      ["move --folder work/an", "move,--folder,work/annual reports"],
      ["move --folder a\\$", "move,--folder,a$(touch owned)b"],
      ["mark 4f3a --set ur", "mark,4f3a,--set,urgent"],
      ["folders rename work/", "folders,rename,work/annual reports"],
      ["setu", "setup"],
      ["user dis", "user,disable"],
      ["move --folder ar", "move,--folder,archive"],
      ["mark 4f3a --set fl", "mark,4f3a,--set,flagged"],
      ["send -t bob --sub", "send,-t,bob,--subject"],
      ["send -a a\\ fi", "send,-a,a file.txt"],
      ["inbox --dir arc", "inbox,--dir,archives"],
      ["user add alice --gen", "user,add,alice,--generate"],
      ["mark 4f3a --js", "mark,4f3a,--json"],
      ["completions f", "completions,fish"],
    ];
    const typed = cases.map(([words = ""]) => `sealpost ${words}`);
    const said = await shell(
      'PATH=$2.bin:$PATH exec timeout 60 zsh -f -c "$0" zsh "$@"',
      ZSH,
      script,
      folder,
      ...typed,
    );
    const got = [...said.matchAll(/\ngot:(.*?)\r*\n/g)].map(([, words]) => words);
    assertEquals(got, cases.map(([, words]) => words));
  });
});

testUnless(await whyNo("fish"), "fish completes commands, options, folders and files", async () => {
  await withScript("fish", async (script, folder) => {
    const cases: [string, string[]][] = [
      ["setu", ["setup"]],
      ["user ", [
        ...["add", "disable", "enable", "full-name", "list", "passwd", "remove", "unbind"],
      ]],
      ["move --folder ", [
        ...["archive", "drafts", "inbox", "sent", "trash"],
        ...["work", "work/annual reports", "a$(touch owned)b"],
      ]],
      ["move --dir . --folder ", ["archive", "drafts", "inbox", "sent", "trash"]],
      ["mark 4f3a --set u", ["urgent"]],
      ["folders remove work/", ["work/annual reports"]],
      ["send -a a", ["a file.txt", "a folder/", "archives/"]],
      ["inbox --dir a", ["a folder/", "archives/"]],
      ["backup ar", ["archives/"]],
      ["completions ", ["bash", "fish", "zsh"]],
      ["send -t ", ["bob", "carol"]],
      ["send -t bob,c", ["bob,carol"]],
      ...COMMANDS.filter(({ name }) => !COMMANDS.some((other) => other.name.startsWith(`${name} `)))
        .map((command): [string, string[]] => [
          `${command.name} --`,
          optionsOf(command).filter((name) => name.startsWith("--")),
        ]),
    ];
    const said = await shell(
      'cd "$1" && shift && exec env PATH="$PWD.bin:$PATH" HOME="$PWD" XDG_CONFIG_HOME="$PWD/.c" XDG_DATA_HOME="$PWD/.c" ' +
        'fish --no-config -c "$@"',
      "sh",
      folder,
      'source $argv[1]; for line in $argv[2..-1]; complete -C "sealpost $line"; echo ==; end',
      script,
      ...cases.map(([typed]) => typed),
    );
    const answers = said.split("==\n");
    for (const [i, [typed, offered]] of cases.entries()) {
      const got = (answers[i] ?? "").split("\n").filter((line) => line !== "")
        .map((line) => line.split("\t")[0] ?? "");
      assertEquals(got.sort(), [...offered].sort(), typed);
    }
  });
});

Deno.test("completions are printed for these shells and no other", async () => {
  await inFolder(async (cwd) => {
    const made = await Promise.all(SHELLS.map((name) => sealpost(["completions", name], { cwd })));
    for (const { code, stdout, stderr } of made) {
      assertEquals([code, stderr], [0, ""]);
      assertStringIncludes(stdout, "sealpost");
    }
    const wrong = await sealpost(["completions", "tcsh"], { cwd });
    assertEquals([wrong.code, wrong.stdout], [64, ""]);
    assertEquals(wrong.stderr, "sealpost: there are completions for bash, zsh, fish\n");
  });
});

Deno.test("the manual has every command, option and example, as text and as troff", async () => {
  const page = manPage("sealpost", "1.0.0", COMMANDS, topics);
  const text = manText("sealpost", "1.0.0", COMMANDS, topics);
  const shown = page.replaceAll("\\-", "-").replaceAll("\\(aq", "'").replaceAll("\\(ti", "~");
  for (const { name, options, examples } of COMMANDS) {
    for (const manual of [shown, text]) {
      assertStringIncludes(manual, `sealpost ${name}`);
      for (const option of options) assertStringIncludes(manual, `--${option.name}`);
      for (const { line } of examples) assertStringIncludes(manual, `sealpost ${line}`);
    }
  }
  for (const heading of ["NAME", "SYNOPSIS", "COMMANDS", "ENVIRONMENT", "FILES", "EXIT STATUS"]) {
    assertStringIncludes(page, `\n.SH ${heading}\n`);
    assertStringIncludes(text, `\n${heading}\n`);
  }
  for (const line of page.split("\n")) assert(!/[^\x20-\x7e]/.test(line), line);
  const piped = await sealpost(["man"], { cwd: "." });
  assertEquals([piped.code, piped.stdout], [0, page]);
});

testUnless(await whyNo("groff"), "groff sets the manual without a warning", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "sealpost.1");
    await Deno.writeTextFile(path, manPage("sealpost", "1.0.0", COMMANDS, topics));
    const said = await shell('groff -ww -man -Tutf8 -rLL=78n "$0" 2>&1 | col -b', path);
    assert(!/warning|error:/.test(said), said.slice(0, 2000));
    assertStringIncludes(said, "--password-file FILE");
  });
});
