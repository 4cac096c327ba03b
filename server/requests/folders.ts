import { toHex } from "../../crypto/bytes.ts";
import { encodeFolderState, type FolderState } from "../../protocol/folder_state.ts";
import type { Handler } from "./request_context.ts";

/** How every folder of the own mailbox stands, all at one moment. */
export const handleFolders: Handler<"folders"> = async (_request, { store, session }) => {
  const { epoch, nextUid, modseq, folders } = await store.folders(session.name);
  return {
    response: { ok: true, epoch: toHex(epoch), nextUid, modseq },
    data: encoded(folders),
  };
};

async function* encoded(folders: readonly FolderState[]) {
  for (const folder of folders) yield encodeFolderState(folder);
}
