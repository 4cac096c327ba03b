import { printable } from "../../cli/printable.ts";
import { findAll, findIn, type Match, type MatchPart } from "./find.ts";
import { highlighted, type Line, type Look, marked, type Size } from "./frame.ts";
import type { Action } from "./keys.ts";
import { linesOf, type Markable, markBy, type Marking } from "./marking.ts";
import { type LaidOut, textOf } from "./reader_view.ts";
import type { Host } from "./screen.ts";
import { Scroller } from "./scroller.ts";

/** A text laid out: for what, its lines, and where the words were found. */
interface Laid extends LaidOut {
  readonly for: string;
  /** Where the words are that the person looks for; if there are none, what a search has found. */
  readonly matches: readonly Match[];
  /** What a search has found, by row. */
  readonly hits: ReadonlyMap<number, readonly MatchPart[]>;
}

/**
 * The text of a message on a screen: scrolled, with long quotations folded or not, words found in it, and
 * lines marked.
 */
export class MessageText {
  readonly #host: Host;
  readonly #layOut: (columns: number, fold: boolean) => LaidOut;
  readonly #searched: readonly string[];
  readonly #scroller = new Scroller();
  #fold = false;
  #columns = 80;
  /** The last layout. */
  #laid: Laid | null = null;
  /** The words to find; empty for none. */
  #words = "";
  /** The match that is highlighted; null if none is. */
  #match: Match | null = null;
  /** The lines that are marked to be quoted, from the first one of the text; null for none. */
  #marking: Marking | null = null;

  /**
   * `layOut` lays out what is shown, with long quotations folded or not. `searched` are the words that a
   * search has found it by, folded.
   */
  constructor(
    host: Host,
    layOut: (columns: number, fold: boolean) => LaidOut,
    searched: readonly string[] = [],
  ) {
    this.#host = host;
    this.#searched = searched;
    this.#layOut = layOut;
  }

  /** How wide it was shown last, columns. */
  get columns(): number {
    return this.#columns;
  }

  /** The share of the lines up to the last visible one, as a percentage; empty if all fit. */
  get share(): string {
    return this.#scroller.share;
  }

  /** Has it laid out anew: something in it has changed. */
  invalidate(): void {
    this.#laid = null;
  }

  /** What is shown from now on is another message. */
  reset(): void {
    this.#laid = null;
    this.#match = null;
    this.#marking = null;
    this.#scroller.reset();
  }

  /** The lines that are visible. */
  show({ columns, rows }: Size): Line[] {
    this.#columns = columns;
    const { lines, hits } = this.#layout();
    const shown = this.#scroller.show(lines, rows);
    const { top } = this.#scroller;
    const chosen = this.#markedLines();
    return shown.map((line, i) => {
      if (chosen && top + i >= chosen.first && top + i <= chosen.last) return highlighted(line);
      const found = withLook(line, hits.get(top + i) ?? [], "hit");
      const parts = this.#match?.parts.filter(({ row }) => row === top + i) ?? [];
      return withLook(found, parts, "match");
    });
  }

  /** Does `action` if it is one on the text; whether it was. */
  act(action: Action): boolean {
    if (this.#mark(action) || this.#scroller.act(action)) return true;
    switch (action) {
      case "quotes":
        this.#fold = !this.#fold;
        this.#laid = null;
        this.#marking = null;
        return true;
      case "find":
        this.#host.background(() => this.#find());
        return true;
      case "find-next":
        this.#goOn(1);
        return true;
      case "find-previous":
        this.#goOn(-1);
        return true;
      default:
        return false;
    }
  }

  /** Marks lines as `action` says; false if it is none of marking. */
  #mark(action: Action): boolean {
    const { first, last } = this.#textLines();
    if (first > last) return false;
    const before = this.#marking;
    const { top, rows } = this.#scroller;
    const now = markBy(before, action, { first: 0, last: last - first }, top - first, rows);
    if (now === undefined) return false;
    this.#marking = now;
    if (now === null) {
      this.#host.say("Nothing is marked any more.");
      return true;
    }
    this.#scroller.reveal(first + now.at);
    if (now.anchor === null) {
      this.#host.say(
        "Go to the first line to quote; V marks from there, r quotes this one alone.",
      );
    } else if (before === null || before.anchor === null) {
      this.#host.say(
        "Go to the last line to quote; r or R quotes what is marked, Esc forgets it.",
      );
    }
    return true;
  }

  /** The first and the last line of the screen's that show text; none, if the first is after the last. */
  #textLines(): Markable {
    const lines = [...this.#layout().origins.keys()];
    return { first: lines[0] ?? 0, last: lines.at(-1) ?? -1 };
  }

  /** The lines of the screen's that are marked; null if none are. */
  #markedLines(): Markable | null {
    if (this.#marking === null) return null;
    const { first, last } = linesOf(this.#marking);
    const start = this.#textLines().first;
    return { first: start + first, last: start + last };
  }

  /** The text that is marked, which is marked no more then; null if none is. */
  takeMarked(): string | null {
    const lines = this.#markedLines();
    this.#marking = null;
    return lines && textOf(this.#layout().origins, lines.first, lines.last);
  }

  async #find(): Promise<void> {
    const last = this.#words === "" ? "" : ` (Enter: ${printable(this.#words)})`;
    const words = await this.#host.input(`Find${last}:`);
    if (words === null) return;
    if (words.trim() === "") return this.#goOn(1);
    this.#words = words;
    if (this.#fold) this.#marking = null;
    this.#fold = false;
    this.#laid = null;
    this.#match = null;
    this.#goOn(1);
  }

  /** Goes to the next match, or to the previous one. */
  #goOn(by: 1 | -1): void {
    if (this.#words === "" && this.#searched.length === 0) {
      return this.#host.say("/ finds words in the message.");
    }
    const { matches } = this.#layout();
    const shown = this.#words === "" ? "What was searched" : `"${printable(this.#words)}"`;
    if (matches.length === 0) return this.#host.say(`${shown} is not in this message.`);
    // The first time, from what is visible on.
    const after = matches.findIndex(({ row }) => row >= this.#scroller.top);
    const at = this.#match
      ? matches.indexOf(this.#match) + by
      : by > 0
      ? (after < 0 ? matches.length : after)
      : (after < 0 ? matches.length : after) - 1;
    const index = (at + matches.length) % matches.length;
    this.#match = matches[index] ?? null;
    if (this.#match) this.#scroller.reveal(this.#match.row);
    const around = at >= matches.length
      ? ", from the top again"
      : at < 0
      ? ", from the end again"
      : "";
    this.#host.say(`${shown} ${index + 1} of ${matches.length}${around}`);
  }

  #layout(): Laid {
    const state = `${this.#columns} ${this.#fold}`;
    if (this.#laid?.for !== state) {
      // Its lines are others then.
      if (this.#laid) this.#marking = null;
      const { lines, origins } = this.#layOut(this.#columns, this.#fold);
      const found = findAll(lines, this.#searched);
      const matches = this.#words === "" ? found : findIn(lines, this.#words);
      const hits = Map.groupBy(found.flatMap(({ parts }) => parts), ({ row }) => row);
      this.#laid = { for: state, lines, origins, matches, hits };
      const [part] = this.#match?.parts ?? [];
      this.#match = matches.find(({ parts: [first] }) => {
        return first?.row === part?.row && first?.from === part?.from;
      }) ?? null;
    }
    return this.#laid;
  }
}

function withLook(line: Line, parts: readonly MatchPart[], look: Look): Line {
  return parts.reduce((all, { from, to }) => marked(all, from, to, look), line);
}
