import { isSealpostError } from "../../crypto/error.ts";
import { printable } from "../../cli/printable.ts";
import { EVERYONE, isName } from "../../protocol/name.ts";
import type { SharedRecord } from "../../protocol/shared_record.ts";
import { confirm } from "../terminal/confirm.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { declinedKey, type Group, groupsOf, type SharedList } from "./groups.ts";
import { shortId } from "./message_ids.ts";
import type { Opened } from "./open.ts";
import type { EntryChange } from "./own_names.ts";

/** Members that a question names. */
const NAMED = 10;

/** A group that somebody shares with the person, who was not asked about it yet. */
export interface OfferedGroup {
  readonly owner: string;
  readonly list: SharedList;
  /** What it can be called here: as its owner calls it, unless that name is taken. */
  readonly name: string;
  /** The message that it came with. */
  readonly uid: number;
}

/**
 * The group that `list` offers, which `owner` has signed; null if it was taken over, declined or discarded
 * before. `members`: the names of users, which no group has.
 */
export function offerOf(
  record: SharedRecord,
  members: readonly string[],
  list: SharedList,
  owner: string,
  uid: number,
): OfferedGroup | null {
  const groups = groupsOf(record);
  if (groups.some(({ from }) => from?.owner === owner && from.name === list.name)) return null;
  if (record.entries.get(declinedKey(owner, list.name))?.value !== undefined) return null;
  const taken = [EVERYONE, ...members, ...groups.map(({ name }) => name)];
  const numbers = Array.from({ length: taken.length }, (_, i) => `${list.name}-${i + 2}`);
  const name = [list.name, `${owner}-${list.name}`, ...numbers].find((one) => {
    return isName(one) && !taken.includes(one);
  });
  return name === undefined ? null : { owner, list, name, uid };
}

/** The group that follows what was offered. */
export function groupFrom({ owner, list, name, uid }: OfferedGroup): Group {
  const { members, version } = list;
  return { name, members, version, from: { owner, name: list.name, uid } };
}

/** That the person does not want it, and is not asked again. */
export function planDeclined({ owner, list }: OfferedGroup): EntryChange[] {
  return [{ key: declinedKey(owner, list.name), value: { version: list.version }, isNew: false }];
}

/** The question about it. */
export function offerQuestion({ owner, list, name }: OfferedGroup): string {
  const { members } = list;
  const more = members.length > NAMED ? ` and ${members.length - NAMED} more` : "";
  const as = name === list.name ? "" : ` as ${name}`;
  return `${owner} shares the group ${list.name} with you: ${
    members.slice(0, NAMED).join(", ")
  }${more}. Take it over${as}, and follow what ${owner} changes?`;
}

/** What can be done from then on. */
export function acceptedLine({ owner, name }: OfferedGroup): string {
  return `You can write to ${name} now; what ${owner} changes in it is told.`;
}

/** How it can be taken over after all. */
export function declinedLine(opened: Opened): string {
  return `Not taken over; "groups accept ${shortId(opened.id)}" does it later.`;
}

/** What of one's mail is needed here. */
export interface OfferingMail {
  offeredGroup(opened: Opened): Promise<OfferedGroup | null>;
  acceptGroup(offer: OfferedGroup): Promise<void>;
  declineGroup(offer: OfferedGroup): Promise<void>;
}

/** Asks the person at a terminal, once, whether they want a group that the message offers. */
export async function askAboutGroup(
  mail: OfferingMail,
  terminal: Terminal,
  opened: Opened,
): Promise<void> {
  try {
    const offer = await mail.offeredGroup(opened);
    if (offer === null) return;
    if (await confirm(terminal, printable(`\n${offerQuestion(offer)} (y/N) `))) {
      await mail.acceptGroup(offer);
      terminal.print(acceptedLine(offer));
    } else {
      await mail.declineGroup(offer);
      terminal.print(declinedLine(opened));
    }
  } catch (error) {
    // The message was read: that was what was wanted.
    if (!isSealpostError(error) || error.code === "cancelled") throw error;
    terminal.printError(`the group was not taken over: ${error.message}`);
  }
}
