import { confirm } from "../terminal/confirm.ts";
import { defined } from "../../crypto/defined.ts";
import { formatTime, isoTime } from "../../cli/format.ts";
import { SealpostError } from "../../crypto/error.ts";
import { alignColumns } from "../../cli/columns.ts";
import { printable, printableJson } from "../../cli/printable.ts";
import { Drafts, type SavedDraft, shortDraftId, textOf } from "../state/drafts.ts";
import { Outbox } from "../state/outbox.ts";
import { confirmEmptyMessage } from "../terminal/empty_message.ts";
import type { Tools } from "../terminal/programs.ts";
import { sendDraft } from "../send_draft.ts";
import { openLocalUser } from "../session.ts";
import type { DraftsOutcome } from "../sync_drafts.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import { AutosavedDraft, editDraft } from "../terminal/write_draft.ts";
import { findProfile, type Profile } from "../state/profile.ts";
import {
  announceRecovered,
  bringDraftsTogether,
  type CommonOptions,
  holdFor,
  MAX_WHO,
  printRow,
  tellSent,
  withMail,
} from "./common.ts";

/** What a command on one draft was given. */
export interface DraftOptions extends CommonOptions {
  readonly id: string;
}

/** What a command on drafts works with. */
interface DraftsContext {
  readonly terminal: Terminal;
  readonly profile: Profile;
  readonly drafts: Drafts;
  readonly printJson: (value: unknown) => void;
}

/** Runs `work` on the drafts as all machines have them; without a server, as this one does. */
async function withDrafts(
  options: CommonOptions,
  work: (context: DraftsContext) => Promise<void>,
): Promise<void> {
  const terminal = openTerminal();
  const profile = await findProfile(options);
  if (profile.address !== null) {
    return await withMail(options, async (context) => {
      const { mail } = context;
      if (mail.connection.online) tellProblems(terminal, await bringDraftsTogether(mail));
      else terminal.printError("no connection: these are the drafts of this machine");
      await work({ ...context, drafts: mail.drafts });
    }, "write");
  }
  const { state } = await openLocalUser(terminal, profile.dir, profile.name);
  const drafts = await Drafts.open(state);
  const outbox = await Outbox.open(state);
  await drafts.dropSent((message) => outbox.hasUnclaimed(message));
  announceRecovered(terminal, drafts);
  const printJson = (value: unknown) => terminal.print(printableJson(value));
  await work({ terminal, profile, drafts, printJson });
}

/** The `drafts` command: lists them. */
export async function listDrafts(options: CommonOptions): Promise<void> {
  await withDrafts(options, async ({ terminal, profile, drafts, printJson }) => {
    const { drafts: found, unreadable } = await drafts.list();
    for (const line of unreadable) terminal.printError(printable(line));
    if (options.json) return printJson(found.map((draft) => toJson(draft, profile.name)));
    if (found.length === 0) return terminal.print("No drafts.");
    const rows = found.map((draft) => [
      shortDraftId(draft.id),
      draft.unparsed ? "?" : [...draft.to, ...draft.cc, ...draft.bcc].join(", ") || "-",
      formatTime(draft.savedAt),
      subjectOf(draft),
    ]);
    const head = ["ID", "To", "Saved", "Subject"];
    for (const line of alignColumns([head, ...rows], [, MAX_WHO])) printRow(terminal, line);
  });
}

/** The `drafts show` command. */
export async function showDraft(options: DraftOptions): Promise<void> {
  await withDrafts(options, async ({ terminal, profile, drafts, printJson }) => {
    const draft = await drafts.load(options.id);
    if (options.json) return printJson({ ...toJson(draft, profile.name), text: draft.text });
    terminal.print(printable(textOf(draft), { lines: true }));
  });
}

/** The `drafts discard` command. */
export async function discardDraft(
  options: DraftOptions & { readonly yes: boolean },
): Promise<void> {
  await withDrafts(options, async ({ terminal, drafts, printJson }) => {
    const draft = await drafts.load(options.id);
    if (!options.yes) {
      if (!terminal.interactive) {
        throw new SealpostError(
          "usage",
          "drafts discard needs --yes where nobody can be asked",
        );
      }
      if (!await confirm(terminal, `Throw "${subjectOf(draft)}" away for good? (y/N) `)) {
        throw new SealpostError("cancelled", "nothing was thrown away");
      }
    }
    await drafts.remove(draft.id);
    if (options.json) printJson({ discarded: draft.id, short: shortDraftId(draft.id) });
    else terminal.print("The draft is gone.");
  });
}

/** The `drafts edit` command. */
export async function editSavedDraft(
  options: DraftOptions & { readonly tools: Tools | null },
): Promise<void> {
  await withDrafts(options, async ({ terminal, drafts, printJson }) => {
    const draft = await drafts.load(options.id);
    const { tools } = options;
    if (!tools || !await tools.hasEditor()) {
      throw new SealpostError(
        "usage",
        tools
          ? "no editor is known; set VISUAL or EDITOR to yours, as in EDITOR=nano"
          : "drafts edit needs a terminal, and a system with a shell",
      );
    }
    await using autosaved = new AutosavedDraft(drafts, draft);
    const changed = await editDraft(terminal, drafts, tools, autosaved);
    const short = shortDraftId(draft.id);
    if (options.json) printJson({ id: draft.id, short, changed });
    else {
      terminal.print(`${changed ? "Saved" : "Nothing changed"}; "drafts send ${short}" sends it.`);
    }
  });
}

/** The `drafts send` command. */
export async function sendSavedDraft(options: DraftOptions): Promise<void> {
  await withMail(options, async (context) => {
    const { mail, terminal } = context;
    if (mail.connection.online) tellProblems(terminal, await bringDraftsTogether(mail));
    const draft = await mail.drafts.load(options.id);
    await confirmEmptyMessage(terminal, draft);
    tellSent(
      context,
      draft,
      await sendDraft(mail, draft, {
        note: (line) => terminal.printError(line),
        hold: holdFor(context),
      }),
    );
  }, "write");
}

function tellProblems(terminal: Terminal, { problems }: DraftsOutcome): void {
  for (const line of problems) terminal.printError(printable(line));
}

/** What a draft is called, safe to print: its subject, or how its text begins. */
function subjectOf({ subject, text, unparsed }: SavedDraft): string {
  if (unparsed) return "[its headers cannot be read]";
  if (subject !== "") return printable(subject);
  const line = text.split("\n").find((line) => line.trim() !== "")?.trim() ?? "";
  return line === "" ? "(nothing yet)" : `(${printable(line.slice(0, 60))})`;
}

function toJson(draft: SavedDraft, name: string) {
  const { id, to, cc, bcc, subject, attachments, answers, forwards, unparsed, savedAt } = draft;
  return {
    id,
    short: shortDraftId(id),
    from: name,
    to,
    cc,
    bcc,
    subject,
    date: isoTime(savedAt),
    attachments,
    ...defined({ answers }),
    ...forwards && { forwards: forwards.message, forwardedAttachments: forwards.attachments },
    ...(unparsed ? { problem: "its headers cannot be read" } : {}),
  };
}
