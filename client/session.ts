import { formatTime, parseSize, sentence } from "../cli/format.ts";
import { PASSWORD_RULE, passwordProblem } from "../cli/password_rule.ts";
import { join } from "@std/path";
import { exists } from "@std/fs";
import { type Bytes, equal, fromUtf8, wipe } from "../crypto/bytes.ts";
import { defined } from "../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { type Bundle, bundleToPem, formatFingerprint, type Identity } from "../crypto/identity.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { readFileBounded, writeFileAtomic } from "../files/atomic_file.ts";
import { hasPassphrase, loadBundle, loadIdentity, requirePrivate } from "../files/key_files.ts";
import { MAX_PASSWORD } from "../protocol/limits.ts";
import { encodePassword } from "../protocol/login.ts";
import { formerServers, replaceServer, serverPinPath } from "../files/server_pin.ts";
import { NextKeys } from "../files/next_keys.ts";
import type { NewsEvent } from "../protocol/request.ts";
import { connectSocket } from "../protocol/socket.ts";
import { printable } from "../cli/printable.ts";
import { PROGRAM } from "../cli/program.ts";
import { passphraseBytes, passphraseFromEnvironment } from "../cli/secret_input.ts";
import { isAway, isLost, ReconnectingConnection } from "./connection/reconnecting_connection.ts";
import { unaskedNotice } from "./follow_address.ts";
import { CONFIG_FILE, parseUndoTime, readConfig } from "./state/config.ts";
import { askForBundle } from "./connection/login.ts";
import { falseSuccessor, namesOtherKey, successorOf } from "./connection/follow_server.ts";
import { headOf, keepTicketFor, type LoggedOn, logOn } from "./connection/log_on.ts";
import { Mail } from "./mail.ts";
import { isRenewalDue, type KeptKit, kitNews, kitState, renewKit } from "./mailbox/kits.ts";
import { quotaWarning } from "./mailbox/quota.ts";
import { KeyLogClient } from "./trust/key_log.ts";
import { rotatedText } from "./trust/people.ts";
import type { LocalUser } from "./state/local_user.ts";
import { openPackage } from "./state/own_package.ts";
import { RemovalFile } from "./state/removal.ts";
import { RetiredKeys } from "./state/retired_keys.ts";
import { remembered, settleKeys } from "./state/settle_keys.ts";
import { State } from "./state/state.ts";
import type { Terminal } from "./terminal/terminal.ts";
import { openUnlocked, parseLife, unlockKeys } from "./state/unlock.ts";
import { runtimeFolder } from "./state/unlocked.ts";

/** What a command can do without the server. */
export type Offline = "read" | "write";

/** Who logs on, where, and with what. */
export interface SessionOptions {
  readonly terminal: Terminal;
  readonly address: Address;
  readonly name: string;
  /** The client's folder. */
  readonly dir: string;
  /** A file whose first line is the password. */
  readonly passwordFile?: string;
  /** Whether a ticket may take the place of the password, if it need not be asked for. */
  readonly useTicket: boolean;
  /** Whether what is fetched is kept, sealed. */
  readonly cache: boolean;
  /** Told what other sessions did in the mailbox. */
  readonly onNews?: (event: NewsEvent) => void;
  /** Whether a lost connection is made again, for as long as the mail is open. */
  readonly reconnect?: boolean;
  /** How often a request that a lost connection interrupted is retried. Default: never. */
  readonly retries?: number;
  /**
   * What can be done without the server: read what was fetched before, or also write messages that
   * wait in the outbox, for which it is enough that the password is missing.
   */
  readonly offline?: Offline;
  /**
   * Asks for the password when a connection is made again and no ticket is left; null where it
   * cannot be asked for now. Without this a connection that needs it stays lost.
   */
  readonly askPassword?: () => Promise<Bytes | null>;
  /** Told when the ticket ends that a login has brought, milliseconds since 1970. */
  readonly onTicket?: (end: number) => void;
  /** Told, in a sentence, what a person should know. */
  readonly announce: (line: string) => void;
  /** Told that this login bound the account to the key, in the place of `announce`. */
  readonly onBound?: () => void;
  /** Keys and state, if they are open already. */
  readonly person?: LocalUser;
  /** Gives the password, in the place of a file, the environment or a question; it is wiped. */
  readonly password?: () => Promise<Bytes>;
  /** Whether this is part of a removal of lost machines; else a person is told of one that was broken off. */
  readonly removing?: boolean;
  /** Gives the own password that replaces a one-time one, in the place of a question. */
  readonly newPassword?: () => Promise<string>;
}

