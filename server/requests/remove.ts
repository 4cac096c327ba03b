import type { Handler } from "./request_context.ts";

/** Removes entries for good. */
export const handleRemove: Handler<"remove"> = async ({ uids }, context) => {
  const { store, session, registry } = context;
  const { any, modseq, uids: found } = await store.remove(session.name, uids);
  if (any) registry.tellOthers(session, { event: "change", modseq });
  return { response: { ok: true, uids: [...found], modseq } };
};
