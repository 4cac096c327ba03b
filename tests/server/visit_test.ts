import { assert, assertEquals, assertRejects } from "@std/assert";
import { visit } from "../../client/connection/visit.ts";
import { type Bytes, random, toBase64, toHex } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { parseAddress } from "../../protocol/address.ts";
import { kitId, kitKeys, newKitCode, sealKit } from "../../protocol/kit.ts";
import type { VisitRequest } from "../../protocol/visit.ts";
import type { RawSession } from "../support/raw_session.ts";
import { Serving } from "../support/serving.ts";
import { waitFor } from "../support/wait.ts";

const HEAD = { name: "alice", counter: 1, date: 1_795_305_600_000 };

function ask(serving: Serving, request: VisitRequest) {
  return visit(parseAddress(serving.address), () => Promise.resolve(request));
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => work, SealpostError)).code;
}

async function* once(bytes: Bytes) {
  yield await Promise.resolve(bytes);
}

function putKit({ link }: RawSession, id: Bytes, kit: Bytes) {
  return link.upload({ op: "kit-put", id: toHex(id), size: kit.length }, once(kit));
}

Deno.test("a kit is kept for its owner after the password alone, and found by its id alone", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const { session, ticket } = await serving.logIn("alice");
  const code = newKitCode();
  const id = await kitId(code);
  const kit = await sealKit(await kitKeys(code), HEAD, random(5000));
  assertEquals((await session.link.ask({ op: "whoami" })).kit, undefined);
  await putKit(session, id, kit);
  const { kit: kept } = await session.link.ask({ op: "whoami" });
  assertEquals([kept?.id, kept?.fetched], [toHex(id), undefined]);

  // Of another name, under another id, of another account.
  const foreign = await sealKit(await kitKeys(code), { ...HEAD, name: "bob" }, random(100));
  assertEquals(await codeOf(putKit(session, id, foreign)), "format");
  assertEquals(await codeOf(putKit(session, random(16), kit)), "format");
  const bob = await serving.session("bob");
  assertEquals(await codeOf(putKit(bob, id, foreign)), "id-conflict");

  const { data, bundle } = await ask(serving, { op: "kit-get", id: toHex(id) });
  assertEquals([data, bundle.fp], [kit, serving.folder.bundle.fp]);
  const { kit: fetched } = await session.link.ask({ op: "whoami" });
  assert((fetched?.fetched ?? 0) >= (kept?.at ?? Infinity), "its owner learns that it was fetched");

  const resumed = ticket && await serving.resume("alice", ticket);
  assert(resumed);
  assertEquals(await codeOf(putKit(resumed, id, kit)), "login-refused");
  assertEquals(await codeOf(resumed.link.ask({ op: "kit-drop" })), "login-refused");
  await session.link.ask({ op: "kit-drop" });
  assertEquals(await codeOf(ask(serving, { op: "kit-get", id: toHex(id) })), "no-such-message");
  await Promise.all([session, resumed, bob].map((one) => one.close()));
});

Deno.test("a visit gets what the other machine answers, once; a no and a guess get nothing", async () => {
  await using serving = await Serving.start(["alice"]);
  const alice = await serving.session("alice");
  const post = toBase64(random(1300));
  const came = (id: string) => {
    return waitFor("the visit", () => {
      return alice.events.some((event) => event.event === "link" && event.id === id) || null;
    });
  };
  const [yes, no] = [toHex(random(16)), toHex(random(16))];
  const answer = random(200_000);

  await alice.link.ask({ op: "link-open", id: yes });
  const visiting = ask(serving, { op: "link-post", id: yes, post });
  await came(yes);
  // Another one with the same words comes too late.
  assertEquals(await codeOf(ask(serving, { op: "link-post", id: yes, post })), "no-such-message");
  const send = () =>
    alice.link.upload({ op: "link-answer", id: yes, size: answer.length }, once(answer));
  await send();
  assertEquals((await visiting).data, answer);
  assertEquals(await codeOf(send()), "no-such-message");

  await alice.link.ask({ op: "link-open", id: no });
  const refused = codeOf(ask(serving, { op: "link-post", id: no, post }));
  await came(no);
  await alice.link.ask({ op: "link-close", id: no });
  assertEquals(await refused, "cancelled");
  await alice.close();
});

Deno.test("whoever guesses at the ids of links and kits is refused before long", async () => {
  await using serving = await Serving.start(["alice"], { "penalty-exempt": "off" });
  for (let tries = 0; serving.logged("source-penalised").length === 0; tries++) {
    assert(tries < 100, "guessing costs nothing");
    const op = tries % 2 === 0 ? "kit-get" as const : "link-post" as const;
    const id = toHex(random(16));
    await codeOf(ask(serving, op === "kit-get" ? { op, id } : { op, id, post: "AAAA" }));
  }
  assertEquals(serving.logged("source-penalised")[0]?.fields.offence, "login");
  assertEquals(await codeOf(ask(serving, { op: "kit-get", id: "0".repeat(32) })), "busy");
});
