import { sentence } from "../../cli/format.ts";
import { passwordProblem } from "../../cli/password_rule.ts";
import { printable } from "../../cli/printable.ts";
import { passphraseBytes, passphraseFromEnvironment } from "../../cli/secret_input.ts";
import { type Bytes, wipe } from "../../crypto/bytes.ts";
import { errorText, isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Bundle, formatFingerprint, isEncryptedPem } from "../../crypto/identity.ts";
import { entropyOf } from "../../crypto/words.ts";
import { defined } from "../../crypto/defined.ts";
import { hasPassphrase, isPassphrase } from "../../files/key_files.ts";
import { type Address, formatAddress, parseAddress } from "../../protocol/address.ts";
import { isDeviceName } from "../../protocol/link.ts";
import { INVITATION_BEGIN } from "../../protocol/invitation.ts";
import { parseName } from "../../protocol/name.ts";
import { askForBundle } from "../connection/login.ts";
import type { Mail } from "../mail.ts";
import type { Removal } from "../account/removal.ts";
import { encodePassword } from "../../protocol/login.ts";
import { openLocalUser, openMail } from "../session.ts";
import { chooseFolder, createClientFolder } from "../setup/folder.ts";
import { openKeys } from "../setup/keys.ts";
import { fetchKit } from "../setup/kit.ts";
import { firstLogin, requireOther } from "../setup/login.ts";
import {
  finishLinked,
  install,
  isUnknownServer,
  linkBy,
  pinnedOf,
  rememberPackage,
  type Unpacked,
  withPassphrase,
} from "../setup/machine.ts";
import { findServer } from "../setup/server.ts";
import { sendTestMessage } from "../setup/test_message.ts";
import { type Newcomer, newcomerAt, newcomerOf } from "../setup/who.ts";
import type { LocalUser } from "../state/local_user.ts";
import { readConfig } from "../state/config.ts";
import {
  findProfile,
  keysIn,
  type Profile,
  requireAddress,
  usualFolder,
} from "../state/profile.ts";
import { openUnlocked } from "../state/unlock.ts";
import { drawProgressOn } from "../../cli/progress.ts";
import { changeOwnPassword, removeOwnMachine, retireOwnMachine, rotateOwnKeys } from "./account.ts";
import { Desk } from "./desk.ts";
import { Events } from "./events.ts";
import { Machines } from "./machines.ts";
import { givingTerminal, type PageTalk, PageTerminal } from "./questions.ts";
import type {
  BeginView,
  LinkedView,
  NewKeysView,
  PageEvent,
  RemovedView,
  Stage,
  StateView,
} from "./types.ts";

/** How long changes are collected before pages are told, milliseconds. */
const GATHER = 40;

/** Whose mail it is, and how it is opened. */
export interface AppOptions {
  readonly dir?: string;
  readonly server?: string;
  readonly passwordFile?: string;
  readonly noCache: boolean;
  /** Called when it is known whose mail it is. */
  readonly onProfile: (profile: Profile) => Promise<void>;
  /** Called when the keys are not shut by a passphrase, and so the page itself has to be shut. */
  readonly onShut: () => void;
}

/** What a person gives on the last page of the setup. */
export interface SetupAnswers {
  /** The name, if no invitation says it. */
  readonly name: string;
  /** Chosen by the person in the place of the invitation's; without one, the password that they have. */
  readonly password: string;
  /** Empty for none. */
  readonly passphrase: string;
  /** The fingerprint that the person has compared, if no invitation says it. */
  readonly fingerprint: string;
}

/** What a person gives for a change of their account. */
export interface Secrets {
  readonly password: string;
  /** Of their keys; empty if they have none. */
  readonly passphrase: string;
}

/** The program behind a page: from the setup, or from keys that are shut, to open mail. */
export class App {
  readonly events = new Events();
  readonly terminal: PageTerminal;
  readonly #options: AppOptions;
  readonly #talk: PageTalk;
  #stage: Stage = "opening";
  #problem: string | null = null;
  #profile: Profile | null = null;
  #desk: Desk | null = null;
  #machines: Machines | null = null;
  #linked: { readonly unpacked: Unpacked; readonly kit: boolean } | null = null;
  #found: { newcomer: Newcomer; address: Address; bundle: Bundle } | null = null;
  #version = 0;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #working: Promise<unknown> | null = null;
  /** Whose mail is open. */
  #person: LocalUser | null = null;
  /** A change of the account that is under way. */
  #changing: Promise<unknown> | null = null;

