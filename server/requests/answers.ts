import { type Bytes, equal, fromBase64, lp, toBase64, toHex } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { encodeEntry } from "../../protocol/entry.ts";
import type {
  DeliverRequest,
  ListRequest,
  Op,
  PasswdRequest,
  Request,
  Response,
  RotationsRequest,
  UploadRequest,
} from "../../protocol/request.ts";
import { MAX_LINKS } from "../../protocol/rotation.ts";
import { parseMessageId } from "../../protocol/uuid.ts";
import { changePassword, type PasswordContext } from "./change_password.ts";
import type { KeyChange, RotationContext } from "./rotation.ts";
import type { Values } from "../settings/setting_values.ts";
import { sourceOf } from "../admission/source.ts";
import type { Account, ListQuery } from "../store/store.ts";
import type { Users } from "../accounts/users.ts";

/** What answering needs. */
export interface AnswerContext extends PasswordContext, RotationContext {
  /** The settings at this moment. */
  readonly settings: () => Values;
}

/** Who asks, and how he is answered. */
export interface Asker {
  readonly name: string;
  /** The fingerprint of his key, 32 bytes. */
  readonly fp: Bytes;
  readonly peer: string;
  /** What stood for his password when he logged in. */
  readonly credential: string | null;
  /** Told what will stand for his password, before it does. */
  readonly adopt: (credential: string | null) => void;
  /** The change of his key, as far as it has come. */
  readonly keyChange: KeyChange;
  /** Ends all his other sessions, and all his tickets. */
  readonly logOutEverywhere: () => Promise<{ sessions: number; tickets: number }>;
  /** Ends all his sessions, this one too, when what was sent to it is on its way. */
  readonly endAll: (reason: string) => void;
  /** Sends the response. */
  readonly respond: (response: Response<Op>) => Promise<void>;
  /** Sends the data that follows a response, and their end. */
  readonly stream: (data: AsyncIterable<Bytes>) => Promise<void>;
}

/** Entries that a listing reads from the store at a time: some 280 KB where they are largest. */
const PAGE = 8;
/** What a brief listing leaves out. */
const WITHOUT_SEALED = { stanza: new Uint8Array(0), summary: new Uint8Array(0), note: null };

/** Whether the password of `name` is a one-time one, to be changed before all else. */
export function mustChange(name: string, users: Users): boolean {
  return (users.state(name)?.expires ?? null) !== null;
}

/**
 * Answers any request that brings no data. Throws what it is refused with, before anything was sent:
 * `no-such-message`, and what the store, {@linkcode changePassword} and {@linkcode KeyChange} throw.
 */
export async function answer(
  request: Exclude<Request, DeliverRequest>,
  asker: Asker,
  context: AnswerContext,
): Promise<void> {
  const { name, respond } = asker;
  const { store } = context;
  switch (request.op) {
    case "upload":
      return await upload(request, asker, context);
    case "list":
      return await list(request, asker, context);
    case "fetch":
      return await fetch(request.uid, request.offset ?? 0, asker, context);
    case "flag": {
      const { set, clear, folder } = request;
      const change = folder === undefined ? { set, clear } : { set, clear, folder };
      return await respond({ ok: true, uids: [...await store.flag(name, request.uids, change)] });
    }
    case "remove":
      return await respond({ ok: true, uids: [...await store.remove(name, request.uids)] });
    case "keys":
      return await keys(request.names, asker, context);
    case "whoami":
      return await whoami(asker, context);
    case "passwd":
      return await passwd(request, asker, context);
    case "logout":
      return await respond({ ok: true, ...await asker.logOutEverywhere() });
    case "rotations":
      return await rotations(request, asker, context);
    case "rotate-begin":
      return await respond(await asker.keyChange.begin(request));
    case "rotate":
      await asker.keyChange.commit(fromBase64(request.proof));
      await respond({ ok: true });
      return asker.endAll("your key was replaced by a new one");
  }
}

async function accountOf({ name }: Asker, { store }: AnswerContext): Promise<Account> {
  const account = await store.account(name);
  if (!account) throw new SealpostError("internal", "a session without an account");
  return account;
}

