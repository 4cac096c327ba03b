import { both, type Mutant, one } from "./mutant.ts";

const RECORD = "protocol/record.ts";
const FRAME = "protocol/frame.ts";
const CONNECTION = "protocol/connection.ts";

/** Breakages of records, frames and connections. */
export const OF_RECORDS: readonly Mutant[] = [
  one(
    "the key of records is never replaced",
    RECORD,
    "if (this.#i > 0 && this.#i % REKEY_INTERVAL === 0) {",
    "if (this.#i < 0) {",
  ),
  one(
    "the counter starts over with a new key",
    RECORD,
    "      this.#raw = raw;\n      this.#key = null;\n",
    "      this.#raw = raw;\n      this.#key = null;\n      this.#i = 0;\n",
  ),
  one(
    "the old key of records is kept in use",
    RECORD,
    "      this.#raw = raw;\n      this.#key = null;\n",
    "      this.#raw = raw;\n",
  ),
  one("records use a nonce twice", RECORD, "    this.#i++;\n", ""),
  both(
    "the length of a record is not authenticated",
    RECORD,
    ["aesSeal(key, nonce, plaintext, length)", "aesSeal(key, nonce, plaintext)"],
    [
      "aesOpen(key, nonce, ciphertext, header(ciphertext.length))",
      "aesOpen(key, nonce, ciphertext)",
    ],
  ),
  one(
    "records go on after one that failed",
    RECORD,
    "      this.#failed = true;\n      this.erase();\n",
    "",
  ),
  one(
    "a record without a plaintext is accepted",
    RECORD,
    "length < MIN_RECORD || ",
    "length < TAG || ",
  ),
  one("a record of any length is accepted", RECORD, " || length > MAX_RECORD) {", ") {"),
  one(
    "the key of records outlives the connection",
    RECORD,
    "    if (this.#raw) wipe(this.#raw);\n    this.#raw = null;\n    this.#key = null;\n",
    "",
  ),
  one(
    "padding of records may hold anything",
    FRAME,
    "if (isZero(plaintext.subarray(at))) return frames;",
    "return frames;",
  ),
  one(
    "frames need no request id",
    FRAME,
    "    if ((id !== 0) !== bounds.id) {",
    "    if (id < 0) {",
  ),
  one(
    "frames may have any size",
    FRAME,
    '    if (length < bounds.min || length > bounds.max) {\n      throw new SealpostError("protocol"',
    '    if (length < 0) {\n      throw new SealpostError("protocol"',
  ),
  one(
    "control records are not padded",
    FRAME,
    "if (control) whole =",
    "if (!control && !size) whole =",
  ),
  one(
    "a frame may run past its record",
    FRAME,
    "if (at + length > plaintext.length) throw",
    "if (at > plaintext.length) throw",
  ),
  one(
    "the record of a verdict is not padded more than others",
    "protocol/request.ts",
    "export const VERDICT_SIZE = 1024;",
    "export const VERDICT_SIZE = 0;",
  ),
  one(
    "frames after a goodbye are accepted",
    CONNECTION,
    "if (this.#incoming.length > 0) {",
    "if (this.#incoming.length < 0) {",
  ),
  one(
    "bytes after a goodbye are accepted",
    CONNECTION,
    "if (!await this.#ended()) {",
    "if (await this.#ended() === null) {",
  ),
  one(
    "a connection that ends without a goodbye has ended well",
    CONNECTION,
    "      if (!body) {\n",
    "      if (!body && !head) {\n        this.#over = true;\n        return;\n      }\n      if (!body) {\n",
  ),
  one(
    "something is sent after a failure",
    CONNECTION,
    "if (this.#failure !== null) break;",
    "if (this.#closed) break;",
  ),
  one(
    "a stream that ends within a message is taken for one that ended",
    "protocol/byte_stream.ts",
    "if (filled === 0) return null;",
    "if (filled >= 0) return null;",
  ),
];
