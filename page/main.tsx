import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { FoundView, KeptSearchView, PageEvent, SearchView } from "../client/web/types.ts";
import { AccountWindows, closeAccountWindows } from "./account.tsx";
import { ask, enter, listen, whenClosed } from "./api.ts";
import { Composer } from "./composer.tsx";
import { onKey } from "./keys.ts";
import { List } from "./list.tsx";
import { Dialogs, Icon, IconButton, type IconName, Modal, Toasts } from "./parts.tsx";
import { closeKeyWindows, Contacts, KeyWindows } from "./people.tsx";
import { closeMachineWindows, linkOver, machineCame, MachineWindows } from "./machines.tsx";
import { Reader, Selection } from "./reader.tsx";
import { Settings } from "./settings.tsx";
import { notifying } from "./settings.tsx";
import { Before } from "./setup.tsx";
import {
  askAboutAddress,
  closeComposer,
  closeMessage,
  compared,
  composing,
  cursor,
  entered,
  folderName,
  forget,
  found,
  go,
  helpOpen,
  load,
  menuOpen,
  type Place,
  place,
  progress,
  question,
  reading,
  refreshContacts,
  run,
  say,
  selected,
  state,
  step,
  words,
  write,
} from "./store.ts";
import { KEYS, T } from "./texts.ts";

/** How often at the most the program is told that somebody is here, milliseconds. */
const HERE = 20_000;

function App() {
  const open = entered.value === "in" && state.value?.stage === "open";
  return (
    <>
      {open ? <Mail /> : <Before />}
      <KeyWindows />
      <MachineWindows />
      <AccountWindows />
      {helpOpen.value && <Help />}
      <Dialogs />
      <Toasts />
    </>
  );
}

function Mail() {
  const { kind } = place.value;
  const lists = kind === "folder" || kind === "search" || kind === "drafts" || kind === "outbox";
  const busy = reading.value !== null || composing.value !== null;
  const writing = composing.value !== null || selected.value.size > 0;
  return (
    <div
      class={`mail ${busy ? "busy" : ""} ${writing ? "writing" : ""} ${lists ? "" : "single"} ${
        menuOpen.value ? "menu" : ""
      }`}
    >
      <a class="skip" href="#list">{T.skip}</a>
      <Header />
      <Side />
      {menuOpen.value && (
        <div
          class="shade"
          aria-hidden="true"
          onClick={() => menuOpen.value = false}
        />
      )}
      <button type="button" class="primary float" onClick={() => run(() => write())}>
        <Icon name="write" />
        {T.write}
      </button>
      <main class="middle" id="list">
        <Offline />
        {kind === "contacts" ? <Contacts /> : kind === "settings" ? <Settings /> : (
          <>
            <ListHead />
            <List />
            {selected.value.size > 0 && <Selection />}
          </>
        )}
      </main>
      {(lists || composing.value !== null) && (
        <section class="right" aria-label={T.message}>
          {composing.value === null
            ? <Reader />
            : <Composer key={composing.value.id} draft={composing.value} />}
        </section>
      )}
    </div>
  );
}

function Header() {
  const [typed, setTyped] = useState(words.value);
  const given = asked.value;
  useEffect(() => {
    if (given) setTyped(given.words);
  }, [given]);
  useEffect(() => {
    if (place.value.kind === "search" && typed === words.value) return;
    if (typed.trim() === "") {
      if (place.value.kind === "search") go({ kind: "folder", folder: "inbox" });
      return;
    }
    const timer = setTimeout(() => search(typed), 250);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <header class="top">
      <IconButton
        icon="menu"
        label={T.menu}
        cls="only-folded"
        pressed={menuOpen.value}
        onClick={() => menuOpen.value = !menuOpen.value}
      />
      <span class="brand">
        <img src="/icon.svg" alt="" width={26} height={26} />
        {T.app}
      </span>
      <div class="search" role="search">
        <Icon name="search" />
        <input
          id="search"
          type="search"
          aria-label={T.searchAll}
          placeholder={T.searchAll}
          autocomplete="off"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") {
              setTyped("");
              event.currentTarget.blur();
            } else if (event.key === "Enter" || event.key === "ArrowDown") {
              event.preventDefault();
              document.querySelector<HTMLElement>(".rows")?.focus();
            }
          }}
        />
      </div>
      <Connection />
      <IconButton
        icon="refresh"
        label={T.refresh}
        cls="not-tiny"
        onClick={() => run(() => ask("refresh"))}
      />
      <IconButton
        icon="lock"
        label={T.lockNow}
        cls="not-tiny"
        onClick={() => run(lock)}
      />
      <span class="me" title={state.value?.server}>{state.value?.name}</span>
    </header>
  );
}

/** Shuts the mail, when what is being written is saved. */
async function lock(): Promise<void> {
  await closeComposer();
  await ask("lock");
}

/** The kept search that was chosen last; null before one is. */
const asked = signal<KeptSearchView | null>(null);

