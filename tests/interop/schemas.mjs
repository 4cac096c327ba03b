// @ts-check
// The schemas of sections 6, 9, 10 and 12.

import { fromBase64, fromUtf8, toBase64 } from "./bytes.mjs";
import { Failure } from "./error.mjs";
import { isName } from "./identity.mjs";

/** @typedef {import("./bytes.mjs").Bytes} Bytes */

/**
 * Gives the value with its type, or throws a `format` failure.
 *
 * @template T
 * @typedef {(value: unknown) => T} Read
 */

/** @param {string} what */
const misfit = (what) => new Failure("format", `JSON that does not fit: ${what}`);

/**
 * A value of JSON; `code` is that of the failure.
 *
 * @template T @param {Read<T>} read @param {Bytes} json @param {string} code @returns {T}
 */
export function readJson(read, json, code) {
  let value;
  try {
    value = JSON.parse(fromUtf8(json));
  } catch (cause) {
    throw new Failure(code, "not JSON", cause);
  }
  try {
    return read(value);
  } catch (cause) {
    throw new Failure(code, "JSON that does not fit its schema", cause);
  }
}

/** @type {Read<boolean>} */
const boolean = (value) => {
  if (typeof value !== "boolean") throw misfit("not a boolean");
  return value;
};

/** @param {number} min @param {number} [max] @returns {Read<number>} */
const integer = (min, max = Number.MAX_SAFE_INTEGER) => (value) => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw misfit("not an integer within its bounds");
  }
  return value;
};

const count = integer(0);
const uid = integer(1);

/** @param {(text: string) => boolean} [fits] @returns {Read<string>} */
const string = (fits = () => true) => (value) => {
  if (typeof value !== "string" || !fits(value)) throw misfit("not a string as it must be");
  return value;
};

/** @param {RegExp} pattern */
const matching = (pattern) => string((text) => pattern.test(text));

/** @template {string} T @param {...T} values @returns {Read<T>} */
const oneOf = (...values) => (value) => {
  const found = values.find((known) => known === value);
  if (found === undefined) throw misfit("not one of the known values");
  return found;
};

/** @template T @param {Read<T>} read @param {number} max @param {number} [min] @returns {Read<T[]>} */
const array = (read, max, min = 0) => (value) => {
  if (!Array.isArray(value) || value.length > max || value.length < min) {
    throw misfit("not an array of a size that fits");
  }
  return value.map((item) => read(item));
};

/** @template T @param {Read<T>} read @returns {Read<T | undefined>} */
const optional = (read) => (value) => value === undefined ? undefined : read(value);

/**
 * @template {Record<string, Read<unknown>>} S
 * @param {S} shape @param {boolean} closed
 * @returns {Read<{ [K in keyof S]: ReturnType<S[K]> }>}
 */
const object = (shape, closed) => (value) => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw misfit("not an object");
  }
  const members = new Map(Object.entries(value));
  for (const name of members.keys()) {
    if (closed && !Object.hasOwn(shape, name)) throw misfit("a member that is not known");
  }
  const entries = Object.entries(shape).map(([name, read]) => [name, read(members.get(name))]);
  return /** @type {{ [K in keyof S]: ReturnType<S[K]> }} */ (Object
    .fromEntries(entries));
};

/** @template {Record<string, Read<unknown>>} S @param {S} shape */
const openObject = (shape) => object(shape, false);
/** @template {Record<string, Read<unknown>>} S @param {S} shape */
const closedObject = (shape) => object(shape, true);

const name = string(isName);

/** The base64 of 32 bytes, as those. @type {Read<Bytes>} */
const fp = (value) => {
  const bytes = fromBase64(string()(value));
  if (bytes.length !== 32) throw misfit("not a fingerprint");
  return bytes;
};

/** A signed head of a key log. @type {Read<Bytes>} */
const logHead = (value) => {
  const bytes = fromBase64(string()(value));
  if (bytes.length !== 152) throw misfit("not a head of a key log");
  return bytes;
};

/** @type {Read<Bytes>} */
const base64 = (value) => fromBase64(string()(value));

