import { KeyLogClient } from "../../client/trust/key_log.ts";
import { RetiredKeys } from "../../client/state/retired_keys.ts";
import { headOf, logOn } from "../../client/connection/log_on.ts";
import { ReconnectingConnection } from "../../client/connection/reconnecting_connection.ts";
import type { ClientSession } from "../../client/connection/client_session.ts";
import { Mail } from "../../client/mail.ts";
import { State } from "../../client/state/state.ts";
import { type Bytes, concat, equal, lp, toBase64, utf8 } from "../../crypto/bytes.ts";
import { type Bundle, encodeBundle, type Identity } from "../../crypto/identity.ts";
import { parseAddress } from "../../protocol/address.ts";
import { type ByteStream, ExactReader } from "../../protocol/byte_stream.ts";
import { Connection } from "../../protocol/connection.ts";
import { encodeChange, type MailboxChange } from "../../protocol/change.ts";
import { encodeEntry, type Entry, type Flag, flagBits, flagsOf } from "../../protocol/entry.ts";
import { FrameKind, MAX_DATA } from "../../protocol/frame.ts";
import {
  KIND_HANDSHAKE,
  PREFIX_SIZE,
  ServerHandshake,
  SIZE_A,
  SIZE_C,
  SIZE_E,
} from "../../protocol/handshake.ts";
import { encodeLogRecord, KeyLog, type LogRecord, signHead } from "../../protocol/key_log.ts";
import type { Hello } from "../../protocol/hello.ts";
import {
  type ChangesRequest,
  decodeRequest,
  type Request,
  VERDICT_SIZE,
} from "../../protocol/request.ts";
import { type Listener, listenSocket } from "../../protocol/socket.ts";
import { identityOf } from "../support/identities.ts";
import type { SealedParts } from "../support/sealed.ts";

/** The page of entries that a client asks for at a time. */
export const PAGE = 200;

/** What a server does in the place of what it should; what is left out it does as it should. */
export interface Lies {
  readonly hello?: Hello;
  /** The verdict in the place of `honest`; null for none at all. */
  readonly verdict?: (honest: Record<string, unknown>) => unknown;
  /** Sent as a whole in the place of message B; null: nothing, and the connection stays open. */
  readonly b?: Bytes | null;
  /** The head of the key log at a login, base64. */
  readonly head?: () => Promise<string>;
  /** Sent right after the verdict. */
  readonly after?: (talk: Talk) => Promise<void>;
  /** Answers a request in the place of the server. False: the server answers as it should. */
  readonly answer?: (request: Request, talk: Talk) => Promise<boolean>;
}

/** What a server can say in a session, true or not. */
export class Talk {
  /** Data that was sent, bytes. */
  sent = 0;

  constructor(
    readonly connection: Connection,
    readonly id: number,
    /** Resolves with what was uploaded with the request. */
    readonly upload: Promise<Bytes>,
  ) {}

  async frame(kind: FrameKind, payload: Bytes = new Uint8Array(0), id = this.id): Promise<void> {
    await this.connection.send({ kind, id, payload });
  }

  async respond(value: unknown): Promise<void> {
    await this.frame(FrameKind.response, utf8(JSON.stringify(value)));
  }

  async event(value: unknown): Promise<void> {
    await this.frame(FrameKind.event, utf8(JSON.stringify(value)), 0);
  }

  async data(bytes: Bytes): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_DATA) {
      const payload = bytes.slice(at, at + MAX_DATA);
      await this.frame(FrameKind.data, payload);
      this.sent += payload.length;
    }
  }

  /** A whole answer with data. */
  async answer(value: unknown, ...data: readonly Bytes[]): Promise<void> {
    await this.respond(value);
    for (const piece of data) await this.data(piece);
    await this.frame(FrameKind.end);
  }
}

/** A message in a mailbox. */
interface Kept {
  entry: Entry;
  readonly body: Bytes;
}

/**
 * A server in this process that has one mailbox, accepts whatever password it is given, and lies
 * as a test tells it to. What it does of itself is right.
 */
