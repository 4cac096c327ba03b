import {
  type Bytes,
  concat,
  equal,
  fromBase64,
  lp,
  readU32,
  readU64,
  toBase64,
  u64,
} from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { type Bundle, decodeBundle, encodeBundle } from "../crypto/identity.ts";
import {
  decodeHead,
  decodeLogRecords,
  encodeHead,
  encodeLogRecord,
  isSignedHead,
  judgeHead,
  KeyLog,
  type LogHead,
  wentBack,
} from "./key_log.ts";

const BEGIN = "-----BEGIN SEALPOST KEY LOG PROOF-----";
const END = "-----END SEALPOST KEY LOG PROOF-----";
/** Longest text that is searched for a proof, bytes. */
export const MAX_PROOF_TEXT = 32 * 1024 * 1024;

/** That a server has signed heads of two histories of its key log. */
export interface ForkProof {
  readonly server: Bundle;
  /** The log of one history, whole. */
  readonly log: KeyLog;
  /** Its head, signed. */
  readonly head: LogHead;
  /** A signed head of the other history. */
  readonly other: LogHead;
}

/**
 * `LP(server's bundle) ‖ LP(head) ‖ LP(other head) ‖ u64(first generation) ‖ records`: whoever has
 * it needs nothing else to check it.
 */
export function encodeForkProof({ server, log, head, other }: ForkProof): Bytes {
  return concat(
    lp(encodeBundle(server)),
    lp(encodeHead(head)),
    lp(encodeHead(other)),
    u64(log.first),
    ...log.records.map(encodeLogRecord),
  );
}

/** Takes a proof apart; whether it proves anything, {@linkcode requireFork} says. Throws `format`, `key-format`. */
export async function decodeForkProof(bytes: Bytes): Promise<ForkProof> {
  let at = 0;
  const part = () => {
    const size = readU32(bytes, at);
    const part = bytes.slice(at + 4, at + 4 + size);
    if (part.length !== size) throw new SealpostError("format", "a proof that is cut");
    at += 4 + size;
    return part;
  };
  const server = await decodeBundle(part());
  const [head, other] = [decodeHead(part()), decodeHead(part())];
  const first = readU64(bytes, at);
  const log = KeyLog.begin(first).extend(decodeLogRecords(bytes.slice(at + 8)));
  return { server, log, head, other };
}

/**
 * Throws `authentication` unless the proof shows that its server has signed two histories: both heads
 * are signed, one is that of the log, and the other one does not fit that log, or is ahead of it
 * although it was signed earlier.
 */
export async function requireFork({ server, log, head, other }: ForkProof): Promise<void> {
  for (const one of [head, other]) {
    if (!await isSignedHead(one, server)) throw proves("it is not signed by the server's key");
  }
  const isOf = head.n === log.n && head.generation === log.generation &&
    equal(head.hash, log.hash(log.n));
  if (!isOf) throw proves("its records are not those of its head");
  const standing = judgeHead(other, log);
  if (standing === "contradicts" || (standing === "ahead" && wentBack(head, other))) return;
  throw proves("its two heads can be of one history");
}

function proves(why: string): SealpostError {
  return new SealpostError("authentication", `this proves nothing: ${why}`);
}

/** A proof as a block of lines that survives a messenger. */
export function formatForkProof(proof: ForkProof): string {
  const lines = toBase64(encodeForkProof(proof)).match(/.{1,64}/g) ?? [];
  return [BEGIN, ...lines, END, ""].join("\n");
}

/**
 * The first proof in `text`, whatever stands around it; marks of quoting before its lines (`>`) are
 * passed over. Throws `format` if there is none, or it was damaged.
 */
export async function parseForkProof(text: string): Promise<ForkProof> {
  if (text.length > MAX_PROOF_TEXT) {
    throw new SealpostError("format", "a text too long for a proof");
  }
  const lines = text.split(/\r?\n/).map((line) => line.replace(/^[\s>]+/, "").trimEnd());
  const begin = lines.indexOf(BEGIN);
  const end = lines.indexOf(END, begin);
  if (begin < 0) throw new SealpostError("format", `no proof: it begins with ${BEGIN}`);
  if (end < 0) throw new SealpostError("format", `a proof that is cut: it ends with ${END}`);
  try {
    return await decodeForkProof(fromBase64(lines.slice(begin + 1, end).join("")));
  } catch (error) {
    if (!isSealpostError(error, "format", "key-format")) throw error;
    throw new SealpostError("format", `a damaged proof (${error.message}); ask for it once more`, {
      cause: error,
    });
  }
}
