import { isSealpostError } from "../../crypto/error.ts";
import { MAX_UIDS } from "../../protocol/limits.ts";
import type { SharedRecord } from "../../protocol/shared_record.ts";
import { printable } from "../../cli/printable.ts";
import { isLost } from "../connection/reconnecting_connection.ts";
import type { Cache } from "../state/cache.ts";
import { type RuleChange, type RulesDone, RulesDoneFile } from "../state/rules_done.ts";
import type { State } from "../state/state.ts";
import { Progress } from "../../cli/progress.ts";
import type { Item, Opened } from "./open.ts";
import { OwnNames } from "./own_names.ts";
import {
  actionOf,
  planRunner,
  presentRunner,
  type RuleAction,
  rulesOf,
  type Runner,
  runnerOf,
  signedOf,
  type UsableRule,
  usableRules,
} from "./rules.ts";
import { headersOf } from "./search.ts";
import type { SharedRecordClient } from "./shared_record.ts";

/** What of one's mail is needed here. */
export interface RulesMail {
  readonly cache: Pick<Cache, "fetched" | "ids">;
  /** The version of the shared record on the server; 0 if there is none. */
  sharedVersion(): Promise<number>;
  readonly shared: Pick<
    SharedRecordClient,
    "known" | "refresh" | "change" | "seen" | "self" | "lastSeen"
  >;
  readonly state: State;
  openAt(uid: number): Promise<Item | null>;
  fetchOlder(): Promise<boolean>;
  /** The text of a message, fetched and verified; null if it is too large or damaged. */
  textOf(opened: Opened): Promise<string | null>;
  /** Does what rules have decided. */
  carryOut(change: RuleChange): Promise<void>;
}

/**
 * Runs a person's rules on what arrives, if this is the machine that does. Each message is looked at once:
 * how far that went, and what was decided and may not be done yet, is on this machine's disk before anything
 * is changed; and what somebody has changed since it was looked at is left alone.
 */
export class RuleRunner {
  readonly #mail: RulesMail;
  readonly #done: RulesDoneFile;
  /** How the mailbox and the shared record stood when there was nothing left to do. */
  #idle = "";
  readonly #told = new Set<string>();
  /** Told, in a sentence, what keeps rules from being run, and that this machine runs them from now on. */
  onNotice: (line: string) => void = () => {};

  constructor(mail: RulesMail) {
    this.#mail = mail;
    this.#done = new RulesDoneFile(mail.state);
  }

  /**
   * To be called when the cache is up to date. Never throws for what another try may mend: it is tried with
   * the next message.
   */
  async run(): Promise<void> {
    try {
      const now = this.#now();
      if (now === this.#idle) return;
      await this.#run();
      this.#idle = this.#now();
    } catch (error) {
      if (!isSealpostError(error)) throw error;
      // Another program of this user runs them just now.
      if (isLost(error) || error.code === "busy") return;
      this.#tell(`your rules were not run: ${error.message}`);
    }
  }

  /** Has this machine run the rules from now on. Throws what the shared record does. */
  async runHere(): Promise<void> {
    const { machine } = await this.#mail.shared.self();
    await this.#mail.shared.change((record) => {
      if (presentRunner(record)?.machine === machine) return [];
      return planRunner(machine, this.#mail.cache.fetched());
    });
  }

