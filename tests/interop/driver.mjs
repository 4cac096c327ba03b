// @ts-check
// Lets another program use the client: a line of JSON in, { "call", "args" }, a line of JSON out,
// { "result" } or { "error": { "code", "message" } }. Ends when its input ends.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { concat, equal, fromHex, toBase64, toHex } from "./bytes.mjs";
import { askForBundle, Client, link, recover } from "./client.mjs";
import { codeOf, Failure } from "./error.mjs";
import { readBundle, showFingerprint } from "./identity.mjs";
import { combine } from "./kem.mjs";
import { identityFromPem, loadIdentity, loadServer } from "./key_files.mjs";
import { splitStanza } from "./open.mjs";
import { open } from "./primitives.mjs";
import { boxKey, ZERO_NONCE } from "./sealed_layout.mjs";
import { tamper } from "./tamper.mjs";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

/** @typedef {import("./open.mjs").Entry} Entry */

/** @type {import("./client.mjs").Login | null} */
let login = null;
/** @type {Client | null} */
let client = null;
/** The ticket that was used last. @type {import("./handshake.mjs").Ticket | null} */
let ticket = null;
/** @type {Awaited<ReturnType<Client["send"]>> | null} */
let sent = null;
/** @type {Promise<void> | null} */
let linking = null;
/** The private key file of `login`. */
let keyFile = "";
/** @type {ReturnType<Client["openLink"]> | null} */
let opened = null;

/** @template T @param {T | null} value @returns {T} */
function there(value) {
  if (value === null) throw new Failure("usage", "nothing is there yet to do this with");
  return value;
}

/** @param {number} uid @returns {Promise<Entry>} */
async function entryOf(uid) {
  const { entries } = await there(client).list({ after: uid - 1, before: uid + 1 });
  const [entry] = entries;
  if (entry === undefined) throw new Failure("no-such-message", `there is no UID ${uid}`);
  return entry;
}

/** What is there of an entry without a key. @param {Entry} entry */
const outside = ({ uid, folder, flags, storedAt, bodySize }) => ({
  uid,
  folder,
  flags,
  storedAt,
  bodySize,
});

/** @param {string} address */
function placeOf(address) {
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(address) ?? [];
  return { host, port: Number(port) };
}

/**
 * Is from now on a machine of whose package it is.
 *
 * @param {string} address @param {import("./identity.mjs").Bundle} server
 * @param {ReturnType<typeof import("./links.mjs").readPackage>} one
 */
function takeOver(address, server, { name, key, bundle }) {
  const identity = identityFromPem(key, null);
  if (!equal(identity.bundle.bytes, bundle)) throw new Failure("key-mismatch", "not one pair");
  login = { ...placeOf(address), server, identity, name };
}

