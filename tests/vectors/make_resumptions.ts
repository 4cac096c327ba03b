import { fromHex, toHex } from "../../crypto/bytes.ts";
import { difference, type Edit } from "./edits.ts";
import type { ResumptionFile, ResumptionVector } from "./files.ts";
import type { Identities } from "./identities.ts";
import { splitVector } from "./make_handshakes.ts";
import { pattern } from "./pattern.ts";
import { resumptionByHand, resumptionDraws, type Ticket } from "./resumption_by_hand.ts";

const BASE = "gate and alice";
const HELLO = '{"server":"sealpost/1.0.0","maxMessage":104857600,"maxRecipients":100}';

export async function makeResumptions(identities: Identities): Promise<ResumptionFile> {
  return {
    resumptions: [
      await vectorOf(identities, BASE, "gate", "alice"),
      await vectorOf(identities, "server and carol", "server", "carol"),
    ],
    malformed: await malformed(identities),
  };
}

function ticketOf(name: string, user: string): Ticket {
  const seed = `sealpost vectors ${name}`;
  return { name: user, id: pattern(`${seed} ticket`, 16), psk: pattern(`${seed} psk`, 32) };
}

async function vectorOf(
  identities: Identities,
  name: string,
  server: string,
  client: string,
): Promise<ResumptionVector> {
  const draws = resumptionDraws(`sealpost vectors ${name} resumed`);
  const ticket = ticketOf(name, client);
  const { messages, steps, split } = await resumptionByHand(
    await identities.get(server),
    await identities.get(client),
    draws,
    ticket,
    HELLO,
  );
  return {
    name,
    server,
    client,
    user: client,
    ticket: toHex(ticket.id),
    psk: toHex(ticket.psk),
    draws: {
      xc: toHex(draws.xc),
      xs: toHex(draws.xs),
      ekSeed: toHex(draws.ekSeed),
      mServer: toHex(draws.mServer),
      mEphemeral: toHex(draws.mEphemeral),
      mClient: toHex(draws.mClient),
    },
    hello: HELLO,
    messages: { R1: toHex(messages.R1), R2: toHex(messages.R2) },
    steps,
    split: await splitVector(split),
  };
}

type Malformed = ResumptionFile["malformed"][number];

async function malformed(identities: Identities): Promise<Malformed[]> {
  const server = await identities.get("gate");
  const client = await identities.get("alice");
  const mallory = await identities.get("mallory");
  const draws = resumptionDraws(`sealpost vectors ${BASE} resumed`);
  const ticket = ticketOf(BASE, "alice");
  const honest = (await resumptionByHand(server, client, draws, ticket, HELLO)).messages;
  const variant = async (
    message: "R1" | "R2",
    other: { ticket?: Partial<Ticket>; server?: typeof server; client?: typeof client },
  ): Promise<Edit> => {
    const known = { ...ticket, ...other.ticket };
    const made = await resumptionByHand(
      other.server ?? server,
      other.client ?? client,
      draws,
      known,
      HELLO,
    );
    return difference(honest[message], made.messages[message]);
  };
  const of = (
    message: "R1" | "R2",
    error: Malformed["error"],
    name: string,
    why: string,
    ...edits: Edit[]
  ): Malformed => ({ name, why, error, base: BASE, message, edits });
  const psk = fromHex("00".repeat(32));
  return [
    of("R1", "key-format", "r1-ek", "the first number of EK_c is 4095", { at: 51, put: "ff0f" }),
    of("R1", "authentication", "r1-x", "a bit of X_c", { at: 19, xor: "01" }),
    of("R1", "authentication", "r1-ek-rho", "a bit of EK_c that no check sees", {
      at: 1234,
      xor: "01",
    }),
    of("R1", "authentication", "r1-mlkem", "a bit of the sealed ciphertext", {
      at: 1235,
      xor: "01",
    }),
    of("R1", "authentication", "r1-tag", "a bit of the last tag", { at: 2354, xor: "01" }),
    of(
      "R1",
      "authentication",
      "r1-psk",
      "made with another psk",
      await variant("R1", { ticket: { psk } }),
    ),
    of(
      "R1",
      "authentication",
      "r1-name",
      "made for another name",
      await variant("R1", { ticket: { name: "alicf" } }),
    ),
    of(
      "R1",
      "authentication",
      "r1-server",
      "made for another server",
      await variant("R1", { server: mallory }),
    ),
    of(
      "R1",
      "authentication",
      "r1-client",
      "made by another client",
      await variant("R1", { client: mallory }),
    ),
    of("R2", "authentication", "r2-x-zero", "X_s is zero", { at: 0, put: "00".repeat(32) }),
    of("R2", "server-identity", "r2-x", "a bit of X_s", { at: 0, xor: "01" }),
    of("R2", "server-identity", "r2-ephemeral", "a bit of ct_e", { at: 32, xor: "01" }),
    of("R2", "server-identity", "r2-mlkem", "a bit of the sealed ciphertext", {
      at: 1120,
      xor: "01",
    }),
    of("R2", "server-identity", "r2-hello", "a bit of the sealed hello", { at: 2224, xor: "01" }),
    of(
      "R2",
      "server-identity",
      "r2-psk",
      "made with another psk",
      await variant("R2", { ticket: { psk } }),
    ),
    of(
      "R2",
      "server-identity",
      "r2-client",
      "made for another client",
      await variant("R2", { client: mallory }),
    ),
  ];
}
