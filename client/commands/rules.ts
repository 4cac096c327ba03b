import { join } from "@std/path";
import { alignColumns } from "../../cli/columns.ts";
import { printable } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Folder } from "../../protocol/entry.ts";
import { devicesOf, lastSeen } from "../mailbox/devices.ts";
import { shortId } from "../mailbox/message_ids.ts";
import type { Item } from "../mailbox/open.ts";
import { OwnNames } from "../mailbox/own_names.ts";
import { ActionGroups } from "../mailbox/rule_runner.ts";
import {
  actionWords,
  parseRules,
  planRules,
  presentRunner,
  type Rule,
  type RuleAction,
  rulesOf,
  sameRules,
  signedOf,
  type UsableRule,
  usableRules,
} from "../mailbox/rules.ts";
import { listingLine } from "../mailbox/show.ts";
import type { Mail } from "../mail.ts";
import { CONFIG_FILE } from "../state/config.ts";
import { confirm } from "../terminal/confirm.ts";
import { type CommonOptions, type Context, printRow, toJson, withMail } from "./common.ts";

/** Messages that `rules test` shows of one rule. */
const SHOWN = 20;

/** The `rules list` command: the rules that are run, and by which machine. */
export async function listRules(options: CommonOptions): Promise<void> {
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    const names = await mail.names();
    const record = await mail.shared.known();
    const rules = rulesOf(record);
    const machine = await runnerName(mail);
    const here = rulesHere(context, names);
    if (json) {
      return printJson({
        machine: runnerJson(machine),
        rules: rules.map((rule) => ruleJson(rule, names)),
      });
    }
    if (rules.length === 0) terminal.print("No rules are run.");
    else {
      const rows = rules.map((rule) => [rule.name, rule.condition, actionWords(rule, names)]);
      for (const line of alignColumns([["Name", "If", "Then"], ...rows])) {
        printRow(terminal, printable(line));
      }
      terminal.print(machineLine(machine));
    }
    for (const problem of usableRules(rules, names).problems) terminal.printError(problem);
    if (here.length > 0 && !sameRules(here, rules)) {
      terminal.printError(
        `the rules in ${CONFIG_FILE} here are others: "${PROGRAM} rules test" tries them, "rules use" ` +
          "has them run",
      );
    }
  });
}

/** The `rules use` command: the rules of this machine's sealpost.toml are run from now on. */
export async function useRules(options: CommonOptions & { readonly yes: boolean }): Promise<void> {
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    const names = await mail.names();
    const rules = rulesHere(context, names);
    const before = rulesOf(await mail.shared.known());
    if (rules.length === 0) await endRules(context, before, options.yes);
    await mail.sync();
    const { machine } = await mail.shared.self();
    const { lost } = await mail.shared.change((record) => {
      return planRules(record, rules, machine, mail.cache.fetched());
    });
    if (lost.length > 0) {
      throw new SealpostError(
        "version-conflict",
        `another machine of yours changed the rules at the same time: see "${PROGRAM} rules list", and ` +
          "try again",
      );
    }
    const runs = await runnerName(mail);
    if (json) {
      return printJson({
        machine: runnerJson(runs),
        rules: rules.map((one) => ruleJson(one, names)),
      });
    }
    if (rules.length === 0) return terminal.print("No rules are run any more.");
    terminal.print(
      `${count(rules.length, "rule")} for what comes from now on. ${machineLine(runs)}`,
    );
  });
}

/** Asks whether rules end for which there are no others. Throws `usage`, `cancelled`. */
async function endRules(
  { terminal }: Context,
  before: readonly Rule[],
  yes: boolean,
): Promise<void> {
  if (before.length === 0) {
    throw new SealpostError(
      "usage",
      `there are no rules in ${CONFIG_FILE}; "${PROGRAM} rules list --help" shows how one is written`,
    );
  }
  if (yes) return;
  if (!terminal.interactive) {
    throw new SealpostError(
      "usage",
      `there are no rules in ${CONFIG_FILE} here; --yes ends those that are run`,
    );
  }
  const question = `There are no rules in ${CONFIG_FILE} here. End the ${
    count(before.length, "rule")
  } that your machines share? (y/N) `;
  if (!await confirm(terminal, question)) {
    throw new SealpostError("cancelled", "the rules stay as they are");
  }
}

