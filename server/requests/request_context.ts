import type { Bytes } from "../../crypto/bytes.ts";
import type { Bundle } from "../../crypto/identity.ts";
import type { LeftServerKey } from "../../files/server_chain.ts";
import type { Op, Request, Response } from "../../protocol/request.ts";
import type { Certificate } from "../../protocol/rotation.ts";
import type { Links } from "../accounts/links.ts";
import type { ConnectedSession, SessionRegistry } from "../accounts/session_registry.ts";
import type { LogHeads } from "../accounts/log_heads.ts";
import type { Users } from "../accounts/users.ts";
import type { LoginThrottle } from "../admission/login_throttle.ts";
import type { TokenBuckets } from "../admission/token_bucket.ts";
import type { Semaphore } from "../admission/semaphore.ts";
import type { AuditLog } from "../observe/audit.ts";
import type { Log } from "../observe/log.ts";
import type { Observer } from "../observe/observe.ts";
import type { Values } from "../settings/setting_values.ts";
import type { Store } from "../store/store.ts";

/** What the requests of all sessions share. */
export interface RequestServices {
  readonly store: Store;
  readonly users: Users;
  readonly registry: SessionRegistry;
  readonly heads: LogHeads;
  readonly links: Links;
  /** Around Argon2id. */
  readonly argon: Semaphore;
  readonly loginThrottle: LoginThrottle;
  /** The messages that users send. */
  readonly messages: TokenBuckets;
  readonly audit: AuditLog;
  readonly log: Log;
  readonly observer: Observer;
  /** The settings at this moment. */
  readonly settings: () => Values;
  /** The fingerprint of the server's own key, 32 bytes. */
  readonly serverFp: Bytes;
  /** The server's own bundle, encoded. */
  readonly serverBundle: Bytes;
  /** The certificates of the keys that the server has left for it, oldest first. */
  readonly serverLinks: readonly LeftServerKey[];
}

/** A new key that `rotate-begin` offered, and what `rotate` has to prove. */
export interface RotationOffer {
  readonly bundle: Bundle;
  readonly certificate: Certificate;
  /** The certificate as it came. */
  readonly encoded: Bytes;
  readonly proof: Bytes;
}

/** The session that a request came from. */
export interface RequestSession extends ConnectedSession {
  /** The fingerprint of the key that the session has proven, 32 bytes. */
  readonly fp: Bytes;
  /** The session's exporter; null unless it began with the password. */
  readonly exporter: ((label: string, context: Bytes) => Promise<Bytes>) | null;
  /** What the user list has for the password that the session rests on: another one ends it. */
  credential: string;
  /** Which of the person's machines it says it is, 16 hexadecimal digits; null while it says nothing. */
  machine: string | null;
  /** The new key that was offered last and not proven yet. */
  rotationOffer: RotationOffer | null;
}

/** The session that a request came from, and what the server serves it with. */
export interface RequestContext extends RequestServices {
  readonly session: RequestSession;
}

/** How a request is answered. */
export interface Reply<O extends Op> {
  readonly response: Response<O>;
  /** Sent after the response, in data frames. */
  readonly data?: AsyncIterable<Bytes>;
  /** Called when all of it was sent. */
  readonly afterwards?: () => void;
}

type Requests = { readonly [R in Request as R["op"]]: R };
/** The request with this `op`. */
export type RequestOf<O extends Op> = { [P in O]: Requests[P] & { readonly op: P } }[O];

/**
 * Serves one kind of request. Throws what the request is refused with, and has changed nothing then.
 * `upload` is the data that came with the request: none but for `deliver`.
 */
export type Handler<O extends Op> = (
  request: RequestOf<O>,
  context: RequestContext,
  upload: AsyncIterable<Bytes>,
) => Promise<Reply<O>>;
