import { both, type Mutant, one } from "./mutant.ts";

const NOISE = "protocol/noise.ts";
const HANDSHAKE = "protocol/handshake.ts";
const RESUMPTION = "protocol/resumption.ts";

const transcript: readonly Mutant[] = [
  one(
    "the handshake uses a nonce twice",
    NOISE,
    "setUint32(8, this.#n++)",
    "setUint32(8, this.#n)",
  ),
  one("the nonce does not start over with a new key", NOISE, "    this.#n = 0;\n  }", "  }"),
  both(
    "the transcript is not bound to what is sealed",
    NOISE,
    ["this.#nextNonce(), plaintext, this.#h)", "this.#nextNonce(), plaintext)"],
    ["this.#nextNonce(), ciphertext, this.#h)", "this.#nextNonce(), ciphertext)"],
  ),
  both(
    "what is sealed is forgotten in the transcript",
    NOISE,
    ["    await this.mixHash(out);\n", ""],
    ["    await this.mixHash(ciphertext);\n", ""],
  ),
  one(
    "MixKeyAndHash forgets the hash",
    NOISE,
    "    await this.mixHash(out.subarray(32, 64));\n",
    "",
  ),
  one(
    "a new key forgets the old ones",
    NOISE,
    'const out = await hkdf(ikm, this.#ck, "", 64);',
    'const out = await hkdf(ikm, new Uint8Array(32), "", 64);',
  ),
  one(
    "both directions have one key",
    NOISE,
    "responder: out.slice(32, 64)",
    "responder: out.slice(0, 32)",
  ),
  one(
    "the exporter forgets the transcript",
    NOISE,
    "hkdf(x, h, concat(",
    "hkdf(x, new Uint8Array(0), concat(",
  ),
  one(
    "the exporter forgets the length of its context",
    NOISE,
    "concat(utf8(label), lp(context))",
    "concat(utf8(label), context)",
  ),
  one(
    "an erased state goes on working",
    NOISE,
    "if (this.#erased) throw",
    "if (this.#n < 0) throw",
  ),
  one(
    "an erased state keeps its keys",
    NOISE,
    "    this.#erased = true;\n    wipe(this.#ck);\n",
    "    this.#erased = true;\n",
  ),
  one(
    "steps can be taken in any order",
    "protocol/steps.ts",
    "if (step !== this.#next) throw",
    "if (!step) throw",
  ),
  one(
    "a failed step can be tried again",
    "protocol/steps.ts",
    "      this.#onFailure();\n",
    "      this.#next = step;\n",
  ),
];

