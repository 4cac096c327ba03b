// @ts-check
// Runs rotation.json of tests/vectors/.

import { fromHex } from "./bytes.mjs";
import { decapsulate, encapsulate } from "./kem.mjs";
import { edited, kemDraws, refused, same, sameJson } from "./known_answers.mjs";
import { certificate, followChain, proof, readCertificate, signedText } from "./rotation.mjs";

/** @typedef {import("./known_answers.mjs").Answers} Answers */
/** @typedef {import("./known_answers.mjs").Edit} Edit */
/** @typedef {import("./known_answers.mjs").Draws} Draws */

/** @typedef {{ name: string, user: string, server: string, seq: number, from: string, to: string, time: number, signed: string, certificate: string }} Made */

/** @typedef {{ user: string, servers: string[], start: string, seq: number, retired: string[], certificates: string[], end: string }} Chain */

/** @param {string} name @param {Answers} answers @returns {Made} */
function made(name, answers) {
  const all = /** @type {Made[]} */ (answers.read("rotation.json").certificates);
  const found = all.find((one) => one.name === name);
  if (!found) throw new Error(`there is no certificate ${name}`);
  return found;
}

/** @param {Chain} chain @param {Answers} answers */
function follow(chain, answers) {
  const bundle = (/** @type {string} */ name) => answers.identity(name).bundle;
  const links = chain.certificates.map((name) => {
    const { certificate, from } = made(name, answers);
    return { certificate: fromHex(certificate), bundle: bundle(from) };
  });
  return followChain(
    chain.user,
    chain.servers.map((name) => bundle(name).fp),
    bundle(chain.start),
    chain.seq,
    chain.retired.map((name) => bundle(name).fp),
    links,
    bundle(chain.end),
  );
}

export const rotation = {
  /** @param {Made} given @param {Answers} answers */
  certificates(given, answers) {
    const [from, to] = [answers.identity(given.from), answers.identity(given.to)];
    const { fp } = answers.identity(given.server).bundle;
    const signed = signedText(
      given.user,
      fp,
      given.seq,
      from.bundle.fp,
      to.bundle.fp,
      given.time,
    );
    same("what is signed", signed, given.signed);
    const bytes = certificate(given.user, signed, from, to);
    same("the certificate", bytes, given.certificate);
    const { name, seq } = readCertificate(bytes, from.bundle, to.bundle, given.user === "");
    sameJson("name and number", [name, seq], [given.user, given.seq]);
  },
  /**
   * @param {{ certificate: string, draws: Draws, ctRsa: string, ctMlkem: string, secret: string, exported: string, proof: string }} given
   * @param {Answers} answers
   */
  proofs(given, answers) {
    const { to, certificate } = made(given.certificate, answers);
    const own = answers.identity(to);
    const sent = encapsulate(own.bundle, "rotate", kemDraws(given.draws));
    same("ct_rsa", sent.ctRsa, given.ctRsa);
    same("ct_mlkem", sent.ctMlkem, given.ctMlkem);
    const secret = decapsulate(own, "rotate", sent.ctRsa, sent.ctMlkem);
    same("the secret", secret, given.secret);
    const answer = proof(secret, fromHex(certificate), fromHex(given.exported));
    same("the proof", answer, given.proof);
  },
  /** @param {Chain} given @param {Answers} answers */
  chains(given, answers) {
    const number = follow(given, answers);
    sameJson("the number", number, given.seq + given.certificates.length);
  },
  /** @param {{ error: string, base: string, edits: Edit[] }} given @param {Answers} answers */
  malformed({ error, base, edits }, answers) {
    const { user, certificate, from, to } = made(base, answers);
    const [old, young] = [answers.identity(from).bundle, answers.identity(to).bundle];
    const bytes = edited(fromHex(certificate), edits);
    refused(error, () => readCertificate(bytes, old, young, user === ""));
  },
  /** @param {Chain & { error: string }} given @param {Answers} answers */
  refused(given, answers) {
    refused(given.error, () => follow(given, answers));
  },
};
