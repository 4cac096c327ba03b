import { type Bytes, random } from "../../crypto/bytes.ts";
import { hashPassword, verifyPassword } from "../../crypto/phc.ts";
import { parseUserState, type UserState } from "./user_state.ts";

/** Callbacks of {@linkcode Users}. */
export interface UsersOptions {
  /**
   * Told of what is wrong with where the users come from while the last good state stays in force, once
   * for each distinct message. One line, never a password.
   */
  readonly onProblem: (message: string) => void;
  /**
   * Told after a change, not at the start: of names, or of somebody's password. `added` are the names
   * that are new.
   */
  readonly onChange?: (added: readonly string[]) => void;
}

/** The users and their passwords, as they are in force. Where they come from, subclasses know. */
export abstract class Users {
  readonly #onChange: UsersOptions["onChange"];
  /** Verified for names that do not exist, so that they cost the same. */
  readonly #decoy: string;
  #users: ReadonlyMap<string, string> = new Map();
  /** The values that were taken apart since they changed: every request asks for one. */
  readonly #states = new Map<string, UserState>();

  protected constructor({ onChange }: UsersOptions, decoy: string) {
    this.#onChange = onChange;
    this.#decoy = decoy;
  }

  /** What a subclass gives to the constructor: takes one Argon2id. */
  protected static decoy(): Promise<string> {
    return hashPassword(random(16));
  }

  /** The canonical names. */
  names(): readonly string[] {
    return [...this.#users.keys()];
  }

  /** Whether `name`, canonical, was a user when that was last read. */
  has(name: string): boolean {
    return this.#users.has(name);
  }

  /** What is kept for `name`, which stands for the password; null if there is no such user. */
  credential(name: string): string | null {
    return this.#users.get(name) ?? null;
  }

  /** The {@linkcode Users.credential} of `name`, taken apart; null if there is no such user. */
  state(name: string): UserState | null {
    const value = this.#users.get(name);
    return value === undefined ? null : this.#parsed(value);
  }

  /** `value`, which is in force, taken apart. Throws `format` for what is no {@linkcode UserState}. */
  #parsed(value: string): UserState {
    let state = this.#states.get(value);
    if (state === undefined) {
      state = parseUserState(value);
      this.#states.set(value, state);
    }
    return state;
  }

  /**
   * Whether `credential` is the {@linkcode Users.credential} of `name` now, and opens anything: that of a
   * disabled user does not. What was verified against another is over.
   */
  isInForce(name: string, credential: string): boolean {
    return this.credential(name) === credential && !this.#parsed(credential).disabled;
  }

  /** Whether the password of `name` is a one-time password, to be changed before all else. */
  hasOneTimePassword(name: string): boolean {
    return (this.state(name)?.expires ?? null) !== null;
  }

  /**
   * The {@linkcode Users.credential} of `name` that `password` (UTF-8, NFC) was verified against, as it
   * was when this was called; null if the password is another, or opens nothing: that of
   * a disabled user does not, nor does a one-time password that has ended. There may be another
   * credential by the time this resolves. Verifying takes one Argon2id in every case, also for a name
   * that does not exist.
   */
  async verify(name: string, password: Bytes): Promise<string | null> {
    await this.refresh();
    const credential = this.credential(name);
    const state = this.state(name);
    const correct = await verifyPassword(state?.phc ?? this.#decoy, password);
    return correct && state !== null && !state.disabled &&
        (state.expires === null || Date.now() < state.expires)
      ? credential
      : null;
  }

  /**
   * Changes the users. `decide` is given what there is, by name, and returns what is to be set, or with
   * null removed; what it throws is passed on, and nothing is changed. It may be called several times,
   * if somebody else changes them meanwhile. What was changed is in force when this resolves. Throws
   * `config`, `disk-full`, `file-io`, `busy`.
   */
  abstract change(
    decide: (users: ReadonlyMap<string, string>) => ReadonlyMap<string, string | null>,
  ): Promise<void>;

  /** Resolves when the users as they were at the time of the call, or later, are in force. Never rejects. */
  abstract refresh(): Promise<void>;

  /** What is wrong with where they come from, while the last good state is in force; null if nothing is. */
  abstract get problem(): string | null;

  /** Stops looking for changes. */
  abstract close(): void;

  /** Takes over `users`; tells of it if they are others, unless `quietly`. */
  protected accept(users: ReadonlyMap<string, string>, quietly: boolean): void {
    const before = this.#users;
    this.#users = users;
    this.#states.clear();
    const isSame = users.size === before.size &&
      [...users].every(([name, value]) => before.get(name) === value);
    if (quietly || isSame) return;
    this.#onChange?.([...users.keys()].filter((name) => !before.has(name)));
  }
}