  constructor(options: AppOptions) {
    this.#options = options;
    const tell = (event: PageEvent) => this.events.tell(event);
    this.#talk = {
      say: (text, bad) => tell({ kind: "said", text: printable(text), bad }),
      ask: ({ id, prompt }) => tell({ kind: "ask", id, prompt }),
    };
    this.terminal = new PageTerminal(this.#talk);
    drawProgressOn({
      terminal: false,
      columns: () => 80,
      write: () => {},
      now: () => performance.now(),
      report: (at) => tell(at ? { kind: "progress", ...at } : { kind: "progress-over" }),
    });
  }

  /** The open mail. Throws `cancelled` if it is not open. */
  get desk(): Desk {
    if (this.#desk) return this.#desk;
    throw new SealpostError("cancelled", "your mail is not open");
  }

  /** Somebody does something at the page. */
  busy(): void {
    this.#desk?.busy();
  }

  /** The machines of the person whose mail is open. Throws `cancelled` if it is not open. */
  get machines(): Machines {
    if (this.#machines) return this.#machines;
    throw new SealpostError("cancelled", "your mail is not open");
  }

  get profile(): Profile | null {
    return this.#profile;
  }

  /** Finds out whose mail it is, and opens it if that needs no passphrase. Throws what settings throw. */
  async start(): Promise<void> {
    const { dir, server } = this.#options;
    try {
      this.#profile = await findProfile({ ...defined({ dir, server }), json: true });
    } catch (error) {
      if (server !== undefined || !await isForNewcomers(error, dir)) throw error;
      return this.#become("setup");
    }
    requireAddress(this.#profile);
    await this.#options.onProfile(this.#profile);
    const { dir: folder, name } = this.#profile;
    const open = passphraseFromEnvironment() !== null || !await hasPassphrase(folder, name) ||
      await openUnlocked(folder, name) !== null;
    if (!open) return this.#become("locked");
    this.#open(null);
  }

  /** What pages are told first. */
  first(): PageEvent[] {
    const { open } = this.terminal;
    return [
      { kind: "state", state: this.state() },
      ...open ? [{ kind: "ask" as const, ...open }] : [],
    ];
  }

  state(): StateView {
    const desk = this.#desk;
    const { name = "", address } = this.#profile ?? {};
    return {
      stage: this.#stage,
      problem: this.#problem,
      name,
      server: desk?.server ?? (address ? formatAddress(address) : ""),
      connection: desk?.connection ?? { kind: "connecting", why: null, retryAt: null },
      folders: desk?.folders() ?? [],
      searches: desk?.searches() ?? [],
      drafts: desk?.local.drafts ?? 0,
      outbox: desk?.local.outbox ?? 0,
      fetching: desk?.fetching ?? false,
      version: this.#version,
      maxMessage: desk?.maxMessage ?? null,
      newAddress: desk?.newAddress ?? null,
      undoSend: desk?.undoSend ?? 0,
    };
  }

  /** Opens shut keys. Throws `passphrase`. */
  async unlock(passphrase: string): Promise<void> {
    const profile = this.#profile;
    if (this.#stage !== "locked" || !profile) return;
    const { dir, name } = profile;
    const bytes = passphraseBytes(passphrase);
    try {
      if (!await isPassphrase(dir, name, bytes)) {
        throw new SealpostError("passphrase", "that passphrase does not open your keys");
      }
      const give = (attempt: number) => Promise.resolve(attempt === 1 ? bytes.slice() : null);
      const person = await openLocalUser(this.#retiring(bytes), dir, name, give);
      await this.#open(person);
    } finally {
      wipe(bytes);
    }
  }

  /**
   * Shuts the mail, so that the passphrase is needed again; where the keys have none, the page itself has
   * to be shut.
   */
  async lock(): Promise<void> {
    await this.#changing?.catch(() => {});
    const profile = this.#profile;
    if (this.#stage !== "open" && this.#stage !== "opening") return;
    if (!profile || !await hasPassphrase(profile.dir, profile.name)) return this.#options.onShut();
    await this.#shut();
    this.#become("locked");
  }

  /** Tries again to open what did not open. */
  retry(): void {
    if (this.#stage === "opening" && this.#problem !== null) this.#open(null);
  }

  /** Reads an invitation, or an address as `name@host:port`, and asks that server for its key. */
  async begin(text: string): Promise<BeginView> {
    this.#requireSetup();
    const newcomer = text.includes(INVITATION_BEGIN)
      ? newcomerOf(text.slice(text.indexOf(INVITATION_BEGIN)))
      : newcomerAt(text.trim(), undefined);
    const { servers, fp } = newcomer;
    const [first] = servers;
    if (!first) throw new SealpostError("usage", "that names no server");
    const { address, bundle } = fp === null
      ? { address: first, bundle: await askForBundle(first) }
      : await findServer(this.terminal, servers, fp);
    this.#found = { newcomer, address, bundle };
    return {
      name: newcomer.name,
      server: formatAddress(address),
      fingerprint: formatFingerprint(bundle.fp),
      compare: fp === null,
      choosesPassword: newcomer.password !== null,
    };
  }

  /** Makes the folder and the keys, logs in, and sees that everything works; then the mail is open. */
  async setUp(answers: SetupAnswers): Promise<void> {
    this.#requireSetup();
    const found = this.#found;
    if (!found) throw new SealpostError("usage", "there is no invitation yet");
    const { newcomer, address, bundle } = found;
    if (newcomer.fp === null && answers.fingerprint !== formatFingerprint(bundle.fp)) {
      throw new SealpostError("cancelled", "the server's key was not compared; nothing was sent");
    }
    const name = newcomer.name ?? parseName(answers.name);
    const problem = newcomer.password === null ? null : passwordProblem(answers.password);
    if (problem !== null) throw new SealpostError("usage", problem);
    requireDifferent(answers.password, answers.passphrase);
    const step = (text: string) => this.events.tell({ kind: "step", text });
    const { giving, silent } = this.#terminals(answers.passphrase);
    const dir = await chooseFolder(silent, name, this.#options.dir);
    step("folder");
    await createClientFolder(dir, this.#options.dir !== undefined, name, address, bundle);
    step("keys");
    const place = { terminal: giving, dir, name, say: () => {} };
    const keys = await openKeys(place, newcomer.password);
    requireOther(keys, answers.password);
    step("login");
    const passwords = { oneTime: newcomer.password, own: answers.password };
    const mail = await firstLogin({ ...place, terminal: silent }, address, keys, passwords);
    try {
      step("test");
      await sendTestMessage(mail, keys.person.state);
    } finally {
      await mail.close();
    }
    this.#found = null;
    await this.#begun(dir, keys.person);
  }

  /**
   * Fetches what another machine of the person sends, which shows 12 words, or the kit that 24 words open.
   * Throws `usage` for words that are none, and what fetching throws.
   */
  async link(server: string, device: string, words: string): Promise<LinkedView> {
    this.#requireSetup();
    const address = parseAddress(server.slice(server.lastIndexOf("@") + 1).trim());
    if (!isDeviceName(device.trim())) {
      throw new SealpostError("usage", "a name for this machine has 1 to 100 bytes");
    }
    const kit = words.trim().split(/[^\p{L}]+/u).length > 12;
    const code = entropyOf(words, kit ? 24 : 12);
    const unpacked = kit
      ? await fromKit(address, device.trim(), code)
      : await linkBy(address, device.trim(), code, (compared) => {
        this.events.tell({ kind: "compare", device: device.trim(), words: compared });
      });
    this.#linked = { unpacked, kit };
    const { name, servers: [first = address], key } = unpacked.one;
    return { name, server: formatAddress(first), kit, passphrase: isEncryptedPem(key) };
  }

  /**
   * Puts the keys that {@linkcode App.link} has brought here, and logs in; then the mail is open. The
   * passphrase is the one that the keys have, or the one that those of a kit are to have.
   */
  async setUpLinked(answers: Pick<SetupAnswers, "password" | "passphrase">): Promise<void> {
    this.#requireSetup();
    if (!this.#linked) throw new SealpostError("usage", "there are no words yet");
    const { unpacked, kit } = this.#linked;
    const { password, passphrase } = answers;
    requireDifferent(password, passphrase);
    const step = (text: string) => this.events.tell({ kind: "step", text });
    step("folder");
    const secret = kit && passphrase !== "" ? passphraseBytes(passphrase) : null;
    const whole = { ...unpacked, one: await withPassphrase(unpacked.one, secret) };
    const { giving, silent } = this.#terminals(passphrase);
    const { dir, name, address } = await install(silent, whole, this.#options.dir);
    const place = { terminal: giving, dir, name, say: () => {} };
    const keys = await openKeys(place, null);
    requireOther(keys, password);
    await rememberPackage(keys.person.state, whole);
    step("login");
    const passwords = { oneTime: null, own: password, arrived: true };
    const mail = await firstLogin({ ...place, terminal: silent }, address, keys, passwords).catch(
      (error) => {
        if (!unpacked.answered || !isUnknownServer(error)) throw error;
        throw new SealpostError(
          "server-identity",
          "the server has another key than your machines knew, and does not show that it followed on " +
            "it; compare it at a terminal, by sealpost setup --recover",
          { cause: error },
        );
      },
    );
    try {
      await finishLinked(mail, keys.person.state);
      await mail.shared.introduce();
    } finally {
      await mail.close();
    }
    this.#linked = null;
    await this.#begun(dir, keys.person);
  }

  /** Puts another password in the place of the present one. Throws `usage`, and what the server refuses with. */
  async changePassword(
    passwords: { readonly old: string; readonly next: string },
  ): Promise<void> {
    const { mail } = this.desk;
    const [profile, person] = [this.#profile, this.#person];
    if (!profile || !person) throw new SealpostError("cancelled", "your mail is not open");
    await changeOwnPassword(mail, profile, person, this.#talk, passwords);
  }

  /** Makes new keys in the place of the person's. Throws as {@linkcode rotateOwnKeys} does. */
  newKeys(secrets: Secrets): Promise<NewKeysView> {
    return this.#change(secrets, "new-keys", rotateOwnKeys);
  }

  /** Takes a machine off the list that its owner has. Throws as {@linkcode retireOwnMachine} does. */
  retireMachine(id: string, secrets: Secrets): Promise<void> {
    return this.#change(secrets, "retire", (account) => retireOwnMachine(account, id));
  }

  /** Takes a machine off the list that was lost or stolen. Throws as {@linkcode removeOwnMachine} does. */
  removeMachine(id: string, next: string, secrets: Secrets): Promise<RemovedView> {
    requireDifferent(next, secrets.passphrase);
    return this.#change(secrets, "new-keys", (account) => removeOwnMachine(account, id, next));
  }

  /**
   * Changes the account in a way that ends the person's sessions: when the password was accepted, the mail
   * is shut, with `step` told, and it is open again at the end, whatever came of the change.
   */
  #change<T>(
    secrets: Secrets,
    step: string,
    work: (account: Removal) => Promise<T>,
  ): Promise<T> {
    if (this.#changing) throw new SealpostError("busy", "your account is being changed already");
    const changing = this.#changeApart(secrets, step, work).finally(() => this.#changing = null);
    this.#changing = changing;
    return changing;
  }

  async #changeApart<T>(
    secrets: Secrets,
    step: string,
    work: (account: Removal) => Promise<T>,
  ): Promise<T> {
    const profile = this.#profile;
    if (!profile || !this.#desk) throw new SealpostError("cancelled", "your mail is not open");
    const { dir, name } = profile;
    const password = encodePassword(secrets.password);
    const passphrase = passphraseBytes(secrets.passphrase);
    const give = (attempt: number) => Promise.resolve(attempt === 1 ? passphrase.slice() : null);
    let shut = false;
    try {
      return await work({
        terminal: this.#terminals(secrets.passphrase).silent,
        profile,
        password: () => Promise.resolve(password.slice()),
        passphrase: give,
        onBegun: async () => {
          shut = true;
          this.events.tell({ kind: "step", text: step });
          this.#become("opening");
          await this.#shut();
        },
      });
    } finally {
      if (shut) {
        this.events.tell({ kind: "step", text: "" });
        const terminal = this.#retiring(passphrase);
        // What keeps the keys shut is said where the mail does not open.
        await this.#open(await openLocalUser(terminal, dir, name, give).catch(() => null));
      }
      wipe(password, passphrase);
    }
  }

  /** Where a form was filled in, nobody answers questions: a wrong password, say, is an error. */
  #terminals(passphrase: string) {
    const giving = givingTerminal(this.#talk, passphrase);
    return { giving, silent: { ...giving, interactive: false } };
  }

  /** Opens the mail of somebody who was set up just now. */
  async #begun(dir: string, person: LocalUser): Promise<void> {
    this.events.tell({ kind: "step", text: "" });
    this.#profile = await findProfile({ dir, json: true });
    await this.#options.onProfile(this.#profile);
    await this.#open(person);
  }

  /** What the person says of the notice of another address. Throws what following it throws. */
  async followAddress(follows: boolean): Promise<void> {
    const { dir } = this.#profile ?? {};
    if (dir !== undefined) await this.desk.decideOnAddress(dir, follows);
  }

  /** Tells pages that something has changed. */
  changed(): void {
    this.#version++;
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.events.tell({ kind: "state", state: this.state() });
    }, GATHER);
  }

  /** Closes everything. */
  async close(): Promise<void> {
    clearTimeout(this.#telling);
    await this.#shut();
    this.events.close();
    drawProgressOn(null);
  }

  async #shut(): Promise<void> {
    this.terminal.giveUp();
    await this.#working?.catch(() => {});
    const desk = this.#desk;
    const machines = this.#machines;
    this.#desk = null;
    this.#machines = null;
    this.#person = null;
    await machines?.close();
    await desk?.close();
  }

  #become(stage: Stage, problem: string | null = null): void {
    this.#stage = stage;
    this.#problem = problem;
    this.changed();
  }

  #requireSetup(): void {
    if (this.#stage === "setup") return;
    throw new SealpostError("usage", "this machine is set up already");
  }

  /** Opens the mail; why it does not open is shown. */
  #open(person: LocalUser | null): Promise<void> {
    const opening = this.#openMail(person);
    this.#working = opening;
    return opening;
  }

  async #openMail(person: LocalUser | null): Promise<void> {
    const profile = this.#profile;
    if (!profile) return;
    this.#become("opening");
    let mail: Mail | null = null;
    try {
      const { dir, name, config } = profile;
      person ??= await openLocalUser(this.terminal, dir, name);
      mail = await openMail({
        terminal: this.terminal,
        address: requireAddress(profile),
        name,
        dir,
        useTicket: true,
        cache: !this.#options.noCache && config.cache !== false,
        reconnect: true,
        retries: 2,
        offline: "read",
        onNews: (event) => {
          this.#desk?.notice(event);
          this.#machines?.notice(event);
        },
        announce: (line) => this.#talk.say(line, false),
        askPassword: () => this.terminal.askSecret("Your password"),
        ...defined({ passwordFile: this.#options.passwordFile }),
        person,
      });
      this.#person = person;
      const tell = (event: PageEvent) => this.events.tell(event);
      this.#desk = await Desk.open(mail, tell, () => this.changed());
      this.#machines = new Machines(mail, profile, this.#talk, tell);
      this.#become("open");
    } catch (error) {
      await mail?.close().catch(() => {});
      const why = isSealpostError(error) ? error.message : "it did not open; try again";
      if (!isSealpostError(error)) console.error(printable(errorText(error)));
      this.#become("opening", sentence(printable(why)));
    }
  }

  /** A terminal that opens retired keys with the passphrase of the present ones. */
  #retiring(passphrase: Bytes): PageTerminal {
    const terminal = new PageTerminal(this.#talk);
    const copy = passphrase.slice();
    terminal.askSecret = () => Promise.resolve(copy.slice());
    return terminal;
  }
}

/** Throws `usage` for a passphrase that the server would see as the password. */
function requireDifferent(password: string, passphrase: string): void {
  if (passphrase === "" || passphrase !== password) return;
  throw new SealpostError(
    "usage",
    "the passphrase must not be your password, which the server sees when you log in",
  );
}

/** What the kit of `code` has. The key that it names last is pinned: the login follows it, or fails. */
async function fromKit(address: Address, device: string, code: Bytes): Promise<Unpacked> {
  try {
    const { one, bundle } = await fetchKit(address, code);
    const pinned = await pinnedOf(one, bundle);
    return {
      ...{ device, one, address, bundle: pinned },
      ...pinned === bundle ? {} : { answered: bundle },
    };
  } finally {
    wipe(code);
  }
}

/**
 * Whether `error`, of looking for somebody's profile, says that nobody is set up there. Throws `config` for
 * settings with a mistake in them.
 */
async function isForNewcomers(error: unknown, dir: string | undefined): Promise<boolean> {
  if (isSealpostError(error, "file-missing")) return true;
  if (!isSealpostError(error, "config")) return false;
  const folder = dir ?? await usualFolder() ?? ".";
  await readConfig(folder);
  return (await keysIn(folder)).length === 0;
}
