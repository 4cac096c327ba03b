import { type Bytes, concat, fromHex, u16 } from "../../crypto/bytes.ts";
import { sha256 } from "../../crypto/hash.ts";
import { encodeBundle, importIdentity, type NewIdentity } from "../../crypto/identity.ts";
import { mlKem, mlKemPkcs8 } from "../../crypto/ml_kem.ts";
import { x25519Public } from "./fixed_random.ts";
import { handshakeByHand, pad } from "./handshake_by_hand.ts";
import { kemByHand, type KemDraws, mlKemByHand } from "./kem_by_hand.ts";
import {
  bodyByHand,
  commitmentOf,
  envelopeByHand,
  headerOf,
  noteByHand,
  padToBucket,
  partKeysOf,
  stanzaByHand,
  summaryByHand,
} from "./message_by_hand.ts";
import { recordByHand } from "./record_by_hand.ts";
import { numberOf, rsaPkcs8 } from "./rsa_by_hand.ts";
import { exported } from "./transcript.ts";

/** Named values of the worked example: section 20 of docs/PROTOCOL.md. */
export type Values = ReadonlyMap<string, Bytes>;

/** What is given; every other value follows. Those in quotes there are text. */
export const INPUTS = [
  "server p",
  "server q",
  "server ML-KEM seed",
  "server Ed25519 private key",
  "client p",
  "client q",
  "client ML-KEM seed",
  "client Ed25519 private key",
  "x_c",
  "EK_c seed",
  "A k_rsa",
  "A OAEP seed",
  "A m",
  "x_s",
  "B m",
  "D k_rsa",
  "D OAEP seed",
  "D m",
  "hello",
  "name",
  "password",
  "client version",
  "ticket id",
  "verdict",
  "message id",
  "F",
  "stanza k_rsa",
  "stanza OAEP seed",
  "stanza m",
  "summary",
  "note",
  "message",
] as const;
export type Input = typeof INPUTS[number];

/** Every value that follows from `inputs`, in the order of the document. */
export async function workedExample(inputs: Values): Promise<Map<string, Bytes>> {
  const given = (name: Input): Bytes => {
    const value = inputs.get(name);
    if (!value) throw new Error(`the worked example does not give ${name}`);
    return value;
  };
  const out = new Map<string, Bytes>();
  const server = await identityOf("server", given);
  const client = await identityOf("client", given);
  for (const [who, { bundle }] of [["server", server], ["client", client]] as const) {
    out.set(`${who} bundle`, encodeBundle(bundle));
    out.set(`${who} fp`, bundle.fp);
  }
  await handshake(server, client, given, out);
  await message(client, given, out);
  return out;
}

type Given = (name: Input) => Bytes;

async function identityOf(who: "server" | "client", given: Given): Promise<NewIdentity> {
  const primes = { p: numberOf(given(`${who} p`)), q: numberOf(given(`${who} q`)) };
  return await importIdentity(
    rsaPkcs8(primes),
    mlKemPkcs8(given(`${who} ML-KEM seed`)),
    concat(fromHex("302e020100300506032b657004220420"), given(`${who} Ed25519 private key`)),
  );
}

function kemDrawsOf(where: "A" | "D" | "stanza", given: Given): KemDraws {
  return {
    kRsa: given(`${where} k_rsa`),
    oaepSeed: given(`${where} OAEP seed`),
    m: given(`${where} m`),
  };
}

