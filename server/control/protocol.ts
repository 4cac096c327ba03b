import * as v from "valibot";
import { type Bytes, concat, fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { type ErrorCode, isSealpostError, SealpostError } from "../../crypto/error.ts";
import type { ByteStream } from "../../protocol/byte_stream.ts";
import { MAX_TITLE } from "../../protocol/limits.ts";
import { fullNameField, nameField, parseJson } from "../../protocol/schema.ts";
import { parseUserState } from "../accounts/user_state.ts";

// Operators' commands on a running server, over a socket in its folder: a connection carries one
// request and its answer, each a line of JSON.

/** Longest text of an announcement, UTF-16 units. */
export const MAX_ANNOUNCEMENT = 30_000;
/** Longest request, bytes: an announcement whose every unit is spelt out. */
export const MAX_REQUEST = 6 * MAX_ANNOUNCEMENT + 8 * 1024;
/** Longest answer, bytes: a list of some 30,000 users, as many as user_pass.json may have. */
export const MAX_ANSWER = 16 * 1024 * 1024;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** The operator's process, as the command claims. */
const by = v.strictObject({
  pid: count,
  operator: v.optional(v.pipe(v.string(), v.maxLength(64))),
});
/** The operator's process, as the command claims. */
export type Caller = v.InferOutput<typeof by>;

/** The new value in user_pass.json: a hash, so that no password crosses the socket. */
const credential = v.pipe(v.string(), v.maxLength(400), v.check(isCredential));

function isCredential(value: string): boolean {
  try {
    return !parseUserState(value).disabled;
  } catch (error) {
    if (!isSealpostError(error, "format")) throw error;
    return false;
  }
}

const named = <O extends string>(op: O) =>
  v.strictObject({ op: v.literal(op), by, name: nameField });
const bare = <O extends string>(op: O) => v.strictObject({ op: v.literal(op), by });

const request = v.variant("op", [
  v.strictObject({
    op: v.literal("user-add"),
    by,
    name: nameField,
    credential,
    fullName: v.optional(fullNameField),
  }),
  v.strictObject({
    op: v.literal("user-full-name"),
    by,
    name: nameField,
    fullName: v.nullable(fullNameField),
  }),
  v.strictObject({ op: v.literal("user-passwd"), by, name: nameField, credential }),
  named("user-disable"),
  named("user-enable"),
  v.strictObject({ op: v.literal("user-unbind"), by, name: nameField, sameKey: v.boolean() }),
  v.strictObject({ op: v.literal("user-remove"), by, name: nameField, purge: v.boolean() }),
  bare("user-list"),
  bare("sessions-list"),
  /** Those of a user, or the one with this number. */
  v.strictObject({ op: v.literal("sessions-end"), by, who: v.union([nameField, count]) }),
  bare("server-info"),
  bare("stats"),
  bare("reload"),
  v.strictObject({
    op: v.literal("announce"),
    by,
    subject: v.pipe(v.string(), v.check((text) => [...text].length <= MAX_TITLE)),
    text: v.pipe(v.string(), v.maxLength(MAX_ANNOUNCEMENT)),
    servers: v.optional(
      v.pipe(v.array(v.pipe(v.string(), v.maxLength(300))), v.minLength(1), v.maxLength(8)),
    ),
  }),
]);

/** A request of an operator's command. */
export type ControlRequest = v.InferOutput<typeof request>;
export type ControlOp = ControlRequest["op"];

const time = v.nullable(v.number());

const user = v.object({
  name: v.string(),
  fullName: v.nullable(v.string()),
  /** `invited` and `expired`: with a one-time password that is good still, or not any more. */
  state: v.picklist(["active", "invited", "expired", "disabled"]),
  /** When a one-time password ends, milliseconds since 1970. */
  expires: time,
  /** The fingerprint of the bound key, and since when it is bound. */
  key: v.nullable(v.string()),
  boundAt: time,
  /** When a machine of theirs was here last, and how many there are since the key was bound. */
  lastSeen: time,
  machines: count,
  entries: count,
  unseen: count,
  bytes: count,
  /** What `bytes` may come to; null for no limit. */
  quota: v.nullable(count),
  sessions: count,
});
/** A user, as an operator sees them. */
export type UserInfo = v.InferOutput<typeof user>;

const session = v.object({
  id: count,
  /** The number of the server where it is; null where there is one alone. */
  node: v.nullable(count),
  name: v.string(),
  from: v.string(),
  client: v.string(),
  /** Whether it began with a ticket. */
  resumed: v.boolean(),
  since: v.number(),
  /** When something came from the client last. */
  lastReceived: v.number(),
});
/** A session, as an operator sees it. */
export type SessionInfo = v.InferOutput<typeof session>;

const counts = v.record(v.string(), v.number());

const node = v.object({
  number: count,
  address: v.string(),
  version: v.string(),
  startedAt: v.number(),
  sessions: count,
  connections: count,
  /** Messages that it has stored. */
  stored: count,
  memory: count,
});

/** Those of several servers that did not answer, each with its address. */
const missing = v.array(v.string());

const stats = v.object({
  version: v.string(),
  deno: v.string(),
  startedAt: v.number(),
  address: v.string(),
  fingerprint: v.string(),
  users: count,
  sessions: count,
  online: count,
  handshakes: count,
  queues: counts,
  connections: count,
  rejected: counts,
  penalties: counts,
  logins: counts,
  requests: counts,
  refusals: counts,
  deliveries: counts,
  copies: count,
  messageBytes: count,
  network: counts,
  commits: v.object({
    count,
    writes: count,
    failed: count,
    lastFailure: v.nullable(v.string()),
  }),
  store: v.object({
    accounts: count,
    bound: count,
    entries: count,
    bytes: count,
    database: count,
    tickets: count,
    waiting: count,
  }),
  memory: count,
  /** Of several servers, each; empty where there is one alone. */
  nodes: v.array(node),
  missing,
});
/** The counters and gauges of a server, or of several in all. */
export type Stats = v.InferOutput<typeof stats>;

const server = v.object({
  /** Where people reach it, as far as it knows: `HOST:PORT`, best first. */
  addresses: v.array(v.string()),
  fingerprint: v.string(),
});
/** Which server this is. */
export type ServerInfo = v.InferOutput<typeof server>;

/** A setting that has another value in sealpost.toml now. */
const settingChange = v.object({ name: v.string(), from: v.string(), to: v.string() });

const results = {
  /** `existed`: mail or a key of an earlier user of that name is still there. */
  "user-add": v.object({ user, existed: v.boolean() }),
  "user-passwd": v.object({ user, ended: count }),
  "user-full-name": v.object({ user }),
  "user-disable": v.object({ user, ended: count }),
  "user-enable": v.object({ user, ended: count }),
  /** `key`: the one that was taken away, or that may be bound again. */
  "user-unbind": v.object({ user, ended: count, key: v.nullable(v.string()) }),
  /** `purged`: messages that were removed with the user; null if mail and key stay. */
  "user-remove": v.object({ name: v.string(), ended: count, purged: v.nullable(count) }),
  "user-list": v.object({ users: v.array(user) }),
  "sessions-list": v.object({ sessions: v.array(session), missing }),
  "sessions-end": v.object({ ended: count }),
  "server-info": server,
  "stats": stats,
  /** `applied`: settings in force from now on; `waiting`: those that are after a restart. */
  "reload": v.object({
    users: count,
    applied: v.array(settingChange),
    waiting: v.array(settingChange),
  }),
  /** `without`: users who have never connected. */
  "announce": v.object({ sent: count, without: v.array(v.string()) }),
} as const satisfies Record<ControlOp, v.GenericSchema>;

/** What the server answers to an `op`. */
export type ControlResult<O extends ControlOp> = v.InferOutput<typeof results[O]>;

const refusal = v.object({
  ok: v.literal(false),
  code: v.string(),
  message: v.pipe(v.string(), v.maxLength(2000)),
});

/** A request as a line. */
export function encodeControlRequest(request: ControlRequest): Bytes {
  return utf8(`${JSON.stringify(request)}\n`);
}

/** The request in a line. Throws `format`. */
export function decodeControlRequest(line: Bytes): ControlRequest {
  return parseJson(request, fromUtf8(line));
}

/** A result, or a refusal, as a line. */
export function encodeControlAnswer(
  answer: { readonly result: unknown } | { readonly code: ErrorCode; readonly message: string },
): Bytes {
  return utf8(`${JSON.stringify({ ok: "result" in answer, ...answer })}\n`);
}

const answered = v.variant("ok", [
  refusal,
  v.object({ ok: v.literal(true), result: v.unknown() }),
]);

/** The result in an answer's line; a refusal is thrown, with its code. Throws `protocol`. */
export function decodeControlAnswer<O extends ControlOp>(op: O, line: Bytes): ControlResult<O> {
  let answer: v.InferOutput<typeof answered>;
  try {
    answer = parseJson(answered, fromUtf8(line));
  } catch (error) {
    if (!isSealpostError(error, "format")) throw error;
    throw otherAnswer(error);
  }
  if (!answer.ok) throw new SealpostError(codeOf(answer.code), answer.message);
  const result = v.safeParse(results[op], answer.result);
  if (!result.success) throw otherAnswer();
  return result.output;
}

function otherAnswer(cause?: unknown): SealpostError {
  return new SealpostError(
    "protocol",
    "the server answered something else; it may be of another version: restart it",
    { cause },
  );
}

/** The codes that operations end with; any other is a defect. */
const CODES = [
  "busy",
  "config",
  "disk-full",
  "file-exists",
  "file-io",
  "format",
  "internal",
  "limit",
  "no-such-user",
  "timeout",
  "usage",
] as const satisfies readonly ErrorCode[];

function codeOf(code: string): ErrorCode {
  return CODES.find((known) => known === code) ?? "internal";
}

/**
 * The bytes up to the first newline, without it; the rest is ignored. Throws `limit` over
 * `max` bytes, `connection-lost` if the stream ends before.
 */
export async function readLine(stream: ByteStream, max: number): Promise<Bytes> {
  const chunks: Bytes[] = [];
  for (let length = 0;;) {
    const buffer = new Uint8Array(4096);
    const n = await stream.read(buffer);
    if (n === null) throw new SealpostError("connection-lost", "the connection ended early");
    const end = buffer.subarray(0, n).indexOf(10);
    const chunk = buffer.subarray(0, end < 0 ? n : end);
    length += chunk.length;
    if (length > max) throw new SealpostError("limit", `a line of more than ${max} bytes`);
    chunks.push(chunk);
    if (end >= 0) return concat(...chunks);
  }
}
