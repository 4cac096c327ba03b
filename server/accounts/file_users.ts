import { type Bytes, equal, fromUtf8, wipe } from "../../crypto/bytes.ts";
import { errorText, isSealpostError, SealpostError } from "../../crypto/error.ts";
import { hashPassword } from "../../crypto/phc.ts";
import { readFileBounded, wrapFileError, writeFileAtomic } from "../../files/atomic_file.ts";
import {
  changeUsers,
  parseUserFile,
  passwordBytes,
  replaceValues,
  type UserEntry,
} from "./user_file.ts";
import { isUserState } from "./user_state.ts";
import { Users, type UsersOptions } from "./users.ts";
import { clearInterval, setInterval } from "node:timers";

/** Largest user_pass.json that is read, bytes: some 30,000 users. */
const MAX_FILE = 4 * 1024 * 1024;

/** How often the file is looked at when nobody logs in, milliseconds. */
const POLL = 2000;

/**
 * A file whose time stamp is younger than this when it is read is read again the next time: a second
 * change may have come within what the stamp resolves. Milliseconds.
 */
const SETTLED = 2000;

/** How often a replacement is begun anew because somebody else wrote the file meanwhile. */
const MAX_ATTEMPTS = 10;

/** Callbacks of {@linkcode FileUsers}: problems are also permissions that let others read the file. */
export interface FileUsersOptions extends UsersOptions {
  /** Told after each plain password that was hashed, which takes some 50 ms each. */
  readonly onHashed?: (done: number, total: number) => void;
}

/**
 * The users and their passwords, from `user_pass.json`. A plain password found in it is replaced in
 * the file by an Argon2id PHC string; all else in the file stays as it is. Changes take effect
 * without a restart: the file is looked at before every {@linkcode FileUsers.verify}, and every 2 s.
 */
