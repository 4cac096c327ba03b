import { join } from "@std/path";
import { utf8 } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { formatFingerprint } from "../crypto/identity.ts";
import { formatAddress, parseAddress } from "../protocol/address.ts";
import type { ByteStream } from "../protocol/byte_stream.ts";
import { Grid } from "../protocol/deadline.ts";
import { loadIdentity } from "../protocol/key_files.ts";
import { HANDSHAKE_TIMEOUT, ID_MEMORY } from "../protocol/limits.ts";
import { PROGRAM_VERSION } from "../protocol/program.ts";
import { type Listener, listenSocket } from "../protocol/socket.ts";
import { within } from "../protocol/timer.ts";
import { AuditLog } from "./audit.ts";
import { Operations } from "./control/operations.ts";
import { type Control, openControl } from "./control/server.ts";
import { Gate } from "./gate.ts";
import { Guesses } from "./guesses.ts";
import { Hub } from "./hub.ts";
import { type Log, type LogOptions, stderrLog } from "./log.ts";
import { login, type LoginContext } from "./login.ts";
import type { Monitor } from "./monitor.ts";
import { type Levels, Observer } from "./observe.ts";
import { Semaphore } from "./semaphore.ts";
import { Session, type SessionContext } from "./session.ts";
import { openSqliteStore } from "./sqlite_store.ts";
import type { Store } from "./store.ts";
import { Tickets } from "./tickets.ts";
import { Users } from "./users.ts";

/** How a server is started. */
export interface ServeOptions {
  /** The folder with the keys and `user_pass.json`; mail goes to `mail/` in it. */
  readonly dir: string;
  /** `host:port`; port 0 lets the system choose. */
  readonly listen: string;
  /** Largest message (RFC 5322 form), bytes. */
  readonly maxMessage: number;
  /** Where people reach it, `HOST[:PORT]` with commas between; for invitations. */
  readonly publicAddress?: string | undefined;
  /** Where metrics are served, `host:port`; nowhere if not given. */
  readonly metrics?: string | undefined;
  /** Whether that may be an address that others than this machine reach. */
  readonly metricsPublic?: boolean;
}

/** Most recipients of one message. */
const MAX_RECIPIENTS = 100;
/** RSA private operations at a time, and how many more may wait for one. */
const RSA_WIDTH = 4;
const RSA_QUEUE = 256;
/** Argon2id runs at a time (each takes 19 MiB), and how many more may wait. */
const ARGON_WIDTH = 2;
const ARGON_QUEUE = 128;
/** How long requests in progress may take when the server stops, milliseconds. */
const STOP_PATIENCE = 5000;

const DAY = 86_400_000;

/** A running server. */
export interface Server {
  /** Where it listens, `host:port`. */
  readonly address: string;
  /** The fingerprint of its key, as people compare it. */
  readonly fingerprint: string;
  /** Reads settings and users again, as the command `reload` does, and says in the log what came of it. */
  reload(): Promise<void>;
  /** Ends it: no new connections, goodbyes, everything on disk. */
  stop(): Promise<void>;
}

/**
 * Starts a server in this process. Throws `config` (user_pass.json, the store), `file-missing`
 * and `key-…` (the keys), `unreachable` (the address).
 */
