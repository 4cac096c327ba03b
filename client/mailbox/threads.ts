import { formatMessageId } from "../../protocol/uuid.ts";
import { fullMessageId } from "../message/mail_names.ts";
import { threadOf } from "../message/reply.ts";
import type { Item, Opened } from "./open.ts";

/** A message of a conversation. */
export interface ThreadMember {
  readonly item: Item;
  /** How many messages of the conversation it answers, one through the other; 0 for what began it. */
  readonly depth: number;
}

/** A conversation, each answer after what it answers, those to one message by their dates. */
export type Thread = readonly ThreadMember[];

/**
 * The conversations that `items` are of: messages belong together whose ids say so, by what each answers
 * and refers to; their subjects make no difference. What did not open stands alone. In the order of their
 * first message in `items`.
 */
export function threadsOf(items: readonly Item[]): Thread[] {
  const groups = new Groups();
  for (const { opened } of items) if (opened) groups.join(idsOf(opened));
  const threads = new Map<string, Item[]>();
  for (const [i, item] of items.entries()) {
    const [first] = item.opened ? idsOf(item.opened) : [];
    const key = first === undefined ? `unopened ${i}` : groups.of(first);
    const there = threads.get(key);
    if (there) there.push(item);
    else threads.set(key, [item]);
  }
  return [...threads.values()].map(arrange);
}

/**
 * The UIDs of the conversation that the message `uid` is of, among `items`, of which no more is kept
 * meanwhile than their ids.
 */
export async function conversationUids(
  items: AsyncIterable<Item>,
  uid: number,
): Promise<number[]> {
  const groups = new Groups();
  const own = new Map<number, string>();
  for await (const { entry, opened } of items) {
    const ids = opened ? idsOf(opened) : [];
    groups.join(ids);
    const [first] = ids;
    if (first !== undefined) own.set(entry.uid, first);
  }
  const wanted = own.get(uid);
  if (wanted === undefined) return [];
  const group = groups.of(wanted);
  return [...own].filter(([, id]) => groups.of(id) === group).map(([uid]) => uid);
}

/** A conversation in which one's own Sent copy of a message to oneself gives way to the other copy. */
export function onceEach(thread: Thread): Thread {
  const seen = new Map<string, ThreadMember>();
  for (const member of thread) {
    const { entry, opened } = member.item;
    const key = opened ? formatMessageId(opened.id) : `unopened ${entry.uid}`;
    const there = seen.get(key);
    if (there === undefined || there.item.entry.folder === "sent") seen.set(key, member);
  }
  return [...seen.values()];
}

/** The ids of a message and of all it refers to, its own last. */
function idsOf(opened: Opened): string[] {
  const { inReplyTo } = opened.summary;
  const answered = inReplyTo === undefined ? [] : [fullMessageId(inReplyTo)];
  const own = fullMessageId(formatMessageId(opened.id));
  return [...threadOf(opened).filter((id) => id !== own), ...answered, own]
    .map((id) => id.toLowerCase());
}

/** Each answer after what it answers. */
function arrange(items: readonly Item[]): Thread {
  const byDate = [...items].sort((a, b) => dateOf(a) - dateOf(b));
  const byId = new Map<string, Item>();
  for (const item of byDate) {
    for (const id of ownIds(item)) if (!byId.has(id)) byId.set(id, item);
  }
  const answers = new Map<Item | null, Item[]>();
  const parents = new Map<Item, Item>();
  for (const item of byDate) {
    const parent = parentOf(item, byId);
    // Dates and ids are their senders' word: none may be made to answer itself, through others too.
    const loops = parent !== null && ancestors(parent, parents).includes(item);
    const at = loops ? null : parent;
    if (at !== null) parents.set(item, at);
    answers.set(at, [...answers.get(at) ?? [], item]);
  }
  const out: ThreadMember[] = [];
  const open = (answers.get(null) ?? []).map((item) => ({ item, depth: 0 })).reverse();
  for (let next = open.pop(); next; next = open.pop()) {
    out.push(next);
    const { item, depth } = next;
    open.push(
      ...(answers.get(item) ?? []).map((one) => ({ item: one, depth: depth + 1 })).reverse(),
    );
  }
  return out;
}

function ancestors(item: Item, parents: ReadonlyMap<Item, Item>): Item[] {
  const all: Item[] = [];
  for (let at: Item | undefined = item; at; at = parents.get(at)) all.push(at);
  return all;
}

function ownIds({ opened }: Item): string[] {
  if (!opened) return [];
  const { messageId } = opened.summary;
  const all = [
    fullMessageId(formatMessageId(opened.id)),
    ...messageId === undefined ? [] : [messageId],
  ];
  return all.map((id) => id.toLowerCase());
}

/** The message that one answers, of those that are there: the last that it refers to. */
function parentOf(item: Item, byId: ReadonlyMap<string, Item>): Item | null {
  if (!item.opened) return null;
  for (const id of idsOf(item.opened).reverse()) {
    const parent = byId.get(id);
    if (parent && !ownIds(item).includes(id) && parent !== item) return parent;
  }
  return null;
}

function dateOf({ entry, opened }: Item): number {
  return opened?.summary.date ?? entry.receivedAt;
}

/** Ids that belong together. */
class Groups {
  readonly #above = new Map<string, string>();

  join(ids: readonly string[]): void {
    const [first, ...others] = ids;
    if (first === undefined) return;
    for (const id of others) {
      const [a, b] = [this.of(first), this.of(id)];
      if (a !== b) this.#above.set(b, a);
    }
  }

  /** The one id that stands for all that belong together with this one. */
  of(id: string): string {
    let top = id;
    for (let above = this.#above.get(top); above !== undefined; above = this.#above.get(top)) {
      top = above;
    }
    // The next one gets there at once.
    for (let at = id; at !== top;) {
      const above = this.#above.get(at) ?? top;
      this.#above.set(at, top);
      at = above;
    }
    return top;
  }
}
