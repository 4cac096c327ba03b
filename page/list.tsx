import { useEffect, useRef, useState } from "preact/hooks";
import type { DraftView, OutboxView, RowView } from "../client/web/types.ts";
import { ask } from "./api.ts";
import { longDate, shortDate, sizeText } from "./format.ts";
import { Avatar, Empty, Icon, type IconName, Trust } from "./parts.tsx";
import {
  composing,
  confirmed,
  cursor,
  folder,
  folderName,
  found,
  openMessage,
  place,
  reading,
  resume,
  rows,
  run,
  say,
  selected,
  state,
  total,
  want,
  words,
} from "./store.ts";
import { T } from "./texts.ts";

/** The height of a row, pixels; the style sheet has the same. */
export const ROW = 68;
/** Rows that are drawn above and below those that are seen. */
const AROUND = 8;

/** The list of the folder, of a search, of drafts or of the outbox. */
export function List() {
  switch (place.value.kind) {
    case "drafts":
      return <Drafts />;
    case "outbox":
      return <Outbox />;
    case "search":
      return <Found />;
    default:
      return <Messages />;
  }
}

/** The messages of a folder, of which only those are drawn that are seen. */
function Messages() {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const shown = folder.value;
  const count = total.value;
  const measure = () => {
    const element = box.current;
    if (element) setView({ top: element.scrollTop, height: element.clientHeight });
  };
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    element.scrollTop = 0;
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [shown, count === 0]);
  const from = Math.max(0, Math.floor(view.top / ROW) - AROUND);
  const to = Math.min(count, Math.ceil((view.top + view.height) / ROW) + AROUND);
  useEffect(() => want(from, to), [from, to, count, shown]);
  useReveal(box, () => {
    const at = [...rows.value].find(([, row]) => row.uid === cursor.value)?.[0];
    return at === undefined ? null : at * ROW;
  });
  if (count === 0) return <EmptyFolder />;
  const drawn = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  return (
    <div
      ref={box}
      class="rows"
      role="listbox"
      aria-label={folderName(shown ?? "inbox")}
      aria-multiselectable="true"
      aria-activedescendant={cursor.value === null ? undefined : `m${cursor.value}`}
      tabIndex={0}
      onScroll={measure}
    >
      <div class="all-rows" role="presentation" style={{ height: `${count * ROW}px` }}>
        {drawn.map((i) => {
          const row = rows.value.get(i);
          return row ? <MessageRow key={row.uid} row={row} at={i} count={count} /> : (
            <div
              key={`at${i}`}
              class="row ghost"
              role="presentation"
              style={{ top: `${i * ROW}px` }}
            />
          );
        })}
      </div>
    </div>
  );
}

/** Scrolls so that the row at the cursor is seen, whenever that changes. */
function useReveal(
  box: { readonly current: HTMLDivElement | null },
  topOf: () => number | null,
): void {
  const uid = cursor.value;
  const revealed = useRef<number | null>(null);
  useEffect(() => {
    const element = box.current;
    if (uid === null || uid === revealed.current) return;
    const top = topOf();
    if (!element || top === null) return;
    revealed.current = uid;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + ROW - element.clientHeight;
    }
  });
}

function EmptyFolder() {
  const id = folder.value ?? "inbox";
  if (state.value?.fetching) return <Empty icon="inbox" title={T.fetching} />;
  if (id === "inbox") return <Empty icon="inbox" title={T.emptyInbox} text={T.emptyInboxText} />;
  const icon: IconName = id === "trash" || id === "sent" || id === "archive" ? id : "folder";
  return <Empty icon={icon} title={T.emptyFolder} text={T.emptyFolderText(folderName(id))} />;
}

function MessageRow({ row, at, count }: { row: RowView; at: number; count: number }) {
  const {
    uid,
    fresh,
    answered,
    flagged,
    keywords,
    who,
    trust,
    subject,
    date,
    attachments,
    broken,
  } = row;
  const chosen = selected.value.has(uid);
  const classes = [
    "row",
    fresh ? "fresh" : "",
    uid === cursor.value ? "cursor" : "",
    uid === reading.value ? "reading" : "",
    chosen ? "chosen" : "",
    broken ? "broken" : "",
  ].join(" ");
  return (
    <div
      id={`m${uid}`}
      class={classes}
      role="option"
      aria-selected={chosen || uid === reading.value}
      aria-posinset={at + 1}
      aria-setsize={count}
      style={{ top: `${at * ROW}px` }}
      onClick={(event) => event.ctrlKey || event.metaKey ? toggle(uid) : openMessage(uid)}
    >
      <span
        class="pick"
        aria-hidden="true"
        title={T.select}
        onClick={(event) => {
          event.stopPropagation();
          toggle(uid);
        }}
      >
        {chosen
          ? (
            <span class="avatar picked">
              <Icon name="check" />
            </span>
          )
          // Of what one has sent, whom it is to.
          : <Avatar name={who.replace(/^To /, "")} />}
      </span>
      <span class="row-text">
        <span class="row-first">
          {fresh && <span class="hidden">{T.unreadMark}.</span>}
          <span class="who" dir="auto">{who}</span>
          <Trust trust={trust} />
          <time class="when" title={longDate(date)}>{shortDate(date)}</time>
        </span>
        <span class="row-second">
          <span class="subject" dir="auto">{subjectText(row, subject)}</span>
          {keywords.map((word) => <span key={word} class="where" dir="auto">{word}</span>)}
          {attachments > 0 && (
            <span class="sign" title={T.attachments(attachments)}>
              <Icon name="clip" />
              <span class="hidden">{T.attachments(attachments)}</span>
            </span>
          )}
          {answered && (
            <span class="sign" title={T.answered}>
              <Icon name="reply" />
              <span class="hidden">{T.answered}</span>
            </span>
          )}
          {flagged && (
            <span class="sign flagged" title={T.flagged}>
              <Icon name="flag" />
              <span class="hidden">{T.flagged}</span>
            </span>
          )}
        </span>
      </span>
    </div>
  );
}

