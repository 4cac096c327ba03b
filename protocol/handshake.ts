import { type Bytes, concat, isZero, lp, random, utf8, wipe } from "../crypto/bytes.ts";
import { sign, verify } from "../crypto/ed25519.ts";
import { SealpostError } from "../crypto/error.ts";
import {
  type Bundle,
  decodeBundle,
  encodeBundle,
  formatFingerprint,
  type Identity,
} from "../crypto/identity.ts";
import { decapsulate, encapsulate, type KemUse } from "../crypto/kem.ts";
import { checkMlKemPublic, loadMlKem, mlKem } from "../crypto/ml_kem.ts";
import { agree, generateX25519 } from "../crypto/x25519.ts";
import { decodeHello, encodeHello, type Hello } from "./hello.ts";
import { SUITE, VERSION } from "./limits.ts";
import { decodeLogin, encodeLogin, type Login, padTo, readPadded } from "./login.ts";
import { type SplitKeys, SymmetricState } from "./noise.ts";
import { Steps } from "./steps.ts";

/** The protocol name of a full handshake, from which the transcript hash starts. */
export const PROTOCOL_NAME = "sealpost/1 handshake RSAOAEP+MLKEM768 X25519 AES256GCM SHA256";

/** What a connection's first message asks for: byte 2 of it, after version and suite. */
export const KIND_HANDSHAKE = 1;
/** A connection without a login, for somebody who has words. */
export const KIND_VISIT = 4;
/** Asks for the server's bundle, for somebody who has not got `server_public.pem`. */
export const KIND_BUNDLE = 3;

/** A handshake under a key that the server has left: its fingerprint follows the prefix. */
export const KIND_FORMER = 5;

/** `version (1) ‖ suite (1) ‖ kind (1)`: how every connection begins. */
export const PREFIX_SIZE = 3;

const X_SIZE = 32;
/** A fingerprint, bytes. */
export const FP_SIZE = 32;
const EK_SIZE = 1184;
const CT_MLKEM_SIZE = 1088;
const CT_RSA_PADDED = 512;
const TAG = 16;
/** A padded server hello, bytes. */
export const HELLO_SIZE = 256;
/** A bundle or a login in message C, with its padding. */
const C_PART = 2048;

/** `prefix ‖ X_c ‖ EK_c ‖ ct_rsa (zero-padded) ‖ ct_mlkem`, bytes. */
export const SIZE_A = PREFIX_SIZE + X_SIZE + EK_SIZE + CT_RSA_PADDED + CT_MLKEM_SIZE;
/** Message A of {@linkcode KIND_FORMER}: the fingerprint of the key stands behind the prefix, bytes. */
export const SIZE_FORMER_A = SIZE_A + FP_SIZE;
/** `X_s ‖ ct_e ‖ {hello}`, bytes. */
export const SIZE_B = X_SIZE + CT_MLKEM_SIZE + HELLO_SIZE + TAG;
/** `{bundle} ‖ {login}`, bytes. */
export const SIZE_C = 2 * (C_PART + TAG);
/** `{ct_rsa (zero-padded) ‖ ct_mlkem} ‖ {}`, bytes. */
export const SIZE_D = CT_RSA_PADDED + CT_MLKEM_SIZE + TAG + TAG;
/** `{signature}`, bytes. */
export const SIZE_E = 64 + TAG;

const LOGIN_LABEL = utf8("sealpost/1 login");

/** The three bytes that begin a connection of this version and suite. */
export function prefix(kind: number): Bytes {
  return new Uint8Array([VERSION, SUITE, kind]);
}

/** `version ‖ suite ‖ LP(server's bundle)`: what both sides know before the first byte. */
function prologue(server: Bundle): Bytes {
  return concat(new Uint8Array([VERSION, SUITE]), lp(encodeBundle(server)));
}

/** Half of a KEM token: the ciphertexts as they travel, `ct_rsa` zero-padded to 512 bytes. */
async function encapsulatePadded(
  to: Bundle,
  use: KemUse,
): Promise<{ ciphertexts: Bytes; secret: Bytes }> {
  const { ctRsa, ctMlkem, secret } = await encapsulate(to, use);
  return { ciphertexts: concat(padTo(ctRsa, CT_RSA_PADDED), ctMlkem), secret };
}

/**
 * The secret of padded ciphertexts. Padding that is not zero is handled as every bad ciphertext
 * is: it gives a key that does not match.
 */
