import * as v from "valibot";
import { type Bytes, fromUtf8, random, toHex, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { parseJson } from "../../protocol/schema.ts";
import { DraftEditions } from "./draft_editions.ts";
import { type DraftContent, formatDraft, parseDraft } from "./draft_text.ts";
import { abandonedEditorFiles, EditorFile, removeEditorFile } from "./editor_file.ts";
import type { State } from "./state.ts";

/** A message that a person is writing. */
export interface Draft extends DraftContent {
  /** 16 hexadecimal digits; a beginning of them is enough for {@linkcode Drafts.load}. */
  readonly id: string;
  /** The text form of the id of the message that this one answers. */
  readonly answers?: string;
  /** Whether `text` is all that an editor left, because its headers could not be read. */
  readonly unparsed?: boolean;
}

/** A draft as it is kept. */
export interface SavedDraft extends Draft {
  /** The id of the message that was last made of it: once that is in the outbox, the draft goes. */
  readonly sentAs?: string;
  /** Milliseconds since 1970. */
  readonly savedAt: number;
}

/** All drafts, the latest first, and what could not be read. */
export interface DraftList {
  readonly drafts: readonly SavedDraft[];
  /** One line each: which file, and why. */
  readonly unreadable: readonly string[];
}

const PREFIX = "draft-";
const ID_SIZE = 8;
const ID = /^[0-9a-f]{16}$/;
/** Characters of an id that people see. */
const SHORT = 8;

/** A draft as it is written down. */
export const draftSchema = v.object({
  id: v.pipe(v.string(), v.regex(ID)),
  to: v.array(v.string()),
  cc: v.array(v.string()),
  bcc: v.array(v.string()),
  subject: v.string(),
  text: v.string(),
  attachments: v.array(v.string()),
  answers: v.exactOptional(v.string()),
  forwards: v.exactOptional(v.object({
    message: v.string(),
    attachments: v.array(v.object({ index: v.number(), name: v.string(), size: v.number() })),
  })),
  unparsed: v.exactOptional(v.boolean()),
  sentAs: v.exactOptional(v.string()),
  savedAt: v.number(),
});
const schema = v.object({ version: v.literal(1), ...draftSchema.entries });

/** A draft with nothing in it, under a new id. */
export function emptyDraft(): Draft {
  const id = toHex(random(ID_SIZE));
  return { id, to: [], cc: [], bcc: [], subject: "", text: "", attachments: [] };
}

/** The short form of a draft's id that lists show. */
export function shortDraftId(id: string): string {
  return id.slice(0, SHORT);
}

/** The drafts of a user, each in an encrypted file of the state until its message is in the outbox. */
export class Drafts {
  readonly #state: State;
  readonly #recovered: string[] = [];
  /** Why editor files that a killed process left stay where they are. */
  readonly #stuck: string[] = [];
  /** Under which id a draft is now that had another one when it was saved. */
  readonly #moved = new Map<string, string>();
  /** Whether any was saved or removed by this program. */
  touched = false;
  /** What is known of the drafts on the server. */
  readonly editions: DraftEditions;

  private constructor(state: State) {
    this.#state = state;
    this.editions = new DraftEditions(state);
  }

  /** The ids of drafts that were in an editor when a former process, or the machine, was stopped. */
  get recovered(): readonly string[] {
    return this.#recovered;
  }

  /**
   * Opens the drafts of a user. What was in an editor when a former process was killed becomes a
   * draft; where that fails, the file stays. Throws `file-io`.
   */
  static async open(state: State): Promise<Drafts> {
    const drafts = new Drafts(state);
    for (const file of await abandonedEditorFiles(state)) {
      using _ = file;
      await drafts.#recover(file);
    }
    return drafts;
  }

  /** Saves a draft durably, replacing what its id had. Throws `disk-full`, `file-io`. */
  async save(draft: Draft): Promise<SavedDraft> {
    this.touched = true;
    return await this.#state.update(PREFIX + draft.id, (current) => {
      const result = laterThan(current && decode(current), withoutSentAs(draft));
      return { data: encode(result), result };
    });
  }

  /**
   * Saves a draft that was saved at `known` when it was read, null for a new one. If another program or
   * machine has changed it since, this one becomes a draft of its own, with another id, and nothing is
   * lost. Throws as {@linkcode Drafts.save}.
   */
  async saveOver(
    draft: Draft,
    known: number | null,
  ): Promise<{ readonly draft: SavedDraft; readonly parted: boolean }> {
    this.touched = true;
    const saved = await this.#write(draft.id, known, (current, id) => {
      return current !== null && current.savedAt !== known
        ? null
        : laterThan(current, { ...withoutSentAs(draft), id });
    });
    if (saved) return { draft: saved, parted: false };
    return { draft: await this.save({ ...draft, id: emptyDraft().id }), parted: true };
  }

  /**
   * Takes a draft over as another machine has it, if it is here as it was saved at `known`, null for
   * not at all; null otherwise. Throws as {@linkcode Drafts.save}.
   */
  take(draft: SavedDraft, known: number | null): Promise<SavedDraft | null> {
    return this.#write(draft.id, null, (current) => {
      return (current?.savedAt ?? null) === known ? laterThan(current, draft, draft.savedAt) : null;
    });
  }

  /**
   * Gives the draft `id` the id `to`, unless it was saved again since `known`: null then. Whoever writes
   * it goes on under the new one. Throws as {@linkcode Drafts.save}.
   */
  async move(id: string, known: number, to: string): Promise<SavedDraft | null> {
    using _lock = await this.#state.lock();
    const draft = await this.#read(PREFIX + id);
    if (draft?.savedAt !== known) return null;
    const moved = { ...draft, id: to };
    await this.#state.write(PREFIX + to, encode(moved));
    await this.#state.remove(PREFIX + id);
    this.#moved.set(`${id} ${known}`, to);
    return moved;
  }

  /** Removes a draft that is gone on the server, unless it was saved again since `known`. */
  async forget(id: string, known: number): Promise<void> {
    using _lock = await this.#state.lock();
    if ((await this.#read(PREFIX + id))?.savedAt === known) await this.#state.remove(PREFIX + id);
  }

  /** The id by now of the draft that had `id` when it was saved at `known`. */
  idNow(id: string, known: number | null): string {
    const moved = this.#moved.get(`${id} ${known}`);
    return moved === undefined ? id : this.idNow(moved, known);
  }

  /**
   * Writes what `next` makes of the draft that had `id` when it was saved at `known`, and has the one that
   * `next` is told; null, writing nothing, if that is null.
   */
  async #write(
    id: string,
    known: number | null,
    next: (current: SavedDraft | null, now: string) => SavedDraft | null,
  ): Promise<SavedDraft | null> {
    using _lock = await this.#state.lock();
    // It may have moved while another one had the lock.
    const now = this.idNow(id, known);
    const result = next(await this.#read(PREFIX + now), now);
    if (result) await this.#state.write(PREFIX + now, encode(result));
    return result;
  }

  /**
   * Notes durably that the draft that had `id` when it was saved at `known` is about to enter the outbox
   * as `message`; does nothing if it has another text by now, or is gone. Throws `disk-full`, `file-io`.
   */
  async sending(id: string, known: number, message: string): Promise<void> {
    await this.#write(id, known, (current) => {
      return current?.savedAt === known ? { ...current, sentAs: message } : null;
    });
  }

  /**
   * Removes the drafts whose message `isOut` knows: a crash came between adding that to the outbox
   * and removing them. Throws `file-io`.
   */
  async dropSent(isOut: (message: string) => boolean | Promise<boolean>): Promise<void> {
    for (const { id, sentAs } of (await this.list()).drafts) {
      if (sentAs !== undefined && await isOut(sentAs)) await this.remove(id);
    }
  }

  /** All drafts. A damaged one hides no other. */
  async list(): Promise<DraftList> {
    const drafts: SavedDraft[] = [];
    const unreadable = [...this.#stuck];
    for (const file of await this.#state.files(PREFIX)) {
      try {
        const draft = await this.#read(file);
        if (draft) drafts.push(draft);
      } catch (error) {
        if (!isSealpostError(error)) throw error;
        unreadable.push(error.message);
      }
    }
    drafts.sort((a, b) => b.savedAt - a.savedAt);
    return { drafts, unreadable };
  }

  /**
   * The one draft whose id begins with `prefix`. Throws `no-such-message`, `usage` if there are
   * several, and why it cannot be read.
   */
  async load(prefix: string): Promise<SavedDraft> {
    const wanted = prefix.trim().toLowerCase();
    const files = (await this.#state.files(PREFIX)).filter((file) =>
      file.startsWith(PREFIX + wanted)
    );
    const [file] = files;
    if (file === undefined || wanted === "") {
      throw new SealpostError(
        "no-such-message",
        `there is no draft ${JSON.stringify(prefix.slice(0, 40))}; "drafts" shows their ids`,
      );
    }
    if (files.length > 1) {
      const some = files.slice(0, 5).map((name) => shortDraftId(name.slice(PREFIX.length)));
      throw new SealpostError(
        "usage",
        `several drafts begin with ${wanted}: ${some.join(", ")}; write more of it`,
      );
    }
    const draft = await this.#read(file);
    if (draft) return draft;
    throw new SealpostError("no-such-message", "that draft is not there any more");
  }

  /**
   * Removes a draft, and what the server has of it when that is asked next. No error if it is gone.
   * Throws `file-io`.
   */
  async remove(id: string): Promise<void> {
    await this.#leave(id, () => this.#state.remove(PREFIX + id));
  }

  /**
   * {@linkcode Drafts.remove} for the draft that had `id` when it was saved at `known` and was sent;
   * nothing if it has another text by now. Throws `file-io`.
   */
  async removeSent(id: string, known: number): Promise<void> {
    for (let now = this.idNow(id, known);;) {
      if (await this.#isAt(now, known)) await this.#leave(now, () => this.forget(now, known));
      // It may have moved meanwhile.
      const later = this.idNow(id, known);
      if (later === now) return;
      now = later;
    }
  }

  /** Whether the draft `id` is as it was saved at `known`; not while it is being moved. */
  async #isAt(id: string, known: number): Promise<boolean> {
    using _lock = await this.#state.lock();
    return (await this.#read(PREFIX + id))?.savedAt === known;
  }

  async #leave(id: string, remove: () => Promise<void>): Promise<void> {
    this.touched = true;
    await this.editions.leave(id);
    await remove();
    // Its text may have been stored meanwhile.
    if (!await this.has(id)) await this.editions.leave(id);
    await removeEditorFile(this.#state, id);
  }

  /** Whether there is a draft `id`, readable or not. Throws `file-io`. */
  async has(id: string): Promise<boolean> {
    return (await this.#state.files(PREFIX + id)).length > 0;
  }

  /** The text of `draft` in a file for an editor. Throws what {@linkcode EditorFile.create} throws. */
  createEditorFile(draft: Draft): Promise<EditorFile> {
    return EditorFile.create(this.#state, draft.id, textOf(draft));
  }

  async #read(file: string): Promise<SavedDraft | null> {
    const bytes = await this.#state.read(file);
    return bytes && decode(bytes);
  }

  async #recover(file: EditorFile): Promise<void> {
    try {
      const draft = await this.#changedIn(file.id, await file.read());
      if (draft !== null) {
        await this.save(draft);
        this.#recovered.push(file.id);
      }
      await file.clear();
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      this.#stuck.push(`${file.path} is left from an editor, and stays: ${error.message}`);
    }
  }

  /** The draft `id` as an abandoned editor file has it; null if that says nothing new. */
  async #changedIn(id: string, text: string | null): Promise<Draft | null> {
    if (text === null) return null;
    const known = await this.#read(PREFIX + id);
    const draft = withText(known ?? { ...emptyDraft(), id }, text);
    const news = known === null ? text.trim() !== "" : !same(known, draft);
    return news ? draft : null;
  }
}

