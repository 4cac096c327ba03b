import { errorText, isSealpostError, SealpostError } from "../crypto/error.ts";
import { encodeBundle, formatFingerprint, type Identity } from "../crypto/identity.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import type { ByteStream } from "../protocol/byte_stream.ts";
import { TimingGrid } from "../protocol/timing_grid.ts";
import { CHANGE_MEMORY, ID_MEMORY, MAX_PARTIAL_AGE } from "../protocol/limits.ts";
import { busyLine } from "../protocol/plaintext.ts";
import { PROGRAM_VERSION } from "../cli/program.ts";
import { type Listener, listenSocket } from "../protocol/socket.ts";
import { within } from "../protocol/timer.ts";
import { AuditLog } from "./observe/audit.ts";
import { announce } from "./control/announce.ts";
import { Operations } from "./control/operations.ts";
import { type Control, openControl } from "./control/server.ts";
import { ConnectionLimiter, type ConnectionSlot } from "./admission/connection_limiter.ts";
import { LoginThrottle } from "./admission/login_throttle.ts";
import { type ConnectedSession, SessionRegistry } from "./accounts/session_registry.ts";
import { Nodes } from "./nodes/nodes.ts";
import { SharedLimits } from "./nodes/shared_limits.ts";
import { LogHeads } from "./accounts/log_heads.ts";
import { Links } from "./accounts/links.ts";
import { InFlight } from "./admission/in_flight.ts";
import type { Log } from "./observe/log.ts";
import { type AuthenticatedConnection, login, type LoginContext } from "./login.ts";
import type { Monitor } from "./observe/monitor.ts";
import { type Gauges, Observer } from "./observe/observe.ts";
import { offenceOf } from "./admission/offence.ts";
import { Penalties } from "./admission/penalties.ts";
import { TokenBuckets } from "./admission/token_bucket.ts";
import { Semaphore } from "./admission/semaphore.ts";
import type { DispatcherContext } from "./requests/dispatcher.ts";
import { Session } from "./session.ts";
import type { LiveSettings, ReloadResult } from "./settings/settings.ts";
import { lockStore } from "./store/database.ts";
import type { Store } from "./store/store.ts";
import { keysOf, type LoginKey, NO_HISTORY, type ServerHistory } from "./accounts/server_keys.ts";
import { TicketIssuer } from "./accounts/tickets.ts";
import { receiveProxied } from "./admission/proxy_header.ts";
import { isIn, sourceOf } from "./admission/source.ts";
import { rejectConnection } from "./admission/reject_connection.ts";
import { openStore, openUsers } from "./accounts/open_store.ts";
import { Follower } from "./accounts/follower.ts";
import type { Users, UsersOptions } from "./accounts/users.ts";
import { TimedStream } from "./admission/timed_stream.ts";

const HOUR = 3_600_000;

/** How often sessions are looked at for silence and stalls, milliseconds. */
const CHECK_EVERY = 1000;

/** Beyond the patience for requests: for goodbyes to be taken, milliseconds. */
const GOODBYES = 5000;

/** How long a balancer may take to say whom it connects for, milliseconds. */
const PROXY_PATIENCE = 5000;

/** For what is left to be done in a database that may be away, milliseconds. */
const LAST_WRITES = 5000;

/** A running server. */
export interface Server {
  /** Where it listens, `host:port`. */
  readonly address: string;
  /** The fingerprint of its key, as people compare it. */
  readonly fingerprint: string;
  readonly settings: LiveSettings;
  readonly registry: SessionRegistry;
  readonly observer: Observer;
  /** The operators' commands, as the control socket carries them out. */
  readonly operations: Operations;
  /** The gauges at this moment. */
  gauges(): Gauges;
  /**
   * Connections of clients at this moment, the memory that their requests take in bytes, and the
   * passwords that are being checked.
   */
  load(): {
    readonly connections: number;
    readonly inFlight: number;
    readonly passwordChecks: number;
  };
  /**
   * Reads sealpost.toml and user_pass.json again, as the command `reload` does, and says in the log what
   * came of it. What cannot be read stays as it was.
   */
  reload(): Promise<void>;
  /**
   * Ends it: no new connections, requests in progress finish within `stop-timeout`, goodbyes,
   * everything on disk.
   */
  stop(): Promise<void>;
}

/**
 * Starts the server of the folder `dir` in this process: its keys, with those that they followed,
 * `user_pass.json`, mail in `mail/`; or with the setting `store` users and mail in a database.
 * Throws `config` (user_pass.json, the store) and `unreachable` (the address).
 */
