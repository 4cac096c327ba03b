import { defined } from "../crypto/defined.ts";
import * as v from "valibot";
import { type Bytes, fromBase64, fromUtf8, utf8 } from "../crypto/bytes.ts";
import { type ErrorCode, isSealpostError, SealpostError } from "../crypto/error.ts";
import {
  BUILT_IN_FOLDERS,
  FIRST_KEYWORD,
  FIRST_OWN_FOLDER,
  LAST_KEYWORD,
  MAX_FOLDER,
  NAMED_FLAGS,
} from "./entry.ts";
import {
  MAX_CHANGES,
  MAX_KEYS,
  MAX_MACHINES,
  MAX_MEMBERS,
  MAX_PACKAGE,
  MAX_PASSWORD,
  MAX_SHARED_RECORD,
  MAX_STANZAS,
  MAX_UIDS,
} from "./limits.ts";
import { RefusedError } from "./refused.ts";
import { MAX_LINKS } from "./rotation.ts";
import {
  checkJson,
  fingerprintField,
  fullNameField,
  headField,
  jsonOf,
  nameField,
  parseJson,
} from "./schema.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const uid = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const uids = v.pipe(v.array(uid), v.minLength(1), v.maxLength(MAX_UIDS));
/** The number of a folder of one's own. */
const ownFolder = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(FIRST_OWN_FOLDER),
  v.maxValue(MAX_FOLDER),
);
const folder = v.union([v.picklist(BUILT_IN_FOLDERS), ownFolder]);
/** The bit of a keyword of one's own. */
const keyword = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(FIRST_KEYWORD),
  v.maxValue(LAST_KEYWORD),
);
const flags = v.pipe(
  v.array(v.union([v.picklist(NAMED_FLAGS), keyword])),
  v.maxLength(LAST_KEYWORD + 1),
);
const epoch = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
/** 8 bytes, hexadecimal: a machine of a person. */
const machineId = epoch;
/** What the shared record says of folders, flags, mailboxes and machines, it says as requests do. */
export {
  epoch as epochField,
  flags as flagsField,
  folder as folderField,
  machineId as machineField,
};
/** 16 bytes, hexadecimal: known to whoever has the words of a link or a kit. */
export const secretId = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));
const packageSize = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_PACKAGE));
const messageId = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
);

/** 32 bytes, base64. */
const digest = fingerprintField;

/** Stores a sealed message in the mailboxes of all its recipients. Its bytes follow as data. */
export const deliverSchema = v.strictObject({
  op: v.literal("deliver"),
  /** The message's id, as in its header. */
  id: messageId,
  /** Size of the whole sealed message, bytes: envelope and body. */
  size: count,
  /** Everybody it goes to, with the fingerprint that the stanza is for. */
  recipients: v.pipe(
    v.array(v.strictObject({ name: nameField, fp: fingerprintField })),
    v.minLength(1),
    v.maxLength(MAX_STANZAS),
  ),
  /** Whether the sender keeps a copy in Sent. */
  copy: v.boolean(),
  /** How many bytes of it came with an upload that broke off: the data begin after them. */
  offset: v.optional(count),
  /** SHA-256 of the whole sealed message, base64; with `offset`. */
  digest: v.optional(digest),
});

/**
 * Stores a message that is sealed to oneself alone in a folder of one's own mailbox. Its bytes follow
 * as data.
 */
export const appendSchema = v.strictObject({
  op: v.literal("append"),
  id: messageId,
  size: count,
  folder,
  /** What counts as its arrival, milliseconds since 1970. */
  date: count,
  set: flags,
  offset: v.optional(count),
  digest: v.optional(digest),
});

/** What the server has of a message of one's own that may have been uploaded before. */
const upload = v.strictObject({ op: v.literal("upload"), id: messageId, size: count, digest });

