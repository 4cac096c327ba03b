import * as v from "valibot";
import { printable } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { type Bytes, concat, fromUtf8 } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { MAX_STANZAS } from "../../protocol/limits.ts";
import { EVERYONE, isName } from "../../protocol/name.ts";
import { checkJson, jsonOf, nameField } from "../../protocol/schema.ts";
import type { SharedRecord } from "../../protocol/shared_record.ts";
import { parseMessage } from "../message/parse.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import type { EntryChange } from "./own_names.ts";

/** Most members of a group, and most groups. */
const MAX_PEOPLE = MAX_STANZAS - 1;
const MAX_GROUPS = 200;
/** Largest shared list that is read, bytes. */
const MAX_LIST = 64 * 1024;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const people = v.pipe(v.array(nameField), v.minLength(1), v.maxLength(MAX_PEOPLE));

const kept = v.object({
  members: people,
  /** Grows with each change by its owner. */
  version: count,
  /** The version that was sent to its members last, if it is one's own and was. */
  shared: v.optional(count),
  /** Whose list it is that is followed, what they call it, and the last UID that was looked at for it. */
  from: v.optional(v.object({ owner: nameField, name: nameField, uid: count })),
});

const list = v.strictObject({
  sealpost: v.literal("group"),
  name: nameField,
  version: count,
  members: people,
});

/** A list that somebody shares. */
export type SharedList = v.InferOutput<typeof list>;

/** A group of the person's own, or one of somebody else's that they follow. */
export interface Group extends v.InferOutput<typeof kept> {
  readonly name: string;
}

