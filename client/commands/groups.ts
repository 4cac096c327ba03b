import { alignColumns } from "../../cli/columns.ts";
import { printable } from "../../cli/printable.ts";
import { type Bytes, utf8 } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { EVERYONE, parseName } from "../../protocol/name.ts";
import { shortId } from "../mailbox/message_ids.ts";
import {
  changeWords,
  encodeList,
  type Group,
  groupIn,
  laterThan,
  listFile,
  planDiscard,
  planGroup,
  planMembers,
  planShared,
} from "../mailbox/groups.ts";
import type { Mail, Sent } from "../mail.ts";
import type { AttachmentSource } from "../message/compose.ts";
import { confirm } from "../terminal/confirm.ts";
import { type CommonOptions, type Context, printRow, tellSent, withMail } from "./common.ts";
import { listed } from "./send.ts";

/** A command on one group. */
export interface GroupOptions extends CommonOptions {
  readonly name: string;
}

/** A command on a group and people. */
export interface GroupPeopleOptions extends GroupOptions {
  readonly people: readonly string[];
}

/** The `groups list` command. */
export async function listGroups(options: CommonOptions): Promise<void> {
  await withMail(options, async (context) => {
    const groups = await currentGroups(context);
    const { mail, json, printJson, terminal } = context;
    if (json) return printJson(groups.map(groupJson));
    for (const { name, version, shared = version } of groups) {
      if (shared === version) continue;
      terminal.printError(
        `the list of ${name} was not sent since it changed: groups share ${name}`,
      );
    }
    const all = mail.members.all().filter(({ bound }) => bound).map(({ name }) => name);
    const rows = [
      ...groups.map(({ name, members, from }) => [
        name,
        from ? from.owner : "yours",
        members.join(", "),
      ]),
      [EVERYONE, "operator", all.length === 0 ? "-" : all.join(", ")],
    ];
    for (const line of alignColumns([["Name", "Of", "Members"], ...rows])) printRow(terminal, line);
  }, "read");
}

/** The `groups show` command. */
export async function showGroup(options: GroupOptions): Promise<void> {
  const name = parseName(options.name);
  await withMail(options, async (context) => {
    await currentGroups(context);
    const { mail, json, printJson, terminal } = context;
    const group = groupIn(await mail.shared.known(), name);
    if (json) return printJson(groupJson(group));
    for (const member of group.members) {
      const full = mail.fullNameOf(member);
      terminal.print(full ? `${member}, ${full.text}${full.signed ? "" : " *"}` : member);
    }
  }, "read");
}

/** The groups, with what their owners have changed since, which is told. */
async function currentGroups({ mail }: Context): Promise<readonly Group[]> {
  await mail.refreshMembers(true);
  await mail.refresh();
  await mail.followGroups();
  return await mail.groups();
}

function groupJson({ name, members, from }: Group) {
  return { name, members, owner: from?.owner ?? null };
}

/** The `groups make` command. */
export async function makeGroup(options: GroupPeopleOptions): Promise<void> {
  const name = parseName(options.name);
  await withMail(options, async ({ mail, json, printJson, terminal }) => {
    await mail.refreshMembers();
    if (mail.members.all().some((member) => member.name === name)) {
      throw new SealpostError("usage", `${name} is a member of the group: choose another name`);
    }
    const members = (await usersOf(mail, options.people)).toSorted();
    await mail.changeGroups((record) => {
      return planGroup(record, { name, members, version: laterThan(0) });
    });
    if (json) printJson({ name, members, owner: null });
    else terminal.print(`${name}: ${members.join(", ")}`);
  });
}

/** The `groups add` and `groups remove` commands. */
export async function changeMembers(
  options: GroupPeopleOptions & { readonly how: "add" | "remove" },
): Promise<void> {
  const name = parseName(options.name);
  const { how } = options;
  await withMail(options, async (context) => {
    const { mail, json, printJson, terminal } = context;
    await mail.shared.refresh();
    const before = (await mail.groups()).find((group) => group.name === name) ?? null;
    const people = how === "add"
      ? await usersOf(mail, options.people)
      : listed(options.people).map((text) => mail.recipientName(text));
    await mail.changeGroups((record) =>
      planMembers(record, name, (members) => {
        if (how === "add") return [...members, ...people];
        const stranger = people.find((one) => !members.includes(one));
        if (stranger !== undefined) {
          throw new SealpostError(
            "usage",
            `${stranger} is not in ${name}; there are: ${members.join(", ")}`,
          );
        }
        return members.filter((one) => !people.includes(one));
      })
    );
    const group = groupIn(await mail.shared.known(), name);
    const sent = await shareChange(context, before, group);
    if (json) return printJson({ ...groupJson(group), ...defined({ sent }) });
    terminal.print(`${name}: ${group.members.join(", ")}`);
  });
}

