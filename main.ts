import type { CLIENT_COMMANDS } from "./commands/client.ts";
import { type CommandName, COMMANDS } from "./commands/table.ts";
import { ABOUT, SECTIONS } from "./commands/sections.ts";
import { SealpostError } from "./crypto/error.ts";
import { runProgram } from "./cli/failure.ts";
import { commandHelp, groupHelp, programHelp } from "./cli/help.ts";
import { type Arguments, hint, nearest, parseCommand } from "./cli/options.ts";
import type { Hooks, Tools } from "./client/terminal/programs.ts";
import { PROGRAM, PROGRAM_VERSION } from "./cli/program.ts";
import { giveUpPrograms } from "./cli/run_right.ts";

/** The name of the executable: what completions and the manual are for. */
const NAME = "sealpost";

/** Runs the command that `args` name. */
async function run(args: readonly string[]): Promise<void> {
  const [first, ...rest] = args;
  switch (first) {
    case undefined:
      throw new SealpostError("usage", `no command is given; ${PROGRAM} help lists them`);
    case "--version":
      return console.log(`sealpost ${PROGRAM_VERSION}`);
    case "-h":
    case "--help":
      return showHelp([]);
    case "help":
      return showHelp(rest);
  }
  if (membersOf(first).length > 0 && ["-h", "--help"].includes(rest[0] ?? "")) {
    return showHelp([first]);
  }
  const { command, words } = findCommand(args);
  const given = parseCommand(command, args.slice(words));
  if (given.help) return showHelp(command.name.split(" "));
  if (!STARTERS.includes(command.name)) giveUpPrograms();
  await dispatch(command.name, given);
}

/** What is started when mail comes; `command` is a line of shell. */
async function openHooks(command: string): Promise<Hooks | null> {
  const { Hooks } = await import("./client/terminal/programs.ts");
  return Hooks.start(command, (bytes) => {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  });
}

/** The commands that start programs of the person's choice, by the shells of client/terminal/programs.ts. */
const STARTERS: readonly CommandName[] = [
  "connect",
  "send",
  "read",
  "reply",
  "forward",
  "drafts edit",
  "man",
  "watch",
];

/**
 * A person's editor and pager, where a person is. From then on this process can start no program.
 */
async function openTools(wanted: boolean): Promise<Tools | null> {
  const tools = wanted ? (await import("./client/terminal/programs.ts")).Tools.start() : null;
  giveUpPrograms();
  return tools;
}

