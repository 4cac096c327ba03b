import { type Bytes, concat, toHex, u32, utf8 } from "../../crypto/bytes.ts";
import { contentOf, type FramesFile, type FrameVector } from "./files.ts";
import { pad } from "./handshake_by_hand.ts";

const NOTHING = { hex: "" };
const PING = { hex: "000102030405060708" };

/** A frame with whatever header. */
function frameBytes(kind: number, id: number, length: number, payload: Uint8Array): Bytes {
  return concat(new Uint8Array([kind]), u32(id), u32(length).slice(1), payload);
}

function encoded({ kind, id, payload }: FrameVector): Bytes {
  const bytes = contentOf(payload);
  return frameBytes(kind, id, bytes.length, bytes);
}

/** Frames one after the other, padded as section 8 says. */
function record(
  name: string,
  frames: readonly FrameVector[],
  padTo = 0,
): FramesFile["records"][number] {
  const whole = concat(...frames.map(encoded));
  const data = frames.some(({ kind }) => kind === 3);
  const size = Math.max(whole.length, padTo);
  const padded = pad(whole, data ? size : Math.ceil(size / 256) * 256);
  return { name, frames, padTo, plaintext: toHex(padded) };
}

export function makeFrames(): FramesFile {
  const request = { kind: 1, id: 1, payload: { utf8: '{"op":"whoami"}' } };
  const data = { kind: 3, id: 2, payload: { utf8: "some data" } };
  const end = { kind: 4, id: 2, payload: NOTHING };
  const close = { kind: 8, id: 0, payload: { utf8: '{"reason":"the server stops"}' } };
  const ping = { kind: 7, id: 0, payload: PING };
  const zeros = new Uint8Array(1000);
  return {
    records: [
      record("one request", [request]),
      record("an upload", [request, data, end]),
      record("every kind", [
        request,
        { kind: 2, id: 1, payload: { utf8: '{"ok":true}' } },
        data,
        end,
        { kind: 5, id: 0xffffffff, payload: NOTHING },
        { kind: 6, id: 0, payload: { utf8: '{"event":"mail","uid":1,"folder":"inbox"}' } },
        ping,
        { kind: 8, id: 0, payload: NOTHING },
      ]),
      record("a verdict", [{ kind: 6, id: 0, payload: { utf8: '{"ok":false}' } }], 1024),
      record("exactly 256 bytes", [{ kind: 8, id: 0, payload: { pattern: "text", length: 248 } }]),
      record("257 bytes", [{ kind: 8, id: 0, payload: { pattern: "text", length: 249 } }]),
      record("data, padded", [data], 100),
      record("a goodbye", [close]),
    ],
    readOnly: [
      { name: "no padding", frames: [request], plaintext: toHex(encoded(request)) },
      { name: "one byte of padding", frames: [end], plaintext: toHex(pad(encoded(end), 9)) },
      { name: "padding alone", frames: [], plaintext: toHex(new Uint8Array(256)) },
      { name: "data with much padding", frames: [data], plaintext: toHex(pad(encoded(data), 300)) },
    ],
    malformed: malformed(encoded(request), zeros),
  };
}

function malformed(request: Bytes, zeros: Uint8Array): FramesFile["malformed"] {
  const of = (name: string, why: string, ...parts: Uint8Array[]) => {
    return { name, why, error: "protocol" as const, plaintext: toHex(concat(...parts)) };
  };
  const json = utf8("{}");
  const ping = new Uint8Array(9);
  return [
    of("kind-9", "an unknown kind", frameBytes(9, 1, 2, json)),
    of("kind-255", "an unknown kind", frameBytes(255, 1, 2, json)),
    of("request-empty", "a request of no bytes", frameBytes(1, 1, 0, zeros.subarray(0, 0))),
    of("request-one-byte", "a request of one byte", frameBytes(1, 1, 1, json.subarray(1))),
    of("request-long", "a request of 61,441 bytes, cut", frameBytes(1, 1, 61_441, json)),
    of("response-one-byte", "a response of one byte", frameBytes(2, 1, 1, json.subarray(1))),
    of("event-one-byte", "an event of one byte", frameBytes(6, 0, 1, json.subarray(1))),
    of("data-empty", "data of no bytes", frameBytes(3, 1, 0, zeros.subarray(0, 0))),
    of("data-long", "data of 65,529 bytes, cut", frameBytes(3, 1, 65_529, json)),
    of("end-payload", "an end with a payload", frameBytes(4, 1, 1, json.subarray(1))),
    of("cancel-payload", "a cancel with a payload", frameBytes(5, 1, 1, json.subarray(1))),
    of("ping-8", "a ping of 8 bytes", frameBytes(7, 0, 8, ping.subarray(1))),
    of("ping-10", "a ping of 10 bytes", frameBytes(7, 0, 10, zeros.subarray(0, 10))),
    of("close-long", "a goodbye of 61,441 bytes, cut", frameBytes(8, 0, 61_441, json)),
    of("request-id-0", "a request without an id", frameBytes(1, 0, 2, json)),
    of("data-id-0", "data without an id", frameBytes(3, 0, 2, json)),
    of("event-id", "an event with an id", frameBytes(6, 1, 2, json)),
    of("ping-id", "a ping with an id", frameBytes(7, 1, 9, ping)),
    of("close-id", "a goodbye with an id", frameBytes(8, 1, 0, zeros.subarray(0, 0))),
    of("cut-header", "a header of 7 bytes", frameBytes(4, 1, 0, json).subarray(0, 7)),
    of("cut-payload", "a payload that is cut", request.subarray(0, -1)),
    of("cut-second", "a second frame that is cut", request, request.subarray(0, 12)),
    of(
      "padding-last",
      "the last byte of the padding is not zero",
      request,
      zeros,
      new Uint8Array([1]),
    ),
    of("padding-frame", "a frame after the padding", request, zeros.subarray(0, 8), request),
  ];
}