/**
 * Sends the list of a group that was changed to its members, if they have had it before, and says so; the
 * message's id then. It is no error of the change if that fails.
 */
async function shareChange(
  { mail, terminal }: Context,
  before: Group | null,
  now: Group,
): Promise<string | undefined> {
  const to = now.members.filter((member) => member !== mail.name);
  const changes = before && changeWords(before.members, now.members);
  if (now.shared === undefined || changes === null || to.length === 0) return undefined;
  terminal.printError(`${now.name} is shared: ${to.join(", ")} get the new list.`);
  try {
    const { id, waits } = await sendList(mail, now, to, `${mail.name} has changed`, `: ${changes}`);
    if (waits !== null) terminal.printError(printable(waits.message));
    return id;
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    throw new SealpostError(
      error.code,
      `the group is changed, and the new list was not sent: ${error.message}; then groups share ${now.name}`,
      { cause: error },
    );
  }
}

/** Sends the list of a group to its members but oneself. Throws what sending throws. */
async function sendList(
  mail: Mail,
  group: Group,
  to: readonly string[],
  what: string,
  how = "",
): Promise<Sent> {
  const { name, members, version } = group;
  const sent = await mail.send({
    to,
    subject: `The group ${name}`,
    text: `${what} the group ${name}${how}.\n\nIn it are: ${members.join(", ")}.\n\n` +
      "To write to it by its name, take it over: you are asked when you read this, or groups accept " +
      "and the id of this message do it. Later lists by the same sender are followed then.\n",
    attachments: [textAttachment(listFile(name), encodeList(group))],
  });
  await mail.changeGroups((record) => planShared(record, name, version));
  return sent;
}

/** Users that can be written to. Throws `no-such-user`, `no-key`. */
async function usersOf(mail: Mail, written: readonly string[]): Promise<readonly string[]> {
  const { names } = await mail.recipientNames(listed(written));
  await mail.recipients(names);
  return names;
}

/** The `groups discard` command: the group, and nobody in it. */
export async function discardGroup(options: GroupOptions): Promise<void> {
  const name = parseName(options.name);
  await withMail(options, async ({ mail, json, printJson, terminal }) => {
    await mail.changeGroups((record) => planDiscard(record, name));
    if (json) printJson({ discarded: name });
    else terminal.print(`There is no group ${name} any more. Nobody was told.`);
  });
}

/** The `groups share` command: sends the list to its members, who are asked whether they want it. */
export async function shareGroup(options: GroupOptions & { readonly yes: boolean }): Promise<void> {
  const name = parseName(options.name);
  await withMail(options, async (context) => {
    const { mail, terminal } = context;
    const group = groupIn(await mail.shared.known(), name);
    if (group.from) {
      throw new SealpostError(
        "usage",
        `${name} is a group of ${group.from.owner}, who alone shares it`,
      );
    }
    const to = group.members.filter((member) => member !== mail.name);
    if (to.length === 0) throw new SealpostError("usage", `there is nobody but you in ${name}`);
    await mail.recipients(to);
    if (!options.yes && !terminal.interactive) {
      throw new SealpostError("usage", "--yes is needed where nobody can be asked");
    }
    if (!options.yes && !await confirm(terminal, `Send the list of ${name} to ${to.join(", ")}?`)) {
      throw new SealpostError("cancelled", "nothing was sent");
    }
    const sent = await sendList(mail, group, to, `${mail.name} shares`);
    tellSent(context, { to, cc: [], bcc: [] }, sent);
  });
}

function textAttachment(name: string, text: string): AttachmentSource {
  const bytes: Bytes = utf8(text);
  return {
    name,
    size: bytes.length,
    open: () => Promise.resolve(new Blob([bytes]).stream()),
  };
}

/** The `groups accept` command: takes over a list that somebody has shared, and follows it from then on. */
export async function acceptGroup(
  options: CommonOptions & { readonly id: string; readonly as?: string },
): Promise<void> {
  await withMail(options, async ({ mail, json, printJson, terminal }) => {
    const opened = await mail.openMessage(options.id);
    const shared = await mail.sharedList(opened);
    if (shared === null) {
      throw new SealpostError("usage", `${shortId(opened.id)} shares no group`);
    }
    const owner = opened.summary.from.name;
    if (owner === mail.name) {
      throw new SealpostError("usage", "you have shared this group yourself, and have it already");
    }
    const name = options.as === undefined ? shared.name : parseName(options.as);
    await mail.refreshMembers();
    if (mail.members.all().some((member) => member.name === name)) {
      throw new SealpostError(
        "usage",
        `${name} is a member of the group: take it under another name, --as`,
      );
    }
    const { members, version } = shared;
    const from = { owner, name: shared.name, uid: opened.entry.uid };
    await mail.changeGroups((record) => planGroup(record, { name, members, version, from }));
    if (json) printJson({ name, members, owner });
    else terminal.print(`${name}, of ${owner}: ${members.join(", ")}`);
  });
}
