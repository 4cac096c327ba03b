import type { JsonFile, JsonKind } from "./files.ts";

const ID = "019ab5c0-0000-7000-8000-000000000001";
const FP = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const HEAD = `${"A".repeat(203)}=`;
const EPOCH = "0123456789abcdef";

type Valid = JsonFile["valid"][number];
type Malformed = JsonFile["malformed"][number];

function valid(as: JsonKind, name: string, value: unknown, text = JSON.stringify(value)): Valid {
  return { name, as, text, value };
}

function malformed(as: JsonKind, name: string, why: string, value: unknown): Malformed {
  const error = as === "hello" || as === "request" ? "format" : "protocol";
  return { name, why, error, as, text: typeof value === "string" ? value : JSON.stringify(value) };
}

export function makeJson(): JsonFile {
  return {
    valid: [...validRequests(), ...validAnswers()],
    malformed: [...malformedRequests(), ...malformedAnswers()],
  };
}

const append = {
  op: "append",
  id: ID,
  size: 5000,
  folder: "drafts",
  date: 1_795_305_600_000,
  set: ["seen", 4],
};
const changes = { op: "changes", since: 0, nextUid: 1, limit: 1000 };

/** Folders of one's own, keywords, changes, and the shared record. */
function validOfMailboxes(): Valid[] {
  const state = { ok: true, epoch: EPOCH, nextUid: 9, modseq: 12 };
  return [
    valid("request", "append", append),
    valid("request", "append to a folder of one's own", { ...append, folder: 2 ** 32 - 1 }),
    valid("request", "flag with keywords", {
      op: "flag",
      uids: [1],
      set: ["forwarded", 4, 62],
      clear: [],
      folder: 16,
      unchangedSince: 0,
    }),
    valid("request", "changes", changes),
    valid("request", "folders", { op: "folders" }),
    valid("request", "folder-make", { op: "folder-make", folder: 16 }),
    valid("request", "folder-drop", { op: "folder-drop", folder: 16 }),
    valid("request", "shared-get", { op: "shared-get" }),
    valid("request", "shared-put", { op: "shared-put", version: 0, size: 2_097_152 }),
    valid("response to append", "append", {
      ok: true,
      at: 5,
      again: false,
      uid: 8,
      number: 2,
      modseq: 12,
    }),
    valid("response to append", "append again", { ok: true, at: 5, again: true }),
    valid("response to flag", "flag with some left alone", {
      ok: true,
      uids: [1],
      modified: [2],
      modseq: 12,
    }),
    valid("response to changes", "changes", { ...state, more: true }),
    valid("response to folders", "folders", state),
    valid("response to folder-make", "folder-make", { ok: true, validity: 2 ** 32 - 1 }),
    valid("response to folder-drop", "folder-drop", { ok: true }),
    valid("response to shared-get", "shared-get", { ok: true, version: 0, size: 0 }),
    valid("response to shared-put", "shared-put", { ok: true, version: 1 }),
    ...validOfMachines(),
    valid("event", "change", { event: "change", modseq: 1 }),
    valid("event", "shared", { event: "shared", version: 1 }),
  ];
}

const SECRET = "00112233445566778899aabbccddeeff";

/** Machines, links and kits. */
function validOfMachines(): Valid[] {
  const whoami = { ok: true, name: "alice", fp: FP, epoch: EPOCH, nextUid: 1, modseq: 0 };
  const kit = { id: SECRET, at: 5 };
  const counts = { entries: 0, unseen: 0, bytes: 0 };
  return [
    valid("request", "whoami of a machine", { op: "whoami", machine: EPOCH }),
    valid("request", "machines", { op: "machines" }),
    valid("request", "link-open", { op: "link-open", id: SECRET }),
    valid("request", "link-answer", { op: "link-answer", id: SECRET, size: 4_198_400 }),
    valid("request", "link-close", { op: "link-close", id: SECRET }),
    valid("request", "kit-put", { op: "kit-put", id: SECRET, size: 1 }),
    valid("request", "kit-drop", { op: "kit-drop" }),
    valid("response to whoami", "whoami with a kit", { ...whoami, ...counts, kit }),
    valid("response to whoami", "whoami with a kit that was fetched", {
      ...whoami,
      ...counts,
      kit: { ...kit, fetched: 6 },
    }),
    valid("response to machines", "machines", {
      ok: true,
      machines: [{ id: EPOCH, first: 1, last: 2, source: "::1", online: false }],
    }),
    valid("response to link-open", "link-open", { ok: true }),
    valid("response to link-answer", "link-answer", { ok: true }),
    valid("response to link-close", "link-close", { ok: true }),
    valid("response to kit-put", "kit-put", { ok: true, at: 5 }),
    valid("response to kit-drop", "kit-drop", { ok: true }),
    valid("event", "link", { event: "link", id: SECRET, post: "AAAA" }),
  ];
}