function encode(draft: SavedDraft): Bytes {
  return utf8(JSON.stringify({ version: 1, ...draft }));
}

function decode(bytes: Bytes): SavedDraft {
  const { version: _, ...draft } = parseJson(schema, fromUtf8(bytes));
  return draft;
}

/** Another text than the one that went out is a draft of its own. */
function withoutSentAs(draft: Draft & Pick<SavedDraft, "sentAs">): Draft {
  const { sentAs: _, ...written } = draft;
  return written;
}

/** `draft` as saved `at`, but later than `current`, so that the two are told apart. */
function laterThan(current: SavedDraft | null, draft: Draft, at = Date.now()): SavedDraft {
  const savedAt = current?.savedAt === at ? at + 1 : at;
  return { ...draft, savedAt };
}

/** The text of a draft as an editor gets it. Throws `format` as `formatDraft` does. */
export function textOf(draft: Draft): string {
  return draft.unparsed ? draft.text : formatDraft(draft);
}

/** `draft` with what `text`, as an editor left it, says; unparsed if its headers cannot be read. */
export function withText(draft: Draft, text: string): Draft {
  const { unparsed: _, ...rest } = draft;
  try {
    return { ...rest, ...parseDraft(text, draft.forwards) };
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    return { ...rest, text, unparsed: true };
  }
}

/** Whether two drafts say the same; line ends at the end of a text do not count. */
function same(a: Draft, b: Draft): boolean {
  const parts = (d: Draft) => {
    const text = d.text.replace(/\n+$/, "");
    const { to, cc, bcc, subject, attachments, forwards, unparsed = false } = d;
    return JSON.stringify([to, cc, bcc, subject, text, attachments, forwards, unparsed]);
  };
  return parts(a) === parts(b);
}