async function whoami(asker: Asker, context: AnswerContext): Promise<void> {
  const { name, fp } = asker;
  const account = await accountOf(asker, context);
  await asker.respond({
    ok: true,
    name,
    fp: toBase64(fp),
    epoch: toHex(account.epoch),
    nextUid: account.nextUid,
    ...await context.store.usage(name),
    ...mustChange(name, context.users) ? { change: true } : {},
    ...account.seq === 0 ? {} : { seq: account.seq },
  });
}

async function passwd(
  request: PasswdRequest,
  { name, peer, credential, adopt, respond }: Asker,
  context: AnswerContext,
): Promise<void> {
  try {
    await changePassword({
      name,
      peer,
      source: sourceOf(peer, context.settings().perSourceNetblock).name,
      old: request.old,
      new: request.new,
      adopt,
    }, context);
  } catch (error) {
    adopt(credential);
    throw error;
  }
  await respond({ ok: true });
}

async function keys(
  names: readonly string[],
  { respond }: Asker,
  { store, users }: AnswerContext,
): Promise<void> {
  const found: Response<"keys">["keys"] = [];
  for (const name of names) {
    const account = await store.account(name);
    // The key of somebody who was removed still verifies the mail that he wrote.
    if (account?.bundle) {
      const { seq } = account;
      const bundle = toBase64(account.bundle);
      found.push({ name, state: "bound", bundle, ...seq === 0 ? {} : { seq } });
    } else found.push({ name, state: users.has(name) ? "no-key" : "unknown" });
  }
  await respond({ ok: true, keys: found });
}

async function rotations(
  { name, since }: RotationsRequest,
  { respond }: Asker,
  { store }: AnswerContext,
): Promise<void> {
  const kept = await store.rotations(name, fromBase64(since), MAX_LINKS);
  const links = kept.map(({ certificate, bundle }) => {
    return { certificate: toBase64(certificate), bundle: toBase64(bundle) };
  });
  await respond({ ok: true, links });
}

/** What is there of a message that the asker sends; another's cannot be asked for. */
async function upload(
  { id, size, digest }: UploadRequest,
  { fp, respond }: Asker,
  { store }: AnswerContext,
): Promise<void> {
  const messageId = parseMessageId(id);
  const before = await store.delivered(fp, messageId);
  if (before) {
    const same = equal(before.digest, fromBase64(digest));
    return await respond(
      same ? { ok: true, offset: size, at: before.at } : { ok: true, offset: 0 },
    );
  }
  await respond({ ok: true, offset: await store.uploaded({ senderFp: fp, messageId, size }) });
}

async function list(request: ListRequest, asker: Asker, context: AnswerContext): Promise<void> {
  const { epoch, nextUid } = await accountOf(asker, context);
  await asker.respond({ ok: true, epoch: toHex(epoch), nextUid });
  // What is stored from here on is not in the list.
  const before = Math.min(request.before ?? nextUid, nextUid);
  await asker.stream(entries({ ...request, before }, asker, context));
}

/** The entries of a listing, read a page at a time. */
async function* entries(
  request: ListRequest,
  { name }: Asker,
  { store }: AnswerContext,
): AsyncGenerator<Bytes, void, undefined> {
  const ascending = request.order === "oldest";
  const { folder } = request;
  let { after, before } = request;
  for (let left = request.limit; left > 0; left -= PAGE) {
    const query: ListQuery = {
      ...(folder === undefined ? {} : { folder }),
      ...(after === undefined ? {} : { after }),
      ...(before === undefined ? {} : { before }),
      ascending,
      limit: Math.min(PAGE, left),
    };
    const page = await store.list(name, query);
    for (const entry of page) {
      yield lp(encodeEntry(request.brief ? { ...entry, ...WITHOUT_SEALED } : entry));
    }
    const last = page.at(-1)?.uid;
    if (last === undefined || page.length < query.limit) return;
    if (ascending) after = last;
    else before = last;
  }
}

async function fetch(
  uid: number,
  offset: number,
  { name, respond, stream }: Asker,
  { store }: AnswerContext,
): Promise<void> {
  const entry = await store.entry(name, uid);
  const body = entry && offset <= entry.bodySize ? await store.readBody(name, uid, offset) : null;
  if (!entry || !body) {
    throw new SealpostError("no-such-message", "that message is not in your mailbox any more");
  }
  await respond({ ok: true, size: entry.bodySize - offset });
  const data = async function* (): AsyncGenerator<Bytes, void, undefined> {
    yield lp(encodeEntry(entry));
    yield* body;
  };
  await stream(data());
}
