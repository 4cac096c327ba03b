import { type Bytes, concat, equal, lp, utf8, wipe } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { type Bundle, encodeBundle, formatFingerprint, type Identity } from "../crypto/identity.ts";
import { checkMlKemPublic, loadMlKem, ML_KEM, mlKem } from "../crypto/ml_kem.ts";
import { agree, generateX25519 } from "../crypto/x25519.ts";
import { HELLO_SIZE, prefix, PREFIX_SIZE } from "./handshake.ts";
import { decodeHello, encodeHello, type Hello } from "./hello.ts";
import { SUITE, VERSION } from "./limits.ts";
import { padTo } from "./login.ts";
import { type SplitKeys, SymmetricState } from "./noise.ts";
import { Steps } from "./steps.ts";

/** The protocol name of a resumption, from which its transcript hash starts. */
export const RESUMPTION_NAME = "sealpost/1 resumption MLKEM768 X25519 AES256GCM SHA256";

/** Byte 2 of a connection that begins with a ticket. */
export const KIND_RESUMPTION = 2;

/** Size of a ticket's id and of its pre-shared key, bytes. */
export const TICKET_ID_SIZE = 16;
export const PSK_SIZE = 32;

const X_SIZE = 32;
const TAG = 16;

/** `prefix ‖ ticket id ‖ X_c ‖ EK_c ‖ {ct_mlkem(server)} ‖ {}`, bytes. */
export const SIZE_R1 = PREFIX_SIZE + TICKET_ID_SIZE + X_SIZE + ML_KEM.publicKey +
  ML_KEM.ciphertext + TAG + TAG;
/** `X_s ‖ ct_e ‖ {ct_mlkem(client)} ‖ {hello}`, bytes. */
export const SIZE_R2 = X_SIZE + ML_KEM.ciphertext + ML_KEM.ciphertext + TAG + HELLO_SIZE + TAG;

/** The label with which a session's exporter gives a ticket's pre-shared key. */
export const TICKET_LABEL = "sealpost/1 resume";

/** What both sides of a resumption know of each other beforehand. */
export interface ResumptionContext {
  readonly name: string;
  readonly client: Bundle;
  readonly server: Bundle;
  /** The ticket's id, 16 bytes, which the server chose. */
  readonly ticket: Bytes;
  /** `exporter("sealpost/1 resume", ticket id)` of the session that the ticket comes from. */
  readonly psk: Bytes;
}

const CLIENT_STEPS = ["writeR1", "readR2", "split"] as const;
const SERVER_STEPS = ["readR1", "writeR2", "split"] as const;

async function start(known: ResumptionContext): Promise<SymmetricState> {
  const state = await SymmetricState.start(
    RESUMPTION_NAME,
    concat(
      new Uint8Array([VERSION, SUITE]),
      lp(utf8(known.name)),
      lp(encodeBundle(known.server)),
      lp(encodeBundle(known.client)),
    ),
  );
  await state.mixHash(concat(prefix(KIND_RESUMPTION), known.ticket));
  await state.mixKeyAndHash(known.psk);
  return state;
}

/**
 * The client's side: `writeR1`, `readR2`, `split`, each once and in this order: another call
 * throws `internal`, and so does every call after an error. The ticket must be gone from the
 * client's disk before R1 is sent.
 */
export class ClientResumption {
  readonly #known: ResumptionContext;
  readonly #identity: Identity;
  readonly #state: SymmetricState;
  readonly #steps: Steps;
  #x: CryptoKey | null = null;
  #ek: { decapsulate(ct: Bytes): Promise<Bytes> } | null = null;

  private constructor(known: ResumptionContext, identity: Identity, state: SymmetricState) {
    this.#known = known;
    this.#identity = identity;
    this.#state = state;
    this.#steps = new Steps(CLIENT_STEPS, () => state.erase());
  }

  static async start(known: ResumptionContext, identity: Identity): Promise<ClientResumption> {
    return new ClientResumption(known, identity, await start(known));
  }

  /** Message R1, {@linkcode SIZE_R1} bytes. */
  writeR1(): Promise<Bytes> {
    return this.#steps.take("writeR1", async () => {
      const x = await generateX25519();
      const ek = await mlKem.generate();
      this.#x = x.privateKey;
      this.#ek = await loadMlKem(ek.seed);
      wipe(ek.seed);
      await this.#state.mixHash(x.publicKey);
      await this.#state.mixKey(x.publicKey);
      await this.#state.mixHash(ek.publicKey);
      const { ciphertext, secret } = await mlKem.encapsulate(this.#known.server.mlkemKey);
      const sealed = await this.#state.encryptAndHash(ciphertext);
      await this.#state.mixKeyAndHash(secret);
      wipe(secret);
      return concat(
        prefix(KIND_RESUMPTION),
        this.#known.ticket,
        x.publicKey,
        ek.publicKey,
        sealed,
        await this.#state.encryptAndHash(new Uint8Array(0)),
      );
    });
  }

  /** Reads message R2. Throws `server-identity` unless it proves the ticket and the server's key. */
  readR2(r2: Bytes): Promise<Hello> {
    return this.#steps.take("readR2", async () => {
      if (r2.length !== SIZE_R2) throw new SealpostError("protocol", "R2 has the wrong length");
      if (!this.#x || !this.#ek) throw new SealpostError("internal", "message R2 out of order");
      const ctAt = X_SIZE;
      const sealedAt = ctAt + ML_KEM.ciphertext;
      const helloAt = sealedAt + ML_KEM.ciphertext + TAG;
      const xs = r2.slice(0, X_SIZE);
      const ct = r2.slice(ctAt, sealedAt);
      await this.#state.mixHash(xs);
      const dh = await agree(this.#x, xs);
      await this.#state.mixKey(dh);
      await this.#state.mixHash(ct);
      const ss = await this.#ek.decapsulate(ct);
      await this.#state.mixKey(ss);
      wipe(dh, ss);
      this.#x = null;
      this.#ek = null;
      try {
        const own = await this.#state.decryptAndHash(r2.slice(sealedAt, helloAt));
        const secret = await this.#identity.decapsulateMlKem(own);
        await this.#state.mixKeyAndHash(secret);
        wipe(secret);
        return decodeHello(await this.#state.decryptAndHash(r2.slice(helloAt)));
      } catch (cause) {
        throw new SealpostError(
          "server-identity",
          `the server did not prove the key that is pinned (${
            formatFingerprint(this.#known.server.fp)
          })`,
          { cause },
        );
      }
    });
  }

  split(): Promise<SplitKeys> {
    return this.#steps.take("split", () => this.#state.split());
  }
}

