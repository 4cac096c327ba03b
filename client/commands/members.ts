import { alignColumns } from "../../cli/columns.ts";
import { formatTime, isoTime } from "../../cli/format.ts";
import { printable, printableJson } from "../../cli/printable.ts";
import { isLost } from "../connection/reconnecting_connection.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { EVERYONE } from "../../protocol/name.ts";
import { groupsOf } from "../mailbox/groups.ts";
import type { Mail } from "../mail.ts";
import { Members } from "../state/members.ts";
import { SharedRecordFile } from "../state/shared_record.ts";
import { openTerminal } from "../terminal/terminal.ts";
import { UNVERIFIED, type Verification } from "../trust/verification.ts";
import { type CommonOptions, printRow, withMail } from "./common.ts";
import { openStateQuietly } from "./folders.ts";
import type { KeyOptions } from "./keyring.ts";

/** The `members` command: who is in the group. */
export async function listMembers(options: CommonOptions): Promise<void> {
  await withMail(options, async ({ mail, json, printJson, terminal }) => {
    await fetchOrTell(mail);
    const rows = mail.members.all().map(({ name, since, bound }) => {
      const fp = mail.people.fingerprint(name);
      const full = mail.fullNameOf(name);
      const trust = fp ? mail.people.verification(name, fp) : UNVERIFIED;
      return { name, full, since, bound, fp, trust };
    });
    if (json) {
      return printJson(rows.map(({ name, full, since, bound, fp, trust }) => ({
        name,
        fullName: full?.text ?? null,
        fullNameSigned: full?.signed ?? false,
        since: isoTime(since),
        canBeWrittenTo: bound,
        fingerprint: fp && formatFingerprint(fp),
        verified: trust.verified,
        verification: trust.state,
      })));
    }
    const lines = rows.map(({ name, full, since, bound, fp, trust }) => [
      name,
      full ? `${printable(full.text)}${full.signed ? "" : " *"}` : "-",
      formatTime(since).slice(0, 10),
      keyWords(bound, fp !== null, trust),
    ]);
    for (const line of alignColumns([["Name", "Full name", "Since", "Key"], ...lines])) {
      printRow(terminal, line);
    }
    if (rows.some(({ full }) => full?.signed === false)) {
      terminal.print("* said by the operator, and signed by nobody until they have written to you");
    }
  }, "read");
}

/** Asks the server; where it is away, what it said last is told with its age. */
async function fetchOrTell(mail: Mail): Promise<void> {
  try {
    await mail.refreshMembers();
  } catch (error) {
    const { at } = mail.members;
    if (!isSealpostError(error) || !isLost(error) || at === null) throw error;
    mail.onStale({ asOf: at, why: error.message });
  }
}

function keyWords(bound: boolean, pinned: boolean, trust: Verification): string {
  if (trust.state === "own") return "you";
  if (!bound) return "none yet: they have never connected";
  return pinned ? trust.words : "not used yet";
}

/** The `members names` command: asks neither a server nor a person. */
export async function printMemberNames(options: KeyOptions): Promise<void> {
  const state = await openStateQuietly(options);
  const members = (await Members.load(state)).all().map(({ name }) => name);
  const groups = groupsOf((await new SharedRecordFile(state).load()).record);
  const names = [...members, ...groups.map(({ name }) => name), EVERYONE];
  const terminal = openTerminal();
  if (options.json) return terminal.print(printableJson(names));
  for (const name of names) terminal.print(name);
}
