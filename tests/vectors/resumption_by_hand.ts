import { type Bytes, concat, lp, utf8 } from "../../crypto/bytes.ts";
import { encodeBundle, type Identity } from "../../crypto/identity.ts";
import { mlKem } from "../../crypto/ml_kem.ts";
import { agree, importX25519Private } from "../../crypto/x25519.ts";
import { x25519Public } from "./fixed_random.ts";
import { pad } from "./handshake_by_hand.ts";
import { mlKemByHand } from "./kem_by_hand.ts";
import { pattern } from "./pattern.ts";
import { type SplitBytes, type Step, Transcript } from "./transcript.ts";

/** All that the two sides of a resumption draw. */
export interface ResumptionDraws {
  readonly xc: Bytes;
  readonly xs: Bytes;
  /** d ‖ z, 64 bytes. */
  readonly ekSeed: Bytes;
  /** The m of the encapsulations: to the server, to EK_c, to the client. */
  readonly mServer: Bytes;
  readonly mEphemeral: Bytes;
  readonly mClient: Bytes;
}

export function resumptionDraws(seed: string): ResumptionDraws {
  return {
    xc: pattern(`${seed} x_c`, 32),
    xs: pattern(`${seed} x_s`, 32),
    ekSeed: pattern(`${seed} EK_c`, 64),
    mServer: pattern(`${seed} R1 m`, 32),
    mEphemeral: pattern(`${seed} R2 m`, 32),
    mClient: pattern(`${seed} R2 m'`, 32),
  };
}

/** What both sides know beforehand. */
export interface Ticket {
  readonly name: string;
  /** 16 bytes. */
  readonly id: Bytes;
  /** 32 bytes. */
  readonly psk: Bytes;
}

export interface Resumption {
  readonly messages: { readonly R1: Bytes; readonly R2: Bytes };
  readonly steps: readonly Step[];
  readonly split: SplitBytes;
}

export const RESUMPTION_NAME = "sealpost/1 resumption MLKEM768 X25519 AES256GCM SHA256";

const EMPTY = new Uint8Array(0);

/** Section 6.10, both sides at once, from the primitives. */
export async function resumptionByHand(
  server: Identity,
  client: Identity,
  draws: ResumptionDraws,
  ticket: Ticket,
  hello: string,
): Promise<Resumption> {
  const prologue = concat(
    new Uint8Array([1, 1]),
    lp(utf8(ticket.name)),
    lp(encodeBundle(server.bundle)),
    lp(encodeBundle(client.bundle)),
  );
  const t = await Transcript.start(RESUMPTION_NAME, prologue);
  const start = concat(new Uint8Array([1, 1, 2]), ticket.id);
  await t.mixHash("R1.1", "prefix ‖ id", start);
  await t.mixKeyAndHash("R1.2", "psk", ticket.psk);
  const xcPublic = await x25519Public(draws.xc);
  await t.mixHash("R1.3", "X_c", xcPublic);
  await t.mixKey("R1.3", "X_c", xcPublic);
  const ek = await mlKem.publicFromSeed(draws.ekSeed);
  await t.mixHash("R1.4", "EK_c", ek);
  const toServer = mlKemByHand(server.bundle.mlkemKey, draws.mServer);
  const sealed = await t.encryptAndHash("R1.5", "ct", toServer.ciphertext);
  await t.mixKeyAndHash("R1.6", "ss", toServer.secret);
  const r1 = concat(start, xcPublic, ek, sealed, await t.encryptAndHash("R1.7", "", EMPTY));

  const xsPublic = await x25519Public(draws.xs);
  await t.mixHash("R2.1", "X_s", xsPublic);
  await t.mixKey("R2.1", "X25519", await agree(await importX25519Private(draws.xs), xcPublic));
  const ephemeral = mlKemByHand(ek, draws.mEphemeral);
  await t.mixHash("R2.2", "ct_e", ephemeral.ciphertext);
  await t.mixKey("R2.2", "ss_e", ephemeral.secret);
  const toClient = mlKemByHand(client.bundle.mlkemKey, draws.mClient);
  const sealed2 = await t.encryptAndHash("R2.3", "ct'", toClient.ciphertext);
  await t.mixKeyAndHash("R2.4", "ss'", toClient.secret);
  const padded = pad(lp(utf8(hello)), 256);
  const r2 = concat(
    xsPublic,
    ephemeral.ciphertext,
    sealed2,
    await t.encryptAndHash("R2.5", "pad_256(LP(hello))", padded),
  );
  return { messages: { R1: r1, R2: r2 }, steps: t.steps, split: await t.split() };
}
