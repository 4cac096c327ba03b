import { isSealpostError } from "../../crypto/error.ts";
import type { MailboxState, OwnChange, SharedStore } from "../store/store.ts";
import type { ConnectedSession, SessionRegistry } from "./session_registry.ts";
import { clearInterval, setInterval, setTimeout } from "node:timers";

/** How often mailboxes are looked at without a notice, milliseconds. */
const POLL = 5000;

/** When a mailbox is looked at again that could not be judged, milliseconds. */
const SOON = 200;

/** Most changes that are told one by one. */
const MAX_TOLD = 100;

/** Most mailboxes that are looked at by one question. */
const AT_ONCE = 1000;

/** What a follower works on. */
export interface FollowerOptions {
  readonly store: SharedStore;
  readonly registry: SessionRegistry;
  /** Called when the users may have changed. */
  readonly onUsers: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Brings what other servers did to the sessions of this one: mail, changes, and that sessions are over.
 * Other servers say which mailboxes they have changed; what that was, the store says. Mailboxes of those
 * who are logged in are looked at every {@linkcode POLL} anyway, since a notice may be lost.
 */
export class Follower {
  readonly #options: FollowerOptions;
  /** How a mailbox stood when its sessions were last told. */
  readonly #known = new Map<string, MailboxState>();
  /** How often sessions of their user had been ended when they began, less what this server did. */
  readonly #began = new WeakMap<ConnectedSession, number>();
  #waiting = new Set<string>();
  #all = false;
  #looking: Promise<void> | null = null;
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    const { store, registry } = options;
    store.follow((changes) => this.#own(changes), (accounts) => this.#heard(accounts));
    registry.onAdd = (session) => this.#look([session.name]);
    this.#timer = setInterval(() => this.#look(null), POLL).unref();
  }

  /** Stops following. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** The sessions here have been told of it already, or asked for it themselves. */
  #own(changes: readonly OwnChange[]): void {
    for (const { account, before, after, nextUid } of changes) {
      const known = this.#known.get(account);
      if (known?.modseq === before) this.#known.set(account, { ...known, modseq: after, nextUid });
    }
  }

  #heard(accounts: readonly string[] | null): void {
    if (accounts === null) this.#options.onUsers();
    this.#look(accounts);
  }

  /** Looks at the mailboxes of `accounts`, null: all, that have sessions here. */
  #look(accounts: readonly string[] | null): void {
    if (accounts === null) this.#all = true;
    else for (const account of accounts) this.#waiting.add(account);
    this.#looking ??= this.#work();
  }

  async #work(): Promise<void> {
    // So that it does not end before it is known to go on.
    await Promise.resolve();
    while ((this.#all || this.#waiting.size > 0) && !this.#closed) {
      const online = new Set(this.#options.registry.names());
      for (const name of this.#known.keys()) if (!online.has(name)) this.#known.delete(name);
      const names = [...this.#all ? online : this.#waiting].filter((name) => online.has(name));
      this.#all = false;
      this.#waiting = new Set();
      try {
        for (let at = 0; at < names.length; at += AT_ONCE) {
          await this.#compare(names.slice(at, at + AT_ONCE));
        }
      } catch (error) {
        if (!this.#closed) this.#options.onError(error);
        break;
      }
    }
    this.#looking = null;
  }

  async #compare(names: readonly string[]): Promise<void> {
    const { store } = this.#options;
    const ends = new Map(names.map((name) => [name, store.ownEnds(name)]));
    for (const [name, state] of await store.mailboxStates(names)) {
      const own = ends.get(name) ?? null;
      // What this server does at this moment is not another's doing.
      if (own === null || own !== store.ownEnds(name)) this.#lookSoon(name);
      else this.#endSessions(name, state.ends - own);
      const known = this.#known.get(name);
      if (known !== undefined) {
        await this.#tell(name, known, state);
        continue;
      }
      this.#known.set(name, state);
      // A session may have asked before what others have changed since; clients know what is new to them.
      if (state.modseq > 0) this.#tellChange(name, state.modseq);
    }
  }

  #lookSoon(name: string): void {
    setTimeout(() => this.#look([name]), SOON).unref();
  }

  #endSessions(name: string, ends: number): void {
    const { registry } = this.#options;
    for (const session of registry.of(name)) {
      const began = this.#began.get(session);
      if (began === undefined) this.#began.set(session, ends);
      else if (ends > began) session.end("you were logged out; log in again").catch(() => {});
    }
  }

  async #tell(name: string, known: MailboxState, state: MailboxState): Promise<void> {
    const { store, registry } = this.#options;
    const sessions = registry.of(name);
    if (state.sharedVersion > known.sharedVersion) {
      for (const session of sessions) {
        session.tell({ event: "shared", version: state.sharedVersion });
      }
    }
    const { modseq, nextUid } = this.#known.get(name) ?? known;
    if (state.modseq <= modseq) {
      this.#known.set(name, { ...state, modseq, nextUid });
      return;
    }
    this.#known.set(name, state);
    const page = await store.changes(name, modseq, nextUid, MAX_TOLD).catch((error) => {
      if (isSealpostError(error, "too-old")) return null;
      this.#known.set(name, known);
      throw error;
    });
    const all = page !== null && !page.more;
    for (const change of page?.changes ?? []) {
      if (change.kind !== "new" || !all) continue;
      const { uid, folder, number, modseq } = change;
      for (const session of sessions) {
        session.tell({ event: "mail", uid, folder, number, modseq });
      }
    }
    if (all && page.changes.every(({ kind }) => kind === "new")) return;
    this.#tellChange(name, state.modseq);
  }

  #tellChange(name: string, modseq: number): void {
    for (const session of this.#options.registry.of(name)) {
      session.tell({ event: "change", modseq });
    }
  }
}
