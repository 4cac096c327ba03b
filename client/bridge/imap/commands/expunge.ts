import type { ImapCommand } from "../command.ts";
import { ImapError } from "../error.ts";
import type { PlacedMessage } from "../store.ts";

/** The messages that are marked as deleted. */
export function deletedIn(messages: readonly PlacedMessage[]): PlacedMessage[] {
  return messages.filter(({ flags }) => flags.includes("\\Deleted"));
}

/** EXPUNGE and UID EXPUNGE (RFC 9051, sections 6.4.3 and 6.4.9): for good. */
export const EXPUNGE: ImapCommand = {
  when: "selected",
  uid: true,
  removals: true,
  run: async (context, args, byUid) => {
    const { selected, store } = context;
    let messages = selected.messages;
    if (byUid) {
      args.space();
      messages = selected.positions(args.sequenceSet(), true).flatMap((i) => selected.at(i) ?? []);
    }
    args.end();
    if (selected.readOnly) throw new ImapError("NO", "the mailbox is open for reading only");
    const deleted = deletedIn(messages);
    if (deleted.length > 0) await store.remove(deleted.map(({ key }) => key));
    if (!context.features.has("qresync") || deleted.length === 0) return;
    return { code: `HIGHESTMODSEQ ${(await context.mailbox(selected.name)).modseq}` };
  },
};
