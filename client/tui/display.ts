import {
  type Component,
  CURSOR_MARKER,
  parseKey,
  setCapabilities,
  StdinBuffer,
  type Terminal,
  TuiAltScreen,
} from "@earendil-works/pi-tui";
import { clipboardSequence } from "../message/links.ts";
import { type ScreenContent, type Size, splitAt } from "./frame.ts";
import { paint, type Theme } from "./theme.ts";

/** A pressed key, or a pasted text. */
export interface Key {
  /** `j`, `G`, `ctrl+x`, `pageDown`; `paste` for a pasted text. */
  readonly name: string;
  /** The text that it types; null if it types none. */
  readonly text: string | null;
}

/** What a display calls. */
export interface DisplayEvents {
  /** Returns what to show. */
  frame(size: Size): ScreenContent;
  /** Handles a key. The next one waits until the promise resolves. */
  key(key: Key): void | Promise<void>;
  /** The terminal is gone. */
  ended(): void;
}

/** How long to wait after Escape for the rest of an escape sequence, milliseconds. */
const ESCAPE_TIME = 50;
const PASTE_ON = "\x1b[?2004h";
const PASTE_OFF = "\x1b[?2004l";
/** Saves the title of the terminal's window, and restores it (XTerm, CSI 22 ; 2 t and 23 ; 2 t). */
const KEEP_TITLE = "\x1b[22;2t";
const RESTORE_TITLE = "\x1b[23;2t";

/** What a display needs of the system. */
export interface DisplayIo {
  size(): Size;
  /** Null when the input has ended. */
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): void;
  setRaw(raw: boolean): void;
  /** Calls `changed` when the size changes; returns how to stop that. */
  onResize(changed: () => void): () => void;
}

/**
 * The whole terminal: an alternate screen, of which only changed lines are drawn, and the keys.
 * {@linkcode Display.stop} restores the terminal's settings and may be called at any time.
 */
export class Display {
  readonly #io: DisplayIo;
  readonly #events: DisplayEvents;
  readonly #tui: TuiAltScreen;
  readonly #input = new StdinBuffer({ escapeTimeout: ESCAPE_TIME });
  readonly #decoder = new TextDecoder();
  #keys: Key[] = [];
  #handling: Promise<void> | null = null;
  #half = "";
  #on = false;
  #title: string | null = null;
  #reading = false;

  /** With `links`, the terminal knows hyperlinks. */
  constructor(io: DisplayIo, theme: Theme, events: DisplayEvents, links = false) {
    this.#io = io;
    this.#events = events;
    // Else the library would look for them in two dozen environment variables.
    setCapabilities({ images: null, trueColor: false, hyperlinks: false });
    this.#tui = new TuiAltScreen(this.#terminal(), true, undefined, { mouse: false });
    this.#tui.setLayoutRoot(new Screen(io, theme, events, links));
    this.#input.on("data", (data) => this.#take(data));
    this.#input.on("paste", (text) => this.#press({ name: "paste", text }));
  }