export async function startServer(options: ServeOptions, log: Log): Promise<Server> {
  const address = parseAddress(options.listen);
  const identity = await loadIdentity(options.dir, "server", passphraseFromEnvironment);
  const hub = new Hub();
  const observer = new Observer();
  const audit = new AuditLog(options.dir, log);
  let store: Store | null = null;
  const users: Users = await Users.open(join(options.dir, "user_pass.json"), {
    onProblem: (message) => log.warn("user_pass.json", { problem: message }),
    onChange: (names) => {
      store?.ensureAccounts(names).catch((error) =>
        log.error("store-error", { error: `${error}` })
      );
      hub.endAll(
        (member) => users.credential(member.name) === member.credential,
        "your account was changed; log in again",
      ).catch(() => {});
    },
  });
  let listener: Listener;
  try {
    store = await openSqliteStore(join(options.dir, "mail"), { onCommit: observer.committed });
    await store.ensureAccounts(users.names());
    await store.forgetDelivered(Date.now() - ID_MEMORY);
    listener = listenSocket(address);
  } catch (error) {
    users.close();
    await store?.close();
    throw error;
  }
  const opened = store;
  const loginContext: LoginContext = {
    identity,
    grid: await Grid.measure(identity),
    hello: {
      server: `sealpost/${PROGRAM_VERSION}`,
      maxMessage: options.maxMessage,
      maxRecipients: MAX_RECIPIENTS,
    },
    store: opened,
    users,
    slots: new Semaphore(RSA_WIDTH, RSA_QUEUE),
    argon: new Semaphore(ARGON_WIDTH, ARGON_QUEUE),
    guesses: new Guesses(),
    tickets: await Tickets.open(opened, users, identity),
    log,
    observer,
    audit,
  };
  const sessionContext: SessionContext = {
    store: opened,
    users,
    hub,
    argon: loginContext.argon,
    guesses: loginContext.guesses,
    log,
    observer,
    audit,
    maxMessage: options.maxMessage,
    maxRecipients: MAX_RECIPIENTS,
  };
  const gate = new Gate();
  const sessions = new Set<Promise<void>>();
  const accepting = (async () => {
    for await (const socket of listener.accept()) {
      observer.connections++;
      const stream = observer.counting(socket);
      const entry = gate.enter(stream);
      if (!entry) {
        observer.turnedAway++;
        stream.close();
        continue;
      }
      const session = handle(stream, entry.loggedIn, loginContext, sessionContext)
        .finally(() => {
          entry.leave();
          sessions.delete(session);
        });
      sessions.add(session);
    }
  })();
  const cleaning = setInterval(() => {
    Promise.all([
      opened.forgetDelivered(Date.now() - ID_MEMORY),
      opened.dropExpiredTickets(Date.now()),
    ])
      .catch((error) => log.error("store-error", { error: `${error}` }));
  }, DAY);

  const levels = (): Levels => ({
    handshakes: gate.size,
    sessions: hub.size,
    online: hub.online,
    queues: { rsa: loginContext.slots.waiting, argon2: loginContext.argon.waiting },
  });
  const operations = new Operations({
    users,
    store: opened,
    audit,
    server: {
      addresses: options.publicAddress?.split(",") ??
        (reachable(listener.address.host) ? [formatAddress(listener.address)] : []),
      fingerprint: formatFingerprint(identity.bundle.fp),
    },
    running: {
      address: formatAddress(listener.address),
      hub,
      observer,
      levels,
      reload: () => Promise.resolve({ applied: [], waiting: [] }),
    },
  });
  // Mail goes on without it; the commands say then that nobody listens.
  const control: Control | null = await openControl(options.dir, operations, log).catch((error) => {
    log.warn("no-control-socket", { why: error instanceof Error ? error.message : String(error) });
    return null;
  });

  let monitor: Monitor | null = null;
  let stopping: Promise<void> | null = null;
  const stop = async () => {
    clearInterval(cleaning);
    await control?.close();
    listener.close();
    await accepting;
    gate.closeAll();
    await within(hub.endAll(() => false, "the server stops"), STOP_PATIENCE, undefined);
    await within(Promise.all(sessions), STOP_PATIENCE, undefined);
    users.close();
    await monitor?.close();
    await opened.close();
  };
  if (options.metrics !== undefined) {
    const { openMonitor } = await import("./monitor.ts");
    const source = { observer, levels, store: opened, isServing: () => stopping === null, log };
    const open = options.metricsPublic ?? false;
    try {
      monitor = openMonitor(parseAddress(options.metrics), source, { open });
    } catch (error) {
      await (stopping ??= stop());
      throw error;
    }
    log.info("metrics", { address: monitor.address });
  }
  return {
    address: formatAddress(listener.address),
    fingerprint: formatFingerprint(identity.bundle.fp),
    reload: async () => {
      try {
        await operations.run({ op: "reload", by: { pid: Deno.pid } }, "signal");
        log.info("reloaded");
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        log.error("reload-failed", { why });
      }
    },
    stop: () => stopping ??= stop(),
  };
}

/** Whether `host`, where a server listens, is an address at which others may find it. */
function reachable(host: string): boolean {
  return host !== "0.0.0.0" && host !== "::";
}

/** One connection, from its first byte to its end. Never rejects: what goes wrong is logged. */
async function handle(
  stream: ByteStream,
  onLogin: () => void,
  loginContext: LoginContext,
  sessionContext: SessionContext,
): Promise<void> {
  const { log } = sessionContext;
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    stream.close();
  }, HANDSHAKE_TIMEOUT);
  try {
    const loggedIn = await login(stream, loginContext);
    clearTimeout(deadline);
    if (!loggedIn) return;
    onLogin();
    await new Session(loggedIn, sessionContext).run();
    log.info("goodbye", { name: loggedIn.name, peer: stream.peer });
  } catch (error) {
    const code = late ? "timeout" : isSealpostError(error) ? error.code : "internal";
    const why = error instanceof Error ? error.message : String(error);
    if (code === "internal") log.error("internal-error", { peer: stream.peer, error: why });
    else log.info("connection-ended", { peer: stream.peer, code, why });
  } finally {
    clearTimeout(deadline);
    stream.close();
  }
}

function passphraseFromEnvironment() {
  const text = Deno.env.get("SEALPOST_PASSPHRASE");
  if (text === undefined) {
    throw new SealpostError(
      "passphrase",
      "the server's private key has a passphrase; set SEALPOST_PASSPHRASE for the server",
    );
  }
  return Promise.resolve(utf8(text.normalize("NFC")));
}

/**
 * The `serve` command: starts a server, prints one line when it accepts connections, and serves
 * until SIGINT or SIGTERM; a second signal ends it at once.
 */
export async function serve(options: ServeOptions, logging: LogOptions): Promise<void> {
  const log = stderrLog(logging);
  const server = await startServer(options, log);
  console.log(`sealpost: listening on ${server.address}, key ${server.fingerprint}`);
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGHUP", () => void server.reload());
  }
  await new Promise<void>((resolve) => {
    let asked = false;
    const onSignal = () => {
      if (asked) Deno.exit(130);
      asked = true;
      resolve();
    };
    for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  });
  log.info("stopping");
  await server.stop();
  // Sockets of peers that do not answer must not keep the process.
  Deno.exit(0);
}
