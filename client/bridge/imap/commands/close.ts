import type { ImapCommand } from "../command.ts";

/** CLOSE (RFC 9051, section 6.4.1): removes what is marked as deleted, and says nothing of it. */
export const CLOSE: ImapCommand = {
  when: "selected",
  removals: false,
  run: async (context, args) => {
    args.end();
    const { selected, store } = context;
    context.select(null);
    const removed = !selected.readOnly &&
      await store.expunge(selected.name, selected.view.validity, null);
    return context.features.has("qresync") && removed
      ? { code: `HIGHESTMODSEQ ${(await store.view(selected.name))?.modseq ?? 1}` }
      : {};
  },
};

/** UNSELECT (RFC 9051, section 6.4.2). */
export const UNSELECT: ImapCommand = {
  when: "selected",
  removals: false,
  run: (context, args) => {
    args.end();
    context.select(null);
    return Promise.resolve();
  },
};
