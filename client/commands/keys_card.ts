import { join } from "@std/path";
import { equal, fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { formatAddress } from "../../protocol/address.ts";
import { readFileBounded, writeFileAtomic } from "../../files/atomic_file.ts";
import { formatContactCard, MAX_CARD_TEXT, parseContactCard } from "../../protocol/contact_card.ts";
import { loadBundle, SERVER_NAME } from "../../files/key_files.ts";
import { PROGRAM } from "../../cli/program.ts";
import { requireAddress } from "../state/profile.ts";
import { lookalikes, verification } from "../trust/verification.ts";
import {
  type KeyOptions,
  type Keyring,
  knownNames,
  knownPin,
  openKeyring,
  pinJson,
} from "./keyring.ts";

/** The `keys export` command: one's own key, name and server as a block of text. */
export async function exportKey(options: KeyOptions & { readonly output?: string }): Promise<void> {
  const keyring = await openKeyring(options);
  const { terminal, profile, person, printJson } = keyring;
  const server = requireAddress(profile);
  const serverFp = (await serverBundle(keyring)).fp;
  const text = await formatContactCard(
    { name: profile.name, server, serverFp, made: Date.now() },
    person.identity,
  );
  if (options.output !== undefined) {
    await writeFileAtomic(options.output, utf8(text), { mode: 0o644, overwrite: false });
  }
  if (options.json) {
    return printJson({
      name: profile.name,
      server: formatAddress(server),
      serverFingerprint: formatFingerprint(serverFp),
      fingerprint: formatFingerprint(person.identity.bundle.fp),
      text,
      file: options.output ?? null,
    });
  }
  if (options.output === undefined) terminal.writeBytes(utf8(text));
  else terminal.print(`Wrote ${options.output}`);
}

/** What `keys import` was given. */
export interface ImportOptions extends KeyOptions {
  /** A file, or `-` for standard input. */
  readonly file: string;
  /** Whether the key of a user of another server is taken. */
  readonly anyServer: boolean;
}

/** The `keys import` command: pins the key of a block that came another way than over the server. */
export async function importKey(options: ImportOptions): Promise<void> {
  const keyring = await openKeyring(options);
  const { terminal, profile, pins, printJson } = keyring;
  const card = await parseContactCard(await textOf(keyring, options.file));
  const { name, bundle } = card;
  if (name === profile.name) {
    throw new SealpostError("usage", "that is a contact of your own name; give it to others");
  }
  if (!options.anyServer && !equal(card.serverFp, (await serverBundle(keyring)).fp)) {
    throw new SealpostError(
      "server-identity",
      `this is ${name} of another server (${formatAddress(card.server)}, ` +
        `${formatFingerprint(card.serverFp)}) than yours, where ${name} may be somebody else; ` +
        "--any-server takes it all the same",
    );
  }
  const known = pins.get(name);
  if (known && !equal(known.fp, bundle.fp)) {
    throw new SealpostError(
      "key-changed",
      `another key of ${name} is known, ${
        formatFingerprint(known.fp)
      }, than the one in this file, ` +
        `${formatFingerprint(bundle.fp)}; nothing was changed. Ask ${name} which is right; ` +
        `"${PROGRAM} keys trust ${name}" accepts a new one`,
    );
  }
  const pinned = await pins.trustOnFirstUse(name, bundle);
  await pins.verify(name, bundle.fp, "by-file");
  const pin = knownPin(keyring, name);
  const names = knownNames(keyring);
  if (options.json) return printJson({ ...pinJson(pin, names), new: pinned === "new" });
  terminal.print(`${name}, ${formatFingerprint(pin.fp)}: ${verification(pin).words}`);
  for (const other of lookalikes(name, names)) terminal.print(`This is not ${other}.`);
  terminal.print(
    `This is worth what the way is worth by which the card came: whoever could change it there could ` +
      `put another key in. "${PROGRAM} keys verify ${name}" compares it.`,
  );
}

async function serverBundle({ profile }: Keyring) {
  return await loadBundle(join(profile.dir, `${SERVER_NAME}_public.pem`));
}

async function textOf({ terminal }: Keyring, file: string): Promise<string> {
  if (file !== "-") return fromUtf8(await readFileBounded(file, 4 * MAX_CARD_TEXT));
  if (!terminal.interactive) return await terminal.readRest();
  const text = await terminal.askText("The contact, ended by a line that is a single .:");
  if (text !== null) return text;
  throw new SealpostError("cancelled", "the input ended; nothing was imported");
}
