import { BUILT_IN_FOLDERS, NAMED_FLAGS } from "../../../protocol/entry.ts";
import { MAX_KEYS, MAX_STANZAS, MAX_UIDS } from "../../../protocol/limits.ts";
import { type Request, requestSchema } from "../../../protocol/request.ts";

const FP = `${"A".repeat(43)}=`;
const SECRET = "0123456789abcdef0123456789abcdef";
const ID = "01890a5d-ac96-774b-bcce-b302099a8057";

/** Where a value stands: the names of members and the places in arrays that lead to it. */
type Path = readonly (string | number)[];

/** What docs/PROTOCOL.md, section 10, takes in one place. */
interface Place {
  readonly at: Path;
  readonly takes: (value: unknown) => boolean;
  /** Whether the member may be left out; an element of an array may. */
  readonly optional?: true;
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
const isUid = (value: unknown) => isCount(value) && value !== 0;
const isPackage = (value: unknown) => isUid(value) && Number(value) <= 4_198_400;
const isBoolean = (value: unknown) => typeof value === "boolean";
const isText = (form: RegExp) => (value: unknown) => typeof value === "string" && form.test(value);
const isName = isText(/^[a-z0-9][a-z0-9._-]{0,31}$/);
const isPassword = isText(/^[^]{1,256}$/);
const isBase64 = isText(/^(?:[A-Za-z0-9+/]{4}){1,1000}$/);
const isOneOf = (words: readonly string[]) => (value: unknown) => words.some((w) => w === value);
/** None of those in the list of wrong ones. */
const isNothingElse = () => false;

const op: Place = { at: ["op"], takes: isNothingElse };
const uids: readonly Place[] = [
  {
    at: ["uids"],
    takes: (value) => Array.isArray(value) && value.length > 0 && value.every(isUid),
  },
  { at: ["uids", 0], takes: isUid },
];
const isOwnFolder = (value: unknown) =>
  Number.isInteger(value) && Number(value) >= 16 && Number(value) <= 0xffff_ffff;
const isFolder = (value: unknown) => isOneOf(BUILT_IN_FOLDERS)(value) || isOwnFolder(value);
const isFlag = (value: unknown) =>
  isOneOf(NAMED_FLAGS)(value) ||
  Number.isInteger(value) && Number(value) >= 4 && Number(value) <= 62;
const folder: Place = { at: ["folder"], takes: isFolder, optional: true };
const ownFolder: Place = { at: ["folder"], takes: isOwnFolder };

/** A request of each kind with every member that it may have, and what each may be. */
const REQUESTS: Readonly<Record<Request["op"], { example: Request; places: readonly Place[] }>> = {
  deliver: {
    example: {
      op: "deliver",
      id: ID,
      size: 1,
      recipients: [{ name: "x", fp: FP }],
      copy: false,
      offset: 1,
      digest: FP,
    },
    places: [
      op,
      { at: ["id"], takes: isNothingElse },
      { at: ["size"], takes: isCount },
      { at: ["recipients"], takes: isNothingElse },
      { at: ["recipients", 0], takes: isNothingElse },
      { at: ["recipients", 0, "name"], takes: isName },
      { at: ["recipients", 0, "fp"], takes: isNothingElse },
      { at: ["copy"], takes: isBoolean },
      { at: ["offset"], takes: isCount, optional: true },
      { at: ["digest"], takes: isNothingElse, optional: true },
    ],
  },
  append: {
    example: {
      op: "append",
      id: ID,
      size: 1,
      folder: "drafts",
      date: 0,
      set: ["seen"],
      offset: 1,
      digest: FP,
    },
    places: [
      op,
      { at: ["id"], takes: isNothingElse },
      { at: ["size"], takes: isCount },
      { at: ["folder"], takes: isFolder },
      { at: ["date"], takes: isCount },
      { at: ["set"], takes: (value) => Array.isArray(value) && value.length === 0 },
      { at: ["set", 0], takes: isFlag },
      { at: ["offset"], takes: isCount, optional: true },
      { at: ["digest"], takes: isNothingElse, optional: true },
    ],
  },
  changes: {
    example: { op: "changes", since: 0, nextUid: 1, limit: 1 },
    places: [
      op,
      { at: ["since"], takes: isCount },
      { at: ["nextUid"], takes: isUid },
      { at: ["limit"], takes: (value) => isUid(value) && Number(value) <= 1000 },
    ],
  },
  folders: { example: { op: "folders" }, places: [op] },
  log: {
    example: { op: "log", after: 0 },
    places: [op, { at: ["after"], takes: isCount }],
  },
  "folder-make": { example: { op: "folder-make", folder: 16 }, places: [op, ownFolder] },
  "folder-drop": { example: { op: "folder-drop", folder: 16 }, places: [op, ownFolder] },
  "shared-get": { example: { op: "shared-get" }, places: [op] },
  "shared-put": {
    example: { op: "shared-put", version: 0, size: 1 },
    places: [
      op,
      { at: ["version"], takes: isCount },
      { at: ["size"], takes: (value) => isUid(value) && Number(value) <= 2 * 1024 * 1024 },
    ],
  },
  upload: {
    example: { op: "upload", id: ID, size: 1, digest: FP },
    places: [
      op,
      { at: ["id"], takes: isNothingElse },
      { at: ["size"], takes: isCount },
      { at: ["digest"], takes: isNothingElse },
    ],
  },
  list: {
    example: {
      op: "list",
      folder: "inbox",
      after: 0,
      before: 1,
      order: "newest",
      brief: true,
      limit: 1,
    },
    places: [
      op,
      folder,
      { at: ["after"], takes: isCount, optional: true },
      { at: ["before"], takes: isUid, optional: true },
      { at: ["order"], takes: isNothingElse },
      { at: ["brief"], takes: isBoolean, optional: true },
      { at: ["limit"], takes: (value) => isUid(value) && Number(value) <= 200 },
    ],
  },
  fetch: {
    example: { op: "fetch", uid: 1, offset: 0 },
    places: [
      op,
      { at: ["uid"], takes: isUid },
      { at: ["offset"], takes: isCount, optional: true },
    ],
  },
  flag: {
    example: {
      op: "flag",
      uids: [1],
      set: ["seen"],
      clear: ["flagged"],
      folder: "inbox",
      unchangedSince: 0,
    },
    places: [
      op,
      ...uids,
      { at: ["set"], takes: (value) => Array.isArray(value) && value.length === 0 },
      { at: ["set", 0], takes: isFlag },
      { at: ["clear"], takes: (value) => Array.isArray(value) && value.length === 0 },
      { at: ["clear", 0], takes: isFlag },
      folder,
      { at: ["unchangedSince"], takes: isCount, optional: true },
    ],
  },
  remove: { example: { op: "remove", uids: [1] }, places: [op, ...uids] },
  keys: {
    example: { op: "keys", names: ["x"] },
    places: [op, { at: ["names"], takes: isNothingElse }, { at: ["names", 0], takes: isName }],
  },
  whoami: {
    example: { op: "whoami", machine: "0123456789abcdef" },
    places: [op, { at: ["machine"], takes: isNothingElse, optional: true }],
  },
  machines: { example: { op: "machines" }, places: [op] },
  members: {
    example: { op: "members", after: "alice" },
    places: [op, { at: ["after"], takes: isName, optional: true }],
  },
  "link-open": {
    example: { op: "link-open", id: SECRET },
    places: [op, { at: ["id"], takes: isNothingElse }],
  },
  "link-answer": {
    example: { op: "link-answer", id: SECRET, size: 1 },
    places: [op, { at: ["id"], takes: isNothingElse }, { at: ["size"], takes: isPackage }],
  },
  "link-close": {
    example: { op: "link-close", id: SECRET },
    places: [op, { at: ["id"], takes: isNothingElse }],
  },
  "kit-put": {
    example: { op: "kit-put", id: SECRET, size: 1 },
    places: [op, { at: ["id"], takes: isNothingElse }, { at: ["size"], takes: isPackage }],
  },
  "kit-drop": { example: { op: "kit-drop" }, places: [op] },
  passwd: {
    example: { op: "passwd", old: "not the password", new: "another password" },
    places: [op, { at: ["old"], takes: isPassword }, { at: ["new"], takes: isPassword }],
  },
  logout: {
    example: { op: "logout", everywhere: true },
    places: [op, { at: ["everywhere"], takes: (value) => value === true }],
  },
  rotations: {
    example: { op: "rotations", name: "x", since: FP },
    places: [op, { at: ["name"], takes: isName }, { at: ["since"], takes: isNothingElse }],
  },
  "server-keys": {
    example: { op: "server-keys", since: FP },
    places: [op, { at: ["since"], takes: isNothingElse }],
  },
  "rotate-begin": {
    example: { op: "rotate-begin", bundle: "AAAA", certificate: "AAAA" },
    places: [
      op,
      { at: ["bundle"], takes: isBase64 },
      { at: ["certificate"], takes: isBase64 },
    ],
  },
  rotate: {
    example: { op: "rotate", proof: FP },
    places: [op, { at: ["proof"], takes: isNothingElse }],
  },
};

/** `levels` deep, as JSON. */
const deep = (open: string, close: string, levels: number) => {
  return open.repeat(levels) + close.repeat(levels);
};

/** JSON that is wrong almost everywhere. */
export const WRONG: readonly string[] = [
  "null",
  "true",
  "false",
  "0",
  "-0",
  "-1",
  "1.5",
  "201",
  "1e400",
  "-1e400",
  "1e-400",
  "9007199254740991",
  "9007199254740992",
  "-9007199254740993",
  "123456789012345678901234567890",
  '""',
  '"0"',
  '"1"',
  '"NaN"',
  '"Infinity"',
  '"../../../etc/passwd"',
  '"/etc/passwd"',
  '"C:\\\\Windows\\\\win.ini"',
  '"a/b"',
  '"a\\u0000b"',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u202ebob"',
  '"Bob"',
  '" bob"',
  '"bob\\n"',
  '"bo\\u0301b"',
  '"inbox\\u0000"',
  '"__proto__"',
  '"constructor"',
  '"whoami;list"',
  '"\'; DROP TABLE account; --"',
  `"${"x".repeat(50_000)}"`,
  "[]",
  "[1]",
  "[null]",
  "[[]]",
  "[[1]]",
  "{}",
  '{"length":1}',
  '{"0":1,"length":1}',
  '{"toString":1}',
  '{"__proto__":{}}',
  '{"__proto__":[1]}',
  deep("[", "]", 10_000),
  `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`,
];

/** Members that no request has. */
const EXTRA = [
  '"extra":1',
  '"__proto__":{}',
  '"constructor":{}',
  '"toString":1',
  '"hasOwnProperty":1',
  '"valueOf":null',
  '"":1',
  '"OP":"whoami"',
  '"op ":"whoami"',
  '"ok":true',
  '"from":"bob"',
  `"${"x".repeat(40_000)}":1`,
];

/** A request that is none, and what is wrong with it. */
export interface Malformed {
  readonly what: string;
  readonly text: string;
}

/** Requests of the kind `op`, each wrong in one place. */
export function malformed(op: Request["op"]): Malformed[] {
  const { example, places } = REQUESTS[op];
  const out: Malformed[] = [];
  for (const { at, takes, optional } of places) {
    const where = `${op}: ${at.join(".")}`;
    for (const wrong of WRONG) {
      const value: unknown = JSON.parse(wrong);
      if (takes(value)) continue;
      out.push({ what: `${where} = ${wrong.slice(0, 60)}`, text: withAt(example, at, wrong) });
    }
    const isMember = typeof at.at(-1) === "string";
    if (isMember && !optional) out.push({ what: `no ${where}`, text: withAt(example, at, null) });
  }
  for (const extra of EXTRA) {
    const plain = JSON.stringify(example);
    const what = `${op}: and ${extra.slice(0, 60)}`;
    out.push({ what, text: `{${extra},${plain.slice(1)}` });
    out.push({ what, text: `${plain.slice(0, -1)},${extra}}` });
    if (op === "deliver") {
      const inner = plain.replace('{"name"', `{${extra},"name"`);
      out.push({ what: `${what} inside`, text: inner });
    }
  }
  for (const [member, most] of Object.entries({ uids: MAX_UIDS, names: MAX_KEYS, set: 63 })) {
    if (!(member in example)) continue;
    const one = { uids: "1", names: '"x"', set: '"seen"' }[member] ?? "";
    const many = `[${Array(most + 1).fill(one).join()}]`;
    out.push({ what: `${op}: ${most + 1} ${member}`, text: withAt(example, [member], many) });
  }
  if (op === "deliver") {
    const many = `[${Array(MAX_STANZAS + 1).fill(`{"name":"x","fp":"${FP}"}`).join()}]`;
    out.push({
      what: `${MAX_STANZAS + 1} recipients`,
      text: withAt(example, ["recipients"], many),
    });
  }
  return out;
}

/** Payloads that are not JSON at all, or nothing that a request could be. */
export const NOT_REQUESTS: Readonly<Record<string, Uint8Array>> = {
  ...Object.fromEntries(
    [
      "{}",
      "[]",
      "12",
      '""',
      "null",
      "true",
      "  ",
      "{{",
      '{"op"}',
      '{"op":}',
      '{"op":"whoami"',
      '{"op":"whoami",}',
      '{"op":"whoami"}}',
      '{"op":"whoami"} x',
      '{"op":"whoami"}\u0000',
      "{'op':'whoami'}",
      '{op:"whoami"}',
      '{"op":"whoami"/**/}',
      '// \n{"op":"whoami"}',
      '["op","whoami"]',
      '[{"op":"whoami"}]',
      '{"op":["whoami"]}',
      '{"op":"whoami\\u0000"}',
      '{"op":"Whoami"}',
      '{"op":"toString"}',
      '{"op":"deliver","id":NaN}',
      '{"op":"fetch","uid":0x1}',
      '{"op":"fetch","uid":01}',
      '{"op":"fetch","uid":+1}',
      '{"op":"fetch","uid":1.}',
      '{"op":"fetch","uid":Infinity}',
      "[".repeat(60_000),
      '{"op":'.repeat(10_000),
    ].map((text) => [text.slice(0, 40), new TextEncoder().encode(text)]),
  ),
  "UTF-16": new Uint8Array([...'{"op":"whoami"}'].flatMap((c) => [0, c.charCodeAt(0)])),
  "a byte order mark": new Uint8Array([
    0xef,
    0xbb,
    0xbf,
    ...new TextEncoder().encode('{"op":"whoami"}'),
  ]),
  "bytes that are not UTF-8": new Uint8Array([0x22, 0xff, 0xfe, 0x22]),
  "an overlong slash": new Uint8Array([0x22, 0xc0, 0xaf, 0x22]),
  "a surrogate in UTF-8": new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]),
};

