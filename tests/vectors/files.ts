import { fromFileUrl } from "@std/path";
import { type Bytes, fromHex, utf8 } from "../../crypto/bytes.ts";
import type { ErrorCode } from "../../crypto/error.ts";
import type { Edit } from "./edits.ts";
import { pattern } from "./pattern.ts";
import type { Step } from "./transcript.ts";

// The form of the files, as README.md describes it. `Hex` is hexadecimal in lower case.

export type Hex = string;

export const FILES = [
  "keys.json",
  "kem.json",
  "handshake.json",
  "resumption.json",
  "records.json",
  "frames.json",
  "json.json",
  "json_additions.json",
  "messages.json",
  "malformed_messages.json",
  "envelopes.json",
  "rotation.json",
  "shared.json",
  "key_log.json",
  "links.json",
] as const;
export type FileName = typeof FILES[number];

/** Bytes in one of three spellings. */
export type Content =
  | { readonly hex: Hex }
  | { readonly utf8: string }
  | { readonly pattern: string; readonly length: number };

/** A case that has to be refused. */
export interface Refused {
  readonly name: string;
  /** What makes it wrong, for people. */
  readonly why: string;
  readonly error: ErrorCode;
}

export interface KeyVector {
  readonly name: string;
  readonly rsaBits: number;
  /** The primes of the RSA key. */
  readonly p: Hex;
  readonly q: Hex;
  readonly mlkemSeed: Hex;
  readonly ed25519Seed: Hex;
  readonly bundle: Hex;
  readonly fingerprint: Hex;
  /** The fingerprint for people and for file names. */
  readonly shown: string;
  readonly short: string;
  readonly publicFile: string;
  readonly privateFile: string;
}

export interface KeysFile {
  readonly identities: readonly KeyVector[];
  readonly encryptedFiles: readonly {
    readonly name: string;
    readonly identity: string;
    readonly passphrase: string;
    readonly file: string;
  }[];
  readonly malformedBundles: readonly (Refused & BundleEdit)[];
  readonly malformedFiles: readonly (Refused & {
    readonly kind: "public" | "private";
    readonly passphrase: string | null;
    readonly file: string;
  })[];
}

/** The bundle of an identity after edits, or another one altogether. */
export type BundleEdit =
  | { readonly identity: string; readonly edits: readonly Edit[] }
  | { readonly bundle: Hex };

/** What one encapsulation draws, in hexadecimal. */
export interface KemDrawsVector {
  readonly kRsa: Hex;
  readonly oaepSeed: Hex;
  readonly m: Hex;
}

export interface KemFile {
  readonly encapsulations: readonly {
    readonly name: string;
    readonly to: string;
    readonly use: "hs-server" | "hs-client" | "stanza";
    /** The identity whose fingerprint is the context; only with `stanza`. */
    readonly from?: string;
    readonly draws: KemDrawsVector;
    readonly ctRsa: Hex;
    readonly ctMlkem: Hex;
    readonly kMlkem: Hex;
    readonly secret: Hex;
  }[];
  /** What is decapsulated without an error, to another secret. */
  readonly rejected: readonly {
    readonly name: string;
    readonly why: string;
    readonly by: string;
    readonly use: "hs-server" | "hs-client" | "stanza";
    /** The identity whose fingerprint is the context; only with `stanza`. */
    readonly from?: string;
    readonly ctRsa: Hex;
    readonly ctMlkem: Hex;
    /** The secret that must not come out. */
    readonly not: Hex;
  }[];
  readonly malformed: readonly (Refused & {
    readonly by: string;
    readonly use: "hs-server" | "hs-client" | "stanza";
    /** The identity whose fingerprint is the context; only with `stanza`. */
    readonly from?: string;
    readonly ctRsa: Hex;
    readonly ctMlkem: Hex;
  })[];
}

export interface SplitVector {
  readonly initiator: Hex;
  readonly responder: Hex;
  readonly exporterInput: Hex;
  readonly h: Hex;
  readonly exported: readonly {
    readonly label: string;
    readonly context: Hex;
    readonly output: Hex;
  }[];
}

export interface HandshakeVector {
  readonly name: string;
  readonly server: string;
  readonly client: string;
  readonly draws: {
    readonly xc: Hex;
    readonly xs: Hex;
    readonly ekSeed: Hex;
    readonly a: KemDrawsVector;
    readonly m: Hex;
    readonly d: KemDrawsVector;
  };
  /** Whether it is under a key that the server has left (kind 5); not if it is not given. */
  readonly former?: true;
  readonly hello: string;
  readonly login: {
    readonly name: string;
    readonly password: string;
    readonly clientVersion: string;
  };
  readonly secrets: {
    readonly s: Hex;
    readonly dh: Hex;
    readonly ssE: Hex;
    readonly s2: Hex;
  };
  readonly messages: Readonly<Record<"A" | "B" | "C" | "D" | "E", Hex>>;
  readonly steps: readonly Step[];
  readonly split: SplitVector;
}