/** The `rules run-here` command: this machine runs the rules from now on. */
export async function runRulesHere(options: CommonOptions): Promise<void> {
  await withMail(options, async ({ mail, json, printJson, terminal }) => {
    await mail.shared.refresh();
    if (rulesOf(await mail.shared.known()).length === 0) {
      throw new SealpostError(
        "usage",
        `there are no rules yet; write some into ${CONFIG_FILE}, then "${PROGRAM} rules use"`,
      );
    }
    await mail.sync();
    await mail.rules.runHere();
    const machine = await runnerName(mail);
    if (json) printJson({ machine: runnerJson(machine) });
    else terminal.print(machineLine(machine));
  });
}

/** What rules are tried or applied on. */
export interface RulesOptions extends CommonOptions {
  readonly folder: string;
}

/** The `rules test` command: what each rule would do with what is there. Changes nothing. */
export async function testRules(options: RulesOptions): Promise<void> {
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    mail.runsRules = false;
    const names = await mail.names();
    const here = rulesHere(context, names);
    const rules = here.length > 0 ? here : rulesOf(await mail.shared.known());
    const usable = requireRules(context, rules, names);
    const folder = await mail.findFolder(options.folder);
    const { fitting, unknown } = await findFitting(mail, usable, folder);
    if (json) {
      return printJson(fitting.map(({ rule, items }) => ({
        ...ruleJson(rule, names),
        messages: items.map((item) => toJson(item, names)),
      })));
    }
    for (const { rule, items } of fitting) {
      const would = items.length === 0 ? "" : `: ${actionWords(rule, names)}`;
      terminal.print(printable(`${rule.name}: ${count(items.length, "message")}${would}`));
      const rows = items.slice(0, SHOWN).map((item) => {
        const { from, date, subject } = listingLine(item, "subject", names);
        return [shortId(item.entry.header.slice(1, 17)), from, date, subject];
      });
      for (const line of alignColumns(rows)) printRow(terminal, `  ${line}`);
      if (items.length > SHOWN) terminal.print(`  and ${items.length - SHOWN} more`);
    }
    tellUnknown(context, unknown);
    terminal.print("Nothing was changed.");
  });
}

/** The `rules apply` command: does with what is there what the rules do with what comes. */
export async function applyRules(
  options: RulesOptions & { readonly yes: boolean },
): Promise<void> {
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    if (!options.yes && !terminal.interactive) {
      throw new SealpostError("usage", "--yes is needed where nobody can be asked");
    }
    const names = await mail.names();
    const rules = rulesOf(await mail.shared.known());
    if (rules.length === 0 && rulesHere(context, names).length > 0) {
      throw new SealpostError(
        "usage",
        `the rules in ${CONFIG_FILE} are not used yet: "${PROGRAM} rules use" first`,
      );
    }
    const usable = requireRules(context, rules, names);
    const folder = await mail.findFolder(options.folder);
    const { fitting, unknown } = await findFitting(mail, usable, folder);
    tellUnknown(context, unknown);
    const groups = together(fitting, folder);
    const uids = groups.flatMap((group) => group.uids);
    if (uids.length > 0 && !options.yes) {
      for (const { rule, items } of fitting) {
        terminal.print(
          printable(
            `${rule.name}: ${count(items.length, "message")}: ${actionWords(rule, names)}`,
          ),
        );
      }
      const question = `Change ${count(uids.length, "message")} in ${names.folderName(folder)}?`;
      if (!await confirm(terminal, printable(`${question} (y/N) `))) {
        throw new SealpostError("cancelled", "nothing was changed");
      }
    }
    await mail.changeAll(groups.map(({ uids, action }) => ({
      uids,
      changing: { set: action.flags, clear: [], folder: action.folder ?? undefined },
    })));
    if (json) return printJson({ changed: uids.length });
    const back = uids.length === 0 ? "" : '; "undo" takes it back';
    terminal.print(`Changed ${count(uids.length, "message")}${back}.`);
  });
}