async function decapsulatePadded(
  identity: Identity,
  use: KemUse,
  ciphertexts: Bytes,
): Promise<Bytes> {
  const size = identity.bundle.rsaBits / 8;
  const secret = await decapsulate(
    identity,
    use,
    ciphertexts.slice(0, size),
    ciphertexts.slice(CT_RSA_PADDED),
  );
  const other = random(secret.length);
  return isZero(ciphertexts.subarray(size, CT_RSA_PADDED)) ? secret : other;
}

/**
 * A login proves both sides, under the server's present key or a former one; a visit, for somebody who
 * has nothing but words, the server alone: it ends with message B.
 */
export type HandshakePurpose = "login" | "former" | "visit";

const LOGIN_CLIENT_STEPS = ["writeA", "readB", "writeC", "readD", "writeE", "split"] as const;
const LOGIN_SERVER_STEPS = ["readA", "writeB", "readC", "writeD", "readE", "split"] as const;

const CLIENT_STEPS = {
  login: LOGIN_CLIENT_STEPS,
  former: LOGIN_CLIENT_STEPS,
  visit: ["writeA", "readB", "split"],
} as const;
const SERVER_STEPS = {
  login: LOGIN_SERVER_STEPS,
  former: LOGIN_SERVER_STEPS,
  visit: ["readA", "writeB", "split"],
} as const;
const KIND_OF = { login: KIND_HANDSHAKE, former: KIND_FORMER, visit: KIND_VISIT } as const;

/** How message A begins: the prefix, and for a key that the server has left its fingerprint. */
function opening(server: Bundle, purpose: HandshakePurpose): Bytes {
  const begin = prefix(KIND_OF[purpose]);
  return purpose === "former" ? concat(begin, server.fp) : begin;
}

function checkSize(message: Bytes, size: number, name: string): void {
  if (message.length !== size) {
    throw new SealpostError("protocol", `handshake message ${name} has the wrong length`);
  }
}

/**
 * The client's side of the handshake, as a state machine over bytes: `writeA`, `readB`, `writeC`,
 * `readD`, `writeE`, `split`, each once and in this order: another call throws `internal`. After
 * any error its keys are erased and every call throws.
 */
export class ClientHandshake {
  readonly #server: Bundle;
  readonly #identity: Identity | null;
  readonly #purpose: HandshakePurpose;
  readonly #state: SymmetricState;
  readonly #steps: Steps;
  #x: CryptoKey | null = null;
  #ek: { decapsulate(ct: Bytes): Promise<Bytes> } | null = null;

  private constructor(
    server: Bundle,
    identity: Identity | null,
    purpose: HandshakePurpose,
    state: SymmetricState,
  ) {
    this.#server = server;
    this.#identity = identity;
    this.#purpose = purpose;
    this.#state = state;
    this.#steps = new Steps(CLIENT_STEPS[purpose], () => state.erase());
  }

  /** `former`: whether the server may have left the key `server`, and is to show that it had it. */
  static async start(
    server: Bundle,
    identity: Identity,
    former = false,
  ): Promise<ClientHandshake> {
    const state = await SymmetricState.start(PROTOCOL_NAME, prologue(server));
    return new ClientHandshake(server, identity, former ? "former" : "login", state);
  }

  /** For a visit: `writeA`, `readB`, `split`. */
  static async startVisit(server: Bundle): Promise<ClientHandshake> {
    const state = await SymmetricState.start(PROTOCOL_NAME, prologue(server));
    return new ClientHandshake(server, null, "visit", state);
  }

  get #own(): Identity {
    if (this.#identity === null) throw new SealpostError("internal", "a visit has no identity");
    return this.#identity;
  }

