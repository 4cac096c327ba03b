import { join } from "@std/path";
import * as v from "valibot";
import { fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { PROGRAM } from "../../cli/program.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { readFileBounded, writeFileAtomic } from "../../files/atomic_file.ts";
import { lockFile, tryLockFile } from "../../files/file_lock.ts";
import { ensurePrivateDir } from "../../files/key_files.ts";
import { parseAddress } from "../../protocol/address.ts";
import { parseJson } from "../../protocol/schema.ts";
import { askHttp } from "../../protocol/socket.ts";
import { stateFolder } from "./state.ts";

const FILE = "web";
const LOCK = "web.lock";
const MAX_FILE = 4096;
/** How long a page that is ending may take, milliseconds. */
const LOCK_PATIENCE = 5000;

const schema = v.object({ address: v.string(), secret: v.string() });

/** A link of a page: its address, and a token of 128 bits (base64url). */
const LINK = /^http:\/\/[\d.:[\]a-f]+\/#[\w-]{22}$/;

/** Whether `text` is the link of a page. */
export function isLink(text: string): boolean {
  return LINK.test(text);
}

/** Where the page of a user is served on this machine, and what lets other commands of theirs ask it. */
export type WebControl = v.InferOutput<typeof schema>;

/** What another command can ask of a page's program. */
export type WebOrder = "link" | "lock" | "stop";

/**
 * Keeps (0600, in the user's state) where the page is, until it is disposed of. It counts as long as this
 * program lives, which holds a lock: after that, somebody else may listen at the address. Throws `busy`
 * if another program of the user serves a page, `disk-full`, `file-io`.
 */
export async function keepWebControl(
  dir: string,
  name: string,
  control: WebControl,
): Promise<AsyncDisposable> {
  const folder = stateFolder(dir, name);
  const path = join(folder, FILE);
  await ensurePrivateDir(folder);
  const lock = await lockFile(join(folder, LOCK), LOCK_PATIENCE, "another page of yours");
  try {
    await writeFileAtomic(path, utf8(JSON.stringify(control)), { mode: 0o600 });
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
  return {
    [Symbol.asyncDispose]: async () => {
      await Deno.remove(path).catch(() => {});
      lock[Symbol.dispose]();
    },
  };
}

async function readWebControl(dir: string, name: string): Promise<WebControl | null> {
  try {
    const bytes = await readFileBounded(join(stateFolder(dir, name), FILE), MAX_FILE);
    return parseJson(schema, fromUtf8(bytes));
  } catch (error) {
    if (isSealpostError(error)) return null;
    throw error;
  }
}

/**
 * Asks the program that serves the page of a user; its answer, which is a new link for `link` and empty
 * otherwise. Null if none runs. Throws `unreachable` if it does not do it.
 */
export async function orderWeb(dir: string, name: string, order: WebOrder): Promise<string | null> {
  const control = await readWebControl(dir, name);
  if (!control) return null;
  // Who was killed has left the file, and nobody holds the lock.
  const lock = await tryLockFile(join(stateFolder(dir, name), LOCK));
  if (lock) {
    lock[Symbol.dispose]();
    return null;
  }
  const headers = { authorization: `Bearer ${control.secret}` };
  try {
    const answer = await askHttp(parseAddress(control.address), `/control/${order}`, headers);
    if (order !== "link" || isLink(answer)) return answer;
  } catch (error) {
    if (!isSealpostError(error, "unreachable")) throw error;
    throw notObeying(error);
  }
  throw notObeying();
}

function notObeying(cause?: unknown): SealpostError {
  return new SealpostError(
    "unreachable",
    `the program that serves your page does not answer as it should; end "${PROGRAM} web" where it ` +
      "runs, and try again",
    { cause },
  );
}
