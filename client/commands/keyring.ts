import { defined } from "../../crypto/defined.ts";
import { isoTime } from "../../cli/format.ts";
import { type Bytes, toHex } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { parseName } from "../../protocol/name.ts";
import { printableJson } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import type { Mail } from "../mail.ts";
import { type Pin, Pins } from "../state/pins.ts";
import { findProfile, type Profile, requireAddress } from "../state/profile.ts";
import { openLocalUser, openMail } from "../session.ts";
import type { LocalUser } from "../state/local_user.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import { lookalikes, verification } from "../trust/verification.ts";

/** What every command about keys takes. */
export interface KeyOptions {
  readonly dir?: string;
  readonly server?: string;
  readonly passwordFile?: string;
  readonly json: boolean;
}

/** One's keys and those of others, without a server. */
export interface Keyring {
  readonly terminal: Terminal;
  readonly profile: Profile;
  readonly person: LocalUser;
  readonly pins: Pins;
  /** Prints one JSON value for programs. */
  readonly printJson: (value: unknown) => void;
}

/** Opens the keys and the list of known ones. No server is asked. */
export async function openKeyring(options: KeyOptions): Promise<Keyring> {
  const terminal = openTerminal();
  const profile = await findProfile(options);
  const person = await openLocalUser(terminal, profile.dir, profile.name);
  return {
    terminal,
    profile,
    person,
    pins: await Pins.load(person.state),
    printJson: (value) => terminal.print(printableJson(value)),
  };
}

/** Logs on with the keys of `keyring`, runs `work`, and says goodbye. */
export async function withServer<T>(
  { terminal, profile, person }: Keyring,
  { passwordFile }: KeyOptions,
  work: (mail: Mail) => Promise<T>,
): Promise<T> {
  const mail = await openMail({
    terminal,
    address: requireAddress(profile),
    name: profile.name,
    dir: profile.dir,
    person,
    useTicket: true,
    cache: profile.config.cache !== false,
    announce: (line) => terminal.printError(line),
    ...defined({ passwordFile }),
  });
  try {
    return await work(mail);
  } finally {
    await mail.close();
  }
}

/** The canonical name of a correspondent. Throws `usage` for one's own. */
export function otherName({ profile }: Keyring, text: string): string {
  const name = parseName(text);
  if (name !== profile.name) return name;
  throw new SealpostError("usage", "that is your own name; a key is compared with somebody else's");
}

/** The pin of `name`. Throws `no-such-user` if there is none. */
export function knownPin({ pins }: Keyring, name: string): Pin {
  const pin = pins.get(name);
  if (pin) return pin;
  throw new SealpostError(
    "no-such-user",
    `no key of ${name} is known here; "${PROGRAM} keys verify ${name}" gets and compares it`,
  );
}

/** A fingerprint as 64 hexadecimal digits in groups of four, to be read aloud. */
export function grouped(fp: Bytes): string {
  return toHex(fp).replace(/.{4}(?=.)/g, "$& ");
}

/** A known key as every `--json` shows it. */
export function pinJson(pin: Pin, names: readonly string[]) {
  const { state, verified } = verification(pin);
  return {
    name: pin.name,
    fingerprint: formatFingerprint(pin.fp),
    since: isoTime(pin.firstSeen),
    verified,
    verification: state,
    verifiedAt: pin.verified && isoTime(pin.verified.at),
    offered: pin.offered && {
      fingerprint: formatFingerprint(pin.offered.fp),
      since: isoTime(pin.offered.since),
    },
    former: pin.former.map(({ fp, until }) => {
      return { fingerprint: formatFingerprint(fp), until: isoTime(until) };
    }),
    looksLike: lookalikes(pin.name, names),
  };
}

/** The names that a new one could be taken for: all that are known, and one's own. */
export function knownNames({ pins, profile }: Keyring): string[] {
  return [...pins.all().map(({ name }) => name), profile.name];
}
