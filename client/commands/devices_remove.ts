import { defined } from "../../crypto/defined.ts";
import { type Bytes, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { isPassphrase } from "../../files/key_files.ts";
import { encodePassword } from "../../protocol/login.ts";
import { printable } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { passphraseBytes } from "../../cli/secret_input.ts";
import type { Mail } from "../mail.ts";
import { forgetMachine, takeBack, type TakenBack } from "../mailbox/removed_machines.ts";
import { askNewPassword, firstPassword, openMail } from "../session.ts";
import { findProfile, requireAddress } from "../state/profile.ts";
import { remembered } from "../state/settle_keys.ts";
import { TicketStore } from "../state/ticket_store.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import { type Device, devicesOf, lastSeen } from "../mailbox/devices.ts";
import type { KeyOptions } from "./keyring.ts";
import { rotateKeys } from "./keys_rotate.ts";

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
  const session = {
    terminal,
    address: requireAddress(profile),
    name,
    dir,
    useTicket: false,
    cache: profile.config.cache !== false,
    announce: (line: string) => terminal.printError(line),
    ...defined({ passwordFile: options.passwordFile }),
  };
  const password = remembered(() => firstPassword(session));
  const log = (ask: () => Promise<Bytes>) => openMail({ ...session, password: ask });
  try {
    const device = await within(log(password.get), async (mail) => {
      return theOne(await devicesOf(mail), options.machine);
    });
    if (await ask(terminal, device) === "retired") {
      await within(log(password.get), async (mail) => {
        await mail.connection.ask({ op: "logout", everywhere: true });
      });
      await TicketStore.forget(dir, name);
      // Off the list at the end: until then this can be done again.
      await within(log(password.get), (mail) => forgetMachine(mail.shared, device.id, device.last));
      return tellRetired(terminal, device);
    }
    const next = await askNewPassword(
      terminal,
      async (chosen) =>
        await isPassphrase(dir, name, passphraseBytes(chosen))
          ? "That is the passphrase of your private key: whoever learns one must not have both."
          : null,
      "Choose a new password.",
    );
    await rotateKeys({ ...options, newPassphrase: false, yes: true, password: password.get });
    await within(log(password.get), async (mail) => {
      tellTakenBack(terminal, await takeBack(mail, device.id));
      const old = await password.get();
      await mail.connection.ask({ op: "passwd", old: fromUtf8(old), new: next });
      wipe(old);
    });
    await TicketStore.forget(dir, name);
    // Off the list at the end: until then this can be done again.
    await within(
      log(() => Promise.resolve(encodePassword(next))),
      (mail) => forgetMachine(mail.shared, device.id, device.last),
    );
    tellRest(terminal, device);
  } finally {
    await password.forget();
  }
}

/** The machine that is meant. Throws `usage` if there is none, several, or it is this one. */
function theOne(devices: readonly Device[], wanted: string): Device {
  const found = devices.filter(({ id, name, label }) => {
    return name === wanted || label === wanted ||
      /^[0-9a-f]{8,16}$/.test(wanted) && id.startsWith(wanted);
  });
  const [device, other] = found;
  const list = `"${PROGRAM} devices list" shows them`;
  if (device === undefined) {
    throw new SealpostError("usage", `you have no machine ${printable(wanted)}; ${list}`);
  }
  if (other !== undefined) {
    const labels = found.map(({ label }) => label).join(", ");
    throw new SealpostError(
      "usage",
      `several are called ${printable(wanted)}: say which, one of ${labels}; ${list}`,
    );
  }
  if (device.own) {
    throw new SealpostError(
      "usage",
      "that is the machine before you: remove it from another one, or delete its folder",
    );
  }
  return device;
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

async function within<T>(opening: Promise<Mail>, work: (mail: Mail) => Promise<T>): Promise<T> {
  const mail = await opening;
  try {
    return await work(mail);
  } finally {
    await mail.close();
  }
}
