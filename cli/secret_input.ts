import { type Bytes, fromUtf8, utf8, wipe } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";

/** Most bytes of a secret that is typed or piped in. */
export const MAX_SECRET = 1024;

const KEY = { interrupt: 3, end: 4, backspace: 8, newline: 10, enter: 13, kill: 21, delete: 127 };

/**
 * Asks on the terminal (on standard error, so that standard output stays clean) and reads one line
 * that is not shown. Backspace takes back a character, Ctrl-U all, Ctrl-D on an empty line gives
 * null. Throws `cancelled` for Ctrl-C, `limit` over 1,024 bytes, `format` for what is not UTF-8.
 */
export function readSecret(question: string): string | null {
  // Not `cbreak`, which Windows does not have; so Ctrl-C comes as a byte. Before the question: who
  // answers at once is not shown either.
  Deno.stdin.setRaw(true);
  try {
    Deno.stderr.writeSync(utf8(question));
    return readBytes((key, length) => {
      switch (key) {
        case KEY.interrupt:
          throw new SealpostError("cancelled", "cancelled");
        case KEY.end:
          return length === 0 ? "end" : "ignore";
        case KEY.backspace:
        case KEY.delete:
          return "back";
        case KEY.kill:
          return "clear";
        case KEY.enter:
        case KEY.newline:
          return "done";
      }
      return key < 32 ? "ignore" : "take";
    });
  } finally {
    Deno.stdin.setRaw(false);
    Deno.stderr.writeSync(utf8("\n"));
  }
}

/**
 * The next line of standard input that is not a terminal, without its line end; what follows it is
 * left there. Null at the end of the input. Throws `limit` over 1,024 bytes, `format` for what is not
 * UTF-8.
 */
export function readInputLine(): string | null {
  const line = readBytes((byte) => byte === KEY.newline ? "done" : "take");
  return line === null ? null : line.replace(/\r$/, "");
}

type Action = "take" | "back" | "clear" | "ignore" | "done" | "end";

/** One byte at a time, so that nothing after the line is taken. */
function readBytes(decide: (byte: number, length: number) => Action): string | null {
  const secret = new Uint8Array(MAX_SECRET + 1);
  const next = new Uint8Array(1);
  let length = 0;
  try {
    while (true) {
      if (!Deno.stdin.readSync(next)) {
        return length === 0 ? null : fromUtf8(secret.subarray(0, length));
      }
      const byte = next[0] ?? 0;
      switch (decide(byte, length)) {
        case "take":
          secret[length++] = byte;
          if (length > MAX_SECRET) {
            throw new SealpostError("limit", `a secret has at most ${MAX_SECRET} bytes`);
          }
          break;
        case "back":
          // The continuation bytes of a character of UTF-8, then its first.
          while (length > 0 && ((secret[length - 1] ?? 0) & 0xc0) === 0x80) length--;
          length = Math.max(0, length - 1);
          break;
        case "clear":
          length = 0;
          break;
        case "done":
          return fromUtf8(secret.subarray(0, length));
        case "end":
          return null;
        case "ignore":
      }
    }
  } finally {
    wipe(secret, next);
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
 * How the passphrase of an encrypted private key is come by, for `loadIdentity`: from
 * SEALPOST_PASSPHRASE, else, on a terminal, by asking up to three times; off a terminal not at all.
 */
export function passphraseOf(what: string): (attempt: number) => Promise<Bytes | null> {
  return (attempt) => {
    const fixed = passphraseFromEnvironment();
    if (fixed !== null) return Promise.resolve(attempt === 1 ? passphraseBytes(fixed) : null);
    if (!Deno.stdin.isTerminal()) return Promise.resolve(null);
    const typed = readSecret(attempt === 1 ? `Passphrase of ${what}: ` : "Wrong; once more: ");
    return Promise.resolve(typed === null ? null : passphraseBytes(typed));
  };
}