/** Loads the one module that the command needs. */
async function dispatch(name: CommandName, given: Arguments): Promise<void> {
  switch (name) {
    case "serve": {
      const { serve } = await import("./server/serve.ts");
      const { SETTING_OPTIONS } = await import("./server/settings/settings_table.ts");
      const { findServerFolder } = await import("./files/key_files.ts");
      return await serve({
        dir: given.optional("dir") ?? await findServerFolder(),
        flags: given.given(SETTING_OPTIONS.map(({ name }) => name)),
        checkConfig: given.flag("check-config"),
        variables: COMMANDS.flatMap(({ environment }) =>
          environment.map(({ name }) => name.replace(/=.*/, ""))
        ),
      });
    }
    case "fsck": {
      const { fsck } = await import("./server/maintenance/fsck.ts");
      const { findServerFolder } = await import("./files/key_files.ts");
      return await fsck({
        dir: given.optional("dir") ?? await findServerFolder(),
        repair: given.flag("repair"),
        json: given.flag("json"),
      });
    }
    case "backup": {
      const { backup } = await import("./server/maintenance/backup.ts");
      const { findServerFolder } = await import("./files/key_files.ts");
      return await backup({
        dir: given.optional("dir") ?? await findServerFolder(),
        into: given.text("DIR"),
        keys: given.flag("keys"),
        keep: given.number("keep"),
        json: given.flag("json"),
      });
    }
    case "restore": {
      const { restore } = await import("./server/maintenance/restore.ts");
      return await restore({
        from: given.text("DIR"),
        dir: given.text("dir"),
        ...given.pick({ snapshot: "snapshot" }),
        force: given.flag("force"),
        newEpochs: given.flag("new-epochs"),
        json: given.flag("json"),
      });
    }
    case "connect": {
      const atTerminal = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
      const tools = await openTools(atTerminal && !given.flag("menu"));
      const { connect } = await import("./client/connect.ts");
      return await connect({
        ...given.pick({
          dir: "dir",
          target: "[USER@]HOST[:PORT]",
          passwordFile: "password-file",
        }),
        menu: given.flag("menu"),
        tools,
      });
    }
    case "setup":
    case "send":
    case "inbox":
    case "read":
    case "reply":
    case "forward":
    case "move":
    case "delete":
    case "mark":
    case "status":
    case "outbox":
    case "outbox show":
    case "outbox flush":
    case "outbox discard":
    case "drafts":
    case "drafts show":
    case "drafts edit":
    case "drafts send":
    case "drafts discard":
    case "search":
    case "watch":
      return await useMail(name, given);
    case "keys list":
    case "keys show":
    case "keys verify":
    case "keys trust":
    case "keys export":
    case "keys import":
    case "keys rotate":
      return await useKeys(name, given);
    case "passwd":
      return await (await import("./client/commands/passwd.ts")).passwd({
        ...ofKeys(given),
        passwordStdin: given.flag("password-stdin"),
      });
    case "logout":
      return await (await import("./client/commands/logout.ts")).logout({
        ...ofKeys(given),
        everywhere: given.flag("everywhere"),
      });
    case "unlock":
      return await (await import("./client/commands/unlock.ts")).unlock({
        ...ofKeys(given),
        life: given.text("for"),
      });
    case "lock":
      return await (await import("./client/commands/unlock.ts")).lock(ofKeys(given));
    case "keygen": {
      const { keygen } = await import("./keygen.ts");
      return await keygen({
        name: given.text("NAME"),
        dir: given.optional("dir"),
        passphrase: given.flag("passphrase"),
        bits: given.number("bits"),
        force: given.flag("force"),
        publicOnly: given.flag("public"),
        json: given.flag("json"),
      });
    }
    case "completions": {
      const { completionScript, SHELLS } = await import("./cli/completions.ts");
      const shell = SHELLS.find((shell) => shell === given.text("bash|zsh|fish"));
      if (shell !== undefined) return printText(completionScript(shell, NAME, COMMANDS));
      throw new SealpostError("usage", `there are completions for ${SHELLS.join(", ")}`);
    }
    case "man": {
      const { manPage, manText } = await import("./cli/man_page.ts");
      const readable = Deno.stdout.isTerminal() && !given.flag("troff");
      const tools = await openTools(readable);
      const text = (readable ? manText : manPage)(NAME, PROGRAM_VERSION, COMMANDS);
      if (!await tools?.page(text)) printText(text);
      return await tools?.close();
    }
    case "client":
      return await (await import("./commands/workspace.ts")).makeClient(given.text("NAME"));
    case "pubkey":
      return await (await import("./commands/workspace.ts")).copyPublicKey(given.text("NAME"));
    case "clean":
      return await (await import("./commands/workspace.ts")).clean({ yes: given.flag("yes") });
    case "cleanall":
      return await (await import("./commands/workspace.ts")).cleanAll({ yes: given.flag("yes") });
  }
  return await operate(name, given);
}

function printText(text: string): void {
  console.log(text.trimEnd());
}

type KeysCommand = Extract<CommandName, `keys ${string}`>;
type AccountCommand = "passwd" | "logout" | "unlock" | "lock";
type MailCommand = Exclude<typeof CLIENT_COMMANDS[number]["name"], KeysCommand | AccountCommand>;

