import { type Bytes, equal, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { PROGRAM } from "../../cli/program.ts";
import { printable } from "../../cli/printable.ts";
import { SealpostError } from "../../crypto/error.ts";
import { encodePassword } from "../../protocol/login.ts";
import type { Mail } from "../mail.ts";
import { type Device, devicesOf } from "../mailbox/devices.ts";
import { forgetMachine, takeBack, type TakenBack } from "../mailbox/removed_machines.ts";
import { openLocalUser, openMail } from "../session.ts";
import type { LocalUser } from "../state/local_user.ts";
import { type BegunRemoval, type LostMachine, RemovalFile } from "../state/removal.ts";
import { TicketStore } from "../state/ticket_store.ts";
import { changePassword } from "./password.ts";
import { passwordSession } from "./password_session.ts";
import { makeNewKeys, type Rotation, settleBrokenRotation } from "./rotation.ts";

/** What taking a machine off a person's list needs. */
export interface Removal
  extends Pick<Rotation, "terminal" | "profile" | "passphrase" | "onBegun" | "onChanged"> {
  /** Gives the password, as often as it is needed; each is wiped. */
  readonly password: () => Promise<Bytes>;
}

/** The machine that a person means by a name, its label or the beginning of its id. Throws `usage`. */
export async function findMachine(removal: Removal, wanted: string): Promise<Device> {
  return await within(removal, removal.password, async (mail) => {
    return theOne(await devicesOf(mail), wanted);
  });
}

/**
 * Takes a machine off the list that its owner has, and does not use any more: all sessions and tickets end.
 * Broken off, it is done again. Throws what the server refuses with.
 */
export async function retireMachine(removal: Removal, device: Device): Promise<void> {
  const { dir, name } = removal.profile;
  await within(removal, removal.password, async (mail) => {
    await removal.onBegun?.();
    await mail.connection.ask({ op: "logout", everywhere: true });
  });
  await TicketStore.forget(dir, name);
  // Off the list at the end: until then this can be done again.
  await within(removal, removal.password, (mail) => takeOff(mail, device));
}

/** The removal of lost machines that was begun here, and has not ended; null if there is none. */
export async function begunRemoval(removal: Removal): Promise<BegunRemoval | null> {
  return await new RemovalFile((await openPerson(removal)).state).load();
}

/**
 * Takes machines off the list that were lost or stolen: new keys, the password `next`, no kit, and nothing
 * that they verified counts any more. Broken off, it goes on when it is done again, and until then whoever
 * logs in here is told. Throws what stops it.
 */
export async function removeLostMachines(
  removal: Removal,
  machines: readonly LostMachine[],
  next: string,
  onTakenBack: (taken: TakenBack) => void,
): Promise<LocalUser> {
  const { dir, name } = removal.profile;
  const rotation = { ...removal, removing: true };
  await settleBrokenRotation(rotation);
  let person = await openPerson(removal);
  const { fp } = person.identity.bundle;
  const before = await new RemovalFile(person.state).load();
  const more = machines.filter(({ id }) => !before?.machines.some((one) => one.id === id));
  // Another machine may have been lost with the keys that are new since the first one was.
  const begun = before !== null && more.length === 0 ? before : {
    machines: [
      ...before?.machines ?? [],
      ...more.map(({ id, label, last }) => ({ id, label, last })),
    ],
    from: fp,
    password: before?.password ?? false,
  };
  const goesOn = !equal(begun.from, fp);
  if (!goesOn) {
    const file = new RemovalFile(person.state);
    person = await makeNewKeys({
      ...rotation,
      onBegun: async () => {
        await file.save(begun);
        await removal.onBegun?.();
      },
    });
  }
  await within(removal, removal.password, async (mail) => {
    if (goesOn) await removal.onBegun?.();
    for (const { id } of begun.machines) onTakenBack(await takeBack(mail, id));
    await new RemovalFile(mail.state).save({ ...begun, password: true });
    const old = await removal.password();
    // The server has it already where this was broken off after it.
    if (fromUtf8(old) !== next) await changePassword(mail, fromUtf8(old), next);
    wipe(old);
  }, person);
  await TicketStore.forget(dir, name);
  const present = () => Promise.resolve(encodePassword(next));
  await within(removal, present, async (mail) => {
    // Off the list at the end: until then this can be done again.
    for (const machine of begun.machines) await takeOff(mail, machine);
    await new RemovalFile(mail.state).forget();
  }, person);
  return person;
}

/** {@linkcode removeLostMachines} for one. */
export function removeLostMachine(
  removal: Removal,
  device: Device,
  next: string,
  onTakenBack: (taken: TakenBack) => void,
): Promise<LocalUser> {
  return removeLostMachines(removal, [device], next, onTakenBack);
}

/** Takes a machine off the list; if it ran the person's rules, this one does so from now on. */
async function takeOff(mail: Mail, { id, last }: LostMachine): Promise<void> {
  await forgetMachine(mail.shared, id, last);
  await mail.sync();
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

async function openPerson({ terminal, profile, passphrase }: Removal): Promise<LocalUser> {
  return await openLocalUser(terminal, profile.dir, profile.name, passphrase);
}

/** Runs `work` in a session of its own. */
async function within<T>(
  removal: Removal,
  password: () => Promise<Bytes>,
  work: (mail: Mail) => Promise<T>,
  person?: LocalUser,
): Promise<T> {
  const session = passwordSession(removal.terminal, removal.profile);
  const mail = await openMail({
    ...session,
    password,
    person: person ?? await openPerson(removal),
    removing: true,
  });
  try {
    return await work(mail);
  } finally {
    await mail.close();
  }
}
