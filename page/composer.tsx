import { useEffect, useRef, useState } from "preact/hooks";
import type { CheckView, DraftFileView, DraftView } from "../client/web/types.ts";
import { ask, Refused, upload } from "./api.ts";
import { sizeText } from "./format.ts";
import { Icon, IconButton } from "./parts.tsx";
import { showOffer } from "./people.tsx";
import { Recipients } from "./recipients.tsx";
import {
  beforeLeaving,
  closeComposer,
  composing,
  confirmed,
  deliver,
  question,
  refreshRecipients,
  run,
  say,
  sayError,
  sentence,
  state,
} from "./store.ts";
import { T } from "./texts.ts";

/** How long what was typed may be in the page only, milliseconds. */
const UNSAVED = 800;

/** A file that is on its way to the program. */
interface Upload {
  readonly name: string;
  readonly ending: AbortController;
  share: number;
  /** Seconds; null if that cannot be said yet. */
  left: number | null;
}

/** Where a message is written. */
export function Composer({ draft: first }: { draft: DraftView }) {
  const [draft, setDraft] = useState(first);
  const [files, setFiles] = useState<readonly DraftFileView[]>(first.files);
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const [status, setStatus] = useState("");
  const [copies, setCopies] = useState(first.cc.length + first.bcc.length > 0);
  const [dragging, setDragging] = useState(false);
  const now = useRef({ draft: first, files: first.files });
  const changed = useRef(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const saving = useRef<Promise<void>>(Promise.resolve());
  const picker = useRef<HTMLInputElement>(null);
  const text = useRef<HTMLTextAreaElement>(null);
  const busy = useRef(false);
  // What still comes of what was dropped or picked.
  const attaching = useRef<Promise<void>>(Promise.resolve());
  // Whether this is sent, discarded or left: nothing is saved any more.
  const over = useRef(false);

  const save = (): Promise<void> => {
    clearTimeout(timer.current);
    timer.current = undefined;
    if (!changed.current || over.current) return saving.current;
    changed.current = false;
    setStatus(T.saving);
    saving.current = saving.current.catch(() => {}).then(async () => {
      const { id, to, cc, bcc, subject, text } = now.current.draft;
      const keys = now.current.files.map(({ key }) => key);
      try {
        const after = await ask<DraftView>("save-draft", {
          id,
          to,
          cc,
          bcc,
          subject,
          text,
          files: keys,
        });
        // It may be a draft of its own by now.
        now.current = { ...now.current, draft: { ...now.current.draft, id: after.id } };
        setStatus(T.saved);
        const kept = new Set(after.files.map(({ key }) => key));
        const lost = keys.filter((key) => !kept.has(key));
        if (lost.length === 0) return;
        const files = now.current.files.filter(({ key }) => !lost.includes(key));
        now.current = { ...now.current, files };
        setFiles(files);
        throw new Refused("file-missing", T.filesLost);
      } catch (error) {
        changed.current = true;
        setStatus(T.notSaved);
        throw error;
      }
    });
    return saving.current;
  };
  const set = (parts: Partial<DraftView>, keep = now.current.files) => {
    now.current = { draft: { ...now.current.draft, ...parts }, files: keep };
    changed.current = true;
    setDraft(now.current.draft);
    setFiles(keep);
    timer.current ??= setTimeout(() => run(save), UNSAVED);
  };

  useEffect(() => {
    refreshRecipients();
    beforeLeaving.save = async () => {
      await attaching.current;
      const { draft, files } = now.current;
      if (worthKeeping(draft) || files.length > 0 || first.savedAt !== null) await save();
      else changed.current = false;
    };
    // Where writing goes on: before what is quoted.
    if (first.to.length > 0) {
      text.current?.focus();
      text.current?.setSelectionRange(0, 0);
    }
    const leaving = () => void save();
    addEventListener("pagehide", leaving);
    return () => {
      removeEventListener("pagehide", leaving);
      clearTimeout(timer.current);
      over.current = true;
      beforeLeaving.save = () => Promise.resolve();
    };
  }, []);

  const attach = (list: readonly File[]): Promise<void> => {
    attaching.current = attaching.current.then(() => attachAll(list)).catch(sayError);
    return attaching.current;
  };
  const attachAll = async (list: readonly File[]) => {
    for (const file of list) {
      const most = state.value?.maxMessage ?? Infinity;
      if (file.size > most) {
        say(T.tooLarge(file.name, sizeText(most)), true);
        continue;
      }
      const one: Upload = {
        name: file.name,
        ending: new AbortController(),
        share: 0,
        left: null,
      };
      setUploads((all) => [...all, one]);
      try {
        const { signal } = one.ending;
        const added = await upload(now.current.draft.id, file, signal, (share, left) => {
          Object.assign(one, { share, left });
          setUploads((all) => [...all]);
        });
        if (added) set({}, [...now.current.files, added]);
      } catch (error) {
        sayError(error);
      }
      setUploads((all) => all.filter((other) => other !== one));
    }
    await save();
  };

  const send = async () => {
    if (busy.current) return;
    busy.current = true;
    try {
      // What is still being typed into a field of names counts too.
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
      await new Promise((resolve) => setTimeout(resolve, 0));
      await attaching.current;
      changed.current = true;
      await save();
      const { id } = now.current.draft;
      const { wrong, changed: other, ask: asked } = await ask<CheckView>("check", { id });
      if (wrong !== null) return say(sentence(wrong), true);
      if (other !== null) return await showOffer(other);
      for (const what of asked) {
        const title = T.sendAsk[what];
        if (!await confirmed(title, T.sendAnyway, "", false)) return;
      }
      // What was typed while that was asked goes too.
      await save();
      over.current = true;
      composing.value = null;
      run(() => deliver(now.current.draft.id));
    } finally {
      busy.current = false;
    }
  };

  const discard = async () => {
    if (worthKeeping(now.current.draft) || files.length > 0) {
      const actions = [
        { word: T.discard, value: "discard", bad: true },
        { word: T.keepDraft, value: "keep" },
        { word: T.cancel, value: "" },
      ];
      const answer = await question({ title: T.askDiscard, text: "", actions });
      if (answer === "keep") return await closeComposer();
      if (answer !== "discard") return;
    }
    clearTimeout(timer.current);
    over.current = true;
    await saving.current.catch(() => {});
    try {
      await ask("discard-draft", { id: now.current.draft.id });
    } catch (error) {
      over.current = false;
      timer.current = undefined;
      throw error;
    }
    composing.value = null;
  };

  return (
    <form
      class={`composer ${dragging ? "dragging" : ""}`}
      aria-label={T.newMessage}
      onSubmit={(event) => {
        event.preventDefault();
        run(send);
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
          event.preventDefault();
          run(send);
        } else if (event.key === "Escape") run(closeComposer);
      }}
      onDragOver={(event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        setDragging(true);
      }}
      onDragLeave={() => setDragging(false)}
      onDrop={(event) => {
        setDragging(false);
        const dropped = event.dataTransfer?.files;
        if (!dropped || dropped.length === 0) return;
        event.preventDefault();
        run(() => attach([...dropped]));
      }}
      onPaste={(event) => {
        const pasted = [...event.clipboardData?.files ?? []];
        if (pasted.length === 0) return;
        event.preventDefault();
        run(() => attach(pasted));
      }}
    >
      <div class="toolbar">
        <IconButton icon="back" label={T.close} onClick={() => run(closeComposer)} />
        <h1>{draft.subject || T.newMessage}</h1>
        <span class="quiet" role="status">{status}</span>
      </div>
      <div class="scroll">
        <Recipients
          label={T.to}
          names={draft.to}
          autofocus={first.to.length === 0}
          onChange={(to) => set({ to })}
        />
        {copies
          ? (
            <>
              <Recipients label={T.cc} names={draft.cc} onChange={(cc) => set({ cc })} />
              <Recipients label={T.bcc} names={draft.bcc} onChange={(bcc) => set({ bcc })} />
            </>
          )
          : (
            <button type="button" class="link copies" onClick={() => setCopies(true)}>
              {T.ccBcc}
            </button>
          )}
        <div class="line">
          <label for="subject">{T.subject}</label>
          <input
            id="subject"
            dir="auto"
            maxLength={100}
            value={draft.subject}
            onInput={(event) => set({ subject: event.currentTarget.value })}
          />
        </div>
        <textarea
          ref={text}
          aria-label={T.message}
          dir="auto"
          value={draft.text}
          onInput={(event) => set({ text: event.currentTarget.value })}
        />
        {(files.length > 0 || uploads.length > 0) && (
          <ul class="files" aria-label={T.attachmentsTitle}>
            {files.map((file) => (
              <li key={file.key}>
                <Icon name="clip" />
                <span class="file-name" dir="auto">{file.name}</span>
                <span class="quiet">{sizeText(file.size)}</span>
                <IconButton
                  icon="close"
                  label={T.removeFile(file.name)}
                  onClick={() =>
                    set(
                      {},
                      files.filter((one) => one !== file),
                    )}
                />
              </li>
            ))}
            {uploads.map((one) => (
              <li key={one.name}>
                <Icon name="clip" />
                <span class="file-name" dir="auto">{one.name}</span>
                {one.left !== null && <span class="quiet">{T.timeLeft(one.left)}</span>}
                <progress max={1} value={one.share} aria-label={T.uploading(one.name)} />
                <IconButton
                  icon="close"
                  label={T.notAttach(one.name)}
                  onClick={() => one.ending.abort()}
                />
              </li>
            ))}
          </ul>
        )}
      </div>
      <div class="composer-foot">
        <button type="submit" class="primary" disabled={uploads.length > 0}>
          <Icon name="sent" /> {T.send}
        </button>
        <button type="button" class="plain" onClick={() => picker.current?.click()}>
          <Icon name="clip" /> {T.attach}
        </button>
        <span class="gap" />
        <IconButton icon="trash" label={T.discard} onClick={() => run(discard)} />
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            const picked = [...event.currentTarget.files ?? []];
            event.currentTarget.value = "";
            run(() => attach(picked));
          }}
        />
      </div>
      <div class="drop-note" aria-hidden="true">{T.drop}</div>
    </form>
  );
}

function worthKeeping({ to, cc, bcc, subject, text }: DraftView): boolean {
  return to.length + cc.length + bcc.length > 0 || subject !== "" || text.trim() !== "";
}