export async function startServer(
  dir: string,
  settings: LiveSettings,
  identity: Identity,
  log: Log,
  history: ServerHistory = NO_HISTORY,
): Promise<Server> {
  const current = () => settings.current;
  const registry = new SessionRegistry();
  const observer = new Observer();
  const audit = new AuditLog(dir, log);
  const logStoreError = (error: unknown) => log.error("store-error", { error: `${error}` });
  const inFolder = current().store === null;
  let store: Store | null = null;
  const usersOptions: UsersOptions = {
    onProblem: (problem) => {
      if (inFolder) log.warn("user_pass.json", { problem });
      else log.warn("users", { problem });
    },
    onChange: (added) => {
      // Nobody is here yet, and the accounts of all are made below.
      if (store === null) return;
      store.ensureAccounts(added).catch(logStoreError);
      registry.endAll(
        (session) => users.isInForce(session.name, session.credential),
        "your account was changed; log in again",
      ).catch(() => {});
    },
  };
  // First, so that nothing is made where user_pass.json cannot be used.
  const fileUsers = inFolder ? await openUsers(dir, null, usersOptions) : null;
  const { store: opened, shared } = await openStore(dir, current(), observer.committed).catch(
    (error) => {
      fileUsers?.close();
      throw error;
    },
  );
  const lock = shared && await lockFolder(dir).catch(async (error) => {
    await opened.close();
    throw error;
  });
  const users: Users = fileUsers ??
    await openUsers(dir, shared, usersOptions).catch(async (error) => {
      await opened.close();
      lock?.close();
      throw error;
    });
  store = opened;
  let listener: Listener;
  try {
    await opened.ensureAccounts(users.names());
    await opened.logServerKeys(keysOf(history, identity.bundle.fp), Date.now());
    listener = listenSocket(current().listen);
  } catch (error) {
    users.close();
    await opened.close();
    lock?.close();
    throw error;
  }
  const follower = shared && new Follower({
    store: shared,
    registry,
    onUsers: () => void users.refresh(),
    onError: logStoreError,
  });

  const lines: { hear: (line: string) => void } = { hear: () => {} };
  const nodes = shared && await Nodes.join({
    store: shared,
    address: formatAddress(listener.address),
    onLine: (line) => lines.hear(line),
    onTrouble: (why) => {
      if (why === null) log.info("database-back");
      else log.error("database-away", { why });
    },
  }).catch(async (error) => {
    listener.close();
    users.close();
    await follower?.close();
    await opened.close();
    lock?.close();
    throw error;
  });
  if (nodes !== null) registry.node = () => nodes.number;

  const penalties = new Penalties(current, ({ source, offence, seconds }) => {
    observer.penalties.add(offence);
    log.warn("source-penalised", { source, offence, seconds });
  });
  const limiter = new ConnectionLimiter(current, penalties);
  const links = new Links();
  const loginContext: LoginContext = {
    key: await loginKey(identity),
    former: await Promise.all(history.former.map(async ({ identity, leftAt }) => {
      return { ...await loginKey(identity), leftAt };
    })),
    hello: () => ({
      server: `sealpost/${PROGRAM_VERSION}`,
      maxMessage: current().maxMessage,
      maxRecipients: current().maxRecipients,
    }),
    store: opened,
    users,
    slots: new Semaphore(
      () => ({ width: current().handshakeWidth, queue: current().handshakeQueue }),
      "handshake-queue",
    ),
    argon: new Semaphore(
      () => ({ width: current().passwordWidth, queue: current().passwordQueue }),
      "password-queue",
    ),
    loginThrottle: new LoginThrottle(current),
    penalties,
    tickets: await TicketIssuer.open(
      opened,
      users,
      identity,
      history.former.map(({ identity }) => identity),
    ),
    links,
    log,
    observer,
    audit,
  };
  const sessionContext: DispatcherContext = {
    store: opened,
    users,
    registry,
    heads: new LogHeads(opened, identity),
    links,
    argon: loginContext.argon,
    loginThrottle: loginContext.loginThrottle,
    log,
    observer,
    audit,
    settings: current,
    serverFp: identity.bundle.fp,
    serverBundle: encodeBundle(identity.bundle),
    serverLinks: history.links,
    inFlight: new InFlight(() => current().maxInFlightTotal),
    messages: new TokenBuckets(() => ({
      perSecond: current().messagesPerMinute / 60,
      burst: current().messagesBurst,
    })),
  };

  if (nodes !== null) {
    const { loginThrottle, messages } = sessionContext;
    const limits = new SharedLimits({ penalties, loginThrottle, messages }, (line) => {
      nodes.tell(line);
    });
    lines.hear = (line) => limits.count(line);
  }

  const connections = new Set<Promise<void>>();
  const context: ConnectionContext = {
    limiter,
    loginContext,
    sessionContext,
    balanced: new Set(),
  };
  const accepting = (async () => {
    for await (const stream of listener.accept()) {
      observer.connections++;
      const connection = serveConnection(stream, context).finally(() =>
        connections.delete(connection)
      );
      connections.add(connection);
    }
  })();

  const checking = setInterval(() => {
    for (const session of registry.sessions()) session.check();
  }, CHECK_EVERY);
  const tidy = () => tidyUp(opened, settings, log).catch(logStoreError);
  const tidying = setInterval(tidy, HOUR);
  const tidied = tidy();

  const gauges = (): Gauges => ({
    handshakes: limiter.unauthenticated,
    sessions: registry.size,
    online: registry.online,
    queues: { rsa: loginContext.slots.waiting, argon2: loginContext.argon.waiting },
  });
  const operations = new Operations({
    users,
    store: opened,
    audit,
    server: {
      addresses: addressesOf(listener.address, current().publicAddress),
      fingerprint: formatFingerprint(identity.bundle.fp),
    },
    quota: () => current().quota,
    running: {
      address: formatAddress(listener.address),
      registry,
      observer,
      gauges,
      reload: () => reloadSettings(settings, log),
      announce: (announcement) => {
        const { heads } = sessionContext;
        const parts = { identity, store: opened, users, heads, registry, observer };
        return announce(parts, announcement);
      },
      nodes,
    },
  });
  nodes?.answerBy((question) => operations.answer(question));
  // Mail goes on without it; the commands say then that nobody listens.
  const control: Control | null = await openControl(dir, operations, log).catch((error) => {
    log.warn("no-control-socket", { why: errorText(error) });
    return null;
  });

  let monitor: Monitor | null = null;
  let stopping: Promise<void> | null = null;
  const stop = async () => {
    clearInterval(tidying);
    const controlClosed = control?.close();
    listener.close();
    await accepting;
    limiter.closeAll();
    for (const stream of context.balanced) stream.close();
    await endSessions(registry.sessions(), current().stopTimeout);
    clearInterval(checking);
    await within(Promise.all(connections), GOODBYES, undefined);
    shared?.giveUpIn(LAST_WRITES);
    await controlClosed;
    await nodes?.close();
    users.close();
    await follower?.close();
    await monitor?.close();
    await tidied;
    await opened.close();
    lock?.close();
  };
  const { metrics, metricsPublic: open } = current();
  if (metrics !== null) {
    const { openMonitor } = await import("./observe/monitor.ts");
    const servers = () => nodes && { count: nodes.others.length + 1, trouble: nodes.trouble };
    const isServing = () => stopping === null;
    const source = { observer, gauges, store: opened, servers, isServing, log };
    try {
      monitor = openMonitor(metrics, source, { open });
    } catch (error) {
      await (stopping ??= stop());
      throw error;
    }
    log.info("metrics", { address: monitor.address });
  }
  return {
    address: formatAddress(listener.address),
    fingerprint: formatFingerprint(identity.bundle.fp),
    settings,
    registry,
    observer,
    operations,
    gauges,
    load: () => ({
      connections: limiter.size,
      inFlight: sessionContext.inFlight.reserved,
      passwordChecks: loginContext.argon.active,
    }),
    reload: async () => {
      try {
        await operations.run({ op: "reload", by: { pid: Deno.pid } }, "signal");
      } catch (error) {
        const why = errorText(error);
        log.error("reload-failed", { why });
      }
    },
    stop: () => stopping ??= stop(),
  };
}

