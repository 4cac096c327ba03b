import { formatTime } from "../../cli/format.ts";
import { equal } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatFingerprint, parseFingerprint } from "../../crypto/identity.ts";
import { PROGRAM } from "../../cli/program.ts";
import type { Pin } from "../state/pins.ts";
import { confirm } from "../terminal/confirm.ts";
import { openLog } from "./keys_log.ts";
import { askAboutNewKey } from "../trust/confirm_key.ts";
import { verification } from "../trust/verification.ts";
import {
  grouped,
  type KeyOptions,
  type Keyring,
  knownNames,
  knownPin,
  openKeyring,
  otherName,
  pinJson,
  withServer,
} from "./keyring.ts";

/** What `keys trust` was given. */
export interface TrustOptions extends KeyOptions {
  readonly name: string;
  /** The fingerprint that the new key must have. */
  readonly fingerprint?: string;
  /** Does not ask; only with a fingerprint. */
  readonly yes: boolean;
}

/** The `keys trust` command: takes the key that the server offers now in the place of the known one. */
export async function trustKey(options: TrustOptions): Promise<void> {
  const expected = options.fingerprint === undefined ? null : parseFingerprint(options.fingerprint);
  if (options.yes && expected === null) {
    throw new SealpostError(
      "usage",
      "--yes needs --fingerprint FP: which key is right, only its owner can say",
    );
  }
  const keyring = await openKeyring(options);
  const { terminal, pins, printJson } = keyring;
  const name = otherName(keyring, options.name);
  knownPin(keyring, name);
  const bundle = await withServer(keyring, options, async (mail) => {
    return (await mail.people.offered([name])).get(name);
  });
  if (!bundle) throw new SealpostError("internal", "no key was offered");
  // Certificates may have led there just now.
  await pins.reload();
  const before = knownPin(keyring, name);
  if (expected !== null && !equal(expected, bundle.fp)) {
    throw new SealpostError(
      "key-changed",
      `the server offers ${
        formatFingerprint(bundle.fp)
      } for ${name}, not the key that you named; ` +
        "nothing was changed",
    );
  }
  const report = () => printJson(pinJson(knownPin(keyring, name), knownNames(keyring)));
  if (equal(before.fp, bundle.fp) && before.unconfirmed !== null) {
    if (!options.yes) await askAboutRotation(keyring, before);
    await pins.confirm(name, before.fp);
    if (options.json) return report();
    return terminal.print(
      `The new key of ${name} is in use; what waits for it goes out with your next connection.`,
    );
  }
  const log = await openLog(keyring);
  if (equal(before.fp, bundle.fp) && log.held([before]).length > 0) {
    if (!options.yes) await askAboutHeld(keyring, before);
    await log.allow(name, before.fp);
    if (options.json) return report();
    return terminal.print(`What waits for ${name} goes out with your next connection.`);
  }
  if (equal(before.fp, bundle.fp)) {
    if (options.json) return report();
    return terminal.print(
      `The server offers the key of ${name} that you know; there is nothing to accept.`,
    );
  }
  if (!options.yes) {
    if (!terminal.interactive) {
      throw new SealpostError(
        "usage",
        `the key of ${name} has changed; off a terminal it is accepted with --yes --fingerprint ` +
          `FP, with what ${name} says it is`,
      );
    }
    // Another process of this user may have noted it since.
    await pins.noteOffered([[name, bundle]]);
    const { offered } = knownPin(keyring, name);
    terminal.print(
      `Known of ${name} since ${formatTime(before.firstSeen)} (${
        before.verified ? verification({ ...before, offered: null }).words : "not verified"
      }):`,
    );
    terminal.print(`  ${formatFingerprint(before.fp)}`);
    terminal.print(
      `Offered${offered ? `, first seen ${formatTime(offered.since)}` : ""}:`,
    );
    terminal.print(`  ${formatFingerprint(bundle.fp)}`);
    terminal.print(`  ${grouped(bundle.fp).slice(0, 39)}`);
    terminal.print(`  ${grouped(bundle.fp).slice(40)}`);
    terminal.print(
      `Either ${name} has made new keys, or somebody is between you. Ask ${name} in person or by ` +
        "phone; not by mail.",
    );
    const reply = await terminal.ask(`Does ${name} say that the offered key is right? (yes/no) `);
    if (reply?.trim().toLowerCase() !== "yes") {
      throw new SealpostError("cancelled", `the known key of ${name} stays`);
    }
  }
  await pins.replace(name, bundle);
  if (options.json) return report();
  terminal.print(
    `The new key of ${name} is in use. "${PROGRAM} keys verify ${name}" compares it and marks it.`,
  );
}

/** Asks whether mail that waits because of the key log is to go out. Throws `cancelled`, `usage`. */
async function askAboutHeld({ terminal }: Keyring, { name, fp }: Pin): Promise<void> {
  if (!terminal.interactive) {
    throw new SealpostError(
      "usage",
      `mail to ${name} waits because of what the server's key log has shown; off a terminal it is ` +
        `let go with --yes --fingerprint FP, with what ${name} says it is`,
    );
  }
  terminal.print(`Known of ${name}: ${formatFingerprint(fp)}`);
  const asked = `Send to ${name} under this key? Ask ${name} for it first, not by mail. (yes/no) `;
  if (await confirm(terminal, asked)) return;
  throw new SealpostError("cancelled", `what is for ${name} goes on waiting`);
}

/** Asks whether the key that certificates led to is taken. Throws `cancelled` for a no, `usage`. */
async function askAboutRotation({ terminal, profile, person }: Keyring, pin: Pin): Promise<void> {
  const { name, fp } = pin;
  if (!terminal.interactive) {
    throw new SealpostError(
      "usage",
      `${name} has a new key in the place of the one that you had verified; off a terminal it is ` +
        `taken with --yes --fingerprint FP, with what ${name} says it is`,
    );
  }
  terminal.print(`The new key of ${name}: ${formatFingerprint(fp)}`);
  const own = { name: profile.name, fp: person.identity.bundle.fp };
  if (await askAboutNewKey(terminal, own, pin)) return;
  throw new SealpostError("cancelled", `what is for ${name} goes on waiting`);
}