  /** Message A, {@linkcode SIZE_A} or {@linkcode SIZE_FORMER_A} bytes. Nothing in it is of the client. */
  writeA(): Promise<Bytes> {
    return this.#steps.take("writeA", async () => {
      const x = await generateX25519();
      const ek = await mlKem.generate();
      this.#x = x.privateKey;
      this.#ek = await loadMlKem(ek.seed);
      wipe(ek.seed);
      const head = concat(opening(this.#server, this.#purpose), x.publicKey, ek.publicKey);
      await this.#state.mixHash(head);
      const { ciphertexts, secret } = await encapsulatePadded(this.#server, "hs-server");
      const sealed = await this.#state.encryptAndHash(ciphertexts);
      await this.#state.mixKeyAndHash(secret);
      wipe(secret);
      return concat(head, sealed);
    });
  }

  /**
   * Reads message B. That it verifies proves the server's two private encryption keys. Throws
   * `server-identity` if it does not, `protocol` if it is malformed.
   */
  readB(b: Bytes): Promise<Hello> {
    return this.#steps.take("readB", async () => {
      checkSize(b, SIZE_B, "B");
      if (!this.#x || !this.#ek) throw new SealpostError("internal", "message B out of order");
      const xs = b.slice(0, X_SIZE);
      const ct = b.slice(X_SIZE, X_SIZE + CT_MLKEM_SIZE);
      await this.#state.mixHash(xs);
      const dh = await agree(this.#x, xs);
      await this.#state.mixKey(dh);
      await this.#state.mixHash(ct);
      const ss = await this.#ek.decapsulate(ct);
      await this.#state.mixKey(ss);
      wipe(dh, ss);
      this.#x = null;
      this.#ek = null;
      let hello: Bytes;
      try {
        hello = await this.#state.decryptAndHash(b.slice(X_SIZE + CT_MLKEM_SIZE));
      } catch (cause) {
        throw new SealpostError(
          "server-identity",
          `the server is not the one whose key is pinned (${
            formatFingerprint(this.#server.fp)
          }); ` +
            "nothing was sent. Ask whoever runs your server whether it has a new key: if so, get the " +
            "new server_public.pem from them; if not, somebody else answers in its place",
          { cause },
        );
      }
      return decodeHello(hello);
    });
  }

  /** Message C, {@linkcode SIZE_C} bytes: the client's bundle, then its name and password. */
  writeC(login: Login): Promise<Bytes> {
    return this.#steps.take("writeC", async () => {
      const bundle = padTo(encodeBundle(this.#own.bundle), C_PART);
      const encoded = encodeLogin(login);
      const padded = padTo(encoded, C_PART);
      const c = concat(
        await this.#state.encryptAndHash(bundle),
        await this.#state.encryptAndHash(padded),
      );
      wipe(encoded, padded);
      return c;
    });
  }

  /** Reads message D. Throws `authentication` unless it was made for this client's keys. */
  readD(d: Bytes): Promise<void> {
    return this.#steps.take("readD", async () => {
      checkSize(d, SIZE_D, "D");
      const split = CT_RSA_PADDED + CT_MLKEM_SIZE + TAG;
      const ciphertexts = await this.#state.decryptAndHash(d.slice(0, split));
      const secret = await decapsulatePadded(this.#own, "hs-client", ciphertexts);
      await this.#state.mixKeyAndHash(secret);
      wipe(secret);
      const empty = await this.#state.decryptAndHash(d.slice(split));
      if (empty.length !== 0) throw new SealpostError("protocol", "message D is malformed");
    });
  }

  /** Message E, {@linkcode SIZE_E} bytes: the signature over the transcript. */
  writeE(): Promise<Bytes> {
    return this.#steps.take("writeE", async () => {
      const signature = await sign(this.#own.ed25519Key, concat(LOGIN_LABEL, this.#state.h));
      return await this.#state.encryptAndHash(signature);
    });
  }

  /** The keys of the records; the handshake's own are erased. */
  split(): Promise<SplitKeys> {
    return this.#steps.take("split", () => this.#state.split());
  }
}

/** What message C told the server; nothing of it is proven before message E. */
export interface LoginClaim {
  readonly bundle: Bundle;
  readonly login: Login;
}

/**
 * The server's side of the handshake, as a state machine over bytes: `readA`, `writeB`, `readC`,
 * `writeD`, `readE`, `split`, each once and in this order: another call throws `internal`. After
 * any error its keys are erased and every call throws.
 */
export class ServerHandshake {
  readonly #identity: Identity;
  readonly #purpose: HandshakePurpose;
  readonly #state: SymmetricState;
  readonly #steps: Steps;
  #xs: Bytes | null = null;
  #dh: Bytes | null = null;
  #ekc: Bytes | null = null;
  #client: Bundle | null = null;

  private constructor(identity: Identity, purpose: HandshakePurpose, state: SymmetricState) {
    this.#identity = identity;
    this.#purpose = purpose;
    this.#state = state;
    this.#steps = new Steps(SERVER_STEPS[purpose], () => state.erase());
  }

