import { join } from "@std/path";
import { printableJson } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { passphraseBytes, passphraseFromEnvironment } from "../../cli/secret_input.ts";
import { type Bytes, equal, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatFingerprint, type Identity, shortFingerprint } from "../../crypto/identity.ts";
import { makeNewKeys, settleBrokenRotation } from "../account/rotation.ts";
import { findProfile, type Profile, requireAddress } from "../state/profile.ts";
import { confirm } from "../terminal/confirm.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";

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
}

/** The `keys rotate` command. Throws what stops it, and says what is so then. */
export async function rotateKeys(options: RotateOptions): Promise<void> {
  const terminal = openTerminal();
  const profile = await findProfile(options);
  requireAddress(profile);
  const rotation = {
    terminal,
    profile,
    ...defined({ passwordFile: options.passwordFile }),
    ...options.newPassphrase && { newPassphrase: () => askNewPassphrase(terminal) },
    onChanged: (former: Identity, present: Identity) => {
      if (options.json) terminal.print(rotatedJson(profile, former, present));
      else reportRotation(terminal, profile, former, present);
    },
  };
  await settleBrokenRotation(rotation);
  if (!options.yes) await confirmRotation(terminal, profile);
  await makeNewKeys(rotation);
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

/** Where the private key that was left is kept. */
function retiredPath({ dir, name }: Profile, former: Identity): string {
  return join(dir, `${name}_private.${shortFingerprint(former.bundle.fp)}.pem`);
}

function rotatedJson(profile: Profile, from: Identity, to: Identity): string {
  return printableJson({
    name: profile.name,
    fingerprint: formatFingerprint(to.bundle.fp),
    former: formatFingerprint(from.bundle.fp),
    retired: retiredPath(profile, from),
  });
}

/** Says that a person's keys are new, and what they do next. */
export function reportRotation(
  terminal: Terminal,
  profile: Profile,
  from: Identity,
  to: Identity,
): void {
  terminal.print(`Your key is now ${formatFingerprint(to.bundle.fp)}`);
  terminal.print(`The old one,    ${formatFingerprint(from.bundle.fp)}, has signed for it.`);
  terminal.print(
    `The old private key stays in ${retiredPath(profile, from)}, to read old mail.`,
  );
  terminal.print(
    `Link each other machine of yours again: "${PROGRAM} devices add" here, ` +
      `"${PROGRAM} setup --device" there.`,
  );
  terminal.print("People who know the old key follow with the next mail, and are told.");
  terminal.print(
    "People who had verified the old one see the new one as not verified, until you compare it.",
  );
}
