import { type Bytes, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { PROGRAM } from "../../cli/program.ts";
import { printable } from "../../cli/printable.ts";
import { SealpostError } from "../../crypto/error.ts";
import { encodePassword } from "../../protocol/login.ts";
import type { Mail } from "../mail.ts";
import { type Device, devicesOf } from "../mailbox/devices.ts";
import { forgetMachine, takeBack, type TakenBack } from "../mailbox/removed_machines.ts";
import { openMail } from "../session.ts";
import type { LocalUser } from "../state/local_user.ts";
import { TicketStore } from "../state/ticket_store.ts";
import { passwordSession } from "./password_session.ts";
import { makeNewKeys, type Rotation } from "./rotation.ts";

/** What taking a machine off a person's list needs. */
export interface Removal extends Pick<Rotation, "terminal" | "profile" | "onBegun" | "onChanged"> {
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
  await within(removal, removal.password, (mail) => {
    return forgetMachine(mail.shared, device.id, device.last);
  });
}

/**
 * Takes a machine off the list that was lost or stolen: new keys, the password `next`, no kit, and nothing
 * that it verified counts any more. Broken off, it is done again. Throws what stops it.
 */
export async function removeLostMachine(
  removal: Removal,
  device: Device,
  next: string,
  onTakenBack: (taken: TakenBack) => void,
): Promise<LocalUser> {
  const { dir, name } = removal.profile;
  const person = await makeNewKeys(removal);
  await within(removal, removal.password, async (mail) => {
    onTakenBack(await takeBack(mail, device.id));
    const old = await removal.password();
    await mail.connection.ask({ op: "passwd", old: fromUtf8(old), new: next });
    wipe(old);
  }, person);
  await TicketStore.forget(dir, name);
  // Off the list at the end: until then this can be done again.
  const present = () => Promise.resolve(encodePassword(next));
  await within(removal, present, (mail) => {
    return forgetMachine(mail.shared, device.id, device.last);
  }, person);
  return person;
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

/** Runs `work` in a session of its own. */
async function within<T>(
  { terminal, profile }: Removal,
  password: () => Promise<Bytes>,
  work: (mail: Mail) => Promise<T>,
  person?: LocalUser,
): Promise<T> {
  const session = passwordSession(terminal, profile);
  const mail = await openMail({ ...session, password, ...person && { person } });
  try {
    return await work(mail);
  } finally {
    await mail.close();
  }
}
