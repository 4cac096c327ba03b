// @ts-check
// Runs key_log.json of tests/vectors/.

import { concat, equal, fromHex } from "./bytes.mjs";
import {
  judge,
  KeyLog,
  readHead,
  readProof,
  readRecords,
  verifyHead,
  writeHead,
  writeRecord,
} from "./key_log.mjs";
import { refused, same, sameJson } from "./known_answers.mjs";

/** @typedef {import("./known_answers.mjs").Answers} Answers */
/** @typedef {{ generation: number, n: number, hash: string, time: number }} Facts */
/** @typedef {{ index: number, time: number, event: number, user: string, fp: string, seq: number, bytes: string, hash: string }} Given */
/** @typedef {{ name: string, first: number, start: string, records: Given[] }} Log */

/** @param {Log} given */
function logOf({ first, records }) {
  return new KeyLog(first, readRecords(concat(...records.map(({ bytes }) => fromHex(bytes)))));
}

/** @param {Facts} facts */
const factsOf = ({ generation, n, hash, time }) => ({ generation, n, hash: fromHex(hash), time });

export const key_log = {
  /** @param {Log} given */
  logs(given) {
    const log = logOf(given);
    same("h(0)", log.hashes[0] ?? new Uint8Array(0), given.start);
    sameJson("the number of records", log.n, given.records.length);
    given.records.forEach(({ index, time, event, user, fp, seq, bytes, hash }, i) => {
      const made = writeRecord({ index, time, event, name: user, fp: fromHex(fp), seq });
      same(`record ${index}`, made, bytes);
      same(`h(${index})`, log.hashes[i + 1] ?? new Uint8Array(0), hash);
    });
  },
  /** @param {Facts & { server: string, head: string }} given @param {Answers} answers */
  heads(given, answers) {
    const server = answers.identity(given.server);
    const made = writeHead(factsOf(given), server);
    same("the head", made, given.head);
    verifyHead(readHead(made), server.bundle);
  },
  /** @param {{ log: string, lost: string[], head: Facts, standing: string }} given @param {Answers} answers */
  standings({ log, lost, head, standing }, answers) {
    const named = (/** @type {string} */ name) => logOf(answers.find("key_log.json", "logs", name));
    sameJson("the standing", judge(factsOf(head), named(log), lost.map(named)), standing);
  },
  /** @param {{ server: string, proof: string }} given @param {Answers} answers */
  proofs({ server, proof }, answers) {
    const { fp } = readProof(fromHex(proof));
    if (!equal(fp, answers.identity(server).bundle.fp)) {
      throw new Error("a proof about another server");
    }
  },
  /** @param {{ error: string, as: string, bytes: string }} given @param {Answers} answers */
  malformed({ error, as, bytes }, answers) {
    const { first } = answers.find("key_log.json", "logs", "empty");
    refused(error, () => {
      if (as === "records") new KeyLog(first, readRecords(fromHex(bytes)));
      else readProof(fromHex(bytes));
    });
  },
};