/** The rules of this machine's sealpost.toml. Throws `config`. */
function rulesHere({ profile }: Context, names: OwnNames): Rule[] {
  return parseRules(join(profile.dir, CONFIG_FILE), profile.config.rules, names);
}

/** Those of `rules` that can be run; says of others why not. Throws `usage` if there are none. */
function requireRules(
  { terminal }: Context,
  rules: readonly Rule[],
  names: OwnNames,
): readonly UsableRule[] {
  const { usable, problems } = usableRules(rules, names);
  for (const problem of problems) terminal.printError(problem);
  if (usable.length > 0) return usable;
  throw new SealpostError(
    "usage",
    rules.length > 0
      ? "none of your rules can be run"
      : `there are no rules; write some into ${CONFIG_FILE}: "${PROGRAM} rules list --help" shows how`,
  );
}

/** The messages of a folder that fit each rule, newest first. */
interface Fitting {
  readonly rule: UsableRule;
  readonly items: readonly Item[];
}

async function findFitting(
  mail: Mail,
  rules: readonly UsableRule[],
  folder: Folder,
): Promise<{ readonly fitting: readonly Fitting[]; readonly unknown: number }> {
  const fitting: Fitting[] = [];
  let most = 0;
  const within = { condition: { kind: "folder" as const, folder }, not: false };
  for (const rule of rules) {
    const { uids, unknown } = await mail.findFitting([within, ...rule.query]);
    const items: Item[] = [];
    for (const uid of uids) {
      const cached = await mail.cache.entry(uid);
      const item = cached && await mail.openItem(cached);
      if (item && signedOf(item) !== null) items.push(item);
    }
    fitting.push({ rule, items });
    most = Math.max(most, unknown);
  }
  return { fitting, unknown: most };
}

/** What the rules do with each message, those with which they do the same together. */
function together(fitting: readonly Fitting[], folder: Folder) {
  const actions = new Map<number, { readonly item: Item; action: RuleAction }>();
  for (const { rule, items } of fitting) {
    for (const item of items) {
      const { uid } = item.entry;
      const { action } = actions.get(uid) ?? { action: { folder: null, flags: [] } };
      actions.set(uid, {
        item,
        action: {
          folder: action.folder ?? rule.folder,
          flags: [...new Set([...action.flags, ...rule.flags])],
        },
      });
    }
  }
  const groups = new ActionGroups();
  for (const [uid, { item, action }] of actions) {
    groups.add(uid, {
      folder: action.folder === folder ? null : action.folder,
      flags: action.flags.filter((flag) => !item.entry.flags.includes(flag)),
    });
  }
  return groups.all();
}

function tellUnknown({ terminal }: Context, unknown: number): void {
  if (unknown === 0) return;
  terminal.printError(
    `${
      count(unknown, "message")
    } left out: the text is too long, or cannot be read, to say whether it fits`,
  );
}

/** The machine that runs the rules; null if none does. */
interface RunnerView {
  readonly name: string;
  readonly own: boolean;
  /** When and from where it was here last, in words. */
  readonly seen: string;
}

async function runnerName(mail: Mail): Promise<RunnerView | null> {
  const record = await mail.shared.known();
  const runner = rulesOf(record).length === 0 ? null : presentRunner(record);
  if (runner === null) return null;
  const found = (await devicesOf(mail)).find(({ id }) => id === runner.machine);
  return found
    ? { name: found.label, own: found.own, seen: lastSeen({ ...found, runsRules: false }) }
    : { name: runner.machine.slice(0, 8), own: false, seen: "not on your list" };
}

function machineLine(machine: RunnerView | null): string {
  if (machine === null) {
    return `No machine runs them: "${PROGRAM} rules run-here" has this one do it.`;
  }
  const { name, own, seen } = machine;
  return printable(own ? `${name}, this machine, runs them.` : `${name} runs them (${seen}).`);
}

/** As programs see it. */
function runnerJson(machine: RunnerView | null) {
  return machine && { name: machine.name, own: machine.own };
}

function ruleJson(rule: Rule, names: OwnNames) {
  return {
    name: rule.name,
    if: rule.condition,
    move: rule.folder === null ? null : names.folderName(rule.folder),
    mark: rule.flags.map((flag) => names.flagName(flag)),
  };
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
