import { type Bytes, fromUtf8, utf8, wipe } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { EscapeSequences, KEYS, type Outcome } from "./keyboard.ts";

// Where secrets come from: a person at a terminal, SEALPOST_PASSWORD and SEALPOST_PASSPHRASE, a file,
// or standard input where an option says so. Standard input by itself is content: a letter that is
// piped in must never be taken for a password.

/** Most bytes of a secret that is typed or piped in. */
export const MAX_SECRET = 1024;

/** A terminal in the hands of a person. */
export interface Keyboard {
  /** The bytes of the keys that come next, at least one; null when the terminal is closed. */
  read(): Promise<Bytes | null>;
  /** Takes back what follows the first `used` of the bytes that were read last. */
  keep(bytes: Bytes, used: number): void;
  /** Whether keys come as they are pressed and are not shown. */
  setRaw(raw: boolean): void;
  write(bytes: Bytes): void;
}

/**
 * Writes `prompt` and reads one line that is not shown: its UTF-8 in NFC, so that every keyboard
 * gives the same; the caller wipes it. Backspace takes back a character, Ctrl-U all, Ctrl-D on an
 * empty line gives null. Throws `cancelled` for Ctrl-C, `limit` over 1,024 bytes, `format` for what
 * is not UTF-8.
 */
export async function readSecret(keyboard: Keyboard, prompt: string): Promise<Bytes | null> {
  const secret = new TypedSecret();
  keyboard.setRaw(true);
  try {
    // In raw mode already: whoever answers at once is not shown either.
    keyboard.write(utf8(prompt));
    while (secret.outcome === null) {
      const bytes = await keyboard.read();
      if (bytes === null) return secret.length === 0 ? null : secret.take();
      const used = secret.feed(bytes);
      keyboard.keep(bytes, used);
      wipe(bytes.subarray(0, used));
    }
    keyboard.write(utf8("\r\n"));
    if (secret.outcome === "interrupt") throw new SealpostError("cancelled", "cancelled");
    return secret.outcome === "line" ? secret.take() : null;
  } finally {
    keyboard.setRaw(false);
    secret.wipe();
  }
}

/** A secret being typed. No text is made of it, which could not be wiped. */
class TypedSecret {
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

/** Whether a person can be asked for a secret: on standard input's terminal, or standard error's. */
export function canAskSecret(): boolean {
  return Deno.stdin.isTerminal() || hasErrorTerminal();
}

/**
 * Asks the person for a secret as {@linkcode readSecret} does, on standard input's terminal, else on
 * standard error's; the question goes to standard error, so that standard output stays clean. Throws
 * `secret-needed` where neither is a terminal.
 */
export async function askSecret(prompt: string): Promise<Bytes | null> {
  if (!Deno.stdin.isTerminal()) return await askSecretOnStderr(prompt);
  return await readSecret({
    async read() {
      // One at a time: what follows the line belongs to the next question.
      const key = new Uint8Array(1);
      return await Deno.stdin.read(key) === null ? null : key;
    },
    keep() {},
    // Not `cbreak`, which Windows does not have; so Ctrl-C comes as a byte.
    setRaw: (raw) => Deno.stdin.setRaw(raw),
    write: (bytes) => Deno.stderr.writeSync(bytes),
  }, prompt);
}

/**
 * {@linkcode askSecret} on the terminal that standard error writes to, for a program whose standard
 * input is something else. Throws `secret-needed` if it is none.
 */
export async function askSecretOnStderr(prompt: string): Promise<Bytes | null> {
  if (!hasErrorTerminal()) {
    throw new SealpostError("secret-needed", "a secret is needed, and no terminal to ask for it");
  }
  const { ReadStream } = await import("node:tty");
  const stream = new ReadStream(STDERR);
  try {
    const pieces = stream.iterator({ destroyOnReturn: false });
    return await readSecret({
      async read() {
        const { done, value } = await pieces.next();
        return done ? null : new Uint8Array(value);
      },
      // What was typed behind it was not asked for.
      keep: (bytes, used) => wipe(bytes.subarray(used)),
      setRaw: (raw) => void stream.setRawMode(raw),
      write: (bytes) => Deno.stderr.writeSync(bytes),
    }, prompt);
  } finally {
    stream.destroy();
  }
}

const STDERR = 2;

/** Whether standard error is a terminal that can be read; on Windows it never can. */
export function hasErrorTerminal(): boolean {
  return Deno.build.os !== "windows" && Deno.stderr.isTerminal();
}

/**
 * The next line of standard input, without its line end; what follows it is left there. For a secret
 * only where the person gave --password-stdin. Null at the end of the input. Throws `limit` over
 * 1,024 bytes, `format` for what is not UTF-8.
 */
export function readInputLine(): string | null {
  const line = new Uint8Array(MAX_SECRET);
  const next = new Uint8Array(1);
  let length = 0;
  try {
    for (;;) {
      if (!Deno.stdin.readSync(next)) {
        if (length === 0) return null;
        break;
      }
      const [byte = 0] = next;
      if (byte === KEYS.newline) break;
      if (length === MAX_SECRET) throw tooLong();
      line[length++] = byte;
    }
    return fromUtf8(line.subarray(0, length)).replace(/\r$/, "");
  } finally {
    wipe(line, next);
  }
}

function tooLong(): SealpostError {
  return new SealpostError("limit", `a secret has at most ${MAX_SECRET} bytes`);
}

/** A secret in NFC. Wipes `bytes`. */
export function normalized(bytes: Bytes): Bytes {
  try {
    // ASCII is in NFC, and no string of it is left that cannot be wiped.
    return bytes.every((byte) => byte < 0x80) ? bytes.slice() : passphraseBytes(fromUtf8(bytes));
  } finally {
    wipe(bytes);
  }
}

/** The bytes of a passphrase: UTF-8 of its NFC form, so that every keyboard gives the same. */
export function passphraseBytes(text: string): Bytes {
  return utf8(text.normalize("NFC"));
}

/** SEALPOST_PASSPHRASE, or null if it is not set or empty. */
export function passphraseFromEnvironment(): string | null {
  return Deno.env.get("SEALPOST_PASSPHRASE") || null;
}

/**
 * Returns a passphrase prompt for `loadIdentity`: SEALPOST_PASSPHRASE first, then, where there is a
 * terminal, up to three questions; `what` is what the passphrase opens.
 */
export function passphrasePrompt(what: string): (attempt: number) => Promise<Bytes | null> {
  return async (attempt) => {
    const fixed = passphraseFromEnvironment();
    if (fixed !== null) return attempt === 1 ? passphraseBytes(fixed) : null;
    if (!canAskSecret()) return null;
    return await askSecret(attempt === 1 ? `Passphrase of ${what}: ` : "Wrong; once more: ");
  };
}
