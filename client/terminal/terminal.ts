import { type Bytes, concat, fromUtf8, utf8, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { terminalSize } from "../../cli/environment.ts";
import { breakLines } from "../../cli/printable.ts";
import { EscapeSequences, KEYS, LineEditor, type Outcome } from "./line_editor.ts";

/** Longest line, and longest text of several lines, bytes. */
export const MAX_LINE = 8 * 1024 * 1024;
/** Longest secret, bytes. */
const MAX_SECRET = 1024;
const PIECE = 65_536;
const NOTHING: Bytes = new Uint8Array(0);

/** Questions and answers, line by line: with a person at a terminal, or through pipes. */
export interface Terminal {
  /** Whether a person types and reads: both input and output are a terminal. */
  readonly interactive: boolean;
  /** The width of the terminal, columns; 80 where there is none. */
  columns(): number;
  /** The height of the terminal, rows; 24 where there is none. */
  rows(): number;
  /**
   * Writes `prompt` and reads one line, without its line end (LF or CRLF); null at the end of the
   * input. Throws `cancelled` for Ctrl-C, `limit` over 8 MiB.
   */
  ask(prompt: string): Promise<string | null>;
  /**
   * Writes `prompt` and reads one line that is not shown on a terminal: its UTF-8 in NFC, which the
   * caller wipes; null at the end of the input. Throws `cancelled` for Ctrl-C, `limit` over 1024
   * bytes, `format` for what is not UTF-8.
   */
  askSecret(prompt: string): Promise<Bytes | null>;
  /**
   * Writes `prompt` and reads lines until one that is a single `.`, or the end of the input; gives
   * them with LF between them and none at the end; null at the end of the input without any line.
   * Of a line of two or more dots and nothing else the first dot is dropped, so that every text can
   * be typed, and other lines that begin with a dot are meant as they stand. `onText` is given, again
   * and again, what gives the text as it is by then. Throws `cancelled` for Ctrl-C and where a
   * terminal is closed, `limit` over 8 MiB.
   */
  askText(prompt: string, onText?: (text: () => string) => void): Promise<string | null>;
  /**
   * Writes `prompt` and reads lines until `isWhole` says of those that were read that they are all,
   * or the input ends; gives them with LF between them; null at the end of the input without any
   * line. For blocks that are pasted; what a person pasted after them is dropped. Throws `cancelled` for Ctrl-C, `limit` over 8 MiB.
   */
  askBlock(prompt: string, isWhole: (lines: readonly string[]) => boolean): Promise<string | null>;
  /**
   * All that is left of the input, as text with LF; not for a terminal. Throws `limit` over 8 MiB,
   * `format` for what is not UTF-8.
   */
  readRest(): Promise<string>;
  /** Writes bytes to standard output as they are: for what is not meant for a terminal. */
  writeBytes(bytes: Bytes): void;
  /**
   * Writes a line to standard output; to a terminal in lines that fit, broken at spaces. What comes
   * from others was made printable before.
   */
  print(line?: string): void;
  /** Writes a line to standard error, in the same way. */
  complain(line: string): void;
}

/** What a terminal is made of. */
export interface TerminalIo {
  readonly inputIsTerminal: boolean;
  readonly outputIsTerminal: boolean;
  readonly errorIsTerminal: boolean;
  /** Reads into `buffer`; null at the end of the input. */
  read(buffer: Bytes): Promise<number | null>;
  /** Whether keys come as they are pressed and are not shown. */
  setRaw(raw: boolean): void;
  write(stream: "output" | "error", bytes: Bytes): void;
  columns(): number;
  rows(): number;
}

/** The terminal or the pipes that this process was started with. One for the whole process. */
export function openTerminal(io: TerminalIo = systemIo()): Terminal {
  return new LineTerminal(io);
}

/** Who has the whole terminal, and so asks and tells in the place of a {@linkcode Terminal}. */
export interface WholeScreen {
  askSecret(prompt: string): Promise<Bytes | null>;
  say(line: string): void;
}

/**
 * `terminal`, whose questions for secrets and whose lines go to `whole` once that is there: while the
 * whole terminal is in use, nothing else may read or write it.
 */
export function handedOver(terminal: Terminal, whole: () => WholeScreen | null): Terminal {
  return {
    interactive: terminal.interactive,
    columns: () => terminal.columns(),
    rows: () => terminal.rows(),
    ask: (prompt) => terminal.ask(prompt),
    askSecret: (prompt) => (whole() ?? terminal).askSecret(prompt),
    askText: (prompt, onText) => terminal.askText(prompt, onText),
    askBlock: (prompt, isWhole) => terminal.askBlock(prompt, isWhole),
    readRest: () => terminal.readRest(),
    writeBytes: (bytes) => terminal.writeBytes(bytes),
    print: (line) => {
      const screen = whole();
      if (screen) screen.say(line ?? "");
      else terminal.print(line);
    },
    complain: (line) => {
      const screen = whole();
      if (screen) screen.say(line);
      else terminal.complain(line);
    },
  };
}

class LineTerminal implements Terminal {
  readonly interactive: boolean;
  readonly #io: TerminalIo;
  /** Input that was read and not used: it belongs to the next question. */
  #rest: Bytes = NOTHING;
  /** The last line ended with CR, so LF right after it belongs to that. */
  #afterReturn = false;
  #ended = false;

  constructor(io: TerminalIo) {
    this.#io = io;
    this.interactive = io.inputIsTerminal && io.outputIsTerminal;
  }

  columns(): number {
    return this.#io.columns();
  }

  rows(): number {
    return this.#io.rows();
  }

  print(line = ""): void {
    this.#writeLine("output", this.#io.outputIsTerminal, line);
  }

  complain(line: string): void {
    this.#writeLine("error", this.#io.errorIsTerminal, line);
  }

  #writeLine(stream: "output" | "error", isTerminal: boolean, line: string): void {
    this.#io.write(stream, utf8(`${isTerminal ? breakLines(line, this.columns()) : line}\n`));
  }

  writeBytes(bytes: Bytes): void {
    this.#io.write("output", bytes);
  }

  async readRest(): Promise<string> {
    const pieces: Bytes[] = [];
    let size = 0;
    for (let bytes = await this.#read(); bytes !== null; bytes = await this.#read()) {
      size += bytes.length;
      if (size > MAX_LINE) throw tooLong();
      pieces.push(bytes.slice());
    }
    return fromUtf8(concat(...pieces)).replace(/\r\n/g, "\n");
  }

  async ask(prompt: string): Promise<string | null> {
    this.#io.write("output", utf8(prompt));
    return await this.#raw(this.interactive, () => this.#line(prompt));
  }

  async askText(
    prompt: string,
    onText: (text: () => string) => void = () => {},
  ): Promise<string | null> {
    this.#io.write("output", utf8(prompt.endsWith("\n") ? prompt : `${prompt.trimEnd()}\n`));
    // Raw mode for the whole text: a paste goes on while lines are taken from its beginning.
    return await this.#raw(this.interactive, async () => {
      let lines: string[] = [];
      let size = 0;
      const undotted = (line: string) => /^\.{2,}$/.test(line) ? line.slice(1) : line;
      const typing = (line: string) => {
        const rest = line === "" ? [] : [undotted(line)];
        onText(() => [...lines, ...rest].join("\n"));
      };
      let line = await this.#line("", typing);
      if (line === null) return null;
      for (; line !== null && line !== "."; line = await this.#line("", typing)) {
        size += line.length + 1;
        // Read to its end all the same: the rest is not meant for the next question.
        if (size > MAX_LINE) lines = [];
        else lines.push(undotted(line));
        onText(() => lines.join("\n"));
      }
      // Ctrl-D comes as a byte: what ends so is no text that somebody has finished.
      if (this.interactive && this.#ended) throw closed();
      if (size > MAX_LINE) throw tooLong();
      return lines.join("\n");
    });
  }

  async askBlock(
    prompt: string,
    isWhole: (lines: readonly string[]) => boolean,
  ): Promise<string | null> {
    this.#io.write("output", utf8(prompt));
    return await this.#raw(this.interactive, async () => {
      const lines: string[] = [];
      let size = 0;
      let line = await this.#line(prompt);
      if (line === null) return null;
      for (; line !== null; line = await this.#line("")) {
        size += line.length + 1;
        if (size > MAX_LINE) throw tooLong();
        lines.push(line);
        if (isWhole(lines)) break;
      }
      // What was pasted after the block is no answer to the next question.
      if (this.interactive && lines.length > 1) this.#rest = NOTHING;
      return lines.join("\n");
    });
  }

  async askSecret(prompt: string): Promise<Bytes | null> {
    const hidden = this.#io.inputIsTerminal;
    return await this.#raw(hidden, () => {
      // In raw mode already: who answers at once is not shown either. A person whose output goes to
      // a file or a program is asked beside it.
      const elsewhere = this.#io.inputIsTerminal && !this.#io.outputIsTerminal;
      this.#io.write(elsewhere ? "error" : "output", utf8(prompt));
      return hidden ? this.#typedSecret() : this.#pipedSecret();
    });
  }

  /** Runs `work` in raw mode if `raw`. */
  async #raw<T>(raw: boolean, work: () => Promise<T>): Promise<T> {
    if (!raw) return await work();
    this.#io.setRaw(true);
    try {
      return await work();
    } finally {
      this.#io.setRaw(false);
    }
  }

  async #line(prompt: string, typing = (_: string) => {}): Promise<string | null> {
    if (this.interactive) return await this.#typedLine(prompt, typing);
    const line = await this.#pipedLine(MAX_LINE);
    // Bytes that are not UTF-8 are replaced: this is text that people will see.
    return line === null ? null : new TextDecoder("utf-8", { ignoreBOM: true }).decode(line);
  }

  async #typedLine(prompt: string, typing: (line: string) => void): Promise<string | null> {
    let editor = new LineEditor(prompt, () => this.#io.columns());
    let long = false;
    while (editor.outcome === null) {
      this.#io.write("output", utf8(editor.takeEcho()));
      const bytes = await this.#read();
      if (bytes === null) return editor.text === "" ? null : editor.text;
      this.#keep(bytes, editor.feed(bytes));
      typing(editor.text);
      if (editor.text.length <= MAX_LINE) continue;
      long = true;
      if (editor.outcome === null) editor = new LineEditor("", () => this.#io.columns());
    }
    this.#io.write("output", utf8(editor.takeEcho()));
    if (editor.outcome === "interrupt") throw interrupted();
    if (long) throw tooLong();
    return editor.outcome === "line" ? editor.text : null;
  }

  /** The next bytes up to LF, without that and CR before it. Throws `limit` over `max` bytes. */
  async #pipedLine(max: number): Promise<Bytes | null> {
    let pieces: Bytes[] = [];
    let size = 0;
    for (;;) {
      const bytes = await this.#read();
      if (bytes === null && size === 0) return null;
      const end = bytes === null ? -1 : bytes.indexOf(KEYS.newline);
      const piece = bytes === null ? NOTHING : bytes.slice(0, end < 0 ? bytes.length : end);
      size += piece.length;
      // A line that is too long is read to its end: the rest is not meant for the next question.
      if (size > max + 1) pieces = [];
      else pieces.push(piece);
      if (bytes !== null) {
        if (end >= 0) this.#rest = bytes.subarray(end + 1);
        wipe(bytes.subarray(0, end < 0 ? bytes.length : end));
        if (end < 0) continue;
      }
      const whole = concat(...pieces);
      wipe(...pieces);
      const line = whole.at(-1) === KEYS.enter ? whole.subarray(0, whole.length - 1) : whole;
      if (size > max + 1 || line.length > max) throw tooLong();
      return line;
    }
  }

  async #pipedSecret(): Promise<Bytes | null> {
    const line = await this.#pipedLine(MAX_SECRET);
    return line === null ? null : normalized(line);
  }

  async #typedSecret(): Promise<Bytes | null> {
    const secret = new Secret();
    try {
      while (secret.outcome === null) {
        const bytes = await this.#read();
        if (bytes === null) return secret.length === 0 ? null : secret.take();
        const used = secret.feed(bytes);
        this.#keep(bytes, used);
        wipe(bytes.subarray(0, used));
      }
      this.#io.write("output", utf8("\r\n"));
      if (secret.outcome === "interrupt") throw interrupted();
      return secret.outcome === "line" ? secret.take() : null;
    } finally {
      secret.wipe();
    }
  }

  /** The input that comes next, at least one byte; null at its end. */
  async #read(): Promise<Bytes | null> {
    let bytes = this.#rest;
    this.#rest = NOTHING;
    for (;;) {
      if (bytes.length === 0) {
        const buffer = new Uint8Array(PIECE);
        let n: number | null;
        try {
          n = await this.#io.read(buffer);
        } catch (error) {
          throw wrapFileError(error, "read the input");
        }
        if (n === null) {
          this.#ended = true;
          return null;
        }
        bytes = buffer.subarray(0, n);
      }
      if (this.#afterReturn && bytes[0] === KEYS.newline) bytes = bytes.subarray(1);
      if (bytes.length === 0) continue;
      this.#afterReturn = false;
      return bytes;
    }
  }

  /** Keeps what comes after the first `used` of the typed `bytes` for the next question. */
  #keep(bytes: Bytes, used: number): void {
    this.#rest = bytes.subarray(used);
    this.#afterReturn = bytes[used - 1] === KEYS.enter;
  }
}