function subjectText({ broken }: RowView, subject: string): string {
  if (broken && subject === "") return T.anotherKey;
  return subject === "" || subject === "(no subject)" ? T.noSubject : subject;
}

/** Selects a message, or does so no more. */
export function toggle(uid: number): void {
  const next = new Set(selected.value);
  if (!next.delete(uid)) next.add(uid);
  selected.value = next;
}

/** What a search has found, with the words marked. */
function Found() {
  const box = useRef<HTMLDivElement>(null);
  useReveal(box, () => {
    const at = (found.value ?? []).findIndex(({ row }) => row.uid === cursor.value);
    return at < 0 ? null : at * (ROW + 24);
  });
  const all = found.value;
  if (all === null) return <Empty icon="search" title={T.loading} />;
  if (all.length === 0) return <Empty icon="search" title={T.noResults} text={T.noResultsText} />;
  return (
    <div
      ref={box}
      class="rows found"
      role="listbox"
      aria-label={`${T.search}: ${words.value}`}
      aria-activedescendant={cursor.value === null ? undefined : `m${cursor.value}`}
      tabIndex={0}
    >
      {all.map(({ row, field, before, match, after }) => (
        <div
          key={row.uid}
          id={`m${row.uid}`}
          class={`row flow ${row.fresh ? "fresh" : ""} ${
            row.uid === cursor.value ? "cursor" : ""
          } ${row.uid === reading.value ? "reading" : ""}`}
          role="option"
          aria-selected={row.uid === reading.value}
          onClick={() => openMessage(row.uid)}
        >
          <Avatar name={row.who} />
          <span class="row-text">
            <span class="row-first">
              <span class="who" dir="auto">{row.who}</span>
              <Trust trust={row.trust} />
              <time class="when" title={longDate(row.date)}>{shortDate(row.date)}</time>
            </span>
            <span class="row-second">
              <span class="subject" dir="auto">
                {field === "subject"
                  ? <Marked before={before} match={match} after={after} />
                  : subjectText(row, row.subject)}
              </span>
              <span class="where">{folderName(row.folder)}</span>
            </span>
            {field !== "subject" && (
              <span class="hit" dir="auto">
                <Marked before={before} match={match} after={after} />
              </span>
            )}
          </span>
        </div>
      ))}
    </div>
  );
}

function Marked({ before, match, after }: { before: string; match: string; after: string }) {
  return (
    <>
      {before}
      <mark>{match}</mark>
      {after}
    </>
  );
}

/** What is asked for anew whenever something has changed. */
function useLoaded<T>(name: string): readonly T[] | null {
  const [all, setAll] = useState<readonly T[] | null>(null);
  const version = state.value?.version ?? 0;
  const open = composing.value === null;
  useEffect(() => run(async () => setAll(await ask<readonly T[]>(name))), [version, open]);
  return all;
}

function Drafts() {
  const all = useLoaded<DraftView>("drafts");
  if (all === null) return <Empty icon="drafts" title={T.loading} />;
  if (all.length === 0) {
    return <Empty icon="drafts" title={T.emptyDrafts} text={T.emptyDraftsText} />;
  }
  return (
    <ul class="rows plain-list" aria-label={T.folders}>
      {all.map(({ id, to, cc, bcc, subject, text, savedAt, files }) => (
        <li key={id} class="row flow">
          <button
            type="button"
            class="row-button"
            onClick={() =>
              run(() =>
                resume(id)
              )}
          >
            <Avatar name={to[0] ?? "?"} />
            <span class="row-text">
              <span class="row-first">
                <span class="who" dir="auto">{[...to, ...cc, ...bcc].join(", ") || "—"}</span>
                <time class="when">{shortDate(savedAt)}</time>
              </span>
              <span class="row-second">
                <span class="subject" dir="auto">
                  {subject || text.trim().split("\n")[0] || T.noSubject}
                </span>
                {files.length > 0 && (
                  <span class="sign">
                    <Icon name="clip" />
                  </span>
                )}
              </span>
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function Outbox() {
  const all = useLoaded<OutboxView>("outbox");
  if (all === null) return <Empty icon="outbox" title={T.loading} />;
  if (all.length === 0) {
    return <Empty icon="outbox" title={T.emptyOutbox} text={T.emptyOutboxText} />;
  }
  const discard = async (id: string) => {
    if (!await confirmed(T.askDiscardUnsent, T.discardUnsent)) return;
    await ask("discard-unsent", { id });
  };
  return (
    <div class="rows plain-list">
      <div class="list-note">
        <button type="button" class="plain" onClick={() => run(sendWaiting)}>
          {T.sendWaiting}
        </button>
      </div>
      <ul aria-label={folderName("outbox")}>
        {all.map(({ id, to, size, date, refused, why }) => (
          <li key={id} class="row flow">
            <Avatar name={to[0] ?? "?"} />
            <span class="row-text">
              <span class="row-first">
                <span class="who" dir="auto">{to.join(", ")}</span>
                <time class="when">{shortDate(date)}</time>
              </span>
              <span class="row-second">
                <span class="subject">
                  {refused ? T.outboxRefused : T.outboxWaits}, {sizeText(size)}
                </span>
              </span>
              {why !== null && <span class="hit wrap">{why}</span>}
              <span>
                <button type="button" class="link" onClick={() => run(() => discard(id))}>
                  {T.discardUnsent}
                </button>
              </span>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

async function sendWaiting(): Promise<void> {
  say(T.sending);
  await ask("refresh");
}
