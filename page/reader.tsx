import { useEffect, useState } from "preact/hooks";
import type { AttachmentView, MessageView, PersonView, ThreadView } from "../client/web/types.ts";
import { ask, filePath, htmlPath } from "./api.ts";
import { longDate, shortDate, sizeText } from "./format.ts";
import { Avatar, Empty, Icon, IconButton, Trust } from "./parts.tsx";
import { leadsTo, sanitize, saysWhere } from "./sanitize.ts";
import {
  answer,
  closeMessage,
  flag,
  folder,
  folderName,
  message,
  moveTo,
  openMessage,
  place,
  question,
  reading,
  remove,
  run,
  selected,
  state,
  targets,
  total,
} from "./store.ts";
import { T } from "./texts.ts";
import { showOffer } from "./people.tsx";

/** The message that is read; beside the list where there is room. */
export function Reader() {
  const shown = message.value;
  // Where there is nothing to choose, nothing is said of that.
  const choice = place.value.kind === "search" || folder.value !== null && total.value > 0;
  if (reading.value === null) {
    return choice ? <Empty icon="unread" title={T.noneChosen} /> : null;
  }
  if (shown === null) return <Empty icon="unread" title={T.loading} />;
  return <Message key={shown.row.uid} shown={shown} />;
}

/** What can be done with all messages that are selected, below the list of them. */
export function Selection() {
  const count = selected.value.size;
  return (
    <div class="selection" role="toolbar" aria-label={T.selected(count)}>
      <p role="status">{T.selected(count)}</p>
      <div class="actions">
        <button type="button" class="plain" onClick={() => run(() => moveTo(targets(), "archive"))}>
          {T.archive}
        </button>
        <button type="button" class="plain" onClick={() => run(chooseFolder)}>{T.move}</button>
        <button type="button" class="plain" onClick={() => run(() => remove(targets()))}>
          {T.delete}
        </button>
        <button type="button" class="plain" onClick={() => selected.value = new Set()}>
          {T.cancel}
        </button>
      </div>
    </div>
  );
}

/** Asks for a folder, and moves there what the person has chosen. */
export async function chooseFolder(): Promise<void> {
  const uids = targets();
  const folders = state.value?.folders ?? [];
  if (uids.length === 0) return;
  const actions = [
    ...folders.map(({ id }) => ({ word: folderName(id), value: String(id) })),
    { word: T.cancel, value: "" },
  ];
  const chosen = await question({ title: T.moveTitle, text: "", actions });
  const to = folders.find(({ id }) => String(id) === chosen);
  if (to) await moveTo(uids, to.id);
}

/** Asks, once, whether the person wants the group that a message shares. */
function Group({ uid, text }: { uid: number; text: string }) {
  const [asked, setAsked] = useState(true);
  const answered = (take: boolean) =>
    run(async () => {
      await ask("answer-group", { uid, take });
      setAsked(false);
    });
  if (!asked) return null;
  return (
    <div class="notice" role="note">
      <Icon name="info" />
      <div>
        <p dir="auto">{text}</p>
        <button type="button" class="plain" onClick={() => answered(true)}>{T.takeGroup}</button>
        {" "}
        <button type="button" class="plain" onClick={() => answered(false)}>{T.leaveGroup}</button>
      </div>
    </div>
  );
}