function malformedOfMachines(): Malformed[] {
  const request = (name: string, why: string, value: unknown) =>
    malformed("request", name, why, value);
  return [
    request("whoami-machine", "a machine of 7 bytes", { op: "whoami", machine: EPOCH.slice(2) }),
    request("link-open-capital", "an id in capitals", {
      op: "link-open",
      id: SECRET.toUpperCase(),
    }),
    request("link-answer-large", "4,198,401 bytes", {
      op: "link-answer",
      id: SECRET,
      size: 4_198_401,
    }),
    request("kit-put-empty", "nothing", { op: "kit-put", id: SECRET, size: 0 }),
    malformed("event", "link-no-post", "nothing of the other machine", {
      event: "link",
      id: SECRET,
    }),
  ];
}

function malformedOfMailboxes(): Malformed[] {
  const request = (name: string, why: string, value: unknown) =>
    malformed("request", name, why, value);
  return [
    ...malformedOfMachines(),
    request("append-folder-15", "a folder that nobody has", { ...append, folder: 15 }),
    request("append-folder-2-32", "a folder of 2^32", { ...append, folder: 2 ** 32 }),
    request("append-no-date", "no date", { ...append, date: undefined }),
    request("append-recipients", "a member of deliver", { ...append, recipients: [] }),
    request("changes-limit-1001", "a limit of 1001", { ...changes, limit: 1001 }),
    request("changes-uid-0", "a next UID of 0", { ...changes, nextUid: 0 }),
    request("folder-make-inbox", "a folder that everybody has", {
      op: "folder-make",
      folder: "inbox",
    }),
    request("folder-drop-4", "a number that everybody has", { op: "folder-drop", folder: 4 }),
    request("shared-put-size-0", "nothing", { op: "shared-put", version: 0, size: 0 }),
    request("shared-put-large", "2,097,153 bytes", {
      op: "shared-put",
      version: 0,
      size: 2_097_153,
    }),
    malformed("response to shared-put", "shared-put-0", "version 0", { ok: true, version: 0 }),
    malformed("event", "change-0", "modification sequence 0", { event: "change", modseq: 0 }),
    malformed("event", "shared-none", "no version", { event: "shared" }),
  ];
}

/** What came to the protocol after json.json was made: passwords that change, limits that are named. */
export function makeJsonAdditions(): JsonFile {
  const passwd = { op: "passwd", old: "one-time", new: "a password of one's own" };
  const refused = { ok: false, code: "busy", message: "too many" };
  const limits = { limit: "max-connections-per-user", retryAfter: 60 };
  const accepted = { ok: true, bound: true, name: "alice", fp: FP };
  const whoami = { ok: true, name: "alice", fp: FP, epoch: EPOCH, nextUid: 1, modseq: 0 };
  const counts = { entries: 0, unseen: 0, bytes: 0 };
  const slowed = { event: "slowed", limit: "requests-per-second" };
  const request = (name: string, why: string, value: unknown) =>
    malformed("request", name, why, value);
  const refusal = (name: string, why: string, more: object) =>
    malformed("response to passwd", name, why, { ...refused, ...more });
  return {
    valid: [
      valid("request", "passwd", passwd),
      valid("request", "passwd of the longest", {
        op: "passwd",
        old: "x",
        new: "\u{1F511}".repeat(128),
      }),
      valid("response to passwd", "passwd", { ok: true }),
      valid("response to whoami", "whoami with a one-time password", {
        ...whoami,
        ...counts,
        change: true,
      }),
      valid("verdict", "accepted, with a one-time password", { ...accepted, change: true }),
      valid("verdict", "accepted, with a password that is not", { ...accepted, change: false }),
      valid("verdict", "refused, with a limit", { ...refused, ...limits }),
      valid("verdict", "refused, with a limit and nothing to wait for", {
        ...refused,
        limit: "max-guesses",
      }),
      valid("event", "slowed", null, JSON.stringify(slowed)),
      ...validOfMailboxes(),
    ],
    malformed: [
      ...malformedOfMailboxes(),
      request("passwd-old-empty", "an old password of no characters", { ...passwd, old: "" }),
      request("passwd-new-empty", "a new password of no characters", { ...passwd, new: "" }),
      request("passwd-new-long", "a new password of 257 UTF-16 units", {
        ...passwd,
        new: "x".repeat(257),
      }),
      request("passwd-no-old", "no old password", { op: "passwd", new: "x" }),
      request("passwd-no-new", "no new password", { op: "passwd", old: "x" }),
      request("passwd-number", "a password that is a number", { ...passwd, new: 12345678 }),
      request("passwd-more", "a member that is not known", { ...passwd, name: "bob" }),
      malformed("response to passwd", "passwd-ok", "no ok", {}),
      refusal("limit-capital", "a limit in capitals", { limit: "Quota" }),
      refusal("limit-empty", "a limit without a name", { limit: "" }),
      refusal("limit-dash", "a limit that begins with a hyphen", { limit: "-quota" }),
      refusal("limit-long", "a limit of 65 characters", { limit: "x".repeat(65) }),
      refusal("retry-negative", "a wait below 0", { retryAfter: -1 }),
      refusal("retry-fraction", "a wait of half a second", { retryAfter: 0.5 }),
      refusal("retry-null", "null is not the same as nothing", { retryAfter: null }),
      refusal("refused-name", "a name that is not canonical", { name: "Bob" }),
      malformed("verdict", "verdict-limit", "a limit with a blank", {
        ...refused,
        limit: "max guesses",
      }),
      malformed("verdict", "verdict-retry", "a wait that is a string", {
        ...refused,
        retryAfter: "60",
      }),
      malformed("verdict", "verdict-change", "change is 1", { ...accepted, change: 1 }),
      malformed("response to whoami", "whoami-change", "change is null", {
        ...whoami,
        ...counts,
        change: null,
      }),
    ],
  };
}

