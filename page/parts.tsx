import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { TrustView } from "../client/web/types.ts";
import { Refused } from "./api.ts";
import { type Dialog, dialogs, dismiss, progress, sentence, toasts } from "./store.ts";
import { T } from "./texts.ts";

/** The shapes of the icons, for a field of 24 by 24, drawn as lines. */
const SHAPES = {
  inbox: "M4 13l2.5-8h11L20 13v6H4zM4 13h5l1 2.5h4l1-2.5h5",
  sent: "M4 12l16-7-6 15-3-6z M11 14l9-9",
  archive: "M4 8h16v11H4z M3 5h18v3H3z M10 12h4",
  trash: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12M10 11v5M14 11v5",
  drafts: "M5 19l1-4L16.5 4.5l3 3L9 18z M14 7l3 3",
  outbox: "M12 16V5M8 9l4-4 4 4M5 15v4h14v-4",
  folder: "M4 6h6l2 2h8v10H4z",
  contacts: "M12 12a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM5 20c.6-4 3.4-5.5 7-5.5s6.400 1.5 7 5.5",
  settings: "M5 7h9M18 7h1M5 12h2M11 12h8M5 17h7M16 17h3M16 5v4M9 10v4M14 15v4",
  search: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM15.500 15.500L20 20",
  write: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  back: "M14 6l-6 6 6 6",
  close: "M6 6l12 12M18 6L6 18",
  reply: "M10 7L5 12l5 5M5 12h8c4 0 6 2 6 6",
  replyAll: "M8 7l-5 5 5 5M13 7l-5 5 5 5M8 12h6c4 0 6 2 6 6",
  forward: "M14 7l5 5-5 5M19 12h-8c-4 0-6 2-6 6",
  flag: "M6 20V5h11l-2 4 2 4H6",
  unread: "M4 7h16v11H4z M4 7l8 6 8-6",
  move: "M4 6h6l2 2h8v10H4z M10 13h5M13 11l2 2-2 2",
  print: "M7 9V4h10v5M7 16H4V9h16v7h-3M7 13h10v7H7z",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  clip: "M17 8l-7 7a2 2 0 0 0 3 3l7-7a4 4 0 0 0-6-6l-7 7a6 6 0 0 0 8.500 8.500L20 16",
  lock: "M6 11h12v9H6z M8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  refresh: "M19 12a7 7 0 1 1-2-5M17 3v4h-4",
  check: "M5 12.500l4.500 4.500L19 7.500",
  warn: "M12 4l9 16H3zM12 10v4M12 17h.01",
  save: "M12 4v11M8 11l4 4 4-4M5 19h14",
  help: "M9 9.500a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400M12 18h.01",
  info: "M12 11v6M12 7h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  select: "M5 5h14v14H5z M8.500 12l2.500 2.500 5-5",
} as const;

export type IconName = keyof typeof SHAPES;

/** A drawing that says nothing to those who listen: what it stands for is said beside it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={SHAPES[name]} />
    </svg>
  );
}

/** A button with a drawing alone, whose name is said and shown when the pointer rests on it. */
export function IconButton({ icon, label, onClick, pressed, cls = "" }: {
  icon: IconName;
  label: string;
  onClick: () => void;
  pressed?: boolean;
  cls?: string;
}) {
  return (
    <button
      type="button"
      class={`icon-button ${cls}`}
      aria-label={label}
      title={label}
      onClick={onClick}
      {...pressed === undefined ? {} : { "aria-pressed": pressed }}
    >
      <Icon name={icon} />
    </button>
  );
}

/** How far somebody's key is trusted; nothing for what is not verified, unless `all`. */
export function Trust({ trust, all = false }: { trust: TrustView; all?: boolean }) {
  if (trust === "verified") {
    return (
      <span class="trust good" title={T.verified}>
        <Icon name="check" />
        <span class="hidden">{T.verified}</span>
      </span>
    );
  }
  if (trust === "changed") {
    return (
      <span class="trust bad" title={T.keyChanged}>
        <Icon name="warn" />
        <span class="hidden">{T.keyChanged}</span>
      </span>
    );
  }
  return all ? <span class="trust plain">{T.notVerified}</span> : null;
}

