import { formatTime } from "../../cli/format.ts";
import { formatFingerprint, shortFingerprint } from "../../crypto/identity.ts";
import { loadBundle, publicKeyPath } from "../../files/key_files.ts";
import { parseName } from "../../protocol/name.ts";
import { alignColumns } from "../../cli/columns.ts";
import { printableJson } from "../../cli/printable.ts";
import { showsUnicode } from "../terminal/display.ts";
import { findProfile } from "../state/profile.ts";
import { openTerminal } from "../terminal/terminal.ts";
import { lookalikes, plainMark, verification } from "../trust/verification.ts";
import { printRow } from "./common.ts";
import { grouped, type KeyOptions, knownNames, knownPin, openKeyring, pinJson } from "./keyring.ts";

/** The `keys list` command: everybody whose key is known. */
export async function listKeys(options: KeyOptions): Promise<void> {
  const keyring = await openKeyring(options);
  const { terminal, pins, printJson } = keyring;
  const names = knownNames(keyring);
  const all = pins.all();
  if (options.json) return printJson(all.map((pin) => pinJson(pin, names)));
  if (all.length === 0) return terminal.print("No keys of others are known yet.");
  const unicode = showsUnicode();
  const rows = all.map((pin) => {
    const known = verification(pin);
    const alike = lookalikes(pin.name, names);
    const note = alike.length === 0 ? "" : `; this is not ${alike.join(", nor ")}`;
    return [
      `${(unicode ? known.mark : plainMark(known)) || " "} ${pin.name}`,
      shortFingerprint(pin.fp),
      formatTime(pin.firstSeen).slice(0, 10),
      known.words + note,
    ];
  });
  const head = ["  Name", "Key", "Since", "State"];
  for (const line of alignColumns([head, ...rows])) printRow(terminal, line);
}

/** The `keys show` command: one's own key, or what is known of somebody's. */
export async function showKey(options: KeyOptions & { readonly name?: string }): Promise<void> {
  const profile = await findProfile(options);
  const name = options.name === undefined ? profile.name : parseName(options.name);
  if (name === profile.name) {
    const terminal = openTerminal();
    const { fp } = await loadBundle(publicKeyPath(profile.dir, name));
    if (options.json) {
      return terminal.print(
        printableJson({ name, own: true, fingerprint: formatFingerprint(fp), hex: grouped(fp) }),
      );
    }
    terminal.print(`${name}, your own key`);
    for (const line of fingerprintLines(fp)) terminal.print(line);
    return;
  }
  const keyring = await openKeyring(options);
  const { terminal, printJson } = keyring;
  const pin = knownPin(keyring, name);
  const names = knownNames(keyring);
  if (options.json) {
    return printJson({ own: false, ...pinJson(pin, names), hex: grouped(pin.fp) });
  }
  terminal.print(`${name}, ${verification(pin).words}, known since ${formatTime(pin.firstSeen)}`);
  for (const line of fingerprintLines(pin.fp)) terminal.print(line);
  if (pin.offered) {
    terminal.print(`The server offers another one since ${formatTime(pin.offered.since)}:`);
    terminal.print(`  ${formatFingerprint(pin.offered.fp)}`);
  }
  for (const { fp, until } of pin.former) {
    terminal.print(`Until ${formatTime(until)} it was ${formatFingerprint(fp)}`);
  }
  for (const other of lookalikes(name, names)) terminal.print(`This is not ${other}.`);
}

/** A fingerprint as programs write it, and in groups for reading aloud. */
function fingerprintLines(fp: Uint8Array<ArrayBuffer>): string[] {
  const groups = grouped(fp);
  return [formatFingerprint(fp), groups.slice(0, 39), groups.slice(40)].map((line) => `  ${line}`);
}