  /** {@linkcode RuleRunner.runHere}, unless a machine does that was not removed. */
  async #takeOver(): Promise<void> {
    const { machine } = await this.#mail.shared.self();
    await this.#mail.shared.change((record) => {
      // Another one may have been faster.
      if (presentRunner(record) !== null) return [];
      return planRunner(machine, this.#mail.cache.fetched());
    });
  }

  #now(): string {
    const { cache, shared } = this.#mail;
    const { epoch, top } = cache.fetched();
    return `${epoch} ${top} ${shared.lastSeen}`;
  }

  #tell(line: string): void {
    if (this.#told.has(line)) return;
    this.#told.add(line);
    this.onNotice(line);
  }

  async #run(): Promise<void> {
    const { shared } = this.#mail;
    const record = await shared.known();
    if (rulesOf(record).length === 0 || !await this.#isOwn(record)) {
      // What was decided while this machine ran them is its own to end.
      if ((await this.#done.read())?.doing.length) {
        using _lock = await this.#done.lock();
        await this.#finish(await this.#done.read());
      }
      return;
    }
    using _lock = await this.#done.lock();
    const before = await this.#done.read();
    await this.#finish(before);
    const { epoch, top } = this.#mail.cache.fetched();
    const after = afterOf(before, runnerOf(await shared.known()), epoch) ?? top;
    const uids = await this.#arrived(after, top);
    if (uids.length > 0 && !await this.#isStillOwn()) return;
    const doing = uids.length === 0 ? [] : await this.#decide(uids);
    if (before?.epoch === epoch && before.uid >= top && doing.length === 0) return;
    const done = { epoch, uid: top, doing };
    await this.#done.write(done);
    await this.#finish(done);
  }

  /** Whether this machine runs the rules; it takes the place of one that was removed. */
  async #isOwn(record: SharedRecord): Promise<boolean> {
    const { shared } = this.#mail;
    const { machine } = await shared.self();
    const former = runnerOf(record);
    if (former === null || former.machine === machine) return former !== null;
    if (presentRunner(record) !== null) return false;
    await this.#takeOver();
    if (presentRunner(await shared.known())?.machine !== machine) return false;
    const name = record.machines.get(former.machine)?.name ?? former.machine.slice(0, 8);
    this.#tell(
      printable(`${name} ran your rules and was removed: from now on this machine runs them`),
    );
    return true;
  }

  /** Whether this machine runs them by what the server has now. */
  async #isStillOwn(): Promise<boolean> {
    const { shared } = this.#mail;
    const isNewest = await this.#mail.sharedVersion() === await shared.seen();
    const record = isNewest ? await shared.known() : await shared.refresh();
    return runnerOf(record)?.machine === (await shared.self()).machine;
  }

  /** The messages of the inbox above `after`, oldest first. */
  async #arrived(after: number, top: number): Promise<number[]> {
    const { cache } = this.#mail;
    while (cache.fetched().bottom > after + 1 && await this.#mail.fetchOlder());
    return cache.ids("inbox").filter(({ uid }) => uid > after && uid <= top)
      .map(({ uid }) => uid).reverse();
  }

  /** What the rules want done with these messages. */
  async #decide(uids: readonly number[]): Promise<RuleChange[]> {
    const { shared, cache } = this.#mail;
    const unchangedSince = cache.fetched().modseq;
    const record = await shared.known();
    const { usable, problems } = usableRules(rulesOf(record), new OwnNames(record));
    for (const problem of problems) this.#tell(problem);
    const same = new ActionGroups();
    const progress = new Progress("Running rules", uids.length, "messages");
    try {
      for (const [i, uid] of uids.entries()) {
        const item = await this.#mail.openAt(uid);
        const action = item && await this.#actionFor(usable, item);
        if (action) same.add(uid, action);
        progress.update(i + 1);
      }
    } finally {
      progress.finish();
    }
    return same.all().map(({ uids, action: { folder, flags } }) => {
      return { uids, set: flags, folder: folder ?? undefined, unchangedSince };
    });
  }

  async #actionFor(rules: readonly UsableRule[], item: Item): Promise<RuleAction | null> {
    const opened = signedOf(item);
    if (opened === null) return null;
    const { folder, flags } = item.entry;
    const known = { ...headersOf(opened), folder, flags };
    const action = actionOf(rules, known);
    if (action) return action;
    const text = await this.#mail.textOf(opened);
    if (text === null) {
      this.#tell(
        "a message is too large, or its text cannot be read, to say whether rules fit it: it stays in " +
          "the inbox",
      );
    }
    return text === null ? actionOf(rules, known, true) : actionOf(rules, { ...known, text });
  }

  /** Does what was decided. What somebody has changed since is theirs. */
  async #finish(done: RulesDone | null): Promise<void> {
    if (done === null || done.doing.length === 0) return;
    if (done.epoch === this.#mail.cache.fetched().epoch) {
      for (const change of done.doing) {
        try {
          await this.#mail.carryOut(change);
        } catch (error) {
          if (!isSealpostError(error, "usage", "limit", "no-such-message")) throw error;
          this.#tell(`what your rules wanted was refused: ${error.message}`);
        }
      }
    }
    await this.#done.write({ ...done, doing: [] });
  }
}

/** The highest UID that is done with: here, or by another machine before; null in a mailbox that is new. */
function afterOf(
  done: RulesDone | null,
  runner: Runner | null,
  epoch: string,
): number | null {
  const known = [
    ...done?.epoch === epoch ? [done.uid] : [],
    ...runner?.epoch === epoch ? [runner.after] : [],
  ];
  return known.length === 0 ? null : Math.max(...known);
}

/** Messages with which the same is done. */
export class ActionGroups {
  readonly #groups = new Map<string, { readonly action: RuleAction; readonly uids: number[] }>();

  /** Adds a message; nothing if nothing is done with it. */
  add(uid: number, action: RuleAction): void {
    if (action.folder === null && action.flags.length === 0) return;
    const key = JSON.stringify(action);
    const group = this.#groups.get(key);
    if (group) group.uids.push(uid);
    else this.#groups.set(key, { action, uids: [uid] });
  }

  /** At most {@linkcode MAX_UIDS} at once. */
  all(): { readonly action: RuleAction; readonly uids: readonly number[] }[] {
    return [...this.#groups.values()].flatMap(({ action, uids }) => {
      const parts: { action: RuleAction; uids: readonly number[] }[] = [];
      for (let i = 0; i < uids.length; i += MAX_UIDS) {
        parts.push({ action, uids: uids.slice(i, i + MAX_UIDS) });
      }
      return parts;
    });
  }
}
