import { BUILT_IN_FOLDERS, NAMED_FLAGS } from "../protocol/entry.ts";
import type { Command, Option } from "./command.ts";

/** The shells that completions are made for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of {@linkcode SHELLS}. */
export type Shell = typeof SHELLS[number];

/** The commands that print the person's own folders, or keywords, or whom they can write to. */
type Own = "folders names" | "folders names --keywords" | "members names";

/** What a shell can offer for a value; `own`: `words`, and what the person has made. */
type Offer =
  | "files"
  | "folders"
  | "nothing"
  | readonly string[]
  | { readonly own: Own; readonly words: readonly string[] };

/**
 * A script that has `shell` complete the commands of `program`: their names, options, and values
 * that are files, folders or one of a few words. For folders and keywords of the person's own, and for
 * whom they can write to, it calls `folders names` and `members names`, which ask no server and no person.
 */
export function completionScript(
  shell: Shell,
  program: string,
  commands: readonly Command[],
): string {
  return { bash, zsh, fish }[shell](program, commands);
}

/** The first words of all commands with what they do, and `help`. */
function firstWords(commands: readonly Command[]): [word: string, summary: string][] {
  const words = new Map<string, string>();
  for (const { name, summary } of commands) {
    const [first = "", second] = name.split(" ");
    if (!words.has(first)) {
      words.set(first, second === undefined ? summary : `${namesUnder(first, commands)}`);
    }
  }
  words.set("help", "show what a command does");
  return [...words];
}

/** The second words of the commands that begin with `first`, for people. */
function namesUnder(first: string, commands: readonly Command[]): string {
  return secondWords(first, commands).map(([word]) => word).join(", ");
}

function secondWords(first: string, commands: readonly Command[]): [string, string][] {
  return commands.filter(({ name }) => name.startsWith(`${first} `))
    .map(({ name, summary }) => [name.slice(first.length + 1), summary]);
}

/** The first words of commands of two words. */
function groups(commands: readonly Command[]): string[] {
  return [
    ...new Set(
      commands.flatMap(({ name }) => name.includes(" ") ? [name.split(" ")[0] ?? ""] : []),
    ),
  ];
}

/** What can stand where the table says `placeholder`. */
function offerFor(placeholder: string): Offer {
  if (placeholder === "FILE") return "files";
  if (placeholder === "DIR") return "folders";
  if (placeholder === "FOLDER") return { own: "folders names", words: BUILT_IN_FOLDERS };
  if (placeholder === "OWN-FOLDER") return { own: "folders names", words: [] };
  if (placeholder === "WORD") return { own: "folders names --keywords", words: [] };
  if (placeholder === "FLAG") {
    const words = NAMED_FLAGS.map((flag) => flag === "seen" ? "read" : flag);
    return { own: "folders names --keywords", words };
  }
  if (placeholder === "PERSON" || placeholder === "GROUP") {
    return { own: "members names", words: [] };
  }
  return /^[a-z]+(\|[a-z]+)+$/.test(placeholder) ? placeholder.split("|") : "nothing";
}

/** What can stand as a positional argument of `command`. */
function offerForPositional(command: Command): Offer {
  const [first] = command.positionals;
  return first === undefined ? "nothing" : offerFor(first.name);
}

function withDashes({ name, short }: Option): string[] {
  return [`--${name}`, ...short === undefined ? [] : [`-${short}`]];
}

