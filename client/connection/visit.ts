import { type Bytes, concat, wipe } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { type Bundle, decodeBundle } from "../../crypto/identity.ts";
import type { Address } from "../../protocol/address.ts";
import { ExactReader } from "../../protocol/byte_stream.ts";
import { Connection } from "../../protocol/connection.ts";
import { FrameKind } from "../../protocol/frame.ts";
import {
  ClientHandshake,
  KIND_VISIT,
  prefix,
  PREFIX_SIZE,
  SIZE_B,
} from "../../protocol/handshake.ts";
import { LINK_LIFE } from "../../protocol/limits.ts";
import { readPadded } from "../../protocol/login.ts";
import { BUNDLE_ANSWER } from "../../protocol/plaintext.ts";
import { decodeVisitAnswer, encodeVisit, type VisitRequest } from "../../protocol/visit.ts";
import { endedEarly, LOGIN_TIMEOUT, readAnswer, withStream } from "./login.ts";

/** How long an answer is waited for, milliseconds: the other machine's person decides on it. */
const PATIENCE = LINK_LIFE + 30_000;

/** What came of a visit. */
export interface Visited {
  /** The server that answered; nobody has vouched for it. */
  readonly bundle: Bundle;
  readonly data: Bytes;
}

/**
 * Connects without a login, for somebody who has words, and asks what `request` says for the server's
 * bundle. The line is encrypted to that bundle. Throws what the server refuses with (`no-such-message`,
 * `cancelled`, `busy`), `unreachable`, `timeout`, `version`, `server-identity`, `connection-lost`,
 * `protocol`.
 */
export async function visit(
  address: Address,
  request: (bundle: Bundle) => Promise<VisitRequest>,
): Promise<Visited> {
  return await withStream(address, LOGIN_TIMEOUT, async (stream, proved, extend) => {
    const reader = new ExactReader(stream);
    await stream.write(prefix(KIND_VISIT));
    const [encoded] = readPadded(await readAnswer(reader, BUNDLE_ANSWER), 1).parts;
    if (!encoded) throw endedEarly();
    const bundle = await decodeBundle(encoded);
    const handshake = await ClientHandshake.startVisit(bundle);
    await stream.write((await handshake.writeA()).slice(PREFIX_SIZE));
    await handshake.readB(await readAnswer(reader, SIZE_B));
    proved();
    const { initiator, responder } = await handshake.split();
    const connection = new Connection(stream, reader, { send: initiator, receive: responder });
    wipe(initiator, responder);
    extend(PATIENCE);
    const payload = encodeVisit(await request(bundle));
    await connection.send({ kind: FrameKind.request, id: 1, payload });
    const data = await receiveAnswer(connection);
    await connection.close();
    return { bundle, data };
  });
}

async function receiveAnswer(connection: Connection): Promise<Bytes> {
  const next = async () => {
    const frame = await connection.receive();
    if (frame === null) {
      throw new SealpostError("connection-lost", "the server ended the connection; try again");
    }
    if (frame.id !== 1) throw new SealpostError("protocol", "the server answers what nobody asked");
    return frame;
  };
  const first = await next();
  if (first.kind !== FrameKind.response) {
    throw new SealpostError("protocol", `a frame of kind ${first.kind} in the place of an answer`);
  }
  const size = decodeVisitAnswer(first.payload);
  const pieces: Bytes[] = [];
  let received = 0;
  for (;;) {
    const { kind, payload } = await next();
    if (kind === FrameKind.end) break;
    received += payload.length;
    if (kind !== FrameKind.data || received > size) {
      throw new SealpostError("protocol", "the server sends something else than it announced");
    }
    pieces.push(payload);
  }
  if (received !== size) {
    throw new SealpostError("protocol", "the server sends less than it announced");
  }
  return concat(...pieces);
}