/** Keeps other servers out of a folder whose mail is elsewhere. Throws `busy`. */
async function lockFolder(dir: string): Promise<Deno.FsFile> {
  const lock = await lockStore(dir);
  if (lock !== null) return lock;
  throw new SealpostError(
    "busy",
    `another server runs in ${dir}; each of several servers has a folder of its own`,
  );
}

async function loginKey(identity: Identity): Promise<LoginKey> {
  return { identity, timingGrid: await TimingGrid.measure(identity) };
}

/** The parts of the server that a connection needs. */
interface ConnectionContext {
  readonly limiter: ConnectionLimiter;
  readonly loginContext: LoginContext;
  readonly sessionContext: DispatcherContext;
  /** Connections of balancers that have not said yet whom they are for. */
  readonly balanced: Set<ByteStream>;
}

/** One connection, from its first byte to its end. Never rejects: what goes wrong is logged. */
async function serveConnection(accepted: ByteStream, context: ConnectionContext): Promise<void> {
  const { observer, log, settings } = context.sessionContext;
  const socket = await clientOf(accepted, context);
  if (socket === null) return;
  const slot = context.limiter.enter(socket);
  if ("limit" in slot) {
    const { limit, retryAfter, source } = slot;
    observer.rejected.add(limit);
    log.debug("connection-rejected", { source: source.name, limit });
    return await rejectConnection(socket, busyLine(limit, retryAfter));
  }
  const began = performance.now();
  const stream = new TimedStream(socket, settings().loginTimeout, observer.network);
  try {
    const loggedIn = await admit(stream, slot, context);
    if (!loggedIn) return;
    await new Session(loggedIn, stream, context.sessionContext, began).run();
    log.info("goodbye", { name: loggedIn.name, peer: stream.peer });
  } catch (error) {
    const code = stream.timedOut ? "timeout" : isSealpostError(error) ? error.code : "internal";
    const why = errorText(error);
    if (code === "internal") log.error("internal-error", { peer: stream.peer, error: why });
    else log.info("connection-ended", { peer: stream.peer, code, why });
  } finally {
    stream.close();
    slot.release();
  }
}

