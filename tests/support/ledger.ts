import { SOME_HEAD } from "./log_head.ts";
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { composeMessage } from "../../client/message/compose.ts";
import type { ClientSession } from "../../client/connection/client_session.ts";
import { sealMessage } from "../../client/message/seal.ts";
import { type Bytes, concat, readU32, toHex } from "../../crypto/bytes.ts";
import type { Identity } from "../../crypto/identity.ts";
import { decodeEntry, type Entry, type Folder } from "../../protocol/entry.ts";
import { type Envelope, EnvelopeReader } from "../../protocol/envelope.ts";
import type { DeliverRequest } from "../../protocol/request.ts";
import { stanzaFp } from "../../protocol/stanza.ts";
import { formatMessageId, newMessageId } from "../../protocol/uuid.ts";

/** What must be so of one mailbox's copy of a letter. */
export interface Copy {
  /** Known once it was listed. */
  uid: number | null;
  /** Where it may be: more than one place while a move was asked for and not acknowledged. */
  folders: Set<Folder>;
  /** Likewise for whether it is `seen`. */
  seen: Set<boolean>;
  removal: "none" | "asked" | "acknowledged";
  /** Whether its body has been fetched and compared. */
  compared: boolean;
}

/** A sealed letter, and what is known of its fate. */
export interface Letter {
  readonly sender: string;
  readonly request: DeliverRequest;
  /** The sealed bytes; the same for every attempt. */
  readonly sealed: Bytes;
  readonly envelope: Envelope;
  /** SHA-256 of the sealed body, and of the message in it, hexadecimal. */
  readonly body: string;
  readonly message: string;
  /** `sent`: its bytes, or some of them, went out. */
  fate: "written" | "sent" | "acknowledged";
  readonly copies: ReadonlyMap<string, Copy>;
}

