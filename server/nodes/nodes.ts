import { type Bytes, equal, random, toHex } from "../../crypto/bytes.ts";
import { errorText, isSealpostError } from "../../crypto/error.ts";
import type { NodeRow, SharedStore } from "../store/store.ts";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";

/** How often a server says that it is there, milliseconds. */
const BEAT = 3000;

/** A server that has not said so for this long is forgotten, milliseconds. */
export const NODE_LEASE = 15_000;

/** It is trouble if the database has not taken this server's sign for this long, milliseconds. */
const OVERDUE = 8000;

/** How long others are given to answer, and how often answers are looked for without a notice, milliseconds. */
const PATIENCE = 5000;
const LOOK_EVERY = 250;

/** What other servers have answered to a question. */
export interface NodeAnswers {
  readonly answers: readonly { readonly node: NodeRow; readonly text: string }[];
  /** Those that are there and have not answered in time. */
  readonly missing: readonly NodeRow[];
}

/** What a {@linkcode Nodes} needs. */
export interface NodesOptions {
  readonly store: SharedStore;
  /** Where this server listens, `host:port`. */
  readonly address: string;
  /** Told of a line that another server has told. */
  readonly onLine: (line: string) => void;
  /** Told when the database takes no signs any more, with the reason, and with null when it does again. */
  readonly onTrouble: (why: string | null) => void;
}

/**
 * The servers on one database: which there are, by a lease that each renews; questions of one to all
 * others; and lines that each tells all others. A line that is on its way when a connection ends is
 * lost. So may be the notice of a question: it is found with the next sign, or its answer is missing,
 * which is said.
 */
export class Nodes {
  readonly #options: NodesOptions;
  readonly #id: Bytes;
  readonly #timer: NodeJS.Timeout;
  #number: number;
  #others: readonly NodeRow[];
  /** When the database took this server's sign last, of `performance.now()`. */
  #renewedAt = performance.now();
  #failure: string | null = null;
  #isTrouble = false;
  #renewing: Promise<void> | null = null;
  #answering: Promise<void> | null = null;
  #lookAgain = false;
  readonly #wake = new Set<() => void>();
  #closed = false;
  /** Answers a question of another server; until then questions wait. */
  #answer: ((question: string) => Promise<string>) | null = null;

  private constructor(options: NodesOptions, id: Bytes, rows: readonly NodeRow[]) {
    this.#options = options;
    this.#id = id;
    this.#number = this.#own(rows)?.number ?? 0;
    this.#others = this.#without(rows);
    this.#timer = setInterval(() => void this.#renew(), BEAT).unref();
    options.store.hearLines((line) => this.#hear(line));
  }

  /** Joins the others. Throws what the store throws. */
  static async join(options: NodesOptions): Promise<Nodes> {
    const id = random(8);
    return new Nodes(options, id, await renewed(options, id));
  }

  /** This server's number, from 1, which no other one has. */
  get number(): number {
    return this.#number;
  }

  /** The other servers that are there. */
  get others(): readonly NodeRow[] {
    return this.#others;
  }

  /** Why this server cannot do its work at the moment; null if it can. */
  get trouble(): string | null {
    if (performance.now() - this.#renewedAt < OVERDUE) return null;
    return this.#failure ?? this.#options.store.trouble ?? "the database does not answer";
  }

  /** From now on questions of others are answered by `answer`. */
  answerBy(answer: (question: string) => Promise<string>): void {
    this.#answer = answer;
    this.#look();
  }

  /** Tells all others a line, soon: at most 1000 bytes, without line breaks. */
  tell(line: string): void {
    this.#options.store.tellLine(`=${line}`);
  }

  /**
   * Asks all others. Throws what the store throws.
   */
  async ask(question: string): Promise<NodeAnswers> {
    const { store } = this.#options;
    const rows = await renewed(this.#options, this.#id);
    const asked = this.#others = this.#without(rows);
    if (asked.length === 0) return { answers: [], missing: [] };
    const id = await store.addQuestion(this.#id, question);
    try {
      store.tellLine(`?${toHex(id)}`);
      const until = performance.now() + PATIENCE;
      for (;;) {
        const answers = (await store.answersTo(id)).flatMap(({ node, text }) => {
          const row = asked.find((one) => equal(one.id, node));
          return row === undefined ? [] : [{ node: row, text }];
        });
        const missing = asked.filter((row) => !answers.some(({ node }) => node === row));
        if (missing.length === 0 || performance.now() > until || this.#closed) {
          return { answers, missing };
        }
        await this.#notice();
      }
    } finally {
      // One that stays goes with those that are too old.
      await store.removeQuestion(id).catch(() => {});
    }
  }

  /** Leaves the others, who need not wait for the lease then. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    for (const wake of this.#wake) wake();
    await this.#renewing;
    await this.#answering;
    await this.#options.store.removeNode(this.#id).catch(() => {});
  }

  /** Waits for a notice of an answer, or {@linkcode LOOK_EVERY}. */
  async #notice(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LOOK_EVERY);
      this.#wake.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#wake.clear();
  }

  #hear(line: string): void {
    const [kind, rest] = [line[0], line.slice(1)];
    if (kind === "=") this.#options.onLine(rest);
    else if (kind === "?") this.#look();
    else if (kind === "!") { for (const wake of this.#wake) wake(); }
  }

  #own(rows: readonly NodeRow[]): NodeRow | undefined {
    return rows.find(({ id }) => equal(id, this.#id));
  }

  #without(rows: readonly NodeRow[]): readonly NodeRow[] {
    return rows.filter(({ id }) => !equal(id, this.#id));
  }

  #renew(): Promise<void> {
    return this.#renewing ??= this.#renewOnce().finally(() => this.#renewing = null);
  }

  async #renewOnce(): Promise<void> {
    this.#tellTrouble();
    try {
      const rows = await renewed(this.#options, this.#id);
      this.#number = this.#own(rows)?.number ?? this.#number;
      this.#others = this.#without(rows);
      this.#renewedAt = performance.now();
      this.#failure = null;
      this.#look();
    } catch (error) {
      this.#failure = errorText(error);
    }
    this.#tellTrouble();
  }

  #tellTrouble(): void {
    const why = this.trouble;
    if ((why !== null) === this.#isTrouble || this.#closed) return;
    this.#isTrouble = why !== null;
    this.#options.onTrouble(why);
  }

  /** Answers the questions that wait. */
  #look(): void {
    if (this.#answer === null || this.#closed) return;
    this.#lookAgain = true;
    this.#answering ??= this.#answerAll(this.#answer).finally(() => this.#answering = null);
  }

  async #answerAll(answer: (question: string) => Promise<string>): Promise<void> {
    const { store } = this.#options;
    while (this.#lookAgain && !this.#closed) {
      this.#lookAgain = false;
      try {
        for (const { id, question } of await store.questionsFor(this.#id)) {
          await store.addAnswer(id, this.#id, await answer(question));
          store.tellLine(`!${toHex(id)}`);
        }
      } catch (error) {
        // Whoever has asked sees that an answer is missing.
        if (!isSealpostError(error)) throw error;
      }
    }
  }
}

function renewed({ store, address }: NodesOptions, id: Bytes): Promise<readonly NodeRow[]> {
  return store.renewNode({ id, address }, NODE_LEASE);
}
