import type { Handler } from "./request_context.ts";

/** Takes a folder of one's own away. Throws `limit` if it has entries. */
export const handleFolderDrop: Handler<"folder-drop"> = async ({ folder }, { store, session }) => {
  await store.dropFolder(session.name, folder);
  return { response: { ok: true } };
};