/**
 * Loads the keys and the state of a user; `passphrase` is asked as by `loadIdentity`. Throws what
 * `loadIdentity` and `State.open` throw.
 */
export async function openLocalUser(
  terminal: Terminal,
  dir: string,
  name: string,
  passphrase?: (attempt: number) => Promise<Bytes | null>,
): Promise<LocalUser> {
  await NextKeys.complete(dir, name);
  const [identity, ...others] = await openKeys(terminal, dir, name, passphrase);
  const retired = new RetiredKeys(dir, name, (path) => askRetired(terminal, path), others);
  return { identity, retired, state: await State.open(dir, name, identity, retired) };
}

/** The keys of a user, and retired ones that are open with them: unlocked before, or loaded now. */
async function openKeys(
  terminal: Terminal,
  dir: string,
  name: string,
  passphrase: ((attempt: number) => Promise<Bytes | null>) | undefined,
): Promise<readonly [Identity, ...Identity[]]> {
  const unlocked = await openUnlocked(dir, name);
  if (unlocked) return unlocked;
  const given: Bytes[] = [];
  const ask = async (attempt: number) => {
    const bytes = await (passphrase?.(attempt) ?? askPassphrase(terminal, name, attempt));
    if (bytes) given.push(bytes);
    return bytes;
  };
  const life = passphrase || passphraseFromEnvironment() !== null ? null : await lifeOf(dir, name);
  if (life === null) {
    try {
      return [await loadIdentity(dir, name, ask)];
    } finally {
      wipe(...given);
    }
  }
  const printError = (error: SealpostError) =>
    terminal.printError(`not unlocked: ${error.message}`);
  const { identity, others } = await unlockKeys(dir, name, life, ask, printError);
  return [identity, ...others];
}

/** How long keys stay unlocked by the setting; null if not at all. Throws `config`. */
async function lifeOf(dir: string, name: string): Promise<number | null> {
  const { unlock } = await readConfig(dir);
  if (unlock === undefined || runtimeFolder() === null || !await hasPassphrase(dir, name)) {
    return null;
  }
  try {
    return parseLife(unlock);
  } catch (error) {
    if (!isSealpostError(error, "usage")) throw error;
    throw new SealpostError("config", `${join(dir, CONFIG_FILE)}: unlock: ${error.message}`);
  }
}

/**
 * Loads keys, checks the server's, logs on and opens the mail. The caller closes the mail. Throws what
 * stops it.
 */
export async function openMail(options: SessionOptions): Promise<Mail> {
  const { terminal, address, name, dir, passwordFile } = options;
  // Also when a ticket does without it: a script is to fail on the day it is written, not later.
  if (passwordFile !== undefined) await requirePrivate(passwordFile);
  const person = options.person ?? await openLocalUser(terminal, dir, name);
  const server = await pinnedServer(terminal, dir, address);
  const whole = { ...options, person };
  return await NextKeys.waiting(dir, name)
    ? await settleAndOpen(whole, person, server)
    : await openSettled(whole, server);
}

/** With what error of the first connection a command goes on without one. */
const OFFLINE: Readonly<Record<Offline, (error: SealpostError) => boolean>> = {
  read: isAway,
  write: (error) => isAway(error) || isSealpostError(error, "secret-needed"),
};

