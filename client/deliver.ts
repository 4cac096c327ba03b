import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { MAX_DATA } from "../protocol/frame.ts";
import { rechunk } from "../protocol/body.ts";
import type { Link } from "./link.ts";
import type { Waiting } from "./outbox.ts";

/** How sending one message ended. */
export interface Sent {
  /** When the server stored it, milliseconds since 1970. */
  readonly at: number;
}

/**
 * What becomes of a message that is refused for good. A function keeps what it was made of before it
 * is removed; if that throws, it is set aside.
 */
export type OnRefusal = "remove" | "set-aside" | (() => Promise<void>);

/**
 * Sends a waiting message and forgets it once the server has acknowledged it. Throws the refusal:
 * after one that may pass (`busy`, `disk-full`, `file-io`, `quota`, `internal`) and after a lost
 * connection the message stays in the outbox; after another it is treated as `onRefusal` says.
 */
export async function deliverWaiting(
  link: Link,
  waiting: Waiting,
  onRefusal: OnRefusal,
  onProgress: (done: number) => void = () => {},
): Promise<Sent> {
  try {
    const answer = await link.deliver(
      waiting.request,
      rechunk(waiting.bytes(), MAX_DATA),
      onProgress,
    );
    await waiting.remove();
    return { at: answer.at };
  } catch (error) {
    if (mayPass(error)) {
      const why = error instanceof Error ? error.message : String(error);
      throw new SealpostError(
        isSealpostError(error) ? error.code : "connection-lost",
        `${why}; the message is kept sealed in the outbox and goes out with your next connection`,
        { cause: error },
      );
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
    "quota",
    "timeout",
    "authentication",
    "protocol",
  );
}