/** The first letter of a name, on a colour of its own. */
export function Avatar({ name }: { name: string }) {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 6;
  const letter = /[\p{L}\p{N}]/u.exec(name)?.[0] ?? "?";
  return <span class={`avatar tint-${hash}`} aria-hidden="true">{letter.toUpperCase()}</span>;
}

/** What stands where there is nothing else. */
export function Empty({ icon, title, text, children }: {
  icon: IconName;
  title: string;
  text?: string;
  children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p class="empty-title">{title}</p>
      {text && <p>{text}</p>}
      {children}
    </div>
  );
}

/** What is told for a while, at the bottom. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {progress.value && <Progress />}
      {toasts.value.map(({ id, text, bad, undo }) => (
        <div key={id} class={`toast ${bad ? "bad" : ""}`}>
          <span dir="auto">{text}</span>
          {undo && (
            <button
              type="button"
              class="link"
              onClick={() => {
                dismiss(id);
                undo();
              }}
            >
              {T.undo}
            </button>
          )}
          <IconButton
            icon="close"
            label={T.close}
            onClick={() =>
              dismiss(id)}
          />
        </div>
      ))}
    </div>
  );
}

function Progress() {
  const { label, share, left } = progress.value ?? { label: "", share: 0, left: null };
  const percent = Math.floor(share * 100);
  return (
    <div class="toast progress">
      <span>
        {T.progress[label] ?? label} {percent} %{left === null ? "" : `, ${T.timeLeft(left)}`}
      </span>
      <progress max={100} value={percent} aria-label={T.progress[label] ?? label} />
    </div>
  );
}

/** The questions that are open, the last one on top. */
export function Dialogs() {
  return <>{dialogs.value.map((dialog, i) => <Question key={i} dialog={dialog} />)}</>;
}

function Question({ dialog }: { dialog: Dialog }) {
  const { title, text, actions, input, answer } = dialog;
  const [typed, setTyped] = useState("");
  const first = actions[0]?.value ?? "";
  return (
    <Modal title={title} onClose={() => answer(null)}>
      {text !== "" && <p class="paragraphs">{text}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          answer(input ? typed : first);
        }}
      >
        {input && (
          <label class="field">
            <span>{input.label}</span>
            {input.secret
              ? (
                <input
                  type="password"
                  autocomplete="off"
                  value={typed}
                  onInput={(event) => setTyped(event.currentTarget.value)}
                />
              )
              : (
                <input
                  autocomplete="off"
                  value={typed}
                  onInput={(event) => setTyped(event.currentTarget.value)}
                />
              )}
          </label>
        )}
        <div class="actions">
          {actions.map(({ word, value, bad }, i) => (
            <button
              key={value}
              type={i === 0 ? "submit" : "button"}
              class={i === 0 ? bad ? "danger" : "primary" : "plain"}
              onClick={i === 0 ? undefined : () => answer(value === "" ? null : value)}
            >
              {word}
            </button>
          ))}
        </div>
      </form>
    </Modal>
  );
}

/** A window over the page: what is behind it is out of reach, Escape leaves it. */
export function Modal({ title, onClose, children, wide = false, cls = "" }: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
  cls?: string;
}) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      class={`${wide ? "wide" : ""} ${cls}`}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="dialog-head">
        <h2 dir="auto">{title}</h2>
        <IconButton icon="close" label={T.close} onClick={onClose} />
      </div>
      {children}
    </dialog>
  );
}

/** A form's work: while it goes on the button is out of use, and what goes wrong stands above it. */
export function useWork(): {
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

/** What went wrong, above a form; nothing for an empty text. */
export function Wrong({ text }: { text: string }) {
  return text === "" ? null : (
    <p class="notice bad" role="alert">
      <Icon name="warn" />
      <span>{text}</span>
    </p>
  );
}

/** A field for a password or a passphrase. */
export function Secret({ label, value, onInput, note, fresh = true }: {
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

/** A QR code: dark on white whatever the colours of the page, as cameras want it. */
export function Code({ rows, label }: { rows: readonly string[]; label: string }) {
  const size = rows.length;
  let path = "";
  rows.forEach((row, y) => {
    [...row].forEach((dark, x) => {
      if (dark === "1") path += `M${x} ${y}h1v1h-1z`;
    });
  });
  return (
    <svg class="code" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label}>
      <rect width={size} height={size} class="code-light" />
      <path d={path} class="code-dark" />
    </svg>
  );
}
