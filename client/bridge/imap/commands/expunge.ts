import type { ImapCommand } from "../command.ts";
import { ImapError } from "../error.ts";

/** EXPUNGE and UID EXPUNGE (RFC 9051, sections 6.4.3 and 6.4.9): for good. */
export const EXPUNGE: ImapCommand = {
  when: "selected",
  uid: true,
  removals: true,
  run: async (context, args, byUid) => {
    const { selected, store } = context;
    let uids: Set<number> | null = null;
    if (byUid) {
      args.space();
      const positions = selected.positions(args.sequenceSet(), true);
      uids = new Set(positions.flatMap((i) => selected.at(i)?.uid ?? []));
    }
    args.end();
    if (selected.readOnly) throw new ImapError("NO", "the mailbox is open for reading only");
    const removed = await store.expunge(selected.name, selected.view.validity, uids);
    if (!context.features.has("qresync") || !removed) return;
    return { code: `HIGHESTMODSEQ ${(await context.mailbox(selected.name)).modseq}` };
  },
};
