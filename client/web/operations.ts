import * as v from "valibot";
import { SealpostError } from "../../crypto/error.ts";
import { BUILT_IN_FOLDERS, NAMED_FLAGS } from "../../protocol/entry.ts";
import { MAX_TEXT } from "../../protocol/limits.ts";
import type { App } from "./app.ts";
import { MAX_ROWS } from "./desk.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const uid = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const uids = v.pipe(v.array(uid), v.maxLength(100_000));
const folder = v.union([v.picklist(BUILT_IN_FOLDERS), v.pipe(v.number(), v.safeInteger())]);
const flags = v.array(v.picklist(NAMED_FLAGS));
const short = v.pipe(v.string(), v.maxLength(1000));
const draftId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
const machineId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
const names = v.pipe(v.array(short), v.maxLength(1000));

/** One thing that a page can ask for: what it sends, and what is done with that. */
interface Operation {
  run(app: App, input: unknown): Promise<unknown>;
}

function operation<S extends v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>>(
  schema: S,
  run: (app: App, input: v.InferOutput<S>) => unknown,
): Operation {
  return {
    run: async (app, input) => {
      const parsed = v.safeParse(schema, input);
      if (!parsed.success) throw new SealpostError("usage", "that is no request of this page");
      return await run(app, parsed.output) ?? {};
    },
  };
}

const nothing = v.object({});

