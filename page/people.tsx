import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { ContactView, OfferView, SafetyView } from "../client/web/types.ts";
import { ask } from "./api.ts";
import { dayOf } from "./format.ts";
import { Avatar, Code, Empty, Icon, Modal, Trust } from "./parts.tsx";
import { contacts, question, refreshContacts, run, say, write } from "./store.ts";
import { T } from "./texts.ts";

/** The comparison that is shown; null for none. */
const safety = signal<SafetyView | null>(null);
/** The key that is offered, and shown beside the known one; null for none. */
const offer = signal<OfferView | null>(null);

/** Shows the safety number with somebody. */
export async function showSafety(name: string): Promise<void> {
  safety.value = await ask<SafetyView>("safety", { name });
}

/** Shows the key that the server offers for somebody beside the one that is known. */
export async function showOffer(name: string): Promise<void> {
  offer.value = await ask<OfferView>("offer", { name });
}

/** Closes the windows about somebody's keys. */
export function closeKeyWindows(): void {
  safety.value = null;
  offer.value = null;
}

/** Windows about somebody's keys. */
export function KeyWindows() {
  return (
    <>
      {safety.value && <Safety shown={safety.value} />}
      {offer.value && <Offer shown={offer.value} />}
    </>
  );
}

/** Everybody whose key is known. */
export function Contacts() {
  const [chosen, setChosen] = useState<string | null>(null);
  const look = async () => {
    const actions = [{ word: T.next, value: "yes" }, { word: T.cancel, value: "" }];
    const input = { label: T.addContactText, secret: false };
    const name = await question({ title: T.addContact, text: "", actions, input });
    if (!name?.trim()) return;
    const { name: known } = await ask<{ name: string }>("meet", { name });
    refreshContacts();
    setChosen(known);
  };
  return (
    <section class="page-part" aria-label={T.contacts}>
      <div class="part-head">
        <h1>{T.contacts}</h1>
        <button type="button" class="plain" onClick={() => run(look)}>{T.addContact}</button>
      </div>
      {contacts.value.length === 0
        ? <Empty icon="contacts" title={T.emptyContacts} text={T.emptyContactsText} />
        : (
          <ul class="contacts">
            {contacts.value.map((one) => (
              <Contact
                key={one.name}
                contact={one}
                open={one.name === chosen}
                onToggle={() => setChosen(one.name === chosen ? null : one.name)}
              />
            ))}
          </ul>
        )}
    </section>
  );
}

function Contact({ contact, open, onToggle }: {
  contact: ContactView;
  open: boolean;
  onToggle: () => void;
}) {
  const { name, trust, words, fingerprint, since, lookalikes, former } = contact;
  return (
    <li class={`contact ${open ? "open" : ""}`}>
      <button type="button" class="contact-head" aria-expanded={open} onClick={onToggle}>
        <Avatar name={name} />
        <span class="contact-name">
          <span>
            {name} <Trust trust={trust} />
          </span>
          <span class={trust === "changed" ? "quiet bad-text" : "quiet"}>{words}</span>
        </span>
      </button>
      {open && (
        <div class="contact-body">
          {lookalikes.length > 0 && (
            <p class="notice bad">
              <Icon name="warn" />
              <span>{T.lookalike(lookalikes.join(", "))}</span>
            </p>
          )}
          <dl class="details">
            <dt>{T.since}</dt>
            <dd>{dayOf(since)}</dd>
            <dt>{T.fingerprint}</dt>
            <dd>{fingerprint}</dd>
            {former.length > 0 && <dt>{T.history}</dt>}
            {former.map((one) => (
              <dd key={one.fingerprint}>{one.fingerprint} {T.formerUntil(dayOf(one.until))}</dd>
            ))}
          </dl>
          <div class="actions">
            {trust === "changed" && (
              <button
                type="button"
                class="primary"
                onClick={() => run(() => showOffer(name))}
              >
                {T.seeKeys}
              </button>
            )}
            <button type="button" class="plain" onClick={() => run(() => write([name]))}>
              {T.writeTo}
            </button>
            <button type="button" class="plain" onClick={() => run(() => showSafety(name))}>
              {T.compare}
            </button>
          </div>
        </div>
      )}
    </li>
  );
}

function Safety({ shown }: { shown: SafetyView }) {
  const { name, groups, code, words } = shown;
  const [text, setText] = useState("");
  const compare = async (same: boolean, scanned: string | null) => {
    const result = await ask<{ same: boolean }>("compare", {
      name,
      shown: shown.text,
      same,
      text: scanned,
    });
    safety.value = null;
    refreshContacts();
    if (result.same) say(T.isVerified(name));
    else say(T.differs(name), true);
  };
  return (
    <Modal title={T.safetyTitle(name)} onClose={() => safety.value = null} wide>
      <div class="safety">
        <Code rows={code} label={T.code} />
        <div>
          <p class="number" aria-label={groups.join(" ")}>
            {groups.map((group, i) => <span key={i}>{group}</span>)}
          </p>
          <p>{T.safetyText(name)}</p>
          <p class="quiet">{words}</p>
        </div>
      </div>
      <div class="actions">
        <button type="button" class="primary" onClick={() => run(() => compare(true, null))}>
          {T.theyMatch}
        </button>
        <button type="button" class="danger" onClick={() => run(() => compare(false, null))}>
          {T.theyDiffer}
        </button>
      </div>
      <form
        class="inline"
        onSubmit={(event) => {
          event.preventDefault();
          run(() => compare(false, text));
        }}
      >
        <label class="field">
          <span>{T.scanned}</span>
          <input value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <button type="submit" class="plain" disabled={text.trim() === ""}>{T.compareCode}</button>
      </form>
    </Modal>
  );
}

function Offer({ shown }: { shown: OfferView }) {
  const { name, kind, known, offered } = shown;
  const accept = async () => {
    await ask("accept", { name, fingerprint: offered.fingerprint });
    offer.value = null;
    refreshContacts();
    say(T.accepted(name));
  };
  const text = kind === "same"
    ? T.offerSame(name)
    : kind === "changed"
    ? T.offerChanged(name)
    : T.offerRotated(name);
  return (
    <Modal title={T.offerTitle(name)} onClose={() => offer.value = null} wide>
      <p>{text}</p>
      {kind === "changed" && <Key title={T.known} shown={known} />}
      {kind !== "same" && <Key title={T.offered} shown={offered} />}
      <div class="actions">
        {kind !== "same" && (
          <button type="button" class="danger" onClick={() => run(accept)}>{T.accept}</button>
        )}
        <button type="button" class="plain" onClick={() => offer.value = null}>{T.cancel}</button>
      </div>
    </Modal>
  );
}

function Key({ title, shown }: {
  title: string;
  shown: { readonly fingerprint: string; readonly groups: readonly string[] };
}) {
  return (
    <section class="key">
      <h3>{title}</h3>
      <p class="number small">{shown.groups.map((group, i) => <span key={i}>{group}</span>)}</p>
      <p class="quiet breaking">{shown.fingerprint}</p>
    </section>
  );
}
