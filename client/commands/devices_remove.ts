import { type Bytes, wipe } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { printable } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { samePassphraseProblem } from "../account/password.ts";
import { passwordSession } from "../account/password_session.ts";
import {
  begunRemoval,
  findMachine,
  type Removal,
  removeLostMachines,
  retireMachine,
} from "../account/removal.ts";
import { type Device, lastSeen } from "../mailbox/devices.ts";
import type { TakenBack } from "../mailbox/removed_machines.ts";
import { askNewPassword, askPassphrase, firstPassword, openMail } from "../session.ts";
import { encodePassword } from "../../protocol/login.ts";
import { findProfile, type Profile } from "../state/profile.ts";
import type { BegunRemoval, LostMachine } from "../state/removal.ts";
import { remembered } from "../state/settle_keys.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import type { KeyOptions } from "./keyring.ts";
import { reportRotation } from "./keys_rotate.ts";
import { offerKit } from "./recovery.ts";

/** What `devices remove` was given. */
export interface RemoveOptions extends KeyOptions {
  /** As it is called in the list, or the beginning of its id. */
  readonly machine: string;
}

/**
 * The `devices remove` command. For a machine that was lost or stolen: new keys, a new password, no kit,
 * and nothing that it verified counts; for one that is retired, it leaves the list, and all tickets end.
 * Broken off, it is run again, and goes on. Throws what stops it.
 */
export async function removeDevice(options: RemoveOptions): Promise<void> {
  const terminal = openTerminal();
  if (!terminal.interactive || options.json) {
    throw new SealpostError("usage", "devices remove asks for passwords: use it at a terminal");
  }
  const profile = await findProfile(options);
  await using removing = new Removing(terminal, profile, options.passwordFile);
  const begun = await begunRemoval(removing.removal);
  if (begun !== null) {
    tellBegun(terminal, begun);
    await requireBegun(removing.removal, begun, options.machine);
    return await removing.removeLost(begun.machines);
  }
  const device = await findMachine(removing.removal, options.machine);
  if (await ask(terminal, device) === "lost") return await removing.removeLost([device]);
  await retireMachine(removing.removal, device);
  tellRetired(terminal, device);
}

/**
 * {@linkcode removeDevice} for machines that the person has named as lost. Throws what stops it.
 */
export async function removeStolen(
  terminal: Terminal,
  profile: Profile,
  machines: readonly Device[],
): Promise<void> {
  await using removing = new Removing(terminal, profile, undefined);
  await removing.removeLost(machines);
}

/** A removal, for which password and passphrase are asked once. */
class Removing implements AsyncDisposable {
  readonly #password;
  #passphrase: Bytes | null = null;
  readonly removal: Removal;

  constructor(terminal: Terminal, profile: Profile, passwordFile: string | undefined) {
    const session = passwordSession(terminal, profile, passwordFile);
    this.#password = remembered(() => firstPassword(session));
    this.removal = {
      terminal,
      profile,
      password: this.#password.get,
      passphrase: async (attempt) => {
        // Asked for again only if it is not the right one.
        if (attempt > 1 || this.#passphrase === null) {
          this.#forgetPassphrase();
          this.#passphrase = await askPassphrase(terminal, profile.name, attempt);
        }
        return this.#passphrase?.slice() ?? null;
      },
      onChanged: (former, present) => reportRotation(terminal, profile, former, present),
    };
  }

  #forgetPassphrase(): void {
    if (this.#passphrase) wipe(this.#passphrase);
    this.#passphrase = null;
  }