/** The commands that do one thing with one's mail. */
async function useMail(name: MailCommand, given: Arguments): Promise<void> {
  const common = {
    ...given.pick({ dir: "dir", server: "server", passwordFile: "password-file" }),
    noCache: given.flag("no-cache"),
    json: given.flag("json"),
  };
  const shown = Deno.stdout.isTerminal();
  const atTerminal = shown && Deno.stdin.isTerminal();
  const editor = () => openTools(atTerminal && given.optional("file") === undefined);
  const text = () => ({ attach: given.all("attach"), ...given.pick({ file: "file" }) });
  switch (name) {
    case "setup":
      return await (await import("./client/commands/setup.ts")).setup({
        ...given.pick({
          dir: "dir",
          invitation: "invitation",
          server: "server",
          fingerprint: "fingerprint",
          passwordFile: "password-file",
        }),
        passwordStdin: given.flag("password-stdin"),
        json: given.flag("json"),
      });
    case "send":
      return await (await import("./client/commands/send.ts")).send({
        ...common,
        ...text(),
        tools: await editor(),
        to: given.all("to"),
        cc: given.all("cc"),
        bcc: given.all("bcc"),
        subject: given.optional("subject") ?? "",
      });
    case "inbox":
      return await (await import("./client/commands/inbox.ts")).inbox({
        ...common,
        ...given.pick({ from: "from", since: "since" }),
        unread: given.flag("unread"),
        limit: given.number("limit"),
        folder: given.text("folder"),
      });
    case "read":
      return await (await import("./client/commands/read.ts")).read({
        ...common,
        ...given.pick({ save: "save" }),
        ...(given.optional("part") === undefined ? {} : { part: given.number("part") }),
        id: given.text("ID"),
        raw: given.flag("raw"),
        peek: given.flag("peek"),
        tools: await openTools(shown && !given.flag("no-pager") && !given.flag("json")),
      });
    case "reply":
      return await (await import("./client/commands/answer.ts")).reply({
        ...common,
        ...text(),
        tools: await editor(),
        id: given.text("ID"),
        all: given.flag("all"),
      });
    case "forward":
      return await (await import("./client/commands/answer.ts")).forward({
        ...common,
        ...text(),
        tools: await editor(),
        id: given.text("ID"),
        to: given.all("to"),
      });
    case "move":
      return await (await import("./client/commands/organize.ts")).move({
        ...common,
        ids: given.all("ID"),
        folder: given.text("folder"),
      });
    case "delete":
      return await (await import("./client/commands/organize.ts")).remove({
        ...common,
        ids: given.all("ID"),
        forGood: given.flag("for-good"),
        yes: given.flag("yes"),
      });
    case "mark":
      return await (await import("./client/commands/organize.ts")).mark({
        ...common,
        ids: given.all("ID"),
        set: given.all("set"),
        clear: given.all("clear"),
      });
    case "status":
      return await (await import("./client/commands/status.ts")).status(common);
    case "outbox":
      return await (await import("./client/commands/outbox.ts")).listOutbox(common);
    case "outbox flush":
      return await (await import("./client/commands/outbox.ts")).flushOutbox(common);
    case "outbox show":
      return await (await import("./client/commands/outbox.ts")).showWaiting({
        ...common,
        id: given.text("ID"),
      });
    case "outbox discard":
      return await (await import("./client/commands/outbox.ts")).discardWaiting({
        ...common,
        id: given.text("ID"),
        yes: given.flag("yes"),
      });
    case "drafts":
      return await (await import("./client/commands/drafts.ts")).listDrafts(common);
    case "drafts show":
    case "drafts send": {
      const { showDraft, sendSavedDraft } = await import("./client/commands/drafts.ts");
      const options = { ...common, id: given.text("ID") };
      return await (name === "drafts show" ? showDraft : sendSavedDraft)(options);
    }
    case "drafts edit":
      return await (await import("./client/commands/drafts.ts")).editSavedDraft({
        ...common,
        id: given.text("ID"),
        tools: await openTools(atTerminal),
      });
    case "drafts discard":
      return await (await import("./client/commands/drafts.ts")).discardDraft({
        ...common,
        id: given.text("ID"),
        yes: given.flag("yes"),
      });
    case "search":
      return await (await import("./client/commands/search.ts")).searchMail({
        ...common,
        ...given.pick({ from: "from", since: "since", folder: "folder" }),
        words: given.all("WORDS"),
        limit: given.number("limit"),
        fetch: given.flag("fetch"),
      });
    case "watch": {
      const notify = shown && !given.flag("no-notify") && !given.flag("json");
      const exec = given.optional("exec");
      const hooks = exec === undefined && !notify ? null : await openHooks(exec ?? "");
      giveUpPrograms();
      return await (await import("./client/commands/watch.ts")).watch({
        ...common,
        folder: given.text("folder"),
        count: given.flag("once") ? 1 : given.optional("count") ? given.number("count") : 0,
        fromNow: given.flag("from-now"),
        exec: exec !== undefined,
        notify,
        hooks,
      });
    }
  }
}

/** What commands about keys and the account were given in common. */
function ofKeys(given: Arguments) {
  return {
    ...given.pick({ dir: "dir", server: "server", passwordFile: "password-file" }),
    json: given.flag("json"),
  };
}