const calls = {
  /**
   * Takes the keys in `dir`.
   *
   * @param {{ dir: string, name: string, address: string, passphrase?: string }} args
   */
  load({ dir, name, address, passphrase }) {
    const identity = loadIdentity(dir, name, passphrase ?? null);
    login = { ...placeOf(address), server: loadServer(dir), identity, name };
    keyFile = readFileSync(join(dir, `${name}_private.pem`), "utf8");
    return { fingerprint: showFingerprint(identity.bundle.fp) };
  },
  /**
   * Begins to link; the numbers of the six words.
   *
   * @param {{ address: string, code: string, device: string }} args
   */
  async beginLink({ address, code, device }) {
    const { host, port } = placeOf(address);
    return await new Promise((resolve, reject) => {
      linking = link(host, port, fromHex(code), device, resolve).then(({ server, one }) => {
        takeOver(address, server, one);
      });
      linking.catch(reject);
    });
  },
  /** Waits until the other machine has answered. */
  async endLink() {
    await there(linking);
    const { name, identity } = there(login);
    return { name, fingerprint: showFingerprint(identity.bundle.fp) };
  },
  /** Opens a link for another machine. @param {{ code: string }} args */
  openLink({ code }) {
    opened = there(client).openLink(fromHex(code));
    opened.catch(() => {});
    return {};
  },
  /** What the machine that found the link is called, and the numbers of the six words. */
  async postOfLink() {
    const { device, numbers } = await there(opened);
    return { device, numbers };
  },
  /** Says that the words are the same, or not. @param {{ code: string, same: boolean }} args */
  async answerLink({ code, same }) {
    const { post } = await there(opened);
    if (same) await there(client).answerLink(fromHex(code), post, keyFile);
    else await there(client).closeLink(fromHex(code));
    return {};
  },
  /** Takes what a kit holds. @param {{ address: string, code: string }} args */
  async recover({ address, code }) {
    const { host, port } = placeOf(address);
    const { server, one } = await recover(host, port, fromHex(code));
    takeOver(address, server, one);
    const { name, identity } = there(login);
    return { name, fingerprint: showFingerprint(identity.bundle.fp) };
  },
  /** Takes the `server_public.pem` of another folder. @param {{ dir: string }} args */
  pin({ dir }) {
    login = { ...there(login), server: loadServer(dir) };
    return {};
  },
  async askForBundle() {
    const { host, port } = there(login);
    return { fingerprint: showFingerprint((await askForBundle(host, port)).fp) };
  },
  /** @param {{ password: string }} args */
  async logIn({ password }) {
    client = await Client.logIn({ ...there(login), password });
    return { ...client.hello, tickets: client.tickets.length };
  },
  /** Also where the server has a new key, which is the pinned one then. @param {{ password: string }} args */
  async follow({ password }) {
    client = await Client.follow({ ...there(login), password });
    const { server } = client.login;
    login = { ...there(login), server };
    return { fingerprint: showFingerprint(server.fp) };
  },
  /** With the newest ticket, or with the last one that was used. @param {{ used?: boolean }} args */
  async resume({ used = false }) {
    if (!used) ticket = there(client).tickets.pop() ?? null;
    client = await Client.resume({ ...there(login), ticket: there(ticket) });
    return { ...client.hello };
  },
  /** How many tickets there are. */
  tickets() {
    return there(client).tickets.length;
  },
  async close() {
    await there(client).close();
    return {};
  },
  async whoami() {
    const { fp, ...rest } = await there(client).whoami();
    return { ...rest, fingerprint: showFingerprint(fp) };
  },
  /** @param {{ old: string, next: string }} args */
  async passwd({ old, next }) {
    await there(client).passwd(old, next);
    return {};
  },
  /** @param {{ names: string[] }} args */
  async keys({ names }) {
    const keys = await there(client).keys(names);
    return keys.map(({ state, name, bundle }) => ({
      state,
      name,
      ...bundle === undefined ? {} : { fingerprint: showFingerprint(readBundle(bundle).fp) },
    }));
  },
  /** `files` are paths; each is attached under its name. @param {Parameters<Client["send"]>[0] & { files?: { name: string, path: string }[] }} args */
  async send({ files = [], ...mail }) {
    const attachments = files.map(({ name, path }) => ({
      name,
      content: new Uint8Array(readFileSync(path)),
    }));
    sent = await there(client).send({ ...mail, attachments });
    const { id, at, again, sealed } = sent;
    return { id, at, again, size: sealed.length };
  },
  /** The last message once more, byte for byte, or with one byte changed. @param {{ changed?: boolean }} args */
  async sendAgain({ changed = false }) {
    const { sealed, ...about } = there(sent);
    const bytes = sealed.slice();
    if (changed) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    return await there(client).deliver(about, bytes);
  },
  /** @param {Parameters<Client["list"]>[0]} args */
  async list(args) {
    const { epoch, nextUid, entries } = await there(client).list(args);
    const opened = [];
    for (const entry of entries) {
      /** @type {object} */
      let inside;
      try {
        const { summary } = (await there(client).openEntry(entry)).opened;
        const { from, to, cc, subject, size, attachmentCount, attachments, inReplyTo } = summary;
        inside = {
          from: from.name,
          to: to.map(({ name }) => name),
          cc: cc.map(({ name }) => name),
          ...{ subject, size, attachmentCount, attachments, inReplyTo },
        };
      } catch (error) {
        inside = { error: codeOf(error) };
      }
      opened.push({ ...outside(entry), ...inside });
    }
    return { epoch, nextUid, entries: opened };
  },
  /** @param {Parameters<Client["list"]>[0]} args */
  async listBrief(args) {
    const { entries } = await there(client).list({ ...args, brief: true });
    return entries.map((entry) => ({
      ...outside(entry),
      empty: entry.stanza.length + entry.summary.length + entry.note.length === 0,
    }));
  },
  /** The message, taken apart. @param {{ uid: number }} args */
  async fetch({ uid }) {
    const { mail } = await there(client).fetch(await entryOf(uid));
    const attachments = mail.attachments.map(({ name, content }) => ({
      name,
      content: toBase64(content),
    }));
    return { ...mail, attachments };
  },
  /** Whether the end of a body is what the whole body ends with. @param {{ uid: number, offset: number }} args */
  async fetchEnd({ uid, offset }) {
    const { body: whole } = await there(client).fetchSealed(uid);
    const { body: end } = await there(client).fetchSealed(uid, offset);
    return { size: end.length, same: equal(whole.subarray(offset), end) };
  },
  /** @param {{ uid: number }} args */
  async note({ uid }) {
    const entry = await entryOf(uid);
    return there(client).readNote(entry).map(({ name }) => name);
  },
  /** @param {{ uids: number[], set?: string[], clear?: string[], folder?: string }} args */
  async flag({ uids, ...change }) {
    return (await there(client).flag(uids, change)).uids;
  },
  /** @param {{ uids: number[] }} args */
  async remove({ uids }) {
    return (await there(client).remove(uids)).uids;
  },
  /** The events of mail so far. */
  mail() {
    return there(client).mail;
  },
  /** @param {{ uid: number }} args */
  async tamper({ uid }) {
    const { entry, body } = await there(client).fetchSealed(uid);
    return await tamper(there(client), entry, body);
  },
  /** Writes the stanza of an entry to a file. @param {{ uid: number, path: string }} args */
  async saveStanza({ uid, path }) {
    const { header, stanza } = await entryOf(uid);
    writeFileSync(path, stanza);
    return { header: toHex(header) };
  },
  /** Opens a stanza's box with an RSA half that somebody else decrypted. @param {{ path: string, header: string, kRsa: string }} args */
  completeKem({ path, header, kRsa }) {
    const { identity } = there(login);
    const { fp, ctRsa, ctMlkem, box } = splitStanza(new Uint8Array(readFileSync(path)));
    const kMlkem = ml_kem768.decapsulate(ctMlkem, identity.mlkemSecret);
    const head = fromHex(header);
    const from = head.subarray(17, 49);
    const half = fromHex(kRsa);
    const secret = combine(identity.bundle, "stanza", ctRsa, ctMlkem, half, kMlkem, from);
    return { size: open(boxKey(secret, head, fp), ZERO_NONCE, box, concat(head, fp)).length };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line);
  /** @type {object} */
  let answer;
  try {
    const [, fn] = Object.entries(calls).find(([name]) => name === call) ?? [];
    if (fn === undefined) throw new Failure("usage", `there is no call ${call}`);
    answer = { result: await fn(args) };
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    answer = { error: { code: codeOf(error), message, stack } };
  }
  console.log(JSON.stringify(answer));
}
process.exit(0);