async function openSettled(
  options: SessionOptions & { readonly person: LocalUser },
  server: Bundle,
): Promise<Mail> {
  const { terminal, address, name, person: { identity, retired, state } } = options;
  const self = { name, fp: identity.bundle.fp, retired };
  const log = await KeyLogClient.load(state, self, [server, ...await formerServers(options.dir)]);
  log.onNotice = options.announce;
  let account: LoggedOn["account"] = Promise.resolve(null);
  let byPassword = false;
  const dial = async (again: boolean) => {
    const enter = (server: Bundle, useTicket: boolean) =>
      logOn({
        address,
        server,
        name,
        identity,
        state,
        useTicket,
        password: options.password && !again
          ? options.password
          : () => again ? askAgain(options) : firstPassword(options),
        newPassword: options.newPassword ?? (() => askNewPassword(terminal)),
        ...(options.onNews ? { onNews: options.onNews } : {}),
      });
    // Another program of this user may have followed the server to its next key.
    const pinned = again ? await loadBundle(serverPinPath(options.dir)) : server;
    if (!equal(pinned.fp, log.servers[0]?.fp ?? pinned.fp)) log.serverMoved(pinned);
    let dialed = await enter(pinned, options.useTicket);
    try {
      const head = await headOf(dialed);
      if (namesOtherKey(head, pinned)) {
        dialed = await followServer(dialed, pinned, { ...options, state, log, enter });
      } else await log.greet(dialed.session, head);
    } catch (error) {
      await dialed.session.close();
      throw error;
    }
    if (dialed.bound && options.onBound) options.onBound();
    else if (dialed.bound) {
      options.announce(
        "This was the first connection: your account is now bound to your key " +
          `${formatFingerprint(identity.bundle.fp)}.`,
      );
    }
    account = dialed.account;
    byPassword = !dialed.resumed;
    const { onTicket } = options;
    if (onTicket) dialed.ticket.then((ticket) => ticket && onTicket(ticket.expires));
    return dialed;
  };
  const { reconnect = false, retries = 0 } = options;
  const connection = await ReconnectingConnection.open({
    dial,
    reconnect,
    retries,
    ...defined({ offline: options.offline && OFFLINE[options.offline] }),
  });
  try {
    const open = (cache: boolean) =>
      Mail.open(name, identity, connection, state, retired, log, cache);
    const mail = await open(options.cache).catch((error) => {
      if (!options.cache || !isSealpostError(error, "disk-full")) throw error;
      options.announce(sentence(`${error.message}; what is fetched now is not kept`));
      return open(false);
    });
    mail.server = address;
    const { signature = "", undo_send, search_texts } = await readConfig(options.dir);
    mail.signature = signature;
    mail.undoSend = undo_send === undefined ? 0 : parseUndoTime(undo_send);
    if (!options.cache) mail.searchTexts = 0;
    else if (search_texts !== undefined) mail.searchTexts = parseSize(search_texts);
    mail.people.onRotated = (change) => options.announce(rotatedText(change));
    mail.shared.onNotice = options.announce;
    mail.rules.onNotice = options.announce;
    mail.onGroupChanged = options.announce;
    mail.notices.onNew = (notice) => options.announce(unaskedNotice(notice));
    mail.onFullName = (name) => {
      options.announce(`The operator calls you ${printable(name)}; what you send says so, signed.`);
    };
    const usage = await account;
    const full = usage && await quotaWarning(state, usage);
    if (full) options.announce(full);
    await shareTrust(mail, usage, state, options.announce);
    if (!options.removing) await tellRemoval(state, options.announce);
    if (usage && byPassword) await renewOldKit(mail, usage, options);
    return mail;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/**
 * Logs on by a ticket beside what is connected, and ends that again: what stays is the next ticket. When
 * it ends, milliseconds since 1970; null if there was none. Throws what {@linkcode logOn} throws,
 * `cancelled` where no ticket is good.
 */
export async function renewTicket(
  { address, name, dir, person: { identity, state } }:
    & Pick<SessionOptions, "address" | "name" | "dir">
    & { readonly person: LocalUser },
): Promise<number | null> {
  const needed = () => {
    throw new SealpostError("cancelled", "your password is needed to log in again");
  };
  const { session, ticket } = await logOn({
    address,
    server: await loadBundle(serverPinPath(dir)),
    name,
    identity,
    state,
    useTicket: true,
    password: () => Promise.resolve().then(needed),
    newPassword: () => Promise.resolve().then(needed),
  });
  try {
    return (await ticket)?.expires ?? null;
  } finally {
    await session.close();
  }
}

/**
 * Takes over what the person's other machines know, shows them what this one does, and says what became
 * of the kit.
 */
async function shareTrust(
  mail: Mail,
  account: Awaited<LoggedOn["account"]>,
  state: State,
  announce: SessionOptions["announce"],
): Promise<void> {
  if (account === null) return;
  try {
    await mail.shareTrust(account.shared ?? 0);
    const ask = () => mail.connection.ask({ op: "whoami" });
    const news = await kitNews(await mail.shared.known(), account, state, ask);
    if (news !== null) announce(news);
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    if (!isLost(error)) announce(`not shared with your other machines: ${error.message}`);
  }
}

/** Says that a removal of lost machines was broken off here, and how it is finished. */
async function tellRemoval(state: State, announce: SessionOptions["announce"]): Promise<void> {
  const [first] = (await new RemovalFile(state).load())?.machines ?? [];
  if (first === undefined) return;
  announce(
    `The removal of ${first.label} was broken off: finish it now, by "${PROGRAM} devices remove ` +
      `${first.label}".`,
  );
}

/**
 * Renews the recovery kit once a month, in a session that began with the password; where the keys have a
 * passphrase, only if SEALPOST_PASSPHRASE has it. What keeps it from that is said.
 */
async function renewOldKit(
  mail: Mail,
  account: KeptKit,
  { announce, dir, name, address, terminal }: SessionOptions,
): Promise<void> {
  try {
    // A removal of lost machines ends it: the new keys are not to be in it meanwhile.
    if (await new RemovalFile(mail.state).load() !== null) return;
    if (!isRenewalDue(kitState(await mail.shared.known(), account), Date.now())) return;
    if (passphraseFromEnvironment() === null && await hasPassphrase(dir, name)) return;
    const ask = (attempt: number) => askPassphrase(terminal, name, attempt);
    await renewKit(
      mail.shared,
      mail.connection,
      () => openPackage(dir, name, address, mail.state, mail.log.head(), ask),
    );
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    if (!isLost(error)) announce(`your recovery kit was not renewed: ${error.message}`);
  }
}

/**
 * Goes on with a server that has left the key `pinned`, once it has shown which one follows: when a login
 * under that has worked, it is the pinned one. Throws `server-identity` if it cannot show it, and what a
 * login throws.
 */
async function followServer(
  dialed: LoggedOn,
  pinned: Bundle,
  { dir, state, log, announce, enter }: {
    readonly dir: string;
    readonly state: State;
    readonly log: KeyLogClient;
    readonly announce: (line: string) => void;
    readonly enter: (server: Bundle, useTicket: boolean) => Promise<LoggedOn>;
  },
): Promise<LoggedOn> {
  const left = log.serverFps.filter((fp) => !equal(fp, pinned.fp));
  const move = await successorOf(dialed.session, pinned, left);
  // Nobody has to type a password twice for it.
  await keepTicketFor(move.to.fp, dialed, state);
  await dialed.session.close();
  const next = await enter(move.to, true);
  try {
    log.serverMoved(move.to);
    await log.greet(next.session, await headOf(next));
    log.requireServerKey(move.seq);
  } catch (error) {
    log.serverMoved(pinned);
    await next.session.close();
    throw isSealpostError(error, "authentication", "protocol")
      ? falseSuccessor(move.to, error)
      : error;
  }
  const kept = await replaceServer(dir, pinned, move.to);
  announce(
    `The server has a new key since ${formatTime(move.time)}, ${
      formatFingerprint(move.to.fp)
    }. It is ` +
      `signed with the one that you knew, and ${
        serverPinPath(dir)
      } is the new one now; the former one is ` +
      `kept as ${kept}.`,
  );
  return next;
}

/** {@linkcode openMail}, once an interrupted key change is completed or reverted. */
async function settleAndOpen(
  options: SessionOptions,
  person: LocalUser,
  server: Bundle,
): Promise<Mail> {
  const { terminal, address, dir, name, announce } = options;
  const password = remembered(options.password ?? (() => firstPassword(options)));
  try {
    const settled = await settleKeys({
      dir,
      name,
      person,
      announce,
      passphrase: (path) => askRetired(terminal, path),
      logIn: async (identity, state) => {
        const { session } = await logOn({
          address,
          server,
          name,
          identity,
          state,
          useTicket: options.useTicket,
          password: password.get,
          newPassword: options.newPassword ?? (() => askNewPassword(terminal)),
        });
        await session.close();
      },
    });
    // What another client of this user is settling is its own.
    return await openSettled({ ...options, person: settled, password: password.get }, server);
  } finally {
    await password.forget();
  }
}

/**
 * The password for the first connection. Where it is typed, and there is something to do without the
 * server, not before somebody answers there: throws `unreachable` or `timeout` instead. Throws
 * `secret-needed` where it was not given and nobody can be asked.
 */
export async function firstPassword(options: SessionOptions): Promise<Bytes> {
  const { terminal, passwordFile, address } = options;
  const given = await givenPassword(passwordFile);
  if (given !== null) return bounded(given);
  if (options.offline) (await connectSocket(address)).close();
  if (!terminal.canAskSecret) {
    throw new SealpostError(
      "secret-needed",
      "your password is needed, and there is no terminal to ask for it: give it with " +
        "--password-file or SEALPOST_PASSWORD",
    );
  }
  const typed = await terminal.askSecret("Enter your password: ");
  if (typed === null) {
    throw new SealpostError(
      "usage",
      "the input ended before the login; nothing was done: without a person, give the password " +
        "with --password-file or SEALPOST_PASSWORD",
    );
  }
  return bounded(typed);
}

/** The password for another connection, without disturbing a person who does something else. */
async function askAgain({ passwordFile, askPassword }: SessionOptions): Promise<Bytes> {
  const password = await givenPassword(passwordFile) ?? await askPassword?.();
  if (password) return bounded(password);
  throw new SealpostError("cancelled", "your password is needed to connect again");
}

/**
 * The passphrase of the private key of `name`, from SEALPOST_PASSPHRASE or the person; null gives up.
 * Throws `secret-needed` where it is not set and nobody can be asked.
 */
export async function askPassphrase(
  terminal: Terminal,
  name: string,
  attempt: number,
): Promise<Bytes | null> {
  const fixed = passphraseFromEnvironment();
  if (fixed !== null) return attempt === 1 ? passphraseBytes(fixed) : null;
  if (!terminal.canAskSecret) {
    throw new SealpostError(
      "secret-needed",
      `the private key of ${name} has a passphrase, and there is no terminal to ask for it: set ` +
        `SEALPOST_PASSPHRASE, or give it once to "${PROGRAM} unlock"; nothing was done`,
    );
  }
  if (attempt > 1) terminal.printError("That passphrase does not open it.");
  return await terminal.askSecret(`Passphrase of the private key of ${name}: `);
}

/** The passphrase of a retired key; null where nobody can be asked. */
async function askRetired(terminal: Terminal, path: string): Promise<Bytes | null> {
  const fixed = passphraseFromEnvironment();
  if (fixed !== null) return passphraseBytes(fixed);
  return terminal.interactive ? await terminal.askSecret(`Passphrase of ${path}: `) : null;
}

/**
 * The password from the first line of `file`, which only its owner may read, or from
 * SEALPOST_PASSWORD; null if there is neither. Throws `key-permissions`, `file-missing`, `file-io`.
 */
export async function givenPassword(file: string | undefined): Promise<Bytes | null> {
  if (file !== undefined) {
    await requirePrivate(file);
    const text = new TextDecoder().decode(await readFileBounded(file, 4096));
    return encodePassword(text.split(/\r?\n/)[0] ?? "");
  }
  const text = Deno.env.get("SEALPOST_PASSWORD");
  return text === undefined ? null : encodePassword(text);
}

function bounded(password: Bytes): Bytes {
  if (password.length >= 1 && password.length <= MAX_PASSWORD) return password;
  throw new SealpostError("usage", `a password has 1 to ${MAX_PASSWORD} bytes`);
}

/**
 * The person's own password in the place of a one-time one, typed twice. What `problem` says of it
 * is shown and asked again.
 */
export async function askNewPassword(
  terminal: Terminal,
  problem: (password: string) => string | null | Promise<string | null> = () => null,
  intro = "Your password is good for one time only. Choose your own.",
): Promise<string> {
  if (!terminal.interactive) {
    throw new SealpostError(
      "login-refused",
      "your password is good for one time only; connect once at a terminal and choose your own",
    );
  }
  terminal.print(`${intro} ${PASSWORD_RULE}`);
  for (;;) {
    const first = await terminal.askSecret("New password: ");
    const second = first && await terminal.askSecret("The same again: ");
    if (!first || !second) throw new SealpostError("cancelled", "no new password was chosen");
    const [text, again] = [fromUtf8(first), fromUtf8(second)];
    wipe(first, second);
    if (text !== again) terminal.printError("The two are not the same.");
    else {
      const against = passwordProblem(text);
      const wrong = against === null ? await problem(text) : sentence(against);
      if (wrong === null) return text;
      terminal.printError(wrong);
    }
  }
}

/**
 * The server's bundle from `server_public.pem`. Where that is missing the server is asked and the
 * person decides, as with ssh; without a person it is refused.
 */
export async function pinnedServer(
  terminal: Terminal,
  dir: string,
  address: Address,
): Promise<Bundle> {
  const path = serverPinPath(dir);
  if (await exists(path)) return await loadBundle(path);
  if (!terminal.interactive) {
    throw new SealpostError(
      "file-missing",
      `${path} is missing; get it from the server's operator`,
    );
  }
  const bundle = await askForBundle(address);
  terminal.print(
    `The key of the server at ${formatAddress(address)} is not known yet (${path} is missing).`,
  );
  terminal.print(`It says that its fingerprint is\n  ${formatFingerprint(bundle.fp)}`);
  terminal.print("Compare it with what the server's operator tells you.");
  const reply = await terminal.ask("Is it the same, and do you want to go on? (yes/no) ");
  if (reply?.trim().toLowerCase() !== "yes") {
    throw new SealpostError("cancelled", "the server's key was not accepted; nothing was sent");
  }
  await writeFileAtomic(path, bundleToPem(bundle), { mode: 0o644, overwrite: false });
  return bundle;
}
