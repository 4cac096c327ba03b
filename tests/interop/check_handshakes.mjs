// @ts-check
// Runs handshake.json and resumption.json of tests/vectors/, from both sides.

import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { fromHex, toHex, utf8 } from "./bytes.mjs";
import { x25519, x25519Pair } from "./curves.mjs";
import { ClientHandshake, ClientResumption, startFull } from "./handshake.mjs";
import { encapsulate } from "./kem.mjs";
import { edited, kemDraws, refused, same, sameJson } from "./known_answers.mjs";
import { ServerHandshake, ServerResumption } from "./server_handshake.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./known_answers.mjs").Answers} Answers */
/** @typedef {import("./known_answers.mjs").Edit} Edit */
/** @typedef {import("./known_answers.mjs").Draws} Draws */
/** @typedef {import("./handshake.mjs").Keys} Keys */

/** @typedef {{ h: string, ck: string, k: string | null }} State */

/**
 * @typedef {object} Split
 * @property {string} initiator
 * @property {string} responder
 * @property {string} exporterInput
 * @property {string} h
 * @property {{ label: string, context: string, output: string }[]} exported
 */

/**
 * @typedef {object} Full
 * @property {string} server
 * @property {string} client
 * @property {{ xc: string, xs: string, ekSeed: string, a: Draws, m: string, d: Draws }} draws
 * @property {boolean} [former]
 * @property {string} hello
 * @property {{ name: string, password: string, clientVersion: string }} login
 * @property {{ s: string, dh: string, ssE: string, s2: string }} secrets
 * @property {Record<"A" | "B" | "C" | "D" | "E", string>} messages
 * @property {State[]} steps
 * @property {Split} split
 */

/**
 * @typedef {object} Resumed
 * @property {string} server
 * @property {string} client
 * @property {string} user
 * @property {string} ticket
 * @property {string} psk
 * @property {Record<"xc" | "xs" | "ekSeed" | "mServer" | "mEphemeral" | "mClient", string>} draws
 * @property {string} hello
 * @property {Record<"R1" | "R2", string>} messages
 * @property {State[]} steps
 * @property {Split} split
 */

/** Collects the states that one side goes through. */
function recorder() {
  /** @type {State[]} */
  const states = [];
  /** @type {import("./handshake.mjs").Trace} */
  const trace = (h, ck, k) => {
    states.push({ h: toHex(h), ck: toHex(ck), k: k && toHex(k) });
  };
  return { states, trace };
}

/** @param {string} side @param {State[]} states @param {State[]} steps @param {Keys} keys @param {Split} split */
function compare(side, states, steps, keys, split) {
  sameJson(`the steps of the ${side}`, states, steps.map(({ h, ck, k }) => ({ h, ck, k })));
  same(`i of the ${side}`, keys.clientToServer, split.initiator);
  same(`r of the ${side}`, keys.serverToClient, split.responder);
  same(`x of the ${side}`, keys.exporterInput, split.exporterInput);
  same(`h* of the ${side}`, keys.h, split.h);
  for (const { label, context, output } of split.exported) {
    same(`what the ${side} exports`, keys.export(label, fromHex(context)), output);
  }
}

/** @param {{ xc: string, ekSeed: string }} draws */
const ephemeralOf = ({ xc, ekSeed }) => ({
  x25519: x25519Pair(fromHex(xc)),
  mlkem: ml_kem768.keygen(fromHex(ekSeed)),
});

/** Both sides of a handshake, before A. @param {Full} given @param {Answers} answers */
function sidesOf({ server, client, draws, login, former }, answers) {
  const own = answers.identity(server);
  const kem = encapsulate(own.bundle, "hs-server", kemDraws(draws.a));
  const [atClient, atServer] = [recorder(), recorder()];
  return {
    kem,
    states: { client: atClient.states, server: atServer.states },
    client: new ClientHandshake({
      server: own.bundle,
      identity: answers.identity(client),
      name: login.name,
      password: utf8(login.password),
      version: login.clientVersion,
      former: former ?? false,
    }, { ephemeral: ephemeralOf(draws), kem, trace: atClient.trace }),
    server: new ServerHandshake(
      own,
      { xs: fromHex(draws.xs), m: fromHex(draws.m), d: kemDraws(draws.d) },
      atServer.trace,
      former,
    ),
  };
}

