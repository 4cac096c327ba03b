import { type Mutant, one } from "./mutant.ts";

const DISPATCHER = "server/requests/dispatcher.ts";
const DELIVER = "server/requests/deliver.ts";

/** Breakages of what the server demands of a client that is logged in. */
export const OF_SERVER: readonly Mutant[] = [
  one(
    "request ids may come again",
    DISPATCHER,
    "if (frame.id <= this.#lastId) {",
    "if (frame.id < 0) {",
  ),
  one(
    "the server takes a message under another sender's key",
    DELIVER,
    "if (!equal(envelope.header.subarray(17, 49), sender.fp)) {",
    "if (!envelope) {",
  ),
  one(
    "the server takes a message under another id",
    DELIVER,
    "if (!equal(envelope.header.subarray(1, 17), id)) {",
    "if (!envelope) {",
  ),
  one(
    "the server takes a message for a key that its recipient has not",
    DELIVER,
    "if (!equal(account.fp, fp)) {",
    "if (!fp) {",
  ),
  one(
    "the server takes stanzas for others than the recipients",
    DELIVER,
    "if (given.length !== wanted.size || given.some((fp) => !wanted.has(fp))) {",
    "if (wanted.size === 0) {",
  ),
];
