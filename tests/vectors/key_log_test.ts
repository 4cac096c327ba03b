import { assert, assertEquals } from "@std/assert";
import { fromHex, toHex } from "../../crypto/bytes.ts";
import { decodeForkProof, encodeForkProof, requireFork } from "../../protocol/fork_proof.ts";
import {
  decodeHead,
  decodeLogRecords,
  encodeHead,
  encodeLogRecord,
  isSignedHead,
  judgeHead,
  KEY_EVENTS,
  KeyLog,
  signHead,
} from "../../protocol/key_log.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { type HeadFacts, type KeyLogFile, readVectors } from "./files.ts";
import { Identities } from "./identities.ts";

const file = await readVectors<KeyLogFile>("key_log.json");
const identities = await Identities.load();

function logOf(name: string): KeyLog {
  const found = file.logs.find((one) => one.name === name);
  if (!found) throw new Error(`there is no log ${name}`);
  const records = found.records.flatMap(({ bytes }) => decodeLogRecords(fromHex(bytes)));
  return KeyLog.begin(found.first).extend(records);
}

const stateOf = ({ generation, n, hash }: HeadFacts) => ({ generation, n, hash: fromHex(hash) });

Deno.test("the vectors of key logs: each record has these bytes, and the log after it this hash", async () => {
  await forEachCase(file.logs, ({ name, start, records }) => {
    const log = logOf(name);
    assertEquals(toHex(log.hash(0)), start);
    for (const [i, given] of records.entries()) {
      const record = log.records[i];
      assert(record);
      const { index, time, event, name: user, fp, seq } = record;
      assertEquals(
        { index, time, event: KEY_EVENTS[event], user, fp: toHex(fp), seq },
        {
          index: given.index,
          time: given.time,
          event: given.event,
          user: given.user,
          fp: given.fp,
          seq: given.seq,
        },
      );
      assertEquals(toHex(encodeLogRecord(record)), given.bytes);
      assertEquals(toHex(log.hash(i + 1)), given.hash);
    }
  });
});

Deno.test("the vectors of key logs: a head is signed so, and verifies for its server alone", async () => {
  await forEachCase(file.heads, async ({ server, time, head, ...facts }) => {
    const identity = await identities.get(server);
    const made = await signHead(stateOf({ ...facts, time }), time, identity);
    assertEquals(toHex(made), head);
    const read = decodeHead(made);
    assertEquals(toHex(encodeHead(read)), head);
    assert(await isSignedHead(read, identity.bundle));
    assert(!await isSignedHead(read, (await identities.get("gate")).bundle));
    assert(!await isSignedHead({ ...read, n: read.n + 1 }, identity.bundle));
  });
});

Deno.test("the vectors of key logs: how a head stands to a log", async () => {
  await forEachCase(file.standings, ({ log, lost, head, standing }) => {
    const none = new Uint8Array(64);
    const whole = { ...stateOf(head), time: head.time, serverFp: none, signature: none };
    assertEquals(judgeHead(whole, logOf(log), lost.map(logOf)), standing);
  });
});

Deno.test("the vectors of key logs: a proof of two histories is one, byte for byte", async () => {
  await forEachCase(file.proofs, async ({ server, proof }) => {
    const read = await decodeForkProof(fromHex(proof));
    await requireFork(read);
    assertEquals(read.server.fp, (await identities.get(server)).bundle.fp);
    assertEquals(toHex(encodeForkProof(read)), proof);
  });
});

Deno.test("the vectors of key logs: every malformed one is refused", async () => {
  await forEachRefused(file.malformed, async ({ as, bytes }) => {
    if (as === "records") {
      KeyLog.begin(file.logs[0]?.first ?? 0).extend(decodeLogRecords(fromHex(bytes)));
    } else await requireFork(await decodeForkProof(fromHex(bytes)));
  });
});
