import { both, type Mutant, one } from "./mutant.ts";

const DISPATCHER = "server/requests/dispatcher.ts";
const DELIVER = "server/requests/deliver.ts";
const VISIT = "server/visit.ts";
const SESSION = "server/session.ts";
const STORE = "server/store/sqlite_store.ts";

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
    "if (!equal(bound, fp)) {",
    "if (!fp) {",
  ),
  one(
    "the server takes stanzas for others than the recipients",
    DELIVER,
    "if (given.length !== wanted.size || given.some((fp) => !wanted.has(fp))) {",
    "if (wanted.size === 0) {",
  ),
  one(
    "a session rests on the password that the user list has after its login",
    SESSION,
    "this.credential = loggedIn.credential;",
    'this.credential = context.users.credential(loggedIn.name) ?? "";',
  ),
  one(
    "nobody looks again at what a login was decided on",
    SESSION,
    "      if (await this.#isOver()) return;\n      await this.#tellHead();\n",
    "      await this.#tellHead();\n",
  ),
  one(
    "a login outlives the key that it was decided on",
    SESSION,
    "const hasKey = account?.fp ? equal(account.fp, this.fp) : false;",
    "const hasKey = account !== undefined;",
  ),
  one(
    "a login binds a key although its password was replaced",
    STORE,
    'if (!isAllowed()) return "not-allowed";',
    "void isAllowed;",
  ),
  one(
    "a key that an operator took away is bound again",
    STORE,
    'if (this.#sql.takenAway.get(fp, name) !== undefined) return "taken-away";',
    "void fp;",
  ),
  one(
    "a disabled user's ticket is taken",
    "server/accounts/users.ts",
    " && !this.#parsed(credential).disabled;",
    ";",
  ),
  one(
    "a ticket is bound to the password of the moment, not to that of its session",
    "server/accounts/tickets.ts",
    "credential: await digestOf(holder.credential),",
    'credential: await digestOf(this.#users.credential(holder.name) ?? ""),',
  ),
  both(
    "a handshake's place in the queue is free when its private operation ends",
    VISIT,
    [
      "      await context.key.timingGrid.wait(arrived);\n      return message;",
      "      return message;",
    ],
    [
      "  await stream.write(b);",
      "  await context.key.timingGrid.wait(arrived);\n  await stream.write(b);",
    ],
  ),
  one(
    "data frames of a byte cost nothing",
    DISPATCHER,
    "if (payload.length >= SMALL_FRAME ||",
    "if (payload.length >= 0 ||",
  ),
  one(
    "a message that was delivered can be sent again without limit",
    DELIVER,
    "  if (upload.charged) chargeMessage(limits, context);",
    "  if (!before) chargeMessage(limits, context);",
  ),
  one(
    "a ticket buys any number of private operations",
    "server/login.ts",
    "      await context.tickets.drop(id);\n",
    "",
  ),
];