async function handshake(
  server: NewIdentity,
  client: NewIdentity,
  given: Given,
  out: Map<string, Bytes>,
): Promise<void> {
  const text = (name: Input) => new TextDecoder().decode(given(name));
  const draws = {
    xc: given("x_c"),
    xs: given("x_s"),
    ekSeed: given("EK_c seed"),
    a: kemDrawsOf("A", given),
    m: given("B m"),
    d: kemDrawsOf("D", given),
  };
  const { messages, steps, split, secrets } = await handshakeByHand(server, client, draws, {
    hello: text("hello"),
    name: text("name"),
    password: text("password"),
    clientVersion: text("client version"),
  });
  const ek = await mlKem.publicFromSeed(draws.ekSeed);
  const toServer = await kemByHand(server.bundle, "hs-server", draws.a);
  const toClient = await kemByHand(client.bundle, "hs-client", draws.d);
  out.set("X_c", await x25519Public(draws.xc));
  out.set("EK_c", ek);
  out.set("A ct_rsa", toServer.ctRsa);
  out.set("A ct_mlkem", toServer.ctMlkem);
  out.set("A k_mlkem", toServer.kMlkem);
  out.set("s", secrets.s);
  out.set("X_s", await x25519Public(draws.xs));
  out.set("X25519", secrets.dh);
  out.set("ct_e", mlKemByHand(ek, draws.m).ciphertext);
  out.set("ss_e", secrets.ssE);
  out.set("D ct_rsa", toClient.ctRsa);
  out.set("D ct_mlkem", toClient.ctMlkem);
  out.set("D k_mlkem", toClient.kMlkem);
  out.set("s'", secrets.s2);
  let before = { h: "", ck: "", k: null as string | null };
  for (const { step, operation, h, ck, k } of steps) {
    const after = step !== "start" ? step : operation.includes("prologue") ? "prologue" : "start";
    for (
      const [name, value, old] of [["h", h, before.h], ["ck", ck, before.ck], ["k", k, before.k]]
    ) {
      if (value && value !== old) out.set(`${name} after ${after}`, fromHex(value));
    }
    before = { h, ck, k };
  }
  const { A: a, B: b, C: c, D: d, E: e } = messages;
  out.set("B6", b.slice(1120));
  out.set("C1", c.slice(0, 2064));
  out.set("C2", c.slice(2064));
  out.set("D1", d.slice(0, 1616));
  out.set("D3", d.slice(1616));
  out.set("E2", e);
  for (const [name, bytes] of Object.entries({ A: a, B: b, C: c, D: d, E: e })) {
    out.set(`SHA-256(${name})`, await sha256(bytes));
  }
  out.set("i", split.initiator);
  out.set("r", split.responder);
  out.set("x", split.exporter);
  out.set("psk", await exported(split, "sealpost/1 resume", given("ticket id")));
  const verdict = given("verdict");
  const frame = concat(new Uint8Array([6, 0, 0, 0, 0, 0]), u16(verdict.length), verdict);
  out.set("message F", await recordByHand(split.responder, 0, pad(frame, 1024)));
}

async function message(
  client: NewIdentity,
  given: Given,
  out: Map<string, Bytes>,
): Promise<void> {
  const fileKey = given("F");
  const commitment = await commitmentOf(fileKey);
  const header = headerOf(given("message id"), client.bundle.fp, commitment);
  const keys = await partKeysOf(fileKey, header, client);
  const draws = kemDrawsOf("stanza", given);
  const kem = await kemByHand(client.bundle, "stanza", draws, client.bundle.fp);
  const { stanza, key, signature } = await stanzaByHand(
    client.bundle,
    fileKey,
    header,
    client,
    draws,
  );
  const padded = padToBucket(given("summary"));
  const summary = await summaryByHand(padded, keys.summary, header, client);
  const note = await noteByHand(padToBucket(given("note")), keys.note, header);
  const body = await bodyByHand(given("message"), keys.body, header, summary.hash, client);
  const sealedBody = concat(...body.chunks);
  const envelope = envelopeByHand(header, [stanza], summary.sealed, note, sealedBody.length);
  out.set("commitment", commitment);
  out.set("H", header);
  out.set("summary key", keys.summary);
  out.set("body key", keys.body);
  out.set("note key", keys.note);
  out.set("stanza ct_rsa", kem.ctRsa);
  out.set("stanza ct_mlkem", kem.ctMlkem);
  out.set("stanza k_mlkem", kem.kMlkem);
  out.set("lane secret", kem.secret);
  out.set("stanza key", key);
  out.set("stanza signature", signature);
  out.set("box", stanza.slice(-112));
  out.set("SHA-256(padded summary)", summary.hash);
  out.set("summary signature", summary.signature);
  out.set("sealed summary", summary.sealed);
  out.set("sealed note", note);
  body.hashes.forEach((hash, i) => out.set(`c(${i})`, hash));
  out.set("message signature", body.signature);
  out.set("sealed body", sealedBody);
  out.set("SHA-256(envelope)", await sha256(envelope));
  out.set("SHA-256(envelope ‖ body)", await sha256(envelope, sealedBody));
}
