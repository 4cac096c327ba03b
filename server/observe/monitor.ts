import { errorText, SealpostError } from "../../crypto/error.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { serveHttp } from "../../protocol/socket.ts";
import { type Log } from "./log.ts";
import { type MetricsSource, openMetrics } from "./metrics.ts";

/** What the monitor needs besides the metrics. */
export interface MonitorSource extends MetricsSource {
  /** Whether the server takes connections: not any more once it stops. */
  readonly isServing: () => boolean;
  readonly log: Log;
}

/** A listener for whoever watches the server. */
export interface Monitor {
  /** Where it listens, `host:port`. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves, over HTTP at `address`:
 *
 * - `/metrics`: {@linkcode openMetrics};
 * - `/healthz`: 200 as long as the process answers;
 * - `/readyz`: 200 if mail can be taken now, else 503 with the reason: the server stops, the store
 *   cannot be read, or its last commit failed; of a store that several servers share, that it does not
 *   take this server's sign every few seconds.
 *
 * There is no password, so an address that others than this machine reach is refused unless `open`.
 * Throws `usage`, or `unreachable` if it cannot listen there.
 */
export function openMonitor(
  address: Address,
  source: MonitorSource,
  { open }: { readonly open: boolean },
): Monitor {
  const local = isLoopback(address.host);
  if (!local && !open) {
    throw new SealpostError(
      "usage",
      `others than this machine can reach ${formatAddress(address)}, and metrics have no ` +
        "password; use 127.0.0.1 or [::1], or say metrics-public",
    );
  }
  const metrics = openMetrics(source);
  const answer = async (request: Request): Promise<Response> => {
    const { pathname, hostname } = new URL(request.url);
    // A page in a browser on this machine can name this address as its own host, and read it then.
    if (local && !isLoopback(hostname)) return text(421, "not the name of this server\n");
    if (request.method !== "GET" && request.method !== "HEAD") return text(405, "GET only\n");
    switch (pathname) {
      case "/metrics":
        return new Response(await metrics.text(), {
          headers: { "content-type": metrics.contentType },
        });
      case "/healthz":
        return text(200, "ok\n");
      case "/readyz": {
        const why = await notReady(source);
        return why === null ? text(200, "ready\n") : text(503, `${why}\n`);
      }
      default:
        return text(404, "/metrics, /healthz or /readyz\n");
    }
  };
  try {
    const listener = serveHttp(address, async (request) => {
      try {
        return await answer(request);
      } catch (error) {
        const why = errorText(error);
        source.log.error("metrics-failed", { why });
        return text(500, "the server's log says more\n");
      }
    });
    return {
      address: formatAddress(listener.address),
      close: async () => {
        metrics.close();
        await listener.close();
      },
    };
  } catch (error) {
    metrics.close();
    throw error;
  }
}

async function notReady(source: MonitorSource): Promise<string | null> {
  const { isServing, observer, store, servers } = source;
  if (!isServing()) return "the server stops";
  // Its last commit may be long ago: who is not ready gets no mail to commit.
  const shared = servers();
  if (shared !== null) return shared.trouble && `the store: ${shared.trouble}`;
  if (observer.commitFailure !== null) return `the last commit failed: ${observer.commitFailure}`;
  try {
    await store.stats();
    return null;
  } catch {
    return "the store cannot be read";
  }
}

function text(status: number, body: string): Response {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}

/** Whether `host` is this machine alone. */
function isLoopback(host: string): boolean {
  return host === "localhost" || /^\[?::1\]?$/.test(host) || /^127(\.\d{1,3}){3}$/.test(host);
}
