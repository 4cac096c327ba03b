import { type Bytes, concat, fromHex, lp, wipe } from "../crypto/bytes.ts";
import { SealpostError } from "../crypto/error.ts";
import { encodeBundle } from "../crypto/identity.ts";
import { rechunk } from "../protocol/body.ts";
import type { ExactReader } from "../protocol/byte_stream.ts";
import { Connection } from "../protocol/connection.ts";
import { FrameKind, MAX_DATA } from "../protocol/frame.ts";
import { KIND_VISIT, prefix, PREFIX_SIZE, ServerHandshake, SIZE_A } from "../protocol/handshake.ts";
import type { Hello } from "../protocol/hello.ts";
import { LINK_LIFE } from "../protocol/limits.ts";
import { padTo } from "../protocol/login.ts";
import { BUNDLE_ANSWER, busyLine } from "../protocol/plaintext.ts";
import { RefusedError } from "../protocol/refused.ts";
import { encodeJson, type Refusal } from "../protocol/request.ts";
import { decodeVisit, encodeVisit, type VisitRequest } from "../protocol/visit.ts";
import type { LoginKey } from "./accounts/server_keys.ts";
import type { LinkAnswer, Links } from "./accounts/links.ts";
import type { ConnectionSlot } from "./admission/connection_limiter.ts";
import type { Penalties } from "./admission/penalties.ts";
import { rejectConnection } from "./admission/reject_connection.ts";
import type { Semaphore } from "./admission/semaphore.ts";
import type { TimedStream } from "./admission/timed_stream.ts";
import type { Log } from "./observe/log.ts";
import type { Store } from "./store/store.ts";

/** What agreeing on keys with a peer that has shown nothing needs. */
export interface AgreementContext {
  /** The server's key. */
  readonly key: LoginKey;
  /** What the server says of itself at this moment. */
  readonly hello: () => Hello;
  /** Around the RSA private operation of message A. */
  readonly slots: Semaphore;
}

/** What serving a visit needs. */
export interface VisitContext extends AgreementContext {
  readonly store: Store;
  readonly links: Links;
  readonly penalties: Penalties;
  readonly log: Log;
}

/** How long a visit lasts at the most, milliseconds: a link, and the time to send what it waited for. */
const MAX_VISIT = LINK_LIFE + 60_000;

/**
 * Reads message A and writes message B, in its turn and on the grid: neither when B leaves nor when the
 * next one in the queue begins tells how long the private operation took. False if the server is too
 * busy, which was said.
 */
export async function agree(
  handshake: ServerHandshake,
  a: Bytes,
  stream: TimedStream,
  { source }: ConnectionSlot,
  context: AgreementContext,
): Promise<boolean> {
  const arrived = performance.now();
  let b: Bytes;
  try {
    b = await context.slots.run(source.name, async () => {
      await handshake.readA(a);
      const message = await handshake.writeB(context.hello());
      await context.key.timingGrid.wait(arrived);
      return message;
    });
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    const { limit = "", retryAfter = 0 } = error;
    await rejectConnection(stream, busyLine(limit, retryAfter));
    return false;
  }
  await stream.write(b);
  return true;
}

/**
 * A connection without a login, for somebody who has words: it gets what another machine of the person
 * answers, or the person's kit, if it names the id that follows from the words. Whoever names another
 * is penalised. Throws what the peer caused, for the log.
 */