const deliver = {
  op: "deliver",
  id: ID,
  size: 12345,
  recipients: [{ name: "bob", fp: FP }],
  copy: true,
};
const list = { op: "list", order: "newest", limit: 100 };

function validRequests(): Valid[] {
  return [
    valid("request", "deliver", deliver),
    valid("request", "list with everything", {
      ...list,
      folder: "inbox",
      after: 0,
      before: 1,
      brief: true,
      limit: 200,
    }),
    valid("request", "list with little", list),
    valid(
      "request",
      "numbers in another spelling",
      list,
      '{"op":"list","order":"newest","limit":1.0e2}',
    ),
    valid("request", "escapes and blanks", { op: "whoami" }, ' {\n"\\u006fp" : "who\\u0061mi" }\t'),
    valid(
      "request",
      "the last of two members",
      { op: "fetch", uid: 2 },
      '{"op":"fetch","uid":1,"uid":2}',
    ),
    valid("request", "fetch", { op: "fetch", uid: 2 ** 53 - 1, offset: 0 }),
    valid("request", "flag", {
      op: "flag",
      uids: [1, 2, 3],
      set: ["seen"],
      clear: ["answered", "flagged"],
      folder: "archive",
    }),
    valid("request", "remove", { op: "remove", uids: [7] }),
    valid("request", "keys", { op: "keys", names: ["bob", "0", `a${"._-".repeat(10)}z`] }),
  ];
}

function validAnswers(): Valid[] {
  const whoami = {
    ok: true,
    name: "alice",
    fp: FP,
    epoch: EPOCH,
    nextUid: 1,
    modseq: 0,
    entries: 0,
    unseen: 0,
    bytes: 0,
  };
  const mail = { event: "mail", uid: 1, folder: "sent", number: 2, modseq: 3 };
  const hello = { server: "sealpost/1.0.0", maxMessage: 0, maxRecipients: 256 };
  const ticket = { id: "00112233445566778899aabbccddeeff", expires: 1_795_305_600_000 };
  const accepted = { ok: true, bound: false, name: "alice", fp: FP };
  const more = (value: object) => JSON.stringify({ ...value, later: [{}] });
  return [
    valid("hello", "hello", hello),
    valid("hello", "hello with a member that is not known", hello, more(hello)),
    valid("response to deliver", "deliver", { ok: true, at: 1_795_305_600_000, again: false }),
    valid("response to list", "list", {
      ok: true,
      epoch: EPOCH,
      nextUid: 2 ** 53 - 1,
      modseq: 0,
    }),
    valid("response to fetch", "fetch", { ok: true, size: 0 }),
    valid("response to flag", "flag", { ok: true, uids: [], modseq: 0 }),
    valid("response to remove", "remove", { ok: true, uids: [1], modseq: 4 }),
    valid("response to keys", "keys", {
      ok: true,
      keys: [
        { name: "bob", state: "bound", bundle: "AAAA" },
        { name: "carol", state: "no-key" },
        { name: "dave", state: "unknown" },
      ],
      head: HEAD,
    }),
    valid("response to log", "log", { ok: true, first: 1_760_000_000, head: HEAD }),
    valid("request", "log", { op: "log", after: 0 }),
    valid("event", "head", { event: "head", head: HEAD }),
    valid("response to whoami", "whoami", whoami),
    valid("response to whoami", "whoami with a member that is not known", whoami, more(whoami)),
    valid("verdict", "accepted", accepted),
    valid("verdict", "accepted, with a ticket", { ...accepted, ticket }),
    valid("verdict", "refused", {
      ok: false,
      code: "login-refused",
      message: "invalid username or password, or this account is bound to another key",
    }),
    valid("event", "mail", mail),
    valid("event", "mail with a member that is not known", mail, more(mail)),
    valid("event", "ticket", { event: "ticket", ...ticket }),
    valid("event", "an event that is not known", null, '{"event":"later","x":1}'),
  ];
}