/** The groups in a record, in the order of their names. */
export function groupsOf(record: SharedRecord): Group[] {
  const groups: Group[] = [];
  for (const { key, value } of record.entries.values()) {
    const [, name] = /^group\/(.+)$/.exec(key) ?? [];
    const parsed = v.safeParse(kept, value);
    if (name !== undefined && isName(name) && parsed.success) {
      groups.push({ name, ...parsed.output });
    }
  }
  return groups.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** The group `name` of a record. Throws `usage` if there is none. */
export function groupIn(record: SharedRecord, name: string): Group {
  const groups = groupsOf(record);
  const found = groups.find((group) => group.name === name);
  if (found) return found;
  const there = groups.map((group) => group.name).join(", ") ||
    `none; "${PROGRAM} groups make" makes one`;
  throw new SealpostError("usage", `you have no group ${printable(name)}; there are: ${there}`);
}

/** A new group. Throws `usage` if there is one of this name, or it is {@linkcode EVERYONE}; `limit`. */
export function planGroup(record: SharedRecord, { name, ...value }: Group): EntryChange[] {
  const groups = groupsOf(record);
  if (name === EVERYONE) {
    throw new SealpostError(
      "usage",
      `${EVERYONE} is there already: all whom the operator has let in`,
    );
  }
  if (groups.some((group) => group.name === name)) {
    throw new SealpostError("usage", `you have a group ${name} already; add and remove change it`);
  }
  if (groups.length >= MAX_GROUPS) {
    throw new SealpostError("limit", `you have ${MAX_GROUPS} groups: discard one`);
  }
  requireFew(value.members);
  return [{ key: `group/${name}`, value, isNew: true }];
}

/**
 * Other members of one's own group. Throws `usage` if there is no such group, it is somebody else's, or nobody
 * would be left; `limit`.
 */
export function planMembers(
  record: SharedRecord,
  name: string,
  change: (members: readonly string[]) => readonly string[],
): EntryChange[] {
  const { members, version, from, shared } = groupIn(record, name);
  if (from) {
    throw new SealpostError(
      "usage",
      `${name} is a group of ${from.owner}, and follows their list; to have one of your own, discard it ` +
        "and make one",
    );
  }
  const next = [...new Set(change(members))].sort();
  requireFew(next);
  if (next.length === members.length && next.every((one) => members.includes(one))) return [];
  return [{
    key: `group/${name}`,
    value: { members: next, version: laterThan(version), ...defined({ shared }) },
    isNew: true,
  }];
}

/** A version after `version`, and after those of a group of this name that was discarded. */
export function laterThan(version: number): number {
  return Math.max(version + 1, Date.now());
}

/** That `version` of a group was sent to its members. */
export function planShared(record: SharedRecord, name: string, version: number): EntryChange[] {
  const { name: _, ...value } = groupIn(record, name);
  return [{ key: `group/${name}`, value: { ...value, shared: version }, isNew: true }];
}

/**
 * No group `name` any more; if it was somebody else's, the person is not asked about it again. Throws `usage`
 * if there is none.
 */
export function planDiscard(record: SharedRecord, name: string): EntryChange[] {
  const { from, version } = groupIn(record, name);
  return [
    { key: `group/${name}`, value: undefined, isNew: true },
    ...from ? [{ key: declinedKey(from.owner, from.name), value: { version }, isNew: false }] : [],
  ];
}

/** What stands in the record for a group that the person did not want. */
export function declinedKey(owner: string, name: string): string {
  return `group-declined/${owner}/${name}`;
}

/** Whom a change of a group has added and removed, as the end of a sentence; null if nobody. */
export function changeWords(before: readonly string[], now: readonly string[]): string | null {
  const came = now.filter((one) => !before.includes(one));
  const went = before.filter((one) => !now.includes(one));
  const parts = [
    ...came.length > 0 ? [`added ${came.join(", ")}`] : [],
    ...went.length > 0 ? [`removed ${went.join(", ")}`] : [],
  ];
  return parts.length === 0 ? null : parts.join("; ");
}

function requireFew(members: readonly string[]): void {
  if (members.length === 0) {
    throw new SealpostError("usage", "a group has somebody in it; discard removes a whole group");
  }
  if (members.length > MAX_PEOPLE) {
    throw new SealpostError("limit", `a group has at most ${MAX_PEOPLE} members`);
  }
}

/** What became of a followed group by a later list: its new entry, and what to say; null if it is not later. */
export function followed(
  { name, from, ...group }: Group,
  later: SharedList,
  sender: string,
  uid: number,
): { readonly change: EntryChange; readonly line: string | null } | null {
  // Only the owner of a list has a say in it: the sender is who signed the message.
  if (!from || sender !== from.owner || later.name !== from.name) return null;
  if (later.version <= group.version) return null;
  const { members, version } = later;
  const changes = changeWords(group.members, members);
  return {
    change: {
      key: `group/${name}`,
      value: { members, version, from: { ...from, uid } },
      isNew: true,
    },
    line: changes === null ? null : `${sender} has changed the group ${name}: ${changes}.`,
  };
}

/** The file name under which a list is shared. */
export function listFile(name: string): string {
  return `${name}.sealpost-group`;
}

/** Whether an attachment of this name is a list that is shared. */
export function isListFile(name: string): boolean {
  return name.endsWith(listFile(""));
}

/** The bytes of a list that is shared, as text. */
export function encodeList({ name, version, members }: Group): string {
  return `${JSON.stringify({ sealpost: "group", name, version, members }, null, 2)}\n`;
}

/** The list that a verified message shares; null if it shares none. Throws `format` for one that is damaged. */
export async function readSharedList(message: TemporaryMessage): Promise<SharedList | null> {
  let text: string | null = null;
  await parseMessage(message.stream(), {
    attachment: async ({ name }, content) => {
      const pieces: Bytes[] = [];
      let size = 0;
      for await (const piece of content) {
        size += piece.length;
        if (size <= MAX_LIST) pieces.push(piece);
      }
      if (text !== null || !isListFile(name)) return;
      if (size > MAX_LIST) {
        throw new SealpostError("format", "the list of a group in it is too large");
      }
      text = fromUtf8(concat(...pieces));
    },
  });
  return text === null ? null : decodeList(text);
}

/** The inverse of {@linkcode encodeList}. Throws `format` for anything else. */
export function decodeList(text: string): SharedList {
  try {
    return checkJson(list, jsonOf(text));
  } catch (error) {
    if (!isSealpostError(error, "format")) throw error;
    throw new SealpostError("format", "the list of a group in it is damaged", { cause: error });
  }
}