export class FileUsers extends Users {
  readonly #path: string;
  readonly #options: FileUsersOptions;
  /** Of the file as it was read last; null if it has to be read again. */
  #stamp: string | null = null;
  /** Hashes of the plain passwords that could not be replaced yet, by name and password. */
  #hashed = new Map<string, string>();
  #problem: string | null = null;
  #exposure: string | null = null;
  #loading: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  /** The replacement of the file that goes on, or the last one. Never rejects. */
  #replacing: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(path: string, options: FileUsersOptions, decoy: string) {
    super(options, decoy);
    this.#path = path;
    this.#options = options;
  }

  /**
   * Reads `path`, and hashes and replaces the plain passwords in it, one after the other. Throws
   * `config` (missing, or damaged: with line and column), `disk-full` or `file-io`.
   */
  static async open(path: string, options: FileUsersOptions): Promise<FileUsers> {
    const users = new FileUsers(path, options, await Users.decoy());
    await users.#load(true);
    users.#timer = setInterval(() => void users.refresh(), POLL).unref();
    return users;
  }

  override async change(
    decide: (users: ReadonlyMap<string, string>) => ReadonlyMap<string, string | null>,
  ): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      // Plain passwords are hashed first: what is decided on is what is in force.
      await this.refresh();
      const data = await readFileBounded(this.#path, MAX_FILE).catch((error) => {
        throw this.#asConfig(error);
      });
      const text = this.#decode(data);
      const entries = parseUserFile(text, this.#path);
      const changes = decide(new Map(entries.map(({ name, value }) => [name, value])));
      if (changes.size === 0) return;
      if (await this.#replace(data, changeUsers(text, this.#path, changes), "changed")) {
        this.#stamp = null;
        return await this.refresh();
      }
    }
    throw this.#unsettled();
  }

  override refresh(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#next !== null) return this.#next;
    if (this.#loading === null) return this.#start();
    // What is being loaded may have been read before the change that the caller knows of.
    this.#next = this.#loading.then(() => {
      this.#next = null;
      return this.#start();
    });
    return this.#next;
  }

  override get problem(): string | null {
    return this.#problem;
  }

  override close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  #start(): Promise<void> {
    this.#loading = this.#load(false)
      .catch((error) => this.#report(error))
      .finally(() => this.#loading = null);
    return this.#loading;
  }

  #report(error: unknown): void {
    this.#stamp = null;
    const message = isSealpostError(error)
      ? error.message
      : `${this.#path} could not be read: ${errorText(error)}`;
    if (message !== this.#problem && !this.#closed) this.#options.onProblem(message);
    this.#problem = message;
  }

  async #load(first: boolean): Promise<void> {
    const exposed: string[] = [];
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      // The stamp is taken before the text is read: what is written after it shows as a change.
      const info = await this.#stat();
      const stamp = stampOf(info);
      if (!first && attempt === 0 && stamp === this.#stamp) return;
      const data = await readFileBounded(this.#path, MAX_FILE).catch((error) => {
        throw this.#asConfig(error);
      });
      const text = this.#decode(data);
      const entries = parseUserFile(text, this.#path);
      const plain = entries.filter(({ value }) => !isUserState(value));
      if (isExposed(info)) exposed.push(plain.length > 0 ? EXPOSED_PASSWORDS : EXPOSED_HASHES);
      if (plain.length === 0) {
        this.#hashed.clear();
        const settled = Date.now() - (info.mtime?.getTime() ?? Infinity) > SETTLED;
        this.#stamp = settled ? stamp : null;
        this.#accept(entries, new Map(), first);
        this.#problem = null;
        this.#warn(exposed[0]);
        return;
      }
      const hashes = await this.#hash(plain);
      try {
        const hashed = replaceValues(text, entries, hashes);
        if (await this.#replace(data, hashed, "hashed")) continue;
      } catch (error) {
        if (first) throw error;
        // The new users can log in all the same; the next look at the file tries again.
        this.#accept(entries, hashes, first);
        throw error;
      }
    }
    throw this.#unsettled();
  }

  #unsettled(): SealpostError {
    return new SealpostError(
      "busy",
      `${this.#path} changes all the time; nothing could be written to it`,
    );
  }

  async #stat(): Promise<Deno.FileInfo> {
    try {
      return await Deno.stat(this.#path);
    } catch (error) {
      throw this.#asConfig(error);
    }
  }

  #asConfig(error: unknown): SealpostError {
    const wrapped = wrapFileError(error, `read ${this.#path}`);
    switch (wrapped.code) {
      case "file-missing":
        return new SealpostError(
          "config",
          `there is no ${this.#path}: make one with { "name": "password" }, ` +
            "or run: sealpost keygen server",
          { cause: wrapped },
        );
      case "limit":
        return new SealpostError("config", wrapped.message, { cause: wrapped });
      default:
        return wrapped;
    }
  }

  #decode(data: Bytes): string {
    try {
      return fromUtf8(data);
    } catch (cause) {
      // Where the first wrong byte is: the text before it decodes, with it it does not.
      const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
      const line = text.slice(0, text.indexOf("\uFFFD")).split("\n").length;
      throw new SealpostError("config", `${this.#path}:${line}: text that is not UTF-8`, { cause });
    }
  }

  /** The hashes of `plain` by name. */
  async #hash(plain: readonly UserEntry[]): Promise<Map<string, string>> {
    const hashes = new Map<string, string>();
    for (const { name, value } of plain) {
      const key = JSON.stringify([name, value]);
      let phc = this.#hashed.get(key);
      if (phc === undefined) {
        const password = passwordBytes(value);
        phc = await hashPassword(password);
        wipe(password);
        this.#hashed.set(key, phc);
        this.#options.onHashed?.(hashes.size + 1, plain.length);
      }
      hashes.set(name, phc);
    }
    return hashes;
  }

  /**
   * Replaces the file, which held `data` when it was read, by `text`. Returns false, and does nothing,
   * if somebody has written it since; between that look and the rename are microseconds.
   */
  #replace(data: Bytes, text: string, what: "changed" | "hashed"): Promise<boolean> {
    const done = this.#replacing.then(() => this.#replaceNow(data, text, what));
    this.#replacing = done.catch(() => {});
    return done;
  }

  async #replaceNow(data: Bytes, text: string, what: "changed" | "hashed"): Promise<boolean> {
    const edited = new SealpostError("cancelled", "the file was edited meanwhile");
    try {
      const { isSymlink } = await Deno.lstat(this.#path);
      const path = isSymlink ? await Deno.realPath(this.#path) : this.#path;
      await writeFileAtomic(path, text, {
        mode: 0o600,
        beforeRename: async () => {
          if (!equal(await readFileBounded(path, MAX_FILE), data)) throw edited;
        },
      });
      return true;
    } catch (error) {
      if (error === edited) return false;
      const { code, message } = wrapFileError(error, `write ${this.#path}`);
      throw new SealpostError(
        code,
        what === "hashed"
          ? `the plain passwords in ${this.#path} could not be replaced by hashes: ${message}`
          : message,
        { cause: error },
      );
    }
  }

  #accept(
    entries: readonly UserEntry[],
    hashes: ReadonlyMap<string, string>,
    first: boolean,
  ): void {
    const users = new Map(entries.map(({ name, value }) => [name, hashes.get(name) ?? value]));
    this.accept(users, first || this.#closed);
  }

  #warn(exposure: string | undefined): void {
    if (exposure !== undefined && exposure !== this.#exposure && !this.#closed) {
      this.#options.onProblem(`${this.#path}: ${exposure}`);
    }
    this.#exposure = exposure ?? null;
  }
}

const EXPOSED_HASHES = "others on this computer can read this file; make it private (chmod 600)";
const EXPOSED_PASSWORDS =
  "others on this computer could read the passwords in this file until now; it is private from here on";

function isExposed(info: Deno.FileInfo): boolean {
  return Deno.build.os !== "windows" && info.mode !== null && (info.mode & 0o077) !== 0;
}

function stampOf(info: Deno.FileInfo): string {
  return [info.dev, info.ino, info.size, info.mode, info.mtime?.getTime()].join(" ");
}
