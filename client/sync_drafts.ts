import { isSealpostError } from "../crypto/error.ts";
import { formatMessageId } from "../protocol/uuid.ts";
import { MAX_TITLE, MAX_UIDS } from "../protocol/limits.ts";
import type { Mail } from "./mail.ts";
import { attachmentFromFile } from "./message/attachments.ts";
import { removedDrafts } from "./mailbox/removed_drafts.ts";
import { composeDraft, draftIdOf, readDraft } from "./message/draft_message.ts";
import { forwardedAttachments } from "./send_draft.ts";
import {
  addGone,
  type CarriedFiles,
  type Editions,
  type PlacedEdition,
  removeEdition,
  type StoredDraft,
} from "./state/draft_editions.ts";
import { type Draft, emptyDraft, type SavedDraft } from "./state/drafts.ts";

/** What {@linkcode SyncedDrafts.run} has done. */
export interface DraftsOutcome {
  /** Whether drafts here are others now than before. */
  readonly changed: boolean;
  /** Why drafts could not be stored on the server: a line each. */
  readonly problems: readonly string[];
}

const NOTHING: DraftsOutcome = { changed: false, problems: [] };

/** A draft as an edition has it. */
type Read = Awaited<ReturnType<typeof readDraft>>;

/**
 * Keeps the drafts here and those on the server the same. There each version of a draft is a message,
 * an edition, sealed to oneself, in the folder drafts. One that was written here takes the place of
 * the edition that it was made from; if another machine was quicker, both are kept, as two drafts.
 */
export class SyncedDrafts {
  readonly #mail: Mail;
  readonly #sync: () => Promise<unknown>;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #read = new Map<string, Read>();

  /** `sync` brings the cache up to date; `mail.sync` unless a screen has its own. */
  constructor(mail: Mail, sync: () => Promise<unknown> = () => mail.sync()) {
    this.#mail = mail;
    this.#sync = sync;
  }

  /**
   * Takes over what other machines have written, and stores what was written here; the cache has to be
   * up to date. Does nothing without a connection, or while another program of this user does it.
   * Throws what the connection throws, and what the disk does.
   */
  run(): Promise<DraftsOutcome> {
    const mine = this.#turn.catch(() => {}).then(() => this.#run());
    this.#turn = mine;
    return mine;
  }

  async #run(): Promise<DraftsOutcome> {
    const mail = this.#mail;
    if (!mail.connection.online || mail.cache.fetched().epoch === "") return NOTHING;
    // Not with `using`: the bundler inlines a name that is used once, and the lock would stay.
    const lock = await mail.drafts.editions.lock();
    if (lock === null) return NOTHING;
    const run = new Run(mail, this.#read);
    try {
      await run.all();
    } finally {
      lock[Symbol.dispose]();
      if (run.stored) await this.#sync();
    }
    return run;
  }

  /** Whether something was written or thrown away here that the server does not know of yet. */
  async pending(): Promise<boolean> {
    const { drafts, gone } = await this.#mail.drafts.editions.load();
    if (gone.length > 0) return true;
    return (await this.#mail.drafts.list()).drafts.some(({ id, savedAt, sentAs }) => {
      return sentAs === undefined && drafts[id]?.saved !== savedAt;
    });
  }
}

/** One time of bringing both sides together. */
class Run implements DraftsOutcome {
  changed = false;
  readonly problems: string[] = [];
  /** Whether the mailbox was changed from here. */
  stored = false;
  readonly #mail: Mail;
  readonly #read: Map<string, Read>;
  /** The messages in the folder, by the text form of their ids; with their UIDs. */
  readonly #present: Map<string, number>;

  constructor(mail: Mail, read: Map<string, Read>) {
    this.#mail = mail;
    this.#read = read;
    // The copy that came first counts.
    const there = mail.cache.ids("drafts");
    this.#present = new Map(there.map(({ id, uid }) => [formatMessageId(id), uid]));
  }

