// @ts-check
// A TCP connection of which exact numbers of bytes are read.

import { connect } from "node:net";
import { concat, NONE } from "./bytes.mjs";
import { Failure } from "./error.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */

export class Wire {
  /** @type {Bytes} */
  #arrived = NONE;
  #ended = false;
  /** @type {Failure | null} */
  #failure = null;
  /** Called when something has changed. */
  #wake = () => {};
  #socket;

  /** @param {import("node:net").Socket} socket */
  constructor(socket) {
    this.#socket = socket;
    const wake = () => this.#wake();
    socket.on("data", (bytes) => {
      this.#arrived = concat(this.#arrived, bytes);
      wake();
    });
    socket.on("end", () => {
      this.#ended = true;
      wake();
    });
    socket.on("error", (cause) => {
      this.#failure ??= new Failure("connection-lost", "the connection broke", cause);
      wake();
    });
    socket.on("close", () => {
      this.#ended = true;
      wake();
    });
  }

  /**
   * Waits 10 seconds for a connection (5.2).
   *
   * @param {string} host @param {number} port @returns {Promise<Wire>}
   */
  static open(host, port) {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new Failure("timeout", "no connection within 10 seconds"));
      }, 10_000);
      const unreachable = (/** @type {Error} */ cause) => {
        clearTimeout(timer);
        reject(new Failure("unreachable", "nobody listens there", cause));
      };
      socket.once("error", unreachable);
      socket.once("connect", () => {
        clearTimeout(timer);
        socket.off("error", unreachable);
        resolve(new Wire(socket));
      });
    });
  }

  /** Gives up what is read after `ms`, with `timeout`; the function that is returned takes it back. @param {number} ms */
  deadline(ms) {
    const timer = setTimeout(
      () =>
        this.destroy(
          new Failure("timeout", `no verdict within ${ms / 1000} seconds`),
        ),
      ms,
    );
    return () => clearTimeout(timer);
  }

  /** Exactly `size` bytes. Throws `connection-lost`. @param {number} size @returns {Promise<Bytes>} */
  async read(size) {
    const bytes = await this.readUpTo(size);
    if (bytes.length < size) throw new Failure("connection-lost", "the connection ended");
    return bytes;
  }

  /** `size` bytes, or fewer at the end of the stream. @param {number} size @returns {Promise<Bytes>} */
  async readUpTo(size) {
    while (this.#arrived.length < size && !this.#ended) {
      if (this.#failure) throw this.#failure;
      await new Promise((resolve) => this.#wake = () => resolve(undefined));
    }
    if (this.#failure && this.#arrived.length < size) throw this.#failure;
    const bytes = this.#arrived.slice(0, size);
    this.#arrived = this.#arrived.subarray(size);
    return bytes;
  }

  /** Writes, and waits while the other side does not read. @param {Bytes} bytes */
  async write(bytes) {
    if (this.#failure) throw this.#failure;
    if (this.#socket.write(bytes)) return;
    await new Promise((resolve) => {
      const done = () => {
        this.#socket.off("drain", done).off("close", done);
        resolve(undefined);
      };
      this.#socket.on("drain", done).on("close", done);
    });
  }

  /** Ends this side of the stream. */
  end() {
    this.#socket.end();
  }

  /** @param {Failure} [failure] of what is read from now on */
  destroy(failure) {
    this.#failure ??= failure ?? null;
    this.#ended = true;
    this.#socket.destroy();
    this.#wake();
  }
}
