import { type Bytes, concat, fromUtf8, utf8, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { terminalSize } from "../../cli/environment.ts";
import { KEYS } from "../../cli/keyboard.ts";
import { breakLines } from "../../cli/printable.ts";
import {
  askSecretOnStderr,
  hasErrorTerminal,
  type Keyboard,
  MAX_SECRET,
  normalized,
  readSecret,
} from "../../cli/secret_input.ts";
import type { Completer } from "./complete.ts";
import { LineEditor } from "./line_editor.ts";

/** Longest line, and longest text of several lines, bytes. */
export const MAX_LINE = 8 * 1024 * 1024;
const READ_SIZE = 65_536;
const NOTHING: Bytes = new Uint8Array(0);

/** Questions and answers, line by line: with a person at a terminal, or through pipes. */
export interface Terminal {
  /** Whether a person types and reads: both input and output are a terminal. */
  readonly interactive: boolean;
  /** Whether standard output is a terminal. */
  readonly outputIsTerminal: boolean;
  /** The width of the terminal, columns; 80 where there is none. */
  columns(): number;
  /** The height of the terminal, rows; 24 where there is none. */
  rows(): number;
  /**
   * Writes `prompt` and reads one line, without its line end (LF or CRLF); null at the end of the
   * input. At a terminal Tab completes it if there is a `completer`. Throws `cancelled` for Ctrl-C,
   * `limit` over 8 MiB.
   */
  ask(prompt: string, completer?: Completer): Promise<string | null>;
  /**
   * Whether {@linkcode Terminal.askSecret} has somebody to ask. Standard input that is no terminal is
   * content and not asked, unless this terminal was opened for piped answers.
   */
  readonly canAskSecret: boolean;
  /**
   * Asks for one line that is not shown, on standard input's terminal, else on standard error's: its
   * UTF-8 in NFC, which the caller wipes; null at the end of the input. Throws `secret-needed` where
   * neither is a terminal, `cancelled` for Ctrl-C, `limit` over 1,024 bytes, `format` for what is not
   * UTF-8.
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
  printError(line: string): void;
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
  /** Forgets what was typed before anybody asked, as far as that was read already. */
  discardTyped?(): void;
  write(stream: "output" | "error", bytes: Bytes): void;
  /** Whether standard error is a terminal that can be read. */
  readonly canAskOnStderr: boolean;
  /** Asks for a secret there. Throws `secret-needed` if it cannot be read. */
  askSecretOnStderr(prompt: string): Promise<Bytes | null>;
  columns(): number;
  rows(): number;
}

/** How {@linkcode openTerminal} takes what is not a terminal. */
export interface TerminalOptions {
  /** Whether the lines of standard input answer questions for secrets too, as in a piped menu. */
  readonly pipedSecrets?: boolean;
}

/** The terminal or the pipes that this process was started with. One for the whole process. */
export function openTerminal(
  options: TerminalOptions = {},
  io: TerminalIo = systemIo(),
): Terminal {
  return new LineTerminal(io, options.pipedSecrets ?? false);
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
    outputIsTerminal: terminal.outputIsTerminal,
    canAskSecret: terminal.canAskSecret,
    columns: () => terminal.columns(),
    rows: () => terminal.rows(),
    ask: (prompt, completer) => terminal.ask(prompt, completer),
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
    printError: (line) => {
      const screen = whole();
      if (screen) screen.say(line);
      else terminal.printError(line);
    },
  };
}

class LineTerminal implements Terminal {
  readonly interactive: boolean;
  readonly outputIsTerminal: boolean;
  readonly canAskSecret: boolean;
  readonly #io: TerminalIo;
  readonly #pipedSecrets: boolean;
  /** Input that was read and not used: it belongs to the next question. */
  #rest: Bytes = NOTHING;
  /** The last line ended with CR, so LF right after it belongs to that. */
  #afterReturn = false;
  #ended = false;

  constructor(io: TerminalIo, pipedSecrets: boolean) {
    this.#io = io;
    this.#pipedSecrets = pipedSecrets;
    this.interactive = io.inputIsTerminal && io.outputIsTerminal;
    this.outputIsTerminal = io.outputIsTerminal;
    this.canAskSecret = io.inputIsTerminal || pipedSecrets || io.canAskOnStderr;
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

  printError(line: string): void {
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

  async ask(prompt: string, completer?: Completer): Promise<string | null> {
    this.#io.write("output", utf8(prompt));
    return await this.#raw(this.interactive, () => this.#line(prompt, undefined, completer));
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
    if (this.#io.inputIsTerminal) {
      if (this.#io.discardTyped) {
        this.#rest = NOTHING;
        this.#io.discardTyped();
      }
      return await readSecret(this.#keyboard, prompt);
    }
    if (!this.#pipedSecrets) return await this.#io.askSecretOnStderr(prompt);
    this.#io.write("output", utf8(prompt));
    return await this.#pipedSecret();
  }

  /** Standard input's terminal. A person whose output goes to a file or a program is asked beside it. */
  get #keyboard(): Keyboard {
    const stream = this.#io.outputIsTerminal ? "output" : "error";
    return {
      read: () => this.#read(),
      keep: (bytes, used) => this.#keep(bytes, used),
      setRaw: (raw) => this.#io.setRaw(raw),
      write: (bytes) => this.#io.write(stream, bytes),
    };
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

  async #line(
    prompt: string,
    typing = (_: string) => {},
    completer?: Completer,
  ): Promise<string | null> {
    if (this.interactive) return await this.#typedLine(prompt, typing, completer);
    const line = await this.#pipedLine(MAX_LINE);
    // Bytes that are not UTF-8 are replaced: this is text that people will see.
    return line === null ? null : new TextDecoder("utf-8", { ignoreBOM: true }).decode(line);
  }

  async #typedLine(
    prompt: string,
    typing: (line: string) => void,
    completer?: Completer,
  ): Promise<string | null> {
    let editor = new LineEditor(prompt, () => this.#io.columns(), completer !== undefined);
    let long = false;
    while (editor.outcome === null) {
      this.#io.write("output", utf8(editor.takeEcho()));
      const bytes = await this.#read();
      if (bytes === null) return editor.text === "" ? null : editor.text;
      this.#keep(bytes, editor.feed(bytes));
      if (completer && editor.completing) editor.complete(await completer(editor.text));
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

  /** The input that comes next, at least one byte; null at its end. */
  async #read(): Promise<Bytes | null> {
    let bytes = this.#rest;
    this.#rest = NOTHING;
    for (;;) {
      if (bytes.length === 0) {
        const buffer = new Uint8Array(READ_SIZE);
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

function interrupted(): SealpostError {
  return new SealpostError("cancelled", "cancelled");
}

function closed(): SealpostError {
  return new SealpostError("cancelled", "the terminal was closed");
}

function tooLong(): SealpostError {
  return new SealpostError("limit", "that is longer than can be typed; put it into a file");
}

/** Standard input, output and error of this process. */
export function systemIo(): TerminalIo {
  return {
    inputIsTerminal: Deno.stdin.isTerminal(),
    outputIsTerminal: Deno.stdout.isTerminal(),
    errorIsTerminal: Deno.stderr.isTerminal(),
    canAskOnStderr: hasErrorTerminal(),
    askSecretOnStderr,
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