  /** Everything that follows when `machines` are lost, and the offer of a new kit. */
  async removeLost(machines: readonly LostMachine[]): Promise<void> {
    const { terminal, profile, passphrase } = this.removal;
    const { dir, name } = profile;
    const problem = (chosen: string) => samePassphraseProblem(dir, name, chosen);
    const next = await askNewPassword(terminal, problem, "Choose a new password.");
    const person = await removeLostMachines(
      this.removal,
      machines,
      next,
      (taken) => tellTakenBack(terminal, taken),
    );
    tellRest(terminal, machines);
    const session = passwordSession(terminal, profile);
    const mail = await openMail({
      ...session,
      person,
      password: () => Promise.resolve(encodePassword(next)),
    });
    try {
      await offerKit({ terminal, mail, dir, address: session.address, ...defined({ passphrase }) });
    } finally {
      await mail.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#password.forget();
    this.#forgetPassphrase();
  }
}

function namesOf(machines: readonly LostMachine[]): string {
  return machines.map(({ label }) => label).join(", ");
}

function tellBegun(terminal: Terminal, { machines, password }: BegunRemoval): void {
  terminal.print(`The removal of ${namesOf(machines)} was broken off, and goes on.`);
  if (password) terminal.print("Your password may be the one that you had chosen already.");
}

/**
 * Throws `usage` if what was begun is the removal of others than the machine that the person means by
 * `wanted`, which may be off the list already; and what a login throws.
 */
async function requireBegun(
  removal: Removal,
  { machines }: BegunRemoval,
  wanted: string,
): Promise<void> {
  const isNamed = machines.some(({ id, label }) => {
    return label === wanted || /^[0-9a-f]{8,16}$/.test(wanted) && id.startsWith(wanted);
  });
  let label: string;
  try {
    const device = await findMachine(removal, wanted);
    if (isNamed || machines.some(({ id }) => id === device.id)) return;
    label = device.label;
  } catch (error) {
    if (isNamed && isSealpostError(error, "usage")) return;
    throw error;
  }
  throw new SealpostError(
    "usage",
    `finish that first, by "${PROGRAM} devices remove ${machines[0]?.label ?? ""}"; then remove ` +
      label,
  );
}

/** Says what can happen, and asks which. Throws `cancelled` if neither is wanted. */
async function ask(terminal: Terminal, device: Device): Promise<"lost" | "retired"> {
  for (
    const line of [
      `${device.label}: ${lastSeen(device)}.`,
      "If it was lost or stolen, or anybody else may have what is on it, type lost: you get new keys",
      "and choose a new password; it cannot log in or read what comes then. What it verified counts",
      "no more, your recovery kit ends, and your other machines have to be linked again.",
      "If you have it and it is only retired, type retired: it leaves the list, and everything else",
      "stays. Erase its folder before it goes out of your hands: your keys and mail are in it.",
    ]
  ) terminal.print(line);
  const answer = (await terminal.ask("Was it lost, or is it retired? (lost, retired, or Enter) "))
    ?.trim().toLowerCase();
  if (answer === "lost" || answer === "retired") return answer;
  throw new SealpostError("cancelled", "nothing was changed");
}

function tellRetired(terminal: Terminal, device: Device): void {
  terminal.print(
    `\n${device.label} is off the list, and cannot log in without your password; nor can your other`,
  );
  terminal.print("machines, once. If it does, it stands there again.");
}

function tellTakenBack(terminal: Terminal, { unverified, changed }: TakenBack): void {
  if (unverified.length > 0) {
    terminal.print(`Not verified any more, since it said so: ${unverified.join(", ")}.`);
  }
  if (changed.length === 0) return;
  terminal.print("It was the last to change these; look whether they are as you want them:");
  for (const key of changed) terminal.print(`  ${printable(key)}`);
}

function tellRest(terminal: Terminal, machines: readonly LostMachine[]): void {
  const [are, who] = machines.length === 1 ? ["is", "has it"] : ["are", "has one"];
  terminal.print(
    `\n${namesOf(machines)} ${are} removed. Whoever ${who} still has what is on it and what`,
  );
  terminal.print(
    "was sealed to the old keys, if it has no passphrase or they know it; tell the people",
  );
  terminal.print("whose mail that is. Nothing new is sealed to them.");
  terminal.print(`Link your other machines again ("${PROGRAM} devices add").`);
}
