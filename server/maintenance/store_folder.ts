import { wrapFileError } from "../../files/atomic_file.ts";
import { isThere } from "../../files/key_files.ts";
import { LOCK_NAME } from "../store/database.ts";
import { PIN_NAME } from "../store/pin.ts";

/** Whether more is in the folder of a store than the locks that looking at it leaves. */
export async function isStoreUsed(store: string): Promise<boolean> {
  if (!await isThere(store)) return false;
  try {
    for await (const { name } of Deno.readDir(store)) {
      if (name !== LOCK_NAME && name !== PIN_NAME) return true;
    }
    return false;
  } catch (error) {
    throw wrapFileError(error, `read ${store}`);
  }
}
