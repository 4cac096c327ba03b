import type { Goodbye } from "../../protocol/goodbye.ts";
import type { Placed } from "../store/store.ts";

/** A logged-in connection, as the others see it. */
export interface Member {
  /** A number that no other session of this server has had. */
  readonly id: number;
  readonly name: string;
  /** Where it comes from, `host:port`. */
  readonly peer: string;
  /** The client's program, as it says of itself. */
  readonly client: string;
  /** Whether it began with a ticket. */
  readonly resumed: boolean;
  /** When it began, and when something was received last, milliseconds since 1970. */
  readonly since: number;
  readonly lastReceived: number;
  /** What stood for the password when it logged in: another one ends the session. */
  readonly credential: string | null;
  /** Tells the client of a new entry, if it reads what it is told. */
  notify(placed: Placed): void;
  /** Ends the connection with a goodbye. */
  end(reason: string): Promise<void>;
  /** Takes no more requests, and ends it when those in progress are answered, or out of patience. */
  finish(goodbye: Goodbye, patience: number): Promise<void>;
}

/** Who is logged in now. */
export class Hub {
  readonly #members = new Map<string, Set<Member>>();
  /** When each of those who did so logged out everywhere last, of `performance.now()`. */
  readonly #loggedOut = new Map<string, number>();
  #lastId = 0;

  /** For a new session. */
  newId(): number {
    return ++this.#lastId;
  }

  join(member: Member): void {
    const members = this.#members.get(member.name) ?? new Set();
    members.add(member);
    this.#members.set(member.name, members);
  }

  leave(member: Member): void {
    const members = this.#members.get(member.name);
    members?.delete(member);
    if (members?.size === 0) this.#members.delete(member.name);
  }

  get size(): number {
    let size = 0;
    for (const members of this.#members.values()) size += members.size;
    return size;
  }

  /** How many users have a session. */
  get online(): number {
    return this.#members.size;
  }

  /** All sessions, those of a user together. */
  members(): readonly Member[] {
    return [...this.#members.values()].flatMap((members) => [...members]);
  }

  /**
   * Remembers that `name` logs out everywhere at this moment: logins that began before, and are not
   * sessions yet, are over too.
   */
  logOut(name: string): void {
    this.#loggedOut.set(name, performance.now());
  }

  /** Whether `name` has logged out everywhere since `began`, of `performance.now()`. */
  hasLoggedOut(name: string, began: number): boolean {
    return (this.#loggedOut.get(name) ?? -Infinity) >= began;
  }

  /** Tells those whose mailbox got something. */
  notify(placed: readonly Placed[]): void {
    for (const one of placed) {
      for (const member of this.#members.get(one.account) ?? []) member.notify(one);
    }
  }

  /** Ends the sessions of a user, each after what it is doing now; at the most `patience` milliseconds. */
  async finishAll(name: string, reason: string, patience: number): Promise<void> {
    const members = [...this.#members.get(name) ?? []];
    await Promise.all(members.map((member) => member.finish({ reason }, patience)));
  }

  /** Ends the sessions for which `keep` says no. */
  async endAll(keep: (member: Member) => boolean, reason: string): Promise<void> {
    const ends: Promise<void>[] = [];
    for (const members of this.#members.values()) {
      for (const member of members) if (!keep(member)) ends.push(member.end(reason));
    }
    await Promise.all(ends);
  }
}
