import { type Mutant, one } from "./mutant.ts";

const ROTATION = "protocol/rotation.ts";
const BEGIN = "server/requests/rotate_begin.ts";
const ROTATE = "server/requests/rotate.ts";
const STORE = "server/store/sqlite_store.ts";

/** Breakages of certificates by which one key takes the place of another. */
export const OF_ROTATION: readonly Mutant[] = [
  one(
    "the old key need not have signed a certificate",
    ROTATION,
    "if (!await verify(from.ed25519Key, certificate.signatureOld, message)) {",
    "if (!from.ed25519Key) {",
  ),
  one(
    "the new key need not have signed a certificate",
    ROTATION,
    "if (!await verify(to.ed25519Key, certificate.signatureNew, message)) {",
    "if (!to.ed25519Key) {",
  ),
  one(
    "a certificate may be about other keys",
    ROTATION,
    "if (!equal(certificate.fpOld, from.fp) || !equal(certificate.fpNew, to.fp)) {",
    "if (!from.fp || !to.fp) {",
  ),
  one(
    "a step of a chain may be left out",
    ROTATION,
    "if (certificate.seq !== now.seq + 1) {",
    "if (certificate.seq <= now.seq) {",
  ),
  one(
    "a certificate for another name is followed",
    ROTATION,
    "if (certificate.name !== name) throw",
    "if (!certificate.name) throw",
  ),
  one(
    "a certificate for another server is followed",
    ROTATION,
    "if (serverFps.some((fp) => equal(fp, certificate.serverFp))) return certificate;",
    "if (serverFps.length < 99) return certificate;",
  ),
  one(
    "a key that was left may come back",
    ROTATION,
    "if (gone.some((fp) => equal(fp, certificate.fpNew))) {",
    "if (gone.length > 999) {",
  ),
  one(
    "what was verified of a key goes over to its successor",
    "client/state/pins.ts",
    "pins.set(name, { ...newPin(name, now.bundle, now.seq), unconfirmed, former });",
    "pins.set(name, { ...newPin(name, now.bundle, now.seq), unconfirmed, former, verified: pin?.verified ?? null });",
  ),
  one(
    "what is sent under the successor of a verified key does not wait",
    "client/state/pins.ts",
    "const unconfirmed = pin?.verified ? Date.now() : pin?.unconfirmed ?? null;",
    "const unconfirmed = pin?.unconfirmed ?? null;",
  ),
  one(
    "a message goes out although its recipient's new key was not confirmed",
    "client/mailbox/deliver.ts",
    "const held = await heldBack(waiting);",
    "const held = null as Awaited<ReturnType<typeof heldBack>>;",
  ),
  one(
    "a session that began with a ticket may change the key",
    "server/login.ts",
    "    exporter: null,",
    "    exporter,",
  ),
  one(
    "the server takes a new key without a proof",
    ROTATE,
    "if (!equal(offer.proof, fromBase64(request.proof))) {",
    "if (!offer.proof) {",
  ),
  one(
    "the server takes a certificate for another server",
    BEGIN,
    "if (!equal(certificate.serverFp, context.serverFp)) throw",
    "if (!certificate.serverFp) throw",
  ),
  one(
    "the server takes a certificate of any time",
    BEGIN,
    "if (Math.abs(Date.now() - certificate.time) > ROTATION_SLACK) {",
    "if (Math.abs(Date.now() - certificate.time) > 1e15) {",
  ),
  one(
    "the server takes a key that was somebody's",
    STORE,
    'if (this.#sql.usedKey.get(fpNew) !== undefined) return "used";',
    "void fpNew;",
  ),
  one(
    "a key that was left can be bound again",
    STORE,
    'if (this.#sql.successor.get(fp) !== undefined) return "retired";',
    "void fp;",
  ),
  one(
    "tickets outlive the key they were issued to",
    STORE,
    '      this.#sql.dropTickets.run(name);\n      this.#log({ event: "rotated",',
    '      this.#log({ event: "rotated",',
  ),
  one(
    "sessions under the old key go on",
    ROTATE,
    'registry.finishAll(name, "your key was replaced by a new one", LAST_REQUESTS).catch(() => {});',
    "void LAST_REQUESTS;",
  ),
  one(
    "a message that was sealed anew goes out twice",
    "client/state/outbox.ts",
    "for (const one of waiting) if (replaced.has(one.request.id)) await one.remove();",
    "replaced.clear();",
  ),
  one(
    "new keys that another client is settling are settled again",
    "files/next_keys.ts",
    "if (await lock.tryLock(true)) return new NextKeys(dir, name, lock);",
    "return new NextKeys(dir, name, lock);",
  ),
];
