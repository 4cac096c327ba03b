// @ts-check
// Sections 7 to 9: a session, from the first record to the last.

import { concat, utf8 } from "./bytes.mjs";
import { Failure } from "./error.mjs";
import { frame, KIND, MAX_DATA, MAX_PLAINTEXT, pack, unpack } from "./frames.mjs";
import { Records, recordSize } from "./records.mjs";
import { failureOf, readAnswer, readEvent, response, writeJson } from "./schemas.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */
/** @typedef {import("./frames.mjs").Frame} Frame */
/** @typedef {typeof response} Responses */
/** @typedef {keyof Responses} Op */

/**
 * A request that is not answered completely.
 *
 * @typedef {object} Pending
 * @property {number} id
 * @property {Op} op
 * @property {unknown} granted undefined until there is a response
 * @property {Bytes[]} data of a list or fetch, after the response
 * @property {(value: unknown) => void} resolve
 * @property {(error: unknown) => void} reject
 */

export class Session {
  #wire;
  #in;
  #out;
  #lastId = 0;
  /** @type {Pending[]} */
  #pending = [];
  /** @type {Error | null} */
  #failure = null;
  #closing = false;
  /** @type {Promise<void> | null} */
  #loop = null;
  /** @type {Frame[]} */
  #unread = [];

  /**
   * @param {import("./wire.mjs").Wire} wire
   * @param {import("./handshake.mjs").Keys} keys
   * @param {(event: NonNullable<ReturnType<typeof readEvent>>) => void} onEvent
   */
  constructor(wire, keys, onEvent) {
    this.#wire = wire;
    this.#out = new Records(keys.clientToServer);
    this.#in = new Records(keys.serverToClient);
    this.onEvent = onEvent;
  }

  /** The frames of the next record. */
  async #readRecord() {
    const head = await this.#wire.read(3);
    const ciphertext = await this.#wire.read(recordSize(head));
    return unpack(this.#in.open(head, ciphertext), "server");
  }

  /** The payload of the first frame, which is an event: the verdict. */
  async readVerdict() {
    const [first, ...rest] = await this.#readRecord();
    if (first?.kind !== KIND.event) throw new Failure("protocol", "the first frame is no verdict");
    this.#unread = rest;
    return first.payload;
  }

  /** From here on requests can be made. */
  start() {
    this.#loop = this.#run().catch((error) => this.#fail(error));
  }

  async #run() {
    let closed = this.#unread.some((frame) => this.#take(frame));
    while (!closed) closed = (await this.#readRecord()).some((frame) => this.#take(frame));
    if ((await this.#wire.readUpTo(1)).length > 0) {
      throw new Failure("protocol", "a byte after the record with close");
    }
    this.#wire.end();
    if (this.#pending.length > 0 || !this.#closing) {
      throw new Failure("connection-lost", "the server ended the session");
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#failure = error instanceof Error ? error : new Error(String(error));
    // Whoever said goodbye does not wait for one.
    const expected = this.#closing && error instanceof Failure &&
      error.code === "connection-lost";
    if (expected && this.#pending.length === 0) return;
    this.#wire.destroy();
    for (const { reject } of this.#pending.splice(0)) reject(this.#failure);
  }

  /** True if the frame is close. @param {Frame} frame */
  #take({ kind, id, payload }) {
    const [first] = this.#pending;
    if (kind === KIND.close) return true;
    if (kind === KIND.ping) {
      const answer = concat(Uint8Array.of(1), payload.subarray(1));
      if (payload[0] === 0) this.#send([frame(KIND.ping, 0, answer)]).catch(() => {});
    } else if (kind === KIND.event) {
      const event = readEvent(payload);
      if (event !== null) this.onEvent(event);
    } else if (first === undefined || first.id !== id) {
      throw new Failure("protocol", "a frame for a request that is not the next");
    } else if (kind === KIND.response) {
      this.#takeResponse(first, payload);
    } else {
      this.#takeData(first, kind, payload);
    }
    return false;
  }

  /** @param {Pending} pending @param {Bytes} payload */
  #takeResponse(pending, payload) {
    if (pending.granted !== undefined) throw new Failure("protocol", "a second response");
    /** @type {import("./schemas.mjs").Read<unknown>} */
    const schema = response[pending.op];
    const answer = readAnswer(schema, payload);
    if ("refused" in answer) {
      this.#pending.shift();
      pending.reject(failureOf(answer.refused));
    } else if (
      ["list", "fetch", "log", "shared-get", "link-post", "kit-get"].includes(pending.op)
    ) {
      pending.granted = answer.granted;
    } else {
      this.#pending.shift();
      pending.resolve(answer.granted);
    }
  }

  /** @param {Pending} pending @param {number} kind @param {Bytes} payload */
  #takeData(pending, kind, payload) {
    if (pending.granted === undefined) throw new Failure("protocol", "data before a response");
    if (kind === KIND.data) {
      pending.data.push(payload);
      return;
    }
    this.#pending.shift();
    if (kind === KIND.end) pending.resolve(pending.granted);
    else pending.reject(new Failure("cancelled", "the data are not complete"));
  }

  /** @param {readonly Frame[]} frames */
  async #send(frames) {
    for (const record of pack(frames)) await this.#wire.write(this.#out.seal(record));
  }

  /**
   * Makes a request. `data` fills as the data of a list or fetch comes; it is whole when `answer`
   * is there.
   *
   * @template {Op} O
   * @param {O} op @param {object} members @param {Bytes} [upload]
   * @returns {{ id: number, data: Bytes[], answer: Promise<ReturnType<Responses[O]>> }}
   */
  request(op, members, upload) {
    if (this.#failure) throw this.#failure;
    const id = ++this.#lastId;
    /** @type {Bytes[]} */
    const data = [];
    const answer = new Promise((resolve, reject) => {
      this.#pending.push({ id, op, granted: undefined, data, resolve, reject });
    });
    const request = frame(KIND.request, id, writeJson({ op, ...members }));
    const sent = upload === undefined ? this.#send([request]) : this.#upload(request, upload);
    sent.catch((error) => this.#fail(error));
    return { id, data, answer: /** @type {Promise<ReturnType<Responses[O]>>} */ (answer) };
  }

  /** The request and what is uploaded, in full records. @param {Frame} request @param {Bytes} upload */
  async #upload(request, upload) {
    const { id } = request;
    let at = 0;
    let frames = [request];
    let room = MAX_PLAINTEXT - 8 - request.payload.length;
    while (at < upload.length) {
      // Answered already, and so refused: the rest need not be sent.
      if (!this.#pending.some((pending) => pending.id === id)) {
        return await this.#send([frame(KIND.cancel, id)]);
      }
      const data = upload.subarray(at, at + Math.max(1, Math.min(MAX_DATA, room - 8)));
      at += data.length;
      frames.push(frame(KIND.data, id, data));
      if (at === upload.length) frames.push(frame(KIND.end, id));
      await this.#send(frames);
      frames = [];
      room = MAX_PLAINTEXT;
    }
  }

  /** Says goodbye, and waits until the server has ended its side. */
  async close() {
    this.#closing = true;
    if (!this.#failure) await this.#send([frame(KIND.close, 0, utf8("done"))]);
    this.#wire.end();
    await this.#loop;
    this.#wire.destroy();
  }
}
