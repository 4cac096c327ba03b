import type { ImapOutput } from "./output.ts";
import { formatSet, lowerBound, type SequenceSet } from "./sequence_set.ts";
import type { MailboxView, PlacedMessage } from "./store.ts";

/** The flags that every mailbox has. */
export const SYSTEM_FLAGS = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];

/** What a session has enabled (RFC 5161), or uses without that. */
export type Feature = "condstore" | "qresync" | "utf8";

/** The mailbox that a session has selected, as its mail program knows it. */
export class Selected {
  #view: MailboxView;
  /** In the order of their UIDs: their positions are the sequence numbers. */
  #messages: readonly PlacedMessage[];

  /** The flags that it knows of; null before it is told. */
  #flags: string | null = null;

  constructor(view: MailboxView, readonly readOnly: boolean) {
    this.#view = view;
    this.#messages = view.messages;
  }

  get view(): MailboxView {
    return this.#view;
  }

  get name(): string {
    return this.#view.name;
  }

  get messages(): readonly PlacedMessage[] {
    return this.#messages;
  }

  /** The UIDs, for {@linkcode SequenceSet.positionsIn}. */
  get uids(): { readonly length: number; at(index: number): number } {
    const messages = this.#messages;
    return { length: messages.length, at: (index) => messages[index]?.uid ?? 0 };
  }

  /** The positions of the messages that `set` names, ascending. */
  positions(set: SequenceSet, byUid: boolean): number[] {
    const { length } = this.#messages;
    return set.positionsIn(byUid ? this.uids : { length, at: (index) => index + 1 });
  }

  /** The message at a position. */
  at(position: number): PlacedMessage | undefined {
    return this.#messages[position];
  }

  /** Takes over what the mail program knows already, such as the flags that it has set itself. */
  learn(messages: ReadonlyMap<number, PlacedMessage>): void {
    this.#messages = this.#messages.map((one) => messages.get(one.uid) ?? one);
  }

  /** Tells the mail program which flags there are, if it does not know it. */
  tellFlags(keywords: readonly string[], output: ImapOutput): void {
    const flags = [...SYSTEM_FLAGS, ...keywords].join(" ");
    if (flags === this.#flags) return;
    this.#flags = flags;
    output.line(`* FLAGS (${flags})`);
    output.line(
      this.readOnly
        ? "* OK [PERMANENTFLAGS ()] nothing can be changed"
        : `* OK [PERMANENTFLAGS (${flags} \\*)] flags stay`,
    );
  }

  /**
   * Tells the mail program how the mailbox is now. With `removals` false it is not told what went: its
   * sequence numbers must stay what they are.
   */
  update(
    view: MailboxView,
    output: ImapOutput,
    features: ReadonlySet<Feature>,
    removals: boolean,
  ): void {
    if (view === this.#view && this.#messages === view.messages) return;
    const now = new Map(view.messages.map((one) => [one.uid, one]));
    if (removals) this.#tellGone(now, output, features.has("qresync"));
    const known = this.#messages;
    const changed: number[] = [];
    const kept = known.map((one, position) => {
      const next = now.get(one.uid);
      if (next === undefined || next === one) return one;
      if (next.modseq !== one.modseq || !sameFlags(next, one)) changed.push(position);
      return next;
    });
    const highest = known.at(-1)?.uid ?? 0;
    const fresh = view.messages.slice(lowerBound(uidsOf(view.messages), highest + 1));
    this.#view = view;
    this.#messages = fresh.length === 0 && kept.length === view.messages.length
      ? view.messages
      : [...kept, ...fresh];
    if (fresh.length > 0) {
      output.line(`* ${this.#messages.length} EXISTS`);
      output.line("* 0 RECENT");
    }
    for (const position of changed) {
      const message = this.#messages[position];
      if (message) output.line(flagsLine(position, message, features));
    }
  }

  #tellGone(
    now: ReadonlyMap<number, PlacedMessage>,
    output: ImapOutput,
    qresync: boolean,
  ): void {
    const gone = this.#messages.flatMap(({ uid }, i) => now.has(uid) ? [] : [i]);
    if (gone.length === 0) return;
    if (qresync) {
      output.line(`* VANISHED ${formatSet(gone.map((i) => this.#messages[i]?.uid ?? 0))}`);
    } else {
      for (const position of gone.toReversed()) output.line(`* ${position + 1} EXPUNGE`);
    }
    this.#messages = this.#messages.filter(({ uid }) => now.has(uid));
  }
}

/** The response that says what flags a message has. */
export function flagsLine(
  position: number,
  { uid, flags, modseq }: PlacedMessage,
  features: ReadonlySet<Feature>,
  withUid = features.has("condstore") || features.has("qresync"),
): string {
  const items = [`FLAGS (${flags.join(" ")})`];
  if (withUid) items.unshift(`UID ${uid}`);
  if (features.has("condstore")) items.push(`MODSEQ (${modseq})`);
  return `* ${position + 1} FETCH (${items.join(" ")})`;
}

function sameFlags(a: PlacedMessage, b: PlacedMessage): boolean {
  return a.flags.length === b.flags.length && a.flags.every((flag, i) => flag === b.flags[i]);
}

function uidsOf(messages: readonly PlacedMessage[]) {
  return { length: messages.length, at: (index: number) => messages[index]?.uid ?? 0 };
}