export interface HandshakeFile {
  readonly handshakes: readonly HandshakeVector[];
  /** One message of a handshake, changed: its reader throws `error`. */
  readonly malformed: readonly (Refused & {
    readonly base: string;
    readonly message: "A" | "B" | "C" | "D" | "E";
    readonly edits: readonly Edit[];
  })[];
  /** Message A, changed so that only the client notices: it throws `server-identity` at B. */
  readonly rejected: readonly {
    readonly name: string;
    readonly why: string;
    readonly base: string;
    readonly edits: readonly Edit[];
  }[];
}

export interface ResumptionVector {
  readonly name: string;
  readonly server: string;
  readonly client: string;
  readonly user: string;
  readonly ticket: Hex;
  readonly psk: Hex;
  readonly draws: {
    readonly xc: Hex;
    readonly xs: Hex;
    readonly ekSeed: Hex;
    readonly mServer: Hex;
    readonly mEphemeral: Hex;
    readonly mClient: Hex;
  };
  readonly hello: string;
  readonly messages: Readonly<Record<"R1" | "R2", Hex>>;
  readonly steps: readonly Step[];
  readonly split: SplitVector;
}

export interface ResumptionFile {
  readonly resumptions: readonly ResumptionVector[];
  readonly malformed: readonly (Refused & {
    readonly base: string;
    readonly message: "R1" | "R2";
    readonly edits: readonly Edit[];
  })[];
}

export interface RecordsFile {
  readonly streams: readonly {
    readonly name: string;
    /** The key in force before the first record, and that record's number. */
    readonly key: Hex;
    readonly first: number;
    readonly records: readonly {
      readonly plaintext: Content;
      /** The whole record; its SHA-256 instead if it is long. */
      readonly record?: Hex;
      readonly sha256?: Hex;
    }[];
  }[];
  /** Records that come one after the other; the last is refused, all before it are not. */
  readonly malformed: readonly (Refused & {
    readonly key: Hex;
    readonly first: number;
    readonly records: readonly Hex[];
  })[];
}

export interface FrameVector {
  readonly kind: number;
  readonly id: number;
  readonly payload: Content;
}

export interface FramesFile {
  readonly records: readonly {
    readonly name: string;
    readonly frames: readonly FrameVector[];
    /** The record is padded to at least so many bytes. */
    readonly padTo: number;
    readonly plaintext: Hex;
  }[];
  /** What other implementations may send: read, but never written by ours. */
  readonly readOnly: readonly {
    readonly name: string;
    readonly frames: readonly FrameVector[];
    readonly plaintext: Hex;
  }[];
  readonly malformed: readonly (Refused & { readonly plaintext: Hex })[];
}

/** What a text is read as. */
export type JsonKind =
  | "hello"
  | "request"
  | "verdict"
  | "event"
  | `response to ${
    | "deliver"
    | "list"
    | "fetch"
    | "flag"
    | "remove"
    | "keys"
    | "whoami"
    | "machines"
    | "link-open"
    | "link-answer"
    | "link-close"
    | "kit-put"
    | "kit-drop"
    | "passwd"
    | "append"
    | "changes"
    | "folders"
    | "folder-make"
    | "folder-drop"
    | "shared-get"
    | "shared-put"
    | "log"}`;

export interface JsonFile {
  readonly valid: readonly {
    readonly name: string;
    readonly as: JsonKind;
    readonly text: string;
    /** What is read: without members that are not known. */
    readonly value: unknown;
  }[];
  readonly malformed: readonly (Refused & { readonly as: JsonKind; readonly text: string })[];
}

export interface MessageVector {
  readonly name: string;
  /** The sender: a user's name, and the identity in keys.json. */
  readonly sender: string;
  readonly id: Hex;
  readonly fileKey: Hex;
  /** The identities of the stanzas, in their order; the sender's own comes last if there is a copy. */
  readonly stanzasFor: readonly string[];
  readonly stanzaDraws: readonly KemDrawsVector[];
  /** JSON, to the byte. */
  readonly summary: string;
  /** JSON, to the byte; null if no copy is kept. */
  readonly note: string | null;
  readonly message: Content;
  readonly header: Hex;
  readonly keys: { readonly summary: Hex; readonly body: Hex; readonly note: Hex };
  readonly stanzas: readonly {
    readonly secret: Hex;
    readonly signature: Hex;
    readonly stanza: Hex;
  }[];
  readonly summaryHash: Hex;
  readonly summarySignature: Hex;
  readonly sealedSummary: Hex;
  readonly sealedNote: Hex | null;
  /** c(0), c(1), … */
  readonly bodyHashes: readonly Hex[];
  readonly bodySignature: Hex;
  readonly bodySize: number;
  /** The sealed body; its SHA-256 always. */
  readonly body?: Hex;
  readonly bodySha256: Hex;
  /** SHA-256 of all that is uploaded: envelope and body. */
  readonly uploadSha256: Hex;
}