const ownFolder = integer(16, 2 ** 32 - 1);
const builtInFolder = oneOf("inbox", "sent", "archive", "trash", "drafts");
/** @type {Read<string | number>} */
const folder = (value) => typeof value === "number" ? ownFolder(value) : builtInFolder(value);
const epoch = matching(/^[0-9a-f]{16}$/);
const printable = matching(/^[ -~]{0,64}$/);
const forPeople = string((text) => text.length <= 1000);
const ticketId = matching(/^[0-9a-f]{32}$/);
/** What a link or a kit is found by. */
const secretId = ticketId;
/** What a person is called: 3.1. */
const fullName = string((text) => {
  const parts = text.split(/[ \u200c\u200d]/);
  return [...text].length <= 100 &&
    parts.every((part) => /^[^\p{C}\p{Z}()<>[\]@:;,"\\]+$/u.test(part));
});
/** One of a person's machines. */
const machine = epoch;
const packageSize = integer(1, 4_198_400);

export const hello = openObject({
  server: printable,
  maxMessage: integer(0, 2 ** 40),
  maxRecipients: integer(1, 256),
});

/** 11.1. */
const code = oneOf(
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
);

const refusal = openObject({
  code,
  message: forPeople,
  name: optional(name),
  limit: optional(matching(/^[a-z][a-z-]{0,63}$/)),
  retryAfter: optional(count),
});

/** A verdict that accepts. */
export const verdict = openObject({
  ok: boolean,
  bound: boolean,
  name,
  fp,
  ticket: optional(openObject({ id: ticketId, expires: count })),
  change: optional(boolean),
});

const answered = openObject({ ok: boolean });

/** @typedef {ReturnType<typeof refusal>} Refusal */

/**
 * A verdict or response: what it grants, or why it does not. One that fits neither form throws
 * `protocol`.
 *
 * @template T @param {Read<T>} read @param {Bytes} json
 * @returns {{ granted: T } | { refused: Refusal }}
 */
export function readAnswer(read, json) {
  if (readJson(answered, json, "protocol").ok) return { granted: readJson(read, json, "protocol") };
  const refused = readJson(refusal, json, "protocol");
  const message = refused.message.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, " ");
  return { refused: { ...refused, message } };
}

/** @param {Refusal} refusal */
export const failureOf = ({ code, message }) => new Failure(code, `the server refuses: ${message}`);

const namedFlag = oneOf("seen", "answered", "flagged", "forwarded");
const keyword = integer(4, 62);
/** @type {Read<string | number>} */
const flag = (value) => typeof value === "number" ? keyword(value) : namedFlag(value);
const flags = array(flag, 63);
const uids = array(uid, 1000, 1);
const password = string((text) => text.length >= 1 && text.length <= 256);

const messageId = matching(
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
);

/** What a server takes, by `op` (section 10). */
const request = {
  deliver: closedObject({
    op: oneOf("deliver"),
    id: messageId,
    size: count,
    recipients: array(closedObject({ name, fp }), 256, 1),
    copy: boolean,
  }),
  list: closedObject({
    op: oneOf("list"),
    folder: optional(folder),
    after: optional(count),
    before: optional(uid),
    order: oneOf("newest", "oldest"),
    brief: optional(boolean),
    limit: integer(1, 200),
  }),
  fetch: closedObject({ op: oneOf("fetch"), uid, offset: optional(count) }),
  flag: closedObject({
    op: oneOf("flag"),
    uids,
    set: flags,
    clear: flags,
    folder: optional(folder),
    unchangedSince: optional(count),
  }),
  append: closedObject({
    op: oneOf("append"),
    id: messageId,
    size: count,
    folder,
    date: count,
    set: flags,
    offset: optional(count),
    digest: optional(fp),
  }),
  changes: closedObject({
    op: oneOf("changes"),
    since: count,
    nextUid: uid,
    limit: integer(1, 1000),
  }),
  folders: closedObject({ op: oneOf("folders") }),
  "folder-make": closedObject({ op: oneOf("folder-make"), folder: ownFolder }),
  "folder-drop": closedObject({ op: oneOf("folder-drop"), folder: ownFolder }),
  "shared-get": closedObject({ op: oneOf("shared-get") }),
  "shared-put": closedObject({
    op: oneOf("shared-put"),
    version: count,
    size: integer(1, 2 ** 21),
  }),
  remove: closedObject({ op: oneOf("remove"), uids }),
  keys: closedObject({ op: oneOf("keys"), names: array(name, 12, 1) }),
  log: closedObject({ op: oneOf("log"), after: count }),
  "server-keys": closedObject({ op: oneOf("server-keys"), since: fp }),
  whoami: closedObject({ op: oneOf("whoami"), machine: optional(machine) }),
  machines: closedObject({ op: oneOf("machines") }),
  members: closedObject({ op: oneOf("members"), after: optional(name) }),
  "link-open": closedObject({ op: oneOf("link-open"), id: secretId }),
  "link-answer": closedObject({ op: oneOf("link-answer"), id: secretId, size: packageSize }),
  "link-close": closedObject({ op: oneOf("link-close"), id: secretId }),
  "kit-put": closedObject({ op: oneOf("kit-put"), id: secretId, size: packageSize }),
  "kit-drop": closedObject({ op: oneOf("kit-drop") }),
  passwd: closedObject({ op: oneOf("passwd"), old: password, new: password }),
};

const named = openObject({ op: string() });

/** Any request. Throws `format`. @param {Bytes} json */
export function readRequest(json) {
  const { op } = readJson(named, json, "format");
  const [, read] = Object.entries(request).find(([known]) => known === op) ?? [];
  if (read === undefined) throw misfit("an op that is not known");
  return readJson(/** @type {Read<unknown>} */ (read), json, "format");
}

const keySchema = openObject({
  state: oneOf("bound", "no-key", "unknown"),
  name,
  bundle: optional(base64),
  seq: optional(count),
});

/** One of the keys that were asked for. @type {typeof keySchema} */
const keyOf = (value) => {
  const key = keySchema(value);
  if (key.state === "bound" && key.bundle === undefined) throw misfit("a bound key is missing");
  return key;
};

export const response = {
  deliver: openObject({ at: count, again: boolean }),
  append: openObject({
    at: count,
    again: boolean,
    uid: optional(uid),
    number: optional(uid),
    modseq: optional(uid),
  }),
  list: openObject({ epoch, nextUid: uid, modseq: count }),
  changes: openObject({ epoch, nextUid: uid, modseq: count, more: boolean }),
  folders: openObject({ epoch, nextUid: uid, modseq: count }),
  "folder-make": openObject({ validity: uid }),
  "folder-drop": openObject({}),
  "shared-get": openObject({ version: count, size: count }),
  "shared-put": openObject({ version: uid }),
  fetch: openObject({ size: count }),
  flag: openObject({
    uids: array(uid, 1000),
    modified: optional(array(uid, 1000)),
    modseq: count,
  }),
  remove: openObject({ uids: array(uid, 1000), modseq: count }),
  keys: openObject({ keys: array(keyOf, 12), head: logHead }),
  log: openObject({ first: count, head: logHead }),
  "server-keys": openObject({
    links: array(openObject({ certificate: base64, bundle: base64 }), 16),
    bundle: base64,
  }),
  whoami: openObject({
    name,
    fp,
    epoch,
    nextUid: uid,
    modseq: count,
    entries: count,
    unseen: count,
    bytes: count,
    quota: optional(count),
    change: optional(boolean),
    kit: optional(openObject({ id: secretId, at: count, fetched: optional(count) })),
  }),
  machines: openObject({
    machines: array(
      openObject({
        id: machine,
        first: count,
        last: count,
        source: forPeople,
        online: boolean,
      }),
      100,
    ),
  }),
  members: openObject({
    members: array(
      openObject({ name, fullName: optional(fullName), since: count, bound: boolean }),
      100,
    ),
    more: boolean,
  }),
  "link-open": openObject({}),
  "link-answer": openObject({}),
  "link-close": openObject({}),
  "kit-put": openObject({ at: count }),
  "kit-drop": openObject({}),
  // Those of a visit (5.3).
  "link-post": openObject({ size: packageSize }),
  "kit-get": openObject({ size: packageSize }),
  passwd: openObject({}),
};

/** What is in a package for another machine (16.8). */
export const devicePackage = closedObject({
  version: integer(1, 1),
  name,
  servers: array(matching(/^.+:[0-9]{1,5}$/), 8, 1),
  chain: array(base64, 1000, 1),
  bundle: base64,
  key: string((text) => text.length <= 65_536),
  retired: array(closedObject({ short: matching(/^[0-9a-f]{8}$/), pem: string() }), 1000),
  record: base64,
  seen: count,
  head: logHead,
});

const event = openObject({ event: string() });
const mailEvent = openObject({
  event: oneOf("mail"),
  uid,
  folder,
  number: uid,
  modseq: uid,
});
const changeEvent = openObject({ event: oneOf("change"), modseq: uid });
const sharedEvent = openObject({ event: oneOf("shared"), version: uid });
const headEvent = openObject({ event: oneOf("head"), head: logHead });
const linkEvent = openObject({ event: oneOf("link"), id: secretId, post: base64 });
const ticketEvent = openObject({ event: oneOf("ticket"), id: ticketId, expires: count });

/** An event; null if it is of a kind that is not known. @param {Bytes} json */
export function readEvent(json) {
  const kind = readJson(event, json, "protocol").event;
  if (kind === "mail") return readJson(mailEvent, json, "protocol");
  if (kind === "change") return readJson(changeEvent, json, "protocol");
  if (kind === "shared") return readJson(sharedEvent, json, "protocol");
  if (kind === "link") return readJson(linkEvent, json, "protocol");
  if (kind === "ticket") return readJson(ticketEvent, json, "protocol");
  if (kind === "head") return readJson(headEvent, json, "protocol");
  return null;
}

const person = closedObject({ name, fp });

const headerText = string((text) => [...text].length <= 998);

/** Who has written an announcement: no user's name (12.9). */
export const OPERATOR = "the operator";

const summaryFields = closedObject({
  from: closedObject({ name: string((text) => isName(text) || text === OPERATOR), fp }),
  to: array(person, 256),
  cc: array(person, 256),
  subject: string((text) => [...text].length <= 100),
  date: count,
  head: logHead,
  size: count,
  attachmentCount: count,
  attachments: array(closedObject({ name: string(), size: count }), Infinity),
  inReplyTo: optional(matching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)),
  messageId: optional(headerText),
  references: optional(array(headerText, 100)),
  replyTo: optional(headerText),
  fullName: optional(fullName),
  type: optional(string((text) => [...text].length <= 200)),
  stored: optional(closedObject({
    kind: oneOf("draft", "import", "saved"),
    from: headerText,
    source: optional(fp),
  })),
  servers: optional(array(string(), 8, 1)),
});

