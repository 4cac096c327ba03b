import { defined } from "../../crypto/defined.ts";
import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat, equal, readU32, toBase64, utf8 } from "../../crypto/bytes.ts";
import type { AcceptedLogin } from "../../client/connection/login.ts";
import { ClientSession } from "../../client/connection/client_session.ts";
import type { Identity } from "../../crypto/identity.ts";
import { decodeEntry, type Entry } from "../../protocol/entry.ts";
import { encodeEnvelope } from "../../protocol/envelope.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { sleep } from "../../protocol/timer.ts";
import { all, deliveredTo, pieces, read, sealMessage } from "../support/sealed.ts";

/**
 * Between two rounds, milliseconds, unless somebody waits for the next: she is there to be disturbed,
 * not to load the server.
 */
const PAUSE = 200;

/**
 * A user with mail to do: in one session that lasts as long as the attack, she sends herself a
 * message, lists her inbox, and reads what she sent, over and over.
 */
export class Bystander {
  readonly #name: string;
  readonly #identity: Identity;
  readonly #link: ClientSession;
  readonly #sent: Bytes[] = [];
  readonly #working: Promise<void>;
  #failure: unknown = null;
  #stopped = false;
  #begun = 0;
  #done = 0;
  #wanted = 0;
  #onChange: () => void = () => {};

  constructor(name: string, identity: Identity, { connection }: AcceptedLogin) {
    this.#name = name;
    this.#identity = identity;
    this.#link = new ClientSession(connection);
    this.#working = this.#work().catch((error) => this.#failure = error);
  }

  /** How many messages she has sent, listed and read. */
  get rounds(): number {
    return this.#sent.length;
  }

  /** Waits until she has done another round, from its beginning. */
  async another(): Promise<void> {
    const goal = this.#begun + 1;
    this.#wanted = Math.max(this.#wanted, goal);
    this.#onChange();
    while (this.#done < goal && this.#failure === null) await sleep(5);
    if (this.#failure) throw this.#failure;
  }

  /** Ends her session; asserts that nothing ever failed and everything she sent is there, once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#onChange();
    await this.#working;
    if (this.#failure) throw this.#failure;
    assert(this.rounds > 0, "she had no time to do anything");
    const entries: Entry[] = [];
    for (;;) {
      const page = await this.#list(200, entries.at(-1)?.uid);
      entries.push(...page);
      if (page.length < 200) break;
    }
    assertEquals(entries.length, this.rounds);
    for (const [i, { header }] of entries.entries()) {
      assertEquals(header.slice(1, 17), this.#sent[this.rounds - 1 - i]);
    }
    await this.#link.close();
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      this.#begun++;
      await this.#round();
      this.#done++;
      if (this.#begun >= this.#wanted) await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    const woken = new Promise<void>((resolve) => this.#onChange = resolve);
    const timer = setTimeout(this.#onChange, PAUSE);
    await woken;
    clearTimeout(timer);
  }

  async #round(): Promise<void> {
    const text = utf8(`message ${this.rounds}`);
    const { bundle } = this.#identity;
    const parts = await sealMessage(this.#identity, [], text);
    const body = concat(...parts.chunks);
    const { header, stanzas, summary } = parts;
    const id = header.slice(1, 17);
    const envelope = encodeEnvelope({
      header,
      stanzas,
      summary,
      note: null,
      bodySize: body.length,
    });
    const { again } = await this.#link.upload({
      op: "deliver",
      id: formatMessageId(id),
      size: envelope.length + body.length,
      recipients: [{ name: this.#name, fp: toBase64(bundle.fp) }],
      copy: false,
    }, pieces(envelope, body));
    assertEquals(again, false);
    this.#sent.push(id);

    const [newest] = await this.#list(1);
    assert(newest && equal(newest.header, header), "her newest message is another");
    const fetched = await this.#link.stream({ op: "fetch", uid: newest.uid });
    const data = concat(...await all(fetched.data));
    const whole = deliveredTo(parts, 0);
    const received = data.slice(data.length - whole.bodySize);
    const { message } = await read(this.#identity, bundle, { ...whole, body: pieces(received) });
    assertEquals(message, text);
  }

  async #list(limit: number, before?: number): Promise<Entry[]> {
    const { data } = await this.#link.stream({
      op: "list",
      folder: "inbox",
      order: "newest",
      limit,
      ...defined({ before }),
    });
    const bytes = concat(...await all(data));
    const entries: Entry[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = readU32(bytes, at);
      entries.push(decodeEntry(bytes.slice(at + 4, at + 4 + length)));
      at += 4 + length;
    }
    return entries;
  }
}
