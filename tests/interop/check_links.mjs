// @ts-check
// Runs links.json of tests/vectors/.

import { fromHex, toHex } from "./bytes.mjs";
import { refused, same, sameJson } from "./known_answers.mjs";
import {
  answerPost,
  codeNumbers,
  comparedNumbers,
  kitKeys,
  linkId,
  openAnswer,
  openKit,
  readPost,
  sealKit,
  writePost,
} from "./links.mjs";

/** @typedef {import("./known_answers.mjs").Answers} Answers */
/**
 * @typedef {{ name: string, code: string, indexes: number[], server: string, device: string, x2: string,
 *   seed2: string, id: string, post: string, compared: number[], x1: string, m: string,
 *   package: string, answer: string }} Link
 */
/**
 * @typedef {{ code: string, indexes: number[], user: string, counter: number, date: number, id: string,
 *   x: string, ek: string, mac: string, xe: string, m: string, package: string, kit: string }} Kit
 */

/** Links by their names, for what is malformed of them. @type {Map<string, Link>} */
const seen = new Map();

/** @param {Link} link */
const keysOf = ({ x2, seed2 }) => ({ x: fromHex(x2), seed: fromHex(seed2) });

export const links = {
  /** @param {Link} given @param {Answers} answers */
  links(given, answers) {
    seen.set(given.name, given);
    const code = fromHex(given.code);
    const { fp } = answers.identity(given.server).bundle;
    sameJson("the words", codeNumbers(code), given.indexes);
    same("the id", linkId(code), given.id);
    const post = writePost(code, fp, given.device, keysOf(given));
    same("the post", post, given.post);
    sameJson("the compared words", comparedNumbers(post), given.compared);
    const draws = { x: fromHex(given.x1), m: fromHex(given.m) };
    const answer = answerPost(code, fp, post, fromHex(given.package), draws);
    same("the answer", answer, given.answer);
    same("the package", openAnswer(code, post, keysOf(given), answer), given.package);
  },
  /** @param {Kit} given */
  kits(given) {
    const code = fromHex(given.code);
    const keys = kitKeys(code);
    sameJson("the words", codeNumbers(code), given.indexes);
    same("the id", keys.id, given.id);
    same("X25519", keys.x.publicKey, given.x);
    same("ML-KEM", keys.ek, given.ek);
    same("the key of the mac", keys.mac, given.mac);
    const draws = { x: fromHex(given.xe), m: fromHex(given.m) };
    const kit = sealKit(keys, given, fromHex(given.package), draws);
    same("the kit", kit, given.kit);
    const { package: plaintext, ...facts } = openKit(code, kit);
    const { user, counter, date } = given;
    sameJson("what it says", facts, { user, counter, date });
    sameJson("the package", toHex(plaintext), given.package);
  },
  /** @param {{ error: string, code: string, server: string, post: string }} given @param {Answers} answers */
  malformedPosts({ error, code, server, post }, answers) {
    const { fp } = answers.identity(server).bundle;
    refused(error, () => readPost(fromHex(code), fp, fromHex(post)));
  },
  /** @param {{ error: string, link: string, answer: string }} given */
  malformedAnswers({ error, link, answer }) {
    const one = seen.get(link);
    if (one === undefined) throw new Error(`no link ${link}`);
    refused(
      error,
      () => openAnswer(fromHex(one.code), fromHex(one.post), keysOf(one), fromHex(answer)),
    );
  },
  /** @param {{ error: string, code: string, kit: string }} given */
  malformedKits({ error, code, kit }) {
    refused(error, () => openKit(fromHex(code), fromHex(kit)));
  },
};
