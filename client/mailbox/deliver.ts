import { errorText, isSealpostError, SealpostError } from "../../crypto/error.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import type { Waiting } from "../state/outbox.ts";
import { uploadOnce } from "./upload.ts";

/** How sending one message ended. */
export interface Attempt {
  /** The id under which it went out, or waits. */
  readonly id: string;
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
 * Gives the same message sealed for the keys that its recipients have now, in the place of the one that
 * waited; null if it cannot be.
 */
export type Reseal = (waiting: Waiting) => Promise<Waiting | null>;

/** How often a message is sealed again because a key changed, in one attempt to send it. */
const MAX_RESEALS = 3;

/** How a waiting message is sent. */
export interface DeliverOptions {
  readonly onRefusal: OnRefusal;
  readonly reseal: Reseal;
  /** Why it must not go out yet, though it could; null if it may. */
  readonly heldBack: (waiting: Waiting) => Promise<SealpostError | null>;
  /** Called when the server has it, before it leaves the outbox. */
  readonly onSent?: (waiting: Waiting) => Promise<void>;
  readonly onProgress?: (done: number) => void;
}

/**
 * Sends a waiting message, which is claimed, and forgets it once the server has acknowledged it. After
 * a refusal that may pass (`busy`, `disk-full`, `file-io`, `quota`, `internal`), after a lost
 * connection and without one, and while it is held back, the message stays in the outbox. Where a
 * recipient's key has changed it is sealed again, if `reseal` can. Any other refusal is thrown, and
 * the message treated as `onRefusal` says; one that is to be set aside because a key changed waits
 * instead, for a person to decide on that key.
 */
export async function deliverWaiting(
  connection: ReconnectingConnection,
  waiting: Waiting,
  options: DeliverOptions,
  reseals = MAX_RESEALS,
): Promise<Attempt> {
  const { onRefusal, reseal, heldBack, onProgress = () => {} } = options;
  const { id } = waiting.request;
  try {
    const held = await heldBack(waiting);
    if (held) {
      await waiting.note(held.message).catch(() => {});
      return { id, at: null, waits: held };
    }
    const answer = await uploadOnce(connection, waiting, onProgress);
    await options.onSent?.(waiting);
    await waiting.remove();
    return { id, at: answer.at, waits: null };
  } catch (error) {
    if (mayPass(error)) {
      const why = errorText(error);
      const waits = new SealpostError(
        isSealpostError(error) ? error.code : "connection-lost",
        `${why}; the message is kept sealed in the outbox and goes out with your next connection`,
        { cause: error },
      );
      await waiting.note(why).catch(() => {});
      return { id, at: null, waits };
    }
    if (isSealpostError(error, "key-changed")) {
      const again = reseals > 0 ? await reseal(waiting) : null;
      if (again) {
        return await deliverWaiting(connection, again, options, reseals - 1);
      }
      if (onRefusal === "set-aside") {
        await waiting.note(error.message).catch(() => {});
        throw error;
      }
    }
    const why = errorText(error);
    if (onRefusal === "remove") await waiting.remove();
    else if (onRefusal === "set-aside") await waiting.setAside(why);
    else await onRefusal().then(() => waiting.remove(), () => waiting.setAside(why));
    throw error;
  } finally {
    waiting.release();
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
