import { random } from "../../crypto/bytes.ts";
import type { Entry } from "../../protocol/entry.ts";
import { encodeHeader } from "../../protocol/header.ts";
import { newMessageId } from "../../protocol/uuid.ts";

/** An entry of a mailbox that no key opens: it has a header of its own, and noise for the rest. */
export function entryOf(uid: number, parts: Partial<Entry> = {}): Entry {
  return {
    uid,
    modseq: uid,
    number: uid,
    receivedAt: 1000 + uid,
    header: encodeHeader({ id: newMessageId(), senderFp: random(32), commitment: random(32) }),
    stanza: random(40),
    summary: random(60),
    note: null,
    bodySize: 5000,
    folder: "inbox",
    flags: [],
    ...parts,
  };
}
