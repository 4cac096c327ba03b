import { errorText } from "../../crypto/error.ts";
import type { SharedStore } from "../store/store.ts";
import { Users, type UsersOptions } from "./users.ts";
import { clearInterval, setInterval } from "node:timers";

/** How often the store is looked at when nobody logs in, milliseconds. */
const POLL = 2000;

/** The users of a store that several servers share, which keeps them itself. */
export class RowUsers extends Users {
  readonly #store: SharedStore;
  readonly #options: UsersOptions;
  #revision = -1;
  #problem: string | null = null;
  #loading: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(store: SharedStore, options: UsersOptions, decoy: string) {
    super(options, decoy);
    this.#store = store;
    this.#options = options;
  }

  /** Reads the users. Throws what the store throws. */
  static async open(store: SharedStore, options: UsersOptions): Promise<RowUsers> {
    const users = new RowUsers(store, options, await Users.decoy());
    await users.#load(true);
    users.#timer = setInterval(() => void users.refresh(), POLL).unref();
    return users;
  }

  override async change(
    decide: (users: ReadonlyMap<string, string>) => ReadonlyMap<string, string | null>,
  ): Promise<void> {
    await this.#store.changeLogins(decide);
    await this.refresh();
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
      .catch((error) => this.#report(errorText(error)))
      .finally(() => this.#loading = null);
    return this.#loading;
  }

  #report(problem: string): void {
    if (problem !== this.#problem && !this.#closed) this.#options.onProblem(problem);
    this.#problem = problem;
  }

  async #load(first: boolean): Promise<void> {
    const read = await this.#store.logins(this.#revision);
    this.#problem = null;
    if (read === null) return;
    this.#revision = read.revision;
    this.accept(read.users, first || this.#closed);
  }
}
