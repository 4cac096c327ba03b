import { join } from "@std/path";
import { type Bytes, equal, toBase64, toHex, utf8, wipe } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import {
  type Bundle,
  bundleToPem,
  decodeBundle,
  encodeBundle,
  forgetPkcs8,
  identityToPem,
  isEncryptedPem,
  newIdentityFromPem,
  shortFingerprint,
} from "../../crypto/identity.ts";
import { comparedWords, entropyOf, type WordCount } from "../../crypto/words.ts";
import { writeFileAtomic } from "../../files/atomic_file.ts";
import {
  isThere,
  loadBundle,
  privateKeyPath,
  publicKeyPath,
  readKeyFile,
} from "../../files/key_files.ts";
import { NextKeys } from "../../files/next_keys.ts";
import { keepFormerServer, replaceServer, serverPinPath } from "../../files/server_pin.ts";
import { formatTime, sentence } from "../../cli/format.ts";
import { hostName } from "../../cli/environment.ts";
import { printable } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { type Address, formatAddress, parseAddress } from "../../protocol/address.ts";
import { decodePackage, type DevicePackage } from "../../protocol/device_package.ts";
import { isDeviceName, linkId, LinkRequest, postHash } from "../../protocol/link.ts";
import { freeName } from "../mailbox/devices.ts";
import { returnMachine } from "../mailbox/removed_machines.ts";
import { rulesOf } from "../mailbox/rules.ts";
import { FalseSuccessor } from "../connection/follow_server.ts";
import { visit } from "../connection/visit.ts";
import { fetchKit } from "./kit.ts";
import { choosePassphrase, PASSPHRASE_USE } from "./keys.ts";
import { compare } from "./server.ts";
import { SharedRecordFile } from "../state/shared_record.ts";
import type { Mail } from "../mail.ts";
import type { State } from "../state/state.ts";
import { forgetUnlocked } from "../state/unlocked.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { chooseFolder, createClientFolder } from "./folder.ts";
import { noTestMessage } from "./test_message.ts";
import { askTrimmed } from "./who.ts";

/** What `setup --device` and `setup --recover` were given. */
export interface MachineOptions {
  readonly dir?: string;
  readonly server?: string;
  readonly deviceName?: string;
}

/** What came of words: a package, and the server that brought it. */
export interface Unpacked {
  /** What this machine is called from now on. */
  readonly device: string;
  readonly one: DevicePackage;
  readonly address: Address;
  /** The key of the server that is pinned. */
  readonly bundle: Bundle;
  /** Whether it came from a kit, since all machines may be lost. */
  readonly fromKit?: boolean;
  /** The one that the server answered with, if that is another: whether it followed shows at the login. */
  readonly answered?: Bundle;
}

/** A machine that has everything but its first login. */
export interface Installed {
  readonly dir: string;
  readonly name: string;
  readonly address: Address;
}

/** The head of the key log that a package brought, until it is compared. */
const HEAD_FILE = "linked-head";
/** There as long as the person has not been asked whether a machine was stolen. */
const KIT_FILE = "kit-used";

/** Asks at a terminal only. Throws `usage`. */
export function requireTerminal(terminal: Terminal, option: string): void {
  if (terminal.interactive) return;
  throw new SealpostError("usage", `setup ${option} asks its questions at a terminal`);
}

/** `text`, if a machine can be called so. Throws `usage`. */
export function requireDeviceName(text: string): string {
  if (isDeviceName(text)) return text;
  throw new SealpostError(
    "usage",
    "--device-name is one line of 1 to 100 bytes, without blanks around it",
  );
}

/** The name for this machine: the one that is given, else what the system calls it, or is asked for. */
export async function chooseDeviceName(
  terminal: Terminal,
  given: string | undefined,
): Promise<string> {
  if (given !== undefined) return requireDeviceName(given);
  const usual = hostName();
  if (usual !== null && isDeviceName(usual)) return usual;
  for (;;) {
    const typed = await askTrimmed(terminal, "A name for this machine, such as laptop: ");
    if (isDeviceName(typed)) return typed;
    terminal.printError("A name has 1 to 100 bytes that can be seen.");
  }
}