  /** Switches to the alternate screen and raw mode. */
  start(): void {
    if (this.#on) return;
    this.#on = true;
    this.#io.setRaw(true);
    this.#tui.start();
    this.#write(KEEP_TITLE + PASTE_ON);
    this.#writeTitle();
    if (!this.#reading) this.#read();
  }

  /** Restores the terminal. */
  stop(): void {
    if (!this.#on) return;
    this.#on = false;
    try {
      this.#write(PASTE_OFF + RESTORE_TITLE);
      this.#tui.stop({ preserveScreen: true });
    } finally {
      this.#io.setRaw(false);
    }
  }

  /** Restores the terminal while `work` runs. Call it only while a key is handled. */
  async lend<T>(work: () => T | Promise<T>): Promise<T> {
    this.stop();
    try {
      return await work();
    } finally {
      this.start();
      this.redraw();
    }
  }

  /** Sets the title of the terminal's window. `title` is safe to print. */
  setTitle(title: string): void {
    if (title === this.#title) return;
    this.#title = title;
    this.#writeTitle();
  }

  #writeTitle(): void {
    if (this.#on && this.#title !== null) this.#write(`\x1b]2;${this.#title}\x07`);
  }

  /** Rings the terminal's bell. */
  ring(): void {
    if (this.#on) this.#write("\x07");
  }

  /** Has the terminal put `text` into its clipboard, if it lets programs do that. */
  copy(text: string): void {
    if (this.#on) this.#write(clipboardSequence(text));
  }

  /** Schedules a drawing of what changed. */
  refresh(): void {
    if (this.#on) this.#tui.requestRender();
  }

  /** Schedules a drawing of everything. */
  redraw(): void {
    if (this.#on) this.#tui.requestRender(true);
  }

  #write(text: string): void {
    this.#io.write(new TextEncoder().encode(text));
  }

  async #read(): Promise<void> {
    this.#reading = true;
    const buffer = new Uint8Array(65_536);
    for (;;) {
      let count: number | null;
      try {
        count = await this.#io.read(buffer);
      } catch {
        count = null;
      }
      if (count === null) return this.#events.ended();
      this.#input.process(this.#decoder.decode(buffer.subarray(0, count), { stream: true }));
      // While the terminal is lent to another program, its input is not ours to read.
      while (this.#handling) await this.#handling;
    }
  }

  /** One character or one sequence of the input. */
  #take(data: string): void {
    const whole = this.#half + data;
    this.#half = "";
    if (/^[\ud800-\udbff]$/.test(whole)) {
      this.#half = whole;
      return;
    }
    const key = keyOf(whole);
    if (key) this.#press(key);
  }

  #press(key: Key): void {
    this.#keys.push(key);
    this.#handling ??= this.#handle();
  }

  async #handle(): Promise<void> {
    for (let key = this.#keys.shift(); key; key = this.#keys.shift()) await this.#events.key(key);
    this.#handling = null;
  }

  #terminal(): Terminal {
    const io = this.#io;
    let stop = () => {};
    const write = (text: string) => this.#write(text);
    return {
      start: (_onInput, onResize) => {
        stop = io.onResize(onResize);
      },
      stop: () => stop(),
      drainInput: () => Promise.resolve(),
      write,
      get columns() {
        return io.size().columns;
      },
      get rows() {
        return io.size().rows;
      },
      kittyProtocolActive: false,
      moveBy: (lines) => write(lines < 0 ? `\x1b[${-lines}A` : lines > 0 ? `\x1b[${lines}B` : ""),
      hideCursor: () => write("\x1b[?25l"),
      showCursor: () => write("\x1b[?25h"),
      clearLine: () => write("\x1b[K"),
      clearFromCursor: () => write("\x1b[J"),
      clearScreen: () => write("\x1b[2J\x1b[H"),
      setTitle: () => {},
      setProgress: () => {},
      setProgramStatus: () => {},
    };
  }
}

/** The frame as the one component of the library's layout. */
class Screen implements Component {
  constructor(
    readonly io: DisplayIo,
    readonly theme: Theme,
    readonly events: DisplayEvents,
    readonly links: boolean,
  ) {}

  render(): string[] {
    const { lines, cursor } = this.events.frame(this.io.size());
    return lines.map((line, row) => {
      if (cursor?.row !== row) return paint(line, this.theme, this.links);
      const [before, after] = splitAt(line, cursor.column);
      return paint(before, this.theme, this.links) + CURSOR_MARKER +
        paint(after, this.theme, this.links);
    });
  }

  invalidate(): void {}
}

/** The key that sends `data`; null if there is none. */
export function keyOf(data: string): Key | null {
  switch (data) {
    case "\r":
    case "\n":
      return { name: "enter", text: null };
    case "\x7f":
    case "\x08":
      return { name: "backspace", text: null };
    case "\x1f":
      return { name: "ctrl+_", text: null };
    case " ":
      return { name: "space", text: " " };
    case "":
      return null;
  }
  // Without control characters it is typed text.
  if (!/\p{Cc}/u.test(data)) return { name: data, text: data };
  const name = parseKey(data);
  return name === undefined ? null : { name, text: null };
}

/** The terminal that this process was started at. */
export function systemDisplay(): DisplayIo {
  return {
    size: () => {
      try {
        const { columns, rows } = Deno.consoleSize();
        if (columns > 0 && rows > 0) return { columns, rows };
      } catch {
        // The terminal is gone, or does not say.
      }
      return { columns: 80, rows: 24 };
    },
    read: (buffer) => Deno.stdin.read(buffer),
    write: (bytes) => {
      for (let at = 0; at < bytes.length;) {
        try {
          at += Deno.stdout.writeSync(bytes.subarray(at));
        } catch (error) {
          // The terminal is gone: the end of the input ends the program.
          if (!(error instanceof Deno.errors.WouldBlock)) return;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        }
      }
    },
    setRaw: (raw) => {
      try {
        Deno.stdin.setRaw(raw);
      } catch {
        // The terminal is gone.
      }
    },
    onResize: (changed) => {
      if (Deno.build.os === "windows") {
        let before = "";
        const timer = setInterval(() => {
          const now = JSON.stringify(Deno.consoleSize());
          if (now !== before) changed();
          before = now;
        }, 500);
        return () => clearInterval(timer);
      }
      Deno.addSignalListener("SIGWINCH", changed);
      return () => Deno.removeSignalListener("SIGWINCH", changed);
    },
  };
}
