import { EXIT_CODES } from "./exit_codes.ts";
import { inLines, optionHelp, optionName, usage, WIDTH } from "./help.ts";
import type { Command, Topic, TopicText } from "./command.ts";

/** A part of the manual. */
type Block =
  | { readonly kind: "section" | "subsection" | "paragraph"; readonly text: string }
  /** Terms, each with what it means. */
  | { readonly kind: "list"; readonly rows: readonly (readonly [term: string, text: string])[] }
  /** Lines as they are typed, each with what it does. */
  | {
    readonly kind: "examples";
    readonly rows: readonly (readonly [line: string, what: string])[];
  };

/** A topic of help with its text. */
export type ManualTopic = Pick<Topic, "name"> & TopicText;

const TAGLINE = "private mail for a small group, sealed end to end";

const FILES: readonly (readonly [string, string])[] = [
  [
    "sealpost.toml",
    "The settings, in your folder and in a server's.",
  ],
  [
    "NAME_private.pem, NAME_public.pem",
    "Your keys, in your folder. The private one opens all your mail: keep it to yourself, and keep " +
    "a copy. NAME_private.FINGERPRINT.pem is one that was replaced; old mail needs it.",
  ],
  ["server_public.pem", "In your folder: the key that the server must have."],
  ["files/", "In your folder: what you attach from, and where attachments are saved."],
  [
    ".sealpost/NAME/",
    "In your folder: keys of correspondents, tickets, the outbox, drafts and fetched mail, all " +
    "sealed for your key.",
  ],
  [
    "server_private.pem, user_pass.json, mail/, audit.log",
    "In a server's folder: its key, the password hashes, the sealed mail, and what operators did.",
  ],
];

/** The manual of `program`, made of what its help is made of. */
function manual(
  program: string,
  commands: readonly Command[],
  topics: readonly ManualTopic[],
): Block[] {
  const environment = new Map<string, string>();
  for (const { name, help } of commands.flatMap((command) => command.environment ?? [])) {
    if (!environment.has(name)) environment.set(name, help);
  }
  return [
    { kind: "section", text: "NAME" },
    { kind: "paragraph", text: `${program} - ${TAGLINE}` },
    { kind: "section", text: "SYNOPSIS" },
    { kind: "paragraph", text: `${program} COMMAND [OPTIONS]` },
    { kind: "paragraph", text: `${program} help [COMMAND]` },
    { kind: "section", text: "DESCRIPTION" },
    {
      kind: "paragraph",
      text: "Messages are sealed on the sender's machine and opened on the reader's; the server " +
        "keeps them and cannot read them. One executable is server, client and tools.",
    },
    {
      kind: "paragraph",
      text: "People with an invitation begin with setup. The server's operator begins with " +
        "keygen server, serve, and user add NAME --invite.",
    },
    {
      kind: "paragraph",
      text: "The client's commands work on one folder: the one that --dir names, else " +
        "SEALPOST_HOME, else the current one if it is yours (see adopt), else the " +
        "platform's (~/.config/sealpost, ~/Library/Application Support/sealpost or " +
        "%APPDATA%\\sealpost).",
    },
    { kind: "section", text: "COMMANDS" },
    ...commands.flatMap((command) => ofCommand(program, command)),
    { kind: "section", text: "ENVIRONMENT" },
    { kind: "list", rows: [...environment] },
    ...topics.flatMap(({ name, paragraphs, terms }) => [
      { kind: "section", text: name.toUpperCase() } as const,
      ...paragraphs.map((text) => ({ kind: "paragraph", text }) as const),
      { kind: "list", rows: terms } as const,
    ]),
    { kind: "section", text: "FILES" },
    { kind: "list", rows: FILES },
    { kind: "section", text: "EXIT STATUS" },
    { kind: "list", rows: EXIT_CODES.map(({ code, meaning }) => [String(code), meaning]) },
    { kind: "section", text: "EXAMPLES" },
    {
      kind: "examples",
      rows: [
        [`${program} setup`, "get going"],
        [`${program} send -t bob -s Results -a scan.png < letter.txt`, "send a letter and a scan"],
        [`${program} inbox --unread --json | jq -r '.[].id'`, "the ids of what is new"],
      ],
    },
    { kind: "section", text: "SEE ALSO" },
    {
      kind: "paragraph",
      text: "docs/USING.md for users, docs/OPERATING.md for operators, docs/THREAT_MODEL.md for " +
        "what is protected and against whom, docs/PROTOCOL.md for every byte.",
    },
  ];
}

function ofCommand(program: string, command: Command): Block[] {
  const { description, positionals, options, examples } = command;
  const rows = [
    ...positionals.map(({ name, help }) => [name, help] as const),
    ...options.map((option) => [optionName(option), optionHelp(option)] as const),
  ];
  return [
    { kind: "subsection", text: `${program} ${usage(command)}` },
    ...description.map((text) => ({ kind: "paragraph", text }) as const),
    ...rows.length === 0 ? [] : [{ kind: "list", rows } as const],
    {
      kind: "examples",
      rows: examples.map(({ line, what }) => [`${program} ${line}`, what] as const),
    },
  ];
}

/** The manual in the troff of man(7), as `man` wants it. */
export function manPage(
  program: string,
  version: string,
  commands: readonly Command[],
  topics: readonly ManualTopic[],
): string {
  const title = program.toUpperCase();
  const lines = [`.TH ${title} 1 "" "Sealpost ${version}" "Sealpost manual"`, ".nh", ".ad l"];
  for (const block of manual(program, commands, topics)) {
    switch (block.kind) {
      case "section":
        lines.push(`.SH ${troff(block.text)}`);
        break;
      case "subsection":
        lines.push(`.SS "${troff(block.text).replaceAll('"', "\\(dq")}"`);
        break;
      case "paragraph":
        if (!/^\.S[HS] /.test(lines.at(-1) ?? "")) lines.push(".PP");
        lines.push(...source(block.text));
        break;
      case "list":
        for (const [term, text] of block.rows) {
          lines.push(".TP", `\\fB${troff(term)}\\fR`, ...source(text));
        }
        break;
      case "examples":
        for (const [line, what] of block.rows) {
          lines.push(".TP", `\\fI${troff(line)}\\fR`, ...source(what));
        }
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The manual as text of 80 columns, where there is no `man`. */
export function manText(
  program: string,
  version: string,
  commands: readonly Command[],
  topics: readonly ManualTopic[],
): string {
  const indented = (text: string, columns: number) => {
    return inLines(text, WIDTH - columns).map((line) => " ".repeat(columns) + line);
  };
  const lines = [`${program.toUpperCase()}(1)    Sealpost ${version}`];
  for (const block of manual(program, commands, topics)) {
    switch (block.kind) {
      case "section":
        lines.push("", block.text);
        break;
      case "subsection":
        lines.push("", `   ${block.text}`, "");
        break;
      case "paragraph":
        lines.push(...indented(block.text, 7), "");
        break;
      case "list":
      case "examples":
        for (const [term, text] of block.rows) {
          lines.push(`       ${term}`, ...indented(text, 14), "");
        }
    }
  }
  return `${lines.join("\n").replaceAll(/\n{3,}/g, "\n\n").trimEnd()}\n`;
}

/** Lines of troff that are shown as `text`. */
function source(text: string): string[] {
  return inLines(text, 64).map(troff);
}

/** `text` so that troff shows it as it stands. */
function troff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga").replaceAll("^", "\\(ha").replaceAll("~", "\\(ti")
    .replace(/^\./, "\\&.")
    .replaceAll(/[^\x20-\x7e]/gu, (character) => {
      return `\\[u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`;
    });
}
