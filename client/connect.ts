import { join } from "@std/path";
import { exists } from "@std/fs";
import type { Bytes } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { type Bundle, bundleToPem, formatFingerprint } from "../crypto/identity.ts";
import { type Address, formatAddress, parseAddress } from "../protocol/address.ts";
import { readFileBounded, writeFileAtomic } from "../protocol/atomic_file.ts";
import { loadBundle, loadIdentity, requirePrivate, SERVER_NAME } from "../protocol/key_files.ts";
import { MAX_PASSWORD } from "../protocol/limits.ts";
import { encodePassword } from "../protocol/login.ts";
import { parseName } from "../protocol/name.ts";
import { passphraseBytes, passphraseFromEnvironment } from "../protocol/secret_input.ts";
import { clientFolder } from "./folder.ts";
import { logOn } from "./log_on.ts";
import { askForBundle } from "./login.ts";
import { Mail } from "./mail.ts";
import { Menu } from "./menu.ts";
import { RetiredKeys } from "./retired_keys.ts";
import { State } from "./state.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

/** What the `connect` command was given; it asks for the rest. */
export interface ConnectOptions {
  /** The client's folder; default: the current one, or its subfolder with the user's name. */
  readonly dir?: string;
  /** `[user@]host[:port]`. */
  readonly target?: string;
  /** A file whose first line is the password. */
  readonly passwordFile?: string;
}

/**
 * The `connect` command: asks for server, user and password in the seed's order, logs in and runs
 * the menu until the person is done. Throws whatever stops it, after a goodbye to the server.
 */
export async function connect(options: ConnectOptions): Promise<void> {
  const terminal = openTerminal();
  const { user, host } = splitTarget(options.target);
  const address = parseAddress(host ?? await answer(terminal, "Enter the server IP or name: "));
  const name = parseName(user ?? await answer(terminal, "Enter your username: "));
  const dir = await clientFolder(name, options.dir);
  const identity = await loadIdentity(
    dir,
    name,
    (attempt) => askPassphrase(terminal, name, attempt),
  );
  const server = await pinnedServer(terminal, dir, address);
  const retired = new RetiredKeys(dir, name, (path) => askRetired(terminal, path));
  const state = await State.open(dir, name, identity, retired);
  const unattended = options.passwordFile !== undefined ||
    Deno.env.get("SEALPOST_PASSWORD") !== undefined;
  let menu: Menu | null = null;
  const { link, hello, bound } = await logOn({
    address,
    server,
    name,
    identity,
    state,
    // Piped answers are counted on: with a ticket or without, the password is one of them.
    useTicket: terminal.interactive || unattended,
    password: () => findPassword(terminal, options.passwordFile),
    onMail: (event) => menu?.notice(event),
  });
  try {
    const mail = await Mail.open(name, identity, link, hello, state, retired);
    if (bound) {
      terminal.print(
        "This was the first connection: your account is now bound to your key " +
          `${formatFingerprint(identity.bundle.fp)}.`,
      );
    }
    menu = new Menu(terminal, mail, dir);
    await menu.run();
  } finally {
    await link.close();
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

async function askPassphrase(
  terminal: Terminal,
  name: string,
  attempt: number,
): Promise<Bytes | null> {
  const fixed = passphraseFromEnvironment();
  if (fixed !== null) return attempt === 1 ? passphraseBytes(fixed) : null;
  return await terminal.askSecret(`Passphrase of the private key of ${name}: `);
}

/** The passphrase of a retired key; null where nobody can be asked. */
async function askRetired(terminal: Terminal, path: string): Promise<Bytes | null> {
  const fixed = passphraseFromEnvironment();
  if (fixed !== null) return passphraseBytes(fixed);
  return terminal.interactive ? await terminal.askSecret(`Passphrase of ${path}: `) : null;
}

/** From the file, the environment, or the person; in this order, and never from an argument. */
async function findPassword(terminal: Terminal, file: string | undefined): Promise<Bytes> {
  const bounded = (password: Bytes) => {
    if (password.length >= 1 && password.length <= MAX_PASSWORD) return password;
    throw new SealpostError("usage", `a password has 1 to ${MAX_PASSWORD} bytes`);
  };
  if (file !== undefined) {
    await requirePrivate(file);
    const text = new TextDecoder().decode(await readFileBounded(file, 4096));
    return bounded(encodePassword(text.split(/\r?\n/)[0] ?? ""));
  }
  const text = Deno.env.get("SEALPOST_PASSWORD");
  if (text !== undefined) return bounded(encodePassword(text));
  const typed = await terminal.askSecret("Enter your password: ");
  if (typed === null) {
    throw new SealpostError("usage", "the input ended before the login; nothing was done");
  }
  return bounded(typed);
}

/**
 * The server's bundle from `server_public.pem`. Where that is missing the server is asked and the
 * person decides, as with ssh; without a person it is refused.
 */
async function pinnedServer(
  terminal: Terminal,
  dir: string,
  address: Address,
): Promise<Bundle> {
  const path = join(dir, `${SERVER_NAME}_public.pem`);
  if (await exists(path)) return await loadBundle(path);
  if (!terminal.interactive) {
    throw new SealpostError(
      "file-missing",
      `${path} is missing; get it from whoever runs the server`,
    );
  }
  const bundle = await askForBundle(address);
  terminal.print(
    `The key of the server at ${formatAddress(address)} is not known yet (${path} is missing).`,
  );
  terminal.print(`It says that its fingerprint is\n  ${formatFingerprint(bundle.fp)}`);
  terminal.print("Compare it with what whoever runs the server tells you.");
  const reply = await terminal.ask("Is it the same, and do you want to go on? (yes/no) ");
  if (reply?.trim().toLowerCase() !== "yes") {
    throw new SealpostError("cancelled", "the server's key was not accepted; nothing was sent");
  }
  await writeFileAtomic(path, bundleToPem(bundle), { mode: 0o644, overwrite: false });
  return bundle;
}
