import { offerKit } from "./recovery.ts";
import { CONFIG_FILE, writeConfig } from "../state/config.ts";
import { askForBundle } from "../connection/login.ts";
import { passwordProblem } from "../../cli/password_rule.ts";
import { type Bytes, equal, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { type Address, formatAddress, formatServer, parseServer } from "../../protocol/address.ts";
import { loadBundle, publicKeyPath, SERVER_NAME } from "../../files/key_files.ts";
import { parseName } from "../../protocol/name.ts";
import { sentence } from "../../cli/format.ts";
import { hostName } from "../../cli/environment.ts";
import { printable, printableJson } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { passphraseBytes, readInputLine } from "../../cli/secret_input.ts";
import { SharedRecordFile } from "../state/shared_record.ts";
import type { State } from "../state/state.ts";
import { givenPassword } from "../session.ts";
import {
  chooseFolder,
  createClientFolder,
  type Earlier,
  findEarlier,
  nextCommands,
  shown,
} from "../setup/folder.ts";
import { openKeys } from "../setup/keys.ts";
import { firstLogin, requireOther } from "../setup/login.ts";
import { findServer } from "../setup/server.ts";
import {
  awaitsLogin,
  finishLinked,
  install,
  isUnknownServer,
  linkWith,
  pinCompared,
  recoverWith,
  rememberPackage,
  requireDeviceName,
  requireTerminal,
  settledKit,
  type Unpacked,
  usedKit,
} from "../setup/machine.ts";
import { sendTestMessage } from "../setup/test_message.ts";
import { type Device, devicesOf, lastSeen } from "../mailbox/devices.ts";
import { removeStolen } from "./devices_remove.ts";
import { findProfile } from "../state/profile.ts";
import {
  askName,
  askNewcomer,
  askTrimmed,
  type Newcomer,
  newcomerAt,
  places,
  readInvitation,
} from "../setup/who.ts";
import { KeyboardWatch } from "../terminal/keyboard_watch.ts";
import { openTerminal, systemIo, type Terminal } from "../terminal/terminal.ts";

/** What `setup` was given. */
export interface SetupOptions {
  readonly dir?: string;
  /** A file with an invitation. */
  readonly invitation?: string;
  /** `[user@]host[:port]`, where there is no invitation. */
  readonly server?: string;
  /** The server's, `SHA256:…`; compared by the person if it is not given. */
  readonly fingerprint?: string;
  readonly passwordFile?: string;
  readonly passwordStdin: boolean;
  /** Whether another machine of the person shows words. */
  readonly device: boolean;
  /** Whether 24 words on paper are all that is left. */
  readonly recover: boolean;
  /** What this machine is called; default: as the system calls it. */
  readonly deviceName?: string;
  readonly json: boolean;
}

/** Where somebody is set up, and what is known of the password. */
interface Settled {
  readonly dir: string;
  readonly name: string;
  readonly address: Address;
  readonly oneTime: string | null;
  /** What another machine sent. */
  readonly unpacked?: Unpacked;
}

/**
 * The `setup` command: folder, server, keys, password, and a message to oneself, for somebody who
 * has nothing yet. Each step leaves behind what the next run goes on with; nothing that is there is
 * replaced. Throws what stops it.
 */
export async function setup(options: SetupOptions): Promise<void> {
  const io = systemIo();
  // Keys take seconds to make: what is typed meanwhile is not shown, and is no password.
  using watch = io.inputIsTerminal && io.outputIsTerminal ? new KeyboardWatch(io) : null;
  const work = run(openTerminal({}, watch ?? io), options);
  try {
    await (watch ? Promise.race([work, watch.interrupted]) : work);
  } catch (error) {
    work.catch(() => {});
    if (!isSealpostError(error, "cancelled") || error.message !== "cancelled") throw error;
    throw new SealpostError("cancelled", `stopped; "${PROGRAM} setup" goes on from here`, {
      cause: error,
    });
  }
  if (!watch) return;
  watch[Symbol.dispose]();
  // The watch still waits for a key.
  Deno.exit();
}

async function run(terminal: Terminal, options: SetupOptions): Promise<void> {
  const say = (line = "") => options.json ? terminal.printError(line) : terminal.print(line);
  const own = await ownPassword(terminal, options);
  const { dir, name, address, oneTime, unpacked } = options.device || options.recover
    ? await settleLinked(terminal, options, say)
    : await settle(terminal, options, say);
  const keys = await openKeys({ terminal, dir, name, say }, oneTime, unpacked !== undefined);
  if (own !== null) requireOther(keys, own);
  const { state, identity } = keys.person;
  await nameMachine(state, options, unpacked, say);
  const arrived = await awaitsLogin(state);
  const enter = () =>
    firstLogin({ terminal, dir, name, say }, address, keys, { oneTime, own, arrived });
  const mail = await enter().catch(async (error) => {
    const answered = unpacked?.answered;
    if (answered === undefined || !isUnknownServer(error)) throw error;
    await pinCompared(terminal, dir, address, answered);
    return await enter();
  });
  let others: readonly Device[] = [];
  try {
    const linked = await finishLinked(mail, state);
    const tested = linked ? null : await sendTestMessage(mail, state);
    await mail.shared.introduce();
    const key = formatFingerprint(identity.bundle.fp);
    if (options.json) {
      return terminal.print(
        printableJson({ name, server: formatAddress(address), folder: dir, key, tested }),
      );
    }
    say(
      linked
        ? "This machine has your keys, and all your mail is here."
        : tested === null
        ? `Everything is set up. For another account: ${PROGRAM} setup --dir FOLDER`
        : "Sent a message to yourself, fetched it, opened it and verified it: everything works.",
    );
    say(`\nYou are ${name} at ${formatAddress(address)}. Keys and settings are in ${shown(dir)}.`);
    if (!linked) {
      say(
        `Keep a copy of ${name}_private.pem: without it nobody can read your mail, not even you.`,
      );
    }
    if (terminal.interactive && await usedKit(state)) {
      others = (await devicesOf(mail)).filter((device) => !device.own);
    }
    // Once, when the test message was sent.
    if (tested !== null && terminal.interactive) {
      await offerKit({ terminal, mail, dir, address });
    }
  } finally {
    await mail.close();
  }
  if (others.length > 0) {
    const stolen = await askStolen(terminal, others);
    if (stolen.length > 0) await keepOut(terminal, dir, stolen);
    await settledKit(state);
  }
  say("\nGo on with");
  for (const line of await nextCommands(dir)) say(line);
}

/** Gets keys and all else from another machine of the person, or from the kit that words open. */
async function settleLinked(
  terminal: Terminal,
  options: SetupOptions,
  say: (line?: string) => void,
): Promise<Settled> {
  const option = options.device ? "--device" : "--recover";
  const others = [options.invitation, options.fingerprint].some((given) => given !== undefined);
  if (others || options.device && options.recover) {
    throw new SealpostError(
      "usage",
      `setup ${option} needs the server's address and the words alone: leave out --invitation, ` +
        "--fingerprint, and the other of --device and --recover",
    );
  }
  requireTerminal(terminal, option);
  if (options.device) {
    say(`On a machine that has your mail, run "${PROGRAM} devices add"; it shows 12 words.\n`);
  }
  const unpacked = options.device
    ? await linkWith(terminal, options)
    : await recoverWith(terminal, options, say);
  const { name, servers: [address = unpacked.address] } = unpacked.one;
  say(`\nYou are ${name} at ${formatAddress(address)}.`);
  const installed = await install(terminal, unpacked, options.dir);
  return { ...installed, oneTime: null, unpacked };
}

/** Which of the person's `others`, all of which may be lost, somebody else may have. Throws `cancelled`. */
async function askStolen(
  terminal: Terminal,
  others: readonly Device[],
): Promise<readonly Device[]> {
  terminal.print("\nThese are your other machines:");
  for (const device of others) terminal.print(`  ${device.label}: ${lastSeen(device)}`);
  terminal.print(
    "If one was stolen, or anybody else may have what is on it, you get new keys and choose a",
  );
  terminal.print(
    "new password now: it cannot log in or read what comes then, and those that you still have",
  );
  terminal.print("have to be linked again.");
  for (;;) {
    const answer = await askTrimmed(
      terminal,
      "Which was stolen? (its name, all, or Enter for none) ",
    );
    if (answer === "") return [];
    const named = others.filter(({ id, name, label }) => {
      return [label, name].includes(answer) || answer.length >= 8 && id.startsWith(answer);
    });
    if (named.length === 1) return named;
    if (answer.toLowerCase() === "all") return others;
    terminal.printError(
      named.length > 1
        ? `Several are called so: type one of ${named.map(({ label }) => label).join(", ")}.`
        : "None of them is called so.",
    );
  }
}

/** Keeps out who has them; what stops it is said, and how it is done later. */
async function keepOut(
  terminal: Terminal,
  dir: string,
  stolen: readonly Device[],
): Promise<void> {
  try {
    await removeStolen(terminal, await findProfile({ dir, json: true }), stolen);
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    terminal.printError(
      `${sentence(error.message)} "${PROGRAM} devices remove ${stolen[0]?.label ?? ""}" does it ` +
        "later; until then whoever has the machine is not kept out.",
    );
  }
}

/** Keeps what this machine is called, and what a package brought. */
async function nameMachine(
  state: State,
  { deviceName }: SetupOptions,
  unpacked: Unpacked | undefined,
  say: (line: string) => void,
): Promise<void> {
  if (unpacked) {
    const name = await rememberPackage(state, unpacked);
    if (name === unpacked.device) return;
    say(
      `Another of your machines is called ${printable(unpacked.device)}: this one is ${
        printable(name)
      }.`,
    );
    return;
  }
  const file = new SharedRecordFile(state);
  if (deviceName !== undefined) await file.rename(requireDeviceName(deviceName));
  else if (await file.isNew()) await file.rename(hostName() ?? (await file.load()).name);
}

/** Finds out who, where and on which server, and writes it down. */
async function settle(
  terminal: Terminal,
  options: SetupOptions,
  say: (line?: string) => void,
): Promise<Settled> {
  let newcomer = await givenNewcomer(options);
  const earlier = await findEarlier(options.dir);
  if (earlier && (newcomer === null || (newcomer.name ?? earlier.name) === earlier.name)) {
    const { dir, name } = earlier;
    const server = await movedServer(earlier, newcomer, say);
    say(`Going on with the setup of ${name} at ${server}, in ${shown(dir)}.`);
    if (newcomer?.fp) await requirePinned(dir, newcomer);
    return {
      dir,
      name: parseName(name),
      address: parseServer(server),
      oneTime: newcomer?.password ?? null,
    };
  }
  if (newcomer === null) {
    if (!terminal.interactive) {
      throw new SealpostError(
        "usage",
        "setup asks its questions at a terminal; without one, give --invitation FILE, or " +
          "--server NAME@HOST with --fingerprint",
      );
    }
    say("This takes a minute. Ctrl-C stops it; what is done is kept, and the next");
    say(`"${PROGRAM} setup" goes on from there.\n`);
    say("Paste the invitation that you were sent, or type the address of the server:");
    for (;;) {
      newcomer = await askNewcomer(terminal);
      try {
        return await begin(terminal, options, newcomer, say);
      } catch (error) {
        // A line of the mail around the invitation may have been taken for an address, too.
        const typed = newcomer.password === null;
        if (!typed || !isSealpostError(error, "unreachable", "timeout", "connection-lost")) {
          throw error;
        }
        terminal.printError(sentence(error.message));
      }
    }
  }
  if (!terminal.interactive && (newcomer.fp === null || newcomer.name === null)) {
    throw new SealpostError(
      "usage",
      "without a terminal setup needs --server NAME@HOST and --fingerprint SHA256:...",
    );
  }
  return await begin(terminal, options, newcomer, say);
}

/** Finds the server, and makes the folder. */
async function begin(
  terminal: Terminal,
  options: SetupOptions,
  newcomer: Newcomer,
  say: (line?: string) => void,
): Promise<Settled> {
  if (newcomer.password !== null) {
    say(`\nAn invitation for ${newcomer.name} to ${places(newcomer.servers)}.`);
  }
  const { address, bundle } = await findServer(terminal, newcomer.servers, newcomer.fp);
  if (newcomer.fp !== null) say("The server answers, and its key is the right one.");
  const name = newcomer.name ?? await askName(terminal);
  const dir = await chooseFolder(terminal, name, options.dir);
  await createClientFolder(dir, options.dir !== undefined, name, address, bundle);
  return { dir, name, address, oneTime: newcomer.password };
}

async function givenNewcomer(options: SetupOptions): Promise<Newcomer | null> {
  const { invitation, server, fingerprint } = options;
  if (invitation !== undefined) {
    if (server !== undefined || fingerprint !== undefined) {
      throw new SealpostError(
        "usage",
        "--invitation says which server it is: leave out --server and --fingerprint",
      );
    }
    return await readInvitation(invitation);
  }
  if (server !== undefined) return newcomerAt(server, fingerprint);
  if (fingerprint === undefined) return null;
  throw new SealpostError("usage", "--fingerprint goes with --server NAME@HOST");
}

/**
 * Where the server of an earlier setup is reached: at the address that the person gives with --server,
 * which is written down, else where it was. Throws `server-identity` if another server is there, and
 * what asking it throws.
 */
async function movedServer(
  { dir, server }: Earlier,
  newcomer: Newcomer | null,
  say: (line?: string) => void,
): Promise<string> {
  const [address] = newcomer?.password === null ? newcomer.servers : [];
  if (address === undefined || formatAddress(address) === formatServer(parseServer(server))) {
    return server;
  }
  const path = publicKeyPath(dir, SERVER_NAME);
  const moved = formatAddress(address);
  const [pinned, found] = [await loadBundle(path), await askForBundle(address)];
  if (!equal(pinned.fp, found.fp)) {
    throw new SealpostError(
      "server-identity",
      `the server at ${moved} has another key than the one in ${path}; if it is another server, ` +
        "use another folder with --dir",
    );
  }
  await writeConfig(dir, { server: moved });
  say(`The server is at ${moved} now, and not at ${server}; ${CONFIG_FILE} says so.`);
  return moved;
}

/** Throws `server-identity` if the key in the folder is not the one that the person was told. */
async function requirePinned(dir: string, { fp }: Newcomer): Promise<void> {
  const path = publicKeyPath(dir, SERVER_NAME);
  const pinned = await loadBundle(path);
  if (fp === null || formatFingerprint(pinned.fp) === formatFingerprint(fp)) return;
  throw new SealpostError(
    "server-identity",
    `${path} is the key of another server; use another folder with --dir`,
  );
}

/** The password that the person has or chooses, if it was given without a question. */
async function ownPassword(terminal: Terminal, options: SetupOptions): Promise<string | null> {
  if (options.passwordStdin && options.passwordFile !== undefined) {
    throw new SealpostError("usage", "--password-stdin and --password-file: give one of them");
  }
  const bytes = options.passwordStdin
    ? await pipedPassword(terminal)
    : await givenPassword(options.passwordFile);
  if (bytes === null) {
    if (!options.passwordStdin) return null;
    throw new SealpostError("usage", "the input ended before the password; nothing was done");
  }
  const password = fromUtf8(bytes);
  wipe(bytes);
  // The own one of an account without an invitation is what the operator made it.
  const problem = options.invitation === undefined ? null : passwordProblem(password);
  if (problem === null) return password;
  throw new SealpostError("usage", `${problem}; choose another`);
}

/** The line that --password-stdin promises, from a pipe or typed. */
async function pipedPassword(terminal: Terminal): Promise<Bytes | null> {
  if (Deno.stdin.isTerminal()) return await terminal.askSecret("Your password: ");
  const line = readInputLine();
  return line === null ? null : passphraseBytes(line);
}
