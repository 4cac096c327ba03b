import { defined } from "../../crypto/defined.ts";
import type { Handler } from "./request_context.ts";

/** Sets and clears flags of entries, and moves them. */
export const handleFlag: Handler<"flag"> = async (request, { store, session, registry }) => {
  const { uids, set, clear, folder, unchangedSince } = request;
  const change = { set, clear, ...defined({ folder, unchangedSince }) };
  const { any, modseq, modified, uids: found } = await store.flag(session.name, uids, change);
  if (any) registry.tellOthers(session, { event: "change", modseq });
  return {
    response: {
      ok: true,
      uids: [...found],
      modseq,
      ...modified.length === 0 ? {} : { modified: [...modified] },
    },
  };
};
