import type { Bytes } from "../../crypto/bytes.ts";
import { errorText, isSealpostError, SealpostError } from "../../crypto/error.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import type { ByteStream } from "../../protocol/byte_stream.ts";
import { listenLocal, type LocalListener } from "../../protocol/socket.ts";
import { within } from "../../protocol/timer.ts";
import type { Log } from "../observe/log.ts";
import type { Operations } from "./operations.ts";
import { CONTROL_FOLDER, controlPath } from "./path.ts";
import { decodeControlRequest, encodeControlAnswer, MAX_REQUEST, readLine } from "./protocol.ts";
import { join } from "@std/path";

/** Connections at a time: an operator has one. */
const MAX_CONNECTIONS = 16;
/** How long a request may take to arrive, and an answer to be taken, milliseconds. */
const PATIENCE = 10_000;

/** A control socket that is open. */
export interface Control {
  /** Takes no more commands, and removes the socket. */
  close(): Promise<void>;
}

/**
 * Opens the control socket of the server whose folder is `dir`: 0600, in a folder of its own that
 * nobody else may enter. One that an earlier server left is replaced, so the caller must hold the
 * store's lock. Throws `unreachable` or `file-io` if there can be none, with the reason.
 */
export async function openControl(
  dir: string,
  operations: Operations,
  log: Log,
): Promise<Control> {
  const path = controlPath(dir);
  await prepareFolder(join(dir, CONTROL_FOLDER), path);
  const listener = listenLocal(path);
  try {
    if (Deno.build.os !== "windows") await Deno.chmod(path, 0o600);
  } catch (error) {
    listener.close();
    throw wrapFileError(error, `make ${path} private`);
  }
  const accepting = accept(listener, operations, log);
  return {
    close: async () => {
      listener.close();
      await accepting;
      await Deno.remove(path).catch(() => {});
    },
  };
}

async function prepareFolder(folder: string, path: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { mode: 0o700, recursive: true });
    if (Deno.build.os !== "windows") await Deno.chmod(folder, 0o700);
    const there = await Deno.lstat(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    });
    if (there?.isSocket) await Deno.remove(path);
  } catch (error) {
    throw wrapFileError(error, `make the folder ${folder}`);
  }
}

async function accept(
  listener: LocalListener,
  operations: Operations,
  log: Log,
): Promise<void> {
  const open = new Set<Promise<void>>();
  for await (const stream of listener.accept()) {
    if (open.size >= MAX_CONNECTIONS) {
      stream.close();
      continue;
    }
    const serving = serve(stream, operations, log).finally(() => open.delete(serving));
    open.add(serving);
  }
  await Promise.all(open);
}

/** One request and its answer. Never rejects. */
async function serve(stream: ByteStream, operations: Operations, log: Log): Promise<void> {
  const deadline = setTimeout(() => stream.close(), PATIENCE);
  try {
    const line = await readLine(stream, MAX_REQUEST);
    clearTimeout(deadline);
    await within(stream.write(await answer(line, operations, log)), PATIENCE, undefined);
  } catch (error) {
    const why = errorText(error);
    log.debug("control-ended", { why });
  } finally {
    clearTimeout(deadline);
    stream.close();
  }
}

async function answer(line: Bytes, operations: Operations, log: Log): Promise<Bytes> {
  try {
    const request = decodeControlRequest(line);
    log.info("control", {
      op: request.op,
      ..."name" in request ? { name: request.name } : {},
      pid: request.by.pid,
    });
    return encodeControlAnswer({ result: await operations.run(request) });
  } catch (error) {
    if (!isSealpostError(error)) log.error("internal-error", { error: String(error) });
    const { code, message } = isSealpostError(error)
      ? error
      : new SealpostError("internal", "the server failed to do this; its log says more");
    return encodeControlAnswer({ code, message });
  }
}
