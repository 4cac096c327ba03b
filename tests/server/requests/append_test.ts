import { SOME_HEAD } from "../../support/log_head.ts";
import { assert, assertEquals } from "@std/assert";
import { sealToStore } from "../../../client/message/seal.ts";
import { utf8 } from "../../../crypto/bytes.ts";
import { newMessageId } from "../../../protocol/uuid.ts";
import { assertRefusedAsync } from "../../support/testing.ts";
import { preseal, type RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";

const LONG_AGO = 1_700_000_000_000;

/** A draft that is sealed to oneself. */
async function sealedDraft({ person }: RawSession, receivedAt = LONG_AGO) {
  const text = utf8("Subject: a draft\r\n\r\nNot sent.\r\n");
  return await sealToStore({
    id: newMessageId(),
    name: person.name,
    stored: { kind: "draft", from: person.name },
    folder: "drafts",
    receivedAt,
    flags: ["seen", 4],
    subject: "a draft",
    date: LONG_AGO,
    head: SOME_HEAD,
    attachments: [],
    composed: {
      size: text.length,
      stream: async function* () {
        yield await Promise.resolve(text);
      },
    },
  }, person.identity);
}

Deno.test("a message to oneself goes into its folder with its date and flags, once", async () => {
  await using serving = await Serving.start(["alice"]);
  const alice = await serving.session("alice");
  const { request, bytes } = await sealedDraft(alice);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of bytes) pieces.push(piece.slice());
  const send = () =>
    alice.link.upload(
      request,
      (async function* () {
        for (const piece of pieces) yield await Promise.resolve(piece);
      })(),
    );
  const first = await send();
  assertEquals([first.again, first.uid, first.number, first.modseq], [false, 1, 1, 1]);
  const second = await send();
  assertEquals([second.again, second.at, second.uid], [true, first.at, undefined]);
  const { response, data } = await alice.link.stream({
    op: "changes",
    since: 0,
    nextUid: 1,
    limit: 10,
  });
  let size = 0;
  for await (const piece of data) size += piece.length;
  assert(size > 0);
  assertEquals([response.modseq, response.nextUid, response.more], [1, 2, false]);
  await alice.close();
});

Deno.test("what is sealed to others, or came from the future, is not stored", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const [alice, bob] = [await serving.session("alice"), await serving.session("bob")];
  const late = await sealedDraft(alice, Date.now() + 3_600_000);
  await assertRefusedAsync("limit", () => alice.link.upload(late.request, late.bytes));
  const { request, bytes } = await preseal(alice.person, [bob.person]);
  const { id, size } = request;
  const append = {
    op: "append" as const,
    id,
    size,
    folder: "inbox" as const,
    date: LONG_AGO,
    set: [],
  };
  const whole = async function* () {
    yield await Promise.resolve(bytes);
  };
  await assertRefusedAsync("format", () => alice.link.upload(append, whole()));
  for (const { link } of [alice, bob]) {
    assertEquals((await link.ask({ op: "whoami" })).entries, 0);
  }
  await Promise.all([alice, bob].map((session) => session.close()));
});
