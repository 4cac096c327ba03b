// @ts-check
// Runs shared.json of tests/vectors/.

import { fromHex, utf8 } from "./bytes.mjs";
import { refused, same, sameJson } from "./known_answers.mjs";
import { mergeShared, openShared, sealShared, sharedToPut, takeShared } from "./shared_record.mjs";
import { readJson, sharedRecord } from "./schemas.mjs";

/** @typedef {import("./shared_record.mjs").SharedRecord} SharedRecord */
/** @typedef {import("./known_answers.mjs").Answers} Answers */
/** @typedef {{ identity: string, user: string, version: number, sealed: string }} Sealed */

/** @param {Sealed} given @param {Answers} answers */
function open({ identity, user, version, sealed }, answers) {
  return openShared(answers.identity(identity), user, version, fromHex(sealed));
}

/** @param {SharedRecord} record @returns {SharedRecord} */
const read = (record) => readJson(sharedRecord, utf8(JSON.stringify(record)), "format");

export const shared = {
  /** @param {Sealed & { nonce: string, json: string }} given @param {Answers} answers */
  sealed(given, answers) {
    const { identity, user, version, nonce, json, sealed } = given;
    const own = answers.identity(identity);
    same("the sealed record", sealShared(own, user, version, json, fromHex(nonce)), sealed);
    sameJson("the record", open(given, answers), JSON.parse(json));
  },
  /** @param {{ a: SharedRecord, b: SharedRecord, merged: SharedRecord }} given */
  merges({ a, b, merged }) {
    sameJson("a with b", mergeShared(read(a), read(b)), merged);
    sameJson("b with a", mergeShared(read(b), read(a)), merged);
  },
  /** @param {{ seen: number, own: SharedRecord, theirs: SharedRecord, wentBack: boolean, taken: SharedRecord }} given */
  taken({ seen, own, theirs, wentBack, taken }) {
    sameJson("what is known", takeShared(seen, read(own), read(theirs), wentBack), taken);
  },
  /** @param {{ record: SharedRecord, self: { id: string, name: string }, version: number, now: number, put: SharedRecord }} given */
  puts({ record, self, version, now, put }) {
    sameJson("what is put", sharedToPut(read(record), self, version, now), put);
  },
  /** @param {Sealed & { error: string }} given @param {Answers} answers */
  malformed(given, answers) {
    refused(given.error, () => open(given, answers));
  },
};
