// @ts-check
// A client: logs in, sends, lists, fetches, and remembers the keys of others while it runs.

import { concat, equal, fromHex, NONE, Reader, toBase64, toHex, utf8 } from "./bytes.mjs";
import { codeOf, Failure } from "./error.mjs";
import { ClientHandshake, ClientResumption, Opening, SIZE } from "./handshake.mjs";
import { readBundle } from "./identity.mjs";
import { gridOf } from "./kem.mjs";
import { judge, KeyLog, readHead, readRecords, verifyHead } from "./key_log.mjs";
import {
  answerPost,
  comparedNumbers,
  kitKeys,
  linkId,
  openAnswer,
  openKit,
  readPackage,
  readPost,
  writePackage,
  writePost,
} from "./links.mjs";
import { compose, parse } from "./mime.mjs";
import { openBody, openEntry, openNote, readEntry, verifyEntry } from "./open.mjs";
import { failureOf, OPERATOR, readAnswer, verdict, writeJson } from "./schemas.mjs";
import { newId, sealMessage } from "./seal.mjs";
import { random } from "./primitives.mjs";
import { followChain } from "./rotation.mjs";
import { Session } from "./session.mjs";
import { openShared } from "./shared_record.mjs";
import { Wire } from "./wire.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./identity.mjs").Bundle} Bundle */
/** @typedef {import("./identity.mjs").Identity} Identity */
/** @typedef {import("./handshake.mjs").Ticket} Ticket */
/** @typedef {import("./open.mjs").Entry} Entry */
/** @typedef {import("./open.mjs").Opened} Opened */
/** @typedef {import("./schemas.mjs").Person} Person */

/** What a client shows of itself in the server's log. */
const VERSION = "sealpost-interop/1 node";

/**
 * @typedef {object} Login
 * @property {string} host
 * @property {number} port
 * @property {Bundle} server what is pinned for it
 * @property {Identity} identity
 * @property {string} name
 */

/** 5.1. @param {string} host @param {number} port @returns {Promise<Bundle>} not proven by anything */
export async function askForBundle(host, port) {
  const wire = await Wire.open(host, port);
  try {
    await wire.write(Uint8Array.of(1, 1, 3));
    const answer = await wire.readUpTo(2049);
    if (answer.length !== 2048) throw new Failure("connection-lost", "not 2048 bytes");
    const reader = new Reader(answer);
    const bundle = reader.lp();
    reader.padding();
    return readBundle(bundle);
  } finally {
    wire.destroy();
  }
}

/**
 * B, or R2. Throws `version` if the server's text stands in its place (5).
 *
 * @param {Wire} wire @param {number} size
 */
async function readReply(wire, size) {
  const start = await wire.readUpTo(10);
  if (!equal(start, utf8("sealpost: "))) return concat(start, await wire.read(size - start.length));
  /** @type {Bytes} */
  let text = start;
  while (text.length < 10 + 512 && text.at(-1) !== 10) {
    const byte = await wire.readUpTo(1);
    if (byte.length === 0) break;
    text = concat(text, byte);
  }
  const shown = String.fromCharCode(...text).trim().replace(/[^ -~]/g, "?");
  throw new Failure("version", shown);
}

/** Until the next multiple of `grid` ms after `start` (6.8). @param {number} start @param {number} grid */
function nextTick(start, grid) {
  const passed = performance.now() - start;
  return new Promise((resolve) => setTimeout(resolve, Math.ceil(passed / grid) * grid - passed));
}

/**
 * 5.3: a visit, with the one request that `ask` makes for the server's bundle.
 *
 * @param {string} host @param {number} port
 * @param {(server: Bundle) => { op: "link-post" | "kit-get", members: object }} ask
 */
