import { notSentLine } from "../mailbox/show.ts";
import { type Bytes, wipe } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { errorText, isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Bundle, forgetPkcs8, type Identity, isEncryptedPem } from "../../crypto/identity.ts";
import { loadPrivateKey, privateKeyPath, readKeyFile } from "../../files/key_files.ts";
import { makeIdentity } from "../../cli/make_identity.ts";
import { formerServers } from "../../files/server_pin.ts";
import { NextKeys } from "../../files/next_keys.ts";
import { PROGRAM } from "../../cli/program.ts";
import { KeyLogClient } from "../trust/key_log.ts";
import { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { namesOtherKey } from "../connection/follow_server.ts";
import { headOf, type LoggedOn, logOn } from "../connection/log_on.ts";
import { Mail } from "../mail.ts";
import { renewKit } from "../mailbox/kits.ts";
import { openPackage } from "../state/own_package.ts";
import type { Profile } from "../state/profile.ts";
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
import { RemovalFile } from "../state/removal.ts";
import { RetiredKeys } from "../state/retired_keys.ts";
import { remembered } from "../state/settle_keys.ts";
import { SharedRecordFile } from "../state/shared_record.ts";
import { State } from "../state/state.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { passwordSession } from "./password_session.ts";
import { TicketStore } from "../state/ticket_store.ts";
import { forgetUnlocked } from "../state/unlocked.ts";

/** With these the server has said that it did not take the new key. */
const REFUSALS = ["format", "key-changed", "limit", "login-refused"] as const;

/** What making new keys needs. */
export interface Rotation {
  /** Tells what a person should know, and asks for the passphrase of their keys. */
  readonly terminal: Terminal;
  readonly profile: Profile;
  readonly passwordFile?: string;
  /** Gives the password, in the place of a file, the environment or a question. */
  readonly password?: () => Promise<Bytes>;
  /** Gives the passphrase of the keys, in the place of the environment or a question. */
  readonly passphrase?: (attempt: number) => Promise<Bytes | null>;
  /** Whether this is part of a removal of lost machines. */
  readonly removing?: boolean;
  /** Asks for another passphrase for the new private key; without this it has that of the old one. */
  readonly newPassphrase?: () => Promise<Bytes>;
  /** Called when the password was accepted, before anything is changed. */
  readonly onBegun?: () => Promise<void>;
  /** Called when the new keys are in their place, before the rest is done. */
  readonly onChanged?: (former: Identity, present: Identity) => void;
}

/**
 * Finds out what became of a change of the keys that was broken off. Throws `busy` while another client of
 * this user is at it, and what a login throws.
 */
export async function settleBrokenRotation(rotation: Rotation): Promise<void> {
  const { dir, name } = rotation.profile;
  if (!await NextKeys.waiting(dir, name)) return;
  await (await openMail(sessionOf(rotation))).close();
  if (!await NextKeys.waiting(dir, name)) return;
  throw new SealpostError(
    "busy",
    "another client of this user is changing the keys; wait until it is done",
  );
}

/**
 * Makes new keys in the place of a person's, here and on the server, which ends all of their sessions; the
 * old ones sign for them. Resolves to the person with the new ones. Throws what stops it, and says what is
 * so then.
 */
export async function makeNewKeys(rotation: Rotation): Promise<LocalUser> {
  const { terminal, profile: { dir, name } } = rotation;
  const session = sessionOf(rotation);
  const { address } = session;
  const person = await openLocalUser(terminal, dir, name, rotation.passphrase);
  let server = await pinnedServer(terminal, dir, address);
  const passphrase = await passphraseFor(rotation, dir, name);
  const password = remembered(rotation.password ?? (() => firstPassword(session)));
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
    await rotation.onBegun?.();
    const next = await change(loggedOn, person, { ...session, server, passphrase });
    await new TicketStore(next.state, server.fp).clear();
    await forgetUnlocked(dir, name);
    rotation.onChanged?.(person.identity, next.identity);
    const open = [person.identity];
    const retired = new RetiredKeys(dir, name, () => Promise.resolve(null), open);
    const own = { ...session, password: password.get, person: { ...next, retired } };
    await sealAnew(own, () => Promise.resolve(passphrase?.slice() ?? null));
    return own.person;
  } finally {
    await password.forget();
    if (passphrase) wipe(passphrase);
  }
}

function sessionOf(
  { terminal, profile, passwordFile, password, removing }: Rotation,
): SessionOptions {
  return {
    ...passwordSession(terminal, profile, passwordFile),
    ...defined({ password, removing }),
  };
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

/**
 * Renews the kit, if there is one, but in a removal of lost machines, which ends it: a lost machine could
 * have named another kit in its place, whose words its thief has. What keeps it from that is said.
 */
async function renewOwnKit(
  { terminal, dir, name, address }: SessionOptions,
  mail: Mail,
  passphrase: () => Promise<Bytes | null>,
): Promise<void> {
  try {
    if (await new RemovalFile(mail.state).load() !== null) return;
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
  { terminal, newPassphrase, passphrase: given }: Rotation,
  dir: string,
  name: string,
): Promise<Bytes | undefined> {
  if (newPassphrase) return await newPassphrase();
  const path = privateKeyPath(dir, name);
  if (!isEncryptedPem(await readKeyFile(path))) {
    return undefined;
  }
  let passphrase: Bytes | null = null;
  await loadPrivateKey(dir, name, async (attempt) => {
    passphrase = await (given?.(attempt) ?? askPassphrase(terminal, name, attempt));
    return passphrase;
  });
  return passphrase ?? undefined;
}
