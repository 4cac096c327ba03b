import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Bytes, toBase64 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { encodeBundle, type Identity } from "../../../crypto/identity.ts";
import { successorOf } from "../../../client/connection/follow_server.ts";
import type { ClientSession } from "../../../client/connection/client_session.ts";
import type { Response } from "../../../protocol/request.ts";
import { certify, certifyServer } from "../../../protocol/rotation.ts";
import { identityOf } from "../../support/identities.ts";
import { assertRefusedAsync } from "../../support/testing.ts";

type Answer = Response<"server-keys">;

const [a, b, c, d] = await Promise.all(
  ["server", "a second server", "a third server", "a fourth server"].map((name) =>
    identityOf(name)
  ),
) as [Identity, Identity, Identity, Identity];

/** A session in which the server answers one `server-keys` after the other like this. */
function answering(...answers: readonly Answer[]): Pick<ClientSession, "ask"> {
  let next = 0;
  // deno-lint-ignore no-explicit-any -- the answer to the only request that is made here
  return { ask: (): Promise<any> => Promise.resolve(answers[next++] ?? answers.at(-1)) };
}

async function step(seq: number, from: Identity, to: Identity): Promise<Answer["links"][number]> {
  const certificate = await certifyServer({ seq, time: 1_760_000_000_000 + seq }, from, to);
  return linkOf(certificate, from);
}

function linkOf(certificate: Bytes, { bundle }: Identity): Answer["links"][number] {
  return { certificate: toBase64(certificate), bundle: toBase64(encodeBundle(bundle)) };
}

function answer(to: Identity, ...links: Answer["links"]): Answer {
  return { ok: true, links, bundle: toBase64(encodeBundle(to.bundle)) };
}

Deno.test("a client follows the server over several keys and answers", async () => {
  const one = await successorOf(answering(answer(b, await step(1, a, b))), a.bundle, []);
  assertEquals([one.to.fp, one.seq, one.time], [b.bundle.fp, 1, 1_760_000_000_001]);
  const session = answering(
    answer(d, await step(4, a, b), await step(5, b, c)),
    answer(d, await step(6, c, d)),
  );
  const three = await successorOf(session, a.bundle, []);
  assertEquals([three.to.fp, three.seq], [d.bundle.fp, 6]);
});

Deno.test("a server that does not prove which key follows is refused, and the person told whom to call", async () => {
  const { name, serverFp } = { name: "alice", serverFp: a.bundle.fp };
  const ofPerson = await certify({ name, serverFp, seq: 1, time: 1 }, a, b);
  const altered = await certifyServer({ seq: 1, time: 1 }, a, b);
  altered[150] = (altered[150] ?? 0) ^ 1;
  const lies: Record<string, readonly Answer[]> = {
    "no certificate": [answer(b)],
    "a key that the pinned one did not sign": [answer(b, await step(1, c, b))],
    "a changed signature": [answer(b, linkOf(altered, a))],
    "a rival of the one that was signed": [answer(d, await step(1, a, b)), answer(d)],
    "a number left out": [answer(c, await step(1, a, b), await step(3, b, c))],
    "a person's certificate": [answer(b, linkOf(ofPerson, a))],
    "no bundle": [{ ...answer(b, await step(1, a, b)), bundle: "AAAA" }],
    "back": [answer(a, await step(1, a, b), await step(2, b, a))],
    "without end": [answer(d, await step(1, a, b), await step(2, b, a))],
  };
  for (const [what, answers] of Object.entries(lies)) {
    const error = await assertRejects(
      () => successorOf(answering(...answers), a.bundle, []),
      SealpostError,
    );
    assertEquals(error.code, "server-identity", what);
    assertStringIncludes(error.message, "call the person who runs your server", what);
  }
  const known = answering(answer(b, await step(1, a, b)));
  await assertRefusedAsync("server-identity", () => successorOf(known, a.bundle, [b.bundle.fp]));
  // That the connection was lost says nothing about the key.
  const lost = { ask: () => Promise.reject(new SealpostError("connection-lost", "gone")) };
  await assertRefusedAsync("connection-lost", () => successorOf(lost, a.bundle, []));
});
