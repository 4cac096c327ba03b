import { type CommandName, COMMANDS } from "./commands.ts";
import { SealpostError } from "./crypto/error.ts";
import { runProgram } from "./protocol/failure.ts";
import { commandHelp, programHelp } from "./protocol/help.ts";
import { type Arguments, hint, nearest, parseCommand } from "./protocol/options.ts";
import { PROGRAM, PROGRAM_VERSION } from "./protocol/program.ts";

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
      return showHelp(undefined);
    case "help":
      return showHelp(rest[0]);
  }
  const command = findCommand(first);
  const given = parseCommand(command, rest);
  if (given.help) showHelp(command.name);
  else await dispatch(command.name, given);
}

/** Loads the one module that the command needs. */
async function dispatch(name: CommandName, given: Arguments): Promise<void> {
  switch (name) {
    case "serve": {
      const { serve } = await import("./server/serve.ts");
      const { findServerFolder } = await import("./protocol/key_files.ts");
      return await serve({
        dir: given.optional("dir") ?? await findServerFolder(),
        listen: given.text("listen"),
        maxMessage: given.number("max-message"),
      });
    }
    case "fsck": {
      const { fsck } = await import("./server/fsck.ts");
      const { findServerFolder } = await import("./protocol/key_files.ts");
      return await fsck({
        dir: given.optional("dir") ?? await findServerFolder(),
        repair: given.flag("repair"),
        json: given.flag("json"),
      });
    }
    case "backup": {
      const { backup } = await import("./server/backup.ts");
      const { findServerFolder } = await import("./protocol/key_files.ts");
      return await backup({
        dir: given.optional("dir") ?? await findServerFolder(),
        into: given.text("DIR"),
        keys: given.flag("keys"),
        keep: given.number("keep"),
        json: given.flag("json"),
      });
    }
    case "restore": {
      const { restore } = await import("./server/restore.ts");
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
      const { connect } = await import("./client/connect.ts");
      return await connect(given.pick({
        dir: "dir",
        target: "[USER@]HOST[:PORT]",
        passwordFile: "password-file",
      }));
    }
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
    case "client":
      return await (await import("./workspace.ts")).makeClient(given.text("NAME"));
    case "pubkey":
      return await (await import("./workspace.ts")).copyPublicKey(given.text("NAME"));
    case "clean":
      return await (await import("./workspace.ts")).clean({ yes: given.flag("yes") });
    case "cleanall":
      return await (await import("./workspace.ts")).cleanAll({ yes: given.flag("yes") });
  }
}

function findCommand(name: string) {
  const command = COMMANDS.find((command) => command.name === name);
  if (command !== undefined) return command;
  const kind = name.startsWith("-") ? "option" : "command";
  const known = kind === "option"
    ? ["--help", "--version"]
    : [...COMMANDS.map((c) => c.name), "help"];
  throw new SealpostError(
    "usage",
    `there is no ${kind} ${JSON.stringify(name)}${hint(nearest(name, known))}`,
  );
}

function showHelp(name: string | undefined): void {
  console.log(
    name === undefined
      ? programHelp(PROGRAM, PROGRAM_VERSION, COMMANDS)
      : commandHelp(PROGRAM, findCommand(name)),
  );
}

if (import.meta.main) await runProgram(() => run(Deno.args));