export interface MessagesFile {
  readonly messages: readonly MessageVector[];
}

/** A message as it is given to a reader, who has to refuse it. */
export interface MalformedMessage extends Refused {
  /** The row of section 13.1, 13.3, or 12.8, as `13.1/5`. */
  readonly check: string;
  /** The message in messages.json that is changed. */
  readonly base: string;
  /** Who reads it; gets the stanza that names them, or the first if there is none. */
  readonly reader: string;
  /** Names for which the reader has pinned another identity than that of the same name. */
  readonly pins?: Readonly<Record<string, string>>;
  readonly header?: readonly Edit[];
  readonly stanza?: readonly Edit[];
  readonly summary?: readonly Edit[];
  readonly note?: readonly Edit[];
  /** Edits of the body, after its chunks were put in this order. */
  readonly chunks?: readonly number[];
  readonly body?: readonly Edit[];
  /** What the entry says of the body's size; what it is, if this is missing. */
  readonly bodySize?: number;
}

export interface MalformedMessagesFile {
  readonly malformed: readonly MalformedMessage[];
}

export interface EnvelopesFile {
  readonly entries: readonly {
    readonly name: string;
    readonly uid: number;
    readonly modseq: number;
    readonly receivedAt: number;
    readonly bodySize: number;
    /** By its name, or the number of one's own. */
    readonly folder: string | number;
    readonly number: number;
    /** By their names, or the bits of keywords. */
    readonly flags: readonly (string | number)[];
    /** The message in messages.json, and whose stanza it is. */
    readonly message: string;
    readonly stanzaFor: string;
    readonly note: boolean;
    readonly entry: Hex;
  }[];
  readonly malformedEntries: readonly (Refused & {
    readonly base: string;
    readonly edits: readonly Edit[];
  })[];
  /** Changes to the envelope of a message in messages.json; it ends where the body begins. */
  readonly malformedEnvelopes: readonly (Refused & {
    readonly base: string;
    readonly edits: readonly Edit[];
  })[];
}

/** A certificate; keys and server are identities in keys.json. */
export interface RotationVector {
  readonly name: string;
  /** The user's name. */
  readonly user: string;
  readonly server: string;
  readonly seq: number;
  readonly from: string;
  readonly to: string;
  readonly time: number;
  /** What both keys sign. */
  readonly signed: Hex;
  readonly certificate: Hex;
}

/** A chain as a client is given it, and what it knows. */
export interface ChainVector {
  readonly name: string;
  readonly user: string;
  /** Identities whose fingerprints the server has or had. */
  readonly servers: readonly string[];
  /** The pinned identity, and its number. */
  readonly start: string;
  readonly seq: number;
  /** Identities that were left before. */
  readonly retired: readonly string[];
  /** The names of its certificates; each comes with the bundle that it leads away from. */
  readonly certificates: readonly string[];
  /** The identity that is offered. */
  readonly end: string;
}

export interface RotationFile {
  readonly certificates: readonly RotationVector[];
  readonly proofs: readonly {
    readonly name: string;
    readonly certificate: string;
    readonly draws: KemDrawsVector;
    readonly ctRsa: Hex;
    readonly ctMlkem: Hex;
    readonly secret: Hex;
    /** What the session's exporter gives. */
    readonly exported: Hex;
    readonly proof: Hex;
  }[];
  readonly chains: readonly ChainVector[];
  /** A certificate after edits, for the keys that it was made for. */
  readonly malformed: readonly (Refused & {
    readonly base: string;
    readonly edits: readonly Edit[];
  })[];
  readonly refused: readonly (Refused & ChainVector)[];
}

/** A shared record as its JSON has it. */
export interface RecordJson {
  readonly machines: readonly {
    readonly id: string;
    readonly name: string;
    readonly put: number;
  }[];
  readonly entries: readonly {
    readonly k: string;
    readonly v?: unknown;
    readonly n: number;
    readonly m: string;
    readonly p?: number;
    readonly t?: number;
  }[];
  readonly forgotten?: number;
}

