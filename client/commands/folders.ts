import { alignColumns } from "../../cli/columns.ts";
import { printable, printableJson } from "../../cli/printable.ts";
import { loadIdentity } from "../../files/key_files.ts";
import { BUILT_IN_FOLDERS, type Folder } from "../../protocol/entry.ts";
import type { FolderState } from "../../protocol/folder_state.ts";
import { OwnNames } from "../mailbox/own_names.ts";
import { findProfile } from "../state/profile.ts";
import { RetiredKeys } from "../state/retired_keys.ts";
import { SharedRecordFile } from "../state/shared_record.ts";
import { State } from "../state/state.ts";
import { openUnlocked } from "../state/unlock.ts";
import { openTerminal } from "../terminal/terminal.ts";
import { type CommonOptions, printRow, withMail } from "./common.ts";
import type { KeyOptions } from "./keyring.ts";

/** A folder as `folders list` shows it. */
interface FolderRow {
  readonly folder: string;
  readonly number: number | null;
  readonly count: number;
  readonly unread: number;
  readonly bytes: number;
}

/** The `folders list` command. */
export async function listFolders(options: CommonOptions): Promise<void> {
  await withMail(options, async ({ mail, terminal, json, printJson }) => {
    const names = await mail.names();
    const rows = rowsOf(names, await mail.folderStates());
    const { searches } = names;
    if (json) {
      const kept = searches.map(({ shown, search }) => {
        return { folder: shown, number: null, search, count: null, unread: null, bytes: null };
      });
      return printJson([...rows, ...kept]);
    }
    const head = ["Folder", "Messages", "Unread"];
    const lines = rows.map(({ folder, count, unread }) => {
      return [printable(folder), `${count}`, unread > 0 ? `${unread}` : ""];
    });
    const kept = searches.map(({ shown, search }) => {
      return [printable(shown), "-", "", printable(search)];
    });
    for (const line of alignColumns([head, ...lines, ...kept])) {
      printRow(terminal, line.trimEnd());
    }
  });
}

/** The folders that everybody has, then a person's own in the order of their names. */
function rowsOf(names: OwnNames, states: readonly FolderState[]): FolderRow[] {
  const byFolder = new Map<Folder, FolderState>(states.map((state) => [state.folder, state]));
  const own = new Map<Folder, string>(names.folders.map(({ number, shown }) => [number, shown]));
  // Another machine may have removed the name while a message went there.
  for (const { folder } of states) {
    if (typeof folder === "number" && !own.has(folder)) own.set(folder, names.folderName(folder));
  }
  const all = [...BUILT_IN_FOLDERS.map((folder) => [folder, folder] as const), ...own];
  return all.map(([folder, shown]) => {
    const state = byFolder.get(folder);
    return {
      folder: shown,
      number: typeof folder === "number" ? folder : null,
      count: state?.count ?? 0,
      unread: state?.unseen ?? 0,
      bytes: state?.bytes ?? 0,
    };
  });
}

/** The `folders names` command: asks neither a server nor a person. */
export async function printOwnNames(
  options: KeyOptions & { readonly keywords: boolean },
): Promise<void> {
  const state = await openStateQuietly(options);
  const { folders, keywords } = new OwnNames((await new SharedRecordFile(state).load()).record);
  const names = (options.keywords ? keywords : folders).map(({ shown }) => shown);
  const terminal = openTerminal();
  if (options.json) return terminal.print(printableJson(names));
  for (const one of names) terminal.print(printable(one));
}

/** The state of this machine, for what asks nobody: a key with a passphrase must be unlocked. */
export async function openStateQuietly(options: KeyOptions): Promise<State> {
  const { dir, name } = await findProfile({ ...options, json: true });
  const known = await openUnlocked(dir, name);
  const identity = known?.[0] ?? await loadIdentity(dir, name, () => Promise.resolve(null));
  const retired = new RetiredKeys(dir, name, () => Promise.resolve(null), known?.slice(1));
  return await State.open(dir, name, identity, retired);
}

/** The `folders make` command. */
export async function makeFolder(
  options: CommonOptions & { readonly name: string; readonly search?: string },
): Promise<void> {
  const { name, search } = options;
  await withMail(options, async ({ mail, terminal, json, printJson }) => {
    const number = search === undefined
      ? await mail.makeFolder(name)
      : await mail.keepSearch(name, search).then(() => null);
    if (json) printJson({ made: name, number });
    else terminal.print(printable(`Made ${options.name}.`));
  });
}

/** The `folders rename` command. */
export async function renameFolder(
  options: CommonOptions & { readonly from: string; readonly to: string },
): Promise<void> {
  const { from, to } = options;
  await withMail(options, async ({ mail, terminal, json, printJson }) => {
    const renamed = await mail.renameFolder(from, to);
    const inside = renamed > 1 ? `, with ${renamed - 1} in it` : "";
    if (json) printJson({ from, to, renamed });
    else terminal.print(printable(`${from} is called ${to} now${inside}.`));
  });
}

/** The `folders remove` command. */
export async function removeFolder(
  options: CommonOptions & { readonly name: string },
): Promise<void> {
  await withMail(options, async ({ mail, terminal, json, printJson }) => {
    await mail.removeFolder(options.name);
    if (json) printJson({ removed: options.name });
    else terminal.print(printable(`Removed ${options.name}.`));
  });
}
