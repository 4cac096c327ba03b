/** How a line ended: Enter, Ctrl-D on an empty line, Ctrl-C. */
export type Outcome = "line" | "end" | "interrupt";

/** Bytes that keys send on a terminal in raw mode. */
export const KEYS = {
  interrupt: 0x03,
  end: 0x04,
  backspace: 0x08,
  tab: 0x09,
  newline: 0x0a,
  enter: 0x0d,
  kill: 0x15,
  eraseWord: 0x17,
  escape: 0x1b,
  delete: 0x7f,
} as const;

/** Recognizes the escape sequences that keys such as the arrows send (CSI and SS3, ECMA-48). */
export class EscapeSequences {
  #state: "none" | "escape" | "sequence" = "none";

  /** Whether `byte` belongs to a sequence, so is not typed text. */
  takes(byte: number): boolean {
    switch (this.#state) {
      case "none":
        if (byte === KEYS.escape) this.#state = "escape";
        break;
      case "escape":
        // `[` or `O`; whatever else follows Escape is taken as typed.
        if (byte !== KEYS.escape) {
          this.#state = byte === 0x5b || byte === 0x4f ? "sequence" : "none";
        }
        break;
      case "sequence":
        if (byte < 0x20) this.#state = "none";
        else if (byte >= 0x40 && byte <= 0x7e) {
          this.#state = "none";
          return true;
        }
    }
    return this.#state !== "none";
  }
}