function malformedRequests(): Malformed[] {
  const of = (name: string, why: string, value: unknown) => malformed("request", name, why, value);
  return [
    of("not-json", "not JSON", "{"),
    of("empty", "no text at all", ""),
    of("two-values", "something after the value", '{"op":"whoami"}{}'),
    of("bom", "a byte order mark", '\uFEFF{"op":"whoami"}'),
    of("comma", "a comma too many", '{"op":"whoami",}'),
    of("null", "null", null),
    of("array", "an array", [{ op: "whoami" }]),
    of("no-op", "no op", {}),
    of("op-unknown", "an op that there is not", { op: "reboot" }),
    of("op-number", "op is a number", { op: 1 }),
    of("op-capital", "op in capitals", { op: "WHOAMI" }),
    of("proto", "a member that is not known", '{"op":"whoami","__proto__":{}}'),
    of("deliver-more", "a member that is not known", { ...deliver, priority: 1 }),
    of("deliver-id-v4", "an id of version 4", { ...deliver, id: ID.replace("-7", "-4") }),
    of("deliver-id-variant", "an id of another variant", {
      ...deliver,
      id: ID.replace("-8", "-c"),
    }),
    of("deliver-id-capital", "an id in capitals", { ...deliver, id: ID.toUpperCase() }),
    of("deliver-size-negative", "a size below 0", { ...deliver, size: -1 }),
    of("deliver-size-large", "a size of 2^53", { ...deliver, size: 2 ** 53 }),
    of("deliver-size-text", "a size that is a string", { ...deliver, size: "1" }),
    of("deliver-nobody", "no recipients", { ...deliver, recipients: [] }),
    of("deliver-name", "a name that is not canonical", {
      ...deliver,
      recipients: [{ name: "Bob", fp: FP }],
    }),
    of("deliver-fp-short", "a fingerprint of 31 bytes", {
      ...deliver,
      recipients: [{ name: "bob", fp: `${FP.slice(0, 40)}Hg==` }],
    }),
    of("deliver-fp-stray", "a fingerprint that no encoder writes", {
      ...deliver,
      recipients: [{ name: "bob", fp: FP.replace("8=", "9=") }],
    }),
    of("deliver-recipient-more", "a member of a recipient that is not known", {
      ...deliver,
      recipients: [{ name: "bob", fp: FP, bcc: true }],
    }),
    of("deliver-copy", "copy is 1", { ...deliver, copy: 1 }),
    of("deliver-no-copy", "no copy", { ...deliver, copy: undefined }),
    of("list-limit-0", "a limit of 0", { ...list, limit: 0 }),
    of("list-limit-201", "a limit of 201", { ...list, limit: 201 }),
    of("list-folder", "a folder that there is not", { ...list, folder: "spam" }),
    of("list-before-0", "before UID 0", { ...list, before: 0 }),
    of("list-order", "an order that there is not", { ...list, order: "random" }),
    of("list-folder-null", "null is not the same as nothing", { ...list, folder: null }),
    of("fetch-uid-0", "UID 0", { op: "fetch", uid: 0 }),
    of("fetch-uid-fraction", "UID 1.5", { op: "fetch", uid: 1.5 }),
    of("fetch-offset", "an offset below 0", { op: "fetch", uid: 1, offset: -1 }),
    of("flag-none", "no UIDs", { op: "flag", uids: [], set: [], clear: [] }),
    of("flag-unknown", "a flag that there is not", {
      op: "flag",
      uids: [1],
      set: ["deleted"],
      clear: [],
    }),
    of("flag-64", "64 flags", {
      op: "flag",
      uids: [1],
      set: Array.from({ length: 64 }, () => "seen"),
      clear: [],
    }),
    of("flag-bit-3", "a keyword in the place of a named flag", {
      op: "flag",
      uids: [1],
      set: [3],
      clear: [],
    }),
    of("flag-bit-63", "a bit that there is not", { op: "flag", uids: [1], set: [63], clear: [] }),
    of("remove-1001", "1001 UIDs", { op: "remove", uids: Array.from({ length: 1001 }, () => 1) }),
    of("keys-none", "no names", { op: "keys", names: [] }),
    of("keys-13", "13 names", { op: "keys", names: Array.from({ length: 13 }, () => "a") }),
    of("log-no-after", "no number", { op: "log" }),
    of("keys-path", "a name with a slash", { op: "keys", names: ["../bob"] }),
  ];
}

