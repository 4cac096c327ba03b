import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { MachinesView, WordsView } from "../client/web/types.ts";
import { beginRemoval } from "./account.tsx";
import { ask } from "./api.ts";
import { dayOf } from "./format.ts";
import { Code, Icon, Modal, Secret, useWork, Wrong } from "./parts.tsx";
import { run, say, state } from "./store.ts";
import { T } from "./texts.ts";

/** The words that another machine is to be given, and what came of them; null for none, or not yet. */
const link = signal<
  {
    readonly shown: WordsView | null;
    readonly came: { readonly device: string; readonly words: readonly string[] } | null;
  } | null
>(null);
/** The kit that is being made: before its words are shown, null in their place. */
const kit = signal<{ readonly shown: WordsView | null } | null>(null);
/** Counts what was changed here, so that lists are asked for anew. */
const changes = signal(0);

/** A machine has come with the words, and shows six of its own. */
export function machineCame(device: string, words: readonly string[]): void {
  if (link.value) link.value = { ...link.value, came: { device, words } };
}

/** The words are of no use any more. */
export function linkOver(text: string): void {
  link.value = null;
  say(text, true);
}

/** Begins a kit: asks for the password, then shows its words. */
export function beginKit(): void {
  kit.value = { shown: null };
}

/** Closes the windows about machines and the kit. */
export function closeMachineWindows(): void {
  link.value = null;
  kit.value = null;
}

/** Windows about machines and the kit. */
export function MachineWindows() {
  return (
    <>
      {link.value && <Link />}
      {kit.value && <Kit />}
    </>
  );
}

/** A person's machines and their kit, as a part of the settings. */
export function Machines() {
  const [view, setView] = useState<MachinesView | null>(null);
  const online = state.value?.connection.kind === "online";
  const changed = changes.value;
  useEffect(() => {
    if (online) run(async () => setView(await ask<MachinesView>("machines")));
  }, [online, changed]);
  const add = () => {
    link.value = { shown: null, came: null };
  };
  return (
    <>
      <div class="setting">
        <h2>{T.machines}</h2>
        {view === null
          ? <p class="quiet">{online ? T.loading : T.machinesOffline}</p>
          : (
            <ul class="own-folders">
              {view.machines.map((machine) => (
                <li key={machine.id}>
                  <span dir="auto">{machine.name}</span>
                  {machine.own && <Icon name="check" />}
                  <span class="quiet">{machine.words}</span>
                  <span class="gap" />
                  {!machine.own && (
                    <button
                      type="button"
                      class="link"
                      aria-label={T.removeMachine(machine.name)}
                      disabled={!online}
                      onClick={() => beginRemoval(machine)}
                    >
                      {T.remove}
                    </button>
                  )}
                </li>
              ))}
            </ul>
          )}
        <p>
          <button type="button" class="plain" disabled={!online} onClick={add}>
            {T.addMachine}
          </button>
        </p>
      </div>
      <div class="setting">
        <h2>{T.kit}</h2>
        <p>{view === null ? T.kitText : kitText(view.kit)}</p>
        <p>
          <button type="button" class="plain" disabled={!online} onClick={beginKit}>
            {view !== null && view.kit.kind === "kept" ? T.newKit : T.makeKit}
          </button>
        </p>
      </div>
    </>
  );
}

function kitText({ kind, date, fetched }: MachinesView["kit"]): string {
  if (kind === "none" || date === null) return kind === "vanished" ? T.kitVanished : T.kitText;
  const known = T.kitOf(dayOf(date));
  return fetched === null ? known : `${known} ${T.kitFetched(dayOf(fetched))}`;
}

function Words({ shown, code }: { shown: WordsView; code: boolean }) {
  return (
    <div class="words-and-code">
      <ol class="words">
        {shown.words.map((word, i) => <li key={i}>{word}</li>)}
      </ol>
      {code && <Code rows={shown.code} label={T.codeOfWords} />}
    </div>
  );
}