/** The beginning of a help text, for one line of a menu. */
function brief(help: string): string {
  return help.split(/[;:(]| \(|\. /)[0]?.trim() ?? help;
}

/** `text` in single quotes of a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function bash(program: string, commands: readonly Command[]): string {
  const run = (offer: Offer) => {
    if (offer === "nothing") return ":";
    if (typeof offer === "string") return `_${program}_${offer}`;
    if (!("own" in offer)) return `_${program}_words ${quote(offer.join(" "))}`;
    return `_${program}_own ${quote(offer.words.join(" "))} ${offer.own}`.trimEnd();
  };
  const arms = commands.flatMap((command) => {
    const byOffer = new Map<string, string[]>();
    for (const option of command.options) {
      if (option.value === undefined) continue;
      const action = run(offerFor(option.value));
      byOffer.set(action, [...byOffer.get(action) ?? [], ...withDashes(option)]);
    }
    return [
      `    ${quote(command.name)})`,
      `      options=${quote([...command.options.flatMap(withDashes), "--help"].join(" "))}`,
      ...byOffer.size === 0 ? [] : [
        "      case $previous in",
        ...[...byOffer].map(([action, names]) =>
          `        ${names.join("|")}) ${action}; return ;;`
        ),
        "      esac",
      ],
      `      arguments=${quote(run(offerForPositional(command)))}`,
      "      ;;",
    ];
  });
  return `# Completions of ${program} for bash. For this shell: source <(${program} completions bash)
# For all: ${program} completions bash > ~/.local/share/bash-completion/completions/${program}

_${program}_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }

_${program}_files() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$current"))
}

_${program}_folders() {
  local IFS=$'\\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -d -- "$current"))
}

# These words, and what the person has made, as far as no other folder of settings is named.
_${program}_own() {
  local name prefix= start=\${current//\\\\/}
  start=\${start#[\\'\\"]}
  _${program}_words "$1"
  [[ " \${COMP_WORDS[*]} " == *" --dir "* ]] && return
  # Names of people stand side by side, with commas between.
  if [[ $2 == members && $current == *,* ]]; then
    prefix=\${current%,*},
    start=\${current##*,}
  fi
  while IFS= read -r name; do
    [[ $name == "$start"* ]] || continue
    if [[ $2 == members ]]; then
      COMPREPLY+=("$prefix$name")
    elif [[ $current != [\\'\\"]* ]]; then
      COMPREPLY+=("$(printf %q "$name")")
    elif [[ $name != *[\\'\\"\\\\\\$\\\`!]* ]]; then
      COMPREPLY+=("$name")
    fi
  done < <(command ${program} "\${@:2}" 2>/dev/null)
}

_${program}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local name=\${COMP_WORDS[1]} options= arguments=:
  COMPREPLY=()
  # Bash takes the = of --option=value for a word.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD == 1)); then
    _${program}_words ${
    quote([...firstWords(commands).map(([word]) => word), "--help", "--version"].join(" "))
  }
    return
  fi
  case $name in
    help)
      _${program}_words ${quote(firstWords(commands).map(([word]) => word).join(" "))}
      return
      ;;
${
    groups(commands).map((group) =>
      `    ${group})
      if ((COMP_CWORD == 2)) && [[ $current != -* ]]; then
        _${program}_words ${quote(secondWords(group, commands).map(([word]) => word).join(" "))}
        return
      fi
      case \${COMP_WORDS[2]} in
        ${
        secondWords(group, commands).map(([word]) => word).join("|")
      }) name="$name \${COMP_WORDS[2]}" ;;
      esac
      ;;`
    ).join("\n")
  }
  esac
  case $name in
${arms.join("\n")}
  esac
  if [[ $current == -* ]]; then
    _${program}_words "$options"
  else
    eval "$arguments"
  fi
}

complete -F _${program} ${program}
`;
}

function zsh(program: string, commands: readonly Command[]): string {
  const escape = (text: string) => text.replace(/[\\[\]:]/g, "\\$&");
  const action = (offer: Offer) => {
    if (offer === "files") return "_files";
    if (offer === "folders") return "_files -/";
    if (offer === "nothing") return " ";
    if (!("own" in offer)) return `(${offer.join(" ")})`;
    // The space keeps _arguments from adding words of its own.
    return ` _${program}_own "${offer.own}" ${offer.words.join(" ")}`.trimEnd();
  };
  const specs = (command: Command) => {
    const options = command.options.flatMap((option) => {
      const { value, repeatable, help } = option;
      const names = withDashes(option);
      const others = repeatable ? "*" : names.length > 1 ? `(${names.join(" ")})` : "";
      const rest = value === undefined ? "" : `:${escape(value)}:${action(offerFor(value))}`;
      return names.map((name) => `${others}${name}[${escape(brief(help))}]${rest}`);
    });
    const positionals = command.positionals.map(({ name, rest }) => {
      const offer = offerFor(name);
      // Beside a message, which is there as long as arguments are, no option would be completed.
      const shown = rest && offer === "nothing" ? "()" : action(offer);
      return `${rest ? "*" : ""}:${escape(name)}:${shown}`;
    });
    return [...options, "(-h --help)" + "--help[show what it does]", ...positionals];
  };
  const described = (words: readonly (readonly [string, string])[]) =>
    words.map(([word, summary]) => quote(`${word}:${escape(summary)}`)).join(" ");
  return `#compdef ${program}
# Completions of ${program} for zsh. For this shell: source <(${program} completions zsh)
# For all: ${program} completions zsh > a folder of your $fpath, as _${program}

# What the person has made, as far as no other folder of settings is named, and the words given.
_${program}_own() {
  local -a names=("\${@:2}")
  if ((! \${words[(I)--dir*]})); then
    names+=(\${(f)"$(command ${program} \${=1} 2>/dev/null)"})
  fi
  # Names of people stand side by side, with commas between.
  [[ $1 == members* ]] && compset -P '*,'
  compadd -a names
}

_${program}() {
  local name=$words[2]
  local -a found
  if ((CURRENT == 2)); then
    found=(${described(firstWords(commands))})
    _describe -t commands command found
    return
  fi
  case $name in
    help)
      found=(${described(firstWords(commands))})
      _describe -t commands command found
      return
      ;;
${
    groups(commands).map((group) =>
      `    ${group})
      if ((CURRENT == 3)) && [[ $PREFIX != -* ]]; then
        found=(${described(secondWords(group, commands))})
        _describe -t commands command found
        return
      fi
      case $words[3] in
        ${secondWords(group, commands).map(([word]) => word).join("|")})
          name="$name $words[3]"
          shift words
          ((CURRENT--))
          ;;
      esac
      ;;`
    ).join("\n")
  }
  esac
  shift words
  ((CURRENT--))
  case $name in
${
    commands.map((command) =>
      `    ${quote(command.name)})
      _arguments -s -S ${specs(command).map(quote).join(" \\\n        ")}
      ;;`
    ).join("\n")
  }
  esac
}

if [[ \${funcstack[1]} == _${program} ]]; then
  _${program} "$@"
else
  compdef _${program} ${program}
fi
`;
}

function fish(program: string, commands: readonly Command[]): string {
  const text = (words: string) => `'${words.replace(/[\\']/g, "\\$&")}'`;
  const values = (offer: Offer) => {
    if (offer === "files") return "-r -F";
    if (offer === "folders") return "-x -a '(__fish_complete_directories)'";
    return offer === "nothing" ? "-x" : `-x -a ${text(wordsOf(offer))}`;
  };
  const wordsOf = (offer: Exclude<Offer, string>) => {
    if (!("own" in offer)) return offer.join(" ");
    return [...offer.words, `(__${program}_own ${offer.own})`.replace(" )", ")")].join(" ");
  };
  const lines: string[] = [];
  const add = (when: string, rest: string) => {
    lines.push(`complete -c ${program} -n ${text(`__${program}_${when}`)} ${rest}`);
  };
  for (const [word, summary] of firstWords(commands)) {
    add("begins", `-a ${word} -d ${text(summary)}`);
    if (word !== "help") add("after help", `-a ${word} -d ${text(summary)}`);
  }
  for (const group of groups(commands)) {
    for (const [word, summary] of secondWords(group, commands)) {
      add(`after ${group}`, `-a ${word} -d ${text(summary)}`);
    }
  }
  for (const command of commands) {
    const beside = secondWords(command.name, commands).map(([word]) => word);
    const when = beside.length === 0
      ? `in ${command.name}`
      : `alone ${command.name} ${beside.join(" ")}`;
    for (const option of command.options) {
      const short = option.short === undefined ? "" : ` -s ${option.short}`;
      const value = option.value === undefined ? "" : ` ${values(offerFor(option.value))}`;
      add(when, `-l ${option.name}${short}${value} -d ${text(brief(option.help))}`);
    }
    const offer = offerForPositional(command);
    if (offer === "files") add(when, "-F");
    else if (offer === "folders") add(when, "-a '(__fish_complete_directories)'");
    else if (offer !== "nothing") add(when, `-a ${text(wordsOf(offer))}`);
  }
  return `# Completions of ${program} for fish. For this shell: ${program} completions fish | source
# For all: ${program} completions fish > ~/.config/fish/completions/${program}.fish

function __${program}_begins
    test (count (commandline -opc)) -eq 1
end

# Whether the words so far are the program's name and exactly these.
function __${program}_after
    set -l words (commandline -opc)
    test "$words[2..-1]" = "$argv"
end

# Whether the words so far begin with the program's name and the first of these, and none of the others.
function __${program}_alone
    set -l words (commandline -opc)
    __${program}_in $argv[1]; or return 1
    test (count $words) -lt 3; or not contains -- $words[3] $argv[2..-1]
end

# Whether the words so far begin with the program's name and these.
function __${program}_in
    set -l words (commandline -opc)
    set -l last (math (count $argv) + 1)
    test (count $words) -ge $last; and test "$words[2..$last]" = "$argv"
end

# What the person has made, as far as no other folder of settings is named.
function __${program}_own
    string match -q -- '* --dir*' (commandline -opc | string join ' '); and return
    if test "$argv[1]" = members
        # Names of people stand side by side, with commas between.
        set -l before (string replace -r '[^,]*$' '' -- (commandline -ct))
        for name in (command ${program} $argv 2>/dev/null)
            echo "$before$name"
        end
        return
    end
    command ${program} $argv 2>/dev/null
end

complete -c ${program} -e
complete -c ${program} -f
${lines.join("\n")}
complete -c ${program} -l help -s h -d 'show what a command does'
`;
}