function malformedAnswers(): Malformed[] {
  const refused = { ok: false, code: "limit", message: "no" };
  const accepted = { ok: true, bound: true, name: "alice", fp: FP };
  const mail = { event: "mail", uid: 1, folder: "inbox", number: 2, modseq: 3 };
  return [
    malformed("hello", "hello-array", "an array", []),
    malformed("hello", "hello-control", "an escape sequence in `server`", {
      server: "\x1b[2J",
      maxMessage: 1,
      maxRecipients: 1,
    }),
    malformed("response to deliver", "ok-text", 'ok is "true"', {
      ok: "true",
      at: 1,
      again: false,
    }),
    malformed("response to deliver", "no-again", "no `again`", { ok: true, at: 1 }),
    malformed("response to deliver", "of-another", "the response to a fetch", {
      ok: true,
      size: 1,
    }),
    malformed("response to deliver", "response-not-json", "not JSON", "ok"),
    malformed("response to deliver", "code-unknown", "a code that is never sent", {
      ...refused,
      code: "authentication",
    }),
    malformed("response to deliver", "message-long", "a message of 1001 characters", {
      ...refused,
      message: "x".repeat(1001),
    }),
    malformed("response to deliver", "no-message", "no message", { ok: false, code: "limit" }),
    malformed("response to list", "epoch-capital", "an epoch in capitals", {
      ok: true,
      epoch: EPOCH.toUpperCase(),
      nextUid: 1,
    }),
    malformed("response to list", "next-uid-0", "the next UID is 0", {
      ok: true,
      epoch: EPOCH,
      nextUid: 0,
    }),
    malformed("response to fetch", "size-large", "a size of 2^53", { ok: true, size: 2 ** 53 }),
    malformed("response to flag", "uids-object", "uids is an object", { ok: true, uids: {} }),
    malformed("response to keys", "no-bundle", "a bound key without a bundle", {
      ok: true,
      keys: [{ name: "bob", state: "bound" }],
      head: HEAD,
    }),
    malformed("response to keys", "no-head", "no head of the key log", { ok: true, keys: [] }),
    malformed("event", "head-short", "a head of 151 bytes", {
      event: "head",
      head: `${"A".repeat(202)}==`,
    }),
    malformed("response to keys", "state", "a state that there is not", {
      ok: true,
      keys: [{ name: "bob", state: "new" }],
      head: HEAD,
    }),
    malformed("verdict", "verdict-empty", "nothing", {}),
    malformed("verdict", "verdict-fp", "a fingerprint that is none", { ...accepted, fp: "x" }),
    malformed("verdict", "verdict-name", "a name that is not canonical", {
      ...accepted,
      name: "Alice",
    }),
    malformed("verdict", "verdict-code", "a code that is never sent", {
      ...refused,
      code: "usage",
    }),
    malformed("verdict", "verdict-ticket", "a ticket's id in capitals", {
      ...accepted,
      ticket: { id: "AA".repeat(16), expires: 1 },
    }),
    malformed("event", "event-none", "no event", { uid: 1 }),
    malformed("event", "event-number", "event is a number", { event: 1 }),
    malformed("event", "mail-uid", "UID 0", { ...mail, uid: 0 }),
    malformed("event", "mail-folder", "a folder that there is not", { ...mail, folder: "spam" }),
    malformed("event", "ticket-id", "an id of 15 bytes", {
      event: "ticket",
      id: "aa".repeat(15),
      expires: 1,
    }),
  ];
}