export const handshake = {
  /** @param {Full} given @param {Answers} answers */
  handshakes(given, answers) {
    const { hello, login, messages, secrets, steps, split, draws } = given;
    const { client, server, states, kem } = sidesOf(given, answers);
    same("s", kem.secret, secrets.s);
    const xs = x25519Pair(fromHex(draws.xs));
    same("dh", x25519(ephemeralOf(draws).x25519, xs.publicKey), secrets.dh);
    const { publicKey } = ephemeralOf(draws).mlkem;
    same("ss_e", ml_kem768.encapsulate(publicKey, fromHex(draws.m)).sharedSecret, secrets.ssE);
    const toClient = answers.identity(given.client).bundle;
    same("s'", encapsulate(toClient, "hs-client", kemDraws(draws.d)).secret, secrets.s2);

    const a = client.writeA();
    same("A", a, messages.A);
    server.readA(a);
    const b = server.writeB(utf8(hello));
    same("B", b, messages.B);
    sameJson("the hello", client.readB(b), JSON.parse(hello));
    const c = client.writeC();
    same("C", c, messages.C);
    const { name, password, version } = server.readC(c);
    sameJson("the login", { name, password, clientVersion: version }, login);
    const d = server.writeD();
    same("D", d, messages.D);
    client.readD(d);
    const e = client.writeE();
    same("E", e, messages.E);
    server.readE(e);
    compare("client", states.client, steps, client.finish(), split);
    compare("server", states.server, steps, server.finish(), split);
  },
  /**
   * @param {{ error: string, base: string, message: "A" | "B" | "C" | "D" | "E", edits: Edit[] }} given
   * @param {Answers} answers
   */
  malformed({ error, base, message, edits }, answers) {
    /** @type {Full} */
    const whole = answers.find("handshake.json", "handshakes", base);
    const { client, server } = sidesOf(whole, answers);
    const arrives = edited(fromHex(whole.messages[message]), edits);
    if (message === "A") return void refused(error, () => server.readA(arrives));
    server.readA(client.writeA());
    const b = server.writeB(utf8(whole.hello));
    if (message === "B") return void refused(error, () => client.readB(arrives));
    client.readB(b);
    const c = client.writeC();
    if (message === "C") return void refused(error, () => server.readC(arrives));
    server.readC(c);
    const d = server.writeD();
    if (message === "D") return void refused(error, () => client.readD(arrives));
    client.readD(d);
    client.writeE();
    refused(error, () => server.readE(arrives));
  },
  /** @param {{ base: string, edits: Edit[] }} given @param {Answers} answers */
  rejected({ base, edits }, answers) {
    /** @type {Full} */
    const whole = answers.find("handshake.json", "handshakes", base);
    const { client, server, kem } = sidesOf(whole, answers);
    const arrives = edited(client.writeA(), edits);
    server.readA(arrives);
    const b = server.writeB(utf8(whole.hello));
    refused("server-identity", () => client.readB(b));
    // Nor does it help if the client's transcript has what arrived, and only its secret is its own.
    const state = startFull(answers.identity(whole.server).bundle);
    const { x25519: pair, mlkem } = ephemeralOf(whole.draws);
    state.mixHash(arrives.subarray(0, 1219));
    state.encryptAndHash(arrives.subarray(1219));
    state.mixKeyAndHash(kem.secret);
    state.mixHash(b.subarray(0, 32));
    state.mixKey(x25519(pair, b.subarray(0, 32)));
    state.mixHash(b.subarray(32, 1120));
    state.mixKey(ml_kem768.decapsulate(b.subarray(32, 1120), mlkem.secretKey));
    refused("authentication", () => state.decryptAndHash(b.subarray(1120)));
  },
};

/** Both sides of a resumption, before R1. @param {Resumed} given @param {Answers} answers */
function resumingSides({ server, client, user, ticket, psk, draws }, answers) {
  const [own, theirs] = [answers.identity(server), answers.identity(client)];
  const [id, key] = [fromHex(ticket), fromHex(psk)];
  const kem = ml_kem768.encapsulate(own.bundle.mlkem, fromHex(draws.mServer));
  const [atClient, atServer] = [recorder(), recorder()];
  return {
    states: { client: atClient.states, server: atServer.states },
    client: new ClientResumption({
      server: own.bundle,
      identity: theirs,
      name: user,
      ticket: { id, psk: key, expires: 0 },
    }, { ephemeral: ephemeralOf(draws), kem, trace: atClient.trace }),
    server: new ServerResumption(
      { identity: own, client: theirs.bundle, name: user, id, psk: key },
      {
        xs: fromHex(draws.xs),
        mEphemeral: fromHex(draws.mEphemeral),
        mClient: fromHex(draws.mClient),
      },
      atServer.trace,
    ),
  };
}

export const resumption = {
  /** @param {Resumed} given @param {Answers} answers */
  resumptions(given, answers) {
    const { hello, messages, steps, split } = given;
    const { client, server, states } = resumingSides(given, answers);
    const r1 = client.writeR1();
    same("R1", r1, messages.R1);
    server.readR1(r1);
    const r2 = server.writeR2(utf8(hello));
    same("R2", r2, messages.R2);
    sameJson("the hello", client.readR2(r2), JSON.parse(hello));
    compare("client", states.client, steps, client.finish(), split);
    compare("server", states.server, steps, server.finish(), split);
  },
  /**
   * @param {{ error: string, base: string, message: "R1" | "R2", edits: Edit[] }} given
   * @param {Answers} answers
   */
  malformed({ error, base, message, edits }, answers) {
    /** @type {Resumed} */
    const whole = answers.find("resumption.json", "resumptions", base);
    const { client, server } = resumingSides(whole, answers);
    const r1 = client.writeR1();
    const arrives = edited(fromHex(whole.messages[message]), edits);
    if (message === "R1") return void refused(error, () => server.readR1(arrives));
    server.readR1(r1);
    refused(error, () => client.readR2(arrives));
  },
};
