import { isThere, privateKeyPath, SERVER_NAME } from "../files/key_files.ts";
import { expandHome } from "../cli/environment.ts";
import { defined } from "../crypto/defined.ts";
import { join } from "@std/path";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { type Address, formatAddress, formatServer, parseServer } from "../protocol/address.ts";
import { parseName } from "../protocol/name.ts";
import { PROGRAM } from "../cli/program.ts";
import { readConfig, writeConfig } from "./state/config.ts";
import { isDumb } from "./terminal/display.ts";
import { clientFolder } from "./state/folder.ts";
import { askAboutNewKey } from "./trust/confirm_key.ts";
import { Menu } from "./menu.ts";
import { findProfile, type Profile } from "./state/profile.ts";
import type { Tools } from "./terminal/programs.ts";
import { openMail } from "./session.ts";
import { tempFolderOf } from "./state/state.ts";
import { handedOver, openTerminal, type Terminal } from "./terminal/terminal.ts";
import type { Started } from "./tui/start.ts";

/** What the `connect` command was given; it asks for the rest. */
export interface ConnectOptions {
  /**
   * The client's folder; default: the current one, or its subfolder with the user's name, then those
   * that the other commands use.
   */
  readonly dir?: string;
  /** `[user@]host[:port]`; at a terminal sealpost.toml says it otherwise. */
  readonly target?: string;
  /** A file whose first line is the password. */
  readonly passwordFile?: string;
  /** Whether it is the numbered menu at a terminal too. */
  readonly menu: boolean;
  /**
   * Starts what the person's editor needs for drafts in a folder, and gives up the right to start
   * programs; null where there is no editor.
   */
  readonly openTools: (folder: string) => Promise<Tools | null>;
}

/**
 * The `connect` command: asks for server, user and password in the seed's order, logs in and runs
 * the full-screen program, or the menu, until the person is done. Throws whatever stops it, after a
 * goodbye to the server.
 */
export async function connect(options: ConnectOptions): Promise<void> {
  let full: Started | null = null;
  const terminal = handedOver(openTerminal({ pipedSecrets: true }), () => full);
  const { address, name, dir } = await whoAndWhere(terminal, options);
  const tools = await options.openTools(tempFolderOf(dir, name));
  // A password that is needed again can be asked for only while no other question is.
  let asking = false;
  const unattended = options.passwordFile !== undefined ||
    Deno.env.get("SEALPOST_PASSWORD") !== undefined;
  const { bell = false, cache = true, downloads } = await readConfig(dir);
  let menu: Menu | null = null;
  const wholeScreen = terminal.interactive && !options.menu && !isDumb();
  const mail = await openMail({
    terminal,
    address,
    name,
    dir,
    cache,
    // Piped answers are counted on: with a ticket or without, the password is one of them.
    useTicket: terminal.interactive || unattended,
    onNews: (event) => (full ?? menu)?.notice(event),
    announce: (line) => terminal.print(line),
    askPassword: async () => {
      return asking || full ? await terminal.askSecret("Enter your password: ") : null;
    },
    // A script learns from the pipe's end that the connection is gone.
    ...(terminal.interactive ? { reconnect: true, retries: 2, offline: "read" } : {}),
    ...defined({ passwordFile: options.passwordFile }),
  });
  try {
    if (mail.connection.online) await remember(terminal, dir, name, address);
    if (wholeScreen) {
      const { startTui } = await import("./tui/start.ts");
      full = startTui(mail, {
        files: downloads === undefined ? join(dir, "files") : expandHome(downloads),
        tools,
        bell,
        dir,
        account: `${name}@${formatAddress(address)}`,
      });
      await full.run();
      await mail.close();
      // The program still waits for a key, and that cannot be taken back.
      Deno.exit(0);
    }
    const own = { name, fp: mail.identity.bundle.fp };
    if (terminal.interactive) mail.onNewKey = (pin) => askAboutNewKey(terminal, own, pin);
    menu = new Menu(terminal, mail, dir, async () => {
      asking = true;
      await mail.connection.connect().finally(() => asking = false);
    });
    await menu.run();
  } finally {
    await mail.close();
  }
}

/** Who connects where: from the arguments, at a terminal from the settings, else asked for. */
async function whoAndWhere(
  terminal: Terminal,
  { dir, target }: ConnectOptions,
): Promise<{ readonly address: Address; readonly name: string; readonly dir: string }> {
  if (terminal.interactive && target === undefined) {
    const profile = await knownProfile(dir);
    if (profile?.address) return { ...profile, address: profile.address };
    if (profile === null) {
      terminal.print(
        `Nothing here says who you are. With an invitation: Ctrl-C, then "${PROGRAM} setup".`,
      );
    }
  }
  const { user, host } = splitTarget(target);
  const address = parseServer(host ?? await answer(terminal, "Enter the server IP or name: "));
  const name = parseName(user ?? await answer(terminal, "Enter your username: "));
  return { address, name, dir: await clientFolder(name, dir) };
}

/**
 * Writes the server and the name that were reached to sealpost.toml of the folder, where it does not
 * say so already: from then on every command knows them. A folder that cannot be written is no error.
 */
async function remember(
  terminal: Terminal,
  dir: string,
  name: string,
  address: Address,
): Promise<void> {
  // What stands there in a server's folder is the server's.
  if (await isThere(privateKeyPath(dir, SERVER_NAME))) return;
  const { server = formatServer(address), user = name } = await readConfig(dir);
  try {
    await writeConfig(dir, { server, user });
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    terminal.printError(`the server is not remembered: ${error.message}`);
  }
}

/** Whom the commands would act for; null if the settings do not say, so that it has to be asked. */
async function knownProfile(dir: string | undefined): Promise<Profile | null> {
  try {
    return await findProfile(defined({ dir }));
  } catch (error) {
    // Settings with a mistake in them are reported once it is known whose folder it is.
    if (isSealpostError(error, "file-missing", "config")) return null;
    throw error;
  }
}

/** The parts of `[user@]host[:port]`. */
function splitTarget(target: string | undefined): { user?: string; host?: string } {
  if (target === undefined) return {};
  const at = target.lastIndexOf("@");
  return at < 0 ? { host: target } : { user: target.slice(0, at), host: target.slice(at + 1) };
}

async function answer(terminal: Terminal, prompt: string): Promise<string> {
  const line = await terminal.ask(prompt);
  if (line === null) {
    throw new SealpostError("usage", "the input ended before the login; nothing was done");
  }
  return line.trim();
}
