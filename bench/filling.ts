// Mailboxes full of mail, for whoever measures a client.

import { type Bytes, concat, toBase64, toHex, utf8 } from "../crypto/bytes.ts";
import type { Bundle } from "../crypto/identity.ts";
import { sealMessage } from "../client/message/seal.ts";
import { loadIdentity } from "../files/key_files.ts";
import { type Lane, startLane } from "../protocol/lane.ts";
import { newMessageId } from "../protocol/uuid.ts";
import type { Group } from "../tests/support/group.ts";
import { SOME_HEAD } from "../tests/support/log_head.ts";
import { passwordOf } from "../tests/support/program.ts";
import { type Person, type Presealed, RawSession } from "../tests/support/raw_session.ts";

/** The message number `i` as it is before it is sealed, with a text of about `size` bytes. */
export function message(
  i: number,
  size = 704,
): { readonly id: Bytes; readonly subject: string; readonly text: Bytes } {
  const id = newMessageId();
  const subject = `message ${i}`;
  const header = [
    "From: alice@sealpost.invalid",
    "To: bob@sealpost.invalid",
    `Subject: ${subject}`,
    "Date: Sun, 22 Nov 2026 13:05:07 +0100",
    `Message-ID: <${toHex(id)}@sealpost.invalid>`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain",
  ];
  const line = `${"x".repeat(62)}\r\n`;
  const body = line.repeat(size / line.length);
  return { id, subject, text: utf8(`${header.join("\r\n")}\r\n\r\n${body}`) };
}

/** Seals messages of one sender, all in one lane for each reader, as a client does. */
export class Sealer {
  readonly #lanes = new Map<string, Promise<Lane>>();

  constructor(readonly from: Person, readonly to: Person) {}

  async seal({ id, subject, text }: ReturnType<typeof message>): Promise<Presealed> {
    const { from, to } = this;
    const sealed = await sealMessage(
      {
        id,
        from: from.name,
        to: [{ name: to.name, bundle: to.identity.bundle, fresh: false }],
        cc: [],
        bcc: [],
        subject,
        date: Date.UTC(2026, 10, 22, 12, 5, 7),
        head: SOME_HEAD,
        attachments: [],
        headers: { messageId: `${toHex(id)}@sealpost.invalid`, type: "text/plain" },
        composed: {
          size: text.length,
          stream: async function* () {
            for (let at = 0; at < text.length; at += 65_536) {
              yield await Promise.resolve(text.slice(at, at + 65_536));
            }
          },
        },
      },
      from.identity,
      { to: (reader) => this.#lane(reader) },
    );
    const pieces: Bytes[] = [];
    for await (const piece of sealed.bytes) pieces.push(piece.slice());
    return { request: sealed.request, bytes: concat(...pieces) };
  }

  #lane(reader: Bundle): Promise<Lane> {
    const key = toBase64(reader.fp);
    const lane = this.#lanes.get(key) ?? startLane(reader, this.from.identity.bundle.fp);
    this.#lanes.set(key, lane);
    return lane;
  }
}

/** Somebody of `group`, with their keys. */
export async function personOf(group: Group, name: string): Promise<Person> {
  const identity = await loadIdentity(group.path(name), name, () => Promise.resolve(null));
  return { name, identity, password: passwordOf(name) };
}

/** Delivers with 16 on their way at a time. */
export async function deliverAll(
  session: RawSession,
  sealer: Sealer,
  texts: Iterable<ReturnType<typeof message>>,
): Promise<void> {
  const going = new Set<Promise<unknown>>();
  for (const text of texts) {
    const one = sealer.seal(text).then((sealed) => session.deliver(sealed))
      .finally(() => going.delete(one));
    going.add(one);
    if (going.size >= 16) await Promise.race(going);
  }
  await Promise.all(going);
}
