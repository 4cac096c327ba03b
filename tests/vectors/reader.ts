import { Cache } from "../../client/state/cache.ts";
import { ClientSession } from "../../client/connection/client_session.ts";
import { People, type Self } from "../../client/trust/people.ts";
import { Pins } from "../../client/state/pins.ts";
import { RetiredKeys } from "../../client/state/retired_keys.ts";
import { State } from "../../client/state/state.ts";
import { fetchMessage } from "../../client/mailbox/fetch.ts";
import { MessageOpener, type Opened } from "../../client/mailbox/open.ts";
import { Members } from "../../client/state/members.ts";
import { Lanes } from "../../client/state/lanes.ts";
import { FailedStanzas } from "../../client/state/failed_stanzas.ts";
import { OpenedMessages } from "../../client/state/opened_messages.ts";
import { type Bytes, concat, equal, lp } from "../../crypto/bytes.ts";
import { ExactReader } from "../../protocol/byte_stream.ts";
import { Connection } from "../../protocol/connection.ts";
import { encodeEntry, type Entry } from "../../protocol/entry.ts";
import { FrameKind, MAX_DATA } from "../../protocol/frame.ts";
import { OPERATOR } from "../../protocol/name.ts";
import { decodeRequest, encodeJson } from "../../protocol/request.ts";
import { SOME_HEAD } from "../support/log_head.ts";
import { pipe } from "../support/pipe.ts";
import type { Identities } from "./identities.ts";

const NO_KEYS = { send: new Uint8Array(32), receive: new Uint8Array(32) };

/** The vectors have no key log: nothing is asked of it. */
const NO_LOG = {
  serverFps: [],
  serverKey: () => null,
  confirm: () => Promise.resolve(),
  gossip: () => Promise.resolve(),
};

/**
 * Our client as one user: it reads what it is given as if a server had sent it. Everybody of
 * keys.json is pinned under their own name, unless `pins` says otherwise.
 */
export class Reader {
  readonly #self: Self;
  readonly #state: State;
  readonly #people: People;
  readonly #link: ClientSession;
  readonly #server: Connection;
  #served: Bytes = new Uint8Array(0);
  #size = 0;

  private constructor(parts: {
    self: Self;
    state: State;
    people: (link: ClientSession) => People;
  }) {
    const [here, there] = pipe();
    this.#self = parts.self;
    this.#state = parts.state;
    this.#link = new ClientSession(new Connection(here, new ExactReader(here), NO_KEYS));
    this.#server = new Connection(there, new ExactReader(there), NO_KEYS);
    this.#people = parts.people(this.#link);
  }

  /** `name` with state in the empty folder `dir`. */
  static async open(
    identities: Identities,
    name: string,
    dir: string,
    pins: Readonly<Record<string, string>> = {},
  ): Promise<Reader> {
    const identity = await identities.get(name);
    const retired = new RetiredKeys(dir, name, () => Promise.resolve(null));
    const state = await State.open(dir, name, identity, retired);
    const known = await Pins.load(state);
    const taken = Object.values(pins);
    for (const other of identities.names) {
      const as = pins[other] ?? other;
      if (other === name || (as === other && taken.includes(other))) continue;
      await known.trustOnFirstUse(other, (await identities.get(as)).bundle);
    }
    const { bundle: server } = await identities.get(pins[OPERATOR] ?? "server");
    const self = { name, identity, retired };
    const reader = new Reader({
      self,
      state,
      people: (link) => {
        const serverKey = (fp: Bytes) => equal(fp, server.fp) ? server : null;
        return new People(link, known, self, { ...NO_LOG, serverKey });
      },
    });
    reader.#serve();
    return reader;
  }

  /** Opens `entry`; nothing is remembered of earlier ones but the stanzas that did not open. */
  async unseal(entry: Entry): Promise<Opened> {
    return await this.#withOpener((opener) => opener.open(entry));
  }

  /** Who was blind-copied, as the note of `opened` says. */
  async note(opened: Opened): Promise<readonly { name: string; fp: string }[]> {
    return await this.#withOpener((opener) => opener.blindCopied(opened));
  }

  /** The message of `opened`, when the server answers with `body`. */
  async fetch(opened: Opened, body: Bytes): Promise<Bytes> {
    this.#served = concat(lp(encodeEntry(opened.entry)), body);
    this.#size = opened.entry.bodySize;
    const message = await fetchMessage(
      { channel: this.#link, bodies: null, keep: false, tempFolder: this.#state.tempFolder() },
      opened,
    );
    const parts: Bytes[] = [];
    for await (const part of message.stream()) parts.push(part);
    const whole = concat(...parts);
    await message.dispose();
    return whole;
  }

  async close(): Promise<void> {
    await Promise.all([this.#link.close(), this.#server.close()]);
  }

  async #withOpener<T>(work: (opener: MessageOpener) => Promise<T>): Promise<T> {
    const cache = await Cache.open(this.#state, false);
    try {
      const failed = new FailedStanzas(this.#state);
      return await work(
        new MessageOpener(
          this.#self,
          this.#people,
          new OpenedMessages(cache),
          failed,
          new Lanes(cache),
          NO_LOG,
          await Members.load(this.#state),
          { see: () => Promise.resolve() },
        ),
      );
    } finally {
      cache.close();
    }
  }

  /** Answers every fetch with what was set, until the goodbye. */
  async #serve(): Promise<void> {
    for (;;) {
      const frame = await this.#server.receive();
      if (!frame) return;
      if (frame.kind !== FrameKind.request) continue;
      const { id } = frame;
      const request = decodeRequest(frame.payload);
      if (request.op === "keys") {
        // Somebody whose key is pinned wrote with another: no new one is known here.
        const keys = request.names.map((name) => ({ name, state: "unknown" as const }));
        const payload = encodeJson({ ok: true, keys, head: SOME_HEAD });
        await this.#server.send({ kind: FrameKind.response, id, payload });
        continue;
      }
      if (request.op !== "fetch") throw new Error("only fetch and keys are served");
      const response = encodeJson({ ok: true, size: this.#size });
      await this.#server.send({ kind: FrameKind.response, id, payload: response });
      for (let at = 0; at < this.#served.length; at += MAX_DATA) {
        const payload = this.#served.slice(at, at + MAX_DATA);
        await this.#server.send({ kind: FrameKind.data, id, payload });
      }
      await this.#server.send({ kind: FrameKind.end, id, payload: new Uint8Array(0) });
    }
  }
}
