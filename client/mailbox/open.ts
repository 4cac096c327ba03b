import { type Bytes, toHex } from "../../crypto/bytes.ts";
import { type ErrorCode, isSealpostError } from "../../crypto/error.ts";
import { sha256 } from "../../crypto/hash.ts";
import type { Entry } from "../../protocol/entry.ts";
import { decodeHeader } from "../../protocol/header.ts";
import { openNote } from "../../protocol/note.ts";
import { openStanza, stanzaFp } from "../../protocol/stanza.ts";
import type { Person } from "../../protocol/summary.ts";
import { checkBodySize, unseal, type Unsealed } from "../message/unseal.ts";
import type { CachedEntry } from "../state/cache.ts";
import type { Lanes } from "../state/lanes.ts";
import type { AddressNotices } from "../state/address_notice.ts";
import type { Members } from "../state/members.ts";
import type { FailedStanzas } from "../state/failed_stanzas.ts";
import type { OpenedMessages } from "../state/opened_messages.ts";
import { KeyChangedError } from "../state/pins.ts";
import { ownIdentity, type People, type Self } from "../trust/people.ts";
import type { KeyLogClient } from "../trust/key_log.ts";
import { CLAIMED, type Verification } from "../trust/verification.ts";

/** An entry whose stanza and summary opened and verified. */
export interface Opened extends Unsealed {
  readonly entry: Entry;
  /** How far the sender's key was known when this was opened. */
  readonly verification: Verification;
}

/** One line of a listing: an entry that opened, or one that did not and why. */
export interface Item {
  readonly entry: Entry;
  readonly opened: Opened | null;
  /** Why it did not open; null if it did. */
  readonly problem: string | null;
  /** Who is said to have written it with another key than the known one; null if that is not why. */
  readonly keyChangedOf: string | null;
  /** The same message, or another one with its id, was there under another UID before. */
  readonly duplicate: boolean;
}

/** Messages that were opened in this run and are kept in memory, the last ones that were asked for. */
const MAX_OPENED = 1000;

/** After these no other entry would open either. */
const FATAL: readonly ErrorCode[] = ["connection-lost", "internal", "disk-full", "file-io"];

/** Whom the heads of the key log in messages are shown. */
export type Gossip = Pick<KeyLogClient, "gossip">;

/** Opens entries of one's mailbox, each once: what was opened is remembered, and so is what failed. */
export class MessageOpener {
  readonly #self: Self;
  readonly #people: People;
  readonly #records: OpenedMessages;
  readonly #failed: FailedStanzas;
  readonly #lanes: Lanes;
  readonly #log: Gossip;
  readonly #members: Pick<Members, "noteSigned">;
  readonly #notices: Pick<AddressNotices, "see">;
  /** What was opened in this run, by its hash, last what was asked for last; at most {@linkcode MAX_OPENED}. */
  readonly #opened = new Map<string, Unsealed>();

  constructor(
    self: Self,
    people: People,
    records: OpenedMessages,
    failed: FailedStanzas,
    lanes: Lanes,
    log: Gossip,
    members: Pick<Members, "noteSigned">,
    notices: Pick<AddressNotices, "see">,
  ) {
    this.#notices = notices;
    this.#members = members;
    this.#log = log;
    this.#self = self;
    this.#people = people;
    this.#records = records;
    this.#failed = failed;
    this.#lanes = lanes;
  }

  /**
   * Opens stanza and summary of `entry` and verifies who wrote them. Throws `format`,
   * `authentication`, `version`, or `key-changed` if the sender's key is not the pinned one.
   */
  async open(entry: Entry): Promise<Opened> {
    const hash = await sha256(entry.header, entry.stanza, entry.summary);
    const key = toHex(hash);
    const known = this.#opened.get(key) ?? await this.#remembered(entry, hash);
    if (known) checkBodySize(known.summary, entry.bodySize);
    const unsealed = known ?? await this.#unseal(entry, hash);
    this.#keep(key, unsealed);
    const { summary, sender } = unsealed;
    return {
      ...unsealed,
      entry,
      verification: summary.stored
        ? CLAIMED
        : this.#people.verification(summary.from.name, sender.fp),
    };
  }

  /** As {@linkcode MessageOpener.open}, for a listing: with the reason if it does not open. */
  async openItem({ entry, duplicate }: CachedEntry): Promise<Item> {
    try {
      const opened = await this.open(entry);
      return { entry, opened, problem: null, keyChangedOf: null, duplicate };
    } catch (error) {
      if (!isSealpostError(error) || FATAL.includes(error.code)) throw error;
      const keyChangedOf = error instanceof KeyChangedError ? error.person : null;
      return { entry, opened: null, problem: error.message, keyChangedOf, duplicate };
    }
  }

  /** Who was blind-copied, for one's own Sent copy; nobody for what others sent. */
  async blindCopied(opened: Opened): Promise<Person[]> {
    const { note, header } = opened.entry;
    if (!note) return [];
    return (await openNote(note, header, await ownIdentity(this.#self, opened.sender.fp))).bcc;
  }

  #keep(key: string, unsealed: Unsealed): void {
    this.#opened.delete(key);
    this.#opened.set(key, unsealed);
    const [oldest] = this.#opened.keys();
    if (this.#opened.size > MAX_OPENED && oldest !== undefined) this.#opened.delete(oldest);
  }

  /** What was opened and verified in an earlier run; null if it was not, or its key has changed. */
  async #remembered(entry: Entry, hash: Bytes): Promise<Unsealed | null> {
    const record = await this.#records.get(entry.uid, hash);
    if (!record) return null;
    const { id, senderFp } = decodeHeader(entry.header);
    // Whether the key is still the sender's is asked again: it may have been replaced since.
    const { name } = record.summary.from;
    const { bundle } = await this.#people.sender(name, senderFp, entry.receivedAt);
    return { ...record, id, sender: bundle };
  }

  async #unseal(entry: Entry, hash: Bytes): Promise<Unsealed> {
    let pin = () => Promise.resolve();
    const unsealed = await unseal(entry, {
      stanza: ({ header, stanza }) =>
        this.#failed.attempt(header, stanza, async () => {
          const fp = stanzaFp(stanza);
          const own = await ownIdentity(this.#self, fp);
          return await openStanza(own, stanza, header, this.#lanes.memory(fp));
        }),
      sender: async (name, fp) => {
        const sender = await this.#people.sender(name, fp, entry.receivedAt);
        pin = sender.pin;
        return sender.bundle;
      },
    });
    checkBodySize(unsealed.summary, entry.bodySize);
    await pin();
    const { summary: { from, head, fullName, date, servers }, sender } = unsealed;
    await this.#log.gossip(from.name, head);
    if (fullName !== undefined) {
      await this.#members.noteSigned(from.name, fullName, sender.fp, date);
    }
    // Only an announcement has them, and this one has verified.
    if (servers) await this.#notices.see(date, servers);
    await this.#records.put(entry.uid, hash, unsealed);
    return unsealed;
  }
}
