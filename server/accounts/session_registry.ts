import type { Goodbye } from "../../protocol/goodbye.ts";
import type { ChangeEvent, LinkEvent, MailEvent, SharedEvent } from "../../protocol/request.ts";
import type { Placed } from "../store/store.ts";

/** A logged-in connection, as the others see it. */
export interface ConnectedSession {
  /** A number that no other session of this server has had. */
  readonly id: number;
  readonly name: string;
  /** Where it comes from, `host:port`. */
  readonly peer: string;
  /** The client's program, as it says of itself. */
  readonly client: string;
  /** Whether it began with a ticket. */
  readonly resumed: boolean;
  /** Which of the person's machines it says it is, 16 hexadecimal digits; null while it says nothing. */
  readonly machine: string | null;
  /** When it began, and when something was received last, milliseconds since 1970. */
  readonly since: number;
  readonly lastReceived: number;
  /** What the user list has for the password that the session rests on: another one ends it. */
  readonly credential: string;
  /** Tells the client of something, if it reads what it is told. */
  tell(event: MailEvent | ChangeEvent | SharedEvent | LinkEvent): void;
  /** To be called every second or so: ends the connection of a client that is gone or stalls. */
  check(): void;
  /** Ends the connection with a goodbye. */
  end(reason: string): Promise<void>;
  /** Takes no more requests, and ends it when those in progress are answered, or out of patience. */
  finish(goodbye: Goodbye, patience: number): Promise<void>;
}

/** The sessions that are logged in now. */
export class SessionRegistry {
  readonly #byName = new Map<string, Set<ConnectedSession>>();
  /** When users last logged out everywhere, of `performance.now()`. */
  readonly #loggedOut = new Map<string, number>();
  /** Told of each session that is added. */
  onAdd: (session: ConnectedSession) => void = () => {};
  #lastId = 0;
  /** Of several servers that count sessions together, the number of this one, 1 to 99; else null. */
  node: () => number | null = () => null;

  /** For a new session: the last two digits are the server's number where there are several. */
  newId(): number {
    const node = this.node();
    this.#lastId++;
    return node === null ? this.#lastId : this.#lastId * 100 + node;
  }

  add(session: ConnectedSession): void {
    const sessions = this.#byName.get(session.name) ?? new Set();
    sessions.add(session);
    this.#byName.set(session.name, sessions);
    this.onAdd(session);
  }

  remove(session: ConnectedSession): void {
    const sessions = this.#byName.get(session.name);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#byName.delete(session.name);
  }

  get size(): number {
    let size = 0;
    for (const sessions of this.#byName.values()) size += sessions.size;
    return size;
  }

  /** How many users have a session. */
  get online(): number {
    return this.#byName.size;
  }

  /** Who has a session. */
  names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** The sessions of a user. */
  of(name: string): readonly ConnectedSession[] {
    return [...this.#byName.get(name) ?? []];
  }

  /** All sessions, those of a user together. */
  sessions(): readonly ConnectedSession[] {
    return [...this.#byName.values()].flatMap((sessions) => [...sessions]);
  }

  /**
   * Resessions that `name` logs out everywhere at this moment: logins that began before, and are not
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
    for (const { account, uid, folder, number, modseq } of placed) {
      for (const session of this.#byName.get(account) ?? []) {
        session.tell({ event: "mail", uid, folder, number, modseq });
      }
    }
  }

  /** Tells the other sessions of a session's user what that one has changed. */
  tellOthers(session: ConnectedSession, event: ChangeEvent | SharedEvent): void {
    for (const other of this.#byName.get(session.name) ?? []) {
      if (other !== session) other.tell(event);
    }
  }

  /** Ends the sessions of a user, each after what it is doing now; at the most `patience` milliseconds. */
  async finishAll(name: string, reason: string, patience: number): Promise<void> {
    const sessions = [...this.#byName.get(name) ?? []];
    await Promise.all(sessions.map((session) => session.finish({ reason }, patience)));
  }

  /** Ends the sessions for which `keep` says no. */
  async endAll(keep: (session: ConnectedSession) => boolean, reason: string): Promise<void> {
    const ends: Promise<void>[] = [];
    for (const sessions of this.#byName.values()) {
      for (const session of sessions) if (!keep(session)) ends.push(session.end(reason));
    }
    await Promise.all(ends);
  }
}