function checkSize(r1: Bytes): void {
  if (r1.length !== SIZE_R1) throw new SealpostError("protocol", "R1 has the wrong length");
}

/** The id of the ticket in R1. Throws `protocol` for a wrong length. */
export function ticketOf(r1: Bytes): Bytes {
  checkSize(r1);
  return r1.slice(PREFIX_SIZE, PREFIX_SIZE + TICKET_ID_SIZE);
}

/**
 * The server's side: `readR1`, `writeR2`, `split`, each once and in this order, as on the client's
 * side. The ticket is consumed after `readR1`, which proves that whoever sent it knows the pre-shared key, and before
 * anything is answered. Nothing is done for the client before its first record.
 */
export class ServerResumption {
  readonly #known: ResumptionContext;
  readonly #identity: Identity;
  readonly #state: SymmetricState;
  readonly #steps: Steps;
  #xc: Bytes | null = null;
  #ekc: Bytes | null = null;

  private constructor(known: ResumptionContext, identity: Identity, state: SymmetricState) {
    this.#known = known;
    this.#identity = identity;
    this.#state = state;
    this.#steps = new Steps(SERVER_STEPS, () => state.erase());
  }

  static async start(known: ResumptionContext, identity: Identity): Promise<ServerResumption> {
    return new ServerResumption(known, identity, await start(known));
  }

  /**
   * Reads message R1. `onKey` is called once R1.5 has shown that whoever sent it knows the ticket's key,
   * before the private operation; what it throws ends the reading. Throws `protocol`, `key-format`,
   * `authentication`.
   */
  readR1(r1: Bytes, onKey: () => void = () => {}): Promise<void> {
    return this.#steps.take("readR1", async () => {
      const xAt = PREFIX_SIZE + TICKET_ID_SIZE;
      const ekAt = xAt + X_SIZE;
      const sealedAt = ekAt + ML_KEM.publicKey;
      const emptyAt = sealedAt + ML_KEM.ciphertext + TAG;
      checkSize(r1);
      if (!equal(r1.subarray(0, xAt), concat(prefix(KIND_RESUMPTION), this.#known.ticket))) {
        throw new SealpostError("protocol", "R1 names another ticket");
      }
      const xc = r1.slice(xAt, ekAt);
      const ekc = r1.slice(ekAt, sealedAt);
      checkMlKemPublic(ekc);
      await this.#state.mixHash(xc);
      await this.#state.mixKey(xc);
      await this.#state.mixHash(ekc);
      const ct = await this.#state.decryptAndHash(r1.slice(sealedAt, emptyAt));
      onKey();
      const secret = await this.#identity.decapsulateMlKem(ct);
      await this.#state.mixKeyAndHash(secret);
      wipe(secret);
      const empty = await this.#state.decryptAndHash(r1.slice(emptyAt));
      if (empty.length !== 0) throw new SealpostError("protocol", "R1 is malformed");
      this.#xc = xc;
      this.#ekc = ekc;
    });
  }

  /** Message R2, {@linkcode SIZE_R2} bytes. Throws `authentication` if X_c is of low order. */
  writeR2(hello: Hello): Promise<Bytes> {
    return this.#steps.take("writeR2", async () => {
      if (!this.#xc || !this.#ekc) throw new SealpostError("internal", "message R2 out of order");
      const x = await generateX25519();
      await this.#state.mixHash(x.publicKey);
      const dh = await agree(x.privateKey, this.#xc);
      await this.#state.mixKey(dh);
      const ephemeral = await mlKem.encapsulate(this.#ekc);
      await this.#state.mixHash(ephemeral.ciphertext);
      await this.#state.mixKey(ephemeral.secret);
      const fixed = await mlKem.encapsulate(this.#known.client.mlkemKey);
      const sealed = await this.#state.encryptAndHash(fixed.ciphertext);
      await this.#state.mixKeyAndHash(fixed.secret);
      wipe(dh, ephemeral.secret, fixed.secret);
      const padded = padTo(encodeHello(hello), HELLO_SIZE);
      return concat(
        x.publicKey,
        ephemeral.ciphertext,
        sealed,
        await this.#state.encryptAndHash(padded),
      );
    });
  }

  split(): Promise<SplitKeys> {
    return this.#steps.take("split", () => this.#state.split());
  }
}
