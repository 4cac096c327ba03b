import type { Handler } from "./request_context.ts";

/** Removes entries for good. */
export const handleRemove: Handler<"remove"> = async ({ uids }, { store, session }) => {
  return { response: { ok: true, uids: [...await store.remove(session.name, uids)] } };
};