/** The server's address, asked for if it is not given. Throws `usage` for one that is none. */
export async function chooseServer(
  terminal: Terminal,
  given: string | undefined,
): Promise<Address> {
  if (given !== undefined) return addressIn(given);
  for (;;) {
    try {
      return addressIn(await askTrimmed(terminal, "Address of the server: "));
    } catch (error) {
      if (!isSealpostError(error, "usage", "format")) throw error;
      terminal.printError(sentence(error.message));
    }
  }
}

/** The address in `[user@]host[:port]`. Throws `usage`, `format`. */
function addressIn(text: string): Address {
  return parseAddress(text.slice(text.lastIndexOf("@") + 1));
}

/** Asks for `count` words, over as many lines as they are typed in, until they are right. */
export async function askWords(terminal: Terminal, count: WordCount): Promise<Bytes> {
  terminal.print(`Type the ${count} words, with spaces between; four letters of each are enough.`);
  let typed = "";
  for (;;) {
    typed = `${typed} ${await askTrimmed(terminal, "> ")}`.trim();
    const missing = count - typed.split(/[^\p{L}]+/u).filter((word) => word !== "").length;
    if (missing > 0) {
      terminal.print(`${missing} more.`);
      continue;
    }
    try {
      return entropyOf(typed, count);
    } catch (error) {
      if (!isSealpostError(error, "usage")) throw error;
      terminal.printError(`${sentence(error.message)} Type all of them again.`);
      typed = "";
    }
  }
}

/**
 * Has another machine of the person, on which `devices add` shows words, send what this one needs. Throws
 * what {@linkcode visit} throws, `authentication`, `format`, `server-identity`.
 */
export async function linkWith(terminal: Terminal, options: MachineOptions): Promise<Unpacked> {
  const address = await chooseServer(terminal, options.server);
  const device = await chooseDeviceName(terminal, options.deviceName);
  return await linkBy(address, device, await askWords(terminal, 12), (words) => {
    terminal.print(`\nYour other machine asks about ${printable(device)} now, and shows`);
    terminal.print(`\n    ${words.join(" ")}\n`);
    terminal.print("Answer there: yes if it shows these six words, no if it shows others.");
  });
}

/**
 * {@linkcode linkWith} for a machine that is called `device` and has the words of `code`. `show` gets the
 * six words to the person, who compares them while this waits. Throws the same.
 */
export async function linkBy(
  address: Address,
  device: string,
  code: Bytes,
  show: (words: readonly string[]) => void,
): Promise<Unpacked> {
  const id = toHex(await linkId(code));
  const made = Promise.withResolvers<LinkRequest>();
  const { bundle, data } = await visit(address, async ({ fp }) => {
    const request = await LinkRequest.make(code, fp, device);
    made.resolve(request);
    show(comparedWords(await postHash(request.post)));
    return { op: "link-post", id, post: toBase64(request.post) };
  });
  const request = await made.promise;
  try {
    const one = decodePackage(await request.open(data));
    if (!isPresentServer(one, bundle)) {
      throw new SealpostError(
        "server-identity",
        `the server at ${formatAddress(address)} is not the one that your other machine uses`,
      );
    }
    return { device, one, address, bundle };
  } finally {
    request.erase();
  }
}

/**
 * Has the server give the kit that 24 words open. The key of the server that the kit names last is the
 * one that is pinned, also if the server has another by now. The keys get the passphrase that the person
 * chooses now. Throws what {@linkcode visit} and `openKit` throw, `cancelled`.
 */
export async function recoverWith(
  terminal: Terminal,
  options: MachineOptions,
  say: (line?: string) => void,
): Promise<Unpacked> {
  const address = await chooseServer(terminal, options.server);
  const device = await chooseDeviceName(terminal, options.deviceName);
  const code = await askWords(terminal, 24);
  try {
    const { one, bundle, date } = await fetchKit(address, code);
    say(`\nThe kit is of ${one.name}, and was made on ${formatTime(date)}.`);
    const pinned = await pinnedOf(one, bundle);
    if (pinned !== bundle) {
      say(
        "The server has another key by now than your machines knew. Whether it has signed that with " +
          "the one they knew shows when you log in; else nothing is sent.",
      );
    }
    const passphrase = await choosePassphrase(terminal, null, () =>
      say(
        "\nYour keys come from the kit, where they have no passphrase. One keeps them shut for whoever " +
          `copies your files; ${PASSPHRASE_USE}`,
      ));
    return {
      device,
      one: await withPassphrase(one, passphrase),
      address,
      bundle: pinned,
      fromKit: true,
      ...pinned === bundle ? {} : { answered: bundle },
    };
  } finally {
    wipe(code);
  }
}

