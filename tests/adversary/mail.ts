import { type Bytes, concat, toBase64 } from "../../crypto/bytes.ts";
import type { Bundle, Identity } from "../../crypto/identity.ts";
import { encodeEnvelope, type Envelope } from "../../protocol/envelope.ts";
import { FrameKind, MAX_DATA } from "../../protocol/frame.ts";
import type { DeliverRequest } from "../../protocol/request.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { sealMessage } from "../support/sealed.ts";
import { type Intruder, rawFrame } from "./intruder.ts";

/** A message as a client would upload it, in parts that can be lied about. */
export interface Upload {
  readonly request: DeliverRequest;
  readonly envelope: Envelope;
  readonly body: Bytes;
}

/** A sealed message of `sender`, called `name`, to the sender, and to `others`. */
export async function uploadOf(
  sender: { readonly name: string; readonly identity: Identity },
  others: readonly { readonly name: string; readonly bundle: Bundle }[] = [],
  message: Bytes = new Uint8Array(100),
): Promise<Upload> {
  const { name, identity } = sender;
  const parts = await sealMessage(identity, others.map(({ bundle }) => bundle), message);
  const { header, stanzas, summary } = parts;
  const body = concat(...parts.chunks);
  const envelope = { header, stanzas, summary, note: null, bodySize: body.length };
  const recipients = [...others, { name, bundle: identity.bundle }];
  return {
    request: {
      op: "deliver",
      id: formatMessageId(header.slice(1, 17)),
      size: encodeEnvelope(envelope).length + body.length,
      recipients: recipients.map(({ name, bundle }) => ({ name, fp: toBase64(bundle.fp) })),
      copy: false,
    },
    envelope,
    body,
  };
}

/** All bytes of an upload. */
export function bytesOf({ envelope, body }: Upload): Bytes {
  return concat(encodeEnvelope(envelope), body);
}

/** Sends a `deliver` with `data` behind it, and gives the answer. */
export async function deliver(
  session: Intruder,
  request: unknown,
  data: Bytes,
): Promise<Record<string, unknown>> {
  const id = await session.request(request);
  for (let at = 0; at < data.length; at += MAX_DATA) {
    await session.send(rawFrame(FrameKind.data, id, data.subarray(at, at + MAX_DATA)));
  }
  await session.send(rawFrame(FrameKind.end, id));
  return await session.answer(id);
}

/** Sends `count` messages to oneself, for something to be there. */
export async function leaveMail(
  session: Intruder,
  self: { readonly name: string; readonly identity: Identity },
  count: number,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    const upload = await uploadOf(self);
    const { ok } = await deliver(session, upload.request, bytesOf(upload));
    if (ok !== true) throw new Error("a message was not taken");
  }
}
