import { confirm } from "../terminal/confirm.ts";
import { formatSize, formatTime, isoTime } from "../../cli/format.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { alignColumns } from "../../cli/columns.ts";
import { printable, printableJson } from "../../cli/printable.ts";
import { messageIdTime, parseMessageId } from "../../protocol/uuid.ts";
import { isNamedBy, shortId } from "../mailbox/message_ids.ts";
import { Outbox, type Waiting } from "../state/outbox.ts";
import type { Self } from "../trust/people.ts";
import { findProfile } from "../state/profile.ts";
import { openWaiting } from "../message/reseal.ts";
import { openLocalUser } from "../session.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import { sentLine } from "../mailbox/show.ts";
import { type CommonOptions, MAX_WHO, printRow, withMail } from "./common.ts";

/** What a command on one message of the outbox was given. */
export interface OutboxOptions extends CommonOptions {
  readonly id: string;
}

/** A message of the outbox as it is listed. */
interface Row {
  readonly waiting: Waiting;
  readonly refused: boolean;
  /** Null if one's own copy of it does not open. */
  readonly subject: string | null;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
}

/** What the commands work with, without a server. */
interface Context {
  readonly terminal: Terminal;
  readonly name: string;
  readonly self: Self;
  readonly outbox: Outbox;
  readonly printJson: (value: unknown) => void;
}

async function withOutbox(
  options: CommonOptions,
  work: (context: Context) => Promise<void>,
): Promise<void> {
  const terminal = openTerminal();
  const { dir, name } = await findProfile(options);
  const { identity, retired, state } = await openLocalUser(terminal, dir, name);
  await work({
    terminal,
    name,
    self: { name, identity, retired },
    outbox: await Outbox.open(state),
    printJson: (value) => terminal.print(printableJson(value)),
  });
}

/** The `outbox` command: what waits to be sent, and what was refused for good. */
export async function listOutbox(options: CommonOptions): Promise<void> {
  await withOutbox(options, async (context) => {
    const { terminal, name, printJson } = context;
    const { rows, unknown } = await readRows(context);
    for (const path of unknown) {
      terminal.printError(printable(`${path}: where it was to go is not known any more`));
    }
    if (options.json) return printJson(rows.map((row) => toJson(row, name)));
    if (rows.length === 0) return terminal.print("Nothing waits to be sent.");
    const shown = rows.map((row) => [
      shortOf(row.waiting),
      recipients(row),
      formatSize(row.waiting.request.size),
      formatTime(since(row.waiting)),
      `${subjectOf(row)}: ${whyOf(row)}`,
    ]);
    const head = ["ID", "To", "Size", "Since", "Subject, and why"];
    for (const line of alignColumns([head, ...shown], [, MAX_WHO])) printRow(terminal, line);
  });
}

/** The `outbox show` command. */
export async function showWaiting(options: OutboxOptions): Promise<void> {
  await withOutbox(options, async (context) => {
    const { terminal, name, printJson } = context;
    const row = find((await readRows(context)).rows, options.id);
    if (options.json) return printJson(toJson(row, name));
    const { request } = row.waiting;
    terminal.print(`Id: ${request.id}`);
    terminal.print(`To: ${row.to.join("; ")}`);
    if (row.cc.length > 0) terminal.print(`Cc: ${row.cc.join("; ")}`);
    if (row.bcc.length > 0) terminal.print(`Bcc: ${row.bcc.join("; ")}`);
    terminal.print(`Subject: ${subjectOf(row)}`);
    terminal.print(`Size: ${formatSize(request.size)}, sealed`);
    terminal.print(`Since: ${formatTime(since(row.waiting))}`);
    terminal.print(`${row.refused ? "Refused" : "Waits"}: ${whyOf(row)}`);
  });
}