async function visit(host, port, ask) {
  const wire = await Wire.open(host, port);
  try {
    const start = Uint8Array.of(1, 1, 4);
    await wire.write(start);
    const reader = new Reader(await wire.read(2048));
    const server = readBundle(reader.lp());
    reader.padding();
    const opening = new Opening(server, start);
    await wire.write(opening.writeA().subarray(start.length));
    opening.readB(await readReply(wire, SIZE.B));
    const session = new Session(wire, opening.finish(), () => {});
    session.start();
    const { op, members } = ask(server);
    const { data, answer } = session.request(op, members);
    const { size } = await answer;
    const bytes = concat(...data);
    if (bytes.length !== size) throw new Failure("protocol", "another size than was announced");
    await session.close();
    return { server, bytes };
  } catch (error) {
    wire.destroy();
    throw error;
  }
}

/** Whether the server that was spoken to is the one of the package. @param {Bundle} server @param {ReturnType<typeof readPackage>} one */
function requirePresent(server, one) {
  if (equal(one.chain.at(-1) ?? NONE, server.bytes)) return one;
  throw new Failure("server-identity", "the package is for another server");
}

/**
 * 10.19, the second machine's side: what the first one sends. `show` gets the numbers of the six words.
 *
 * @param {string} host @param {number} port @param {Bytes} code @param {string} device
 * @param {(numbers: number[]) => void} show
 */
export async function link(host, port, code, device, show) {
  const keys = { x: random(32), seed: random(64) };
  /** @type {Bytes} */
  let post = NONE;
  const { server, bytes } = await visit(host, port, ({ fp }) => {
    post = writePost(code, fp, device, keys);
    show(comparedNumbers(post));
    return { op: "link-post", members: { id: toHex(linkId(code)), post: toBase64(post) } };
  });
  return { server, one: requirePresent(server, readPackage(openAnswer(code, post, keys, bytes))) };
}

/**
 * 10.20: what the kit of this code holds, and the key of the server to pin, whichever has answered.
 *
 * @param {string} host @param {number} port @param {Bytes} code
 */
export async function recover(host, port, code) {
  const { bytes } = await visit(host, port, () => {
    return { op: "kit-get", members: { id: toHex(kitKeys(code).id) } };
  });
  const { package: padded } = openKit(code, bytes);
  const one = readPackage(padded);
  const pinned = one.chain.at(-1);
  if (pinned === undefined) throw new Failure("format", "a package without a server");
  return { server: readBundle(pinned), one };
}

export class Client {
  /** @type {Map<string, Bundle>} */
  #pins = new Map();
  /** Tickets that were not used. @type {Ticket[]} */
  tickets = [];
  /** The newest head of the server's key log. @type {Bytes | null} */
  head = null;
  /** The log, as far as it was fetched. @type {KeyLog | null} */
  #log = null;
  /** Called with the post of a machine that has found a link. @type {(post: Bytes) => void} */
  #onPost = () => {};
  /** Events of mail. @type {{ uid: number, folder: string | number }[]} */
  mail = [];

  /**
   * @param {Login} login @param {import("./handshake.mjs").Hello} hello
   * @param {Wire} wire @param {import("./handshake.mjs").Keys} keys
   */
  constructor(login, hello, wire, keys) {
    this.login = login;
    this.hello = hello;
    this.keysOfSession = keys;
    this.#pins.set(login.name, login.identity.bundle);
    this.session = new Session(wire, keys, (event) => {
      if (event.event === "mail") this.mail.push(event);
      else if (event.event === "ticket") this.#keepTicket(event);
      else if (event.event === "head") this.head = event.head;
      else if (event.event === "link") this.#onPost(event.post);
    });
  }

