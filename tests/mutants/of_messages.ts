import { both, type Mutant, one } from "./mutant.ts";

const FILE_KEY = "protocol/file_key.ts";
const STANZA = "protocol/stanza.ts";
const SUMMARY = "protocol/summary.ts";
const BODY = "protocol/body.ts";
const STREAM = "crypto/stream.ts";

const sealed: readonly Mutant[] = [
  one(
    "an announcement is signed with any key",
    "client/trust/key_log.ts",
    "const known = this.servers.find((one) => equal(one.fp, fp));",
    "const known = this.servers.find(() => true);",
  ),
  one(
    "a key that the server has left goes on announcing",
    "client/trust/key_log.ts",
    "return next && arrived <= next.time + ROTATION_SLACK ? known : null;",
    "return next ? known : null;",
  ),
  one(
    "anybody says where the server is",
    "protocol/summary.ts",
    "servers === undefined || from.name === OPERATOR",
    "servers === undefined || from.name !== undefined",
  ),
  one(
    "the commitment is not checked",
    FILE_KEY,
    "if (!equal(await commit(fileKey), commitment)) {",
    "if (!commitment) {",
  ),
  one(
    "the keys of a message do not depend on its header",
    FILE_KEY,
    "concat(utf8(`sealpost/1 ${part}`), await sha256(header))",
    "utf8(`sealpost/1 ${part}`)",
  ),
  one("summary and body have one key", FILE_KEY, "sealpost/1 ${part}`)", "sealpost/1 part`)"),
  one(
    "a stanza is opened whoever it is for",
    STANZA,
    "if (!equal(stanza.subarray(0, FP_SIZE), fp)) {",
    "if (!fp) {",
  ),
  both(
    "a stanza is not bound to the header",
    STANZA,
    ["plaintext, concat(header, to.fp))", "plaintext, to.fp)"],
    ["    concat(header, fp),\n", "    fp,\n"],
  ),
  one(
    "the recipient's signature is not verified",
    STANZA,
    "if (!await verify(sender.ed25519Key, signature, signed(header, fp))) {",
    "if (!sender) {",
  ),
  one(
    "the recipient is not in the recipient's signature",
    STANZA,
    "concat(LABEL, lp(header), fp)",
    "concat(LABEL, lp(header))",
  ),
  one(
    "the header is not in the recipient's signature",
    STANZA,
    "concat(LABEL, lp(header), fp)",
    "concat(LABEL, fp)",
  ),
  one(
    "a lane is anybody's",
    "protocol/lane.ts",
    'return await decapsulate(reader, "stanza", ctRsa, ctMlkem, senderFp);',
    'return await decapsulate(reader, "stanza", ctRsa, ctMlkem, senderFp.subarray(0, 0));',
  ),
  one(
    "a lane is known whoever sends in it",
    "protocol/lane.ts",
    "sha256(concat(senderFp, readerFp, ctRsa, ctMlkem))",
    "sha256(concat(readerFp, ctRsa, ctMlkem))",
  ),
  one(
    "all boxes of a lane have one key",
    STANZA,
    "concat(KEY_LABEL, await sha256(header), fp)",
    "concat(KEY_LABEL, fp)",
  ),
  one(
    "a lane that did not open is tried again",
    STANZA,
    "    if (known === null) await lanes?.refused(id, secret);\n",
    "",
  ),
  one(
    "a stanza of any length is opened",
    STANZA,
    "rsa < 256 || rsa > 512 || stanza.length !== FP_SIZE + 2 + rsa + CT_MLKEM_SIZE + BOX_SIZE",
    "rsa < 256",
  ),
  one(
    "the summary's signature is not verified",
    SUMMARY,
    "if (!await verify(sender.ed25519Key, opened.signature, signed(header, opened.hash))) {",
    "if (!sender) {",
  ),
  one(
    "the header is not in the summary's signature",
    SUMMARY,
    "concat(LABEL, lp(header), hash)",
    "concat(LABEL, hash)",
  ),
  one(
    "the contents are not in the summary's signature",
    SUMMARY,
    "concat(LABEL, lp(header), hash)",
    "concat(LABEL, lp(header))",
  ),
  one(
    "padding of a summary may hold anything",
    SUMMARY,
    " || !isZero(padded.subarray(4 + length))",
    "",
  ),
  one(
    "a summary may be padded to any size",
    SUMMARY,
    "BUCKETS.find((b) => b >= length + 4) !== padded.length",
    "length + 4 > padded.length",
  ),
  one(
    "a summary of any size is opened",
    SUMMARY,
    "if (!BUCKETS.some((b) => box.length === b + SIGNATURE_SIZE + TAG)) {",
    "if (!box) {",
  ),
  one(
    "a note is not bound to the header",
    "protocol/note.ts",
    'concat(utf8("sealpost/1 note"), await sha256(header))',
    'utf8("sealpost/1 note")',
  ),
  one(
    "notes use one key for all messages and no additional data",
    "protocol/note.ts",
    "ZERO_NONCE, box, header)",
    "ZERO_NONCE, box)",
  ),
  one(
    "the last chunk is not marked",
    STREAM,
    "new Uint8Array([last ? 1 : 0])",
    "new Uint8Array([0])",
  ),
  one("chunks use a nonce twice", STREAM, "nonce(this.#next++, last)", "nonce(this.#next, last)"),
  one("chunks may follow on the last", STREAM, "if (this.#ended) throw", "if (size < 0) throw"),
  one("chunks open after one that did not", STREAM, "      this.#chunks.end();\n", ""),
  one(
    "the last chunk may be empty",
    STREAM,
    "size >= 1 && size <= CHUNK",
    "size >= 0 && size <= CHUNK",
  ),
  one(
    "the message's signature is not verified",
    BODY,
    "if (!await verify(sender.ed25519Key, signature, message)) {",
    "if (!sender) {",
  ),
  one(
    "the message's signature forgets the summary",
    BODY,
    "concat(LABEL, lp(header), summaryHash, this.#c)",
    "concat(LABEL, lp(header), this.#c)",
  ),
  one(
    "the message's signature forgets the header",
    BODY,
    "concat(LABEL, lp(header), summaryHash, this.#c)",
    "concat(LABEL, summaryHash, this.#c)",
  ),
  one(
    "the message's signature covers the last chunk only",
    BODY,
    "this.#c ?? await sha256(HASH_LABEL)",
    "await sha256(HASH_LABEL)",
  ),
  one(
    "the leaves of a body do not know their place",
    BODY,
    "sha256(LEAF_LABEL, u64(index), plaintext)",
    "sha256(LEAF_LABEL, u64(0), plaintext)",
  ),
  one(
    "padding of a body may hold anything",
    BODY,
    "if (!isZero(plain.subarray(from + take))) {",
    "if (!plain) {",
  ),
  one(
    "the length in a body may be anything",
    BODY,
    "if (length > padded || paddedBodySize(length) !== padded) {",
    "if (length > padded) {",
  ),
  one(
    "a body may be cut between its chunks",
    BODY,
    "  if (!signature || count !== chunks) {\n    throw",
    "  if (!signature) return;\n  if (count !== chunks) {\n    throw",
  ),
  one(
    "a body of an impossible size is opened",
    BODY,
    "if (padded < MIN_PADDED || Math.ceil(padded / CHUNK) !== chunks) {",
    "if (padded < 0) {",
  ),
  one(
    "bodies are padded to no size class",
    BODY,
    "Math.max(MIN_PADDED, padme(length + LENGTH_SIZE + SIGNATURE_SIZE))",
    "Math.max(MIN_PADDED, length + LENGTH_SIZE + SIGNATURE_SIZE)",
  ),
];

