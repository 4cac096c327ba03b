import { type Bytes, concat, equal, fromBase64, lp, toBase64, u64, utf8 } from "../crypto/bytes.ts";
import { sign, verify } from "../crypto/ed25519.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import {
  type Bundle,
  decodeBundle,
  encodeBundle,
  formatFingerprint,
  type Identity,
  parseFingerprint,
} from "../crypto/identity.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import { isName } from "./name.ts";

/** What somebody hands to others, so that those have their key without the server's word. */
export interface ContactCard {
  readonly name: string;
  /** Where the server is that knows them by this name. */
  readonly server: Address;
  /** The fingerprint of the server's bundle, 32 bytes. */
  readonly serverFp: Bytes;
  readonly bundle: Bundle;
  /** When it was made, milliseconds since 1970, to the second. */
  readonly made: number;
}

const BEGIN = "-----BEGIN SEALPOST CONTACT-----";
const END = "-----END SEALPOST CONTACT-----";
const LABEL = "sealpost/1 contact";
const SIGNATURE_SIZE = 64;
/** Longest text that is searched for a card, UTF-16 units. */
export const MAX_CARD_TEXT = 65_536;

/**
 * A card as a block of short lines that survives a messenger: `Name`, `Server`, `Server-Key`, `Key`
 * and `Made`, then base64 of `bundle ‖ signature`. The signature, by the key of the card, is over
 * `"sealpost/1 contact" ‖ LP(name) ‖ LP(server) ‖ LP(server's fp) ‖ u64(made) ‖ LP(bundle)`: nobody
 * can hand on a key under a name that its owner did not give it.
 */
export async function formatContactCard(
  card: Omit<ContactCard, "bundle">,
  identity: Identity,
): Promise<string> {
  const made = Math.floor(card.made / 1000) * 1000;
  const { bundle } = identity;
  const signature = await sign(identity.ed25519Key, signed({ ...card, made, bundle }));
  const base64 = toBase64(concat(encodeBundle(bundle), signature));
  return [
    BEGIN,
    `Name: ${card.name}`,
    `Server: ${formatAddress(card.server)}`,
    `Server-Key: ${formatFingerprint(card.serverFp)}`,
    `Key: ${formatFingerprint(bundle.fp)}`,
    `Made: ${new Date(made).toISOString().replace(/\.\d+Z$/, "Z")}`,
    "",
    ...base64.match(/.{1,64}/g) ?? [],
    END,
    "",
  ].join("\n");
}

/**
 * The first card in `text`, whatever stands around it; marks of quoting before its lines (`>`) are
 * passed over. Throws `format` if there is none, or if it was damaged or made by another key.
 */
export async function parseContactCard(text: string): Promise<ContactCard> {
  const lines = text.slice(0, MAX_CARD_TEXT).split(/\r?\n/)
    .map((line) => line.replace(/^[\s>]+/, "").trimEnd());
  const begin = lines.indexOf(BEGIN);
  const end = lines.indexOf(END, begin);
  if (begin < 0) throw new SealpostError("format", `no contact: it begins with ${BEGIN}`);
  if (end < 0) throw new SealpostError("format", `a contact that is cut: it ends with ${END}`);
  const fields = new Map<string, string>();
  let base64 = "";
  for (const line of lines.slice(begin + 1, end)) {
    const [, key, value] = /^([A-Z][A-Za-z-]*): *(\S+)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) {
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(line)) throw damaged("a line is cut or joined");
      base64 += line;
    } else if (fields.has(key)) throw damaged(`it has more than one line "${key}"`);
    else fields.set(key, value);
  }
  try {
    return await verified(fields, fromBase64(base64));
  } catch (error) {
    if (!isSealpostError(error, "format", "usage", "key-format")) throw error;
    throw damaged(error.message);
  }
}

async function verified(
  fields: ReadonlyMap<string, string>,
  bytes: Bytes,
): Promise<ContactCard> {
  const field = (name: string) => {
    const value = fields.get(name);
    if (value === undefined) throw new SealpostError("format", `it has no line "${name}"`);
    return value;
  };
  const name = field("Name");
  if (!isName(name)) throw new SealpostError("format", "its name is not valid");
  const time = field("Made");
  const made = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(time) ? Date.parse(time) : NaN;
  if (Number.isNaN(made)) throw new SealpostError("format", "its time is not valid");
  const bundle = await decodeBundle(bytes.slice(0, -SIGNATURE_SIZE));
  const card = {
    name,
    server: parseAddress(field("Server")),
    serverFp: parseFingerprint(field("Server-Key")),
    bundle,
    made,
  };
  if (!equal(parseFingerprint(field("Key")), bundle.fp)) {
    throw new SealpostError("format", "its fingerprint is not that of its key");
  }
  if (!await verify(bundle.ed25519Key, bytes.slice(-SIGNATURE_SIZE), signed(card))) {
    throw new SealpostError("format", "its signature does not verify");
  }
  return card;
}

function signed(card: ContactCard): Bytes {
  return concat(
    utf8(LABEL),
    lp(utf8(card.name)),
    lp(utf8(formatAddress(card.server))),
    lp(card.serverFp),
    u64(card.made),
    lp(encodeBundle(card.bundle)),
  );
}

function damaged(what: string): SealpostError {
  return new SealpostError("format", `a damaged contact (${what}); ask for it once more`);
}
