import { SealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { PROGRAM, PROGRAM_VERSION } from "../../cli/program.ts";
import { EVERYONE } from "../../protocol/name.ts";
import { within } from "../../protocol/timer.ts";
import { type Announced, type Announcement, requireAnnouncement } from "./announce.ts";
import type { AuditAction, AuditLog, AuditOrigin } from "../observe/audit.ts";
import type { ConnectedSession, SessionRegistry } from "../accounts/session_registry.ts";
import { peerFields } from "../observe/log.ts";
import type { Gauges, Observer } from "../observe/observe.ts";
import type { ReloadResult } from "../settings/settings.ts";
import { noSuchUser, type Store } from "../store/store.ts";
import {
  formatUserState,
  isUserState,
  parseUserState,
  type UserState,
} from "../accounts/user_state.ts";
import type { Users } from "../accounts/users.ts";
import type {
  ControlOp,
  ControlRequest,
  ControlResult,
  ServerInfo,
  SessionInfo,
  Stats,
  UserInfo,
} from "./protocol.ts";

/** How long sessions are given to take their goodbye, milliseconds. */
const GOODBYE_PATIENCE = 2000;
/** Messages removed in one step. */
const PURGE_AT_ONCE = 200;

/** The parts that only a running server has. */
export interface RunningServer {
  readonly address: string;
  readonly registry: SessionRegistry;
  readonly observer: Observer;
  readonly gauges: () => Gauges;
  /** Reads the settings again. If it throws, nothing has changed. */
  readonly reload: () => Promise<ReloadResult>;
  /** Tells everybody something, signed with the server's key. */
  readonly announce: (announcement: Announcement) => Promise<Announced>;
}

/** The parts of a server that operations need. */
export interface OperationsContext {
  readonly users: Users;
  readonly store: Store;
  readonly audit: AuditLog;
  readonly server: ServerInfo;
  /** Stored bytes that each user may have; Infinity for no limit. */
  readonly quota: () => number;
  /** Null if no server runs: what is done then has no sessions to end. */
  readonly running: RunningServer | null;
}

/** The operators' commands, carried out on a running server or, without one, on its folder. */
export class Operations {
  readonly #context: OperationsContext;

  constructor(context: OperationsContext) {
    this.#context = context;
  }

  /**
   * Does what is asked, and records what changes something in the audit log. Throws `no-such-user`,
   * `file-exists` (a user of that name), `usage` (needs a running server), `config`, `busy`,
   * `disk-full`, `file-io`.
   */
  run(
    request: ControlRequest,
    via: AuditOrigin["via"] = this.#context.running === null ? "offline" : "control",
  ): Promise<ControlResult<ControlOp>> {
    switch (request.op) {
      case "user-list":
        return this.#list();
      case "sessions-list":
        return Promise.resolve().then(() => ({ sessions: this.#sessions() }));
      case "server-info":
        return Promise.resolve(this.#context.server);
      case "stats":
        return this.#stats();
    }
    return this.#audited(request, via, (): Promise<ControlResult<ControlOp>> => {
      switch (request.op) {
        case "user-add":
          return this.#add(request.name, request.credential, request.fullName);
        case "user-full-name":
          return this.#fullName(request.name, request.fullName);
        case "user-passwd":
          return this.#passwd(request.name, request.credential);
        case "user-disable":
          return this.#able(request.name, true);
        case "user-enable":
          return this.#able(request.name, false);
        case "user-unbind":
          return this.#unbind(request.name, request.sameKey);
        case "user-remove":
          return this.#remove(request.name, request.purge);
        case "sessions-end":
          return this.#end(request.who);
        case "reload":
          return this.#reload();
        case "announce":
          return this.#announce(request);
      }
    });
  }

  async #audited<T>(
    request: Extract<ControlRequest, { op: AuditAction }>,
    via: AuditOrigin["via"],
    work: () => Promise<T>,
  ): Promise<T> {
    const about = "name" in request ? { name: request.name } : {};
    const details = "who" in request
      ? { who: request.who }
      : "purge" in request
      ? { purge: request.purge }
      : "sameKey" in request
      ? { sameKey: request.sameKey }
      : request.op === "announce"
      ? { subject: request.subject, servers: request.servers?.join(", ") ?? null }
      : request.op === "user-full-name"
      ? { fullName: request.fullName }
      : "credential" in request
      ? { oneTime: parseUserState(request.credential).expires !== null }
      : {};
    const record = (result: string) =>
      this.#context.audit.record({
        action: request.op,
        ...about,
        origin: { via, ...request.by },
        result,
        details,
      });
    try {
      const value = await work();
      await record("done");
      return value;
    } catch (error) {
      await record(error instanceof SealpostError ? error.code : "internal");
      throw error;
    }
  }

  async #add(name: string, credential: string, fullName: string | undefined) {
    const { users, store } = this.#context;
    if (name === EVERYONE) {
      throw new SealpostError("usage", `${EVERYONE} means all members: give the user another name`);
    }
    await users.change((existing) => {
      if (existing.has(name)) {
        throw new SealpostError(
          "file-exists",
          `there is a user ${name} already; user passwd ${name} gives a new password`,
        );
      }
      return new Map([[name, credential]]);
    });
    await store.ensureAccounts([name]);
    if (fullName !== undefined) await store.setFullName(name, fullName);
    const user = await this.#user(name);
    return { user, existed: user.key !== null || user.entries > 0 };
  }

  async #fullName(name: string, fullName: string | null) {
    const { users, store } = this.#context;
    await users.refresh();
    if (!users.has(name)) throw noSuchUser(name);
    await store.ensureAccounts([name]);
    await store.setFullName(name, fullName);
    return { user: await this.#user(name) };
  }

  async #passwd(name: string, credential: string) {
    const { users, store } = this.#context;
    const ending = this.#count(name);
    await users.change((existing) => {
      const { disabled } = stateIn(existing, name);
      return new Map([[name, formatUserState({ ...parseUserState(credential), disabled })]]);
    });
    await store.dropTickets(name);
    await this.#endSessions((session) => session.name === name, "your password was changed");
    return { user: await this.#user(name), ended: ending };
  }

  async #able(name: string, disabled: boolean) {
    const { users, store } = this.#context;
    const ending = this.#count(name);
    await users.change((existing) =>
      new Map([[name, formatUserState({ ...stateIn(existing, name), disabled })]])
    );
    // An enabled user starts anew: what was issued before does not come back to life.
    await store.ensureAccounts([name]);
    await store.dropTickets(name);
    if (disabled) {
      await this.#endSessions((session) => session.name === name, "your account was disabled");
    }
    return { user: await this.#user(name), ended: disabled ? ending : 0 };
  }

  async #unbind(name: string, sameKey: boolean) {
    const { users, store } = this.#context;
    await users.refresh();
    if (!users.has(name)) throw noSuchUser(name);
    await store.ensureAccounts([name]);
    const fp = await store.unbindKey(name, { mayReturn: sameKey });
    const ended = await this.#endSessions(
      (session) => session.name === name,
      "your account was released from its key",
    );
    return {
      user: await this.#user(name),
      ended,
      key: fp === null ? null : formatFingerprint(fp),
    };
  }

  async #remove(name: string, purge: boolean) {
    const { users, store } = this.#context;
    const ending = this.#count(name);
    const account = await store.account(name);
    await users.change((existing) => {
      // What an earlier removal left can still be purged.
      if (!existing.has(name) && !(purge && account !== null)) throw noSuchUser(name);
      return existing.has(name) ? new Map([[name, null]]) : new Map();
    });
    await this.#endSessions((session) => session.name === name, "your account was removed");
    if (account === null) return { name, ended: ending, purged: purge ? 0 : null };
    await store.dropTickets(name);
    if (!purge) return { name, ended: ending, purged: null };
    let purged = 0;
    for (;;) {
      const entries = await store.list(name, { limit: PURGE_AT_ONCE });
      if (entries.length === 0) break;
      purged += (await store.remove(name, entries.map(({ uid }) => uid))).uids.length;
    }
    await store.unbindKey(name, { mayReturn: true });
    await store.setFullName(name, null);
    return { name, ended: ending, purged };
  }

  async #end(who: string | number) {
    const { users } = this.#context;
    this.#requireRunning();
    if (typeof who === "string" && !users.has(who) && this.#count(who) === 0) {
      throw noSuchUser(who);
    }
    const ended = await this.#endSessions(
      (session) => session.name === who || session.id === who,
      "the server's operator ended this session",
    );
    if (ended === 0 && typeof who === "number") {
      throw new SealpostError("usage", `there is no session ${who}; sessions list shows them`);
    }
    return { ended };
  }

  async #reload() {
    const { users } = this.#context;
    const { reload } = this.#requireRunning();
    await users.refresh();
    if (users.problem !== null) throw new SealpostError("config", users.problem);
    const { applied, waiting } = await reload();
    return { users: users.names().length, applied: [...applied], waiting: [...waiting] };
  }

  async #announce(announcement: Announcement) {
    requireAnnouncement(announcement);
    const { sent, without } = await this.#requireRunning().announce(announcement);
    return { sent, without: [...without] };
  }

  async #list() {
    const { users } = this.#context;
    await users.refresh();
    const list: UserInfo[] = [];
    for (const name of users.names()) list.push(await this.#user(name));
    return { users: list };
  }

  async #user(name: string): Promise<UserInfo> {
    const { users, store } = this.#context;
    const state = users.state(name);
    if (state === null) throw noSuchUser(name);
    const account = await store.account(name);
    const machines = account === null ? [] : await store.machines(name);
    const quota = this.#context.quota();
    const usage = account === null ? { entries: 0, unseen: 0, bytes: 0 } : await store.usage(name);
    return {
      name,
      fullName: account?.fullName ?? null,
      state: accountState(state, Date.now()),
      expires: state.expires,
      key: account?.fp ? formatFingerprint(account.fp) : null,
      boundAt: account?.boundAt ?? null,
      lastSeen: machines[0]?.last ?? null,
      machines: machines.length,
      ...usage,
      quota: quota === Infinity ? null : quota,
      sessions: this.#count(name),
    };
  }

  #sessions(): SessionInfo[] {
    return this.#requireRunning().registry.sessions().map((session) => ({
      id: session.id,
      name: session.name,
      from: String(peerFields(session.peer).from),
      client: session.client,
      resumed: session.resumed,
      since: session.since,
      lastReceived: session.lastReceived,
    }));
  }

  async #stats(): Promise<Stats> {
    const { users, store, server } = this.#context;
    const { observer, gauges, address } = this.#requireRunning();
    const { handshakes, sessions, online, queues } = gauges();
    return {
      version: PROGRAM_VERSION,
      deno: Deno.version.deno,
      startedAt: observer.startedAt,
      address,
      fingerprint: server.fingerprint,
      users: users.names().length,
      sessions,
      online,
      handshakes,
      queues,
      connections: observer.connections,
      rejected: observer.rejected.toJSON(),
      penalties: observer.penalties.toJSON(),
      logins: observer.logins.toJSON(),
      requests: observer.requests.toJSON(),
      refusals: observer.refusals.toJSON(),
      deliveries: observer.deliveries.toJSON(),
      copies: observer.copies,
      messageBytes: observer.messageBytes,
      network: observer.network.toJSON(),
      commits: {
        count: observer.commits,
        writes: observer.writes,
        failed: observer.failedCommits,
        lastFailure: observer.commitFailure,
      },
      store: await store.stats(),
      memory: Deno.memoryUsage().rss,
    };
  }

  #requireRunning(): RunningServer {
    if (this.#context.running !== null) return this.#context.running;
    throw new SealpostError("usage", `no server is running here; start it with ${PROGRAM} serve`);
  }

  #count(name: string): number {
    const sessions = this.#context.running?.registry.sessions() ?? [];
    return sessions.filter((session) => session.name === name).length;
  }

  async #endSessions(
    which: (session: ConnectedSession) => boolean,
    reason: string,
  ): Promise<number> {
    const registry = this.#context.running?.registry;
    if (registry === undefined) return 0;
    const ended = registry.sessions().filter(which).length;
    await within(
      registry.endAll((session) => !which(session), reason),
      GOODBYE_PATIENCE,
      undefined,
    );
    return ended;
  }
}

function stateIn(users: ReadonlyMap<string, string>, name: string): UserState {
  const value = users.get(name);
  if (value === undefined) throw noSuchUser(name);
  if (!isUserState(value)) {
    throw new SealpostError("busy", `the password of ${name} is not hashed yet; try again`);
  }
  return parseUserState(value);
}

function accountState(state: UserState, now: number): UserInfo["state"] {
  if (state.disabled) return "disabled";
  if (state.expires === null) return "active";
  return now < state.expires ? "invited" : "expired";
}
