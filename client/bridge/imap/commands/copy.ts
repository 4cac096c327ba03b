import type { Context, Done, ImapCommand } from "../command.ts";
import { ImapError } from "../error.ts";
import type { ImapParser } from "../parser.ts";
import { uidsAt } from "./select.ts";

/** COPY (RFC 9051, section 6.4.7), with COPYUID (RFC 4315). */
export const COPY: ImapCommand = {
  when: "selected",
  uid: true,
  removals: true,
  run: async (context, args, byUid) => {
    const { positions, keys, name } = await readCopy(context, args, byUid);
    if (keys.length === 0) return { text: "nothing to copy" };
    const { validity, uids } = await context.store.copy(keys, name);
    if (uids.length !== keys.length) return;
    return copied(context, positions, validity, uids);
  },
};

/** MOVE (RFC 9051, section 6.4.8). */
export const MOVE: ImapCommand = {
  when: "selected",
  uid: true,
  removals: true,
  run: async (context, args, byUid) => {
    if (context.selected.readOnly) {
      throw new ImapError("NO", "the mailbox is open for reading only");
    }
    const { positions, keys, name } = await readCopy(context, args, byUid);
    if (keys.length === 0) return { text: "nothing to move" };
    const { selected } = context;
    const { validity, uids } = await context.store.move(keys, name);
    if (uids.length === keys.length) {
      const { code } = copied(context, positions, validity, uids);
      context.output.line(`* OK [${code}] moved`);
    }
    if (!context.features.has("qresync")) return;
    await context.update(true);
    return { code: `HIGHESTMODSEQ ${selected.view.modseq}` };
  },
};

async function readCopy(context: Context, args: ImapParser, byUid: boolean) {
  args.space();
  const set = args.sequenceSet();
  args.space();
  const name = context.mailboxName(args);
  args.end();
  const { selected, store } = context;
  const positions = selected.positions(set, byUid);
  if (await store.view(name) === null) {
    throw new ImapError("NO", "there is no such mailbox", "TRYCREATE");
  }
  return { positions, keys: positions.flatMap((i) => selected.at(i)?.key ?? []), name };
}

function copied(
  { selected }: Context,
  positions: readonly number[],
  validity: number,
  uids: readonly number[],
): Done {
  return { code: `COPYUID ${validity} ${uidsAt(selected, positions)} ${uids.join(",")}` };
}
