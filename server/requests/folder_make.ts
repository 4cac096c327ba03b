import type { Handler } from "./request_context.ts";

/** Makes a folder of one's own, if it is not there. Throws `limit` for one too many. */
export const handleFolderMake: Handler<"folder-make"> = async ({ folder }, { store, session }) => {
  return { response: { ok: true, validity: await store.makeFolder(session.name, folder) } };
};