  async all(): Promise<void> {
    await this.#settle();
    await this.#removeGone();
    await this.#classify();
    const tips = await this.#tips();
    const local = new Map(
      (await this.#mail.drafts.list()).drafts.map((draft) => [draft.id, draft]),
    );
    const { drafts, gone } = await this.#editions.load();
    const left = new Set(gone.map(({ edition }) => edition));
    for (const id of new Set([...tips.keys(), ...local.keys(), ...Object.keys(drafts)])) {
      // It was sent or thrown away since the editions were looked at.
      if (left.has(tips.get(id) ?? "")) continue;
      try {
        await this.#bring(id, local.get(id) ?? null, drafts[id] ?? null, tips.get(id) ?? null);
      } catch (error) {
        // What is wrong with one draft must not keep the others from being stored.
        if (!isSealpostError(error, ...OF_ONE_DRAFT)) throw error;
        const here = local.get(id);
        const what = here === undefined
          ? "a draft could not be brought together"
          : `${here.subject || "a draft"} is on this machine only`;
        this.problems.push(`${what}: ${error.message}`);
      }
    }
    await this.#removeGone();
  }

  get #editions() {
    return this.#mail.drafts.editions;
  }

  /** Learns where editions are that were stored from here. */
  async #settle(): Promise<void> {
    const { epoch } = this.#mail.cache.fetched();
    const place = <T extends PlacedEdition>(one: T): T => {
      return { ...one, uid: this.#present.get(one.edition) ?? one.uid };
    };
    const same = JSON.stringify(await this.#editions.load());
    const change = (editions: Editions) => {
      const renewed = editions.epoch !== epoch;
      editions.epoch = epoch;
      for (const [id, stored] of Object.entries(editions.drafts)) {
        const now = renewed ? { ...stored, uid: null } : stored;
        editions.drafts[id] = place(now);
        // A mailbox that was made anew has lost it: it is stored there again.
        if (renewed && !this.#present.has(stored.edition)) delete editions.drafts[id];
      }
      editions.gone = editions.gone.map((one) => place(renewed ? { ...one, uid: null } : one));
      for (const id of Object.keys(editions.seen)) {
        if (!this.#present.has(id)) delete editions.seen[id];
      }
    };
    for (const id of this.#read.keys()) if (!this.#present.has(id)) this.#read.delete(id);
    const next: Editions = JSON.parse(same);
    change(next);
    if (JSON.stringify(next) !== same) await this.#editions.update(change);
  }

  /** Whether an edition was in the mailbox, and is there no more. */
  #isGone({ edition, uid }: PlacedEdition): boolean {
    const { top, bottom } = this.#mail.cache.fetched();
    return uid !== null && uid <= top && uid >= bottom && !this.#present.has(edition);
  }

  /** Removes from the server what has no place there any more. */
  async #removeGone(): Promise<void> {
    const { gone } = await this.#editions.load();
    if (gone.length === 0) return;
    const drafts = gone.flatMap(({ draft, edition }) => draft === null ? [] : [draft, edition]);
    // First, so that no machine takes it for lost.
    if (drafts.length > 0) await this.#mail.tellRemovedDrafts(drafts);
    const there = gone.filter(({ edition }) => this.#present.has(edition));
    const uids = there.flatMap(({ edition }) => this.#present.get(edition) ?? []);
    for (let i = 0; i < uids.length; i += MAX_UIDS) {
      this.stored = true;
      await this.#mail.removeReplaced(uids.slice(i, i + MAX_UIDS));
    }
    for (const { edition } of there) this.#present.delete(edition);
    const done = new Set(
      // Without a place it was not in this mailbox when that was looked at.
      gone.filter((one) => one.uid === null || there.includes(one) || this.#isGone(one))
        .map(({ edition }) => edition),
    );
    if (done.size === 0) return;
    await this.#editions.update((editions) => {
      editions.gone = editions.gone.filter(({ edition }) => !done.has(edition));
    });
  }

  /** Learns what the messages in the folder are. */
  async #classify(): Promise<void> {
    const { seen } = await this.#editions.load();
    for (const [edition, uid] of this.#present) {
      if (edition in seen) continue;
      const read = await this.#fetch(edition, uid);
      this.changed = true;
      await this.#editions.update((editions) => {
        editions.seen[edition] = {
          draft: read?.draft.id ?? null,
          carries: read && carriedBy(read.draft, edition),
          replaces: read?.origin.replaces ?? [],
        };
      });
    }
  }

