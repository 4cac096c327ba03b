import { type Bytes, concat, equal } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { MAX_SHARED_RECORD } from "../../protocol/limits.ts";
import type { Response, SharedPutRequest } from "../../protocol/request.ts";
import {
  compareEntries,
  mergeRecords,
  nextVersion,
  openRecord,
  recordToPut,
  sameEntries,
  sealRecord,
  type SharedEntry,
  type SharedRecord,
} from "../../protocol/shared_record.ts";
import { sleep } from "../../protocol/timer.ts";
import type { Answer } from "../connection/client_session.ts";
import type { ReconnectingConnection } from "../connection/reconnecting_connection.ts";
import { type KeptRecord, SharedRecordFile } from "../state/shared_record.ts";
import type { State } from "../state/state.ts";
import type { Self } from "../trust/people.ts";
import { type EntryChange, overtakenLine } from "./own_names.ts";

/** How often a put is tried again when other machines put at the same time. */
const TRIES = 20;
/** The longest wait before that, milliseconds. */
const MAX_WAIT = 250;

/** What {@linkcode SharedRecordClient.change} did. */
export interface RecordChange {
  /** The record that the server took. */
  readonly record: SharedRecord;
  readonly changes: readonly EntryChange[];
  /** Entries that another machine changed at the same time, and whose change won. */
  readonly lost: readonly SharedEntry[];
}

/** What of a connection is needed here. */
export interface RecordConnection extends Pick<ReconnectingConnection, "again"> {
  stream(request: { readonly op: "shared-get" }): Promise<Answer<"shared-get">>;
  upload(
    request: SharedPutRequest,
    sealed: AsyncIterable<Bytes>,
  ): Promise<Response<"shared-put">>;
}

/** The record on the server, and what it was merged with. */
interface Fetched {
  /** Its version; 0 if there is none. */
  readonly version: number;
  /** Merged with all that this machine knows. */
  readonly merged: SharedRecord;
  /** Whether the server has all of that, sealed with the present key. */
  readonly complete: boolean;
}

/** The record that all of a person's machines share: read, merged and put. */
export class SharedRecordClient {
  readonly #connection: RecordConnection;
  readonly #self: Self;
  readonly #file: SharedRecordFile;
  /**
   * Told, in a sentence, that the server shows an older record than it did, or that a change of this
   * machine's lost against one that another machine made at the same time.
   */
  onNotice: (line: string) => void = () => {};
  #lastSeen = 0;

  constructor(connection: RecordConnection, self: Self, state: State) {
    this.#connection = connection;
    this.#self = self;
    this.#file = new SharedRecordFile(state);
  }

  /** What this machine knows without asking. Throws what {@linkcode State.read} throws. */
  async known(): Promise<SharedRecord> {
    const { seen, record } = await this.#file.load();
    this.#lastSeen = seen;
    return record;
  }

  /** The version of the record that this client has given out or put last; 0 before that. */
  get lastSeen(): number {
    return this.#lastSeen;
  }

