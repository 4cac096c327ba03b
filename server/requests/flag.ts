import type { Handler } from "./request_context.ts";

/** Sets and clears flags of entries, and moves them. */
export const handleFlag: Handler<"flag"> = async (request, { store, session }) => {
  const { uids, set, clear, folder } = request;
  const change = folder === undefined ? { set, clear } : { set, clear, folder };
  return { response: { ok: true, uids: [...await store.flag(session.name, uids, change)] } };
};