/** Entries of one's mailbox, as data: `LP(entry)` each. */
const list = v.strictObject({
  op: v.literal("list"),
  folder: v.optional(folder),
  after: v.optional(count),
  before: v.optional(uid),
  order: v.picklist(["newest", "oldest"]),
  /** Entries without stanza, summary and note: for their flags and places. */
  brief: v.optional(v.boolean()),
  limit: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(200)),
});

/** One entry and its sealed body from `offset` on, as data: `LP(entry) ‖ body`. */
const fetch = v.strictObject({ op: v.literal("fetch"), uid, offset: v.optional(count) });

/** Sets and clears flags, and moves to `folder` if that is given. */
const flag = v.strictObject({
  op: v.literal("flag"),
  uids,
  set: flags,
  clear: flags,
  folder: v.optional(folder),
  /** Entries that have changed since this modification sequence are left alone. */
  unchangedSince: v.optional(count),
});

/** How every folder stands, as data: 40 bytes each, in the order of their numbers. */
const folders = v.strictObject({ op: v.literal("folders") });

/** Makes a folder of one's own, if it is not there. */
const folderMake = v.strictObject({ op: v.literal("folder-make"), folder: ownFolder });

/** Takes a folder of one's own away that has no entries. */
const folderDrop = v.strictObject({ op: v.literal("folder-drop"), folder: ownFolder });

/** What has changed since a modification sequence, as data: `LP(change)` each, oldest first. */
const changes = v.strictObject({
  op: v.literal("changes"),
  since: count,
  /** Entries with a UID from this one on come whole. */
  nextUid: uid,
  limit: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_CHANGES)),
});

/** The record that all machines of a person share, sealed, as data. */
const sharedGet = v.strictObject({ op: v.literal("shared-get") });

/** Puts another record in the place of the one with this version. Its bytes follow as data. */
export const sharedPutSchema = v.strictObject({
  op: v.literal("shared-put"),
  version: count,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(MAX_SHARED_RECORD)),
});

/** Removes entries for good. */
const remove = v.strictObject({ op: v.literal("remove"), uids });

/** The keys of other users. */
const keys = v.strictObject({
  op: v.literal("keys"),
  names: v.pipe(v.array(nameField), v.minLength(1), v.maxLength(MAX_KEYS)),
});

/**
 * The key log after record number `after`, as data: `LP(record)` each. At most
 * 10,000: for more, it is asked from the last one on.
 */
const log = v.strictObject({ op: v.literal("log"), after: count });
/** The own account. A client says with it which of the person's machines it is. */
const whoami = v.strictObject({ op: v.literal("whoami"), machine: v.optional(machineId) });

/** The machines of the person, as they were seen at logins. */
const machines = v.strictObject({ op: v.literal("machines") });

/** The members of the group after the one with this name, in the order of their names. */
const members = v.strictObject({ op: v.literal("members"), after: v.optional(nameField) });

/** Waits for another machine with the same words, whose first message comes as a {@linkcode LinkEvent}. */
const linkOpen = v.strictObject({ op: v.literal("link-open"), id: secretId });

/** Answers the machine that waits; the link is used by it. Its bytes follow as data. */
export const linkAnswerSchema = v.strictObject({
  op: v.literal("link-answer"),
  id: secretId,
  size: packageSize,
});

/** Ends a link; a machine that waits is told no. */
const linkClose = v.strictObject({ op: v.literal("link-close"), id: secretId });

/** Keeps a kit in the place of the one that is there, in a session that began with the password. */
export const kitPutSchema = v.strictObject({
  op: v.literal("kit-put"),
  id: secretId,
  size: packageSize,
});

/** Removes the kit, in a session that began with the password. */
const kitDrop = v.strictObject({ op: v.literal("kit-drop") });

const password = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_PASSWORD));

/**
 * A new password of one's own. All other sessions of the user end, and all tickets. While the password
 * is a one-time one, nothing but this and `whoami` is answered.
 */
const passwd = v.strictObject({ op: v.literal("passwd"), old: password, new: password });

/**
 * Ends all other sessions of the user, and all tickets. A session that is not the user's own doing is
 * over by this, and a ticket that somebody else has; the password stays.
 */