/** Shows what a kept search finds. */
function showSearch(kept: KeptSearchView): void {
  menuOpen.value = false;
  selected.value = new Set();
  closeMessage();
  cursor.value = null;
  found.value = null;
  // Another object, so that what was typed since gives way to it.
  asked.value = { ...kept };
  search(kept.words);
}

/** Keeps the search that is shown under a name. */
async function keepSearch(): Promise<void> {
  const name = await question({
    title: T.keepSearch,
    text: T.keepSearchText(words.value),
    actions: [{ word: T.keep, value: "yes" }, { word: T.cancel, value: "" }],
    input: { label: T.folderName, secret: false },
  });
  if (!name?.trim()) return;
  await ask("keep-search", { name: name.trim(), words: words.value });
  say(T.searchKept(name.trim()));
}

let searching = 0;
const unsearched = { count: 0 };

function search(text: string, fetch = false): void {
  const mine = ++searching;
  words.value = text;
  if (place.value.kind !== "search") {
    selected.value = new Set();
    found.value = null;
    place.value = { kind: "search" };
    closeMessage();
    cursor.value = null;
  }
  run(async () => {
    const result = await ask<SearchView>("search", { words: text, fetch });
    // What was typed meanwhile counts.
    if (mine !== searching) return;
    unsearched.count = result.unread;
    found.value = result.found as FoundView[];
  });
}

function Connection() {
  const kind = state.value?.connection.kind ?? "connecting";
  const text = kind === "online" ? T.online : kind === "connecting" ? T.connecting : T.offline;
  return (
    <span class={`connection ${kind}`} role="status" title={text}>
      <span class="dot" aria-hidden="true" />
      <span class="connection-text">{text}</span>
    </span>
  );
}

