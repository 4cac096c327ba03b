import { formatTime } from "../../cli/format.ts";
import { PROGRAM } from "../../cli/program.ts";
import * as v from "valibot";
import {
  type Bytes,
  equal,
  fromBase64,
  fromUtf8,
  toBase64,
  toHex,
  utf8,
  wipe,
} from "../../crypto/bytes.ts";
import { wordsOf } from "../../crypto/words.ts";
import { type DevicePackage, encodePackage } from "../../protocol/device_package.ts";
import { type KitKeys, kitKeys, newKitCode, sealKit } from "../../protocol/kit.ts";
import type { KitPutRequest, Response } from "../../protocol/request.ts";
import type { SharedRecord } from "../../protocol/shared_record.ts";
import type { State } from "../state/state.ts";
import type { SharedRecordClient } from "./shared_record.ts";

const KEY = "kit";
const DAY = 86_400_000;
/** A kit that is older than this is warned about, milliseconds (60 days). */
const WARN_AFTER = 60 * DAY;
/** A kit that is older than this is renewed, milliseconds (30 days). */
const RENEW_AFTER = 30 * DAY;

const base64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]+={0,2}$/));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const schema = v.object({
  id: base64,
  x: base64,
  ek: base64,
  mac: base64,
  counter: count,
  date: count,
});

/** What the person's machines know of the kit. */
export interface KnownKit extends KitKeys {
  readonly counter: number;
  /** When it was made or renewed last, milliseconds since 1970. */
  readonly date: number;
}

/** The kit that the record names; null for none. */
export function knownKit(record: SharedRecord): KnownKit | null {
  const parsed = v.safeParse(schema, record.entries.get(KEY)?.value);
  if (!parsed.success) return null;
  const { id, x, ek, mac, counter, date } = parsed.output;
  return {
    id: fromBase64(id),
    x: fromBase64(x),
    ek: fromBase64(ek),
    mac: fromBase64(mac),
    counter,
    date,
  };
}

/** What the server says of the kit that it keeps. */
export type KeptKit = Pick<Response<"whoami">, "kit">;

/** How it stands with a person's kit. */
export type KitState =
  | { readonly kind: "none" }
  /** The server does not have the one that the machines know. */
  | { readonly kind: "vanished" }
  | {
    readonly kind: "kept";
    /** When it was made or renewed last, milliseconds since 1970. */
    readonly date: number;
    /** When somebody fetched it last, milliseconds since 1970; null if nobody has. */
    readonly fetched: number | null;
  };

/** What the machines know of the kit, and what the server says. */
export function kitState(record: SharedRecord, account: KeptKit): KitState {
  const known = knownKit(record);
  if (known === null) return { kind: "none" };
  const { kit } = account;
  if (kit?.id !== toHex(known.id)) return { kind: "vanished" };
  return { kind: "kept", date: known.date, fetched: kit.fetched ?? null };
}

/** In a sentence, how it stands with the kit. */
export function kitLine(state: KitState): string {
  switch (state.kind) {
    case "none":
      return `You have no recovery kit; "${PROGRAM} recovery make" makes one.`;
    case "vanished":
      return "The server does not have your recovery kit any more, or has another: " +
        `"${PROGRAM} recovery make" makes a new one.`;
    case "kept": {
      const old = Date.now() - state.date > WARN_AFTER
        ? `; that is long ago: "${PROGRAM} recovery make" makes a new one`
        : "";
      const fetched = state.fetched === null
        ? ""
        : ` It was fetched ${
          formatTime(state.fetched)
        }: if that was not you, somebody has your words.`;
      return `Your recovery kit is of ${formatTime(state.date)}${old}.${fetched}`;
    }
  }
}

/** What a person was told of their kit on this machine, as JSON. */
const TOLD_FILE = "kit-told";
/** For so long after a kit was made the server may not have it yet, milliseconds. */
const ON_ITS_WAY = 600_000;

const toldSchema = v.object({ fetched: v.number(), vanished: v.nullable(v.string()) });

/**
 * What a person should learn at a login of their kit, in a sentence, once on each machine: that the server
 * does not have it any more, or that somebody fetched it; else null. `account` is what the server said at
 * the login, `ask` asks it again. Throws what `ask` throws, and what {@linkcode State} does.
 */
