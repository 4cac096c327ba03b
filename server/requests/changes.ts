import { type Bytes, lp, toHex } from "../../crypto/bytes.ts";
import { encodeChange, type MailboxChange } from "../../protocol/change.ts";
import type { StoredChange } from "../store/store.ts";
import type { Handler, RequestContext } from "./request_context.ts";

/** Entries that are read from the store at a time: some 280 KB where they are largest. */
const AT_ONCE = 8;

/** What has changed in the own mailbox since a modification sequence. Throws `too-old`. */
export const handleChanges: Handler<"changes"> = async (request, context) => {
  const { store, session } = context;
  const { since, nextUid: knownUid, limit } = request;
  const page = await store.changes(session.name, since, knownUid, limit);
  const { epoch, nextUid, modseq, more, changes } = page;
  return {
    response: { ok: true, epoch: toHex(epoch), nextUid, modseq, more },
    data: encoded(changes, context),
  };
};

async function* encoded(
  changes: readonly StoredChange[],
  context: RequestContext,
): AsyncGenerator<Bytes, void, undefined> {
  for (let at = 0; at < changes.length; at += AT_ONCE) {
    for (const change of await withEntries(changes.slice(at, at + AT_ONCE), context)) {
      yield lp(encodeChange(change));
    }
  }
}

/**
 * The changes, with the entries that are new as they are now. One that was removed since is gone under
 * this modification sequence already, and will be under its own.
 */
async function withEntries(
  changes: readonly StoredChange[],
  { store, session }: RequestContext,
): Promise<MailboxChange[]> {
  const uids = changes.filter(({ kind }) => kind === "new").flatMap((change) => {
    return "uid" in change ? [change.uid] : [];
  });
  const entries = uids.length === 0 ? [] : await store.entries(session.name, uids);
  const byUid = new Map(entries.map((entry) => [entry.uid, entry]));
  return changes.map((change) => {
    if (change.kind !== "new") return change;
    const { modseq, uid } = change;
    const entry = byUid.get(uid);
    return entry === undefined
      ? { ...change, kind: "gone" }
      : { kind: "new", modseq, entry: { ...entry, modseq } };
  });
}