function Offline() {
  const [, tick] = useState(0);
  const connection = state.value?.connection;
  const offline = connection?.kind === "offline";
  useEffect(() => {
    if (!offline) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [offline]);
  if (!offline) return null;
  const { why, retryAt } = connection;
  const seconds = retryAt === null ? null : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  return (
    <div class="notice offline">
      <Icon name="warn" />
      <div>
        <p>
          <strong>{T.offline}.</strong> {why}
        </p>
        <p class="quiet">{T.offlineText} {seconds !== null && T.offlineRetry(seconds)}</p>
      </div>
      <button type="button" class="plain" onClick={() => run(() => ask("refresh"))}>
        {T.retryNow}
      </button>
    </div>
  );
}

function ListHead() {
  const at = place.value;
  if (at.kind === "search") {
    const count = found.value?.length ?? 0;
    const kept = state.value?.searches.find((one) => one.words === words.value);
    const title = found.value === null ? T.loading : T.results(count);
    return (
      <div class="list-head">
        <h1 dir="auto">{kept?.name ?? title}</h1>
        {kept ? <p class="quiet">{title}</p> : found.value !== null && (
          <button
            type="button"
            class="link"
            onClick={() => run(keepSearch)}
          >
            {T.keepSearch}
          </button>
        )}
        {found.value !== null && unsearched.count > 0 && (
          <p class="quiet">
            {T.notSearched(unsearched.count)}{" "}
            <button type="button" class="link" onClick={() => search(words.value, true)}>
              {T.fetchThem}
            </button>
          </p>
        )}
      </div>
    );
  }
  const id = at.kind === "folder" ? at.folder : at.kind;
  const known = state.value?.folders.find((one) => one.id === id);
  return (
    <div class="list-head">
      <h1 dir="auto">{folderName(id)}</h1>
      {known && (
        <p class="quiet">
          {known.unread > 0
            ? T.unread(known.unread)
            : known.total > 0
            ? T.messages(known.total)
            : ""}
          {state.value?.fetching ? ` · ${T.fetching}` : ""}
        </p>
      )}
    </div>
  );
}

function Side() {
  const { folders = [], searches = [], drafts = 0, outbox = 0 } = state.value ?? {};
  const entry = (to: Place, icon: IconName, name: string, count: number, strong: boolean) => {
    const here = JSON.stringify(place.value) === JSON.stringify(to);
    return (
      <li key={name}>
        <button
          type="button"
          class={`nav ${here ? "here" : ""} ${strong ? "strong" : ""}`}
          aria-current={here ? "page" : undefined}
          onClick={() => go(to)}
        >
          <Icon name={icon} />
          <span class="nav-name" dir="auto">{name}</span>
          {count > 0 && (
            <span class="count" aria-label={strong ? T.unread(count) : T.messages(count)}>
              {count.toLocaleString()}
            </span>
          )}
        </button>
      </li>
    );
  };
  const of = (id: string | number, icon: IconName) => {
    const { unread = 0 } = folders.find((one) => one.id === id) ?? {};
    return entry({ kind: "folder", folder: id }, icon, folderName(id), unread, unread > 0);
  };
  return (
    <nav class="side" aria-label={T.folders}>
      <button type="button" class="primary write" onClick={() => run(() => write())}>
        <Icon name="write" /> {T.write}
      </button>
      <ul>
        {of("inbox", "inbox")}
        {entry({ kind: "drafts" }, "drafts", folderName("drafts"), drafts, false)}
        {entry({ kind: "outbox" }, "outbox", folderName("outbox"), outbox, outbox > 0)}
        {of("sent", "sent")}
        {of("archive", "archive")}
        {of("trash", "trash")}
      </ul>
      {(searches.length > 0 || folders.some(({ id }) => typeof id === "number")) && (
        <ul class="own">
          {folders.filter(({ id }) => typeof id === "number").map(({ id }) => of(id, "folder"))}
          {searches.map((kept) => {
            const here = place.value.kind === "search" && words.value === kept.words;
            return (
              <li key={`search ${kept.name}`}>
                <button
                  type="button"
                  class={`nav ${here ? "here" : ""}`}
                  aria-current={here ? "page" : undefined}
                  onClick={() => showSearch(kept)}
                >
                  <Icon name="search" />
                  <span class="nav-name" dir="auto">{kept.name}</span>
                </button>
              </li>
            );
          })}
        </ul>
      )}
      <ul class="bottom">
        {entry({ kind: "contacts" }, "contacts", T.contacts, 0, false)}
        {entry({ kind: "settings" }, "settings", T.settings, 0, false)}
        <li>
          <button type="button" class="nav" onClick={() => helpOpen.value = true}>
            <Icon name="help" />
            <span class="nav-name">{T.help}</span>
          </button>
        </li>
        <li class="only-tiny">
          <button type="button" class="nav" onClick={() => run(lock)}>
            <Icon name="lock" />
            <span class="nav-name">{T.lockNow}</span>
          </button>
        </li>
      </ul>
    </nav>
  );
}

function Help() {
  return (
    <Modal title={T.helpTitle} onClose={() => helpOpen.value = false} wide>
      <dl class="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>{keys.split(", ").map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}

/** Takes over what the program tells. */
function told(event: PageEvent): void {
  switch (event.kind) {
    case "state": {
      const before = state.value;
      state.value = event.state;
      if (event.state.stage !== "open") {
        if (before?.stage === "open") shut();
      } else if (before?.version !== event.state.version || before.stage !== "open") {
        load();
        if (place.value.kind === "contacts") refreshContacts();
      }
      run(askAboutAddress);
      return showUnread();
    }
    case "progress": {
      const { label, done, total, left } = event;
      progress.value = { label, share: total > 0 ? Math.min(1, done / total) : 0, left };
      return;
    }
    case "progress-over":
      progress.value = null;
      return;
    case "said":
      say(event.text, event.bad);
      return;
    case "step":
      step.value = event.text;
      return;
    case "compare":
      compared.value = { device: event.device, words: event.words };
      return;
    case "came":
      return machineCame(event.device, event.words);
    case "link-over":
      return linkOver(event.text);
    case "arrived": {
      const { from, subject, count } = event;
      const text = count === 1 ? T.newMail(from, subject) : T.newMails(count);
      say(text);
      if (place.value.kind === "search") search(words.value);
      if (notifying.value && document.visibilityState === "hidden") {
        new Notification(T.app, { body: text, icon: "/icon.svg", tag: "mail" });
      }
      return;
    }
    case "ask":
      run(async () => {
        const actions = [{ word: T.goOn, value: "yes" }, { word: T.cancel, value: "" }];
        const input = { label: event.prompt, secret: true };
        const text = await question({ title: T.password, text: T.passwordText, actions, input });
        await ask("answer", { id: event.id, text });
      });
  }
}

function showUnread(): void {
  const unread = state.value?.folders.find(({ id }) => id === "inbox")?.unread ?? 0;
  const name = state.value?.name ?? "";
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${T.app}${name === "" ? "" : ` · ${name}`}`;
}

/** Lets this page in with the token of its link, which leaves the address at once. */
async function begin(): Promise<void> {
  const token = location.hash.slice(1);
  history.replaceState(null, "", "/");
  if (token === "") {
    entered.value = "closed";
    return;
  }
  try {
    await enter(token);
  } catch {
    entered.value = "used";
    return;
  }
  entered.value = "in";
  whenClosed(() => {
    entered.value = "closed";
    state.value = null;
    shut();
  });
  await listen(told);
}

/** Nothing of the mail is left in a page that is shut. */
function shut(): void {
  forget();
  closeKeyWindows();
  closeMachineWindows();
  closeAccountWindows();
}

let here = 0;
function isHere(): void {
  if (entered.value !== "in" || Date.now() - here < HERE) return;
  here = Date.now();
  ask("here").catch(() => {});
}

addEventListener("keydown", onKey);
for (const name of ["keydown", "pointerdown", "wheel", "touchstart"] as const) {
  addEventListener(name, isHere, { passive: true });
}
// A file that misses the place for it must not take the place of the page.
for (const name of ["dragover", "drop"] as const) {
  addEventListener(name, (event) => event.preventDefault());
}
// Another link was opened in the place of this page.
addEventListener("hashchange", () => location.reload());
const root = document.getElementById("app");
if (root) render(<App />, root);
void begin();
