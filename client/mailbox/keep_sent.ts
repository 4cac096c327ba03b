import { SealpostError } from "../../crypto/error.ts";
import { readEnvelope } from "../message/reseal.ts";
import type { Bodies } from "../state/bodies.ts";
import type { Waiting } from "../state/outbox.ts";

/** Larger bodies are not kept when they were sent, bytes. */
const MAX_KEPT = 64 * 1024 * 1024;

/**
 * Keeps the body of a message that was sent, as if it had been fetched: what one wrote oneself is found
 * by a search, and read without a connection. Where it cannot be kept, it is fetched when it is wanted.
 */
export async function keepSentBody(waiting: Waiting, bodies: Bodies | null): Promise<void> {
  if (!bodies || !waiting.request.copy || waiting.request.size > MAX_KEPT) return;
  try {
    const { envelope, body } = await readEnvelope(waiting);
    await bodies.put(envelope, body);
  } catch (error) {
    // The message is sent: that is what counts.
    if (!(error instanceof SealpostError)) throw error;
  }
}