function Message({ shown }: { shown: MessageView }) {
  const { row, from, note, to, cc, bcc, date, problem, keyChangedOf } = shown;
  const { uid } = row;
  const [details, setDetails] = useState(false);
  const [designed, setDesigned] = useState<string | null>(null);
  const design = async () => {
    const { html } = await ask<{ html: string }>("html", { uid });
    setDesigned(await htmlPath(sanitize(html)));
  };
  return (
    <article class="message" aria-label={row.subject || T.noSubject}>
      <div
        class="toolbar"
        role="toolbar"
        aria-label={T.message}
        // What is selected of the message stays selected.
        onMouseDown={(event) => event.preventDefault()}
      >
        <IconButton icon="back" label={T.backToList} cls="only-narrow" onClick={closeMessage} />
        <IconButton icon="reply" label={T.reply} onClick={() => run(() => answer(uid, "reply"))} />
        <IconButton
          icon="replyAll"
          label={T.replyAll}
          onClick={() => run(() => answer(uid, "reply-all"))}
        />
        <IconButton
          icon="forward"
          label={T.forward}
          onClick={() => run(() => answer(uid, "forward"))}
        />
        <span class="gap" />
        <IconButton
          icon="archive"
          label={T.archive}
          onClick={() => run(() => moveTo([uid], "archive"))}
        />
        <IconButton icon="move" label={T.move} onClick={() => run(chooseFolder)} />
        <IconButton
          icon="trash"
          label={row.folder === "trash" ? T.deleteForGood : T.delete}
          onClick={() => run(() => remove([uid]))}
        />
        <IconButton
          icon="flag"
          label={row.flagged ? T.unflag : T.flag}
          pressed={row.flagged}
          onClick={() => run(() => flag([uid], "flagged", !row.flagged))}
        />
        <IconButton
          icon="unread"
          label={T.markUnread}
          cls="not-tiny"
          onClick={() =>
            run(async () => {
              await flag([uid], "seen", false);
              closeMessage();
            })}
        />
        <IconButton icon="print" label={T.print} cls="not-tiny" onClick={() => print()} />
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label={T.content}>
        <header class="message-head">
          <h1 dir="auto">{row.subject || T.noSubject}</h1>
          <div class="sender">
            <Avatar name={from.name} />
            <div class="sender-text">
              <p>
                <strong dir="auto">{from.name}</strong>{" "}
                <Trust trust={from.trust} all={from.name !== state.value?.name} />
              </p>
              <p class="quiet">
                {T.to} <People people={to} />
                {cc.length > 0 && (
                  <>
                    ; {T.cc} <People people={cc} />
                  </>
                )}
                {bcc.length > 0 && <>; {T.bcc} {bcc.join(", ")}</>}
              </p>
              <p class="quiet">
                <time>{longDate(date)}</time>{" "}
                <button
                  type="button"
                  class="link"
                  aria-expanded={details}
                  onClick={() => setDetails(!details)}
                >
                  {T.details}
                </button>
              </p>
            </div>
          </div>
          {details && (
            <dl class="details">
              {note !== "" && (
                <>
                  <dt>{T.from}</dt>
                  <dd dir="auto">{from.name}: {note}</dd>
                </>
              )}
              <dt>{T.key}</dt>
              <dd>{shown.key}</dd>
              <dt>{T.id}</dt>
              <dd>{shown.id}</dd>
              <dt>{T.size}</dt>
              <dd>{sizeText(shown.size)}</dd>
            </dl>
          )}
        </header>
        {shown.announcement && (
          <div class="notice" role="note">
            <Icon name="info" />
            <p>{T.announcement}</p>
          </div>
        )}
        {shown.group !== null && <Group uid={uid} text={shown.group} />}
        {problem !== null && (
          <div class="notice bad" role="alert">
            <Icon name="warn" />
            <div>
              <p>
                <strong>{keyChangedOf === null ? T.cannotShow : T.keyChanged}</strong>
              </p>
              <p dir="auto">{keyChangedOf === null ? problem : T.changedText(keyChangedOf)}</p>
              {keyChangedOf !== null && (
                <button
                  type="button"
                  class="plain"
                  onClick={() => run(() => showOffer(keyChangedOf))}
                >
                  {T.seeKeys}
                </button>
              )}
            </div>
          </div>
        )}
        {shown.html && (
          <div class="html-choice">
            <button
              type="button"
              class="plain"
              onClick={() => designed === null ? run(design) : setDesigned(null)}
            >
              {designed === null ? T.showHtml : T.showText}
            </button>
            {designed !== null && <span class="quiet">{T.htmlNote}</span>}
          </div>
        )}
        {designed === null ? <Text text={shown.text} /> : (
          <iframe
            class="designed"
            title={T.htmlFrame}
            src={designed}
            sandbox="allow-popups allow-popups-to-escape-sandbox"
            referrerpolicy="no-referrer"
          />
        )}
        {shown.calendars.map((one) => <pre key={one} class="calendar" dir="auto">{one}</pre>)}
        {shown.notes.map((one) => <p key={one} class="quiet">({one})</p>)}
        {shown.attachments.length > 0 && <Attachments uid={uid} attachments={shown.attachments} />}
        {shown.linked && <Conversation uid={uid} />}
      </div>
    </article>
  );
}

function People({ people }: { people: readonly PersonView[] }) {
  return (
    <>
      {people.map(({ name, trust }, i) => (
        <span key={name} dir="auto">
          {i > 0 && ", "}
          {name}
          <Trust trust={trust} />
        </span>
      ))}
    </>
  );
}

