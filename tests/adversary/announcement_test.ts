// Announcements of the operator's: nobody else can write one, and none is taken for a member's.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { giveOut } from "../../client/bridge/given.ts";
import { headerLines, isAnnouncement, senderNote } from "../../client/mailbox/show.ts";
import { replyTo } from "../../client/message/reply.ts";
import { toBase64, utf8 } from "../../crypto/bytes.ts";
import type { Identity } from "../../crypto/identity.ts";
import { OPERATOR } from "../../protocol/name.ts";
import { decodeSummary, encodeSummary, type Summary } from "../../protocol/summary.ts";
import { assertCode } from "../server/store/store_contract.ts";
import { identityOf } from "../support/identities.ts";
import { type SealedParts, sealMessage, summaryOf } from "../support/sealed.ts";
import { inbox, inWorld } from "./world.ts";

/** An announcement to bob that `sender` has signed, and which says that `from` has. */
async function announcement(
  sender: Identity,
  from: Identity = sender,
  more: Partial<Summary> = {},
): Promise<SealedParts> {
  const bob = await identityOf("bob");
  const message = utf8("Content-Type: text/plain; charset=utf-8\r\n\r\nDown on Sunday.\r\n");
  return await sealMessage(sender, [bob.bundle], message, {
    from: { name: OPERATOR, fp: toBase64(from.bundle.fp) },
    subject: "Down on Sunday",
    ...more,
  });
}

Deno.test("what the server's key has signed is shown as the operator's, and as nobody else's", async () => {
  await inWorld(async ({ server, logOn }) => {
    server.put(await announcement(server.identity));
    const client = await logOn();
    const [item] = await inbox(client);
    const opened = item?.opened;
    assert(opened, item?.problem ?? "nothing came");
    assertEquals([isAnnouncement(opened.summary), opened.verification.state], [true, "operator"]);
    const lines = headerLines(opened, [], senderNote(opened, ["the-operator", "operator"]));
    assertEquals(lines.slice(0, 2), [
      "From: The operator (an announcement, signed with the server's key)",
      "To: everyone",
    ]);
    const { prefix, fields } = giveOut(opened, false, [], null);
    assertMatch(
      prefix,
      /^X-Sealpost-Verified: signed with the server's key: its operator wrote it /,
    );
    // No member can have that address.
    assert(fields.includes("From: the=operator@sealpost.invalid"), fields.join("\n"));
    await assertCode("usage", () => Promise.resolve().then(() => replyTo(opened, "bob", true)));
    assertEquals(client.mail.people.pins.get(OPERATOR), null);
  });
});

Deno.test("no member's message is taken for the operator's, whatever it says", async () => {
  await inWorld(async ({ server, logOn }) => {
    const [alice, bob] = [await identityOf("alice"), await identityOf("bob")];
    // Under Alice's own key; under the server's, which she has not got; and as if Bob had stored it.
    server.put(await announcement(alice));
    server.put(await announcement(alice, server.identity));
    server.put(
      await announcement(bob, bob, { stored: { kind: "import", from: "x" } }),
    );
    const items = await inbox(await logOn());
    const claims = "it claims to be from the server's operator, and is not signed with a key of " +
      "the server";
    assertEquals(items.map(({ opened, problem }) => opened ?? problem), [
      claims,
      "the summary names another sender than the header",
      claims,
    ]);
  });
});

Deno.test("another server's announcement, and one of a key that was never the server's, are refused", async () => {
  await inWorld(async ({ server, logOn }) => {
    server.put(await announcement(await identityOf("carol")));
    const [item] = await inbox(await logOn());
    assertMatch(item?.problem ?? "", /not signed with a key of the server/);
  });
});

Deno.test("a key that the server has left signs nothing that arrives later", async () => {
  await inWorld(async ({ server, logOn }) => {
    const next = (await identityOf("another server")).bundle;
    server.record({ event: "server-key", name: "", fp: server.identity.bundle.fp, seq: 0 });
    server.record({ event: "server-key", name: "", fp: next.fp, seq: 1 });
    const client = await logOn();
    client.mail.log.serverMoved(next);
    const left = Date.now();
    server.put(await announcement(server.identity));
    const hour = 3_600_000;
    server.put(await announcement(server.identity), 0, { receivedAt: left + hour });
    const items = await inbox(client);
    assertEquals(items.map(({ opened }) => opened?.verification.state ?? null), [null, "operator"]);
    assertMatch(items[0]?.problem ?? "", /not signed with a key of the server/);
  });
});

Deno.test("only an announcement says where the server is", async () => {
  const alice = await identityOf("alice");
  const servers = ["mail.lan:13000"];
  const from = { name: OPERATOR, fp: toBase64(alice.bundle.fp) };
  const notice = summaryOf(alice, 1, { from, servers });
  assertEquals(decodeSummary(encodeSummary(notice)).servers, servers);
  for (
    const wrong of [
      summaryOf(alice, 1, { servers }),
      summaryOf(alice, 1, { from, servers: [] }),
      summaryOf(alice, 1, { from, servers: Array.from({ length: 9 }, () => "a:1") }),
      summaryOf(alice, 1, { to: [{ name: OPERATOR, fp: from.fp }] }),
    ]
  ) {
    await assertCode("format", () =>
      Promise.resolve().then(() => {
        return decodeSummary(encodeSummary(wrong));
      }));
  }
});
