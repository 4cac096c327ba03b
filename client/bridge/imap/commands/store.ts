import type { ImapCommand } from "../command.ts";
import { bad, ImapError } from "../error.ts";
import { flagsLine, SYSTEM_FLAGS } from "../selected.ts";
import { formatSet } from "../sequence_set.ts";
import type { PlacedMessage } from "../store.ts";

const SYSTEM = new Set(SYSTEM_FLAGS.map((flag) => flag.toLowerCase()));

/** Throws `BAD` for a flag with a backslash that nobody can set. */
export function checkFlags(flags: readonly string[]): void {
  for (const flag of flags) {
    if (flag.startsWith("\\") && !SYSTEM.has(flag.toLowerCase())) {
      throw bad(`${flag} cannot be set`);
    }
  }
}

/** STORE (RFC 9051, section 6.4.6), with UNCHANGEDSINCE (RFC 7162, section 3.1.3). */
export const STORE: ImapCommand = {
  when: "selected",
  uid: true,
  removals: false,
  run: async (context, args, byUid) => {
    const { selected, store, features } = context;
    args.space();
    const positions = selected.positions(args.sequenceSet(), byUid);
    args.space();
    let unchangedSince: number | null = null;
    if (args.take("(")) {
      args.expect("UNCHANGEDSINCE");
      args.space();
      unchangedSince = args.number();
      args.expect(")");
      args.space();
      context.useCondstore();
    }
    const sign = args.take("+") ? "+" : args.take("-") ? "-" : "";
    const silent = args.take("FLAGS.SILENT");
    if (!silent) args.expect("FLAGS");
    args.space();
    const flags = args.peek() === "(" ? args.list(() => args.flag()) : [args.flag()];
    while (args.take(" ")) flags.push(args.flag());
    args.end();
    checkFlags(flags);
    if (selected.readOnly) throw new ImapError("NO", "the mailbox is open for reading only");
    const messages = positions.flatMap((position) => selected.at(position) ?? []);
    if (messages.length === 0) return;
    const left = await store.flag(
      messages.map(({ key }) => key),
      sign === "-" ? [] : flags,
      sign === "" ? "others" : sign === "-" ? flags : [],
      unchangedSince,
    );
    const now = await context.mailbox(selected.name);
    selected.tellFlags(store.keywords(), context.output);
    const placed = new Map(now.messages.map((one) => [one.uid, one]));
    const known = new Map<number, PlacedMessage>();
    for (const position of positions) {
      const before = selected.at(position);
      const after = before && placed.get(before.uid);
      if (!before || !after || left.includes(before.key)) continue;
      known.set(after.uid, after);
      if (!silent) context.output.line(flagsLine(position, after, features, byUid || undefined));
      else if (features.has("condstore")) {
        const uid = byUid ? `UID ${after.uid} ` : "";
        context.output.line(`* ${position + 1} FETCH (${uid}MODSEQ (${after.modseq}))`);
      }
    }
    selected.learn(known);
    if (left.length === 0) return;
    const modified = positions.filter((i) => left.includes(selected.at(i)?.key ?? 0));
    const numbers = modified.map((i) => byUid ? selected.at(i)?.uid ?? 0 : i + 1);
    return { code: `MODIFIED ${formatSet(numbers)}`, text: "some were changed meanwhile" };
  },
};
