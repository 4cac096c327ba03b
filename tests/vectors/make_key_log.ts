import { type Bytes, concat, fromHex, lp, toHex, u64, utf8 } from "../../crypto/bytes.ts";
import { sign } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/hash.ts";
import { encodeBundle, type Identity } from "../../crypto/identity.ts";
import type { HeadFacts, KeyLogFile, LogVector } from "./files.ts";
import type { Identities } from "./identities.ts";
import { pattern } from "./pattern.ts";

const FIRST = 1_760_000_000;
const SECOND = FIRST + 86_400;
const TIME = FIRST * 1000 + 5000;

interface Facts {
  readonly time: number;
  readonly event: number;
  readonly user: string;
  readonly fp: Bytes;
  readonly seq: number;
}

/** Section 15.4. */
function recordOf(index: number, { time, event, user, fp, seq }: Facts): Bytes {
  const code = new Uint8Array([event]);
  return concat(u64(index), u64(time), code, lp(utf8(user)), fp, u64(seq));
}

async function logOf(name: string, first: number, facts: readonly Facts[]): Promise<LogVector> {
  let hash = await sha256(concat(utf8("sealpost/1 key log"), u64(first)));
  const start = toHex(hash);
  const records: LogVector["records"][number][] = [];
  for (const [i, given] of facts.entries()) {
    // A new generation names the log before it.
    const one = given.event === 6 ? { ...given, fp: hash } : given;
    const bytes = recordOf(i + 1, one);
    hash = await sha256(concat(hash, bytes));
    const { time, event, user, fp, seq } = one;
    records.push({
      index: i + 1,
      time,
      event,
      user,
      fp: toHex(fp),
      seq,
      bytes: toHex(bytes),
      hash: toHex(hash),
    });
  }
  return { name, first, start, records };
}

function headBody(facts: HeadFacts, server: Identity): Bytes {
  const { generation, n, hash, time } = facts;
  return concat(u64(generation), u64(n), fromHex(hash), u64(time), server.bundle.fp);
}

async function headOf(facts: HeadFacts, server: Identity): Promise<Bytes> {
  const body = headBody(facts, server);
  return concat(body, await sign(server.ed25519Key, concat(utf8("sealpost/1 log head"), body)));
}