/** A secret being typed. No text is made of it, which could not be wiped. */
class Secret {
  readonly #bytes = new Uint8Array(MAX_SECRET);
  readonly #escapes = new EscapeSequences();
  length = 0;
  #long = false;
  outcome: Outcome | null = null;

  /** Takes keys until the line ends; returns how many bytes were taken. */
  feed(keys: Bytes): number {
    let used = 0;
    while (used < keys.length && this.outcome === null) this.#key(keys[used++] ?? 0);
    return used;
  }

  #key(key: number): void {
    if (this.#escapes.takes(key)) return;
    switch (key) {
      case KEYS.interrupt:
        this.outcome = "interrupt";
        break;
      case KEYS.enter:
      case KEYS.newline:
        this.outcome = "line";
        break;
      case KEYS.end:
        if (this.length === 0) this.outcome = "end";
        break;
      case KEYS.backspace:
      case KEYS.delete:
        // The continuation bytes of a character of UTF-8, then its first.
        while (this.length > 0 && ((this.#bytes[this.length - 1] ?? 0) & 0xc0) === 0x80) {
          this.length--;
        }
        this.length = Math.max(0, this.length - 1);
        break;
      case KEYS.kill:
        this.length = 0;
        break;
      default:
        if (key < 0x20) break;
        if (this.length === MAX_SECRET) this.#long = true;
        else this.#bytes[this.length++] = key;
    }
  }

  /** The secret. Throws `limit` if it was longer than any may be, `format` if it is not UTF-8. */
  take(): Bytes {
    if (this.#long) throw tooLong();
    return normalized(this.#bytes.slice(0, this.length));
  }

  wipe(): void {
    wipe(this.#bytes);
  }
}

function interrupted(): SealpostError {
  return new SealpostError("cancelled", "cancelled");
}

function closed(): SealpostError {
  return new SealpostError("cancelled", "the terminal was closed");
}

function tooLong(): SealpostError {
  return new SealpostError("limit", "that is longer than can be typed; put it into a file");
}

/** A secret in NFC, so that every keyboard gives the same. Wipes `bytes`. */
function normalized(bytes: Bytes): Bytes {
  try {
    // ASCII is in NFC, and no string of it is left that cannot be wiped.
    return bytes.every((byte) => byte < 0x80)
      ? bytes.slice()
      : utf8(fromUtf8(bytes).normalize("NFC"));
  } finally {
    wipe(bytes);
  }
}

function systemIo(): TerminalIo {
  return {
    inputIsTerminal: Deno.stdin.isTerminal(),
    outputIsTerminal: Deno.stdout.isTerminal(),
    errorIsTerminal: Deno.stderr.isTerminal(),
    read: (buffer) => Deno.stdin.read(buffer),
    // Not `cbreak`, which Windows does not have; so Ctrl-C comes as a byte.
    setRaw: (raw) => Deno.stdin.setRaw(raw),
    write: (stream, bytes) => writeAll(stream === "output" ? Deno.stdout : Deno.stderr, bytes),
    columns: () => terminalSize().columns,
    rows: () => terminalSize().rows,
  };
}

/**
 * Writes all of `bytes` before it returns. Throws `Deno.errors.BrokenPipe` if nobody reads them any
 * more: what the command has open is closed, then it ends as if SIGPIPE had ended it.
 */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, bytes: Bytes): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += stream.writeSync(bytes.subarray(at));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw error;
      // The stream is shared with a process that made it non-blocking.
      if (!(error instanceof Deno.errors.WouldBlock)) {
        throw wrapFileError(error, "write the output");
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
