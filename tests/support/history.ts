import type { MailboxChange } from "../../protocol/change.ts";
import type { Flag, Folder } from "../../protocol/entry.ts";

// What several sessions did with one mailbox at several servers, and whether it can have been one mailbox:
// every write has a place in one order, which its modification sequence tells; each saw what those before it
// left; and whoever asked later did not see an older state.

/** When something was asked for and when its answer was there, of `performance.now()`. */
export interface Span {
  /** Which session, for messages. */
  readonly by: string;
  readonly begun: number;
  readonly ended: number;
  /** The mailbox's modification sequence that was answered. */
  readonly modseq: number;
}

/** Something that was done, with its answer. */
export type Done = Span & Deed;

type Deed =
  | {
    readonly kind: "append";
    readonly uid: number;
    readonly folder: Folder;
    readonly number: number;
    readonly flags: readonly Flag[];
  }
  | {
    readonly kind: "flag";
    readonly uids: readonly number[];
    readonly set: readonly Flag[];
    readonly clear: readonly Flag[];
    readonly folder: Folder | null;
    readonly unchangedSince: number | null;
    readonly done: readonly number[];
    readonly modified: readonly number[];
  }
  | { readonly kind: "remove"; readonly uids: readonly number[]; readonly done: readonly number[] }
  | {
    /** What a session knew after it had asked for changes, and which entries it may know better. */
    readonly kind: "sync";
    readonly known: ReadonlyMap<number, Known>;
    readonly ahead: ReadonlySet<number>;
  };

/** What is known of an entry. */
export interface Known {
  readonly folder: Folder;
  readonly flags: readonly Flag[];
}

/** An entry as it must be. */
interface Entry extends Known {
  readonly modseq: number;
}

/** A mailbox as it must be after some of the writes. */
class Model {
  readonly entries = new Map<number, Entry>();
  readonly #numbers = new Map<Folder, number>();
  modseq = 0;
  nextUid = 1;

