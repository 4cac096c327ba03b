import { type Command, defineCommand } from "../cli/command.ts";
import { COMMON, ENVIRONMENT, mailOptions, ONLINE, REFUSED, YES } from "./shared.ts";

const FOLDER = {
  name: "folder",
  value: "FOLDER",
  help: "what is in FOLDER (default: inbox)",
} as const;

/** The commands about what is done with mail that comes. */
export const RULES_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "rules list",
    summary: "list the rules for mail that comes",
    description: [
      "Rules move and mark what comes into the inbox. They are written in sealpost.toml, and rules use has " +
      "them run:",
      '  [[rules]]\n  name = "bills"\n  if = "from:bob subject:bill"\n  move = "archive"\n  mark = ' +
      '["read", "urgent"]',
      "if is a search (search --help says what it can be); move names a folder, mark a flag or keyword, or " +
      "several; one of the two may be missing. All rules that a message fits mark it; the first of them " +
      "that moves says where. Only what its sender has signed is looked at: no rule touches imported " +
      "mail, or a message that does not verify.",
      "The server cannot read your mail, so one of your machines runs the rules, whenever any program of " +
      "yours fetches mail there: each message once, so what you move back stays. All your machines have " +
      "the same rules and know which one runs them (devices list); if that one is removed, another takes " +
      "its place.",
      "With --json, an object with machine (name and own; null if none runs them) and rules, an array of " +
      "objects with name, if, move and mark.",
    ],
    positionals: [],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "rules list", what: "what is done with what comes, and where" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { listRules } = await import("../client/commands/rules.ts");
      await listRules(mailOptions(given));
    },
  }),
  defineCommand({
    name: "rules test",
    summary: "show what rules would do, and change nothing",
    description: [
      "Shows of each rule in sealpost.toml here which messages it fits, and what would be done with them; " +
      "where the file has none, of those that are run.",
      "With --json, an array of objects with name, if, move, mark and messages.",
    ],
    positionals: [],
    options: [FOLDER, ...COMMON],
    refused: REFUSED,
    examples: [{ line: "rules test", what: "before rules use" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { testRules } = await import("../client/commands/rules.ts");
      await testRules({ ...mailOptions(given), folder: given.optional("folder") ?? "inbox" });
    },
  }),
  defineCommand({
    name: "rules use",
    summary: "have the rules in sealpost.toml run from now on",
    description: [
      "Takes the rules in sealpost.toml here in the place of those that are run, for all of your machines. " +
      "The machine that runs them goes on to do so; if none does, this one begins. Asks before it leaves " +
      "none.",
    ],
    positionals: [],
    options: [...COMMON, YES],
    refused: REFUSED,
    examples: [{ line: "rules use", what: "after each change of sealpost.toml" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { useRules } = await import("../client/commands/rules.ts");
      await useRules({ ...mailOptions(given), yes: given.flag("yes") });
    },
  }),
  defineCommand({
    name: "rules apply",
    summary: "apply the rules to mail that is there",
    description: [
      "Does with what is in the inbox, or in another folder, what the rules do with what comes, on " +
      "whatever machine. Says how many messages of each rule, and asks; undo takes it back.",
    ],
    positionals: [],
    options: [FOLDER, ...COMMON, YES],
    refused: REFUSED,
    examples: [
      { line: "rules apply", what: "what came before there were rules" },
      { line: "rules apply --folder archive --yes", what: "from a script" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { applyRules } = await import("../client/commands/rules.ts");
      await applyRules({
        ...mailOptions(given),
        folder: given.optional("folder") ?? "inbox",
        yes: given.flag("yes"),
      });
    },
  }),
  defineCommand({
    name: "rules run-here",
    summary: "have this machine run the rules",
    description: [
      "From now on this machine runs the rules, and the one that did runs them no more. What came before " +
      "is not looked at again: rules apply does that.",
    ],
    positionals: [],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "rules run-here", what: "on the machine that is always on" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { runRulesHere } = await import("../client/commands/rules.ts");
      await runRulesHere(mailOptions(given));
    },
  }),
];
