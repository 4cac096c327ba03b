import { printable } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Identity } from "../../crypto/identity.ts";
import { samePassphraseProblem } from "../account/password.ts";
import { passwordSession } from "../account/password_session.ts";
import { findMachine, removeLostMachine, retireMachine } from "../account/removal.ts";
import { settleBrokenRotation } from "../account/rotation.ts";
import { type Device, lastSeen } from "../mailbox/devices.ts";
import type { TakenBack } from "../mailbox/removed_machines.ts";
import { askNewPassword, firstPassword } from "../session.ts";
import { findProfile } from "../state/profile.ts";
import { remembered } from "../state/settle_keys.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import type { KeyOptions } from "./keyring.ts";
import { reportRotation } from "./keys_rotate.ts";

/** What `devices remove` was given. */
export interface RemoveOptions extends KeyOptions {
  /** As it is called in the list, or the beginning of its id. */
  readonly machine: string;
}

/**
 * The `devices remove` command. For a machine that was lost or stolen: new keys, a new password, no kit,
 * and nothing that it verified counts; for one that is retired, it leaves the list, and all tickets end.
 * Broken off, it is run again. Throws what stops it.
 */
export async function removeDevice(options: RemoveOptions): Promise<void> {
  const terminal = openTerminal();
  if (!terminal.interactive || options.json) {
    throw new SealpostError("usage", "devices remove asks for passwords: use it at a terminal");
  }
  const profile = await findProfile(options);
  const { dir, name } = profile;
  const session = passwordSession(terminal, profile, options.passwordFile);
  const password = remembered(() => firstPassword(session));
  const removal = {
    terminal,
    profile,
    password: password.get,
    onChanged: (former: Identity, present: Identity) => {
      reportRotation(terminal, profile, former, present);
    },
  };
  try {
    const device = await findMachine(removal, options.machine);
    if (await ask(terminal, device) === "retired") {
      await retireMachine(removal, device);
      return tellRetired(terminal, device);
    }
    const problem = (chosen: string) => samePassphraseProblem(dir, name, chosen);
    const next = await askNewPassword(terminal, problem, "Choose a new password.");
    await settleBrokenRotation(removal);
    await removeLostMachine(removal, device, next, (taken) => tellTakenBack(terminal, taken));
    tellRest(terminal, device);
  } finally {
    await password.forget();
  }
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

function tellRest(terminal: Terminal, device: Device): void {
  terminal.print(
    `\n${device.label} is removed. Whoever has it still has what is on it and what`,
  );
  terminal.print(
    "was sealed to the old keys, if it has no passphrase or they know it; tell the people",
  );
  terminal.print("whose mail that is. Nothing new is sealed to them.");
  terminal.print(
    `Link your other machines again ("${PROGRAM} devices add"), and make new words for the`,
  );
  terminal.print(`day when everything is lost ("${PROGRAM} recovery make").`);
}
