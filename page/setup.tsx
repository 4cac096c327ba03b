import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { BeginView, LinkedView } from "../client/web/types.ts";
import { ask, Refused } from "./api.ts";
import { beginKit } from "./machines.tsx";
import { Icon, Secret, useWork, Wrong } from "./parts.tsx";
import { compared, entered, question, run, state, step } from "./store.ts";
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
        <p role="status">{T.steps[step.value] ?? T.opening}</p>
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
  const [linking, setLinking] = useState(false);
  if (linking) return <Linking onBack={() => setLinking(false)} />;
  return begun === null
    ? <Invitation onBegun={setBegun} onLink={() => setLinking(true)} />
    : <Choices begun={begun} onBack={() => setBegun(null)} />;
}

function Invitation({ onBegun, onLink }: {
  onBegun: (begun: BeginView) => void;
  onLink: () => void;
}) {
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
        <div class="actions">
          <button type="submit" class="primary" disabled={working || text.trim() === ""}>
            {T.next}
          </button>
          <button type="button" class="plain" onClick={onLink}>{T.haveMachine}</button>
        </div>
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
    // Whoever has an account already may have a kit.
    if (choosesPassword) run(offerKit);
  };
  if (working) return <Working order={["folder", "keys", "login", "test"]} />;
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

async function offerKit(): Promise<void> {
  const actions = [{ word: T.writeWords, value: "yes" }, { word: T.later, value: "" }];
  if (await question({ title: T.offerKit, text: T.offerKitText, actions }) === "yes") beginKit();
}

/** The first steps of a machine of somebody who has another one, or the words of a kit. */
function Linking({ onBack }: { onBack: () => void }) {
  const [server, setServer] = useState("");
  const [device, setDevice] = useState("");
  const [words, setWords] = useState("");
  const [found, setFound] = useState<LinkedView | null>(null);
  const { working, wrong, work } = useWork();
  const fetchAll = async () => {
    compared.value = null;
    setFound(await ask<LinkedView>("link", { server, device, words }));
  };
  if (working) return <Comparing />;
  if (found !== null) return <Linked found={found} onBack={() => setFound(null)} />;
  return (
    <Card title={T.welcomeBack}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          work(fetchAll);
        }}
      >
        <p>
          {T.haveMachineText} <code>sealpost devices add</code>. {T.haveKitText}
        </p>
        <Wrong text={wrong} />
        <label class="field">
          <span>{T.serverAddress}</span>
          <input
            spellcheck={false}
            value={server}
            onInput={(event) => setServer(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>{T.deviceName}</span>
          <input value={device} onInput={(event) => setDevice(event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{T.words}</span>
          <textarea
            rows={4}
            spellcheck={false}
            autocomplete="off"
            value={words}
            onInput={(event) => setWords(event.currentTarget.value)}
          />
          <span class="quiet">{T.wordsRule}</span>
        </label>
        <div class="actions">
          <button
            type="submit"
            class="primary"
            disabled={[server, device, words].some((text) => text.trim() === "")}
          >
            {T.next}
          </button>
          <button type="button" class="plain" onClick={onBack}>{T.back}</button>
        </div>
      </form>
    </Card>
  );
}

/** While the other machine's person compares. */
function Comparing() {
  return (
    <Card title={T.welcomeBack}>
      {compared.value === null ? <p role="status">{T.loading}</p> : (
        <>
          <p dir="auto">{T.otherAsks(compared.value.device)}</p>
          <p class="six-words" role="status">{compared.value.words.join(" ")}</p>
          <p>{T.answerThere}</p>
        </>
      )}
    </Card>
  );
}

function Linked({ found, onBack }: { found: LinkedView; onBack: () => void }) {
  const [password, setPassword] = useState("");
  const [passphrase, setPassphrase] = useState("");
  const [again, setAgain] = useState("");
  const { working, wrong, work } = useWork();
  const { name, server, kit } = found;
  const finish = async () => {
    if (kit && passphrase !== again) throw new Refused("usage", T.notTheSame);
    await ask("set-up-linked", { password, passphrase });
  };
  if (working) return <Working order={["folder", "login"]} />;
  return (
    <Card title={T.welcomeBack}>
      <p>{T.joining(name, server)}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          work(finish);
        }}
      >
        <Wrong text={wrong} />
        <Secret label={T.havePassword} value={password} onInput={setPassword} fresh={false} />
        {(kit || found.passphrase) && (
          <Secret
            label={kit ? T.choosePassphrase : T.ownPassphrase}
            value={passphrase}
            onInput={setPassphrase}
            fresh={kit}
          />
        )}
        {kit && passphrase !== "" && (
          <Secret label={T.passwordAgain} value={again} onInput={setAgain} />
        )}
        <div class="actions">
          <button type="submit" class="primary" disabled={password === ""}>{T.openMail}</button>
          <button type="button" class="plain" onClick={onBack}>{T.back}</button>
        </div>
      </form>
    </Card>
  );
}

function Working({ order }: { order: readonly string[] }) {
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