/** Asks for the password, and shows words that are given for it. */
function Prove({ text, onGiven, onLeave }: {
  text: string;
  onGiven: (secrets: { password: string; passphrase: string }) => Promise<void>;
  onLeave: () => void;
}) {
  const [password, setPassword] = useState("");
  const [passphrase, setPassphrase] = useState("");
  const { working, wrong, work } = useWork();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        work(() => onGiven({ password, passphrase }));
      }}
    >
      <p>{text}</p>
      <Wrong text={wrong} />
      <Secret label={T.havePassword} value={password} onInput={setPassword} fresh={false} />
      <Secret label={T.ownPassphrase} value={passphrase} onInput={setPassphrase} fresh={false} />
      <div class="actions">
        <button type="submit" class="primary" disabled={working || password === ""}>
          {T.showWords}
        </button>
        <button type="button" class="plain" onClick={onLeave}>{T.cancel}</button>
      </div>
    </form>
  );
}

function Link() {
  const shown = link.value?.shown ?? null;
  const came = link.value?.came ?? null;
  const answer = async (same: boolean) => {
    link.value = null;
    await ask("answer-link", { same });
    changes.value++;
    if (!same) say(T.linkRefused, true);
    else if (came) say(T.linked(came.device));
  };
  const leave = () => {
    if (shown === null) link.value = null;
    else run(() => answer(false));
  };
  const begin = async (secrets: { password: string; passphrase: string }) => {
    const words = await ask<WordsView>("offer-link", secrets);
    // The window may be closed by now.
    if (link.value) link.value = { shown: words, came: null };
    else await ask("answer-link", { same: false });
  };
  return (
    <Modal title={T.addMachine} onClose={leave} wide>
      {shown === null
        ? <Prove text={T.linkBefore} onGiven={begin} onLeave={leave} />
        : came === null
        ? (
          <>
            <p>{T.linkText}</p>
            <Words shown={shown} code={false} />
            <p class="quiet" role="status">{T.linkWaiting}</p>
            <div class="actions">
              <button type="button" class="plain" onClick={leave}>{T.cancel}</button>
            </div>
          </>
        )
        : (
          <>
            <p dir="auto">{T.machineCame(came.device)}</p>
            <p class="six-words">{came.words.join(" ")}</p>
            <p>{T.machineGets}</p>
            <div class="actions">
              <button type="button" class="primary" onClick={() => run(() => answer(true))}>
                {T.sameWords}
              </button>
              <button type="button" class="danger" onClick={() => run(() => answer(false))}>
                {T.otherWords}
              </button>
            </div>
          </>
        )}
    </Modal>
  );
}

function Kit() {
  const shown = kit.value?.shown ?? null;
  const begin = async (secrets: { password: string; passphrase: string }) => {
    const words = await ask<WordsView>("begin-kit", secrets);
    // The window may be closed by now.
    if (kit.value) kit.value = { shown: words };
    else await ask("end-kit", { kept: false });
  };
  const leave = () => {
    kit.value = null;
    if (shown) run(() => ask("end-kit", { kept: false }));
  };
  const { working, wrong, work } = useWork();
  const keep = async () => {
    await ask("end-kit", { kept: true });
    kit.value = null;
    changes.value++;
    say(T.kitMade);
  };
  return (
    <Modal title={T.kit} onClose={leave} wide cls="kit">
      {shown === null ? <Prove text={T.kitBefore} onGiven={begin} onLeave={leave} /> : (
        <>
          <p>{T.kitWrite}</p>
          <Words shown={shown} code />
          <p class="quiet">{T.kitUse}</p>
          <Wrong text={wrong} />
          <div class="actions">
            <button type="button" class="primary" disabled={working} onClick={() => work(keep)}>
              {T.onPaper}
            </button>
            <button type="button" class="plain" onClick={() => print()}>{T.print}</button>
            <button type="button" class="plain" onClick={leave}>{T.cancel}</button>
          </div>
        </>
      )}
    </Modal>
  );
}