export class DishonestServer implements AsyncDisposable {
  readonly address: string;
  readonly #listener: Listener;
  readonly #serving = new Set<Promise<void>>();
  readonly #streams = new Set<ByteStream>();
  readonly #accepting: Promise<void>;
  lies: Lies = {};
  epoch = "00000000000000a1";
  kept: Kept[] = [];
  nextUid = 1;
  modseq = 0;
  /** What is remembered of messages that went, or left a place. */
  departures: MailboxChange[] = [];
  /** The key log. */
  log = KeyLog.begin(Math.floor(Date.now() / 1000));
  /** What is offered as whose key. */
  readonly keys = new Map<string, Bundle>();
  /** What is offered as somebody's chain of certificates, in base64. */
  readonly chains = new Map<string, { certificate: string; bundle: string }[]>();
  /** Uploads that were accepted. */
  readonly delivered: Extract<Request, { op: "deliver" }>[] = [];
  /** Requests that came, by their names. */
  readonly asked: string[] = [];

  private constructor(readonly identity: Identity) {
    this.#listener = listenSocket({ host: "127.0.0.1", port: 0 });
    this.address = `127.0.0.1:${this.#listener.address.port}`;
    this.#accepting = this.#accept();
  }

  static async start(identity?: Identity): Promise<DishonestServer> {
    return new DishonestServer(identity ?? await identityOf("server"));
  }

  /** The head of the key log, base64, once what is offered as people's keys is in it. */
  async head(): Promise<string> {
    for (const [name, { fp }] of this.keys) {
      const newest = this.log.newest(name);
      if (newest === null || !equal(newest.fp, fp)) {
        this.record({ event: "bound", name, fp, seq: 0 });
      }
    }
    return await this.headOf(this.log);
  }

  /** A head of `log`, which this server signs at `time`, milliseconds since 1970: now if not given. */
  async headOf(log: KeyLog, time = Date.now()): Promise<string> {
    const { n, generation } = log;
    return toBase64(await signHead({ n, generation, hash: log.hash(n) }, time, this.identity));
  }

  /** Adds a record to the key log. */
  record(logged: Pick<LogRecord, "event" | "name" | "fp" | "seq">): void {
    const record = { ...logged, index: this.log.n + 1, time: Date.now() };
    this.log = this.log.extend([record]);
  }

  /** Puts a message into the mailbox, as it was sealed for recipient number `index`. */
  put(parts: SealedParts, index = 0, more: Partial<Entry> = {}): Entry {
    const stanza = parts.stanzas[index];
    if (!stanza) throw new Error(`there is no recipient ${index}`);
    const body = concat(...parts.chunks);
    const entry: Entry = {
      uid: this.nextUid,
      modseq: ++this.modseq,
      number: this.nextUid,
      folder: "inbox",
      flags: [],
      receivedAt: Date.now(),
      header: parts.header,
      stanza,
      summary: parts.summary,
      note: null,
      bodySize: body.length,
      ...more,
    };
    this.nextUid = Math.max(this.nextUid, entry.uid) + 1;
    this.kept.push({ entry, body });
    return entry;
  }

