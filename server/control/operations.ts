import { fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
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
import type { Nodes } from "../nodes/nodes.ts";
import { type NodeRow, noSuchUser, type Store } from "../store/store.ts";
import {
  formatUserState,
  isUserState,
  parseUserState,
  type UserState,
} from "../accounts/user_state.ts";
import type { Users } from "../accounts/users.ts";
import {
  type ControlOp,
  type ControlRequest,
  type ControlResult,
  decodeControlAnswer,
  decodeControlRequest,
  encodeControlAnswer,
  encodeControlRequest,
  type ServerInfo,
  type SessionInfo,
  type Stats,
  type UserInfo,
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
  /** The other servers on the same store; null where there can be none. */
  readonly nodes: Nodes | null;
}

/** What one server says of itself alone, and does by itself, when it or another one is asked. */
type NodeRequest = Extract<ControlRequest, { op: "sessions-list" | "sessions-end" | "stats" }>;

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
        return this.#sessionsOfAll();
      case "server-info":
        return Promise.resolve(this.#context.server);
      case "stats":
        return this.#statsOfAll(request);
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
          return this.#end(request);
        case "reload":
          return this.#reload();
        case "announce":
          return this.#announce(request);
      }
    });
  }

  /** Answers another server's question about this one alone, both as lines of the control socket. */
  async answer(question: string): Promise<string> {
    try {
      const request = decodeControlRequest(utf8(question));
      switch (request.op) {
        case "sessions-list":
          return answerOf({ sessions: this.#sessions(), missing: [] });
        case "sessions-end":
          return answerOf({ ended: await this.#endHere(request.who) });
        case "stats":
          return answerOf(await this.#stats());
        default:
          throw new SealpostError("format", "no question for a server alone");
      }
    } catch (error) {
      const { code, message } = isSealpostError(error)
        ? error
        : new SealpostError("internal", "the server failed to do this; its log says more");
      return fromUtf8(encodeControlAnswer({ code, message }));
    }
  }

  /** What the other servers say of themselves, and which do not. */
  async #ofOthers<O extends NodeRequest["op"]>(request: NodeRequest & { readonly op: O }) {
    const { nodes } = this.#requireRunning();
    if (nodes === null) return { results: [], missing: [] };
    const { answers, missing } = await nodes.ask(fromUtf8(encodeControlRequest(request)));
    const results: { node: NodeRow; result: ControlResult<O> }[] = [];
    const silent = missing.map(nodeText);
    for (const { node, text } of answers) {
      try {
        results.push({ node, result: decodeControlAnswer<O>(request.op, utf8(text)) });
      } catch (error) {
        if (!isSealpostError(error)) throw error;
        silent.push(`${nodeText(node)}: ${error.message}`);
      }
    }
    return { results, missing: silent };
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
    const ending = await this.#count(name);
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
    const ending = await this.#count(name);
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
    const ended = await this.#count(name);
    const fp = await store.unbindKey(name, { mayReturn: sameKey });
    await this.#endSessions(
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
    const ending = await this.#count(name);
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

  async #end(request: ControlRequest & { readonly op: "sessions-end" }) {
    const { users } = this.#context;
    const { who } = request;
    this.#requireRunning();
    const isUser = typeof who === "string" && users.has(who);
    const [here, others] = await Promise.all([this.#endHere(who), this.#ofOthers(request)]);
    const ended = others.results.reduce((sum, { result }) => sum + result.ended, here);
    if (others.missing.length > 0) throw didNotAnswer(others.missing, `${ended} ended elsewhere`);
    if (ended === 0 && typeof who === "number") {
      throw new SealpostError("usage", `there is no session ${who}; sessions list shows them`);
    }
    if (ended === 0 && !isUser) throw noSuchUser(String(who));
    return { ended };
  }

  #endHere(who: string | number): Promise<number> {
    return this.#endSessions(
      (session) => session.name === who || session.id === who,
      "the server's operator ended this session",
    );
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
    const counts = await this.#counts();
    for (const name of users.names()) list.push(await this.#user(name, counts));
    return { users: list };
  }

  async #user(name: string, sessions?: ReadonlyMap<string, number>): Promise<UserInfo> {
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
      sessions: (sessions ?? await this.#counts()).get(name) ?? 0,
    };
  }

  async #sessionsOfAll() {
    const sessions = this.#sessions();
    const { results, missing } = await this.#ofOthers({ op: "sessions-list", by: NOBODY });
    for (const { result } of results) sessions.push(...result.sessions);
    return { sessions: sessions.toSorted((a, b) => compare(a.name, b.name)), missing };
  }

  #sessions(): SessionInfo[] {
    const { registry } = this.#requireRunning();
    return registry.sessions().map((session) => ({
      id: session.id,
      node: registry.node(),
      name: session.name,
      from: String(peerFields(session.peer).from),
      client: session.client,
      resumed: session.resumed,
      since: session.since,
      lastReceived: session.lastReceived,
    }));
  }

  /** The totals of all servers, and what each says of itself. */
  async #statsOfAll(request: ControlRequest & { readonly op: "stats" }): Promise<Stats> {
    const own = await this.#stats();
    if (this.#requireRunning().nodes === null) return own;
    const [{ results, missing }, { sessions }] = await Promise.all([
      this.#ofOthers(request),
      this.#sessionsOfAll(),
    ]);
    const all = [own, ...results.map(({ result }) => result)];
    const sum = (of: (stats: Stats) => number) =>
      all.reduce((total, stats) => total + of(stats), 0);
    const merged = (of: (stats: Stats) => Readonly<Record<string, number>>) => {
      const kinds = new Set(all.flatMap((stats) => Object.keys(of(stats))));
      return Object.fromEntries(
        [...kinds].map((kind) => [kind, sum((stats) => of(stats)[kind] ?? 0)]),
      );
    };
    return {
      ...own,
      sessions: sum((stats) => stats.sessions),
      online: new Set(sessions.map(({ name }) => name)).size,
      handshakes: sum((stats) => stats.handshakes),
      queues: merged((stats) => stats.queues),
      connections: sum((stats) => stats.connections),
      rejected: merged((stats) => stats.rejected),
      penalties: merged((stats) => stats.penalties),
      logins: merged((stats) => stats.logins),
      requests: merged((stats) => stats.requests),
      refusals: merged((stats) => stats.refusals),
      deliveries: merged((stats) => stats.deliveries),
      copies: sum((stats) => stats.copies),
      messageBytes: sum((stats) => stats.messageBytes),
      network: merged((stats) => stats.network),
      commits: {
        count: sum((stats) => stats.commits.count),
        writes: sum((stats) => stats.commits.writes),
        failed: sum((stats) => stats.commits.failed),
        lastFailure: all.find((stats) => stats.commits.lastFailure !== null)?.commits
          .lastFailure ?? null,
      },
      store: { ...own.store, waiting: sum((stats) => stats.store.waiting) },
      memory: sum((stats) => stats.memory),
      nodes: all.flatMap(({ nodes }) => nodes).toSorted((a, b) => a.number - b.number),
      missing,
    };
  }

  async #stats(): Promise<Stats> {
    const { users, store, server } = this.#context;
    const { observer, gauges, address, nodes } = this.#requireRunning();
    const { handshakes, sessions, online, queues } = gauges();
    const memory = Deno.memoryUsage().rss;
    const node = nodes === null ? [] : [{
      number: nodes.number,
      address,
      version: PROGRAM_VERSION,
      startedAt: observer.startedAt,
      sessions,
      connections: observer.connections,
      stored: observer.deliveries.get("stored"),
      memory,
    }];
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
      memory,
      nodes: node,
      missing: [],
    };
  }

  #requireRunning(): RunningServer {
    if (this.#context.running !== null) return this.#context.running;
    throw new SealpostError("usage", `no server is running here; start it with ${PROGRAM} serve`);
  }

  /** How many sessions each user has, at all servers that answer. */
  async #counts(): Promise<ReadonlyMap<string, number>> {
    if (this.#context.running === null) return new Map();
    const { sessions } = await this.#sessionsOfAll();
    return new Map(
      Map.groupBy(sessions, ({ name }) => name).entries().map(([name, of]) => [name, of.length]),
    );
  }

  async #count(name: string): Promise<number> {
    return (await this.#counts()).get(name) ?? 0;
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

/** For what one server asks another by itself. */
const NOBODY = { pid: 0 };

function answerOf(result: unknown): string {
  return fromUtf8(encodeControlAnswer({ result }));
}

function nodeText({ number, address }: NodeRow): string {
  return `server ${number} (${address})`;
}

function didNotAnswer(missing: readonly string[], done: string): SealpostError {
  return new SealpostError("busy", `no answer from ${missing.join(", ")}; ${done}; try again`);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
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
