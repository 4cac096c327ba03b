import { toggle } from "./list.tsx";
import { chooseFolder } from "./reader.tsx";
import {
  answer,
  closeMessage,
  composing,
  cursor,
  dialogs,
  flag,
  go,
  helpOpen,
  knownRows,
  moveTo,
  openMessage,
  type Place,
  reading,
  remove,
  rowOf,
  run,
  selected,
  stepBy,
  targets,
  undo,
  write,
} from "./store.ts";

const PLACES: readonly Place[] = [
  { kind: "folder", folder: "inbox" },
  { kind: "folder", folder: "sent" },
  { kind: "folder", folder: "archive" },
  { kind: "folder", folder: "trash" },
  { kind: "drafts" },
  { kind: "outbox" },
];

/** Where a key types something, and does nothing else. */
function types(target: EventTarget | null): boolean {
  return target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

/** Does what a key stands for; the keys are those of the full-screen program. */
export function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (types(event.target) || dialogs.value.length > 0 || document.querySelector("dialog[open]")) {
    return;
  }
  if (composing.value !== null) return;
  const inButton = event.target instanceof HTMLElement &&
    ["BUTTON", "A", "SUMMARY"].includes(event.target.tagName);
  if (inButton && (event.key === "Enter" || event.key === " ")) return;
  if (act(event.key)) event.preventDefault();
}

/** Does what `key` stands for; whether it stands for anything. */
function act(key: string): boolean {
  const uids = targets();
  const [uid] = uids;
  const digit = PLACES[Number(key) - 1];
  if (digit) {
    go(digit);
    return true;
  }
  const on = (work: (uid: number) => Promise<unknown>): true => {
    if (uid !== undefined) run(() => work(uid));
    return true;
  };
  switch (key) {
    case "j":
    case "ArrowDown":
    case "n":
      stepBy(1);
      return true;
    case "k":
    case "ArrowUp":
    case "p":
      stepBy(-1);
      return true;
    case "g":
    case "Home":
      stepBy(-Infinity);
      return true;
    case "G":
    case "End":
      stepBy(Infinity);
      return true;
    case "Enter":
    case "ArrowRight":
      if (cursor.value === null) stepBy(0);
      else openMessage(cursor.value);
      return true;
    case "q":
    case "Escape":
    case "ArrowLeft":
      if (selected.value.size > 0) selected.value = new Set();
      else if (reading.value !== null) closeMessage();
      else return false;
      return true;
    case "m":
      run(() => write());
      return true;
    case "r":
      return on((uid) => answer(uid, "reply"));
    case "R":
      return on((uid) => answer(uid, "reply-all"));
    case "f":
      return on((uid) => answer(uid, "forward"));
    case "a":
      return on(() => moveTo(uids, "archive"));
    case "d":
    case "Delete":
      return on(() => remove(uids));
    case "u":
      run(undo);
      return true;
    case "M":
      return on(chooseFolder);
    case "F":
      return on((uid) => flag(uids, "flagged", !rowOf(uid)?.flagged));
    case "N":
      return on((uid) => flag(uids, "seen", rowOf(uid)?.fresh ?? false));
    case "t":
      if (uid !== undefined && cursor.value !== null) {
        toggle(cursor.value);
        stepBy(1);
      } else if (knownRows().length > 0) stepBy(0);
      return true;
    case "/":
      document.getElementById("search")?.focus();
      return true;
    case "C":
      go({ kind: "contacts" });
      return true;
    case "?":
      helpOpen.value = true;
      return true;
  }
  return false;
}