const handshake: readonly Mutant[] = [
  one(
    "version and suite are not in the transcript",
    HANDSHAKE,
    "concat(new Uint8Array([VERSION, SUITE]), lp(encodeBundle(server)))",
    "lp(encodeBundle(server))",
  ),
  one(
    "the server's bundle is not in the transcript",
    HANDSHAKE,
    "concat(new Uint8Array([VERSION, SUITE]), lp(encodeBundle(server)))",
    "new Uint8Array([VERSION, SUITE])",
  ),
  both(
    "prefix and ephemeral keys are not in the transcript",
    HANDSHAKE,
    [
      "      await this.#state.mixHash(head);\n      const { ciphertexts",
      "      const { ciphertexts",
    ],
    ["      await this.#state.mixHash(head);\n      const ciphertexts", "      const ciphertexts"],
  ),
  both(
    "the X25519 secret is not mixed in",
    HANDSHAKE,
    [
      "      await this.#state.mixKey(dh);\n      await this.#state.mixHash(ct);",
      "      await this.#state.mixHash(ct);",
    ],
    [
      "      await this.#state.mixKey(dh);\n      const { ciphertext, secret }",
      "      const { ciphertext, secret }",
    ],
  ),
  both(
    "the ephemeral ML-KEM secret is not mixed in",
    HANDSHAKE,
    ["      await this.#state.mixKey(ss);\n", ""],
    ["      await this.#state.mixKey(secret);\n", ""],
  ),
  both(
    "the client's encryption keys are not proven",
    HANDSHAKE,
    [
      '"hs-client", ciphertexts);\n      await this.#state.mixKeyAndHash(secret);',
      '"hs-client", ciphertexts);',
    ],
    [
      "      await this.#state.mixKeyAndHash(secret);\n      wipe(secret);\n      return concat(sealed, await",
      "      wipe(secret);\n      return concat(sealed, await",
    ],
  ),
  both(
    "the secret to the server is encapsulated for the client's use",
    HANDSHAKE,
    [
      'encapsulatePadded(this.#server, "hs-server")',
      'encapsulatePadded(this.#server, "hs-client")',
    ],
    [
      'decapsulatePadded(this.#identity, "hs-server", ciphertexts)',
      'decapsulatePadded(this.#identity, "hs-client", ciphertexts)',
    ],
  ),
  one(
    "padding behind ct_rsa is not looked at",
    HANDSHAKE,
    "? secret : other;",
    "? secret : secret;",
  ),
  both(
    "the login's signature does not cover the transcript",
    HANDSHAKE,
    ["concat(LOGIN_LABEL, this.#state.h)", "LOGIN_LABEL"],
    ["signature, concat(LOGIN_LABEL, h)", "signature, LOGIN_LABEL"],
  ),
  both(
    "the login's signature has no label",
    HANDSHAKE,
    ["concat(LOGIN_LABEL, this.#state.h)", "this.#state.h"],
    ["signature, concat(LOGIN_LABEL, h)", "signature, h"],
  ),
  one(
    "the login's signature is not verified",
    HANDSHAKE,
    "if (!await verify(this.#client.ed25519Key,",
    "if (!signature && !await verify(this.#client.ed25519Key,",
  ),
  one("an ephemeral ML-KEM key is not checked", HANDSHAKE, "      checkMlKemPublic(ek);\n", ""),
  one(
    "a message of another length is read",
    HANDSHAKE,
    "if (message.length !== size) {",
    "if (message.length < size) {",
  ),
  one(
    "the client goes on when the server has proven nothing",
    HANDSHAKE,
    '        throw new SealpostError(\n          "server-identity",',
    '        return { server: "", maxMessage: 0, maxRecipients: 1 };\n        throw new SealpostError(\n          "server-identity",',
  ),
  one(
    "padding of hello, login and bundle is not looked at",
    "protocol/login.ts",
    "if (!isZero(padded.subarray(at))) throw",
    "if (at < 0) throw",
  ),
  one(
    "a login with any name is read",
    "protocol/login.ts",
    "if (!isName(login.name)) throw",
    "if (!login) throw",
  ),
  one(
    "a login without a password is read",
    "protocol/login.ts",
    "if (password.length === 0 || password.length > MAX_PASSWORD) {",
    "if (password.length > MAX_PASSWORD) {",
  ),
  one(
    "a hello may promise any number of recipients",
    "protocol/hello.ts",
    "v.maxValue(MAX_STANZAS)",
    "v.maxValue(2 ** 53)",
  ),
];

const resumption: readonly Mutant[] = [
  one(
    "the ticket's key is not mixed in",
    RESUMPTION,
    "  await state.mixKeyAndHash(known.psk);\n",
    "",
  ),
  one(
    "the ticket's id is not in the transcript",
    RESUMPTION,
    "concat(prefix(KIND_RESUMPTION), known.ticket)",
    "prefix(KIND_RESUMPTION)",
  ),
  one(
    "the name is not in the transcript of a resumption",
    RESUMPTION,
    "      lp(utf8(known.name)),\n",
    "",
  ),
  one(
    "the client's bundle is not in the transcript of a resumption",
    RESUMPTION,
    "      lp(encodeBundle(known.client)),\n",
    "",
  ),
  one(
    "an ephemeral ML-KEM key of a resumption is not checked",
    RESUMPTION,
    "      checkMlKemPublic(ekc);\n",
    "",
  ),
  both(
    "a resumption does not prove the client's key",
    RESUMPTION,
    ["        await this.#state.mixKeyAndHash(secret);\n        wipe(secret);\n", ""],
    ["      await this.#state.mixKeyAndHash(fixed.secret);\n", ""],
  ),
];

const grid: readonly Mutant[] = [
  one(
    "an answer leaves when it is ready",
    "protocol/timing_grid.ts",
    "return Math.max(1, Math.ceil(passed / this.step)) * this.step;",
    "return passed;",
  ),
  one(
    "an answer leaves before its time",
    "protocol/timing_grid.ts",
    "    while (performance.now() < due);\n",
    "",
  ),
];

/** Breakages of the transcript, the handshake, the resumption and the times of their answers. */
export const OF_HANDSHAKE: readonly Mutant[] = [
  ...transcript,
  ...handshake,
  ...resumption,
  ...grid,
];
