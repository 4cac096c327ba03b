import { breakLines } from "../../cli/printable.ts";
import { formatTime } from "../../cli/format.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import {
  matchesSafetyNumber,
  type SafetyNumber,
  safetyNumber,
} from "../../crypto/safety_number.ts";
import { PROGRAM } from "../../cli/program.ts";
import { showsColours, showsUnicode } from "../terminal/display.ts";
import type { Pin } from "../state/pins.ts";
import { qrLines, type QrStyle } from "../trust/qr_code.ts";
import { lookalikes, verification } from "../trust/verification.ts";
import {
  type KeyOptions,
  type Keyring,
  knownNames,
  knownPin,
  openKeyring,
  otherName,
  withServer,
} from "./keyring.ts";

/** What `keys verify` was given. */
export interface VerifyOptions extends KeyOptions {
  readonly name: string;
  /** Compares the text of the other side's code in the place of asking. */
  readonly scan: boolean;
  /** That text; `-` or none: from standard input, or asked for. */
  readonly text?: string;
  /** Prints nothing but the text of one's own code. */
  readonly onlyText: boolean;
  /** Draws the code for a terminal that writes dark on light, where it has no colours. */
  readonly invert: boolean;
}

/** A code with its margin is this wide, and beside it stands text of this width, columns. */
const CODE_WIDTH = 41;
const TEXT_WIDTH = 36;

/** The `keys verify` command: compares the keys of two people, and remembers that they are right. */
export async function verifyKey(options: VerifyOptions): Promise<void> {
  const keyring = await openKeyring(options);
  const { terminal, profile, person, pins, printJson } = keyring;
  const name = otherName(keyring, options.name);
  if (!pins.get(name)) await pinFromServer(keyring, options, name);
  const pin = knownPin(keyring, name);
  const number = safetyNumber({ name: profile.name, fp: person.identity.bundle.fp }, pin);
  if (options.scan || options.text !== undefined) {
    const same = matchesSafetyNumber(number, await scanned(keyring, options.text));
    if (!same) throw await different(keyring, pin);
    await pins.verify(name, pin.fp, "in-person");
    if (!options.json) {
      return terminal.print(`The key of ${name} is the right one: ${now(keyring)}.`);
    }
  }
  if (options.json) {
    const known = verification(pins.get(name));
    return printJson({
      name,
      fingerprint: formatFingerprint(pin.fp),
      safetyNumber: number.groups.join(" "),
      text: number.shown,
      verified: known.verified,
      verification: known.state,
    });
  }
  if (options.onlyText) return terminal.print(number.shown);
  showNumber(keyring, pin, number, options.invert);
  if (!terminal.interactive) return;
  const reply = await terminal.ask(`Is it the same number on ${name}'s side? (yes/no) `);
  switch (reply?.trim().toLowerCase()) {
    case "y":
    case "yes":
      await pins.verify(name, pin.fp, "in-person");
      return terminal.print(`The key of ${name} is the right one: ${now(keyring)}.`);
    case "n":
    case "no":
      throw await different(keyring, pin);
    default:
      terminal.print("Nothing was changed.");
  }

  function now({ pins }: Keyring): string {
    return verification(pins.get(name)).words;
  }
}

/** Pins the key that the server gives for a name that is not known yet, as sending to it does. */
async function pinFromServer(keyring: Keyring, options: KeyOptions, name: string): Promise<void> {
  await withServer(keyring, options, async (mail) => {
    const [known] = await mail.people.find([name]);
    if (known) await keyring.pins.trustOnFirstUse(name, known.bundle);
  });
}

/** The text of the other side's code. */
async function scanned({ terminal }: Keyring, text: string | undefined): Promise<string> {
  if (text !== undefined && text !== "-") return text;
  if (!terminal.interactive) return await terminal.readRest();
  const line = await terminal.ask("What the other's code says: ");
  if (line !== null) return line;
  throw new SealpostError("cancelled", "the input ended; nothing was compared");
}

/** Takes a verification back, and gives the error that says what a difference means. */
async function different(
  { pins }: Keyring,
  { name, fp }: Pin,
): Promise<SealpostError> {
  await pins.revokeVerification(name);
  return new SealpostError(
    "key-changed",
    `the numbers differ: the key known here for ${name}, ${
      formatFingerprint(fp)
    }, is not the one ` +
      `that ${name} has, or ${name} has another one of yours. Somebody may be between you: compare ` +
      `"${PROGRAM} keys show" on both sides, and send nothing until you know`,
  );
}

function showNumber(keyring: Keyring, pin: Pin, number: SafetyNumber, invert: boolean): void {
  const { terminal, profile } = keyring;
  const { name } = pin;
  const digits = [0, 3, 6, 9].map((at) => number.groups.slice(at, at + 3).join(" "));
  const notes = [
    ...lookalikes(name, knownNames(keyring)).map((other) => `This is not ${other}.`),
    ...pin.offered
      ? [
        `The server offers another key since ${formatTime(pin.offered.since)}; ` +
        "this number is for the one that is known.",
      ]
      : [],
  ];
  const how = `${name} sees the same with "${PROGRAM} keys verify ${profile.name}", or reads the ` +
    `code with a camera: "${PROGRAM} keys verify ${profile.name} --scan" takes what it says.`;
  const columns = terminal.columns();
  if (!terminal.interactive || !showsUnicode() || columns < CODE_WIDTH) {
    const first = `Safety number with ${name}:`;
    for (const line of [first, ...digits.map((line) => `  ${line}`), ...notes, how]) {
      terminal.print(line);
    }
    return terminal.print(number.shown);
  }
  const style: QrStyle = showsColours() ? "colours" : invert ? "dark-on-light" : "light-on-dark";
  const code = qrLines(number.shown, style);
  const beside = (width: number) => [
    ...breakLines(`Your safety number with ${name}`, width).split("\n"),
    "",
    ...digits.map((line) => `  ${line}`),
    "",
    ...breakLines([...notes, how].join(" "), width).split("\n"),
  ];
  if (columns < CODE_WIDTH + 2 + TEXT_WIDTH) {
    for (const line of [...code, ...beside(columns)]) terminal.print(line);
    return;
  }
  const text = beside(columns - CODE_WIDTH - 2);
  const rows = Math.max(code.length, text.length);
  const from = Math.max(0, Math.floor((code.length - text.length) / 2));
  for (let i = 0; i < rows; i++) {
    terminal.print(`${code[i] ?? " ".repeat(CODE_WIDTH)}  ${text[i - from] ?? ""}`.trimEnd());
  }
}
