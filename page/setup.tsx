import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { BeginView } from "../client/web/types.ts";
import { ask, Refused } from "./api.ts";
import { Icon } from "./parts.tsx";
import { entered, sentence, state, step } from "./store.ts";
import { T } from "./texts.ts";

/** A card in the middle of an empty page. */
function Card({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <main class="card-page">
      <div class="card">
        <img class="logo" src="/icon.svg" alt="" width={56} height={56} />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}

/** What is shown instead of the mail; null if that is open. */
export function Before() {
  if (entered.value === "entering") {
    return (
      <Card title={T.app}>
        <p>{T.opening}</p>
      </Card>
    );
  }
  if (entered.value !== "in") return <Closed />;
  switch (state.value?.stage) {
    case "setup":
      return <Setup />;
    case "locked":
      return <Locked />;
    default:
      return <Opening />;
  }
}

function Closed() {
  return (
    <Card title={T.closedTitle}>
      {entered.value === "used" && (
        <p class="notice bad">
          <Icon name="warn" />
          {T.linkUsed}
        </p>
      )}
      <p>
        {T.closedText} <code>{T.closedCommand}</code>
        {T.closedTerminal}
      </p>
    </Card>
  );
}

function Opening() {
  const problem = state.value?.problem;
  if (!problem) {
    return (
      <Card title={T.app}>
        <p role="status">{T.opening}</p>
      </Card>
    );
  }
  return (
    <Card title={T.notOpen}>
      <p class="notice bad" role="alert">
        <Icon name="warn" />
        {problem}
      </p>
      <button type="button" class="primary" onClick={() => void ask("retry").catch(() => {})}>
        {T.tryAgain}
      </button>
    </Card>
  );
}

/** A form's work: while it goes on the button is out of use, and what goes wrong stands above it. */
function useWork(): {
  readonly working: boolean;
  readonly wrong: string;
  readonly work: (what: () => Promise<void>) => void;
} {
  const [working, setWorking] = useState(false);
  const [wrong, setWrong] = useState("");
  const work = (what: () => Promise<void>) => {
    setWorking(true);
    setWrong("");
    what().catch((error) => setWrong(error instanceof Refused ? sentence(error.message) : T.wrong))
      .finally(() => setWorking(false));
  };
  return { working, wrong, work };
}

function Wrong({ text }: { text: string }) {
  return text === "" ? null : (
    <p class="notice bad" role="alert">
      <Icon name="warn" />
      <span>{text}</span>
    </p>
  );
}

function Secret({ label, value, onInput, note, fresh = true }: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  note?: string;
  fresh?: boolean;
}) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="password"
        autocomplete={fresh ? "new-password" : "current-password"}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      {note && <span class="quiet">{note}</span>}
    </label>
  );
}

function Locked() {
  const [passphrase, setPassphrase] = useState("");
  const { working, wrong, work } = useWork();
  return (
    <Card title={T.lockedTitle}>
      <p>{T.lockedText}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          work(() => ask("unlock", { passphrase }));
        }}
      >
        <Wrong text={wrong} />
        <Secret
          label={T.passphrase}
          value={passphrase}
          onInput={setPassphrase}
          fresh={false}
        />
        <button type="submit" class="primary" disabled={working || passphrase === ""}>
          {T.unlock}
        </button>
      </form>
    </Card>
  );
}

/** The first steps of somebody who has an invitation and nothing else. */
function Setup() {
  const [begun, setBegun] = useState<BeginView | null>(null);
  return begun === null
    ? <Invitation onBegun={setBegun} />
    : <Choices begun={begun} onBack={() => setBegun(null)} />;
}

function Invitation({ onBegun }: { onBegun: (begun: BeginView) => void }) {
  const [text, setText] = useState("");
  const { working, wrong, work } = useWork();
  return (
    <Card title={T.welcome}>
      <p>{T.tagline}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          work(async () => onBegun(await ask<BeginView>("begin", { text })));
        }}
      >
        <p>
          {T.inviteText} <code>{T.inviteExample}</code>.
        </p>
        <Wrong text={wrong} />
        <label class="field">
          <span>{T.invite}</span>
          <textarea
            class="invitation"
            rows={8}
            spellcheck={false}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={working || text.trim() === ""}>
          {T.next}
        </button>
      </form>
    </Card>
  );
}

function Choices({ begun, onBack }: { begun: BeginView; onBack: () => void }) {
  const { server, fingerprint, compare, choosesPassword } = begun;
  const [name, setName] = useState(begun.name ?? "");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [passphrase, setPassphrase] = useState("");
  const [passphraseAgain, setPassphraseAgain] = useState("");
  const [same, setSame] = useState(false);
  const { working, wrong, work } = useWork();
  const finish = async () => {
    if (choosesPassword && password !== again || passphrase !== passphraseAgain) {
      throw new Refused("usage", T.notTheSame);
    }
    await ask("set-up", {
      name,
      password,
      passphrase,
      fingerprint: compare && same ? fingerprint : "",
    });
  };
  if (working) return <Working />;
  return (
    <Card title={T.welcome}>
      <p>{name === "" ? T.joiningUnknown(server) : T.joining(name, server)}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          work(finish);
        }}
      >
        {compare
          ? (
            <div class="notice">
              <Icon name="info" />
              <div>
                <p>{T.compareServer}</p>
                <p class="breaking">
                  <code>{fingerprint}</code>
                </p>
                <label class="check">
                  <input
                    type="checkbox"
                    checked={same}
                    onChange={(event) => setSame(event.currentTarget.checked)}
                  />
                  {T.sameFingerprint}
                </label>
              </div>
            </div>
          )
          : (
            <p class="notice good">
              <Icon name="check" />
              <span>{T.serverRight}</span>
            </p>
          )}
        <Wrong text={wrong} />
        {begun.name === null && (
          <label class="field">
            <span>{T.name}</span>
            <input
              autocomplete="username"
              spellcheck={false}
              value={name}
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </label>
        )}
        <Secret
          label={choosesPassword ? T.choosePassword : T.havePassword}
          value={password}
          onInput={setPassword}
          fresh={choosesPassword}
          {...choosesPassword ? { note: T.passwordRule } : {}}
        />
        {choosesPassword && <Secret label={T.passwordAgain} value={again} onInput={setAgain} />}
        <Secret
          label={T.choosePassphrase}
          value={passphrase}
          onInput={setPassphrase}
          note={T.passphraseRule}
        />
        {passphrase !== "" && (
          <Secret
            label={T.passwordAgain}
            value={passphraseAgain}
            onInput={setPassphraseAgain}
          />
        )}
        <div class="actions">
          <button
            type="submit"
            class="primary"
            disabled={password === "" || name === "" || compare && !same}
          >
            {T.makeKeys}
          </button>
          <button type="button" class="plain" onClick={onBack}>{T.back}</button>
        </div>
      </form>
    </Card>
  );
}

function Working() {
  const order = ["folder", "keys", "login", "test"];
  const at = Math.max(0, order.indexOf(step.value));
  return (
    <Card title={T.welcome}>
      <ol class="steps" aria-live="polite">
        {order.map((name, i) => (
          <li key={name} class={i < at ? "done" : i === at ? "now" : ""}>
            {i < at ? <Icon name="check" /> : <span class="dot" />}
            {T.steps[name]}
          </li>
        ))}
      </ol>
    </Card>
  );
}
