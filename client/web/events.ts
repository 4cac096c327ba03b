import { utf8 } from "../../crypto/bytes.ts";
import type { PageEvent } from "./types.ts";

/** How often a page is told nothing, so that one that is gone is noticed, milliseconds. */
const BEAT = 15_000;

/** Most lines that wait for a page. */
const MAX_UNHEARD = 50;

/** What pages are told by themselves: server-sent events, each one JSON value. */
export class Events {
  readonly #open = new Set<ReadableStreamDefaultController<Uint8Array>>();
  readonly #beat: ReturnType<typeof setInterval>;
  /** What was said while no page listened. */
  #unheard: PageEvent[] = [];

  constructor() {
    this.#beat = setInterval(() => this.#write(": \n\n"), BEAT);
    Deno.unrefTimer(this.#beat);
  }

  /** A stream that begins with `first` and goes on with whatever is told from now on. */
  stream(first: readonly PageEvent[]): ReadableStream<Uint8Array> {
    let mine: ReadableStreamDefaultController<Uint8Array> | null = null;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        mine = controller;
        this.#open.add(controller);
        for (const event of [...first, ...this.#unheard]) controller.enqueue(utf8(lineOf(event)));
        this.#unheard = [];
      },
      cancel: () => {
        if (mine) this.#open.delete(mine);
      },
    });
  }

  /** Tells every page that listens; what is said to nobody is said to the next one that does. */
  tell(event: PageEvent): void {
    if (this.#open.size === 0 && event.kind === "said") {
      this.#unheard = [...this.#unheard, event].slice(-MAX_UNHEARD);
      return;
    }
    this.#write(lineOf(event));
  }

  /** Ends what is open: those pages are in no longer. */
  endAll(): void {
    for (const controller of this.#open) {
      try {
        controller.close();
      } catch {
        // The page went at the same moment.
      }
    }
    this.#open.clear();
  }

  /** Ends everything. */
  close(): void {
    clearInterval(this.#beat);
    this.endAll();
  }

  #write(text: string): void {
    const bytes = utf8(text);
    for (const controller of this.#open) {
      try {
        controller.enqueue(bytes);
      } catch {
        this.#open.delete(controller);
      }
    }
  }
}

function lineOf(event: PageEvent): string {
  return `data: ${JSON.stringify(event)}\n\n`;
}
