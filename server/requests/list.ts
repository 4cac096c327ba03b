import { defined } from "../../crypto/defined.ts";
import { type Bytes, lp, toHex } from "../../crypto/bytes.ts";
import { encodeEntry } from "../../protocol/entry.ts";
import type { ListRequest } from "../../protocol/request.ts";
import type { ListQuery } from "../store/store.ts";
import { ownAccount } from "./own_account.ts";
import type { Handler, RequestContext } from "./request_context.ts";

/** Entries that a listing reads from the store at a time: some 280 KB where they are largest. */
const PAGE = 8;
/** What a brief listing leaves out. */
const WITHOUT_SEALED = { stanza: new Uint8Array(0), summary: new Uint8Array(0), note: null };

/** Entries of the own mailbox; what is stored after the response is not in the list. */
export const handleList: Handler<"list"> = async (request, context) => {
  const { epoch, nextUid, modseq } = await ownAccount(context);
  const before = Math.min(request.before ?? nextUid, nextUid);
  return {
    response: { ok: true, epoch: toHex(epoch), nextUid, modseq },
    data: entries({ ...request, before }, context),
  };
};

/** The entries of a listing, read a page at a time. */
async function* entries(
  request: ListRequest,
  { store, session }: RequestContext,
): AsyncGenerator<Bytes, void, undefined> {
  const ascending = request.order === "oldest";
  const { folder } = request;
  let { after, before } = request;
  for (let left = request.limit; left > 0; left -= PAGE) {
    const query: ListQuery = {
      ...defined({ folder, after, before }),
      ascending,
      limit: Math.min(PAGE, left),
    };
    const page = await store.list(session.name, query);
    for (const entry of page) {
      yield lp(encodeEntry(request.brief ? { ...entry, ...WITHOUT_SEALED } : entry));
    }
    const last = page.at(-1)?.uid;
    if (last === undefined || page.length < query.limit) return;
    if (ascending) after = last;
    else before = last;
  }
}
