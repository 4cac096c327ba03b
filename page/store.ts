import { computed, signal } from "@preact/signals";
import { ask, Refused } from "./api.ts";
import { selectedText } from "./selection.ts";
import { FOLDER_NAMES, T } from "./texts.ts";
import type {
  ContactView,
  DraftView,
  FoundView,
  MessageView,
  RecipientView,
  RowView,
  SentView,
  StateView,
  TakenBackView,
} from "../client/web/types.ts";

/** What the middle of the page shows. */
export type Place =
  | { readonly kind: "folder"; readonly folder: string | number }
  | { readonly kind: "drafts" | "outbox" | "contacts" | "settings" | "search" };

/** A line that is shown for a while. */
export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
  readonly undo: (() => void) | null;
}

/** A question in a window of its own. */
export interface Dialog {
  readonly title: string;
  readonly text: string;
  /** What can be answered, the last one being what Escape answers. */
  readonly actions: readonly {
    readonly word: string;
    readonly value: string;
    readonly bad?: boolean;
  }[];
  /** What is typed, if anything is. */
  readonly input?: { readonly label: string; readonly secret: boolean };
  readonly answer: (value: string | null) => void;
}

/** `out`: no link has let this page in; `closed`: it was in, and is no more. */
export const entered = signal<"entering" | "in" | "closed" | "used">("entering");
export const state = signal<StateView | null>(null);
export const place = signal<Place>({ kind: "folder", folder: "inbox" });
/** The message at the cursor of the list; null for none. */
export const cursor = signal<number | null>(null);
/** The message that is read; null for none. */
export const reading = signal<number | null>(null);
export const message = signal<MessageView | null>(null);
export const selected = signal<ReadonlySet<number>>(new Set());
export const composing = signal<DraftView | null>(null);
export const contacts = signal<readonly ContactView[]>([]);
/** Whom a message can be written to. */
export const recipients = signal<readonly RecipientView[]>([]);
export const found = signal<readonly FoundView[] | null>(null);
export const words = signal("");
export const toasts = signal<readonly Toast[]>([]);
export const dialogs = signal<readonly Dialog[]>([]);
export const progress = signal<
  { readonly label: string; readonly share: number; readonly left: number | null } | null
>(null);
export const step = signal("");
/** What this machine, which is being linked, is called, and the six words that another one is to show. */
export const compared = signal<
  { readonly device: string; readonly words: readonly string[] } | null
>(null);
export const menuOpen = signal(false);
export const helpOpen = signal(false);

/** The rows of the list that are known, by their place, and how many there are. */
export const rows = signal<ReadonlyMap<number, RowView>>(new Map());
export const total = signal(0);

/** The folder that is shown; null where the list is no folder's. */
export const folder = computed(() => place.value.kind === "folder" ? place.value.folder : null);

/** What a folder is called. */
export function folderName(id: string | number): string {
  if (typeof id === "string") return FOLDER_NAMES[id] ?? id;
  return state.value?.folders.find((one) => one.id === id)?.name ?? `#${id}`;
}

let lastId = 0;

/**
 * Shows a line for a while, or for `time` milliseconds; `undo` takes back what it tells of. The line's
 * number.
 */