/**
 * The key of the server to pin: the one that the person's machines knew last, or `answered` if it is the
 * same or if they knew none. Throws `key-format`.
 */
export async function pinnedOf(one: DevicePackage, answered: Bundle): Promise<Bundle> {
  const last = one.chain.at(-1);
  return last === undefined || isPresentServer(one, answered) ? answered : await decodeBundle(last);
}

/** Whether a server is not the pinned one, and has not shown that it was; a false successor has. */
export function isUnknownServer(error: unknown): boolean {
  return isSealpostError(error, "server-identity") && !(error instanceof FalseSuccessor);
}

/**
 * For a server that could not show that the key it answered with followed on the pinned one: lets the
 * person compare it, as at the first contact, and pins it. Throws `cancelled`, `server-identity`.
 */
export async function pinCompared(
  terminal: Terminal,
  dir: string,
  address: Address,
  answered: Bundle,
): Promise<void> {
  terminal.print(
    "\nThe server did not show that it is the one your machines knew. Its key may have been replaced " +
      "after a theft, or more than 90 days ago; or somebody else answers in its place.",
  );
  await compare(terminal, { address, bundle: answered });
  await writeFileAtomic(serverPinPath(dir), bundleToPem(answered), { mode: 0o644 });
}

/** Whether the server that answered has the key that the person's machines knew last. */
export function isPresentServer({ chain }: DevicePackage, bundle: Bundle): boolean {
  const present = chain.at(-1);
  return present !== undefined && equal(present, encodeBundle(bundle));
}

/** A package whose key files have `passphrase`; none if that is null. */
export async function withPassphrase(
  one: DevicePackage,
  passphrase: Bytes | null,
): Promise<DevicePackage> {
  if (passphrase === null) return one;
  const seal = async (pem: string) => {
    if (isEncryptedPem(pem)) return pem;
    const identity = await newIdentityFromPem(pem);
    try {
      return await identityToPem(identity, passphrase);
    } finally {
      forgetPkcs8(identity);
    }
  };
  const retired = one.retired.map(async ({ short, pem }) => ({ short, pem: await seal(pem) }));
  return { ...one, key: await seal(one.key), retired: await Promise.all(retired) };
}

/**
 * Makes the folder of this machine and puts the keys there, the former ones first: until the present one
 * is there, everything can be begun again with other words. What is there is replaced only by a key that
 * followed on it, and kept then. Throws
 * `file-exists` for a folder that has other keys, and what writing throws.
 */
export async function install(
  terminal: Terminal,
  unpacked: Unpacked,
  given: string | undefined,
): Promise<Installed> {
  const { one, address } = unpacked;
  const { name, key } = one;
  const dir = await chooseFolder(terminal, name, given);
  const bundle = await pinIn(dir, unpacked);
  const path = privateKeyPath(dir, name);
  const replaces = await isThere(path) && !await isSameKey(dir, one);
  const present = replaces ? await presentShort(dir, name) : null;
  if (replaces && !one.retired.some(({ short }) => short === present)) {
    throw new SealpostError(
      "file-exists",
      `${path} is another key; use another folder with --dir, or move it away`,
    );
  }
  await followPackage(dir, one, bundle);
  await createClientFolder(dir, given !== undefined, name, address, bundle);
  // What the others took for the server's holds here too, unless it is another server's by now.
  if (isPresentServer(one, bundle)) {
    for (const left of one.chain.slice(0, -1)) {
      await keepFormerServer(dir, await decodeBundle(left));
    }
  }
  for (const { short, pem } of one.retired) {
    const path = join(dir, `${name}_private.${short}.pem`);
    // Those that are here stay as they are, with their own passphrases.
    if (short === present || await isThere(path)) continue;
    await writeFileAtomic(path, pem, { mode: 0o600 });
  }
  const own = await decodeBundle(one.bundle);
  if (replaces) {
    // Those of an earlier try, which was broken off, are taken up.
    using keys = await NextKeys.take(dir, name) ??
      await NextKeys.put(dir, name, key, bundleToPem(own));
    if (!await keys.isOf(bundleToPem(own))) {
      throw new SealpostError(
        "file-exists",
        `a change of the keys in ${dir} was broken off; finish it with "${PROGRAM} status" first`,
      );
    }
    await keys.finish();
    await forgetUnlocked(dir, name);
    return { dir, name, address };
  }
  await writeFileAtomic(path, key, { mode: 0o600 });
  // From here on a plain setup goes on, too: it makes the public key from the private one.
  await writeFileAtomic(publicKeyPath(dir, name), bundleToPem(own), { mode: 0o644 });
  return { dir, name, address };
}