/** `example` as JSON with the text `raw` in the place `at`; without the member that is there if null. */
function withAt(example: unknown, at: Path, raw: string | null): string {
  const [step, ...rest] = at;
  if (step === undefined) return raw ?? "";
  if (Array.isArray(example)) {
    const parts = example.map((one, i) =>
      i === step ? withAt(one, rest, raw) : JSON.stringify(one)
    );
    return `[${parts.join()}]`;
  }
  if (typeof example !== "object" || example === null) throw new Error(`there is no ${at}`);
  const parts = Object.entries(example).flatMap(([name, value]) => {
    if (name !== step) return [`${JSON.stringify(name)}:${JSON.stringify(value)}`];
    if (rest.length === 0 && raw === null) return [];
    return [`${JSON.stringify(name)}:${withAt(value, rest, raw)}`];
  });
  return `{${parts.join()}}`;
}

/** All kinds of requests. */
export const OPS = requestSchema.options.map(({ entries }) => entries.op.literal);

/** The members that a request of the kind `op` has here, and those that it has in the schema. */
export function membersOf(op: Request["op"]): { here: string[]; schema: string[] } {
  const schema = requestSchema.options.find(({ entries }) => entries.op.literal === op);
  return {
    here: Object.keys(REQUESTS[op].example).sort(),
    schema: Object.keys(schema?.entries ?? {}).sort(),
  };
}