export async function kitNews(
  record: SharedRecord,
  account: KeptKit,
  state: State,
  ask: () => Promise<KeptKit>,
): Promise<string | null> {
  const bytes = await state.read(TOLD_FILE);
  const parsed = v.safeParse(toldSchema, bytes && JSON.parse(fromUtf8(bytes)));
  const told = parsed.success ? parsed.output : null;
  const remember = async (now: v.InferOutput<typeof toldSchema>) => {
    if (now.fetched === told?.fetched && now.vanished === told.vanished) return;
    await state.write(TOLD_FILE, utf8(JSON.stringify(now)));
  };
  const fetched = told?.fetched ?? 0;
  const kit = kitState(record, account);
  switch (kit.kind) {
    case "none":
      await remember({ fetched, vanished: null });
      return null;
    case "vanished": {
      const { id, date } = knownKit(record) ?? {};
      const vanished = id ? toHex(id) : "";
      if (told?.vanished === vanished || Date.now() - (date ?? 0) < ON_ITS_WAY) return null;
      // The record may be newer than what the server said.
      if (kitState(record, await ask()).kind !== "vanished") return null;
      await remember({ fetched, vanished });
      return kitLine(kit);
    }
    case "kept": {
      await remember({ fetched: Math.max(fetched, kit.fetched ?? 0), vanished: null });
      // The first login of a machine may be that of whoever has just fetched it.
      return told !== null && (kit.fetched ?? 0) > fetched ? kitLine(kit) : null;
    }
  }
}

/** Whether a kit is to be renewed at `now`, milliseconds since 1970. */
export function isRenewalDue(kit: KitState, now: number): boolean {
  return kit.kind === "kept" && now - kit.date > RENEW_AFTER;
}

/** What of a connection is needed here. */
export interface KitConnection {
  ask(request: { readonly op: "kit-drop" }): Promise<Response<"kit-drop">>;
  upload(request: KitPutRequest, sealed: AsyncIterable<Bytes>): Promise<Response<"kit-put">>;
}

/**
 * Makes a new kit in the place of the one there is, in a session that began with the password. `show`
 * gets its words to the person first: nobody is to count on a kit whose words were never seen. Throws
 * what `show` throws, and what the server refuses with.
 */
export async function makeKit(
  shared: Pick<SharedRecordClient, "change">,
  connection: KitConnection,
  pack: () => Promise<DevicePackage>,
  show: (words: readonly string[]) => Promise<void>,
): Promise<void> {
  const code = newKitCode();
  try {
    await show(wordsOf(code));
    const next = { ...await kitKeys(code), counter: 1, date: Date.now() };
    // The record first: a kit that no machine knows would never be renewed, nor missed.
    await remember(shared, next);
    await put(connection, next, pack);
  } finally {
    wipe(code);
  }
}

/**
 * Puts the kit anew with what there is to know now, in a session that began with the password; nothing if
 * there is none. Throws what the server refuses with, and what `pack` throws.
 */
export async function renewKit(
  shared: Pick<SharedRecordClient, "refresh" | "change">,
  connection: KitConnection,
  pack: () => Promise<DevicePackage>,
): Promise<void> {
  // Another machine may have made another, or removed it, since this one looked last.
  const known = knownKit(await shared.refresh());
  if (known === null) return;
  const next = { ...known, counter: known.counter + 1, date: Date.now() };
  // The record last: no machine takes a kit for renewed that is not.
  await put(connection, next, pack);
  await remember(shared, next, (record) => {
    const there = knownKit(record);
    return there !== null && equal(there.id, next.id);
  });
}

/** Has all machines know the kit, as long as `holds` is true of the record. */
async function remember(
  shared: Pick<SharedRecordClient, "change">,
  kit: KnownKit,
  holds: (record: SharedRecord) => boolean = () => true,
): Promise<void> {
  const { id, x, ek, mac, counter, date } = kit;
  const value = {
    id: toBase64(id),
    x: toBase64(x),
    ek: toBase64(ek),
    mac: toBase64(mac),
    counter,
    date,
  };
  await shared.change((record) => holds(record) ? [{ key: KEY, value, isNew: true }] : []);
}

async function put(
  connection: KitConnection,
  kit: KnownKit,
  pack: () => Promise<DevicePackage>,
): Promise<void> {
  const { counter, date } = kit;
  const one = await pack();
  const plain = encodePackage(one);
  const sealed = await sealKit(kit, { name: one.name, counter, date }, plain);
  wipe(plain);
  const request = { op: "kit-put" as const, id: toHex(kit.id), size: sealed.length };
  await connection.upload(request, once(sealed));
}

/** What of a connection is needed to remove a kit. */
export interface KitDropping {
  ask(request: { readonly op: "kit-drop" }): Promise<unknown>;
}

/** Removes the kit, in a session that began with the password. */
export async function dropKit(
  shared: Pick<SharedRecordClient, "change">,
  connection: KitDropping,
): Promise<void> {
  await connection.ask({ op: "kit-drop" });
  await shared.change((record) => {
    return record.entries.get(KEY)?.value === undefined
      ? []
      : [{ key: KEY, value: undefined, isNew: false }];
  });
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes, void, undefined> {
  yield await Promise.resolve(bytes);
}