/** The commands about one's own keys and those of others. */
async function useKeys(name: KeysCommand, given: Arguments): Promise<void> {
  const common = ofKeys(given);
  switch (name) {
    case "keys list":
      return await (await import("./client/commands/keys.ts")).listKeys(common);
    case "keys show":
      return await (await import("./client/commands/keys.ts")).showKey({
        ...common,
        ...given.pick({ name: "NAME" }),
      });
    case "keys verify":
      return await (await import("./client/commands/keys_verify.ts")).verifyKey({
        ...common,
        ...given.pick({ text: "TEXT" }),
        name: given.text("NAME"),
        scan: given.flag("scan"),
        onlyText: given.flag("text"),
        invert: given.flag("invert"),
      });
    case "keys trust":
      return await (await import("./client/commands/keys_trust.ts")).trustKey({
        ...common,
        ...given.pick({ fingerprint: "fingerprint" }),
        name: given.text("NAME"),
        yes: given.flag("yes"),
      });
    case "keys export":
      return await (await import("./client/commands/keys_card.ts")).exportKey({
        ...common,
        ...given.pick({ output: "output" }),
      });
    case "keys import":
      return await (await import("./client/commands/keys_card.ts")).importKey({
        ...common,
        file: given.text("FILE"),
        anyServer: given.flag("any-server"),
      });
    case "keys rotate":
      return await (await import("./client/commands/keys_rotate.ts")).rotateKeys({
        ...common,
        newPassphrase: given.flag("new-passphrase"),
      });
  }
}

type OperatorCommand = Extract<
  CommandName,
  `user ${string}` | `sessions ${string}` | "stats" | "queue" | "reload"
>;

/** The commands on a server's users and on a running server. */
async function operate(name: OperatorCommand, given: Arguments): Promise<void> {
  const command = await import("./server/control/operate.ts");
  const options = { dir: given.optional("dir"), json: given.flag("json") };
  const user = () => ({ ...options, name: given.text("NAME") });
  const password = () => ({
    ...user(),
    passwordStdin: given.flag("password-stdin"),
    generate: given.flag("generate"),
    invite: given.flag("invite"),
    days: given.number("days"),
    address: given.optional("address"),
  });
  switch (name) {
    case "user add":
      return await command.setPassword("user-add", password());
    case "user passwd":
      return await command.setPassword("user-passwd", password());
    case "user disable":
      return await command.setAble("user-disable", user());
    case "user enable":
      return await command.setAble("user-enable", user());
    case "user unbind":
      return await command.unbind(user());
    case "user remove":
      return await command.remove({
        ...user(),
        purge: given.flag("purge"),
        yes: given.flag("yes"),
      });
    case "user list":
      return await command.showUsers(options);
    case "sessions list":
      return await command.showSessions(options);
    case "sessions end":
      return await command.endSessions({ ...options, who: given.text("NAME|#ID") });
    case "stats":
    case "queue":
      return await command.showStats(options);
    case "reload":
      return await command.reload(options);
  }
}

/** The command that `args` begin with, and of how many words its name is. */
function findCommand(args: readonly string[]) {
  const [name = "", next] = args;
  for (const words of [2, 1]) {
    const wanted = args.slice(0, words).join(" ");
    const command = COMMANDS.find((command) => command.name === wanted);
    // What takes no argument, and has others beside it, is followed by the name of one of those.
    const misspelt = command?.positionals.length === 0 && next !== undefined &&
      !next.startsWith("-") && words === 1 && membersOf(name).length > 0;
    if (command !== undefined && !misspelt) return { command, words };
  }
  const group = membersOf(name).filter((command) => command.name !== name);
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
    : [...COMMANDS.map((c) => c.name.split(" ", 1)[0] ?? ""), "help"];
  throw new SealpostError(
    "usage",
    `there is no ${kind} ${JSON.stringify(name)}${hint(nearest(name, known))}`,
  );
}

/** The commands whose names have `word` as the first of two words; with them one that is `word`. */
function membersOf(word: string) {
  const members = COMMANDS.filter((command) => command.name.startsWith(`${word} `));
  return members.length === 0
    ? members
    : COMMANDS.filter((command) => command.name === word || members.includes(command));
}

/** The help of the program, of the command that `words` name, or of all whose first word is that. */
function showHelp(words: readonly string[]): void {
  const [name] = words;
  const group = words.length === 1 && name !== undefined ? membersOf(name) : [];
  const own = group.find((command) => command.name === name);
  console.log(
    name === undefined
      ? programHelp(PROGRAM, PROGRAM_VERSION, COMMANDS, SECTIONS, ABOUT)
      : group.length > 0
      ? [...own ? [commandHelp(PROGRAM, own)] : [], groupHelp(PROGRAM, group)].join("\n")
      : commandHelp(PROGRAM, findCommand(words).command),
  );
}

if (import.meta.main) await runProgram(() => run(Deno.args));
