import type { Context, ImapCommand } from "../command.ts";
import { bad, ImapError } from "../error.ts";
import type { ImapParser } from "../parser.ts";
import { type Condition, readConditions } from "../search_condition.ts";
import { formatSet } from "../sequence_set.ts";

/** Messages that are looked into at a time. */
const AT_ONCE = 64;

/** SEARCH (RFC 9051, section 6.4.4; RFC 3501), with ESEARCH (RFC 4731) and MODSEQ (RFC 7162). */
export const SEARCH: ImapCommand = {
  when: "selected",
  uid: true,
  removals: false,
  run: async (context, args, byUid) => {
    const { selected, output, tag } = context;
    const returned = readReturn(args);
    readCharset(args);
    const condition = readConditions(args, selected);
    args.end();
    if (condition.modseq) context.useCondstore();
    const positions = await search(context, condition);
    const numbers = positions.map((i) => byUid ? selected.at(i)?.uid ?? 0 : i + 1);
    const counted = modseqOf(returned, positions);
    const modseq = condition.modseq && counted.length > 0
      ? counted.reduce((most, i) => Math.max(most, selected.at(i)?.modseq ?? 0), 0)
      : null;
    if (returned === null) {
      const list = numbers.map((n) => ` ${n}`).join("");
      output.line(`* SEARCH${list}${modseq === null ? "" : ` (MODSEQ ${modseq})`}`);
      return;
    }
    const items: string[] = [];
    if (returned.has("MIN") && numbers.length > 0) items.push(`MIN ${numbers[0]}`);
    if (returned.has("MAX") && numbers.length > 0) items.push(`MAX ${numbers.at(-1)}`);
    if (returned.has("ALL") && numbers.length > 0) items.push(`ALL ${formatSet(numbers)}`);
    if (returned.has("COUNT")) items.push(`COUNT ${numbers.length}`);
    if (modseq !== null) items.push(`MODSEQ ${modseq}`);
    const uid = byUid ? " UID" : "";
    output.line(`* ESEARCH (TAG "${tag}")${uid}${items.map((item) => ` ${item}`).join("")}`);
  },
};

/** What is to be returned; null without RETURN. */
function readReturn(args: ImapParser): ReadonlySet<string> | null {
  args.space();
  if (!args.take("RETURN ")) return null;
  const items = args.list(() => {
    const word = args.word();
    if (!["MIN", "MAX", "ALL", "COUNT"].includes(word)) throw bad(`SEARCH has no ${word}`);
    return word;
  });
  args.space();
  return new Set(items.length === 0 ? ["ALL"] : items);
}

function readCharset(args: ImapParser): void {
  if (!args.take("CHARSET ")) return;
  const charset = args.astring().toUpperCase();
  if (!["UTF-8", "US-ASCII"].includes(charset)) {
    throw new ImapError("NO", "there are UTF-8 and US-ASCII", "BADCHARSET (UTF-8 US-ASCII)");
  }
  args.space();
}

/** The positions whose highest modification sequence is told (RFC 7162, section 3.1.10). */
function modseqOf(
  returned: ReadonlySet<string> | null,
  positions: readonly number[],
): readonly number[] {
  if (returned === null || returned.has("ALL") || returned.has("COUNT")) return positions;
  return [
    ...returned.has("MIN") ? positions.slice(0, 1) : [],
    ...returned.has("MAX") ? positions.slice(-1) : [],
  ];
}

async function search(context: Context, condition: Condition): Promise<number[]> {
  const { selected, store } = context;
  const found: number[] = [];
  const { length } = selected.messages;
  for (let from = 0; from < length; from += AT_ONCE) {
    context.progress(from, length);
    const some = Array.from({ length: Math.min(AT_ONCE, length - from) }, (_, i) => from + i);
    const fits = condition.cost === 0
      ? some.map((position) => condition.test(position, store))
      : await Promise.all(some.map((position) => condition.test(position, store)));
    for (const [i, fit] of fits.entries()) if (await fit) found.push(from + i);
  }
  return found;
}
