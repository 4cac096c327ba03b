import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { MAX_DATA } from "../protocol/frame.ts";
import { rechunk } from "../protocol/body.ts";
import type { Line } from "./line.ts";
import type { Waiting } from "./outbox.ts";

/** How sending one message ended. */
export interface Attempt {
  /** When the server stored it, milliseconds since 1970; null while it waits. */
  readonly at: number | null;
  /** Why it stays in the outbox; null if it does not. */
  readonly waits: SealpostError | null;
}

/**
 * What becomes of a message that is refused for good. A function keeps what it was made of before it
 * is removed; if that throws, it is set aside.
 */
export type OnRefusal = "remove" | "set-aside" | (() => Promise<void>);

/**
 * Sends a waiting message and forgets it once the server has acknowledged it. After a refusal that
 * may pass (`busy`, `disk-full`, `file-io`, `quota`, `internal`), after a lost connection and without
 * one, the message stays in the outbox. Any other refusal is thrown, and the message treated as
 * `onRefusal` says.
 */
export async function deliverWaiting(
  line: Line,
  waiting: Waiting,
  onRefusal: OnRefusal,
  onProgress: (done: number) => void = () => {},
): Promise<Attempt> {
  try {
    // Safe to repeat: the same bytes under the same id arrive once.
    const answer = await line.again(() => {
      return line.deliver(waiting.request, rechunk(waiting.bytes(), MAX_DATA), onProgress);
    });
    await waiting.remove();
    return { at: answer.at, waits: null };
  } catch (error) {
    if (mayPass(error)) {
      const why = error instanceof Error ? error.message : String(error);
      const waits = new SealpostError(
        isSealpostError(error) ? error.code : "connection-lost",
        `${why}; the message is kept sealed in the outbox and goes out with your next connection`,
        { cause: error },
      );
      return { at: null, waits };
    }
    if (onRefusal === "remove") await waiting.remove();
    else if (onRefusal === "set-aside") await waiting.setAside();
    else await onRefusal().then(() => waiting.remove(), () => waiting.setAside());
    throw error;
  }
}

/** Whether the same message may be accepted another time. */
function mayPass(error: unknown): boolean {
  return !isSealpostError(error) || isSealpostError(
    error,
    "busy",
    "connection-lost",
    "disk-full",
    "file-io",
    "internal",
    "offline",
    "quota",
    "timeout",
    "authentication",
    "protocol",
  );
}