export function say(
  text: string,
  bad = false,
  undo: (() => void) | null = null,
  time = bad ? 12_000 : 7000,
): number {
  const toast = { id: ++lastId, text, bad, undo };
  toasts.value = [...toasts.value.slice(-2), toast];
  setTimeout(() => dismiss(toast.id), time);
  return toast.id;
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

/** Says what went wrong. */
export function sayError(error: unknown): void {
  if (error instanceof Refused) {
    if (error.code === "closed") return;
    say(sentence(error.message), true);
  } else {
    console.error(error);
    say(T.wrong, true);
  }
}

/** A message of the program as a sentence. */
export function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

/** Runs what a click or a key asks for; what goes wrong is said. */
export function run(work: () => Promise<unknown>): void {
  work().catch(sayError);
}

/** Asks in a window; null if the person leaves it. */
export function question(dialog: Omit<Dialog, "answer">): Promise<string | null> {
  return new Promise((resolve) => {
    const mine: Dialog = {
      ...dialog,
      answer: (value) => {
        dialogs.value = dialogs.value.filter((one) => one !== mine);
        resolve(value);
      },
    };
    dialogs.value = [...dialogs.value, mine];
  });
}

/** Asks whether to do something; whether the answer is yes. */
export async function confirmed(
  title: string,
  word: string,
  text = "",
  bad = true,
): Promise<boolean> {
  const actions = [{ word, value: "yes", bad }, { word: T.cancel, value: "" }];
  return await question({ title, text, actions }) === "yes";
}

let askedOf: string | null = null;

/** Asks whether to follow the operator's notice of another address, once for each. */
export async function askAboutAddress(): Promise<void> {
  const { newAddress = null } = state.value ?? {};
  if (newAddress === null || newAddress === askedOf) return;
  askedOf = newAddress;
  const answer = await question({
    title: T.newAddress(newAddress),
    text: T.newAddressText,
    actions: [
      { word: T.useAddress, value: "yes" },
      { word: T.keepAddress, value: "no" },
      { word: T.later, value: "" },
    ],
  });
  if (answer !== "yes" && answer !== "no") return;
  await ask("follow-address", { follows: answer === "yes" });
}

/** Rows that are asked for at a time. */
const PAGE = 60;
let wanted: readonly [from: number, to: number] = [0, PAGE];
let loading = false;
let again = false;

/** Has the rows from one place to another loaded, if they are not there. */
export function want(from: number, to: number): void {
  wanted = [from, to];
  for (let i = from; i < Math.min(to, total.value); i++) {
    if (!rows.value.has(i)) return load();
  }
}

/** Loads the rows that are wanted, anew; those that are there stay until then. */
export function load(): void {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  run(async () => {
    try {
      do {
        again = false;
        const shown = folder.value;
        if (shown === null) return;
        // Until the list has scrolled there it stays so.
        if (goal !== null) wanted = [Math.max(0, goal - PAGE / 2), goal + 1];
        const from = Math.max(0, wanted[0] - 10);
        const limit = Math.min(200, Math.max(PAGE, wanted[1] - from + 10));
        const list = await ask<{ total: number; from: number; rows: RowView[] }>("list", {
          folder: shown,
          from,
          limit,
        });
        if (folder.value !== shown) {
          again = true;
          continue;
        }
        total.value = list.total;
        // What is far away may have changed since.
        rows.value = new Map(list.rows.map((row, i) => [list.from + i, row]));
        reachGoal();
      } while (again);
    } finally {
      loading = false;
    }
  });
}

/** Goes to another part of the page. */
export function go(to: Place): void {
  const before = place.value;
  place.value = to;
  menuOpen.value = false;
  if (to.kind === "folder" && before.kind === "folder" && to.folder === before.folder) {
    closeMessage();
    return;
  }
  selected.value = new Set();
  closeMessage();
  cursor.value = null;
  if (to.kind === "folder") {
    rows.value = new Map();
    cursorAt = 0;
    goal = null;
    total.value = state.value?.folders.find(({ id }) => id === to.folder)?.total ?? 0;
    wanted = [0, PAGE];
    load();
  }
  if (to.kind === "contacts") refreshContacts();
}

export function refreshContacts(): void {
  run(async () => {
    contacts.value = await ask("contacts");
  });
}

export function refreshRecipients(): void {
  run(async () => {
    recipients.value = await ask("recipients");
  });
}

/** Reads a message. */
export function openMessage(uid: number): void {
  cursor.value = uid;
  reading.value = uid;
  if (message.value?.row.uid !== uid) message.value = null;
  run(async () => {
    const opened = await ask<MessageView>("message", { uid });
    if (reading.value === uid) message.value = opened;
  });
}

export function closeMessage(): void {
  reading.value = null;
  message.value = null;
}

/** The rows that are known, in their order. */
export function knownRows(): RowView[] {
  if (place.value.kind === "search") return (found.value ?? []).map(({ row }) => row);
  return [...rows.value].sort(([a], [b]) => a - b).map(([, row]) => row);
}

/** The UIDs that an action is for: those that are selected, or the one that is read or at the cursor. */
export function targets(): number[] {
  if (selected.value.size > 0) return [...selected.value];
  const uid = reading.value ?? cursor.value;
  return uid === null ? [] : [uid];
}

/** The row of a message, if it is known. */
export function rowOf(uid: number): RowView | null {
  return knownRows().find((row) => row.uid === uid) ??
    (message.value?.row.uid === uid ? message.value.row : null);
}

/** What {@linkcode undo} takes back first: the messages that are held, the latest last. */
let held: string[] = [];

/** Sends the draft `id`; as long as it may be taken back, that is offered. */
export async function deliver(id: string): Promise<void> {
  const { undoSend = 0 } = state.value ?? {};
  let shown: number | null = null;
  if (undoSend === 0) say(T.sending);
  else {
    held = [...held, id];
    // A move from before is taken back no more.
    lastMove = [];
    toasts.value = toasts.value.filter((one) => one.undo !== undoMove);
    shown = say(T.sendingIn(undoSend / 1000), false, () => run(() => takeBack(id)), undoSend);
  }
  try {
    const sent = await ask<SentView | TakenBackView>("send", { id });
    if ("takenBack" in sent) {
      await resume(sent.takenBack);
      say(T.takenBack);
    } else if (sent.waits === null) say(T.sent);
    else say(`${T.waits} ${sent.waits}`, true);
  } finally {
    held = held.filter((one) => one !== id);
    if (shown !== null) dismiss(shown);
  }
}

async function takeBack(id: string): Promise<void> {
  await ask("take-back", { id });
}

let lastMove: { readonly uids: number[]; readonly from: string | number }[] = [];

/** Moves messages to another folder; it can be taken back. */
export async function moveTo(uids: number[], to: string | number): Promise<void> {
  const moved = uids.filter((uid) => rowOf(uid)?.folder !== to);
  if (moved.length === 0) return;
  const from = new Map<string | number, number[]>();
  for (const uid of moved) {
    const at = rowOf(uid)?.folder ?? folder.value ?? "inbox";
    from.set(at, [...from.get(at) ?? [], uid]);
  }
  const next = afterGone(moved);
  await ask("flag", { uids: moved, set: [], clear: [], folder: to });
  lastMove = [...from].map(([folder, uids]) => ({ uids, from: folder }));
  leave(moved, next);
  say(T.moved(moved.length, folderName(to)), false, undoMove);
}

/** Takes the last move back, or the message that was sent since. */
export async function undo(): Promise<void> {
  const back = lastMove;
  lastMove = [];
  const latest = held.at(-1);
  if (back.length === 0 && latest !== undefined) return await takeBack(latest);
  for (const { uids, from } of back) {
    await ask("flag", { uids, set: [], clear: [], folder: from });
  }
  if (back.length === 0) return;
  toasts.value = toasts.value.filter((one) => one.undo !== undoMove);
  say(T.undone);
  load();
}

const undoMove = () => run(undo);

/** To Trash; from there for good, if the person says so. */
export async function remove(uids: number[]): Promise<void> {
  const gone = uids.filter((uid) => rowOf(uid)?.folder === "trash");
  if (gone.length === 0) return await moveTo(uids, "trash");
  if (!await confirmed(T.askDelete(gone.length), T.deleteForGood, T.askDeleteText)) return;
  const next = afterGone(gone);
  await ask("remove", { uids: gone });
  leave(gone, next);
  say(T.deleted(gone.length));
}

/** Sets or clears a flag of messages. */
export async function flag(
  uids: number[],
  name: "seen" | "flagged",
  on: boolean,
): Promise<void> {
  await ask("flag", { uids, set: on ? [name] : [], clear: on ? [] : [name], folder: null });
  const shown = message.value;
  if (shown && uids.includes(shown.row.uid)) {
    const row = name === "seen" ? { ...shown.row, fresh: !on } : { ...shown.row, flagged: on };
    message.value = { ...shown, row };
  }
  load();
}

/** The message that is read once `gone` are not in the list any more. */
function afterGone(gone: readonly number[]): number | null {
  const all = knownRows();
  const at = all.findIndex(({ uid }) => gone.includes(uid));
  const rest = all.slice(Math.max(0, at)).concat(all.slice(0, Math.max(0, at)).reverse());
  return rest.find(({ uid }) => !gone.includes(uid))?.uid ?? null;
}

function leave(gone: readonly number[], next: number | null): void {
  selected.value = new Set();
  if (place.value.kind === "search") {
    found.value = (found.value ?? []).filter(({ row }) => !gone.includes(row.uid));
  }
  if (reading.value !== null && gone.includes(reading.value)) {
    if (next === null || innerWidth < 720) closeMessage();
    else openMessage(next);
  }
  cursor.value = next;
  load();
}

/** The place in its folder of the message at the cursor, as it was known last. */
let cursorAt = 0;
/** The place that the cursor goes to once its row is there; null for none. */
let goal: number | null = null;

/** Moves the cursor; in a message, to another one. */
export function stepBy(by: number): void {
  if (folder.value !== null) return stepInFolder(by);
  const all = knownRows();
  const at = all.findIndex(({ uid }) => uid === cursor.value);
  const to = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
  if (to) putCursor(to.uid);
}

function putCursor(uid: number): void {
  if (reading.value !== null) openMessage(uid);
  else cursor.value = uid;
}

/** Moves the cursor in a folder, of which the rows around what is seen are known. */
function stepInFolder(by: number): void {
  if (total.value === 0) return;
  const places = [...rows.value];
  cursorAt = places.find(([, { uid }]) => uid === cursor.value)?.[0] ?? cursorAt;
  const seen = cursor.value === null && Number.isFinite(by)
    ? Math.min(total.value, ...places.map(([at]) => at)) % total.value
    : cursorAt + by;
  goal = Math.min(total.value - 1, Math.max(0, seen));
  if (!reachGoal()) load();
}

/** Puts the cursor where it goes; false if that row is not there yet. */
function reachGoal(): boolean {
  if (goal === null) return true;
  // The last ones may have gone meanwhile.
  goal = Math.min(goal, total.value - 1);
  const row = rows.value.get(goal);
  if (!row && goal >= 0) return false;
  cursorAt = Math.max(0, goal);
  goal = null;
  if (row) putCursor(row.uid);
  return true;
}

/** Begins a message. */
export async function write(to: readonly string[] = []): Promise<void> {
  await closeComposer();
  composing.value = await ask<DraftView>("new-draft", { to });
}

/** Begins a message that answers another one, quoting what is selected of it, else all. */
export async function answer(
  uid: number,
  how: "reply" | "reply-all" | "forward",
): Promise<void> {
  const selected = reading.value === uid ? selectedText() : null;
  await closeComposer();
  composing.value = await ask<DraftView>("answer-message", { uid, how, selected });
}

/** Goes on with a draft. */
export async function resume(id: string): Promise<void> {
  await closeComposer();
  composing.value = await ask<DraftView>("draft", { id });
}

/** Forgets all that was shown: the mail is shut. */
export function forget(): void {
  closeMessage();
  composing.value = null;
  cursor.value = null;
  progress.value = null;
  place.value = { kind: "folder", folder: "inbox" };
  selected.value = new Set();
  rows.value = new Map();
  total.value = 0;
  found.value = null;
  contacts.value = [];
  recipients.value = [];
  words.value = "";
  toasts.value = [];
  lastMove = [];
  held = [];
  for (const { answer } of dialogs.value) answer(null);
}

/** Saves what is being written before something else is shown; set by the composer. */
export const beforeLeaving: { save: () => Promise<void> } = { save: () => Promise.resolve() };

export async function closeComposer(): Promise<void> {
  if (composing.value === null) return;
  await beforeLeaving.save();
  composing.value = null;
}