const logout = v.strictObject({ op: v.literal("logout"), everywhere: v.literal(true) });

/** Some bytes in canonical base64; their layout is checked by whoever decodes them. */
const base64 = v.pipe(v.string(), v.minLength(1), v.maxLength(4096), v.check(isBase64));

function isBase64(text: string): boolean {
  try {
    fromBase64(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The certificates with which the key `since` of `name` was left, and all that followed, oldest first;
 * at most {@linkcode MAX_LINKS}: for more, it is asked from the last one's new key on.
 */
const rotations = v.strictObject({
  op: v.literal("rotations"),
  name: nameField,
  since: fingerprintField,
});

/**
 * The certificates with which the server has left its key `since`, and all that followed, as
 * {@linkcode rotations}.
 */
const serverKeys = v.strictObject({ op: v.literal("server-keys"), since: fingerprintField });

/** Offers a new key with its certificate, in a session that began with a password. */
const rotateBegin = v.strictObject({
  op: v.literal("rotate-begin"),
  bundle: base64,
  certificate: base64,
});

/** Proves the new key, which is then the account's. All sessions of the user end, and all tickets. */
const rotate = v.strictObject({ op: v.literal("rotate"), proof: fingerprintField });

/** Every request; each is closed. */
export const requestSchema = v.variant("op", [
  deliverSchema,
  appendSchema,
  upload,
  list,
  changes,
  fetch,
  flag,
  remove,
  folders,
  folderMake,
  folderDrop,
  sharedGet,
  sharedPutSchema,
  keys,
  log,
  whoami,
  machines,
  members,
  linkOpen,
  linkAnswerSchema,
  linkClose,
  kitPutSchema,
  kitDrop,
  passwd,
  logout,
  rotations,
  serverKeys,
  rotateBegin,
  rotate,
]);

/** What a client asks. Unknown members are refused. */
export type Request = v.InferOutput<typeof requestSchema>;
export type DeliverRequest = v.InferOutput<typeof deliverSchema>;
export type AppendRequest = v.InferOutput<typeof appendSchema>;
export type SharedPutRequest = v.InferOutput<typeof sharedPutSchema>;
export type KitPutRequest = v.InferOutput<typeof kitPutSchema>;
/** A request whose data follow it. */
export type RequestWithData =
  | DeliverRequest
  | AppendRequest
  | SharedPutRequest
  | v.InferOutput<typeof linkAnswerSchema>
  | KitPutRequest;
export type ChangesRequest = v.InferOutput<typeof changes>;
export type UploadRequest = v.InferOutput<typeof upload>;
export type ListRequest = v.InferOutput<typeof list>;
export type PasswdRequest = v.InferOutput<typeof passwd>;
export type RotationsRequest = v.InferOutput<typeof rotations>;
export type RotateBeginRequest = v.InferOutput<typeof rotateBegin>;

/** The requests whose response is followed by data, unless they are refused. */
export const STREAMED_OPS = [
  "list",
  "changes",
  "fetch",
  "folders",
  "shared-get",
  "log",
] as const;
export type StreamedOp = typeof STREAMED_OPS[number];

/** The request in a frame's payload. Throws `format`. */
export function decodeRequest(payload: Bytes): Request {
  return parseJson(requestSchema, fromUtf8(payload));
}

/** The codes with which a server may refuse a request; in a session others are never sent. */
export const WIRE_ERRORS = [
  "busy",
  "cancelled",
  "disk-full",
  "file-io",
  "format",
  "id-conflict",
  "internal",
  "key-changed",
  "limit",
  "login-refused",
  "no-key",
  "no-such-message",
  "no-such-user",
  "protocol",
  "quota",
  "too-large",
  "too-old",
  "version-conflict",
] as const satisfies readonly ErrorCode[];
export type WireError = typeof WIRE_ERRORS[number];

/** Why something was refused, for a person. Whatever the peer made of it, it is a single line. */
const reason = v.pipe(
  v.string(),
  v.maxLength(1000),
  v.transform((text) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")),
);

/** Which limit was met, and when to try again; the message says the same to a person. */
const met = {
  /** The name of the server's setting, like `messages-per-minute`. */
  limit: v.optional(v.pipe(v.string(), v.regex(/^[a-z][a-z-]{0,63}$/))),
  /** Seconds from now; not there where waiting does not help. */
  retryAfter: v.optional(count),
};

const refusal = v.object({
  ok: v.literal(false),
  code: v.picklist(WIRE_ERRORS),
  message: reason,
  /** The user that the refusal is about, where there is one. */
  name: v.optional(nameField),
  ...met,
});

export const responses = {
  deliver: v.object({
    ok: v.literal(true),
    /** When it was stored, milliseconds since 1970. */
    at: count,
    /** Whether this id had been stored before: the first answer, again. */
    again: v.boolean(),
  }),
  append: v.object({
    ok: v.literal(true),
    at: count,
    again: v.boolean(),
    /** Where it went; not there if it was stored before. */
    uid: v.optional(uid),
    number: v.optional(uid),
    modseq: v.optional(uid),
  }),
  upload: v.object({
    ok: v.literal(true),
    /** From which byte on the upload may go on; 0: from the beginning. */
    offset: count,
    /** When this very message was stored, if it was: there is nothing to send. */
    at: v.optional(count),
  }),
  list: v.object({
    ok: v.literal(true),
    epoch,
    nextUid: uid,
    modseq: count,
  }),
  changes: v.object({
    ok: v.literal(true),
    epoch,
    nextUid: uid,
    /** The mailbox's modification sequence: the highest that was ever given. */
    modseq: count,
    /** Whether there are changes behind the last one that follows. */
    more: v.boolean(),
  }),
  folders: v.object({ ok: v.literal(true), epoch, nextUid: uid, modseq: count }),
  "folder-make": v.object({ ok: v.literal(true), validity: uid }),
  "folder-drop": v.object({ ok: v.literal(true) }),
  "shared-get": v.object({ ok: v.literal(true), version: count, size: count }),
  "shared-put": v.object({ ok: v.literal(true), version: uid }),
  fetch: v.object({ ok: v.literal(true), size: count }),
  flag: v.object({
    ok: v.literal(true),
    uids: v.array(uid),
    /** Those that have changed since `unchangedSince`, and were left alone. */
    modified: v.optional(v.array(uid)),
    modseq: count,
  }),
  remove: v.object({ ok: v.literal(true), uids: v.array(uid), modseq: count }),
  keys: v.object({
    ok: v.literal(true),
    keys: v.array(v.variant("state", [
      v.object({
        name: nameField,
        state: v.literal("bound"),
        bundle: v.string(),
        /** How many rotations led to it; none if not given. */
        seq: v.optional(count),
      }),
      v.object({ name: nameField, state: v.literal("no-key") }),
      v.object({ name: nameField, state: v.literal("unknown") }),
    ])),
    /** The key log at the moment at which it was so. */
    head: headField,
  }),
  log: v.object({
    ok: v.literal(true),
    /** The generation in which the log began, seconds since 1970. */
    first: count,
    /** The log at the moment at which it was read, with what follows and what was left for later. */
    head: headField,
  }),
  whoami: v.object({
    ok: v.literal(true),
    name: nameField,
    fp: fingerprintField,
    epoch,
    nextUid: uid,
    modseq: count,
    entries: count,
    unseen: count,
    /** Stored bytes of the mailbox. */
    bytes: count,
    /** What it may hold, bytes; not given where that is not bounded. */
    quota: v.optional(count),
    /** Whether the password is a one-time one, to be changed by `passwd` before all else. */
    change: v.optional(v.boolean()),
    /** How many rotations led to the bound key; none if not given. */
    seq: v.optional(count),
    /** The version of the shared record; none if not given. */
    shared: v.optional(uid),
    /** The kit that is kept: its id, when it was put and when it was fetched last, milliseconds since 1970. */
    kit: v.optional(v.object({ id: secretId, at: count, fetched: v.optional(count) })),
  }),
  machines: v.object({
    ok: v.literal(true),
    machines: v.pipe(
      v.array(v.object({
        id: machineId,
        /** When it was here first and last, milliseconds since 1970. */
        first: count,
        last: count,
        /** The host that it came from last. */
        source: reason,
        /** Whether it is here now. */
        online: v.boolean(),
      })),
      v.maxLength(MAX_MACHINES),
    ),
  }),
  members: v.object({
    ok: v.literal(true),
    members: v.pipe(
      v.array(v.object({
        name: nameField,
        /** As the operator wrote it. */
        fullName: v.optional(fullNameField),
        /** Since when they have an account, milliseconds since 1970. */
        since: count,
        /** Whether a key is bound, so that they can be written to. */
        bound: v.boolean(),
      })),
      v.maxLength(MAX_MEMBERS),
    ),
    /** Whether there are others after the last one. */
    more: v.boolean(),
  }),
  "link-open": v.object({ ok: v.literal(true) }),
  "link-answer": v.object({ ok: v.literal(true) }),
  "link-close": v.object({ ok: v.literal(true) }),
  "kit-put": v.object({ ok: v.literal(true), at: count }),
  "kit-drop": v.object({ ok: v.literal(true) }),
  passwd: v.object({ ok: v.literal(true) }),
  logout: v.object({
    ok: v.literal(true),
    /** How many other sessions were ended, and how many tickets. */
    sessions: count,
    tickets: count,
  }),
  rotations: v.object({
    ok: v.literal(true),
    links: v.pipe(
      v.array(v.object({ certificate: base64, bundle: base64 })),
      v.maxLength(MAX_LINKS),
    ),
  }),
  "server-keys": v.object({
    ok: v.literal(true),
    links: v.pipe(
      v.array(v.object({ certificate: base64, bundle: base64 })),
      v.maxLength(MAX_LINKS),
    ),
    /** The server's present key. */
    bundle: base64,
  }),
  /** What was encapsulated to the new key, use `rotate`. */
  "rotate-begin": v.object({ ok: v.literal(true), ctRsa: base64, ctMlkem: base64 }),
  rotate: v.object({ ok: v.literal(true) }),
};

export type Op = keyof typeof responses;
export type Response<O extends Op> = v.InferOutput<typeof responses[O]>;
export type Refusal = v.InferOutput<typeof refusal>;

/**
 * What `decode` reads of what a server sent. Throws `protocol` if it is malformed, never `format`: that would
 * read as the server's word that the request was.
 */
function fromServer<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!isSealpostError(error, "format")) throw error;
    throw new SealpostError("protocol", `the server sent ${error.message}`, { cause: error });
  }
}

/** The first member of every response: which of the two forms the others have. */
const outcome = v.object({ ok: v.boolean() });

/**
 * The response to an `op` in a frame's payload. Members it does not know are ignored. A refusal
 * is thrown, with its code; so is `protocol` for anything malformed.
 */
export function decodeResponse<O extends Op>(op: O, payload: Bytes): Response<O> {
  const [response, refused] = fromServer((): [Response<O>, null] | [null, Refusal] => {
    const value = jsonOf(fromUtf8(payload));
    return checkJson(outcome, value).ok
      ? [checkJson(responses[op], value), null]
      : [null, checkJson(refusal, value)];
  });
  if (refused) throw refusedError(refused);
  return response;
}

/** `value` if it is a refusal. Throws `format`. */
export function checkRefusal(value: unknown): Refusal {
  return checkJson(refusal, value);
}

/** What is thrown for a refusal of a request, or of a login. */
export function refusedError(
  { code, message, name, limit, retryAfter }: Omit<Refusal, "ok">,
): RefusedError {
  return new RefusedError(code, message, {
    ...defined({ about: name, limit, retryAfter }),
  });
}

/** A resumption ticket: its key never crosses the wire, both sides derive it. */
const ticket = v.object({
  /** 16 bytes, hexadecimal. */
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  /** When it ends, milliseconds since 1970. */
  expires: count,
});

const verdict = v.variant("ok", [
  v.object({
    ok: v.literal(true),
    /** Whether this login bound the account to the client's key. */
    bound: v.boolean(),
    name: nameField,
    fp: fingerprintField,
    ticket: v.optional(ticket),
    /** Whether the password was a one-time one, to be changed by `passwd` before all else. */
    change: v.optional(v.boolean()),
  }),
  v.object({
    ok: v.literal(false),
    code: v.picklist(WIRE_ERRORS),
    message: reason,
    ...met,
  }),
]);

/** Message F: the decision on a login, as the first record. */
export type Verdict = v.InferOutput<typeof verdict>;

/** Every verdict's record holds this many bytes of plaintext, so that none can be told by its size. */
export const VERDICT_SIZE = 1024;

/** The one answer to every failed login. */
export const LOGIN_REFUSED =
  "invalid username or password, or this account is bound to another key";

/** The verdict in a frame's payload. Throws `protocol`. */
export function decodeVerdict(payload: Bytes): Verdict {
  return fromServer(() => parseJson(verdict, fromUtf8(payload)));
}

const mailEvent = v.object({
  event: v.literal("mail"),
  uid,
  folder,
  number: uid,
  modseq: uid,
});
const changeEvent = v.object({ event: v.literal("change"), modseq: uid });
const sharedEvent = v.object({ event: v.literal("shared"), version: uid });
const headEvent = v.object({ event: v.literal("head"), head: headField });
const linkEvent = v.object({ event: v.literal("link"), id: secretId, post: base64 });
const anyEvent = v.object({ event: v.string() });
const ticketEvent = v.object({ event: v.literal("ticket"), ...ticket.entries });

/** A new entry of the own mailbox. */
export type MailEvent = v.InferOutput<typeof mailEvent>;
/** The next ticket, after the first record of a resumed connection. */
export type TicketEvent = v.InferOutput<typeof ticketEvent>;
/** Something in the mailbox was changed by another session, up to this modification sequence. */
export type ChangeEvent = v.InferOutput<typeof changeEvent>;
/** Another session has put this version of the shared record. */
export type SharedEvent = v.InferOutput<typeof sharedEvent>;
/** The server's key log, after every login. */
export type HeadEvent = v.InferOutput<typeof headEvent>;
/** A machine waits that knows the words of the link `id`, or says so with `post`. */
export type LinkEvent = v.InferOutput<typeof linkEvent>;
/** What a server says, without being asked, of what others did. A hint: nothing rests on it. */
export type NewsEvent = MailEvent | ChangeEvent | SharedEvent | LinkEvent;
/** What a server says without being asked, and this client acts on. */
export type Event = NewsEvent | TicketEvent | HeadEvent;

/**
 * The requests of this connection come faster than the server's setting `limit` allows: it reads them
 * more slowly. Nothing is refused. For clients that want to know; ours has nothing to do about it.
 */
export interface SlowedEvent {
  readonly event: "slowed";
  readonly limit: string;
}

/** An event; null for one of a kind that this version does not know. Throws `protocol`. */
export function decodeEvent(payload: Bytes): Event | null {
  return fromServer(() => {
    const value = jsonOf(fromUtf8(payload));
    switch (checkJson(anyEvent, value).event) {
      case "mail":
        return checkJson(mailEvent, value);
      case "change":
        return checkJson(changeEvent, value);
      case "shared":
        return checkJson(sharedEvent, value);
      case "link":
        return checkJson(linkEvent, value);
      case "ticket":
        return checkJson(ticketEvent, value);
      case "head":
        return checkJson(headEvent, value);
      default:
        return null;
    }
  });
}

/** The payload of a request, response or event. */
export function encodeJson(
  value: Request | Verdict | Event | SlowedEvent | Refusal | Response<Op>,
): Bytes {
  return utf8(JSON.stringify(value));
}