/** A sealed shared record, and for whom and which version. */
export interface SealedRecordVector {
  readonly identity: string;
  /** The user's name. */
  readonly user: string;
  readonly version: number;
  readonly sealed: Hex;
}

export interface SharedFile {
  readonly sealed: readonly (SealedRecordVector & {
    readonly name: string;
    readonly nonce: Hex;
    readonly json: string;
  })[];
  readonly merges: readonly {
    readonly name: string;
    readonly a: RecordJson;
    readonly b: RecordJson;
    readonly merged: RecordJson;
  }[];
  /** What a machine knows that had seen `seen`, and sees `theirs` then. */
  readonly taken: readonly {
    readonly name: string;
    readonly seen: number;
    readonly own: RecordJson;
    readonly theirs: RecordJson;
    readonly wentBack: boolean;
    readonly taken: RecordJson;
  }[];
  /** What the machine `self` puts of `record` under `version` at `now`, milliseconds since 1970. */
  readonly puts: readonly {
    readonly name: string;
    readonly record: RecordJson;
    readonly self: { readonly id: string; readonly name: string };
    readonly version: number;
    readonly now: number;
    readonly put: RecordJson;
  }[];
  readonly malformed: readonly (Refused & SealedRecordVector)[];
}

/** A log, record by record. */
export interface LogVector {
  readonly name: string;
  /** The first generation, seconds since 1970. */
  readonly first: number;
  /** h(0). */
  readonly start: Hex;
  readonly records: readonly {
    readonly index: number;
    readonly time: number;
    readonly event: number;
    readonly user: string;
    readonly fp: Hex;
    readonly seq: number;
    readonly bytes: Hex;
    /** The hash of the log after it. */
    readonly hash: Hex;
  }[];
}

/** What a head says before it is signed. */
export interface HeadFacts {
  readonly generation: number;
  readonly n: number;
  readonly hash: Hex;
  readonly time: number;
}

export interface KeyLogFile {
  readonly logs: readonly LogVector[];
  readonly heads: readonly (HeadFacts & {
    readonly name: string;
    readonly server: string;
    readonly head: Hex;
  })[];
  readonly standings: readonly {
    readonly name: string;
    readonly log: string;
    readonly lost: readonly string[];
    readonly head: HeadFacts;
    readonly standing: "fits" | "ahead" | "lost" | "contradicts";
  }[];
  readonly proofs: readonly {
    readonly name: string;
    readonly server: string;
    readonly proof: Hex;
  }[];
  readonly malformed: readonly (Refused & {
    readonly as: "records" | "proof";
    readonly bytes: Hex;
  })[];
}

/** Where the files are. */
export function pathOf(file: FileName): string {
  return fromFileUrl(new URL(file, import.meta.url));
}

/** The file as it is in the repository. */
export async function readVectors<T>(file: FileName): Promise<T> {
  return JSON.parse(await Deno.readTextFile(pathOf(file)));
}

export function contentOf(content: Content): Bytes {
  if ("hex" in content) return fromHex(content.hex);
  if ("utf8" in content) return utf8(content.utf8);
  return pattern(content.pattern, content.length);
}

/** A link of a second machine, 10.19; private keys and what was drawn in hexadecimal. */
export interface LinksFile {
  readonly links: readonly {
    readonly name: string;
    readonly code: Hex;
    readonly words: string;
    /** The numbers of the words, from 0. */
    readonly indexes: readonly number[];
    /** The identity that the second machine spoke to. */
    readonly server: string;
    readonly device: string;
    readonly x2: Hex;
    readonly seed2: Hex;
    readonly id: Hex;
    readonly post: Hex;
    readonly compared: readonly number[];
    readonly x1: Hex;
    readonly m: Hex;
    readonly package: Hex;
    readonly answer: Hex;
  }[];
  readonly kits: readonly {
    readonly name: string;
    readonly code: Hex;
    readonly words: string;
    readonly indexes: readonly number[];
    readonly user: string;
    readonly counter: number;
    readonly date: number;
    readonly id: Hex;
    readonly x: Hex;
    readonly ek: Hex;
    readonly mac: Hex;
    readonly xe: Hex;
    readonly m: Hex;
    readonly package: Hex;
    readonly kit: Hex;
  }[];
  readonly malformedPosts:
    readonly (Refused & { readonly code: Hex; readonly server: string; readonly post: Hex })[];
  /** `link`: the name of the one that it is an answer to. */
  readonly malformedAnswers: readonly (Refused & { readonly link: string; readonly answer: Hex })[];
  readonly malformedKits: readonly (Refused & { readonly code: Hex; readonly kit: Hex })[];
}