  async #accept(): Promise<void> {
    for await (const stream of this.#listener.accept()) {
      this.#streams.add(stream);
      const serving = this.#serve(stream).catch(() => {}).finally(() => {
        this.#serving.delete(serving);
      });
      this.#serving.add(serving);
    }
  }

  async #serve(stream: ByteStream): Promise<void> {
    const reader = new ExactReader(stream);
    const must = async (size: number) => {
      const bytes = await reader.exactly(size);
      if (!bytes) throw new Error("the client left");
      return bytes;
    };
    const first = await must(PREFIX_SIZE);
    // Tickets are not taken: the client logs in with its password.
    if (first[2] !== KIND_HANDSHAKE) return stream.close();
    const handshake = await ServerHandshake.start(this.identity);
    await handshake.readA(concat(first, await must(SIZE_A - PREFIX_SIZE)));
    const hello = { server: "sealpost", maxMessage: 104_857_600, maxRecipients: 100 };
    const b = await handshake.writeB(this.lies.hello ?? hello);
    if (this.lies.b === null) return;
    await stream.write(this.lies.b ?? b);
    if (this.lies.b) return stream.close();
    const claim = await handshake.readC(await must(SIZE_C));
    await stream.write(await handshake.writeD());
    await handshake.readE(await must(SIZE_E));
    const keys = await handshake.split();
    const connection = new Connection(stream, reader, {
      send: keys.responder,
      receive: keys.initiator,
    });
    const { name } = claim.login;
    const honest = { ok: true, bound: false, name, fp: toBase64(claim.bundle.fp) };
    const verdict = this.lies.verdict ? this.lies.verdict(honest) : honest;
    if (verdict === null) return;
    const payload = utf8(JSON.stringify(verdict));
    await connection.send({ kind: FrameKind.event, id: 0, payload }, VERDICT_SIZE);
    const talk = new Talk(connection, 0, Promise.resolve(new Uint8Array(0)));
    const head = await (this.lies.head?.() ?? this.head());
    await talk.event({ event: "head", head });
    await this.lies.after?.(talk);
    await this.#session(connection);
  }

  async #session(connection: Connection): Promise<void> {
    let turn: Promise<unknown> = Promise.resolve();
    let pieces: Bytes[] = [];
    let uploaded: (bytes: Bytes) => void = () => {};
    for (;;) {
      const frame = await connection.receive();
      if (!frame) break;
      if (frame.kind === FrameKind.data) pieces.push(frame.payload);
      if (frame.kind === FrameKind.end) uploaded(concat(...pieces));
      if (frame.kind !== FrameKind.request) continue;
      pieces = [];
      const upload = new Promise<Bytes>((resolve) => uploaded = resolve);
      const request = decodeRequest(frame.payload);
      this.asked.push(request.op);
      const talk = new Talk(connection, frame.id, upload);
      turn = turn.then(async () => {
        if (!await this.lies.answer?.(request, talk)) await this.answer(request, talk);
      }).catch(() => {});
    }
    await turn;
  }

  /** Answers as a server should. */
  async answer(request: Request, talk: Talk): Promise<void> {
    const { epoch, nextUid, modseq } = this;
    switch (request.op) {
      case "list":
        return await talk.answer(
          { ok: true, epoch, nextUid, modseq },
          ...this.page(request).map((entry) => lp(encodeEntry(entry))),
        );
      case "fetch": {
        const kept = this.kept.find(({ entry }) => entry.uid === request.uid);
        if (!kept) return await talk.respond(refusal("no-such-message", "it is gone"));
        const { entry, body } = kept;
        return await talk.answer({ ok: true, size: body.length }, lp(encodeEntry(entry)), body);
      }
      case "flag":
        for (const uid of request.uids) this.flag(uid, request.set);
        return await talk.respond({ ok: true, uids: request.uids, modseq: this.modseq });
      case "remove":
        for (const uid of request.uids) this.remove(uid);
        return await talk.respond({ ok: true, uids: request.uids, modseq: this.modseq });
      case "changes": {
        if (request.since > modseq) return await talk.respond(refusal("too-old", "list it"));
        const all = this.changes(request);
        const page = all.slice(0, request.limit);
        return await talk.answer(
          { ok: true, epoch, nextUid, modseq, more: page.length < all.length },
          ...page.map((change) => lp(encodeChange(change))),
        );
      }
      case "keys":
        return await talk.respond({
          ok: true,
          keys: request.names.map((name) => {
            const bundle = this.keys.get(name);
            return bundle
              ? { name, state: "bound", bundle: toBase64(encodeBundle(bundle)) }
              : { name, state: "unknown" };
          }),
          head: await this.head(),
        });
      case "log": {
        const head = await this.head();
        const records = this.log.records.slice(request.after);
        return await talk.answer(
          { ok: true, first: this.log.first, head },
          ...records.map((record) => lp(encodeLogRecord(record))),
        );
      }
      case "deliver":
        await talk.upload;
        this.delivered.push(request);
        return await talk.respond({ ok: true, at: Date.now(), again: false });
      case "whoami":
        return await talk.respond({
          ok: true,
          name: "bob",
          fp: toBase64(new Uint8Array(32)),
          epoch,
          nextUid,
          modseq,
          entries: this.kept.length,
          unseen: 0,
          bytes: 0,
        });
      case "passwd":
        return await talk.respond({ ok: true });
      case "logout":
        return await talk.respond({ ok: true, sessions: 0, tickets: 0 });
      case "members":
        return await talk.respond({ ok: true, members: [], more: false });
      case "upload":
        return await talk.respond({ ok: true, offset: 0 });
      case "rotations":
        return await talk.respond({ ok: true, links: this.chains.get(request.name) ?? [] });
      case "rotate-begin":
      case "rotate":
      case "append":
      case "folders":
      case "folder-make":
      case "folder-drop":
      case "shared-get":
      case "shared-put":
        return await talk.respond({ ok: false, code: "format", message: "no" });
    }
  }

  /** Sets flags of a message. */
  flag(uid: number, set: readonly Flag[]): void {
    for (const kept of this.kept) {
      if (kept.entry.uid !== uid) continue;
      const flags = flagsOf(flagBits([...kept.entry.flags, ...set]));
      kept.entry = { ...kept.entry, flags, modseq: ++this.modseq };
    }
  }

  remove(uid: number): void {
    for (
      const { entry: { folder, number } } of this.kept.filter(({ entry }) => entry.uid === uid)
    ) {
      this.departures.push({ kind: "gone", modseq: ++this.modseq, uid, folder, number });
    }
    this.kept = this.kept.filter(({ entry }) => entry.uid !== uid);
  }

  /** All that has changed since, as a client asks for it. */
  changes({ since, nextUid }: ChangesRequest): MailboxChange[] {
    const entries = this.kept.map(({ entry }): MailboxChange => {
      const { modseq } = entry;
      return entry.uid >= nextUid
        ? { kind: "new", modseq, entry }
        : { ...entry, kind: "changed", modseq };
    });
    return [...entries, ...this.departures].filter(({ modseq }) => modseq > since)
      .sort((a, b) => a.modseq - b.modseq);
  }

  /** The entries that a listing asks for. */
  page(request: Extract<Request, { op: "list" }>): Entry[] {
    const { after = 0, before = this.nextUid } = request;
    const none = new Uint8Array(0);
    return this.kept.map(({ entry }) => entry)
      .filter(({ uid }) => uid > after && uid < before)
      .sort((a, b) => b.uid - a.uid)
      .slice(0, request.limit)
      .map((entry) => {
        return request.brief ? { ...entry, stanza: none, summary: none, note: null } : entry;
      });
  }

  /** Lies about what has changed: `change` is given what would be right. */
  lieAboutChanges(change: (changes: MailboxChange[]) => MailboxChange[]): void {
    this.lies = {
      answer: async (request, talk) => {
        if (request.op !== "changes") return false;
        // A lie may be about the mailbox's own numbers too.
        const told = change(this.changes(request));
        const { epoch, nextUid, modseq } = this;
        await talk.answer(
          { ok: true, epoch, nextUid, modseq, more: false },
          ...told.map((one) => lp(encodeChange(one))),
        );
        return true;
      },
    };
  }

  /** Lies about what listings hold: `change` is given what would be right. */
  lieAboutLists(change: (entries: Entry[], brief: boolean) => Entry[]): void {
    this.lies = {
      answer: async (request, talk) => {
        if (request.op !== "list") return false;
        const entries = change(this.page(request), request.brief ?? false);
        const { epoch, nextUid, modseq } = this;
        await talk.answer(
          { ok: true, epoch, nextUid, modseq },
          ...entries.map((entry) => lp(encodeEntry(entry))),
        );
        return true;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const stream of this.#streams) stream.close();
    await this.#accepting;
    await Promise.all(this.#serving);
  }
}

/** A refusal as it is sent. */
export function refusal(code: string, message: string) {
  return { ok: false, code, message };
}

/** A client's side of a session. */
export interface Client extends AsyncDisposable {
  readonly mail: Mail;
  readonly link: ClientSession;
  readonly state: State;
  /** What was told of the key log. */
  readonly notices: readonly string[];
}

/** Logs on to `server` with the modules of the program, as `name` whose folder is `dir`. */
export async function logOnTo(
  server: { readonly address: string; readonly identity: { readonly bundle: Bundle } },
  dir: string,
  name: string,
  options: {
    readonly cache?: boolean;
    readonly password?: string;
    /** Whether the head of the key log is awaited and followed; default: yes. */
    readonly greet?: boolean;
    /** How long the head is awaited, milliseconds. */
    readonly patience?: number;
  } = {},
): Promise<Client> {
  const notices: string[] = [];
  const identity = await identityOf(name);
  const retired = new RetiredKeys(dir, name, () => Promise.resolve(null));
  const state = await State.open(dir, name, identity, retired);
  const loggedOn = await logOn({
    address: parseAddress(server.address),
    server: server.identity.bundle,
    name,
    identity,
    state,
    useTicket: false,
    password: () => Promise.resolve(utf8(options.password ?? "any")),
    newPassword: () => Promise.reject(new Error("no new password is expected")),
  });
  const { session: link, hello } = loggedOn;
  const cache = options.cache ?? true;
  const connection = ReconnectingConnection.over(link, hello);
  const self = { name, fp: identity.bundle.fp, retired };
  const log = await KeyLogClient.load(state, self, [server.identity.bundle]);
  log.onNotice = (line) => notices.push(line);
  if (options.greet ?? true) await log.greet(link, await headOf(loggedOn, options.patience));
  const mail = await Mail.open(name, identity, connection, state, retired, log, cache);
  return { notices, mail, link, state, [Symbol.asyncDispose]: () => mail.close() };
}
