import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { MachinesView, NewKeysView, RemovedView } from "../client/web/types.ts";
import { ask, Refused } from "./api.ts";
import { Icon, Modal, Secret, useWork, Wrong } from "./parts.tsx";
import { question, say, sayError } from "./store.ts";
import { T } from "./texts.ts";

type MachineView = MachinesView["machines"][number];

/** What of the account is being changed; null for nothing. */
const changing = signal<
  | { readonly what: "password" | "keys" }
  | { readonly what: "machine"; readonly machine: MachineView }
  | null
>(null);

/** Asks for another password. */
export function beginPassword(): void {
  changing.value = { what: "password" };
}

/** Asks before new keys are made. */
export function beginKeys(): void {
  changing.value = { what: "keys" };
}

/** Asks before a machine is taken off the list. */
export function beginRemoval(machine: MachineView): void {
  changing.value = { what: "machine", machine };
}

/** Closes the windows about the account. */
export function closeAccountWindows(): void {
  changing.value = null;
}

/** The window about the account, if one is open. */
export function AccountWindows() {
  switch (changing.value?.what) {
    case "password":
      return <Password />;
    case "keys":
      return <Keys />;
    case "machine":
      return <Removal machine={changing.value.machine} />;
    default:
      return null;
  }
}

/**
 * Runs a change of the account. The program shuts the mail meanwhile, and with it the window, so what goes
 * wrong later is said elsewhere. Null if it went wrong there.
 */
async function change<R>(name: string, input: unknown): Promise<R | null> {
  const mine = changing.value;
  try {
    return await ask<R>(name, input);
  } catch (error) {
    if (changing.value === mine) throw error;
    sayError(error);
    return null;
  }
}

/** Says what was done, until the person has read it. */
async function tell(title: string, paragraphs: readonly string[]): Promise<void> {
  closeAccountWindows();
  const actions = [{ word: T.ok, value: "yes" }];
  await question({ title, text: paragraphs.filter((one) => one !== "").join("\n\n"), actions });
}

function Password() {
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const { working, wrong, work } = useWork();
  const finish = async () => {
    if (next !== again) throw new Refused("usage", T.notTheSame);
    if (await change("change-password", { old, next }) === null) return;
    closeAccountWindows();
    say(T.passwordChanged);
  };
  return (
    <Modal title={T.changePassword} onClose={closeAccountWindows}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          work(finish);
        }}
      >
        <p>{T.changePasswordText}</p>
        <Wrong text={wrong} />
        <Secret label={T.havePassword} value={old} onInput={setOld} fresh={false} />
        <Secret label={T.newPassword} value={next} onInput={setNext} note={T.passwordLength} />
        <Secret label={T.passwordAgain} value={again} onInput={setAgain} />
        <div class="actions">
          <button
            type="submit"
            class="primary"
            disabled={working || old === "" || next === "" || again === ""}
          >
            {T.changePassword}
          </button>
          <button type="button" class="plain" onClick={closeAccountWindows}>{T.cancel}</button>
        </div>
      </form>
    </Modal>
  );
}

function Keys() {
  const [password, setPassword] = useState("");
  const [passphrase, setPassphrase] = useState("");
  const { working, wrong, work } = useWork();
  const finish = async () => {
    const keys = await change<NewKeysView>("new-keys", { password, passphrase });
    if (keys) await tell(T.keysAreNew, [T.newKeyIs(keys.fingerprint), T.afterNewKeys]);
  };
  return (
    <Modal title={T.newKeys} onClose={closeAccountWindows}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          work(finish);
        }}
      >
        <p>{T.newKeysText}</p>
        <p class="notice">
          <Icon name="info" />
          <span>{T.newKeysStolen}</span>
        </p>
        <Wrong text={wrong} />
        <Secret label={T.havePassword} value={password} onInput={setPassword} fresh={false} />
        <Secret label={T.ownPassphrase} value={passphrase} onInput={setPassphrase} fresh={false} />
        <div class="actions">
          <button type="submit" class="primary" disabled={working || password === ""}>
            {T.makeNewKeys}
          </button>
          <button type="button" class="plain" onClick={closeAccountWindows}>{T.cancel}</button>
        </div>
      </form>
    </Modal>
  );
}

function Removal({ machine: { id, name, words } }: { machine: MachineView }) {
  const [how, setHow] = useState<"lost" | "retired" | null>(null);
  const [password, setPassword] = useState("");
  const [passphrase, setPassphrase] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const { working, wrong, work } = useWork();
  const lost = how === "lost";
  const finish = async () => {
    if (!lost) {
      if (await change("retire-machine", { id, password, passphrase })) say(T.machineRetired(name));
      closeAccountWindows();
      return;
    }
    if (next !== again) throw new Refused("usage", T.notTheSame);
    const removed = await change<RemovedView>("remove-machine", { id, password, passphrase, next });
    if (!removed) return;
    const { fingerprint, unverified, changed } = removed;
    await tell(T.machineRemoved(name), [
      T.machineRemovedText,
      unverified.length > 0 ? T.notVerifiedNow(unverified.join(", ")) : "",
      changed.length > 0 ? T.lastChanged(changed.join(", ")) : "",
      T.newKeyIs(fingerprint),
      T.afterRemoval,
    ]);
  };
  const choice = (value: "lost" | "retired", word: string, text: string) => (
    <label class={`choice ${how === value ? "chosen" : ""}`}>
      <input
        type="radio"
        name="how"
        checked={how === value}
        onChange={() =>
          setHow(value)}
      />
      <span>
        <strong>{word}</strong>
        <span class="quiet">{text}</span>
      </span>
    </label>
  );
  return (
    <Modal title={T.removeMachine(name)} onClose={closeAccountWindows}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          work(finish);
        }}
      >
        <p class="quiet">{words}</p>
        <fieldset class="choices">
          <legend class="hidden">{T.removeMachine(name)}</legend>
          {choice("lost", T.isLost, T.isLostText)}
          {choice("retired", T.isRetired, T.isRetiredText)}
        </fieldset>
        <Wrong text={wrong} />
        {how !== null && (
          <>
            <Secret label={T.havePassword} value={password} onInput={setPassword} fresh={false} />
            <Secret
              label={T.ownPassphrase}
              value={passphrase}
              onInput={setPassphrase}
              fresh={false}
            />
          </>
        )}
        {lost && (
          <>
            <Secret label={T.newPassword} value={next} onInput={setNext} note={T.passwordLength} />
            <Secret label={T.passwordAgain} value={again} onInput={setAgain} />
          </>
        )}
        <div class="actions">
          <button
            type="submit"
            class={lost ? "danger" : "primary"}
            disabled={working || how === null || password === "" ||
              lost && (next === "" || again === "")}
          >
            {lost ? T.removeLost : T.takeOffList}
          </button>
          <button type="button" class="plain" onClick={closeAccountWindows}>{T.cancel}</button>
        </div>
      </form>
    </Modal>
  );
}