/** SHA-256 in hexadecimal. */
export function sumOf(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

/** Writes and seals a letter, as the client does. */
export async function writeLetter(
  people: ReadonlyMap<string, Identity>,
  sender: string,
  recipients: readonly string[],
  text: string,
  attachment: Bytes | null,
): Promise<Letter> {
  const known = (name: string) => {
    const identity = people.get(name);
    if (!identity) throw new Error(`nobody is called ${name}`);
    return { name, bundle: identity.bundle, fresh: false, identity };
  };
  const id = newMessageId();
  const date = new Date();
  const attachments = attachment === null ? [] : [{
    name: "data.bin",
    size: attachment.length,
    open: () => Promise.resolve(new Blob([attachment]).stream()),
  }];
  const draft = {
    from: sender,
    to: recipients,
    subject: text.slice(0, 40),
    text,
    date,
    attachments,
  };
  const composed = await composeMessage({ ...draft, messageId: formatMessageId(id) });
  const { request, bytes } = await sealMessage({
    id,
    from: sender,
    to: recipients.map(known),
    cc: [],
    bcc: [],
    subject: draft.subject,
    date: date.getTime(),
    head: SOME_HEAD,
    attachments,
    composed,
  }, known(sender).identity);
  const sealed = concat(...await Array.fromAsync(bytes));
  const whole = new EnvelopeReader().push(sealed);
  if (!whole) throw new Error("an envelope that is cut");
  const copy = (folder: Folder, seen: boolean): Copy => ({
    uid: null,
    folders: new Set([folder]),
    seen: new Set([seen]),
    removal: "none",
    compared: false,
  });
  return {
    sender,
    request,
    sealed,
    envelope: whole.envelope,
    body: sumOf(whole.rest),
    message: sumOf(...await Array.fromAsync(composed.stream())),
    fate: "written",
    copies: new Map([
      ...recipients.map((name) => [name, copy("inbox", false)] as const),
      [sender, copy("sent", true)],
    ]),
  };
}

/** Every letter that was ever handed to the server, and what has to be true of it. */
export class Ledger {
  readonly #letters = new Map<string, Letter>();
  readonly #fps: ReadonlyMap<string, Bytes>;

  /** `people`, with the fingerprint of each. */
  constructor(people: ReadonlyMap<string, Identity>) {
    this.#fps = new Map([...people].map(([name, { bundle }]) => [name, bundle.fp]));
  }

  add(letter: Letter): void {
    this.#letters.set(toHex(letter.envelope.header), letter);
  }

  get letters(): Letter[] {
    return [...this.#letters.values()];
  }

  /** Those with a copy in the mailbox of `name`, with that copy. */
  in(name: string): { readonly letter: Letter; readonly copy: Copy }[] {
    return this.letters.flatMap((letter) => {
      const copy = letter.copies.get(name);
      return copy ? [{ letter, copy }] : [];
    });
  }

  letterOf(entry: Entry): Letter {
    const letter = this.#letters.get(toHex(entry.header));
    assert(letter, "an entry that nobody has sent");
    return letter;
  }

  /**
   * Compares everything in the mailbox of `name` with what must be there, and takes note of what has
   * come of what was not acknowledged. Returns the letters of unknown fate that are there.
   */
  check(name: string, entries: readonly Entry[]): Letter[] {
    const there = new Set<Copy>();
    const undecided: Letter[] = [];
    for (const entry of entries) {
      const letter = this.letterOf(entry);
      const copy = letter.copies.get(name);
      assert(copy, "in a mailbox that it was not sent to");
      assert(!there.has(copy), "there twice");
      there.add(copy);
      this.#compare(name, letter, copy, entry);
      copy.uid = entry.uid;
      copy.folders = new Set([entry.folder]);
      copy.seen = new Set([entry.flags.includes("seen")]);
      if (copy.removal === "asked") copy.removal = "none";
      if (letter.fate !== "acknowledged") undecided.push(letter);
    }
    for (const { letter, copy } of this.in(name)) {
      if (there.has(copy) || letter.fate !== "acknowledged") continue;
      assert(copy.removal !== "none", `an acknowledged message is lost: ${letter.request.id}`);
      copy.removal = "acknowledged";
    }
    return undecided;
  }

  #compare(name: string, letter: Letter, copy: Copy, entry: Entry): void {
    assert(letter.fate !== "written", "delivered before it was sent");
    assert(copy.removal !== "acknowledged", "removed, and there again");
    assert(copy.uid === null || copy.uid === entry.uid, "under another UID");
    assert(copy.folders.has(entry.folder), `in ${entry.folder}`);
    assert(copy.seen.has(entry.flags.includes("seen")), "seen or not");
    const { envelope } = letter;
    assertEquals(entry.summary, envelope.summary);
    assertEquals(entry.bodySize, envelope.bodySize);
    assertEquals(entry.note, name === letter.sender ? envelope.note : null);
    assertEquals(toHex(stanzaFp(entry.stanza)), toHex(this.#fps.get(name) ?? new Uint8Array()));
    assert(envelope.stanzas.some((stanza) => toHex(stanza) === toHex(entry.stanza)));
  }
}

/** Everything in one's mailbox, and the UID that the next message gets. */
export async function listAll(link: ClientSession): Promise<{ entries: Entry[]; nextUid: number }> {
  const entries: Entry[] = [];
  const limit = 200;
  for (;;) {
    const after = entries.at(-1)?.uid ?? 0;
    const answer = await link.stream({ op: "list", order: "oldest", after, limit });
    const data = concat(...await Array.fromAsync(answer.data));
    let count = 0;
    for (let at = 0; at < data.length; count++) {
      const length = readU32(data, at);
      entries.push(decodeEntry(data.slice(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    if (count < limit) return { entries, nextUid: answer.response.nextUid };
  }
}

/** The SHA-256 of a sealed body, as it is fetched. */
export async function fetchBody(link: ClientSession, uid: number): Promise<string> {
  const { data } = await link.stream({ op: "fetch", uid });
  const bytes = concat(...await Array.fromAsync(data));
  return sumOf(bytes.subarray(4 + readU32(bytes, 0)));
}