/** 12.6. @param {unknown} value */
export function summary(value) {
  const read = summaryFields(value);
  if (read.servers !== undefined && read.from.name !== OPERATOR) {
    throw misfit("addresses that are not in an announcement");
  }
  return read;
}

export const note = closedObject({ bcc: array(person, 256) });

/** @typedef {ReturnType<typeof summary>} Summary */
/** @typedef {ReturnType<typeof person>} Person */

/** Fingerprints as JSON has them. @param {unknown} value @returns {Bytes} */
export function writeJson(value) {
  const text = JSON.stringify(
    value,
    (_, member) => member instanceof Uint8Array ? toBase64(member) : member,
  );
  return new TextEncoder().encode(text);
}

/** @param {unknown} value @param {number} levels @returns {boolean} */
const isShallow = (value, levels) =>
  typeof value !== "object" || value === null ||
  levels > 0 && Object.values(value).every((one) => isShallow(one, levels - 1));

/** @param {number} max */
const filled = (max) => string((text) => text.length >= 1 && text.length <= max);
/** 10.15. */
const anyRecord = closedObject({
  machines: array(closedObject({ id: machine, name: filled(100), put: uid }), 100),
  entries: array(
    closedObject({
      k: filled(200),
      v: (value) => {
        if (!isShallow(value, 32)) throw misfit("a value that is too deep");
        return value;
      },
      n: uid,
      m: machine,
      p: optional(uid),
      t: optional(count),
    }),
    Infinity,
  ),
  forgotten: optional(uid),
});
/** 10.15. @type {typeof anyRecord} */
export const sharedRecord = (value) => {
  const record = anyRecord(value);
  for (const { v, p, t } of record.entries) {
    if ((p === undefined) !== (t === undefined) || v !== undefined && p !== undefined) {
      throw misfit("when something was removed");
    }
  }
  return record;
};
