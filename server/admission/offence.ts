import { isSealpostError } from "../../crypto/error.ts";
import type { Offence } from "./penalties.ts";
import type { TimedStream } from "./timed_stream.ts";

/** The offence of a source whose handshake ended with `error`; null if it was none. */
export function offenceOf(
  error: unknown,
  stream: Pick<TimedStream, "timedOut" | "bytesReceived">,
): Offence | null {
  if (stream.timedOut) return "timeout";
  if (!isSealpostError(error)) return "crash";
  switch (error.code) {
    case "connection-lost":
      return stream.bytesReceived > 0 ? "abandoned" : null;
    case "busy":
    case "config":
    case "disk-full":
    case "file-io":
    case "internal":
      return null; // The server's own trouble.
    default:
      return "crash";
  }
}