/** key_log.json. */
export async function makeKeyLog(identities: Identities): Promise<KeyLogFile> {
  const server = await identities.get("server");
  const fp = (seed: string) => pattern(`key log ${seed}`, 32);
  const serverKey = { time: TIME, event: 5, user: "", fp: server.bundle.fp, seq: 0 };
  const bound = (user: string, time: number) => ({ time, event: 1, user, fp: fp(user), seq: 0 });
  const alice = bound("alice", TIME + 1000);
  const bob = bound("bob", TIME + 2000);
  const rotated = { time: TIME + 3000, event: 2, user: "bob", fp: fp("bob 2"), seq: 1 };
  const longest = bound("d".repeat(32), TIME + 3000);
  const released = { ...alice, time: TIME + 4000, event: 3 };
  const restored = { time: SECOND * 1000, event: 6, user: "", fp: fp("none"), seq: SECOND };
  const again = { ...rotated, time: SECOND * 1000 + 9000, fp: fp("bob 3") };
  const history = [serverKey, alice, bob, rotated, longest, released];
  const logs = [
    await logOf("empty", FIRST, []),
    await logOf("plain", FIRST, history),
    await logOf("another", FIRST, [
      serverKey,
      alice,
      bob,
      { ...rotated, fp: fp("bob 4") },
      longest,
      released,
    ]),
    await logOf("restored", FIRST, [serverKey, alice, bob, restored, again]),
  ];
  const log = (name: string) => {
    const found = logs.find((one) => one.name === name);
    if (!found) throw new Error(`there is no log ${name}`);
    return found;
  };
  const facts = (name: string, n: number, generation = FIRST, time = TIME + 60_000): HeadFacts => {
    const { start, records } = log(name);
    return { generation, n, hash: records[n - 1]?.hash ?? start, time };
  };
  const standing = (
    name: string,
    is: "fits" | "ahead" | "lost" | "contradicts",
    to: string,
    head: HeadFacts,
    lost: readonly string[] = [],
  ) => ({ name, log: to, lost: [...lost], head, standing: is });
  const late = SECOND * 1000 + 600_001;
  const now = SECOND * 1000 + 20_000;
  const heads = await Promise.all(
    ([["plain", 6], ["empty", 0]] as const).map(async ([name, n]) => {
      const head = facts(name, n);
      return { name, server: "server", ...head, head: toHex(await headOf(head, server)) };
    }),
  );
  const proofOf = async (of: string, head: HeadFacts, other: HeadFacts) => {
    const { first, records } = log(of);
    return concat(
      lp(encodeBundle(server.bundle)),
      lp(await headOf(head, server)),
      lp(await headOf(other, server)),
      u64(first),
      ...records.map(({ bytes }) => fromHex(bytes)),
    );
  };
  const proof = async (name: string, of: string, head: HeadFacts, other: HeadFacts) => {
    return { name, server: "server", proof: toHex(await proofOf(of, head, other)) };
  };
  const good = await proofOf("plain", facts("plain", 6), facts("another", 6));
  const signatureAt = lp(encodeBundle(server.bundle)).length + 4 + 88;
  const flipped = good.map((byte, i) => i === signatureAt ? byte ^ 1 : byte);
  const first = recordOf(1, alice);
  const record = (name: string, why: string, bytes: Bytes) => {
    return { name, why, error: "format" as const, as: "records" as const, bytes: toHex(bytes) };
  };
  const wrong = (name: string, why: string, bytes: Bytes, error: "authentication" | "format") => {
    return { name, why, error, as: "proof" as const, bytes: toHex(bytes) };
  };
  return {
    logs,
    heads,
    standings: [
      standing("the same", "fits", "plain", facts("plain", 6)),
      standing("an earlier one", "fits", "plain", facts("plain", 2)),
      standing("without a record", "fits", "plain", facts("plain", 0)),
      standing("another history", "contradicts", "plain", facts("another", 6)),
      standing("another history before they part", "fits", "plain", facts("another", 3)),
      standing("records to come", "ahead", "empty", facts("plain", 6)),
      standing("a generation to come", "ahead", "plain", facts("restored", 5, SECOND, now)),
      standing("before the restore", "fits", "restored", facts("plain", 3)),
      standing("lost in the restore", "lost", "restored", facts("plain", 6)),
      standing("lost, and kept", "fits", "restored", facts("plain", 6), ["plain"]),
      standing("lost, and kept otherwise", "contradicts", "restored", facts("another", 6), [
        "plain",
      ]),
      standing(
        "signed after the restore",
        "contradicts",
        "restored",
        facts("plain", 6, FIRST, late),
      ),
      standing("a generation before it began", "contradicts", "restored", {
        ...facts("restored", 3),
        generation: SECOND,
      }),
      standing("a generation that nobody knows, between", "lost", "restored", {
        ...facts("plain", 6),
        generation: FIRST + 1,
      }),
    ],
    proofs: [
      await proof("two histories", "plain", facts("plain", 6), facts("another", 6)),
      await proof(
        "records taken back",
        "empty",
        facts("empty", 0, FIRST, TIME + 90_000),
        facts("plain", 6),
      ),
      await proof(
        "the former generation goes on",
        "restored",
        facts("restored", 5, SECOND, now),
        facts("plain", 6, FIRST, late),
      ),
    ],
    malformed: [
      record("record-cut", "a record that is cut", first.slice(0, -1)),
      record("record-index-0", "number 0", recordOf(0, alice)),
      record("record-index-2", "the first has number 2", recordOf(2, alice)),
      record("record-event-4", "an event that there is not", recordOf(1, { ...alice, event: 4 })),
      record("record-name", "a name that is none", recordOf(1, { ...alice, user: "Alice" })),
      record(
        "record-no-name",
        "a user's event without a name",
        recordOf(1, { ...alice, user: "" }),
      ),
      record(
        "record-server-name",
        "a server's event with a name",
        recordOf(1, { ...serverKey, user: "alice" }),
      ),
      record(
        "record-back",
        "a time that decreases",
        concat(first, recordOf(2, { ...bob, time: TIME })),
      ),
      record(
        "record-generation-hash",
        "a generation that names another log",
        concat(first, recordOf(2, restored)),
      ),
      record(
        "record-generation-low",
        "a generation before the first",
        recordOf(1, { ...restored, fp: fromHex(log("empty").start), seq: FIRST }),
      ),
      wrong(
        "proof-one-history",
        "two heads of one history",
        await proofOf("plain", facts("plain", 6), facts("plain", 3)),
        "authentication",
      ),
      wrong(
        "proof-ahead-later",
        "the other may have been signed later",
        await proofOf("empty", facts("empty", 0), facts("plain", 6, FIRST, TIME + 60_001)),
        "authentication",
      ),
      wrong(
        "proof-lost",
        "what a restore has lost",
        await proofOf("restored", facts("restored", 5, SECOND, now), facts("plain", 6)),
        "authentication",
      ),
      wrong(
        "proof-other-log",
        "the records are not those of the head",
        await proofOf("another", facts("plain", 6), facts("another", 5)),
        "authentication",
      ),
      wrong("proof-signature", "a signature that does not verify", flipped, "authentication"),
      wrong("proof-cut", "a proof that is cut", good.slice(0, 1000), "format"),
    ],
  };
}