  /** For a visit: `readA`, `writeB`, `split`. For `former`, `identity` is one that the server has left. */
  static async start(
    identity: Identity,
    purpose: HandshakePurpose = "login",
  ): Promise<ServerHandshake> {
    const state = await SymmetricState.start(PROTOCOL_NAME, prologue(identity.bundle));
    return new ServerHandshake(identity, purpose, state);
  }

  /**
   * Reads message A, prefix included, at the cost of one RSA private operation. Throws `protocol`,
   * `key-format`, or `authentication` (X_c is of low order), all before that operation: an error
   * after it would show how long it took. A wrong ciphertext shows only in message B, to the client.
   */
  readA(a: Bytes): Promise<void> {
    return this.#steps.take("readA", async () => {
      checkSize(a, this.#purpose === "former" ? SIZE_FORMER_A : SIZE_A, "A");
      const xAt = opening(this.#identity.bundle, this.#purpose).length;
      const ekAt = xAt + X_SIZE;
      const head = a.slice(0, ekAt + EK_SIZE);
      const ek = head.slice(ekAt);
      checkMlKemPublic(ek);
      const x = await generateX25519();
      this.#dh = await agree(x.privateKey, head.slice(xAt, ekAt));
      this.#xs = x.publicKey;
      await this.#state.mixHash(head);
      const ciphertexts = await this.#state.decryptAndHash(a.slice(head.length));
      const secret = await decapsulatePadded(this.#identity, "hs-server", ciphertexts);
      await this.#state.mixKeyAndHash(secret);
      wipe(secret);
      this.#ekc = ek;
    });
  }

  /** Message B, {@linkcode SIZE_B} bytes. */
  writeB(hello: Hello): Promise<Bytes> {
    return this.#steps.take("writeB", async () => {
      const [xs, dh, ekc] = [this.#xs, this.#dh, this.#ekc];
      if (!xs || !dh || !ekc) throw new SealpostError("internal", "message B out of order");
      await this.#state.mixHash(xs);
      await this.#state.mixKey(dh);
      const { ciphertext, secret } = await mlKem.encapsulate(ekc);
      await this.#state.mixHash(ciphertext);
      await this.#state.mixKey(secret);
      wipe(dh, secret);
      const sealed = await this.#state.encryptAndHash(padTo(encodeHello(hello), HELLO_SIZE));
      return concat(xs, ciphertext, sealed);
    });
  }

  /** Reads message C. Throws `authentication`, `format`, `key-format` or `protocol`. */
  readC(c: Bytes): Promise<LoginClaim> {
    return this.#steps.take("readC", async () => {
      checkSize(c, SIZE_C, "C");
      const half = C_PART + TAG;
      const bundlePadded = await this.#state.decryptAndHash(c.slice(0, half));
      const loginPadded = await this.#state.decryptAndHash(c.slice(half));
      let login: Login;
      try {
        login = decodeLogin(loginPadded);
      } finally {
        wipe(loginPadded);
      }
      const { length } = readPadded(bundlePadded, 3);
      this.#client = await decodeBundle(bundlePadded.slice(0, length));
      return { bundle: this.#client, login };
    });
  }

  /** Message D, {@linkcode SIZE_D} bytes: the same for every name, known or not. */
  writeD(): Promise<Bytes> {
    return this.#steps.take("writeD", async () => {
      if (!this.#client) throw new SealpostError("internal", "message D out of order");
      const { ciphertexts, secret } = await encapsulatePadded(this.#client, "hs-client");
      const sealed = await this.#state.encryptAndHash(ciphertexts);
      await this.#state.mixKeyAndHash(secret);
      wipe(secret);
      return concat(sealed, await this.#state.encryptAndHash(new Uint8Array(0)));
    });
  }

  /** Reads message E. Throws `authentication` unless all three keys of the client are proven. */
  readE(e: Bytes): Promise<void> {
    return this.#steps.take("readE", async () => {
      checkSize(e, SIZE_E, "E");
      if (!this.#client) throw new SealpostError("internal", "message E out of order");
      const h = this.#state.h;
      const signature = await this.#state.decryptAndHash(e);
      if (!await verify(this.#client.ed25519Key, signature, concat(LOGIN_LABEL, h))) {
        throw new SealpostError("authentication", "the login's signature does not verify");
      }
    });
  }

  /** The keys of the records; the handshake's own are erased. */
  split(): Promise<SplitKeys> {
    return this.#steps.take("split", () => this.#state.split());
  }
}