/**
 * The key of the server for the folder: if that has the one that the server answered with, the login of an
 * earlier try has shown that it followed, or the person has compared it.
 */
async function pinIn(dir: string, { bundle, answered }: Unpacked): Promise<Bundle> {
  if (answered === undefined || !await isThere(serverPinPath(dir))) return bundle;
  return equal((await loadBundle(serverPinPath(dir))).fp, answered.fp) ? answered : bundle;
}

/** In a folder whose machine was away while the server got a new key, puts that into its place. */
async function followPackage(dir: string, one: DevicePackage, bundle: Bundle): Promise<void> {
  if (!isPresentServer(one, bundle) || !await isThere(serverPinPath(dir))) return;
  const pinned = await loadBundle(serverPinPath(dir));
  if (one.chain.slice(0, -1).some((left) => equal(left, encodeBundle(pinned)))) {
    await replaceServer(dir, pinned, bundle);
  }
}

/** The short fingerprint of the key that is in the folder; null if it has no public file. */
async function presentShort(dir: string, name: string): Promise<string | null> {
  const path = publicKeyPath(dir, name);
  return await isThere(path) ? shortFingerprint((await loadBundle(path)).fp) : null;
}

/** Whether the key that is in the folder is the package's, under whichever passphrase. */
async function isSameKey(dir: string, { name, key, bundle }: DevicePackage): Promise<boolean> {
  if (await readKeyFile(privateKeyPath(dir, name)) === key) return true;
  const path = publicKeyPath(dir, name);
  return await isThere(path) && equal(encodeBundle(await loadBundle(path)), bundle);
}

/**
 * Takes over what the package knows of the shared record and of the key log. Returns what this machine is
 * called now: as it was to be, if no other of the person's is.
 */
export async function rememberPackage(
  state: State,
  { device, fromKit, one: { record, seen, head } }: Unpacked,
): Promise<string> {
  await state.write(HEAD_FILE, head);
  if (fromKit) await state.write(KIT_FILE, utf8("used"));
  const file = new SharedRecordFile(state);
  const name = freeName(record, (await file.load()).machine, device);
  await file.rename(name);
  // Sealed with the present key from now on: nothing is taken that a thief of a former one has put.
  await file.see({ seen, put: 0, sealedBy: seen === 0 ? null : state.fp, record }, false);
  return name;
}

/** Whether the person comes back by a kit, and is to be asked whether a machine was stolen. */
export async function usedKit(state: State): Promise<boolean> {
  return await state.read(KIT_FILE) !== null;
}

/** The person has said whether a machine was stolen. */
export async function settledKit(state: State): Promise<void> {
  await state.remove(KIT_FILE);
}

/** Whether a package was taken over here, and no login has followed yet. */
export async function awaitsLogin(state: State): Promise<boolean> {
  return await state.read(HEAD_FILE) !== null;
}

/**
 * After the first login: compares the key log with what the package knew of it, and fetches the mail. No
 * later setup sends a test message, since this person has mail already. False if no package was taken
 * over here. Throws what asking throws; that the server contradicts itself is told.
 */
export async function finishLinked(mail: Mail, state: State): Promise<boolean> {
  const head = await state.read(HEAD_FILE);
  if (head === null) return false;
  await mail.log.gossip(mail.name, toBase64(head));
  await mail.log.settle();
  await returnMachine(mail.shared);
  await noTestMessage(mail, state);
  if (await usedKit(state) && rulesOf(await mail.shared.known()).length > 0) {
    await mail.rules.runHere();
    mail.rules.onNotice(
      "From now on this machine runs your rules: the one that did may be lost too.",
    );
  }
  await state.remove(HEAD_FILE);
  return true;
}
