import { createHash } from "node:crypto";
import { type Bytes, random, toBase64, wipe } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { SealpostError } from "../../crypto/error.ts";
import { type Bundle, decodeBundle, type Identity } from "../../crypto/identity.ts";
import { formatAddress, parseAddress } from "../../protocol/address.ts";
import { announcementMessage } from "../../protocol/announcement.ts";
import { sealBody, sealedBodySize } from "../../protocol/body.ts";
import { encodeEnvelope } from "../../protocol/envelope.ts";
import { commit, FILE_KEY_SIZE } from "../../protocol/file_key.ts";
import { encodeHeader } from "../../protocol/header.ts";
import { OPERATOR } from "../../protocol/name.ts";
import { sealStanza } from "../../protocol/stanza.ts";
import { sealSummary, type Summary } from "../../protocol/summary.ts";
import { formatMessageId, newMessageId } from "../../protocol/uuid.ts";
import type { LogHeads } from "../accounts/log_heads.ts";
import type { SessionRegistry } from "../accounts/session_registry.ts";
import type { Users } from "../accounts/users.ts";
import type { Observer } from "../observe/observe.ts";
import type { Copy, Store } from "../store/store.ts";

/** Members who get one sealed message: fewer than a message has room for. */
const AT_ONCE = 200;

/** What an operator tells everybody. */
export interface Announcement {
  readonly subject: string;
  readonly text: string;
  /** Where the server is from now on, `HOST:PORT`, best first, if that is what it is about. */
  readonly servers?: readonly string[] | undefined;
}

/** Who got it. */
export interface Announced {
  readonly sent: number;
  /** The users who have never connected, so that there is no key to seal with. */
  readonly without: readonly string[];
}

/** What the server is made of, as far as an announcement needs it. */
export interface AnnouncerParts {
  readonly identity: Identity;
  readonly store: Store;
  readonly users: Users;
  readonly heads: LogHeads;
  readonly registry: Pick<SessionRegistry, "notify">;
  readonly observer: Pick<Observer, "delivered">;
}

/** A member whose key is bound. */
interface Reader {
  readonly name: string;
  readonly bundle: Bundle;
}

/**
 * Sends an announcement to every user, sealed to each and signed with the server's key; a full mailbox
 * takes it too. In messages of {@linkcode AT_ONCE} readers, each stored whole or not at all. Throws
 * `disk-full`, `file-io`: the members of the messages before have got it then.
 */
export async function announce(
  parts: AnnouncerParts,
  announcement: Announcement,
): Promise<Announced> {
  const { store, users, heads } = parts;
  await users.refresh();
  const names = users.names();
  const without: string[] = [];
  let sent = 0;
  for (let i = 0; i < names.length; i += AT_ONCE) {
    const asked = names.slice(i, i + AT_ONCE);
    const { accounts, log } = await store.accountsAndLog(asked);
    const readers: Reader[] = [];
    for (const [at, name] of asked.entries()) {
      const bundle = accounts[at]?.bundle;
      if (bundle) readers.push({ name, bundle: await decodeBundle(bundle) });
      else without.push(name);
    }
    if (readers.length === 0) continue;
    await deliver(parts, readers, announcement, toBase64(await heads.sign(log)));
    sent += readers.length;
  }
  return { sent, without };
}

/** Seals one message for `readers`, and stores it in their mailboxes. */
async function deliver(
  { identity, store, registry, observer }: AnnouncerParts,
  readers: readonly Reader[],
  { subject, text, servers }: Announcement,
  head: string,
): Promise<void> {
  const id = newMessageId();
  const date = Date.now();
  const message = announcementMessage({ id, subject, text, date });
  const summary: Summary = {
    from: { name: OPERATOR, fp: toBase64(identity.bundle.fp) },
    to: [],
    cc: [],
    subject,
    date,
    head,
    size: message.bytes.length,
    attachmentCount: 0,
    attachments: [],
    messageId: message.messageId,
    type: message.type,
    ...defined({ servers: servers && [...servers] }),
  };
  const fileKey = random(FILE_KEY_SIZE);
  try {
    const header = encodeHeader({
      id,
      senderFp: identity.bundle.fp,
      commitment: await commit(fileKey),
    });
    const { box, hash: summaryHash } = await sealSummary(summary, fileKey, header, identity);
    const stanzas: Bytes[] = [];
    for (const { bundle } of readers) {
      stanzas.push(await sealStanza(bundle, fileKey, header, identity));
    }
    const bodySize = sealedBodySize(message.bytes.length);
    const envelope = encodeEnvelope({ header, stanzas, summary: box, note: null, bodySize });
    const digest = createHash("sha256").update(envelope);
    const sink = await store.openBody(bodySize);
    try {
      const body = sealBody(
        { fileKey, header, summaryHash },
        identity,
        message.bytes.length,
        whole(message.bytes),
      );
      for await (const piece of body) {
        digest.update(piece);
        await sink.write(piece);
      }
      const copies = readers.map(({ name }, i): Copy => {
        const stanza = stanzas[i];
        if (!stanza) throw new SealpostError("internal", "a reader without a stanza");
        return { account: name, folder: "inbox", flags: [], stanza, note: null };
      });
      const outcome = await store.deliver({
        senderFp: identity.bundle.fp,
        messageId: id,
        digest: new Uint8Array(digest.digest()),
        header,
        summary: box,
        body: await sink.finish(),
        copies,
        receivedAt: date,
      });
      if (outcome.kind !== "stored") {
        throw new SealpostError("internal", `${formatMessageId(id)} was used before`);
      }
      observer.delivered({
        again: false,
        copies: copies.length,
        bytes: envelope.length + bodySize,
      });
      registry.notify(outcome.placed);
    } catch (error) {
      await sink.abort();
      throw error;
    }
  } finally {
    wipe(fileKey);
  }
}

async function* whole(bytes: Bytes): AsyncGenerator<Bytes, void, undefined> {
  yield await Promise.resolve(bytes);
}

/** Throws `format` for what no announcement can have, `usage` for addresses that are none. */
export function requireAnnouncement({ subject, text, servers = [] }: Announcement): void {
  // deno-lint-ignore no-control-regex -- they are what is refused
  if (/[\x00-\x08\x0b-\x1f\x7f]/.test(text) || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(subject)) {
    throw new SealpostError("format", "an announcement is plain text, without control characters");
  }
  for (const server of servers) {
    if (formatAddress(parseAddress(server)) === server) continue;
    throw new SealpostError("format", `${JSON.stringify(server)} is not an address with its port`);
  }
  if (text.trim() === "") throw new SealpostError("format", "the announcement has no text");
}
