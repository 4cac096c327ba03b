// What a first search computes: it opens and verifies every message of a mailbox, once.

import { SOME_HEAD } from "../tests/support/log_head.ts";
import { unseal } from "../client/message/unseal.ts";
import { type Bytes, equal, random, toHex } from "../crypto/bytes.ts";
import { sealMessage } from "../client/message/seal.ts";
import { generateIdentity, type Identity } from "../crypto/identity.ts";
import { EnvelopeReader } from "../protocol/envelope.ts";
import { type Lane, type LaneMemory, startLane } from "../protocol/lane.ts";
import { openStanza, stanzaFp } from "../protocol/stanza.ts";
import { newMessageId } from "../protocol/uuid.ts";

/** A sealed message as its reader has it, without its body. */
interface Received {
  readonly sender: Identity;
  readonly header: Bytes;
  readonly stanza: Bytes;
  readonly summary: Bytes;
}

/** Secrets of lanes, kept in memory as a client keeps them in its folder. */
class MemoryLanes implements LaneMemory {
  readonly #secrets = new Map<string, Bytes>();

  secret(id: Bytes): Promise<Bytes | null> {
    return Promise.resolve(this.#secrets.get(toHex(id)) ?? null);
  }

  opened(id: Bytes, secret: Bytes): Promise<void> {
    this.#secrets.set(toHex(id), secret);
    return Promise.resolve();
  }

  refused(): Promise<void> {
    return Promise.reject(new Error("a message of the benchmark did not open"));
  }
}

/** A mailbox with `each` messages from each of `senders` people, all of a person's in one lane. */
export class Mailbox {
  private constructor(readonly reader: Identity, readonly messages: readonly Received[]) {}

  static async make(senders: number, each: number, rsaBits: number): Promise<Mailbox> {
    const reader = await generateIdentity({ rsaBits });
    const messages: Received[] = [];
    for (let i = 0; i < senders; i++) {
      // The sender's own RSA key does nothing here: a small one is made sooner.
      const sender = await generateIdentity({ rsaBits: 2048 });
      const lanes = new Map<string, Lane>();
      const to = async (bundle: Identity["bundle"]) => {
        const key = toHex(bundle.fp);
        const lane = lanes.get(key) ?? await startLane(bundle, sender.bundle.fp);
        lanes.set(key, lane);
        return lane;
      };
      for (let k = 0; k < each; k++) messages.push(await received(sender, reader, to));
    }
    return new Mailbox(reader, messages);
  }

  /** Opens and verifies all messages; with `lanes` false each costs a private operation. */
  async open(lanes: boolean): Promise<void> {
    const memory = new MemoryLanes();
    for (const { sender, ...head } of this.messages) {
      await unseal(head, {
        stanza: ({ header, stanza }) =>
          openStanza(this.reader, stanza, header, lanes ? memory : undefined),
        sender: () => Promise.resolve(sender.bundle),
      });
    }
  }
}

async function received(
  sender: Identity,
  reader: Identity,
  to: (bundle: Identity["bundle"]) => Promise<Lane>,
): Promise<Received> {
  const text = random(100);
  const { bytes } = await sealMessage(
    {
      id: newMessageId(),
      from: "sender",
      to: [{ name: "reader", bundle: reader.bundle, fresh: false }],
      cc: [],
      bcc: [],
      subject: "a subject",
      date: Date.now(),
      head: SOME_HEAD,
      attachments: [],
      composed: {
        size: text.length,
        async *stream() {
          yield await Promise.resolve(text);
        },
      },
    },
    sender,
    { to },
  );
  const envelopes = new EnvelopeReader();
  let stored: Received | null = null;
  for await (const piece of bytes) {
    if (stored !== null) continue;
    const whole = envelopes.push(piece);
    const stanza = whole?.envelope.stanzas.find((stanza) => {
      return equal(stanzaFp(stanza), reader.bundle.fp);
    });
    if (!whole || !stanza) continue;
    const { header, summary } = whole.envelope;
    stored = { sender, header, stanza, summary };
  }
  if (stored === null) throw new Error("a sealed message without a stanza for its reader");
  return stored;
}
