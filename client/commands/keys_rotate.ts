import { confirm } from "../terminal/confirm.ts";
import { notSentLine } from "../mailbox/show.ts";
import { defined } from "../../crypto/defined.ts";
import { join } from "@std/path";
import { type Bytes, equal, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { errorText, isSealpostError, SealpostError } from "../../crypto/error.ts";
import {
  type Bundle,
  forgetPkcs8,
  formatFingerprint,
  type Identity,
  isEncryptedPem,
  shortFingerprint,
} from "../../crypto/identity.ts";
import { loadPrivateKey, privateKeyPath, readKeyFile } from "../../files/key_files.ts";
import { makeIdentity } from "../../cli/make_identity.ts";
import { formerServers } from "../../files/server_pin.ts";
import { NextKeys } from "../../files/next_keys.ts";
import { printableJson } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { passphraseBytes, passphraseFromEnvironment } from "../../cli/secret_input.ts";
import { KeyLogClient } from "../trust/key_log.ts";
import { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { namesOtherKey } from "../connection/follow_server.ts";
import { headOf, type LoggedOn, logOn } from "../connection/log_on.ts";
import { Mail } from "../mail.ts";
import { renewKit } from "../mailbox/kits.ts";
import { openPackage } from "../state/own_package.ts";
import { findProfile, type Profile, requireAddress } from "../state/profile.ts";
import { rotateKey } from "../connection/rotate.ts";
import {
  askNewPassword,
  askPassphrase,
  firstPassword,
  openLocalUser,
  openMail,
  pinnedServer,
  type SessionOptions,
} from "../session.ts";
import type { LocalUser } from "../state/local_user.ts";
import { RetiredKeys } from "../state/retired_keys.ts";
import { remembered } from "../state/settle_keys.ts";
import { SharedRecordFile } from "../state/shared_record.ts";
import { State } from "../state/state.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import { TicketStore } from "../state/ticket_store.ts";
import { forgetUnlocked } from "../state/unlocked.ts";

/** With these the server has said that it did not take the new key. */
const REFUSALS = ["format", "key-changed", "limit", "login-refused"] as const;

/** What `keys rotate` was given. */
export interface RotateOptions {
  readonly dir?: string;
  readonly server?: string;
  readonly passwordFile?: string;
  readonly json: boolean;
  /** Whether the new private key gets another passphrase than the old one. */
  readonly newPassphrase: boolean;
  /** Whether not to ask first. */
  readonly yes: boolean;
  /** Gives the password, if it was asked for before. */
  readonly password?: () => Promise<Bytes>;
}

/** The `keys rotate` command. Throws what stops it, and says what is so then. */
export async function rotateKeys(options: RotateOptions): Promise<void> {
  const terminal = openTerminal();
  const profile = await findProfile(options);
  const address = requireAddress(profile);
  const { dir, name } = profile;
  const session = {
    terminal,
    address,
    name,
    dir,
    useTicket: false,
    cache: profile.config.cache !== false,
    announce: (line: string) => terminal.printError(line),
    ...defined({ passwordFile: options.passwordFile }),
  };
  if (await NextKeys.waiting(dir, name)) {
    await (await openMail(session)).close();
    if (await NextKeys.waiting(dir, name)) {
      throw new SealpostError(
        "busy",
        "another client of this user is changing the keys; wait until it is done",
      );
    }
  }
  if (!options.yes) await confirmRotation(terminal, profile);
  const person = await openLocalUser(terminal, dir, name);
  let server = await pinnedServer(terminal, dir, address);
  const passphrase = await passphraseFor(options, terminal, dir, name);
  const password = remembered(options.password ?? (() => firstPassword(session)));
  try {
    const enter = () =>
      logOn({
        address,
        server,
        name,
        identity: person.identity,
        state: person.state,
        useTicket: false,
        password: password.get,
        newPassword: () => askNewPassword(terminal),
      });
    let loggedOn = await enter();
    if (namesOtherKey(await headOf(loggedOn), server)) {
      await loggedOn.session.close();
      await (await openMail({ ...session, person, password: password.get })).close();
      server = await pinnedServer(terminal, dir, address);
      loggedOn = await enter();
    }
    const next = await change(loggedOn, person, { ...session, server, passphrase });
    await new TicketStore(next.state, server.fp).clear();
    await forgetUnlocked(dir, name);
    report(options, terminal, profile, person.identity, next.identity);
    const open = [person.identity];
    const retired = new RetiredKeys(dir, name, () => Promise.resolve(null), open);
    const own = { ...session, password: password.get, person: { ...next, retired } };
    await sealAnew(own, () => Promise.resolve(passphrase?.slice() ?? null));
  } finally {
    await password.forget();
    if (passphrase) wipe(passphrase);
  }
}

/** Says what happens to the person's other machines, and asks. Throws `cancelled`, `usage`. */
async function confirmRotation(terminal: Terminal, { dir, name }: Profile): Promise<void> {
  if (!terminal.interactive) {
    throw new SealpostError(
      "usage",
      "keys rotate needs --yes where nobody can be asked: your other machines can log in again " +
        "only with the new keys",
    );
  }
  terminal.print(
    `This makes new keys for ${name}, here and on the server, and ends other sessions.`,
  );
  terminal.print("Other machines of yours can log in again only when you have linked them again");
  terminal.print(`("${PROGRAM} devices add" here, "${PROGRAM} setup --device" there).`);
  terminal.print(`The old key stays in ${dir === "." ? "this folder" : dir}, to read old mail.`);
  if (await confirm(terminal, "Make new keys? (y/N) ")) return;
  throw new SealpostError("cancelled", "nothing was changed");
}

/**
 * Has the record that all machines share sealed with the new key, if there is one: nothing is to be
 * read with the old one that comes later; and the new key put into the kit. What keeps it from that is
 * said: the next command that needs the record does it.
 */
async function sealAnew(
  session: SessionOptions & { readonly person: LocalUser },
  passphrase: () => Promise<Bytes | null>,
) {
  const { terminal, person } = session;
  if ((await new SharedRecordFile(person.state).load()).seen === 0) return;
  try {
    const mail = await openMail(session);
    try {
      await mail.shared.refresh();
      await renewOwnKit(session, mail, passphrase);
    } finally {
      await mail.close();
    }
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    terminal.printError(
      `The names of your folders and keywords are still sealed with the old key: ${error.message}; ` +
        '"folders list" seals them anew.',
    );
  }
}

/** Renews the kit, if there is one. What keeps it from that is said. */
async function renewOwnKit(
  { terminal, dir, name, address }: SessionOptions,
  mail: Mail,
  passphrase: () => Promise<Bytes | null>,
): Promise<void> {
  try {
    await renewKit(
      mail.shared,
      mail.connection,
      () => openPackage(dir, name, address, mail.state, mail.log.head(), passphrase),
    );
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    terminal.printError(
      `Your recovery kit still has your old key: ${error.message}; "${PROGRAM} recovery make" makes ` +
        "a new one.",
    );
  }
}

interface Change {
  readonly terminal: Terminal;
  readonly dir: string;
  readonly name: string;
  readonly cache: boolean;
  readonly server: Bundle;
  readonly passphrase: Bytes | undefined;
}

/** Everything between the login with the old key and the end of its session. */
async function change(
  loggedOn: LoggedOn,
  person: LocalUser,
  { terminal, dir, name, cache, server, passphrase }: Change,
): Promise<Pick<LocalUser, "identity" | "state">> {
  const { session, hello, exporter } = loggedOn;
  const { identity, state, retired } = person;
  const connection = ReconnectingConnection.over(session, hello);
  const servers = [server, ...await formerServers(dir)];
  const log = await KeyLogClient.load(state, { name, fp: identity.bundle.fp, retired }, servers);
  log.onNotice = (line) => terminal.printError(line);
  const mail = await Mail.open(name, identity, connection, state, retired, log, cache);
  try {
    await log.greet(session, await headOf(loggedOn));
    // What waits is sealed under the old key, under which nothing is taken afterwards.
    const notSent = notSentLine((await mail.flushOutbox()).refused);
    if (notSent !== null) terminal.printError(notSent);
    const made = await makeIdentity(identity.bundle.rsaBits);
    using keys = await NextKeys.prepare(dir, name, made, passphrase);
    const next: Identity = forgetPkcs8(made);
    try {
      await state.handOver(next);
      await rotateKey({ session, exporter, name, serverFp: server.fp }, identity, next);
    } catch (error) {
      if (!isSealpostError(error, ...REFUSALS)) throw uncertain(error);
      await keys.discard();
      throw new SealpostError(error.code, `${error.message}; your key is the one you had`, {
        cause: error,
      });
    }
    await keys.finish();
    return { identity: next, state: await State.open(dir, name, next, retired) };
  } finally {
    await mail.close();
  }
}

function uncertain(cause: unknown): SealpostError {
  const why = errorText(cause);
  return new SealpostError(
    isSealpostError(cause) ? cause.code : "internal",
    `${why}; the new keys are kept, and your next command finds out whether the server has taken them`,
    { cause },
  );
}

/** The passphrase of the new private key; undefined if it has none, as the old one. */
async function passphraseFor(
  { newPassphrase }: RotateOptions,
  terminal: Terminal,
  dir: string,
  name: string,
): Promise<Bytes | undefined> {
  if (newPassphrase) return await askNewPassphrase(terminal);
  const path = privateKeyPath(dir, name);
  if (!isEncryptedPem(await readKeyFile(path))) {
    return undefined;
  }
  let passphrase: Bytes | null = null;
  await loadPrivateKey(dir, name, async (attempt) => {
    passphrase = await askPassphrase(terminal, name, attempt);
    return passphrase;
  });
  return passphrase ?? undefined;
}

async function askNewPassphrase(terminal: Terminal): Promise<Bytes> {
  if (passphraseFromEnvironment() !== null || !terminal.interactive) {
    throw new SealpostError(
      "usage",
      "a new passphrase is asked for at a terminal only, without SEALPOST_PASSPHRASE",
    );
  }
  terminal.printError("The passphrase must not be your login password: the server sees that one.");
  for (;;) {
    const first = await terminal.askSecret("New passphrase: ");
    const second = first && await terminal.askSecret("Once more: ");
    if (!first || !second || first.length === 0) {
      throw new SealpostError("cancelled", "no passphrase was given; nothing was changed");
    }
    const same = equal(first, second);
    wipe(second);
    if (same) return passphraseBytes(fromUtf8(first));
    terminal.printError("The two are not the same.");
  }
}

function report(
  { json }: RotateOptions,
  terminal: Terminal,
  { dir, name }: Profile,
  from: Identity,
  to: Identity,
): void {
  const fingerprint = formatFingerprint(to.bundle.fp);
  const former = formatFingerprint(from.bundle.fp);
  const retired = join(dir, `${name}_private.${shortFingerprint(from.bundle.fp)}.pem`);
  if (json) return terminal.print(printableJson({ name, fingerprint, former, retired }));
  terminal.print(`Your key is now ${fingerprint}`);
  terminal.print(`The old one,    ${former}, has signed for it.`);
  terminal.print(`The old private key stays in ${retired}, to read old mail.`);
  terminal.print(
    `Link each other machine of yours again: "${PROGRAM} devices add" here, ` +
      `"${PROGRAM} setup --device" there.`,
  );
  terminal.print("People who know the old key follow with the next mail, and are told.");
  terminal.print(
    "People who had verified it see the new one as not verified, until you compare it.",
  );
}
