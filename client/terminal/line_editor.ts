import { EscapeSequences, KEYS, type Outcome } from "../../cli/keyboard.ts";
import { displayWidth, graphemes, printable } from "../../cli/printable.ts";
import type { Completed } from "./complete.ts";

const TAB_STOP = 8;
/** Most terminals wait in the last column for the next character; this makes them go on. */
const GO_ON = " \r";

/** A place on the terminal, counted from the beginning of the prompt. */
interface Place {
  readonly row: number;
  readonly column: number;
}

const START: Place = { row: 0, column: 0 };

/**
 * One line being typed on a terminal in raw mode, at its end: Backspace, Ctrl-U (all), Ctrl-W (a
 * word), Enter, Ctrl-D, Ctrl-C, and Tab, which may complete; other keys are ignored. There is no limit such as the 4096 bytes of
 * a terminal that edits lines itself. Keys go in as bytes, what the terminal is to show comes out as
 * text, so this can be tested without one.
 */
export class LineEditor {
  readonly #prompt: string;
  readonly #columns: () => number;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #text = "";
  #place: Place;
  #echo = "";
  readonly #escapes = new EscapeSequences();
  #outcome: Outcome | null = null;
  readonly #completes: boolean;
  #completing = false;

  /**
   * `prompt` was written already. `columns` is the width of the terminal, which may change.
   * `completes`: whether Tab asks for a completion; it is a character else.
   */
  constructor(prompt: string, columns: () => number, completes = false) {
    this.#completes = completes;
    // Only the last line of a prompt is ever rewritten.
    this.#prompt = prompt.slice(prompt.lastIndexOf("\n") + 1);
    this.#columns = columns;
    const { shown, place } = this.#layout(this.#prompt, START);
    this.#place = place;
    // The prompt is on the terminal already, but for this where it ends in the last column.
    if (shown.endsWith(GO_ON)) this.#echo = GO_ON;
  }

  get text(): string {
    return this.#text;
  }

  /** How the line ended; null while it is being typed. */
  get outcome(): Outcome | null {
    return this.#outcome;
  }

  /** Whether Tab was pressed, and {@linkcode LineEditor.complete} is to be called. */
  get completing(): boolean {
    return this.#completing;
  }

  /** Puts what the completion gave in the place of the text; shows the choices if it gave no more. */
  complete({ text, choices }: Completed): void {
    this.#completing = false;
    if (text.length > this.#text.length && text.startsWith(this.#text)) {
      return this.#append(text.slice(this.#text.length));
    }
    if (choices.length < 2) return;
    this.#echo += "\r\n";
    const { shown, place } = this.#layout(choices.join("  "), START);
    this.#echo += `${shown}${place.column > 0 ? "\r\n" : ""}`;
    const line = this.#layout(this.#prompt + this.#text, START);
    this.#echo += line.shown;
    this.#place = line.place;
  }

  /** Takes keys until the line ends or Tab asks for more of it; returns how many bytes were taken. */
  feed(bytes: Uint8Array): number {
    let from = 0;
    while (from < bytes.length && this.#outcome === null && !this.#completing) {
      const byte = bytes[from] ?? 0;
      if (this.#escapes.takes(byte)) {
        from++;
        continue;
      }
      if (isControl(byte)) {
        from++;
        this.#key(byte);
        continue;
      }
      let to = from;
      while (to < bytes.length && !isControl(bytes[to] ?? 0)) to++;
      this.#append(this.#decoder.decode(bytes.subarray(from, to), { stream: true }));
      from = to;
    }
    return from;
  }

  /** Returns what to write to the terminal now. */
  takeEcho(): string {
    const echo = this.#echo;
    this.#echo = "";
    return echo;
  }

  #key(key: number): void {
    // A character that was cut off by a key never gets its other bytes.
    const rest = this.#decoder.decode();
    if (rest !== "") this.#append(rest);
    switch (key) {
      case KEYS.enter:
      case KEYS.newline:
        return this.#finish("line", "");
      case KEYS.interrupt:
        return this.#finish("interrupt", "^C");
      case KEYS.end:
        if (this.#text === "") this.#finish("end", "");
        return;
      case KEYS.backspace:
      case KEYS.delete:
        return this.#erase(lastGrapheme(this.#text).length);
      case KEYS.eraseWord:
        return this.#erase(/\S*\s*$/.exec(this.#text.slice(-1000))?.[0].length ?? 0);
      case KEYS.kill:
        return this.#kill();
      case KEYS.tab:
        if (!this.#completes) return this.#append("\t");
        this.#completing = true;
        return;
    }
  }

  #finish(outcome: Outcome, mark: string): void {
    this.#outcome = outcome;
    this.#echo += `${mark}\r\n`;
  }

  #append(text: string): void {
    this.#text += text;
    const { shown, place } = this.#layout(text, this.#place);
    this.#echo += shown;
    this.#place = place;
  }

  #erase(units: number): void {
    if (units === 0) return;
    this.#text = this.#text.slice(0, this.#text.length - units);
    const prompt = this.#layout(this.#prompt, START).place;
    this.#moveTo(this.#layout(this.#text, prompt).place);
  }

  #kill(): void {
    this.#text = "";
    this.#moveTo(START);
    const { shown, place } = this.#layout(this.#prompt, START);
    this.#echo += shown;
    this.#place = place;
  }

  /** Goes back to `place` and clears what is after it. */
  #moveTo(place: Place): void {
    const up = this.#place.row - place.row;
    if (up > 0) this.#echo += `\x1b[${up}A`;
    this.#echo += "\r";
    if (place.column > 0) this.#echo += `\x1b[${place.column}C`;
    this.#echo += "\x1b[J";
    this.#place = place;
  }

  /** How `text` is written from `from` on, and where that ends. */
  #layout(text: string, from: Place): { shown: string; place: Place } {
    const columns = Math.max(2, this.#columns());
    let { row, column } = from;
    let shown = "";
    const put = (piece: string, width: number) => {
      if (column + width > columns) {
        row++;
        column = 0;
      }
      shown += piece;
      column += width;
      if (column === columns) {
        shown += GO_ON;
        row++;
        column = 0;
      }
    };
    for (const grapheme of clusters(text)) {
      if (grapheme === "\t") {
        for (let n = TAB_STOP - column % TAB_STOP; n > 0; n--) put(" ", 1);
        continue;
      }
      const safe = printable(grapheme);
      // What is spelled out is longer than one character and may be cut at the end of a row.
      if (safe === grapheme) put(safe, displayWidth(safe));
      else for (const character of clusters(safe)) put(character, displayWidth(character));
    }
    return { shown, place: { row, column } };
  }
}

function isControl(byte: number): boolean {
  return byte < 0x20 || byte === KEYS.delete;
}

/** The grapheme clusters of `text`. */
function clusters(text: string): Iterable<string> {
  return /^[\t -~]*$/.test(text) ? text : graphemes(text);
}

function lastGrapheme(text: string): string {
  // No cluster that anybody types is longer; a hostile one is erased in parts.
  const tail = text.slice(-64);
  let last = "";
  for (const grapheme of clusters(tail)) last = grapheme;
  return last;
}