/** The text of a message: quoted text can be folded away, addresses can be followed. */
function Text({ text }: { text: string }) {
  const parts: { quoted: boolean; lines: string[] }[] = [];
  for (const line of text.replace(/\s+$/, "").split("\n")) {
    const quoted = line.startsWith(">");
    const last = parts.at(-1);
    if (last && last.quoted === quoted) last.lines.push(line);
    else parts.push({ quoted, lines: [line] });
  }
  return (
    <div class="text">
      {parts.map(({ quoted, lines }, i) =>
        quoted && lines.length > 3
          ? (
            <details key={i} class="quote" open={i < 2}>
              <summary>{T.quoted}</summary>
              <Lines lines={lines.map(unquoted)} />
            </details>
          )
          : (
            <div key={i} class={quoted ? "quote" : ""}>
              <Lines lines={quoted ? lines.map(unquoted) : lines} />
            </div>
          )
      )}
    </div>
  );
}

function unquoted(line: string): string {
  return line.replace(/^> ?/, "");
}

function Lines({ lines }: { lines: readonly string[] }) {
  return (
    <div class="lines" dir="auto">
      {lines.flatMap((line, i) => [
        ...i > 0 ? ["\n"] : [],
        ...withLinks(line, i),
      ])}
    </div>
  );
}

const ADDRESS = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/gi;

/** A line with its addresses as links, which say where they lead if that is not what they look like. */
function withLinks(line: string, at: number) {
  const out = [];
  let end = 0;
  for (const { 0: shown, index } of line.matchAll(ADDRESS)) {
    const target = leadsTo(shown);
    if (!target) continue;
    out.push(line.slice(end, index));
    out.push(
      <a
        key={`${at}.${index}`}
        href={target.href}
        target="_blank"
        rel="noopener noreferrer"
        title={target.href}
      >
        {shown}
      </a>,
    );
    if (!saysWhere(shown, target)) out.push(` [${target.host}]`);
    end = index + shown.length;
  }
  return [...out, line.slice(end)];
}

/** Mailboxes with more messages than this are gone through for a conversation only if that is asked for. */
const QUICK = 1000;

/** The other messages of the conversation that one is of. */
function Conversation({ uid }: { uid: number }) {
  const [thread, setThread] = useState<readonly ThreadView[] | null>(null);
  const quick = (state.value?.folders ?? []).reduce((sum, one) => sum + one.total, 0) <= QUICK;
  const look = async () => setThread(await ask<readonly ThreadView[]>("conversation", { uid }));
  useEffect(() => {
    if (quick) run(look);
  }, [uid]);
  if (thread === null) {
    return quick ? null : (
      <section class="attachments">
        <button type="button" class="plain" onClick={() => run(look)}>{T.showConversation}</button>
      </section>
    );
  }
  if (thread.length < 2) return null;
  return (
    <section class="attachments" aria-label={T.conversation}>
      <h2>{T.conversationOf(thread.length)}</h2>
      <ol class="conversation">
        {thread.map(({ row, depth }) => (
          <li key={row.uid} class={`depth-${Math.min(depth, 4)}`}>
            <button
              type="button"
              class="row-button"
              aria-current={row.uid === uid ? "true" : undefined}
              onClick={() => openMessage(row.uid)}
            >
              <strong dir="auto">{row.who}</strong> <Trust trust={row.trust} />
              <span class="quiet" dir="auto">{row.subject || T.noSubject}</span>
              <time class="quiet">{shortDate(row.date)}</time>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Attachments({ uid, attachments }: {
  uid: number;
  attachments: readonly AttachmentView[];
}) {
  return (
    <section class="attachments" aria-label={T.attachmentsTitle}>
      <h2>{T.attachments(attachments.length)}</h2>
      <ul>
        {attachments.map((one) => <Attachment key={one.index} uid={uid} attachment={one} />)}
      </ul>
    </section>
  );
}

function Attachment({ uid, attachment }: { uid: number; attachment: AttachmentView }) {
  const { index, name, size, picture } = attachment;
  const [path, setPath] = useState<string | null>(null);
  useEffect(() => {
    if (picture) run(async () => setPath(await filePath(uid, index, true)));
  }, [uid, index]);
  return (
    <li class="attachment">
      {path !== null && <img src={path} alt={name} />}
      <button
        type="button"
        class="file"
        aria-label={`${T.saveName(name)} ${sizeText(size)}`}
        onClick={() => run(() => saveFile(uid, attachment))}
      >
        <Icon name="save" />
        <span class="file-name" dir="auto">{name}</span> <span class="quiet">{sizeText(size)}</span>
      </button>
    </li>
  );
}

/** Has the browser save an attachment, as it saves any file. */
async function saveFile(uid: number, { index, name }: AttachmentView): Promise<void> {
  const link = document.createElement("a");
  link.href = await filePath(uid, index, false);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}
