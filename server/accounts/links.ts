import { SealpostError } from "../../crypto/error.ts";
import type { Bytes } from "../../crypto/bytes.ts";
import { LINK_LIFE, MAX_LINKS_OPEN } from "../../protocol/limits.ts";
import { RefusedError } from "../../protocol/refused.ts";
import type { LinkEvent } from "../../protocol/request.ts";

/** What a link's first machine sends to the second. */
export interface LinkAnswer {
  /** Bytes of `data`. */
  readonly size: number;
  readonly data: AsyncIterable<Bytes>;
}

/** The session of the machine that opened a link. */
export interface LinkOwner {
  readonly name: string;
  tell(event: LinkEvent): void;
}

/** Carries an answer to the machine that waits for it. Throws why it did not get there. */
type Take = (answer: LinkAnswer) => Promise<void>;

/** A machine that has found a link. */
export interface LinkVisit {
  /** Whose link it is. */
  readonly name: string;
  /** Shows `post` to the first machine, and waits for what it says: false for a no. */
  wait(post: string, take: Take): Promise<boolean>;
  /** The machine has gone: the link ends. */
  leave(): void;
}

interface OpenLink {
  readonly owner: LinkOwner;
  readonly timer: ReturnType<typeof setTimeout>;
  /** Carries the answer to the second machine, once that has shown itself. */
  take: Take | null;
  visited: boolean;
  readonly over: PromiseWithResolvers<boolean>;
}

/**
 * The links that wait now, in memory alone: one machine of a person has shown words, and another
 * presents the id that follows from them. A link serves one machine, for ten minutes at the most, and
 * ends with the session that opened it.
 */
export class Links {
  readonly #links = new Map<string, OpenLink>();
  readonly #life: number;

  /** `life`: how long a link waits, milliseconds. */
  constructor(life = LINK_LIFE) {
    this.#life = life;
  }

  /** Links that wait. */
  get size(): number {
    return this.#links.size;
  }

  /** Opens the link `id`. Throws `limit` for one too many, `id-conflict`. */
  open(owner: LinkOwner, id: string): void {
    const own = [...this.#links.values()].filter((link) => link.owner.name === owner.name).length;
    if (own >= MAX_LINKS_OPEN) {
      throw new RefusedError(
        "limit",
        `${MAX_LINKS_OPEN} machines are being added already; end one of them first`,
        { retryAfter: this.#life / 1000 },
      );
    }
    if (this.#links.has(id)) throw new SealpostError("id-conflict", "this link is there already");
    const timer = setTimeout(() => this.#end(id, false), this.#life);
    this.#links.set(id, {
      owner,
      timer,
      take: null,
      visited: false,
      over: Promise.withResolvers<boolean>(),
    });
  }

  /** The link `id`, for the first machine that asks; null if there is none or it was found before. */
  visit(id: string): LinkVisit | null {
    const link = this.#links.get(id);
    if (link === undefined || link.visited) return null;
    link.visited = true;
    return {
      name: link.owner.name,
      wait: async (post, take) => {
        link.take = take;
        link.owner.tell({ event: "link", id, post });
        return await link.over.promise;
      },
      leave: () => this.#end(id, false),
    };
  }

  /**
   * Sends the answer of the machine that opened the link; the link is over then. Throws
   * `no-such-message` if there is no link of this owner at which a machine waits, or it has gone.
   */
  async answer(owner: LinkOwner, id: string, answer: LinkAnswer): Promise<void> {
    const link = this.#links.get(id);
    if (link?.owner !== owner || link.take === null) throw gone();
    const { take } = link;
    // One answer, and no other while it is on its way.
    link.take = null;
    try {
      await take(answer);
    } catch (cause) {
      this.#end(id, false);
      throw gone(cause);
    }
    this.#end(id, true);
  }

  /** Ends a link of `owner`: a machine that waits there is told no. */
  close(owner: LinkOwner, id: string): void {
    if (this.#links.get(id)?.owner === owner) this.#end(id, false);
  }

  /** Ends all links of `owner`. */
  closeAll(owner: LinkOwner): void {
    for (const [id, link] of this.#links) if (link.owner === owner) this.#end(id, false);
  }

  #end(id: string, answered: boolean): void {
    const link = this.#links.get(id);
    if (link === undefined) return;
    clearTimeout(link.timer);
    this.#links.delete(id);
    link.over.resolve(answered);
  }
}

function gone(cause?: unknown): SealpostError {
  return new SealpostError(
    "no-such-message",
    "the other machine does not wait any more; begin again with new words",
    { cause },
  );
}
