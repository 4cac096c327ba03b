import type { Context, Done, ImapCommand } from "../command.ts";
import { bad } from "../error.ts";
import type { ImapParser } from "../parser.ts";
import { flagsLine, Selected } from "../selected.ts";
import { formatSet, lowerBound, SequenceSet } from "../sequence_set.ts";
import type { MailboxView } from "../store.ts";

/** SELECT (RFC 9051, section 6.3.2), with CONDSTORE and QRESYNC (RFC 7162). */
export const SELECT: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: (context, args) => select(context, args, false),
};

/** EXAMINE (RFC 9051, section 6.3.3). */
export const EXAMINE: ImapCommand = {
  ...SELECT,
  run: (context, args) => select(context, args, true),
};

/** What a mail program knows of a mailbox from the last time (RFC 7162, section 3.2.5). */
interface Known {
  readonly validity: number;
  readonly modseq: number;
  readonly uids: SequenceSet | null;
}

async function select(context: Context, args: ImapParser, readOnly: boolean): Promise<Done> {
  const { output, store, features } = context;
  args.space();
  const name = context.mailboxName(args);
  let known: Known | null = null;
  if (args.take(" ")) {
    args.list(() => {
      const parameter = args.word();
      if (parameter === "CONDSTORE") features.add("condstore");
      else if (parameter === "QRESYNC" && features.has("qresync")) {
        args.space();
        known = readKnown(args);
      } else throw bad(`no parameter ${parameter}`);
    });
  }
  args.end();
  // One that cannot be selected leaves none selected.
  if (context.selectedOrNull) {
    context.select(null);
    if (features.has("qresync")) output.line("* OK [CLOSED] the other mailbox is closed");
  }
  await store.refresh();
  const view = await context.mailbox(name);
  const selected = new Selected(view, readOnly);
  selected.tellFlags(store.keywords(), output);
  output.line(`* ${view.messages.length} EXISTS`);
  output.line("* 0 RECENT");
  const unseen = view.messages.findIndex(({ flags }) => !flags.includes("\\Seen"));
  if (unseen >= 0) output.line(`* OK [UNSEEN ${unseen + 1}] the first that was not seen`);
  output.line(`* OK [UIDVALIDITY ${view.validity}] UIDs are valid`);
  output.line(`* OK [UIDNEXT ${view.nextUid}] the next UID`);
  output.line(`* OK [HIGHESTMODSEQ ${view.modseq}] the highest`);
  output.line(`* OK [MAILBOXID (${view.id})] the mailbox`);
  context.select(selected);
  if (known !== null) catchUp(context, selected, known);
  return { code: readOnly ? "READ-ONLY" : "READ-WRITE" };
}

/** `(validity modseq [known UIDs [(sequence numbers, their UIDs)]])`. */
function readKnown(args: ImapParser): Known {
  args.expect("(");
  const validity = args.number32();
  args.space();
  const modseq = args.number();
  let uids: SequenceSet | null = null;
  if (args.take(" ")) {
    if (args.peek() !== "(") uids = args.sequenceSet();
    if (uids === null || args.take(" ")) {
      // They would shorten the answer only.
      args.expect("(");
      args.sequenceSet();
      args.space();
      args.sequenceSet();
      args.expect(")");
    }
  }
  args.expect(")");
  return { validity, modseq, uids };
}

/** Tells what went and what changed since the last time. */
function catchUp({ output, features }: Context, { view }: Selected, known: Known): void {
  if (known.validity !== view.validity || known.modseq >= view.modseq) return;
  tellVanished(output, view, known.uids);
  for (const [position, message] of view.messages.entries()) {
    if (message.modseq <= known.modseq) continue;
    if (known.uids && !known.uids.has(message.uid)) continue;
    output.line(flagsLine(position, message, features));
  }
}

/**
 * Tells which UIDs are not there: those among `known`, or all that ever were. That may name some that
 * went long ago, which RFC 7162, section 3.2.5.2, allows.
 */
export function tellVanished(
  output: Context["output"],
  { messages, nextUid }: MailboxView,
  known: SequenceSet | null,
): void {
  const ranges = known?.ranges ?? [[1, nextUid - 1] as const];
  const uids = { length: messages.length, at: (i: number) => messages[i]?.uid ?? 0 };
  const gone: string[] = [];
  for (const [first, last] of ranges) {
    const end = Math.min(last, nextUid - 1);
    let from = Math.max(1, first);
    for (let i = lowerBound(uids, from); from <= end; i++) {
      const there = Math.min(messages[i]?.uid ?? Infinity, end + 1);
      if (there > from) gone.push(there - 1 === from ? `${from}` : `${from}:${there - 1}`);
      from = there + 1;
    }
  }
  if (gone.length > 0) output.line(`* VANISHED (EARLIER) ${gone.join(",")}`);
}

/** The UIDs of `positions` as a set. */
export function uidsAt(selected: Selected, positions: readonly number[]): string {
  return formatSet(positions.map((position) => selected.at(position)?.uid ?? 0));
}