  /** Whether the record was ever seen on the server. */
  async exists(): Promise<boolean> {
    return (await this.#file.load()).seen > 0;
  }

  /**
   * The record with all that the server and this machine know. Puts it there if the server knows
   * less, or if it is sealed with a former key of one's own. Throws what the connection throws,
   * `authentication` and `format` if what the server shows is no record of this person's.
   */
  async refresh(): Promise<SharedRecord> {
    return await this.#settle(async ({ version, merged, complete }) => {
      return complete ? merged : await this.#put(version, merged);
    });
  }

  /**
   * {@linkcode SharedRecordClient.refresh}, and names this machine in the record if it is not named there
   * as it is called now, so that the others know it.
   */
  async introduce(): Promise<SharedRecord> {
    const { machine, name } = await this.#file.load();
    return await this.#settle(async ({ version, merged, complete }) => {
      const named = merged.machines.get(machine)?.name === name;
      return complete && named ? merged : await this.#put(version, merged);
    });
  }

  /** The version of the record that was seen last; 0 if there was none. */
  async seen(): Promise<number> {
    return (await this.#file.load()).seen;
  }

  /** Whether the person has other machines, as far as this one knows. */
  async hasOthers(): Promise<boolean> {
    const { machine, record } = await this.#file.load();
    return [...record.machines.keys()].some((id) => id !== machine);
  }

  /** Which machine this is, and what it is called. */
  async self(): Promise<Pick<KeptRecord, "machine" | "name">> {
    return await this.#file.load();
  }

  /**
   * Changes entries: `plan` says how, from the record as it is; it is asked again while a key that it
   * wants as a new one was taken by another machine meanwhile. When this resolves, the server has the
   * record; if it throws, what was planned may be in it only if the connection was lost. What `plan`
   * throws is thrown.
   */
  async change(plan: (record: SharedRecord) => readonly EntryChange[]): Promise<RecordChange> {
    let own: readonly SharedEntry[] | null = null;
    let changes: readonly EntryChange[] = [];
    return await this.#settle(async ({ version, merged }) => {
      const taken = own?.some((entry, i) => {
        const there = merged.entries.get(entry.key);
        return changes[i]?.isNew && there !== undefined && compareEntries(there, entry) !== 0;
      });
      if (own === null || taken) {
        changes = plan(merged);
        if (changes.length === 0) return { record: merged, changes, lost: [] };
        const { machine } = await this.#file.load();
        const next = nextVersion(merged);
        own = changes.map(({ key, value }) => ({ key, value, version: next, machine }));
      }
      const ours = { entries: new Map(own.map((one) => [one.key, one])), machines: new Map() };
      const record = await this.#put(version, mergeRecords(merged, ours));
      const lost = own.flatMap((entry) => {
        const there = record.entries.get(entry.key);
        return there !== undefined && compareEntries(there, entry) !== 0 ? [there] : [];
      });
      return { record, changes, lost };
    });
  }

  /** Fetches and does `work`, again as long as others put at the same time. */
  async #settle<T>(work: (fetched: Fetched) => Promise<T>): Promise<T> {
    for (let tries = 1;; tries++) {
      try {
        return await this.#connection.again(async () => await work(await this.#fetch()));
      } catch (error) {
        if (!isSealpostError(error, "version-conflict") || tries === TRIES) throw error;
        await sleep(Math.random() * MAX_WAIT);
      }
    }
  }

  async #fetch(): Promise<Fetched> {
    // Before the server is asked: what another client of this machine sees meanwhile is no older.
    const kept = await this.#file.load();
    const { version, sealed } = await this.#download();
    if (version === 0) {
      // Versions begin anew: what was forgotten says nothing of them.
      const { forgotten: _, ...record } = kept.record;
      if (kept.seen > 0) {
        this.#tellOlder();
        await this.#file.see({ ...kept, record, seen: 0, put: 0, sealedBy: null }, true);
      }
      return { version, merged: record, complete: record.entries.size === 0 };
    }
    const { record, fp } = await this.#open(version, sealed, kept);
    // A machine that is not named any more gave way to others.
    const put = record.machines.get(kept.machine)?.put ?? kept.put;
    const wentBack = version < kept.seen || put < kept.put;
    if (wentBack) this.#tellOlder();
    const now = await this.#file.see({ seen: version, put, sealedBy: fp, record }, wentBack);
    this.#lastSeen = now.seen;
    for (const mine of kept.record.entries.values()) {
      const there = now.record.entries.get(mine.key);
      if (there === undefined || mine.machine !== kept.machine) continue;
      // Pins are brought together one by one (SharedPins).
      if (!/^(folder|keyword|search)\//.test(mine.key)) continue;
      // One that came later knew of this machine's; one at the same time did not.
      if (there.version === mine.version && there.machine !== mine.machine) {
        this.onNotice(overtakenLine(mine, there));
      }
    }
    return {
      version,
      merged: now.record,
      complete: sameEntries(now.record, record) && equal(fp, this.#self.identity.bundle.fp),
    };
  }

  #tellOlder(): void {
    this.onNotice(
      "the server shows older names of your folders and keywords than it did before: it was " +
        "restored from a backup, or hides something; what this machine knows is put there again",
    );
  }

  async #download(): Promise<{ readonly version: number; readonly sealed: Bytes }> {
    const { response: { version, size }, data, cancel } = await this.#connection.stream({
      op: "shared-get",
    });
    const pieces: Bytes[] = [];
    let received = 0;
    for await (const piece of data) {
      received += piece.length;
      if (received > Math.min(size, MAX_SHARED_RECORD)) {
        await cancel();
        throw wrongSize();
      }
      pieces.push(piece);
    }
    if (received !== size || (version === 0) !== (size === 0)) throw wrongSize();
    return { version, sealed: concat(...pieces) };
  }

  /**
   * Opens it with the present key; or with a retired one, as long as no record was seen here that is
   * sealed with the present one: who has stolen a former key must not write what counts from then on.
   */
  async #open(
    version: number,
    sealed: Bytes,
    { sealedBy }: KeptRecord,
  ): Promise<{ readonly record: SharedRecord; readonly fp: Bytes }> {
    const { name, identity, retired } = this.#self;
    const { fp } = identity.bundle;
    try {
      return { record: await openRecord(identity, name, version, sealed), fp };
    } catch (error) {
      if (!isSealpostError(error, "authentication")) throw error;
      if (sealedBy !== null && equal(sealedBy, fp)) throw notOurs(error);
      for (const former of await retired.all()) {
        try {
          const record = await openRecord(former, name, version, sealed);
          return { record, fp: former.bundle.fp };
        } catch (other) {
          if (!isSealpostError(other, "authentication")) throw other;
        }
      }
      throw notOurs(error);
    }
  }

  /** Puts a record in the place of version `version`. Throws `version-conflict` if that is not there. */
  async #put(version: number, record: SharedRecord): Promise<SharedRecord> {
    const { name, identity } = this.#self;
    const { machine, name: machineName } = await this.#file.load();
    const put = version + 1;
    const whole = recordToPut(record, { id: machine, name: machineName }, put, Date.now());
    const sealed = await sealRecord(identity, name, put, whole);
    const answer = await this.#connection.upload(
      { op: "shared-put", version, size: sealed.length },
      once(sealed),
    );
    if (answer.version !== put) {
      throw new SealpostError("protocol", "the server counts the shared record wrongly");
    }
    const { fp } = identity.bundle;
    const now = await this.#file.see({ seen: put, put, sealedBy: fp, record: whole }, false);
    this.#lastSeen = now.seen;
    return now.record;
  }
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes, void, undefined> {
  yield await Promise.resolve(bytes);
}

function wrongSize(): SealpostError {
  return new SealpostError("protocol", "the server's shared record has not the size it announced");
}

function notOurs(cause: SealpostError): SealpostError {
  return new SealpostError(
    "authentication",
    "the names of your folders and keywords on the server are not sealed with your present key: if " +
      "you changed your key on another machine, link this one again (setup --device); else the server has altered them",
    { cause },
  );
}
