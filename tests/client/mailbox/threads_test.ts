import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Item } from "../../../client/mailbox/open.ts";
import {
  conversationUids,
  onceEach,
  type Thread,
  threadsOf,
} from "../../../client/mailbox/threads.ts";
import { UNVERIFIED } from "../../../client/trust/verification.ts";
import { toBase64 } from "../../../crypto/bytes.ts";
import { formatMessageId } from "../../../protocol/uuid.ts";
import { entryOf } from "../../support/entries.ts";
import { identityOf } from "../../support/identities.ts";
import { SOME_HEAD } from "../../support/log_head.ts";

const sender = (await identityOf("alice")).bundle;
const idOf = (uid: number) => new Uint8Array(16).fill(uid);
const uuid = (uid: number) => formatMessageId(idOf(uid));

interface Claims {
  readonly inReplyTo?: string;
  readonly references?: string[];
  readonly messageId?: string;
  readonly subject?: string;
}

/** A message with the UID, id and date `uid`. */
function message(uid: number, claims: Claims = {}, folder: "inbox" | "sent" = "inbox"): Item {
  const entry = entryOf(uid, { folder });
  const from = { name: "alice", fp: toBase64(sender.fp) };
  const summary = {
    from,
    to: [],
    cc: [],
    subject: "s",
    date: uid,
    head: SOME_HEAD,
    size: 1,
    attachmentCount: 0,
    attachments: [],
    ...claims,
  };
  const opened = {
    entry,
    id: idOf(uid),
    summary,
    sender,
    fileKey: new Uint8Array(32),
    summaryHash: new Uint8Array(32),
    verification: UNVERIFIED,
  };
  return { entry, opened, problem: null, keyChangedOf: null, duplicate: false };
}

function shape(threads: readonly Thread[]): string[] {
  return threads.map((thread) => {
    return thread.map(({ item, depth }) => `${"-".repeat(depth)}${item.entry.uid}`).join(" ");
  });
}

Deno.test("messages belong together by the ids of what they answer, not by their subjects", () => {
  const items = [
    message(5, { subject: "s" }),
    message(4, { inReplyTo: uuid(2), subject: "another subject" }),
    message(3, { inReplyTo: uuid(1) }),
    message(2, { inReplyTo: uuid(1) }),
    message(1),
  ];
  assertEquals(shape(threadsOf(items)), ["5", "1 -2 --4 -3"]);
});

Deno.test("what is not there holds a conversation together all the same", () => {
  const root = "lost@example.org";
  const items = [
    message(1, { references: [root] }),
    message(2, { references: [root, "also.lost@example.org"] }),
    message(3, { messageId: "three@example.org", references: [] }),
    message(4, { references: ["THREE@example.org"] }),
  ];
  assertEquals(shape(threadsOf(items)), ["1 2", "3 -4"]);
});

Deno.test("a message that did not open stands alone, and a Sent copy gives way to the other", () => {
  const closed: Item = { ...message(9), opened: null, problem: "closed" };
  assertEquals(shape(threadsOf([closed, message(1)])), ["9", "1"]);
  const copy = message(1, {}, "sent");
  const [thread = []] = threadsOf([{ ...copy, entry: { ...copy.entry, uid: 2 } }, message(1)]);
  assertEquals(thread.length, 2);
  assertEquals(shape([onceEach(thread)]), ["1"]);
});

/** What senders may claim of up to eight messages. */
const CLAIMS = fc.array(
  fc.record({
    inReplyTo: fc.integer({ min: 1, max: 8 }).map(uuid),
    references: fc.array(
      fc.integer({ min: 1, max: 8 }).map((n) => `${uuid(n)}@sealpost.invalid`),
      { maxLength: 4 },
    ),
    messageId: fc.integer({ min: 1, max: 8 }).map((n) => `${uuid(n)}@sealpost.invalid`),
  }, { requiredKeys: [] }),
  { maxLength: 8 },
);

const uidsOf = (thread: Thread) => {
  return thread.map(({ item }) => item.entry.uid).sort((a, b) => a - b);
};

Deno.test("whatever senders claim, each message is in one conversation, once", () => {
  fc.assert(fc.property(CLAIMS, (all) => {
    const items = all.map((one, i) => message(i + 1, one));
    assertEquals(uidsOf(threadsOf(items).flat()), items.map((_, i) => i + 1));
  }));
});

Deno.test("the conversation of one message is found as all conversations are", async () => {
  await fc.assert(fc.asyncProperty(CLAIMS, async (all) => {
    const items = all.map((one, i) => message(i + 1, one));
    const given = async function* () {
      for (const item of items) yield await Promise.resolve(item);
    };
    for (const thread of threadsOf(items)) {
      const uids = uidsOf(thread);
      for (const uid of uids) assertEquals(await conversationUids(given(), uid), uids);
    }
    assertEquals(await conversationUids(given(), 99), []);
  }));
});