  /** What `done` must have answered here, and what it changes; the change is made if `commit`. */
  apply(
    done: Done,
    commit: boolean,
  ): { readonly changes: number; readonly problem: string | null } {
    switch (done.kind) {
      case "append": {
        if (!commit) return { changes: 1, problem: null };
        const number = (this.#numbers.get(done.folder) ?? 0) + 1;
        this.#numbers.set(done.folder, number);
        this.modseq++;
        const { folder, flags } = done;
        this.entries.set(done.uid, { folder, flags: flags.toSorted(byText), modseq: this.modseq });
        const problem = done.uid !== this.nextUid
          ? `got the UID ${done.uid}, and the next was ${this.nextUid}`
          : done.number !== number
          ? `got the number ${done.number} in ${folder}, and the next was ${number}`
          : null;
        this.nextUid = Math.max(this.nextUid, done.uid + 1);
        return { changes: 1, problem };
      }
      case "flag": {
        const found: number[] = [];
        const modified: number[] = [];
        let changes = 0;
        for (const uid of new Set(done.uids)) {
          const entry = this.entries.get(uid);
          if (entry === undefined) continue;
          if (entry.modseq > (done.unchangedSince ?? Infinity)) {
            modified.push(uid);
            continue;
          }
          found.push(uid);
          const kept = entry.flags.filter((flag) => !done.clear.includes(flag));
          const flags = [...new Set([...kept, ...done.set])].toSorted(byText);
          const moves = done.folder !== null && done.folder !== entry.folder;
          if (!moves && `${flags}` === `${entry.flags}`) continue;
          changes += moves ? 2 : 1;
          if (!commit) continue;
          const folder = done.folder ?? entry.folder;
          if (moves) this.#numbers.set(folder, (this.#numbers.get(folder) ?? 0) + 1);
          this.modseq += moves ? 2 : 1;
          this.entries.set(uid, { folder, flags, modseq: this.modseq });
        }
        const problem = `${sorted(found)}` !== `${sorted(done.done)}`
          ? `was told that it changed ${done.done}, and must have changed ${found}`
          : `${sorted(modified)}` !== `${sorted(done.modified)}`
          ? `was told that others had changed ${done.modified}, which was so of ${modified}`
          : null;
        return { changes, problem };
      }
      case "remove": {
        const found = [...new Set(done.uids)].filter((uid) => this.entries.has(uid));
        if (commit) { for (const uid of found) this.entries.delete(uid); }
        if (commit) this.modseq += found.length;
        const problem = `${sorted(found)}` === `${sorted(done.done)}`
          ? null
          : `was told that it removed ${done.done}, and must have removed ${found}`;
        return { changes: found.length, problem };
      }
      case "sync":
        return { changes: 0, problem: this.#difference(done.known, done.ahead) };
    }
  }

  #difference(known: ReadonlyMap<number, Known>, ahead: ReadonlySet<number>): string | null {
    for (const uid of new Set([...known.keys(), ...this.entries.keys()])) {
      if (ahead.has(uid)) continue;
      const [seen, entry] = [known.get(uid), this.entries.get(uid)];
      const text = (one: Known | undefined) =>
        one === undefined ? "nothing" : `${one.folder} [${one.flags.toSorted(byText)}]`;
      if (text(seen) === text(entry)) continue;
      return `saw ${text(seen)} at UID ${uid}, where there was ${text(entry)}`;
    }
    return null;
  }
}

/** What cannot be in `history`, all that was done with one mailbox, if that is one mailbox; empty if nothing. */
export function anomaliesIn(history: readonly Done[]): string[] {
  const problems: string[] = [];
  const tell = (done: Done, what: string) =>
    problems.push(`${done.by}: ${done.kind}, answered with ${done.modseq}: ${what}`);
  const model = new Model();
  const order = Map.groupBy(history, ({ modseq }) => modseq).entries().toArray()
    .toSorted(([a], [b]) => a - b);
  for (const [modseq, group] of order) {
    const left = new Set(group);
    // At most one of these has led to it; the others found it so.
    if (modseq > model.modseq) {
      const writer = group.find((done) => {
        return model.modseq + model.apply(done, false).changes === modseq;
      });
      if (writer === undefined) {
        const [first] = group;
        if (first) tell(first, `nothing that was done leads there from ${model.modseq}`);
        return problems;
      }
      const { problem } = model.apply(writer, true);
      if (problem !== null) tell(writer, problem);
      left.delete(writer);
    }
    for (const done of left) {
      const { changes, problem } = model.apply(done, false);
      if (changes > 0) tell(done, "another write has the same modification sequence");
      else if (problem !== null) tell(done, problem);
    }
  }
  return [...problems, ...staleIn(history)];
}

/** Whatever was begun after something had ended must not have seen less. */
function staleIn(history: readonly Done[]): string[] {
  const ended = history.toSorted((a, b) => a.ended - b.ended);
  let at = 0;
  let [newest, by] = [0, ""];
  return history.toSorted((a, b) => a.begun - b.begun).flatMap((done) => {
    for (let next = ended[at]; next !== undefined && next.ended < done.begun; next = ended[++at]) {
      if (next.modseq > newest) [newest, by] = [next.modseq, `${next.by}: ${next.kind}`];
    }
    return done.modseq >= newest
      ? []
      : [`${done.by}: ${done.kind}, answered with ${done.modseq} after ${by} had got ${newest}`];
  });
}

/** Takes changes over into what a session knows; returns the entries that came as they were a moment later. */
export function takeOver(
  known: Map<number, Known>,
  changes: readonly MailboxChange[],
): ReadonlySet<number> {
  const ahead = new Set<number>();
  for (const change of changes) {
    switch (change.kind) {
      case "new":
        known.set(change.entry.uid, change.entry);
        ahead.add(change.entry.uid);
        break;
      case "changed":
        known.set(change.uid, change);
        break;
      case "gone":
        known.delete(change.uid);
        // What came and went since is told as gone at once.
        ahead.add(change.uid);
        break;
    }
  }
  return ahead;
}

function byText(a: Flag, b: Flag): number {
  return `${a}` < `${b}` ? -1 : 1;
}

function sorted(uids: readonly number[]): number[] {
  return uids.toSorted((a, b) => a - b);
}