/** The `outbox discard` command: throws a message away that was not sent. */
export async function discardWaiting(
  options: OutboxOptions & { readonly yes: boolean },
): Promise<void> {
  await withOutbox(options, async (context) => {
    const { terminal, printJson } = context;
    const row = find((await readRows(context)).rows, options.id);
    if (!options.yes) {
      if (!terminal.interactive) {
        throw new SealpostError("usage", "outbox discard needs --yes where nobody can be asked");
      }
      const what = `"${subjectOf(row)}" to ${recipients(row)}`;
      if (!await confirm(terminal, `Throw ${what} away for good? (y/N) `)) {
        throw new SealpostError("cancelled", "nothing was thrown away");
      }
    }
    await row.waiting.discard();
    if (options.json) printJson({ discarded: row.waiting.request.id, short: shortOf(row.waiting) });
    else terminal.print("The message is gone; it will not be sent.");
  });
}

/** The `outbox flush` command: sends what waits. Its exit code is 75 if something still does. */
export async function flushOutbox(options: CommonOptions): Promise<void> {
  await withMail({ ...options, tellsSent: true }, async (context) => {
    const { mail, terminal, json, printJson, flushed } = context;
    await mail.othersSent();
    // What waits for the person's word: the flush that every command does has asked nothing.
    const asked = mail.onNewKey && flushed.refused.length > 0 ? await mail.flushOutbox(true) : null;
    const sent = flushed.sent + (asked?.sent ?? 0);
    const { refused } = asked ?? flushed;
    const waiting = (await mail.waiting()).map(({ id }) => id);
    if (json) printJson({ sent, waiting });
    else {
      terminal.print(
        `${sentLine(sent)}${waiting.length > 0 ? `; ${waiting.length} still waiting` : ""}.`,
      );
    }
    if (refused.length > 0 || waiting.length > 0) Deno.exitCode = 75;
  });
}

async function readRows(
  { outbox, self }: Context,
): Promise<{ rows: Row[]; unknown: readonly string[] }> {
  const { waiting, unknown } = await outbox.list();
  const refused = await outbox.listRefused();
  const rows: Row[] = [];
  for (const one of [...waiting, ...refused]) {
    rows.push({ waiting: one, refused: refused.includes(one), ...await open(one, self) });
  }
  return { rows, unknown };
}

async function open(waiting: Waiting, self: Self) {
  const names = (people: readonly { readonly name: string }[]) => people.map(({ name }) => name);
  try {
    const { summary, bcc } = await openWaiting(waiting, self);
    return {
      subject: summary.subject,
      to: names(summary.to),
      cc: names(summary.cc),
      bcc: names(bcc),
    };
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    return { subject: null, to: names(waiting.request.recipients), cc: [], bcc: [] };
  }
}

/** The one message that `id` names, as {@linkcode isNamedBy} says. */
function find(rows: readonly Row[], id: string): Row {
  const wanted = id.trim().toLowerCase();
  const fits = rows.filter(({ waiting }) => isNamedBy(parseMessageId(waiting.request.id), wanted));
  const [row] = fits;
  if (!row) {
    throw new SealpostError(
      "no-such-message",
      `there is no message ${JSON.stringify(wanted.slice(0, 40))} in the outbox; "outbox" shows ` +
        "the ids, of which the first 4 characters are enough",
    );
  }
  if (fits.length === 1) return row;
  const some = fits.slice(0, 5).map(({ waiting }) => shortOf(waiting)).join(", ");
  throw new SealpostError("usage", `several messages begin with ${wanted}: ${some}; write more`);
}

function shortOf({ request }: Waiting): string {
  return shortId(parseMessageId(request.id));
}

/** When it was sealed, milliseconds since 1970. */
function since({ request }: Waiting): number {
  return messageIdTime(parseMessageId(request.id));
}

function recipients({ to, cc, bcc }: Row): string {
  return [...to, ...cc, ...bcc].join(", ");
}

function subjectOf({ subject }: Row): string {
  return subject === null ? "(unknown)" : printable(subject) || "(no subject)";
}

function whyOf({ waiting, refused }: Row): string {
  return printable(waiting.why ?? (refused ? "the server refused it" : "it was not tried yet"));
}

function toJson({ waiting, refused, subject, to, cc, bcc }: Row, name: string) {
  return {
    id: waiting.request.id,
    short: shortOf(waiting),
    from: name,
    to,
    cc,
    bcc,
    subject,
    date: isoTime(since(waiting)),
    size: waiting.request.size,
    state: refused ? "refused" : "waiting",
    why: waiting.why,
  };
}