const layouts: readonly Mutant[] = [
  one(
    "two stanzas may be for one key",
    "protocol/envelope.ts",
    "if (this.#stanzas.some((other) => equal(stanzaFp(other), fp))) {",
    "if (!fp) {",
  ),
  one(
    "an envelope may have any number of stanzas",
    "protocol/envelope.ts",
    "if (count < 1 || count > MAX_STANZAS) {",
    "if (count < 1) {",
  ),
  one(
    "an envelope may have no stanzas",
    "protocol/envelope.ts",
    "if (count < 1 || count > MAX_STANZAS) {",
    "if (count > MAX_STANZAS) {",
  ),
  one(
    "parts of an envelope may have any size",
    "protocol/envelope.ts",
    "if (size < min || size > max) {",
    "if (size < min) {",
  ),
  one(
    "an entry may be followed by anything",
    "protocol/entry.ts",
    "if (at !== bytes.length || entry.uid < 1 ||",
    "if (entry.uid < 1 ||",
  ),
  one(
    "an entry may have UID 0",
    "protocol/entry.ts",
    "entry.uid < 1 || entry.modseq < 1 ||",
    "entry.modseq < 1 ||",
  ),
  one(
    "an entry may have flags that there are not",
    "protocol/entry.ts",
    "if (high >>> 31 === 1) throw",
    "if (low < 0) throw",
  ),
  one(
    "an entry may be in a folder that there is not",
    "protocol/entry.ts",
    "if (number >= FIRST_OWN_FOLDER && number <= MAX_FOLDER) return number;",
    "if (number <= MAX_FOLDER) return number;",
  ),
  one(
    "a change may be of any size",
    "protocol/change.ts",
    "if (bytes.length !== size) throw malformed();",
    "if (bytes.length < size) throw malformed();",
  ),
  one(
    "a header of any version is read",
    "protocol/header.ts",
    "if (bytes[0] !== MESSAGE_VERSION) {",
    "if (bytes.length === 0) {",
  ),
  one(
    "a message id may be any 16 bytes",
    "protocol/uuid.ts",
    "id.length !== ID_SIZE || version !== 7 || variant !== 2",
    "id.length !== ID_SIZE",
  ),
  one(
    "a name may begin with a dot",
    "protocol/name.ts",
    "/^[a-z0-9][a-z0-9._-]{0,31}$/",
    "/^[a-z0-9._-]{1,32}$/",
  ),
  one(
    "a fingerprint may have stray bits",
    "protocol/schema.ts",
    "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=",
    "[A-Za-z0-9+/]{43}=",
  ),
  one(
    "JSON is not compared with its schema",
    "protocol/schema.ts",
    "if (result.success) return result.output;",
    "if (result.success || value) return result.output as v.InferOutput<T>;",
  ),
  one(
    "a summary may have members that are not known",
    SUMMARY,
    "const fields = v.strictObject({",
    "const fields = v.object({",
  ),
  one(
    "a request may have members that are not known",
    "protocol/request.ts",
    "export const deliverSchema = v.strictObject({",
    "export const deliverSchema = v.object({",
  ),
  one(
    "a malformed answer of the server reads as its refusal",
    "protocol/request.ts",
    'throw new SealpostError("protocol", `the server sent',
    'throw new SealpostError("format", `the server sent',
  ),
  one(
    "text from others may turn the direction of the line",
    "cli/printable.ts",
    "`[\\\\p{Cc}\\\\p{Cf}",
    "`[\\\\p{Cc}",
  ),
];

/** Breakages of the sealed message, and of what is read besides. */
export const OF_MESSAGES: readonly Mutant[] = [...sealed, ...layouts];