/**
 * The client's connection, by way of a balancer if it comes from one; null if that does not say whom it
 * connects for, which is logged.
 */
async function clientOf(
  accepted: ByteStream,
  { sessionContext, balanced }: ConnectionContext,
): Promise<ByteStream | null> {
  const { log, settings, observer } = sessionContext;
  const { proxyFrom, perSourceNetblock, maxUnauthenticated } = settings();
  if (!isIn(proxyFrom, sourceOf(accepted.peer, perSourceNetblock))) return accepted;
  if (balanced.size >= maxUnauthenticated) {
    observer.rejected.add("max-unauthenticated");
    accepted.close();
    return null;
  }
  balanced.add(accepted);
  try {
    return await receiveProxied(accepted, PROXY_PATIENCE);
  } catch (error) {
    accepted.close();
    if (isSealpostError(error, "connection-lost")) return null;
    log.warn("proxy-refused", { peer: accepted.peer, why: errorText(error) });
    return null;
  } finally {
    balanced.delete(accepted);
  }
}

/** Has a connection log in, and penalises its source for a failure; null if it has not logged in. */
async function admit(
  stream: TimedStream,
  slot: ConnectionSlot,
  context: ConnectionContext,
): Promise<AuthenticatedConnection | null> {
  const { loginContext } = context;
  const { observer, penalties } = loginContext;
  try {
    const result = await login(stream, slot, loginContext);
    if ("connection" in result) {
      observer.logins.add(result.resumed ? "ticket" : "password");
      stream.endLoginTimeout();
      return result;
    }
    if (result.outcome) observer.logins.add(result.outcome);
    return null;
  } catch (error) {
    observer.logins.add("broken");
    const offence = offenceOf(error, stream);
    if (offence && !slot.evicted()) penalties.add(slot.source, offence);
    throw error;
  }
}

/** Lets all sessions finish what they have begun, and tells their clients to come again. */
async function endSessions(
  sessions: readonly ConnectedSession[],
  patience: number,
): Promise<void> {
  // Spread, so that a thousand clients do not come back in the same moment.
  const spread = Math.min(30, sessions.length / 100);
  const ends = sessions.map((session) => {
    const after = Math.round(10 * (1 + spread * Math.random())) / 10;
    const reason = "the server stops, or is started again";
    return session.finish({ reason, reconnect: true, after }, patience);
  });
  await within(Promise.all(ends), patience + GOODBYES, undefined);
}

/** Forgets and removes what is over. */
async function tidyUp(store: Store, settings: LiveSettings, log: Log): Promise<void> {
  const now = Date.now();
  await store.forgetDelivered(now - ID_MEMORY);
  await store.forgetDepartures(now - CHANGE_MEMORY);
  await store.dropExpiredTickets(now);
  const { expireTrash, expireRead, partialUploads } = settings.current;
  await store.dropUploads(now - MAX_PARTIAL_AGE, partialUploads);
  for (const [what, age] of [["trash", expireTrash], ["read", expireRead]] as const) {
    if (age === Infinity) continue;
    const removed = await store.expire(what, now - age);
    if (removed > 0) log.info("expired", { what, removed });
  }
}

/** Where people reach a server that listens at `address`, as far as it knows. */
function addressesOf(address: Address, said: readonly Address[]): string[] {
  if (said.length > 0) return said.map(formatAddress);
  return address.host === "0.0.0.0" || address.host === "::" ? [] : [formatAddress(address)];
}

/** Reads the settings again, and says what came of it. Throws what {@linkcode LiveSettings.reload} does. */
async function reloadSettings(settings: LiveSettings, log: Log): Promise<ReloadResult> {
  const result = await settings.reload();
  const names = (changes: ReloadResult["applied"]) => changes.map(({ name }) => name).join(",");
  log.info("reloaded", {
    ...result.applied.length === 0 ? {} : { applied: names(result.applied) },
    ...result.waiting.length === 0 ? {} : { restart: names(result.waiting) },
  });
  return result;
}
