import { type Bytes, concat, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import type { Terminal, TerminalIo } from "../../client/terminal/terminal.ts";
import { openTerminal } from "../../client/terminal/terminal.ts";

/** A terminal or pipe whose input is given piece by piece, as a system would hand it over. */
export class FakeIo implements TerminalIo {
  readonly inputIsTerminal: boolean;
  readonly outputIsTerminal: boolean;
  readonly errorIsTerminal: boolean;
  readonly canAskOnStderr = false;
  /** How the terminal was switched. */
  readonly raw: boolean[] = [];
  readonly #input: Bytes[];
  #output: Bytes = new Uint8Array(0);
  #errors: Bytes = new Uint8Array(0);

  constructor(
    input: readonly (string | Bytes)[],
    options: { terminal?: boolean; outputIsTerminal?: boolean } = {},
  ) {
    this.#input = input.map((piece) => typeof piece === "string" ? utf8(piece) : piece);
    this.inputIsTerminal = options.terminal ?? false;
    this.outputIsTerminal = options.outputIsTerminal ?? this.inputIsTerminal;
    this.errorIsTerminal = this.inputIsTerminal;
  }

  read(buffer: Bytes): Promise<number | null> {
    const piece = this.#input.shift();
    if (piece === undefined) return Promise.resolve(null);
    const taken = piece.subarray(0, buffer.length);
    buffer.set(taken);
    if (taken.length < piece.length) this.#input.unshift(piece.subarray(taken.length));
    return Promise.resolve(taken.length);
  }

  setRaw(raw: boolean): void {
    this.raw.push(raw);
  }

  write(stream: "output" | "error", bytes: Bytes): void {
    if (stream === "output") this.#output = concat(this.#output, bytes);
    else this.#errors = concat(this.#errors, bytes);
  }

  askSecretOnStderr(): Promise<Bytes | null> {
    return Promise.reject(new SealpostError("secret-needed", "no terminal"));
  }

  columns(): number {
    return 80;
  }

  rows(): number {
    return 24;
  }

  /** All that was written to standard output. */
  get output(): string {
    return new TextDecoder().decode(this.#output);
  }

  /** All that was written to standard error. */
  get errors(): string {
    return new TextDecoder().decode(this.#errors);
  }
}

/** A terminal in a pipe that answers with `lines`, and what is written to it. */
export function scripted(...lines: string[]): { terminal: Terminal; io: FakeIo } {
  const io = new FakeIo([lines.map((line) => `${line}\n`).join("")]);
  return { terminal: openTerminal({ pipedSecrets: true }, io), io };
}
