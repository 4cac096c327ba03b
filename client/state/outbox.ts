import { exists } from "@std/fs";
import { join } from "@std/path";
import * as v from "valibot";
import { type Bytes, free, fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { syncFolder, wrapFileError, writeAll } from "../../files/atomic_file.ts";
import { readPieces } from "../../files/pieces.ts";
import { type DeliverRequest, deliverSchema } from "../../protocol/request.ts";
import { parseJson } from "../../protocol/schema.ts";
import type { State } from "./state.ts";

const SUFFIX = ".sealed";
const PARTIAL = ".partial";
const REFUSED = ".refused";
const LOCK = ".lock";

/** Age at which a message that is not complete is taken for left by a crash, milliseconds. */
const ABANDONED = 3_600_000;

/** A sealed message: what to ask the server, and the bytes that follow. */
export interface Sealed {
  readonly request: DeliverRequest;
  /** Exactly `request.size` bytes; can be read once. */
  readonly bytes: AsyncIterable<Bytes>;
}

/** A sealed message that waits for its acknowledgement. */
export interface Waiting {
  readonly request: DeliverRequest;
  /** Whether no byte of it can have been sent yet. */
  readonly fresh: boolean;
  /** The sealed bytes from `offset` on, from the file: the same for every attempt. */
  bytes(offset?: number): AsyncIterable<Bytes>;
  /**
   * Claims it, so that no other client of this user sends it too, until it is removed or released, or
   * this process ends. False if it is gone, or another client has it; with `wait`, only if it is gone.
   * What {@linkcode Outbox.add} gives is claimed already. Throws `file-io`.
   */
  claim(wait?: "wait"): Promise<boolean>;
  /** Lets others claim it. Safe to call again. */
  release(): void;
  /** Forgets it: it was acknowledged, or its sender knows that it was refused. */
  remove(): Promise<void>;
  /** Forgets it because the person says so. Throws `busy` while another client sends it, `file-io`. */
  discard(): Promise<void>;
  /**
   * Keeps it, and never sends it again: it was refused for good while nobody watched, or its sender has taken
   * it back. Throws `disk-full`, `file-io`; if only the reason could not be kept, it is set aside all the same.
   */
  setAside(why: string): Promise<void>;
  /** Why it was not sent, in one line; null before the first attempt. */
  readonly why: string | null;
  /** Notes why it was not sent. */
  note(why: string): Promise<void>;
}

const schema = v.object({
  request: deliverSchema,
  /** The id of the message that this one was made of, which must not be sent any more. */
  replaces: v.optional(deliverSchema.entries.id),
  /** Why it was not sent, for a person. */
  why: v.optional(v.string()),
});

/**
 * Messages on their way: each is on disk, sealed, before its first byte is sent and until the
 * server has acknowledged it. A retry sends the same bytes under the same id, so that it arrives
 * once.
 */
export class Outbox {
  readonly #state: State;
  readonly #folder: string;

  private constructor(state: State, folder: string) {
    this.#state = state;
    this.#folder = folder;
  }

  /** Opens the outbox and removes what was never completed. Throws `file-io`. */
  static async open(state: State): Promise<Outbox> {
    const folder = state.path("outbox");
    try {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      for await (const item of Deno.readDir(folder)) {
        if (!item.name.endsWith(PARTIAL)) continue;
        const path = join(folder, item.name);
        // Another client of this user may be writing it.
        const { mtime } = await Deno.lstat(path).catch(() => ({ mtime: null }));
        if (mtime !== null && Date.now() - mtime.getTime() > ABANDONED) {
          await Deno.remove(path).catch(() => {});
        }
      }
    } catch (error) {
      throw wrapFileError(error, `use ${folder}`);
    }
    const outbox = new Outbox(state, folder);
    for (const lock of (await state.files(metaName(""))).filter((name) => name.endsWith(LOCK))) {
      const id = lock.slice(metaName("").length, -LOCK.length);
      // In this order: one that is being added is under the one name or the other.
      if (await exists(`${outbox.#path(id)}${PARTIAL}`) || await outbox.has(id)) continue;
      await state.remove(lock);
    }
    return outbox;
  }

  /**
   * Writes a sealed message to the outbox, in the place of the one that it was made of if that is
   * given: after a crash at any moment one of the two is there, and never both are sent. `onProgress` is
   * told the bytes written. Throws `disk-full`, `file-io`, and what sealing throws; nothing has changed
   * then.
   */
  async add(
    sealed: Sealed,
    onProgress: (done: number) => void = () => {},
    replaces?: Waiting,
  ): Promise<Waiting> {
    const { request } = sealed;
    const final = this.#path(request.id);
    const partial = `${final}${PARTIAL}`;
    const meta = { request, ...replaces ? { replaces: replaces.request.id } : {} };
    let waiting: Waiting | null = null;
    let file: Deno.FsFile | null = null;
    try {
      file = await Deno.open(partial, { write: true, createNew: true, mode: 0o600 });
      let done = 0;
      for await (const piece of sealed.bytes) {
        await writeAll(file, piece);
        done += piece.length;
        onProgress(done);
        free(piece);
      }
      await file.sync();
      file.close();
      file = null;
      // One client alone makes something else of a message that waits.
      using _lock = replaces ? await this.#state.lock() : null;
      if (replaces && !await exists(this.#path(replaces.request.id))) {
        throw new SealpostError("cancelled", "another client has sealed it again already");
      }
      await this.#state.write(metaName(request.id), utf8(JSON.stringify(meta)));
      // Nobody else knows its id yet.
      const claim = await this.#state.tryLock(lockName(request.id));
      waiting = this.#waiting(request, { fresh: true, claim });
      await Deno.rename(partial, final);
      await syncFolder(this.#folder);
      await replaces?.remove().catch(() => {});
    } catch (error) {
      file?.close();
      await Deno.remove(partial).catch(() => {});
      await this.#state.remove(metaName(request.id)).catch(() => {});
      await waiting?.remove().catch(() => {});
      if (isSealpostError(error)) throw error;
      throw wrapFileError(error, `write the sealed message to ${this.#folder}`);
    }
    return waiting;
  }

  /** The waiting message `id`, claimed; null if it is gone, or another client has it. Throws `file-io`. */
  async claim(id: string): Promise<Waiting | null> {
    const waiting = (await this.list()).waiting.find(({ request }) => request.id === id);
    return waiting && await waiting.claim() ? waiting : null;
  }

  /** Whether a message waits, or was refused and is kept. */
  async has(id: string): Promise<boolean> {
    return await exists(this.#path(id)) || await exists(`${this.#path(id)}${REFUSED}`);
  }

  /**
   * {@linkcode Outbox.has}, but false as long as a client has it claimed: it sends the message, or its
   * sender may still take it back. Throws `file-io`.
   */
  async hasUnclaimed(id: string): Promise<boolean> {
    if (!await this.has(id)) return false;
    const claim = await this.#state.tryLock(lockName(id));
    claim?.[Symbol.dispose]();
    return claim !== null;
  }

  /**
   * What still waits from earlier, oldest first, and the files of which it is not known where they
   * were to go: they stay.
   */
  async list(): Promise<{ waiting: Waiting[]; unknown: string[] }> {
    const ids: string[] = [];
    for await (const item of Deno.readDir(this.#folder)) {
      if (item.name.endsWith(SUFFIX)) ids.push(item.name.slice(0, -SUFFIX.length));
    }
    const waiting: Waiting[] = [];
    const unknown: string[] = [];
    const replaced = new Set<string>();
    for (const id of ids.sort()) {
      const meta = await this.#state.read(metaName(id));
      if (!meta) {
        // One that was sent since the folder was read is gone.
        if (await exists(this.#path(id))) unknown.push(this.#path(id));
        continue;
      }
      const { request, replaces, why } = parseJson(schema, fromUtf8(meta));
      waiting.push(this.#waiting(request, { why }));
      if (replaces !== undefined) replaced.add(replaces);
    }
    // Left by a crash between the two.
    for (const one of waiting) if (replaced.has(one.request.id)) await one.remove();
    return { waiting: waiting.filter(({ request: { id } }) => !replaced.has(id)), unknown };
  }

  /** What was refused for good and is kept, oldest first. It is never sent again. */
  async listRefused(): Promise<Waiting[]> {
    const ids: string[] = [];
    for await (const item of Deno.readDir(this.#folder)) {
      const [, id] = /^(.*)\.sealed\.refused$/.exec(item.name) ?? [];
      if (id !== undefined) ids.push(id);
    }
    const refused: Waiting[] = [];
    for (const id of ids.sort()) {
      const meta = await this.#state.read(metaName(id));
      if (!meta) continue;
      const { request, why } = parseJson(schema, fromUtf8(meta));
      refused.push(this.#waiting(request, { why, path: `${this.#path(id)}${REFUSED}` }));
    }
    return refused;
  }

  #path(id: string): string {
    return join(this.#folder, `${id}${SUFFIX}`);
  }

  #waiting(
    request: DeliverRequest,
    of: {
      readonly fresh?: boolean;
      readonly claim?: Disposable | null;
      readonly why?: string | undefined;
      readonly path?: string;
    },
  ): Waiting {
    const { fresh = false, why = null } = of;
    let { path = this.#path(request.id) } = of;
    const note = async (why: string) => {
      await this.#state.update(metaName(request.id), (meta) => {
        // It may have gone out over another connection meanwhile.
        const before = meta && parseJson(schema, fromUtf8(meta));
        return {
          data: before && before.why !== why ? utf8(JSON.stringify({ ...before, why })) : null,
          result: undefined,
        };
      });
    };
    const lock = lockName(request.id);
    let claim = of.claim ?? null;
    const release = () => {
      claim?.[Symbol.dispose]();
      claim = null;
    };
    const remove = async () => {
      await Deno.remove(path).catch(() => {});
      await this.#state.remove(metaName(request.id));
      release();
      // A client that waits for the claim finds that the message is gone.
      await this.#state.remove(lock).catch(() => {});
    };
    const claimIt = async (wait?: "wait") => {
      if (claim !== null) return true;
      claim = wait
        ? await this.#state.waitForLock(lock, Infinity)
        : await this.#state.tryLock(lock);
      if (claim === null || await exists(path)) return claim !== null;
      // Another client may have set it aside since it was listed.
      if (await this.has(request.id)) release();
      else await remove();
      return false;
    };
    return {
      request,
      fresh,
      why,
      note,
      claim: claimIt,
      release,
      bytes: (offset) => readPieces(path, offset),
      remove,
      discard: async () => {
        if (await claimIt()) return await remove();
        if (!await exists(path)) return;
        throw new SealpostError(
          "busy",
          "another command or program of yours is sending this message just now; nothing was done",
        );
      },
      setAside: async (why) => {
        const aside = `${path}${REFUSED}`;
        try {
          await Deno.rename(path, aside);
        } catch (error) {
          throw wrapFileError(error, `rename ${path}`);
        }
        path = aside;
        await note(why);
      },
    };
  }
}

function metaName(id: string): string {
  return `outbox-${id}`;
}

/** The file that is locked while a client sends the message. */
function lockName(id: string): string {
  return `${metaName(id)}${LOCK}`;
}
