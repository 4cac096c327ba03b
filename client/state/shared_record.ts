import * as v from "valibot";
import { basename, resolve } from "@std/path";
import {
  type Bytes,
  concat,
  fromBase64,
  fromUtf8,
  lp,
  random,
  readU32,
  toBase64,
  toHex,
  utf8,
} from "../../crypto/bytes.ts";
import { isDeviceName } from "../../protocol/link.ts";
import { fingerprintField, parseJson } from "../../protocol/schema.ts";
import {
  decodeRecord,
  EMPTY_RECORD,
  encodeRecord,
  type SharedRecord,
  takeRecord,
} from "../../protocol/shared_record.ts";
import type { State } from "./state.ts";

const FILE = "shared-record";
const MACHINE_ID = 8;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const schema = v.strictObject({
  version: v.literal(1),
  machine: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  name: v.pipe(v.string(), v.check(isDeviceName)),
  seen: count,
  put: count,
  sealedBy: v.nullable(fingerprintField),
});

/** What this machine knows of the record that it shares with the person's others. */
export interface KeptRecord {
  /** The id of this machine, 16 hexadecimal digits, random: one for each client's folder. */
  readonly machine: string;
  /** What this machine is called. */
  readonly name: string;
  /** The highest version of the record that was seen on the server, or the last after it went back. */
  readonly seen: number;
  /** The version that this machine put last; 0 if it never did. */
  readonly put: number;
  /** The fingerprint of the key that the record was sealed with when it was seen last. */
  readonly sealedBy: Bytes | null;
  /** All that this machine has seen. */
  readonly record: SharedRecord;
}

/** The record that a person's machines share, as this machine knows it, sealed on its disk. */
export class SharedRecordFile {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** What a machine is called that nobody named: as its folder. */
  #usualName(): string {
    const folder = basename(resolve(this.#state.path(FILE), "../../.."));
    const name = [...folder].slice(0, 25).join("").trim();
    return isDeviceName(name) ? name : "machine";
  }

  /** Whether this machine has no id yet. */
  async isNew(): Promise<boolean> {
    return await this.#state.read(FILE) === null;
  }

  /** Calls this machine `name`, which {@linkcode isDeviceName} takes. */
  async rename(name: string): Promise<void> {
    await this.load();
    await this.#state.update(FILE, (current) => {
      return { data: current && encode({ ...decode(current), name }), result: undefined };
    });
  }

  /** What is known; the first time, nothing, and this machine gets its id. Throws as State does. */
  async load(): Promise<KeptRecord> {
    const bytes = await this.#state.read(FILE);
    if (bytes) return decode(bytes);
    return await this.#state.update(FILE, (current) => {
      if (current) return { data: null, result: decode(current) };
      const kept = {
        machine: toHex(random(MACHINE_ID)),
        name: this.#usualName(),
        seen: 0,
        put: 0,
        sealedBy: null,
        record: EMPTY_RECORD,
      };
      return { data: encode(kept), result: kept };
    });
  }

  /**
   * Adds what was seen on the server; nothing that another client of this machine has seen is lost by
   * it. `wentBack`: the versions that were seen before do not count any more.
   */
  async see(
    now: Omit<KeptRecord, "machine" | "name">,
    wentBack: boolean,
  ): Promise<KeptRecord> {
    const { machine, name } = await this.load();
    return await this.#state.update(FILE, (current) => {
      const before = current && decode(current);
      const result = before === null ? { ...now, machine, name } : {
        machine: before.machine,
        name: before.name,
        seen: wentBack ? now.seen : Math.max(before.seen, now.seen),
        put: wentBack ? now.put : Math.max(before.put, now.put),
        sealedBy: wentBack || now.seen >= before.seen ? now.sealedBy : before.sealedBy,
        record: wentBack || now.seen >= before.seen
          ? takeRecord(before, now.record, wentBack)
          : takeRecord(now, before.record),
      };
      return { data: encode(result), result };
    });
  }
}

/** `LP(JSON of the rest) ‖ JSON of the record`. */
function encode({ machine, name, seen, put, sealedBy, record }: KeptRecord): Bytes {
  const head = { version: 1, machine, name, seen, put, sealedBy: sealedBy && toBase64(sealedBy) };
  return concat(lp(utf8(JSON.stringify(head))), encodeRecord(record));
}

function decode(bytes: Bytes): KeptRecord {
  const length = readU32(bytes, 0);
  const head = parseJson(schema, fromUtf8(bytes.slice(4, 4 + length)));
  const { machine, name, seen, put, sealedBy } = head;
  return {
    machine,
    name,
    seen,
    put,
    sealedBy: sealedBy === null ? null : fromBase64(sealedBy),
    record: decodeRecord(bytes.slice(4 + length)),
  };
}
