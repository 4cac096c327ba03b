import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { ask } from "./api.ts";
import { beginKeys, beginPassword } from "./account.tsx";
import { Machines } from "./machines.tsx";
import { confirmed, folderName, helpOpen, question, run, say, state } from "./store.ts";
import { T } from "./texts.ts";

/** Whether the desktop may say that mail came. */
export const notifying = signal(
  "Notification" in globalThis && Notification.permission === "granted",
);

/** What can be seen and changed about the account, and about this page. */
export function Settings() {
  const [key, setKey] = useState("");
  const online = state.value?.connection.kind === "online";
  useEffect(
    () => run(async () => setKey((await ask<{ fingerprint: string }>("own")).fingerprint)),
    [],
  );
  const allow = async () => {
    const answer = await Notification.requestPermission();
    notifying.value = answer === "granted";
    if (!notifying.value) say(T.notifyDenied, true);
  };
  return (
    <section class="page-part" aria-label={T.settings}>
      <div class="part-head">
        <h1>{T.settings}</h1>
      </div>
      <div class="setting">
        <h2>{T.account}</h2>
        <dl class="details">
          <dt>{T.name}</dt>
          <dd>{state.value?.name}</dd>
          <dt>{T.server}</dt>
          <dd>{state.value?.server}</dd>
          <dt>{T.ownKey}</dt>
          <dd>{key}</dd>
        </dl>
        <p class="quiet">{T.backup(state.value?.name ?? "")}</p>
      </div>
      <div class="setting">
        <h2>{T.passwordAndKeys}</h2>
        <p class="buttons">
          <button type="button" class="plain" disabled={!online} onClick={beginPassword}>
            {T.changePassword}
          </button>
          <button type="button" class="plain" disabled={!online} onClick={beginKeys}>
            {T.makeNewKeys}
          </button>
        </p>
        {!online && <p class="quiet">{T.needsConnection}</p>}
      </div>
      <Machines />
      <OwnFolders />
      <div class="setting">
        <h2>{T.notifications}</h2>
        {notifying.value ? <p>{T.notifyIsOn}</p> : (
          <p>
            {T.notifyText}{" "}
            <button type="button" class="plain" onClick={() => run(allow)}>{T.notifyOn}</button>
          </p>
        )}
      </div>
      <div class="setting">
        <h2>{T.keyboard}</h2>
        <button type="button" class="plain" onClick={() => helpOpen.value = true}>
          {T.helpTitle}
        </button>
      </div>
      <div class="setting">
        <h2>{T.moreAtTerminal}</h2>
        <p>
          {T.moreAtTerminalText} <code>sealpost help</code>
        </p>
      </div>
    </section>
  );
}

function OwnFolders() {
  const [name, setName] = useState("");
  const own = (state.value?.folders ?? []).filter(({ id }) => typeof id === "number");
  const searches = state.value?.searches ?? [];
  const rename = async (from: string) => {
    const to = await question({
      title: T.renameTo(from),
      text: "",
      actions: [{ word: T.rename, value: "yes" }, { word: T.cancel, value: "" }],
      input: { label: T.folderName, secret: false },
    });
    if (to?.trim()) await ask("rename-folder", { from, to: to.trim() });
  };
  const remove = async (name: string) => {
    if (await confirmed(`${T.remove} ${name}?`, T.remove)) await ask("remove-folder", { name });
  };
  const line = (name: string, shown: string, note: string) => (
    <li key={name}>
      <span dir="auto">{shown}</span>
      <span class="quiet" dir="auto">{note}</span>
      <span class="gap" />
      <button type="button" class="link" onClick={() => run(() => rename(name))}>
        {T.rename}
      </button>
      <button type="button" class="link" onClick={() => run(() => remove(name))}>
        {T.remove}
      </button>
    </li>
  );
  return (
    <div class="setting">
      <h2>{T.ownFolders}</h2>
      <ul class="own-folders">
        {own.map(({ id, name, total }) => line(name, folderName(id), T.messages(total)))}
        {searches.map(({ name, words }) => line(name, name, T.searchFor(words)))}
      </ul>
      <form
        class="inline"
        onSubmit={(event) => {
          event.preventDefault();
          run(async () => {
            await ask("make-folder", { name: name.trim() });
            setName("");
          });
        }}
      >
        <label class="field">
          <span>{T.newFolder}</span>
          <input value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <button type="submit" class="plain" disabled={name.trim() === ""}>{T.make}</button>
      </form>
    </div>
  );
}
