import { type Bytes, concat } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { BUILT_IN_FOLDERS, folderNumber } from "../../protocol/entry.ts";
import {
  decodeFolderState,
  FOLDER_STATE_SIZE,
  type FolderState,
} from "../../protocol/folder_state.ts";
import { MAX_OWN_FOLDERS } from "../../protocol/limits.ts";
import type { Channel } from "../connection/client_session.ts";

/** Most bytes of an answer. */
const MAX_STATES = (BUILT_IN_FOLDERS.length + MAX_OWN_FOLDERS) * FOLDER_STATE_SIZE;

/**
 * What the mailbox has in each folder, in the order of their numbers; of one moment. Throws `protocol`
 * if folders are missing, doubled or too many, `format`, and what `channel` throws.
 */
export async function fetchFolderStates(channel: Channel): Promise<FolderState[]> {
  const { data, cancel } = await channel.stream({ op: "folders" });
  let bytes: Bytes = new Uint8Array(0);
  for await (const piece of data) {
    bytes = concat(bytes, piece);
    if (bytes.length <= MAX_STATES) continue;
    await cancel();
    throw malformed();
  }
  const states: FolderState[] = [];
  for (let at = 0; at < bytes.length; at += FOLDER_STATE_SIZE) {
    states.push(decodeFolderState(bytes.slice(at, at + FOLDER_STATE_SIZE)));
  }
  const numbers = states.map(({ folder }) => folderNumber(folder));
  const ascending = numbers.every((number, i) => i === 0 || number > (numbers[i - 1] ?? 0));
  const whole = BUILT_IN_FOLDERS.every((folder, i) => states[i]?.folder === folder);
  if (!ascending || !whole) throw malformed();
  return states;
}

function malformed(): SealpostError {
  return new SealpostError("protocol", "the server does not say rightly what folders there are");
}
