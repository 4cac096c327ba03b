import { type Bytes, fromBase64, toHex, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { comparedWords, wordsOf } from "../../crypto/words.ts";
import { type DevicePackage, encodePackage } from "../../protocol/device_package.ts";
import { answerPost, linkId, newLinkCode, postHash, readPost } from "../../protocol/link.ts";
import { LINK_LIFE } from "../../protocol/limits.ts";
import type { LinkEvent, NewsEvent } from "../../protocol/request.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";

/** A machine that has shown that it knows the words. */
export interface LinkCandidate {
  /** What it calls itself. */
  readonly device: string;
  /** Six words that stand on its screen too, if nobody is between. */
  readonly words: readonly string[];
}

/** The first machine's side of a link, from the words to the answer. */
export class LinkOffer {
  readonly #connection: Pick<ReconnectingConnection, "ask" | "upload" | "onState">;
  readonly #serverFps: readonly Bytes[];
  readonly #code = newLinkCode();
  readonly #came = Promise.withResolvers<LinkEvent>();
  #id = "";
  #post: Bytes | null = null;

  /** `serverFps`: of the server's keys that this machine has pinned. */
  constructor(
    connection: Pick<ReconnectingConnection, "ask" | "upload" | "onState">,
    serverFps: readonly Bytes[],
  ) {
    this.#connection = connection;
    this.#serverFps = serverFps;
    this.#came.promise.catch(() => {});
  }

  /** The 12 words, for the person to type at the other machine. */
  get words(): string[] {
    return wordsOf(this.#code);
  }

  /** To be given every event. */
  notice(event: NewsEvent): void {
    if (event.event === "link" && event.id === this.#id) this.#came.resolve(event);
  }

  /**
   * Opens the link, shows the words by `onOpen` and waits for the other machine. Throws what the server
   * refuses with, `authentication` if a machine came that has other words or another server (the link is
   * burnt then), `timeout` after ten minutes, `connection-lost`.
   */
  async wait(onOpen: () => void): Promise<LinkCandidate> {
    this.#id = toHex(await linkId(this.#code));
    await this.#connection.ask({ op: "link-open", id: this.#id });
    onOpen();
    const timer = setTimeout(() => this.#came.reject(over()), LINK_LIFE);
    const stop = this.#connection.onState(({ kind }) => {
      if (kind === "offline") this.#came.reject(lost());
    });
    try {
      const post = fromBase64((await this.#came.promise).post);
      const { device } = await readPost(this.#code, this.#serverFps, post);
      this.#post = post;
      return { device, words: comparedWords(await postHash(post)) };
    } catch (error) {
      await this.refuse();
      throw error;
    } finally {
      clearTimeout(timer);
      stop();
    }
  }

  /**
   * Sends the package to the machine that came: its person and this one's have compared the words. Throws
   * `no-such-message` if it does not wait any more.
   */
  async accept(one: DevicePackage): Promise<void> {
    if (this.#post === null) throw new SealpostError("internal", "no machine has come");
    const plain = encodePackage(one);
    try {
      const answer = await answerPost(this.#code, this.#post, plain);
      const request = { op: "link-answer" as const, id: this.#id, size: answer.length };
      await this.#connection.upload(request, once(answer));
    } finally {
      wipe(plain, this.#code);
    }
  }

  /** Says no, and ends the link: the words are of no use any more. Never throws. */
  async refuse(): Promise<void> {
    wipe(this.#code);
    await this.#connection.ask({ op: "link-close", id: this.#id }).catch(() => {});
  }
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes, void, undefined> {
  yield await Promise.resolve(bytes);
}

function over(): SealpostError {
  return new SealpostError(
    "timeout",
    "no machine came within ten minutes; the words are of no use any more, begin again",
  );
}

function lost(): SealpostError {
  return new SealpostError(
    "connection-lost",
    "the connection was lost, and the words are of no use any more; begin again",
  );
}
