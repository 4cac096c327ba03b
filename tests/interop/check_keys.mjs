// @ts-check
// Runs keys.json and kem.json of tests/vectors/.

import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { concat, equal, fromHex, lp, NONE, toHex } from "./bytes.mjs";
import { ed25519Pair } from "./curves.mjs";
import { readBundle, rsaSpki, showFingerprint } from "./identity.mjs";
import { decapsulate, encapsulate } from "./kem.mjs";
import { bundleFromPem, identityFromPem } from "./key_files.mjs";
import { edited, kemDraws, refused, same, sameJson } from "./known_answers.mjs";

/** @typedef {import("./known_answers.mjs").Answers} Answers */
/** @typedef {import("./known_answers.mjs").Edit} Edit */
/** @typedef {import("./known_answers.mjs").Draws} Draws */
/** @typedef {import("./kem.mjs").Use} Use */

const MLKEM_SPKI = fromHex("308204b2300b0609608648016503040402038204a100");
const ED25519_SPKI = fromHex("302a300506032b6570032100");

export const keys = {
  /**
   * @param {{ rsaBits: number, p: string, q: string, mlkemSeed: string, ed25519Seed: string, bundle: string, fingerprint: string, shown: string, short: string, publicFile: string, privateFile: string }} given
   */
  identities(given) {
    const [p, q] = [BigInt(`0x${given.p}`), BigInt(`0x${given.q}`)];
    const spki = rsaSpki(p * q, 65537n);
    const mlkem = ml_kem768.keygen(fromHex(given.mlkemSeed)).publicKey;
    const ed25519 = ed25519Pair(fromHex(given.ed25519Seed)).publicKey;
    const parts = [spki, concat(MLKEM_SPKI, mlkem), concat(ED25519_SPKI, ed25519)];
    same("the bundle of the numbers", concat(...parts.map(lp)), given.bundle);
    const bundle = bundleFromPem(given.publicFile);
    same("the bundle of the public file", bundle.bytes, given.bundle);
    const own = identityFromPem(given.privateFile, null).bundle;
    same("the bundle of the private file", own.bytes, given.bundle);
    same("the fingerprint", bundle.fp, given.fingerprint);
    sameJson(
      "the size and the fingerprint as they are shown",
      [bundle.rsaSize * 8, showFingerprint(bundle.fp), toHex(bundle.fp.subarray(0, 4))],
      [given.rsaBits, given.shown, given.short],
    );
  },
  /**
   * @param {{ identity: string, passphrase: string, file: string }} given @param {Answers} answers
   */
  encryptedFiles({ identity, passphrase, file }, answers) {
    const { bundle, mlkemSeed } = identityFromPem(file, passphrase);
    const expected = answers.identity(identity);
    same("the bundle", bundle.bytes, toHex(expected.bundle.bytes));
    same("the ML-KEM seed", mlkemSeed, toHex(expected.mlkemSeed));
  },
  /**
   * @param {{ error: string, bundle?: string, identity?: string, edits?: Edit[] }} given
   * @param {Answers} answers
   */
  malformedBundles({ error, bundle, identity = "", edits }, answers) {
    const base = bundle === undefined ? answers.identity(identity).bundle.bytes : fromHex(bundle);
    refused(error, () => readBundle(edited(base, edits)));
  },
  /** @param {{ error: string, kind: "public" | "private", passphrase: string | null, file: string }} given */
  malformedFiles({ error, kind, passphrase, file }) {
    refused(
      error,
      () => kind === "public" ? bundleFromPem(file) : identityFromPem(file, passphrase),
    );
  },
};

export const kem = {
  /**
   * @param {{ to: string, use: Use, from?: string, draws: Draws, ctRsa: string, ctMlkem: string, kMlkem: string, secret: string }} given
   * @param {Answers} answers
   */
  encapsulations(given, answers) {
    const to = answers.identity(given.to);
    const context = given.from ? answers.identity(given.from).bundle.fp : NONE;
    const made = encapsulate(to.bundle, given.use, kemDraws(given.draws), context);
    same("ct_rsa", made.ctRsa, given.ctRsa);
    same("ct_mlkem", made.ctMlkem, given.ctMlkem);
    same("k_mlkem", made.kMlkem, given.kMlkem);
    same("the secret", made.secret, given.secret);
    const found = decapsulate(to, given.use, made.ctRsa, made.ctMlkem, context);
    same("the secret that is decapsulated", found, given.secret);
  },
  /**
   * @param {{ by: string, use: Use, from: string, ctRsa: string, ctMlkem: string, not: string }} given
   * @param {Answers} answers
   */
  rejected({ by, use, from, ctRsa, ctMlkem, not }, answers) {
    const context = answers.identity(from).bundle.fp;
    const ciphertexts = /** @type {const} */ ([fromHex(ctRsa), fromHex(ctMlkem)]);
    const once = () => decapsulate(answers.identity(by), use, ...ciphertexts, context);
    const secret = once();
    if (secret.length !== 32 || toHex(secret) === not) throw new Error("the secret comes out");
    if (!equal(secret, once())) throw new Error("another secret the second time");
  },
  /**
   * @param {{ error: string, by: string, use: Use, ctRsa: string, ctMlkem: string }} given
   * @param {Answers} answers
   */
  malformed({ error, by, use, ctRsa, ctMlkem }, answers) {
    const own = answers.identity(by);
    refused(error, () => decapsulate(own, use, fromHex(ctRsa), fromHex(ctMlkem)));
  },
};
