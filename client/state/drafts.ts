import * as v from "valibot";
import { fromUtf8, random, toHex, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { parseJson } from "../../protocol/schema.ts";
import { Desk, leftDesks, removeDesk } from "./editor_file.ts";
import { parseLetter } from "./letter.ts";
import type { State } from "./state.ts";

/** A message that somebody writes, and has not sent yet. */
export interface Draft {
  /** 16 hexadecimal digits; a beginning of them is enough for {@linkcode Drafts.load}. */
  readonly id: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** Absolute paths. */
  readonly attachments: readonly string[];
  /** The text form of the id of the message that this one answers. */
  readonly answers?: string;
  /** The text form of the id of the message whose attachments go along. */
  readonly forwards?: string;
  /** Whether `text` is a letter as it was left in an editor, whose headers could not be read. */
  readonly unread?: boolean;
  /** The id of the message that was last made of it: where that is in the outbox, the draft is done with. */
  readonly sentAs?: string;
  /** Milliseconds since 1970. */
  readonly savedAt: number;
}

/** What is saved; {@linkcode Drafts.save} adds the time. */
export type Written = Omit<Draft, "savedAt" | "sentAs">;

/** The drafts that there are, the latest first, and what could not be read. */
export interface DraftList {
  readonly drafts: readonly Draft[];
  /** One line each: which file, and why. */
  readonly unreadable: readonly string[];
}

const PREFIX = "draft-";
const ID_SIZE = 8;
const ID = /^[0-9a-f]{16}$/;
/** Characters of an id that people see. */
const SHORT = 8;

const schema = v.object({
  version: v.literal(1),
  id: v.pipe(v.string(), v.regex(ID)),
  to: v.array(v.string()),
  cc: v.array(v.string()),
  bcc: v.array(v.string()),
  subject: v.string(),
  text: v.string(),
  attachments: v.array(v.string()),
  answers: v.exactOptional(v.string()),
  forwards: v.exactOptional(v.string()),
  unread: v.exactOptional(v.boolean()),
  sentAs: v.exactOptional(v.string()),
  savedAt: v.number(),
});

/** A draft with nothing in it, under a new id. */
export function emptyDraft(): Written {
  const id = toHex(random(ID_SIZE));
  return { id, to: [], cc: [], bcc: [], subject: "", text: "", attachments: [] };
}

/** The form of a draft's id that people see. */
export function shortDraftId(id: string): string {
  return id.slice(0, SHORT);
}

/** What somebody writes, each in a sealed file of the state until its message is in the outbox. */
export class Drafts {
  readonly #state: State;
  readonly #recovered: string[] = [];
  /** Why letters that were left stay where they are. */
  readonly #stuck: string[] = [];

  private constructor(state: State) {
    this.#state = state;
  }

  /** The ids of drafts that were in an editor when this program, or the machine, came to an end. */
  get recovered(): readonly string[] {
    return this.#recovered;
  }

  /**
   * Opens the drafts of a user. What an editor was given in a session that ended abnormally becomes
   * a draft; where that cannot be done it stays. Throws `file-io`.
   */
  static async open(state: State): Promise<Drafts> {
    const drafts = new Drafts(state);
    for (const desk of await leftDesks(state)) {
      using _ = desk;
      await drafts.#recover(desk);
    }
    return drafts;
  }

  /** Keeps a draft, durably, in the place of what was saved under its id. Throws `disk-full`, `file-io`. */
  async save(draft: Written): Promise<Draft> {
    // Another text than the one that went out is a draft of its own.
    const { sentAs: _, ...written }: Written & Pick<Draft, "sentAs"> = draft;
    const saved = { ...written, savedAt: Date.now() };
    const text = JSON.stringify({ version: 1, ...saved });
    await this.#state.write(PREFIX + draft.id, utf8(text));
    return saved;
  }

  /**
   * Notes, durably, as which message a saved draft is about to be put into the outbox; nothing if it
   * was not saved. Throws `disk-full`, `file-io`.
   */
  async sending(id: string, message: string): Promise<void> {
    const saved = await this.#read(PREFIX + id);
    if (saved === null) return;
    await this.#state.write(
      PREFIX + id,
      utf8(JSON.stringify({ version: 1, ...saved, sentAs: message })),
    );
  }

  /**
   * Removes the drafts whose message `isOut` knows: a crash came between the outbox and their
   * removal. Throws `file-io`.
   */
  async dropSent(isOut: (message: string) => boolean | Promise<boolean>): Promise<void> {
    for (const { id, sentAs } of (await this.list()).drafts) {
      if (sentAs !== undefined && await isOut(sentAs)) await this.remove(id);
    }
  }

  /** All drafts. One that is damaged hides no other. */
  async list(): Promise<DraftList> {
    const drafts: Draft[] = [];
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
  async load(prefix: string): Promise<Draft> {
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

  /** Forgets a draft: its message is in the outbox, or nobody wants it. No error if it is gone. */
  async remove(id: string): Promise<void> {
    await this.#state.remove(PREFIX + id);
    await removeDesk(this.#state, id);
  }

  /** Lays a letter of draft `id` where an editor can have it. Throws what {@linkcode Desk.lay} throws. */
  lay(id: string, letter: string): Promise<Desk> {
    return Desk.lay(this.#state, id, letter);
  }

  async #read(file: string): Promise<Draft | null> {
    const bytes = await this.#state.read(file);
    if (bytes === null) return null;
    const { version: _, ...draft } = parseJson(schema, fromUtf8(bytes));
    return draft;
  }

  async #recover(desk: Desk): Promise<void> {
    try {
      const draft = await this.#leftAt(desk.id, await desk.read());
      if (draft !== null) {
        await this.save(draft);
        this.#recovered.push(desk.id);
      }
      await desk.clear();
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      this.#stuck.push(`${desk.path} is left from an editor, and stays: ${error.message}`);
    }
  }

  /** The draft `id` as a letter that was left has it; null if that says nothing new. */
  async #leftAt(id: string, letter: string | null): Promise<Written | null> {
    if (letter === null) return null;
    const known = await this.#read(PREFIX + id);
    const draft = fromLetter(known ?? { ...emptyDraft(), id }, letter);
    const news = known === null ? letter.trim() !== "" : !same(known, draft);
    return news ? draft : null;
  }
}

/** `base` with what a letter says; the letter itself as the text if its headers cannot be read. */
export function fromLetter(base: Written, letter: string): Written {
  const { unread: _, ...rest } = base;
  try {
    return { ...rest, ...parseLetter(letter) };
  } catch (error) {
    if (!isSealpostError(error)) throw error;
    return { ...rest, text: letter, unread: true };
  }
}

/** Whether two drafts say the same; line ends at the end of a text do not count. */
function same(a: Written, b: Written): boolean {
  const parts = (d: Written) => {
    const text = d.text.replace(/\n+$/, "");
    return JSON.stringify([d.to, d.cc, d.bcc, d.subject, text, d.attachments, d.unread ?? false]);
  };
  return parts(a) === parts(b);
}