  /** @param {{ id: string, expires: number }} ticket */
  #keepTicket({ id, expires }) {
    const bytes = fromHex(id);
    const psk = this.keysOfSession.export("sealpost/1 resume", bytes);
    this.tickets.push({ id: bytes, psk, expires });
  }

  /**
   * A whole login (6.1 to 6.8), or one under a key that the server has left (6.11).
   *
   * @param {Login & { password: string }} login @param {boolean} [former]
   */
  static async logIn(login, former = false) {
    const password = utf8(login.password.normalize("NFC"));
    if (password.length < 1 || password.length > 256) throw new Failure("format", "a password");
    const grid = gridOf(login.identity);
    const wire = await Wire.open(login.host, login.port);
    const relax = wire.deadline(20_000);
    try {
      const handshake = new ClientHandshake({ ...login, password, version: VERSION, former });
      await wire.write(handshake.writeA());
      const hello = handshake.readB(await readReply(wire, SIZE.B));
      await wire.write(handshake.writeC());
      const d = await wire.read(SIZE.D);
      const arrived = performance.now();
      /** @type {Bytes} */
      let e;
      try {
        handshake.readD(d);
        e = handshake.writeE();
      } finally {
        await nextTick(arrived, grid);
      }
      await wire.write(e);
      const client = new Client(login, hello, wire, handshake.finish());
      const answer = readAnswer(verdict, await client.session.readVerdict());
      if ("refused" in answer) throw failureOf(answer.refused);
      const { name, fp, ticket } = answer.granted;
      if (name !== login.name || !equal(fp, login.identity.bundle.fp)) {
        throw new Failure("protocol", "the verdict is about another account");
      }
      if (ticket !== undefined) client.#keepTicket(ticket);
      client.session.start();
      return client;
    } catch (error) {
      wire.destroy();
      throw error;
    } finally {
      relax();
    }
  }

  /**
   * A login at a server that has the pinned key, or one that follows it by certificate and is the
   * newest of its key log (15.1).
   *
   * @param {Login & { password: string }} login
   */
  static async follow(login) {
    try {
      return await Client.logIn(login);
    } catch (error) {
      if (codeOf(error) !== "server-identity") throw error;
    }
    const former = await Client.logIn(login, true);
    const { server, seq } = await former.#successor();
    await former.close();
    const client = await Client.logIn({ ...login, server });
    // The answer to a first request comes behind the head.
    await client.whoami();
    if (client.head === null) throw new Failure("protocol", "a login without a head");
    const { records } = await client.followLog(client.head);
    const newest = records.findLast(({ event }) => event === 5);
    if (newest === undefined || newest.seq !== seq || !equal(newest.fp, server.fp)) {
      throw new Failure("server-identity", "the key log has another key of the server");
    }
    return client;
  }

  /** Which key has followed the pinned one, and its number. */
  async #successor() {
    const start = this.login.server;
    /** @type {{ certificate: Bytes, bundle: Bundle }[]} */
    const links = [];
    for (let at = start.fp;;) {
      const answer = await this.session.request("server-keys", { since: at }).answer;
      const server = readBundle(answer.bundle);
      for (const { certificate, bundle } of answer.links) {
        links.push({ certificate, bundle: readBundle(bundle) });
        at = certificate.subarray(76, 108);
      }
      if (answer.links.length > 0 && !equal(at, server.fp) && links.length <= 256) continue;
      const [first] = links;
      const before = first === undefined ? 0 : new Reader(first.certificate.subarray(36)).u64() - 1;
      return { server, seq: followChain("", [], start, before, [], links, server) };
    }
  }

  /**
   * A login with a ticket (6.10), which counts as used from now on.
   *
   * @param {Login & { ticket: Ticket }} login
   */
  static async resume(login) {
    const wire = await Wire.open(login.host, login.port);
    const relax = wire.deadline(20_000);
    try {
      const resumption = new ClientResumption(login);
      await wire.write(resumption.writeR1());
      const hello = resumption.readR2(await readReply(wire, SIZE.R2));
      const client = new Client(login, hello, wire, resumption.finish());
      client.session.start();
      return client;
    } catch (error) {
      wire.destroy();
      throw error;
    } finally {
      relax();
    }
  }

  close() {
    return this.session.close();
  }

  /**
   * 10.19, the first machine's side: waits for the machine that was given the words, and says what it is
   * called and which six words it shows.
   *
   * @param {Bytes} code
   */
  async openLink(code) {
    /** @type {Promise<Bytes>} */
    const came = new Promise((resolve) => {
      this.#onPost = resolve;
    });
    await this.session.request("link-open", { id: toHex(linkId(code)) }).answer;
    const post = await came;
    const { device } = readPost(code, this.login.server.fp, post);
    return { post, device, numbers: comparedNumbers(post) };
  }

  /**
   * Sends all that the second machine needs, once its person has said that the words are the same.
   *
   * @param {Bytes} code @param {Bytes} post @param {string} key the private key file
   */
  async answerLink(code, post, key) {
    const { name, host, port, server, identity } = this.login;
    const { version, record } = await this.sharedRecord();
    const one = writePackage({
      name,
      servers: [`${host}:${port}`],
      chain: [server.bytes],
      bundle: identity.bundle.bytes,
      key,
      retired: [],
      record,
      seen: version,
      head: this.head ?? new Uint8Array(152),
    });
    const answer = answerPost(code, server.fp, post, one);
    const members = { id: toHex(linkId(code)), size: answer.length };
    await this.session.request("link-answer", members, answer).answer;
  }

  /** @param {Bytes} code */
  closeLink(code) {
    return this.session.request("link-close", { id: toHex(linkId(code)) }).answer;
  }

  /** 10.15: the version and the JSON of the shared record; an empty one under 0. */
  async sharedRecord() {
    const { data, answer } = this.session.request("shared-get", {});
    const { version } = await answer;
    const { identity, name } = this.login;
    const record = version === 0
      ? { machines: [], entries: [] }
      : openShared(identity, name, version, concat(...data));
    return { version, record: writeJson(record) };
  }

  whoami() {
    return this.session.request("whoami", {}).answer;
  }

  /** Changes the own password; all tickets are dead then. @param {string} old @param {string} next */
  passwd(old, next) {
    return this.session.request("passwd", { old, new: next }).answer;
  }

  /** @param {readonly number[]} uids @param {{ set?: string[], clear?: string[], folder?: string }} change */
  flag(uids, { set = [], clear = [], folder }) {
    const members = { uids, set, clear, ...folder === undefined ? {} : { folder } };
    return this.session.request("flag", members).answer;
  }

  /** @param {readonly number[]} uids */
  remove(uids) {
    return this.session.request("remove", { uids }).answer;
  }

  /**
   * What the server says of these names, not pinned.
   *
   * @param {readonly string[]} names
   */
  async keys(names) {
    const { keys, head } = await this.session.request("keys", { names }).answer;
    if (keys.length !== names.length || keys.some(({ name }, i) => name !== names[i])) {
      throw new Failure("protocol", "keys of other names than those asked for");
    }
    const log = await this.followLog(head);
    const { n } = readHead(head);
    for (const { state, name, bundle, seq = 0 } of keys) {
      const newest = log.newest(name, n);
      const logged = newest === null || newest.event === 3 ? null : newest;
      const fits = state !== "bound" || bundle === undefined
        ? logged === null
        : logged !== null && equal(logged.fp, readBundle(bundle).fp) && logged.seq === seq;
      if (!fits) throw new Failure("protocol", `the key log has another key of ${name}`);
    }
    return keys;
  }

  /**
   * The server's key log up to this head at least; what is missing is fetched (15.4).
   *
   * @param {Bytes} bytes
   */
  async followLog(bytes) {
    const shown = readHead(bytes);
    verifyHead(shown, this.login.server);
    if (this.#log === null || this.#log.n < shown.n) {
      const { data, answer } = this.session.request("log", { after: 0 });
      const { first, head } = await answer;
      const reader = new Reader(concat(...data), "protocol");
      const parts = [];
      while (reader.left > 0) parts.push(reader.lp());
      this.#log = new KeyLog(first, readRecords(concat(...parts)));
      this.head = head;
      verifyHead(readHead(head), this.login.server);
      if (judge(readHead(head), this.#log, []) !== "fits") {
        throw new Failure("protocol", "the key log is not the one that was signed");
      }
    }
    if (judge(shown, this.#log, []) !== "fits") {
      throw new Failure("protocol", "the server has two histories of the keys");
    }
    return this.#log;
  }

  /** How the head in a message of somebody stands to the server's key log. @param {Bytes} head */
  async standing(head) {
    const log = await this.followLog(this.head ?? head);
    const now = judge(readHead(head), log, []);
    if (now !== "ahead") return now;
    this.#log = null;
    return judge(readHead(head), await this.followLog(this.head ?? head), []);
  }

  /**
   * The keys that the server offers for these names, which are not pinned. Throws if it has none for
   * one, or one that is pinned for another name.
   *
   * @param {readonly string[]} names @returns {Promise<Bundle[]>}
   */
  async #offered(names) {
    /** @type {Bundle[]} */
    const bundles = [];
    for (let i = 0; i < names.length; i += 12) {
      for (const { state, name, bundle } of await this.keys(names.slice(i, i + 12))) {
        if (state === "unknown") throw new Failure("no-such-user", `there is no user ${name}`);
        if (state === "no-key") throw new Failure("no-key", `${name} has never connected`);
        if (bundle === undefined) throw new Failure("protocol", "a key that is bound is missing");
        const read = readBundle(bundle);
        if ([...this.#pins.values()].some(({ fp }) => equal(fp, read.fp))) {
          throw new Failure("key-changed", `${name} is given the key of another name`);
        }
        bundles.push(read);
      }
    }
    return bundles;
  }

  /**
   * The keys of these names: as pinned, or, the first time, as the server says (15.2).
   *
   * @param {readonly string[]} names @returns {Promise<Bundle[]>}
   */
  async #bundlesOf(names) {
    const unknown = [...new Set(names.filter((name) => !this.#pins.has(name)))];
    const offered = await this.#offered(unknown);
    unknown.forEach((name, i) => this.#pins.set(name, at(offered, i)));
    return names.map((name) => {
      const pin = this.#pins.get(name);
      if (pin === undefined) throw new Failure("no-key", `no key is pinned for ${name}`);
      return pin;
    });
  }

  /**
   * Seals a message, and delivers it.
   *
   * @param {object} mail
   * @param {string[]} mail.to @param {string[]} [mail.cc] @param {string[]} [mail.bcc]
   * @param {string} mail.subject @param {string} mail.text
   * @param {import("./mime.mjs").Attachment[]} [mail.attachments]
   * @param {boolean} [mail.copy] whether to keep one in Sent
   * @param {string} [mail.inReplyTo]
   */
  async send(
    {
      to,
      cc = [],
      bcc = [],
      subject,
      text,
      attachments = [],
      copy = true,
      inReplyTo,
    },
  ) {
    const { name, identity } = this.login;
    const all = [...to, ...cc, ...bcc];
    const bundles = await this.#bundlesOf(all);
    const recipients = all.map((name, i) => ({ name, fp: at(bundles, i).fp }));
    const people = (/** @type {string[]} */ names) =>
      recipients.filter((person) => names.includes(person.name));
    const [id, date] = [newId(), Date.now()];
    const message = compose({ id, from: name, to, cc, date, subject, text, attachments });
    const sealed = sealMessage(identity, {
      id,
      summary: {
        from: { name, fp: identity.bundle.fp },
        to: people(to),
        cc: people(cc),
        subject: [...subject].slice(0, 100).join(""),
        date,
        head: this.head ?? new Uint8Array(152),
        size: message.length,
        attachmentCount: attachments.length,
        attachments: attachments.map(({ name, content }) => ({
          name,
          size: content.length,
        })),
        inReplyTo,
        messageId: undefined,
        references: undefined,
        replyTo: undefined,
        type: "multipart/mixed",
        stored: undefined,
        fullName: undefined,
        servers: undefined,
      },
      recipients: copy && !all.includes(name) ? [...bundles, identity.bundle] : bundles,
      bcc: copy ? people(bcc) : null,
      message,
    });
    const answer = await this.deliver({ id, recipients, copy }, sealed);
    return { id, recipients, copy, sealed, message, ...answer };
  }

  /**
   * @param {{ id: string, recipients: Person[], copy: boolean }} about @param {Bytes} sealed
   */
  deliver({ id, recipients, copy }, sealed) {
    const members = { id, size: sealed.length, recipients, copy };
    return this.session.request("deliver", members, sealed).answer;
  }

  /**
   * @param {{ folder?: string, after?: number, before?: number, order?: string, brief?: boolean, limit?: number }} [which]
   */
  async list({ order = "newest", limit = 200, ...which } = {}) {
    const { data, answer } = this.session.request("list", { ...which, order, limit });
    const { epoch, nextUid } = await answer;
    const reader = new Reader(concat(...data), "protocol");
    /** @type {Entry[]} */
    const entries = [];
    while (reader.left > 0) entries.push(readEntry(reader.lp()));
    const uids = entries.map(({ uid }) => uid);
    const sorted = uids.toSorted((a, b) => order === "newest" ? b - a : a - b);
    const { folder, after = 0, before = nextUid } = which;
    const asked = entries.length <= limit &&
      entries.every((entry, i) =>
        entry.uid === sorted[i] && entry.uid !== sorted[i + 1] && entry.uid > after &&
        entry.uid < Math.min(before, nextUid) && (folder === undefined || entry.folder === folder)
      );
    if (!asked) throw new Failure("protocol", "a list of what was not asked for");
    return { epoch, nextUid, entries };
  }

  /**
   * 13.1: all that an inbox shows of an entry, verified.
   *
   * @param {Entry} entry
   */
  async openEntry(entry) {
    const opened = openEntry(this.login.identity, entry);
    const { name } = opened.summary.from;
    // 13.2: an announcement is the server's, and pins nothing.
    const announced = name === OPERATOR;
    const sender = announced
      ? this.login.server
      : this.#pins.get(name) ?? at(await this.#offered([name]), 0);
    verifyEntry(opened, sender, entry, this.login.identity.bundle.fp);
    if (!announced) this.#pins.set(name, sender);
    const { head } = opened.summary;
    if (equal(readHead(head).serverFp, this.login.server.fp)) {
      const standing = await this.standing(head);
      if (standing === "contradicts" || standing === "ahead") {
        throw new Failure("protocol", `${name} was shown another history of the keys`);
      }
    }
    return { opened, sender };
  }

  /** The entry, and the rest of its sealed body. @param {number} uid @param {number} [offset] */
  async fetchSealed(uid, offset) {
    const members = offset === undefined ? { uid } : { uid, offset };
    const { data, answer } = this.session.request("fetch", members);
    const { size } = await answer;
    const reader = new Reader(concat(...data));
    const entry = readEntry(reader.lp());
    if (size !== entry.bodySize - (offset ?? 0) || reader.left > size) {
      throw new Failure("protocol", "a body of another size than announced");
    }
    return { entry, body: reader.take(reader.left) };
  }

  /**
   * 13.3: a message that was listed, verified.
   *
   * @param {Entry} listed
   */
  async fetch(listed) {
    const { opened, sender } = await this.openEntry(listed);
    const { entry, body } = await this.fetchSealed(listed.uid);
    const same = entry.storedAt === listed.storedAt &&
      entry.bodySize === listed.bodySize &&
      entry.uid === listed.uid && equal(entry.header, listed.header) &&
      equal(entry.stanza, listed.stanza) &&
      equal(entry.summary, listed.summary) &&
      equal(entry.note, listed.note);
    if (!same) throw new Failure("protocol", "another entry than the one listed");
    const message = openBody(opened, sender, entry.header, entry.bodySize, body);
    return { opened, message, mail: parse(message) };
  }

  /** Whom one's own message was blind-copied to. @param {Entry} entry */
  readNote(entry) {
    return openNote(this.login.identity, entry.header, entry.note);
  }
}

/** @template T @param {readonly T[]} list @param {number} index @returns {T} */
function at(list, index) {
  const found = list[index];
  if (found === undefined) throw new RangeError("no such element");
  return found;
}