export async function receiveVisit(
  stream: TimedStream,
  reader: ExactReader,
  slot: ConnectionSlot,
  context: VisitContext,
): Promise<"ended" | "early" | "busy"> {
  await stream.write(padTo(lp(encodeBundle(context.key.identity.bundle)), BUNDLE_ANSWER));
  const rest = await reader.exactly(SIZE_A - PREFIX_SIZE);
  if (!rest) return "early";
  const handshake = await ServerHandshake.start(context.key.identity, "visit");
  const a = concat(prefix(KIND_VISIT), rest);
  if (!await agree(handshake, a, stream, slot, context)) return "busy";
  const { responder, initiator } = await handshake.split();
  const connection = new Connection(stream, reader, { send: responder, receive: initiator });
  wipe(responder, initiator);
  const deadline = setTimeout(() => stream.close(), MAX_VISIT);
  try {
    const frame = await connection.receive();
    if (!frame) return "early";
    if (frame.kind !== FrameKind.request) {
      throw new SealpostError("protocol", "a visit that asks for nothing");
    }
    await serve(connection, frame.id, decodeVisit(frame.payload), { stream, slot, context });
    await connection.close();
    return "ended";
  } catch (error) {
    throw connection.abort(error);
  } finally {
    clearTimeout(deadline);
  }
}

interface Visit {
  readonly stream: TimedStream;
  readonly slot: ConnectionSlot;
  readonly context: VisitContext;
}

async function serve(
  connection: Connection,
  id: number,
  request: VisitRequest,
  visit: Visit,
): Promise<void> {
  const send = (answer: LinkAnswer) => sendAnswer(connection, id, answer);
  const refuse = async (refusal: Omit<Refusal, "ok">) => {
    const payload = encodeJson({ ok: false, ...refusal });
    await connection.send({ kind: FrameKind.response, id, payload });
  };
  const { store, log } = visit.context;
  const { peer } = visit.stream;
  if (request.op === "kit-get") {
    const kit = await store.fetchKit(fromHex(request.id), Date.now());
    if (kit === null) return await refuse(unknown(visit));
    if (!welcome(visit, kit.account)) return await refuse(TOO_MANY);
    log.warn("kit-fetched", { name: kit.account, peer });
    return await send({ size: kit.sealed.length, data: whole(kit.sealed) });
  }
  const link = visit.context.links.visit(request.id);
  if (link === null) return await refuse(unknown(visit));
  try {
    if (!welcome(visit, link.name)) return await refuse(TOO_MANY);
    log.info("link-found", { name: link.name, peer });
    // Ends when the peer does: nobody is asked about a machine that has gone.
    connection.receive().catch(() => {}).then(() => link.leave());
    if (await link.wait(request.post, send) || !connection.open) return;
    await refuse({ code: "cancelled", message: "the other machine said no, or has gone" });
  } finally {
    link.leave();
  }
}

/** Lets somebody who knows an id take their time, as a connection of that user. */
function welcome({ slot, stream }: Visit, name: string): boolean {
  if (!slot.admit(name)) return false;
  stream.endLoginTimeout();
  return true;
}

/** Penalises before the answer, so that a peer that comes back at once meets the penalty. */
function unknown({ slot, stream, context }: Visit): Omit<Refusal, "ok"> {
  context.penalties.add(slot.source, "login");
  context.log.warn("visit-refused", { peer: stream.peer });
  return {
    code: "no-such-message",
    message:
      "the server knows nothing by these words: they are wrong, were used, or their time is over",
  };
}

const TOO_MANY: Omit<Refusal, "ok"> = {
  code: "busy",
  message: "there are too many connections of this user; end one, or try again in 60 s",
  limit: "max-connections-per-user",
  retryAfter: 60,
};

async function sendAnswer(
  connection: Connection,
  id: number,
  { size, data }: LinkAnswer,
): Promise<void> {
  const payload = encodeVisit({ ok: true, size });
  await connection.send({ kind: FrameKind.response, id, payload });
  let sent = 0;
  try {
    for await (const piece of rechunk(data, MAX_DATA)) {
      sent += piece.length;
      if (sent > size) break;
      await connection.send({ kind: FrameKind.data, id, payload: piece });
    }
  } catch (error) {
    throw connection.abort(error);
  }
  if (sent !== size) {
    throw connection.abort(
      new SealpostError("format", "the answer does not have the size it was announced with"),
    );
  }
  await connection.send({ kind: FrameKind.end, id, payload: new Uint8Array(0) });
  await connection.flush();
}

async function* whole(bytes: Bytes): AsyncGenerator<Bytes, void, undefined> {
  yield await Promise.resolve(bytes);
}
