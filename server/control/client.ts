import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { connectLocal } from "../../protocol/socket.ts";
import { controlPath } from "./path.ts";
import {
  type ControlOp,
  type ControlRequest,
  type ControlResult,
  decodeControlAnswer,
  encodeControlRequest,
  MAX_ANSWER,
  readLine,
} from "./protocol.ts";

/** How long an answer may take, milliseconds: purging a large mailbox takes a while. */
const PATIENCE = 10 * 60_000;

/**
 * What the server whose folder is `dir` answers to `request`; its refusal is thrown, with its code.
 * Throws `unreachable` if none is running there, `timeout`, `protocol`.
 */
export async function callControl<O extends ControlOp>(
  dir: string,
  op: O,
  request: ControlRequest & { readonly op: O },
): Promise<ControlResult<O>> {
  const stream = await connectLocal(controlPath(dir));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    stream.close();
  }, PATIENCE);
  try {
    await stream.write(encodeControlRequest(request));
    return decodeControlAnswer(op, await readLine(stream, MAX_ANSWER));
  } catch (error) {
    if (late) throw new SealpostError("timeout", "the server does not answer", { cause: error });
    if (isSealpostError(error, "connection-lost")) {
      throw new SealpostError("busy", "the server has no time for this; try again", {
        cause: error,
      });
    }
    throw error;
  } finally {
    clearTimeout(timer);
    stream.close();
  }
}
