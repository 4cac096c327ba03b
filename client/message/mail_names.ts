import { SealpostError } from "../../crypto/error.ts";
import { OPERATOR_ADDRESS } from "../../protocol/announcement.ts";
import { isName, OPERATOR } from "../../protocol/name.ts";

/** What follows the `@` in the RFC 5322 form of Sealpost's names: reserved, nobody's (RFC 2606). */
const DOMAIN = "sealpost.invalid";

/** A `msg-id` as others write it, without `<` and `>`: printable ASCII, one `@`. */
const FOREIGN_ID = /^[!-;=?A-~]{1,200}@[!-;=?A-~]{1,200}$/;

/**
 * The address of user `name`: `name@sealpost.invalid`; that of the operator has a place of its own. Throws
 * `format` if it is not a name.
 */
export function addressOf(name: string): string {
  if (name === OPERATOR) return OPERATOR_ADDRESS;
  if (!isName(name)) throw new SealpostError("format", "an address that is not a user's name");
  return `${name}@${DOMAIN}`;
}

/**
 * The user's name if `address` is one of Sealpost's, in whatever case it is written, else `address` (which
 * then has an `@`).
 */
export function nameOf(address: string): string {
  const [written = "", domain] = splitAtLast(address);
  const name = written.toLowerCase();
  return domain.toLowerCase() === DOMAIN && isName(name) ? name : address;
}

/**
 * The Message-ID header for `id`: `<id@sealpost.invalid>`, or `<id>` if it is another system's,
 * with an `@`. Throws `format` for text that cannot be a Message-ID.
 */
export function messageIdHeader(id: string): string {
  const full = fullMessageId(id);
  if (!FOREIGN_ID.test(full)) throw new SealpostError("format", "not the id of a message");
  return `<${full}>`;
}

/** `id` as a summary has it: with the `@` and what follows. */
export function fullMessageId(id: string): string {
  return id.includes("@") ? id : `${id}@${DOMAIN}`;
}

/** The ids in a Message-ID, In-Reply-To or References header, as {@linkcode messageIdHeader} takes them. */
export function messageIds(header: string): string[] {
  const ids: string[] = [];
  for (const word of header.split(/[\s<>,]+/)) {
    if (!FOREIGN_ID.test(word)) continue;
    const [id, domain] = splitAtLast(word);
    ids.push(domain.toLowerCase() === DOMAIN && !id.includes("@") ? id : word);
  }
  return ids;
}

function splitAtLast(text: string): [string, string] {
  const at = text.lastIndexOf("@");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
