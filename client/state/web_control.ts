import { join } from "@std/path";
import * as v from "valibot";
import { fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { readFileBounded, writeFileAtomic } from "../../files/atomic_file.ts";
import { ensurePrivateDir } from "../../files/key_files.ts";
import { parseAddress } from "../../protocol/address.ts";
import { parseJson } from "../../protocol/schema.ts";
import { askHttp } from "../../protocol/socket.ts";
import { stateFolder } from "./state.ts";

const FILE = "web";
const MAX_FILE = 4096;

const schema = v.object({ address: v.string(), secret: v.string() });

/** Where the page of a user is served on this machine, and what lets other commands of theirs ask it. */
export type WebControl = v.InferOutput<typeof schema>;

/** What another command can ask of a page's program. */
export type WebOrder = "link" | "lock" | "stop";

/** Keeps (0600, in the user's state) where the page is. Throws `disk-full`, `file-io`. */
export async function keepWebControl(
  dir: string,
  name: string,
  control: WebControl,
): Promise<void> {
  await ensurePrivateDir(stateFolder(dir, name));
  await writeFileAtomic(join(stateFolder(dir, name), FILE), utf8(JSON.stringify(control)), {
    mode: 0o600,
  });
}

/** Forgets where the page was, if it is the one of `secret`. */
export async function forgetWebControl(dir: string, name: string, secret: string): Promise<void> {
  if ((await readWebControl(dir, name))?.secret !== secret) return;
  await Deno.remove(join(stateFolder(dir, name), FILE)).catch(() => {});
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
 * otherwise. Null if none runs.
 */
export async function orderWeb(dir: string, name: string, order: WebOrder): Promise<string | null> {
  const control = await readWebControl(dir, name);
  if (!control) return null;
  const address = parseAddress(control.address);
  return await askHttp(address, `/control/${order}`, { authorization: `Bearer ${control.secret}` });
}