/**
 * What a page can ask for, by name. A value of another shape is refused before anything is done; what
 * is given back is JSON, of the types in types.ts.
 */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  // Before the mail is open.
  begin: operation(v.object({ text: v.pipe(v.string(), v.maxLength(65_536)) }), (app, { text }) => {
    return app.begin(text);
  }),
  "set-up": operation(
    v.object({ name: short, password: short, passphrase: short, fingerprint: short }),
    (app, answers) => app.setUp(answers),
  ),
  link: operation(
    v.object({ server: short, device: short, words: short }),
    (app, { server, device, words }) => app.link(server, device, words),
  ),
  "set-up-linked": operation(
    v.object({ password: short, passphrase: short }),
    (app, answers) => app.setUpLinked(answers),
  ),
  unlock: operation(v.object({ passphrase: short }), (app, { passphrase }) => {
    return app.unlock(passphrase);
  }),
  retry: operation(nothing, (app) => app.retry()),
  lock: operation(nothing, (app) => app.lock()),
  answer: operation(v.object({ id: count, text: v.nullable(short) }), (app, { id, text }) => {
    app.terminal.answer(id, text);
  }),
  here: operation(nothing, () => {}),

  // Lists and messages.
  list: operation(
    v.object({ folder, from: count, limit: v.pipe(count, v.maxValue(MAX_ROWS)) }),
    ({ desk }, { folder, from, limit }) => desk.list(folder, from, limit),
  ),
  uids: operation(
    v.object({ folder, from: count, limit: v.pipe(count, v.maxValue(MAX_ROWS)) }),
    ({ desk }, { folder, from, limit }) => desk.uids(folder, from, limit),
  ),
  message: operation(v.object({ uid }), ({ desk }, { uid }) => desk.message(uid)),
  conversation: operation(v.object({ uid }), ({ desk }, { uid }) => desk.conversation(uid)),
  html: operation(v.object({ uid }), ({ desk }, { uid }) => desk.html(uid)),
  "answer-group": operation(v.object({ uid, take: v.boolean() }), ({ desk }, { uid, take }) => {
    return desk.answerGroup(uid, take);
  }),
  flag: operation(
    v.object({ uids, set: flags, clear: flags, folder: v.nullable(folder) }),
    ({ desk }, { uids, set, clear, folder }) => desk.flag(uids, set, clear, folder ?? undefined),
  ),
  remove: operation(v.object({ uids }), ({ desk }, { uids }) => desk.remove(uids)),
  search: operation(
    v.object({ words: short, fetch: v.boolean() }),
    ({ desk }, { words, fetch }) => desk.search(words, fetch),
  ),
  "keep-search": operation(v.object({ name: short, words: short }), ({ desk }, one) => {
    return desk.keepSearch(one.name, one.words);
  }),
  "make-folder": operation(v.object({ name: short }), ({ desk }, { name }) => {
    return desk.makeFolder(name);
  }),
  "rename-folder": operation(v.object({ from: short, to: short }), ({ desk }, { from, to }) => {
    return desk.renameFolder(from, to);
  }),
  "remove-folder": operation(v.object({ name: short }), ({ desk }, { name }) => {
    return desk.removeFolder(name);
  }),
  refresh: operation(nothing, ({ desk }) => desk.refresh()),

  // Writing.
  drafts: operation(nothing, ({ desk }) => desk.drafts()),
  draft: operation(v.object({ id: draftId }), ({ desk }, { id }) => desk.draft(id)),
  "new-draft": operation(v.object({ to: names }), ({ desk }, { to }) => desk.newDraft(to)),
  "answer-message": operation(
    v.object({
      uid,
      how: v.picklist(["reply", "reply-all", "forward"]),
      selected: v.nullable(v.pipe(v.string(), v.maxLength(2 * MAX_TEXT))),
    }),
    ({ desk }, { uid, how, selected }) => desk.answer(uid, how, selected),
  ),
  "save-draft": operation(
    v.object({
      id: draftId,
      to: names,
      cc: names,
      bcc: names,
      subject: short,
      text: v.pipe(v.string(), v.maxLength(2 * MAX_TEXT)),
      files: v.array(v.string()),
    }),
    ({ desk }, draft) => desk.saveDraft(draft),
  ),
  "discard-draft": operation(v.object({ id: draftId }), ({ desk }, { id }) => {
    return desk.discardDraft(id);
  }),
  check: operation(v.object({ id: draftId }), ({ desk }, { id }) => desk.check(id)),
  send: operation(v.object({ id: draftId }), ({ desk }, { id }) => desk.send(id)),
  "take-back": operation(v.object({ id: draftId }), ({ desk }, { id }) => desk.takeBack(id)),
  outbox: operation(nothing, ({ desk }) => desk.outbox()),
  "discard-unsent": operation(v.object({ id: short }), ({ desk }, { id }) => {
    return desk.discardUnsent(id);
  }),

  // People and keys.
  contacts: operation(nothing, ({ desk }) => desk.contacts()),
  recipients: operation(nothing, ({ desk }) => desk.recipients()),
  meet: operation(v.object({ name: short }), async ({ desk }, { name }) => {
    return { name: await desk.meet(name) };
  }),
  safety: operation(v.object({ name: short }), ({ desk }, { name }) => desk.safety(name)),
  compare: operation(
    v.object({ name: short, shown: short, same: v.boolean(), text: v.nullable(short) }),
    ({ desk }, { name, shown, same, text }) => desk.compare(name, shown, same, text),
  ),
  offer: operation(v.object({ name: short }), ({ desk }, { name }) => desk.offer(name)),
  accept: operation(
    v.object({ name: short, fingerprint: short }),
    ({ desk }, { name, fingerprint }) => desk.accept(name, fingerprint),
  ),

  // Machines and the kit.
  machines: operation(nothing, ({ machines }) => machines.list()),
  "offer-link": operation(
    v.object({ password: short, passphrase: short }),
    ({ machines }, { password, passphrase }) => machines.offer(password, passphrase),
  ),
  "answer-link": operation(v.object({ same: v.boolean() }), ({ machines }, { same }) => {
    return machines.answer(same);
  }),
  "begin-kit": operation(
    v.object({ password: short, passphrase: short }),
    ({ machines }, { password, passphrase }) => machines.beginKit(password, passphrase),
  ),
  "end-kit": operation(v.object({ kept: v.boolean() }), ({ machines }, { kept }) => {
    return machines.endKit(kept);
  }),

  // The account.
  "change-password": operation(v.object({ old: short, next: short }), (app, passwords) => {
    return app.changePassword(passwords);
  }),
  "new-keys": operation(v.object({ password: short, passphrase: short }), (app, secrets) => {
    return app.newKeys(secrets);
  }),
  "retire-machine": operation(
    v.object({ id: machineId, password: short, passphrase: short }),
    (app, { id, ...secrets }) => app.retireMachine(id, secrets),
  ),
  "remove-machine": operation(
    v.object({ id: machineId, password: short, passphrase: short, next: short }),
    (app, { id, next, ...secrets }) => app.removeMachine(id, next, secrets),
  ),
  "follow-address": operation(v.object({ follows: v.boolean() }), (app, { follows }) => {
    return app.followAddress(follows);
  }),
  own: operation(nothing, ({ desk }) => ({ fingerprint: desk.fingerprint })),
};
