import { passwordProblem } from "../../cli/password_rule.ts";
import { printable } from "../../cli/printable.ts";
import { fromUtf8, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatFingerprint, type Identity } from "../../crypto/identity.ts";
import { changePassword, renewTicket, samePassphraseProblem } from "../account/password.ts";
import { passwordSession } from "../account/password_session.ts";
import { findMachine, type Removal, removeLostMachine, retireMachine } from "../account/removal.ts";
import { makeNewKeys, settleBrokenRotation } from "../account/rotation.ts";
import type { Mail } from "../mail.ts";
import type { LocalUser } from "../state/local_user.ts";
import type { Profile } from "../state/profile.ts";
import { givingTerminal, type PageTalk } from "./questions.ts";
import type { NewKeysView, RemovedView } from "./types.ts";

/** Throws `usage` for a password that may not be chosen by `profile`'s owner. */
async function requireGood({ dir, name }: Profile, password: string): Promise<void> {
  const problem = passwordProblem(password) ?? await samePassphraseProblem(dir, name, password);
  if (problem === null) return;
  throw new SealpostError("usage", problem.replace(/\.$/, ""));
}

/**
 * Puts the password `next` in the place of `old`, in the session of `mail`, which goes on; all others end.
 * Throws `usage`, and what the server refuses with.
 */
export async function changeOwnPassword(
  mail: Mail,
  profile: Profile,
  person: LocalUser,
  talk: PageTalk,
  { old, next }: { readonly old: string; readonly next: string },
): Promise<void> {
  await requireGood(profile, next);
  await changePassword(mail, old, next);
  const terminal = { ...givingTerminal(talk, ""), interactive: false, canAskSecret: false };
  const session = { ...passwordSession(terminal, profile), person, cache: false };
  const why = await renewTicket(session, next);
  if (why !== null) {
    talk.say(`The next login asks for your new password (${printable(why)}).`, false);
  }
}

/**
 * Makes new keys in the place of a person's, and leaves a ticket. Throws as {@linkcode makeNewKeys} does.
 */
export async function rotateOwnKeys(account: Removal): Promise<NewKeysView> {
  await settleBrokenRotation(account);
  const shown = { fingerprint: "", former: "" };
  const person = await makeNewKeys({ ...account, onChanged: showIn(shown) });
  const password = await account.password();
  const session = { ...passwordSession(account.terminal, account.profile), person, cache: false };
  // Without a ticket the password is asked for once more.
  await renewTicket(session, fromUtf8(password));
  wipe(password);
  return shown;
}

function showIn(shown: { fingerprint: string; former: string }) {
  return (former: Identity, present: Identity) => {
    shown.fingerprint = formatFingerprint(present.bundle.fp);
    shown.former = formatFingerprint(former.bundle.fp);
  };
}

/** Takes the machine `id` off the list, which its owner has still. Throws as {@linkcode retireMachine} does. */
export async function retireOwnMachine(account: Removal, id: string): Promise<void> {
  await retireMachine(account, await findMachine(account, id));
}

/**
 * Takes the machine `id` off the list, which was lost or stolen: new keys, and the password `next`. Throws
 * `usage`, and as {@linkcode removeLostMachine} does.
 */
export async function removeOwnMachine(
  account: Removal,
  id: string,
  next: string,
): Promise<RemovedView> {
  await requireGood(account.profile, next);
  const device = await findMachine(account, id);
  const keys = { fingerprint: "", former: "" };
  const unverified: string[] = [];
  const changed: string[] = [];
  await removeLostMachine({ ...account, onChanged: showIn(keys) }, device, next, (taken) => {
    unverified.push(...taken.unverified);
    changed.push(...taken.changed.map((key) => printable(key)));
  });
  return { ...keys, unverified, changed };
}