  /** A message of the folder as a draft; null if it is none, or cannot be read. */
  async #fetch(edition: string, uid: number): Promise<Read | null> {
    const known = this.#read.get(edition);
    if (known) return known;
    const cached = await this.#mail.cache.entry(uid);
    if (!cached) return null;
    const { opened } = await this.#mail.openItem(cached);
    if (!opened?.summary.stored) return null;
    try {
      await using message = await this.#mail.fetch(opened);
      const read = await readDraft(message, edition);
      this.#read.set(edition, read);
      return read;
    } catch (error) {
      if (!isSealpostError(error, "authentication", "format", "limit")) throw error;
      return null;
    }
  }

  /** For each draft on the server, its latest edition. */
  async #tips(): Promise<Map<string, string>> {
    const { seen } = await this.#editions.load();
    const removed = removedDrafts(await this.#mail.shared.known());
    // What was removed may be there a little longer, and may still be in the cache.
    const live = [...this.#present.keys()].filter((one) => seen[one]?.draft && !removed.has(one));
    const carried = new Set(
      live.map((one) => seen[one]?.carries).filter((one) => {
        return one != null && seen[one]?.draft != null;
      }),
    );
    const replaced = new Set(live.flatMap((one) => seen[one]?.replaces ?? []));
    const old = live.filter((one) => replaced.has(one) && !carried.has(one));
    if (old.length > 0) {
      // Whoever replaced them did not come to remove them.
      const all = old.map((edition) => {
        return { edition, uid: this.#present.get(edition) ?? null, draft: null };
      });
      await this.#editions.update((editions) => addGone(editions, all));
    }
    const tips = new Map<string, string>();
    // What was changed while another machine removed it; the id of a removed draft is used up.
    const outlives = (id: string, edition: string) => {
      return removed.has(id) && !removed.has(edition) && draftIdOf(edition) !== id;
    };
    // The first that was stored keeps the id, on all machines.
    for (const edition of live.toSorted((a, b) => this.#uidOf(a) - this.#uidOf(b))) {
      if (replaced.has(edition) || carried.has(edition)) continue;
      const id = seen[edition]?.draft ?? "";
      if (!tips.has(id) && !outlives(id, edition)) tips.set(id, edition);
      else tips.set(await this.#part(edition, id), edition);
    }
    return tips;
  }

  #uidOf(edition: string): number {
    return this.#present.get(edition) ?? 0;
  }

  /** Makes a draft of its own of an edition that was stored at the same time as another one. */
  async #part(edition: string, id: string): Promise<string> {
    const own = draftIdOf(edition);
    let moved = false;
    const { drafts } = await this.#editions.load();
    if (drafts[id]?.edition === edition) {
      const local = (await this.#mail.drafts.list()).drafts.find((draft) => draft.id === id);
      moved = local !== undefined && await this.#mail.drafts.move(id, local.savedAt, own) !== null;
      this.changed = true;
    }
    await this.#editions.update((editions) => {
      const seen = editions.seen[edition];
      if (seen) editions.seen[edition] = { ...seen, draft: own };
      const stored = editions.drafts[id];
      if (stored?.edition !== edition) return;
      delete editions.drafts[id];
      editions.drafts[own] = stored;
    });
    if (moved && !await this.#mail.drafts.has(own)) await this.#editions.leave(own);
    return own;
  }

  /**
   * Brings one draft together: `local` as it is here, `stored` what of it was stored or taken over last,
   * `tip` the edition on the server.
   */
  async #bring(
    id: string,
    local: SavedDraft | null,
    stored: StoredDraft | null,
    tip: string | null,
  ): Promise<void> {
    // Its message is on its way.
    if (local?.sentAs !== undefined) return;
    const unchanged = local !== null && local.savedAt === stored?.saved;
    if (tip === null) {
      if (stored && this.#isGone(stored)) await this.#bringGone(id, local, stored, unchanged);
      else if (local && !unchanged) await this.#push(local, stored);
      return;
    }
    // Whoever removes a draft lets go of its edition: a file that is missing here was lost.
    if (tip === stored?.edition && local !== null) {
      return unchanged ? undefined : await this.#push(local, stored);
    }
    const read = await this.#fetch(tip, this.#uidOf(tip));
    if (!read) return;
    const { machine, storing } = await this.#editions.load();
    if (
      local === null && stored === null && read.origin.machine === machine &&
      storing[id] === read.origin.saved
    ) {
      // It was sent or thrown away while it was stored, and this program was killed.
      const uid = this.#uidOf(tip);
      return void await this.#editions.update((editions) => {
        delete editions.storing[id];
        addGone(editions, [{ edition: tip, uid, draft: id }]);
      });
    }
    if (local && read.origin.machine === machine && read.origin.saved === local.savedAt) {
      // It was stored from here, and then this program was killed.
      return await this.#note(id, tip, local.savedAt);
    }
    // A server may bring back what another edition had replaced.
    const isOlder = local !== null && stored !== null && read.origin.saved < local.savedAt &&
      !read.origin.replaces.includes(stored.edition);
    if (local !== null && (!unchanged || isOlder)) {
      const own = await this.#mail.drafts.move(id, local.savedAt, emptyDraft().id);
      // Somebody is writing it: next time.
      if (!own) return;
      this.changed = true;
      await this.#take(id, tip, read, null);
      await this.#push(own, null);
    } else await this.#take(id, tip, read, local?.savedAt ?? null);
  }

  /**
   * Brings a draft together that is on the server no more: one that was sent or thrown away elsewhere
   * goes, if it was not changed here. Without a machine's word on that, it is stored again: no server
   * can have a text removed from this machine.
   */
  async #bringGone(
    id: string,
    local: SavedDraft | null,
    stored: StoredDraft,
    unchanged: boolean,
  ): Promise<void> {
    const removed = removedDrafts(await this.#mail.shared.refresh());
    const isRemoved = removed.has(id) || removed.has(stored.edition);
    if (local && !isRemoved) {
      if (unchanged) this.problems.push(lostLine(local));
      return await this.#push(local, stored);
    }
    // The id of a removed draft is used up.
    const own = local && !unchanged
      ? await this.#mail.drafts.move(id, local.savedAt, emptyDraft().id)
      : null;
    // Somebody is writing it: next time.
    if (local && !unchanged && !own) return;
    if (local && unchanged) await this.#mail.drafts.forget(id, local.savedAt);
    await this.#editions.update((editions) => void delete editions.drafts[id]);
    this.changed = true;
    if (own) await this.#push(own, null);
  }

  /** Takes a draft over as another machine has it, unless it was changed or removed here meanwhile. */
  async #take(id: string, tip: string, read: Read, known: number | null): Promise<void> {
    const leaves = async () =>
      (await this.#editions.load()).gone.some((one) => one.edition === tip);
    if (await leaves()) return;
    const draft = { ...read.draft, id, savedAt: read.origin.saved };
    const taken = await this.#mail.drafts.take(draft, known);
    if (!taken) return;
    this.changed = true;
    if (await leaves()) return await this.#mail.drafts.forget(id, taken.savedAt);
    await this.#note(id, tip, taken.savedAt);
  }

  async #note(id: string, edition: string, saved: number): Promise<void> {
    const uid = this.#present.get(edition) ?? null;
    await this.#stored(id, { edition, uid, saved, files: null });
  }

  /** Notes what the server has of a draft, and that it is to go if the draft was removed meanwhile. */
  async #stored(
    id: string,
    stored: StoredDraft,
    more: (editions: Editions) => void = () => {},
  ): Promise<void> {
    await this.#editions.update((editions) => {
      editions.drafts[id] = stored;
      delete editions.storing[id];
      more(editions);
    });
    if (!await this.#mail.drafts.has(id)) await this.#editions.leave(id);
  }

  /** Stores a draft in the place of the edition that `stored` names. */
  async #push(local: SavedDraft, stored: StoredDraft | null): Promise<void> {
    const mail = this.#mail;
    const of = JSON.stringify([local.attachments, local.forwards ?? null]);
    const carrier = stored?.files?.of === of && this.#present.has(stored.files.message)
      ? stored.files
      : null;
    const { machine, seen, gone } = await this.#editions.load();
    // What another draft takes along can go with that.
    const others = seen[local.forwards?.message ?? ""]?.draft ?? local.id;
    const withFiles = local.attachments.length > 0 || others !== local.id;
    await using forwarded = await forwardedAttachments(
      mail,
      withFiles && !carrier ? local : withoutForwards(local),
      undefined,
    );
    const own = withFiles && !carrier
      ? await Promise.all(local.attachments.map(attachmentFromFile))
      : [];
    const files = [...forwarded.sources, ...own];
    const draft: Draft = files.length > 0
      ? withoutForwards(local)
      : carrier
      ? { ...local, forwards: { message: carrier.message, attachments: carrier.attachments } }
      : local;
    const carries = draft.forwards?.message ?? null;
    const next: Pick<Editions, "seen" | "gone"> = { seen, gone: [...gone] };
    if (stored) removeEdition(next, stored, null);
    const leaving = next.gone.filter(({ edition }) => edition !== carries);
    const replaces = leaving.map(({ edition }) => edition);
    const composed = await composeDraft(
      mail.name,
      draft,
      { machine, saved: local.savedAt, replaces },
      files,
    );
    await this.#editions.update(({ storing }) => void (storing[local.id] = local.savedAt));
    this.stored = true;
    const { id: edition, uid } = await mail.append({
      stored: { kind: "draft", from: mail.name },
      subject: [...local.subject].slice(0, MAX_TITLE).join(""),
      date: local.savedAt,
      attachments: files.map(({ name, size }) => ({ name, size })),
      headers: { type: composed.type },
      composed,
      folder: "drafts",
      receivedAt: Date.now(),
      flags: ["seen"],
    });
    const made: CarriedFiles | null = files.length === 0 ? carrier : {
      of,
      message: edition,
      attachments: files.map(({ name, size }, i) => ({ index: i + 1, name, size })),
    };
    const now = { edition, uid, saved: local.savedAt, files: made };
    await this.#stored(local.id, now, (editions) => {
      editions.seen[edition] = { draft: local.id, carries, replaces };
      addGone(editions, leaving);
    });
  }
}

/** Errors that are about one draft, and not about the connection. */
const OF_ONE_DRAFT = [
  "authentication",
  "file-io",
  "file-missing",
  "format",
  "limit",
  "no-such-message",
  "quota",
  "too-large",
  "usage",
] as const;

function lostLine({ subject }: SavedDraft): string {
  return `${
    subject || "a draft"
  }: the server has lost it; it is stored there again from this machine`;
}

function withoutForwards(draft: SavedDraft): SavedDraft {
  const { forwards: _, ...rest } = draft;
  return rest;
}

/** The message whose attachments a draft takes along; null if there is none but itself. */
function carriedBy({ forwards }: Draft, edition: string): string | null {
  return forwards === undefined || forwards.message === edition ? null : forwards.message;
}
