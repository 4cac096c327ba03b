import { SealpostError } from "../../crypto/error.ts";
import { utf8 } from "../../crypto/bytes.ts";
import { fit } from "../../cli/printable.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Counts `delay` milliseconds down on one line of standard error, as `text` says it of the seconds that
 * are left. Whether they passed; false once the person presses Ctrl-C. Only where a person types: what
 * else ends the program ends it as ever.
 */
export async function countDown(
  terminal: Pick<Terminal, "interactive" | "columns">,
  delay: number,
  text: (seconds: number) => string,
): Promise<boolean> {
  if (!terminal.interactive) {
    throw new SealpostError("internal", "a countdown without anybody to see it");
  }
  const until = performance.now() + delay;
  const { promise: pressed, resolve: press } = Promise.withResolvers<boolean>();
  const interrupt = () => press(false);
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    for (;;) {
      const left = until - performance.now();
      if (left <= 0) return true;
      write(`\r${fit(text(Math.ceil(left / 1000)), terminal.columns() - 1)}\x1b[K`);
      let timer: ReturnType<typeof setTimeout> | undefined;
      const passed = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(true), Math.min(left, left % 1000 || 1000));
      });
      const goesOn = await Promise.race([passed, pressed]);
      clearTimeout(timer);
      if (!goesOn) return false;
    }
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
    write("\r\x1b[K");
  }
}

function write(text: string): void {
  try {
    Deno.stderr.writeSync(utf8(text));
  } catch {
    // The terminal is gone, and the program ends by that.
  }
}
