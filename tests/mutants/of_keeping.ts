import { both, type Mutant, one } from "./mutant.ts";

const CACHE = "client/state/cache.ts";
const PINS = "client/state/pins.ts";
const CHANGES = "client/mailbox/changes.ts";
const DRAFTS = "client/sync_drafts.ts";
const MEMORY = "client/state/mailbox_memory.ts";
const ATTACHMENTS = "client/message/attachments.ts";

const JOURNAL = "server/store/delivery_journal.ts";
const QUEUE = "server/store/commit_queue.ts";

/** Breakages of what a server keeps, and of whom it lets in. */
const server: readonly Mutant[] = [
  one(
    "wrong guesses are not counted",
    "server/admission/login_throttle.ts",
    "count.failures < maxGuesses",
    "count.failures < 2 ** 31",
  ),
  one(
    "an account that has a key takes another",
    "server/store/statements.ts",
    "    WHERE name = ? AND fp IS NULL`,",
    "    WHERE name = ?`,",
  ),
  one(
    "a number of a folder is given again",
    "server/store/statements.ts",
    "takeNumber: `UPDATE folder SET next = next + 1,",
    "takeNumber: `UPDATE folder SET next = count + 2,",
  ),
  one(
    "a move leaves no trace",
    "server/store/sqlite_store.ts",
    '          this.#depart(id, modseq, "left", { uid, ...old }, at);\n',
    "",
  ),
  one(
    "changes that are forgotten are passed over",
    "server/store/sqlite_store.ts",
    "if (since < forgotten || since > mailbox.modseq) {",
    "if (since > mailbox.modseq) {",
  ),
  one(
    "the shared record is replaced by whoever comes last",
    "server/store/sqlite_store.ts",
    'if ((row === undefined ? 0 : integer(row, "version")) !== version) {',
    "if (version < 0) {",
  ),
  one(
    "a shared record opens under any version",
    "protocol/shared_record.ts",
    "return concat(lp(utf8(name)), u64(version));",
    "return concat(lp(utf8(name)), u64(Math.sign(version)));",
  ),
  one(
    "a removal wins over a value of the same version",
    "protocol/shared_record.ts",
    "Number(x.value !== undefined) - Number(y.value !== undefined) ||",
    "Number(y.value !== undefined) - Number(x.value !== undefined) ||",
  ),
  one(
    "what was removed comes back with a machine that was away",
    "protocol/shared_record.ts",
    "if (!wentBack && own.seen < forgotten) return theirs;",
    "if (!wentBack && own.seen < 0 * forgotten) return theirs;",
  ),
  one(
    "what is made again after a removal that was forgotten is taken for removed",
    "protocol/shared_record.ts",
    "filter(([, { gone }]) => !gone || gone.put > forgotten);",
    "filter(([, { gone }]) => !gone || gone.put > 0);",
  ),
  one(
    "a removal is forgotten for what was put before it",
    "protocol/shared_record.ts",
    "const first = Math.max(put, ...others.map((one) => one.put + 1));",
    "const first = Math.max(put, ...others.map(() => 0));",
  ),
  one(
    "what wins of a shared record depends on the order of merging",
    "protocol/shared_record.ts",
    "    compareText(x.machine, y.machine) ||\n",
    "",
  ),
  one(
    "an older shared record is taken in silence",
    "client/mailbox/shared_record.ts",
    "const wentBack = version < kept.seen || put < kept.put;",
    "const wentBack = version < 0;",
  ),
  one(
    "a former key seals what counts after it was left",
    "client/mailbox/shared_record.ts",
    "      if (sealedBy !== null && equal(sealedBy, fp)) throw notOurs(error);\n",
    "",
  ),
  one(
    "a folder takes a number that another machine took first",
    "client/mailbox/shared_record.ts",
    "return changes[i]?.isNew && there",
    "return !changes[i]?.isNew && there",
  ),
  one(
    "the number of a folder that was removed is used again",
    "client/mailbox/own_names.ts",
    "highest = Math.max(highest, numberIn(key, kind) ?? 0);",
    "highest = Math.max(highest, record.entries.get(key)?.value && numberIn(key, kind) || 0);",
  ),
  one(
    "other bytes under an id that was used are taken for the same",
    "server/store/mailbox_rows.ts",
    "return equal(known.digest, digest) ? {",
    "return known ? {",
  ),
  one(
    "connections that are not logged in make no room",
    "server/admission/connection_limiter.ts",
    "    if (this.#unauthenticated.size >= settings.maxUnauthenticated) this.#evictOldest();\n",
    "",
  ),
  one(
    "a client that lets the server wait is not closed",
    "server/admission/timed_stream.ts",
    "      this.#timedOut = true;\n      this.#stream.close();\n",
    "      this.#timedOut = true;\n",
  ),
  one(
    "a delivery is acknowledged before its record is on the disk",
    JOURNAL,
    "      await this.#disk.syncData(this.#file);\n",
    "",
  ),
  one(
    "a record of the journal that was cut or altered is taken",
    JOURNAL,
    "crc32(marked) === readU32(bytes, at + 4)",
    "at >= 0",
  ),
  one(
    "records of a former generation are taken again",
    JOURNAL,
    "!equal(marked.subarray(0, GENERATION_SIZE), generation)",
    "generation.length === 0",
  ),
  one(
    "a delivery that cannot be made again is dropped",
    "server/store/replay.ts",
    "  if (!refused && !isConstraint(error)) throw error;\n",
    "  if (!refused && isConstraint(error)) throw error;\n",
  ),
  one(
    "deliveries whose rows were committed are taken from the journal again",
    QUEUE,
    "    if (renews) this.#statements.setJournalGeneration.run(generation);\n",
    "",
  ),
  one(
    "rows that were lost with a transaction are not made again",
    QUEUE,
    "    replay(this.#savepoint, this.#rows, deliveries);\n",
    "",
  ),
  one(
    "the journal goes on although a commit failed that a crash could bring back",
    QUEUE,
    "    this.#journal.giveUp(journalSize);\n",
    "",
  ),
  one(
    "a folder that a delivery makes depends on the clock",
    "server/store/mailbox_rows.ts",
    "Math.floor(at / 1000)",
    "Math.floor(performance.now() + at / 1000)",
  ),
  one(
    "a backup leaves out what the journal alone has",
    "server/maintenance/backup.ts",
    "(db) => commitJournal(db, journal, store)",
    "() => {}",
  ),
  one(
    "stored bodies can be read by others",
    "server/store/body_files.ts",
    "createNew: true, mode: 0o600",
    "createNew: true, mode: 0o644",
  ),
  one(
    "tickets come back from a backup",
    "server/maintenance/restore.ts",
    'runStatements(db, "DELETE FROM ticket; COMMIT");',
    'runStatements(db, "COMMIT");',
  ),
];

/** Breakages of what a client keeps, and of how it meets what others send. */
const client: readonly Mutant[] = [
  one(
    "a private key that others can read is used",
    "files/key_files.ts",
    "(mode & 0o077) === 0",
    "(mode & 0o077) >= 0",
  ),
  one(
    "a known key is replaced in silence",
    PINS,
    '        if (!equal(pin.fp, bundle.fp)) throw keyChanged(pin, bundle.fp);\n        return "same";\n',
    '        if (equal(pin.fp, bundle.fp)) return "same";\n',
  ),
  one(
    "a key that is known of one person is taken for another",
    PINS,
    "      if (other !== null) throw taken(other, name);\n",
    "",
  ),
  one(
    "a mailbox may go back",
    MEMORY,
    "nextUid < least.nextUid ||",
    "",
  ),
  one(
    "a mailbox may go back to a former epoch",
    MEMORY,
    "renewed ? before.former.includes(epoch) :",
    "renewed ? false :",
  ),
  one(
    "another message may stand under a known number",
    MEMORY,
    "} else if (!equal(same.whole, entry.whole)) {",
    "} else if (!same.whole) {",
  ),
  one(
    "a message that comes again is not marked",
    MEMORY,
    "if (copies > (entry.own ? 1 : 0)) duplicates",
    "if (copies > 9) duplicates",
  ),
  one(
    "the name of an attachment may be a path",
    ATTACHMENTS,
    '.split(/[/\\\\]/).at(-1) ?? ""',
    "",
  ),
  one(
    "an attachment may be called like a device",
    ATTACHMENTS,
    'if (RESERVED.test(safe.replace(/[ .]+(?=\\.|$)/g, ""))) safe',
    "if (!safe) safe",
  ),
  one(
    "a message may have a million parts",
    "client/message/parse.ts",
    "  parts: 1000,",
    "  parts: 1_000_000,",
  ),
  one(
    "a text may hold any number of attachments",
    "client/message/parse.ts",
    "this.#attachments.length < this.limits.parts",
    "this.#attachments.length < Infinity",
  ),
  one(
    "UTF-7 hides markup in HTML",
    "client/message/charsets.ts",
    " || (html && UTF7.test(name))",
    "",
  ),
  one(
    "rows that are deleted stay in the free pages of the cache",
    CACHE,
    "PRAGMA secure_delete = ON",
    "PRAGMA secure_delete = OFF",
  ),
  one(
    "the write-ahead log keeps what was deleted",
    CACHE,
    'this.#get("PRAGMA wal_checkpoint(TRUNCATE)");',
    "",
  ),
  one(
    "the body of a deleted message stays",
    "client/mailbox/forget.ts",
    "    await bodies?.drop(cached.entry);\n",
    "",
  ),
  one(
    "anybody may say that a message was stored by its reader",
    "client/message/unseal.ts",
    "if (opened.summary.stored && !equal(stanzaFp(head.stanza), header.senderFp)) {",
    "if (opened.summary.stored && !head.stanza) {",
  ),
  one(
    "whom a stored message is said to be from counts as verified",
    "client/mailbox/open.ts",
    "verification: summary.stored",
    "verification: !summary",
  ),
  one(
    "a draft that the server lost is removed here",
    DRAFTS,
    "const isRemoved = removed.has(id) || removed.has(stored.edition);",
    "const isRemoved = removed.size >= 0;",
  ),
  one(
    "a draft whose file is lost here is passed over",
    DRAFTS,
    "if (tip === stored?.edition && local !== null) {\n      return unchanged ? undefined",
    "if (tip === stored?.edition) {\n      return unchanged || local === null ? undefined",
  ),
  one(
    "a draft that is removed while it is stored comes back",
    DRAFTS,
    "    if (!await this.#mail.drafts.has(id)) await this.#editions.leave(id);\n",
    "",
  ),
  one(
    "a draft that is sent while it is stored comes back when the program is killed",
    DRAFTS,
    "storing[id] === read.origin.saved",
    "storing[id] === undefined",
  ),
  one(
    "another text goes with the draft that was sent",
    "client/state/drafts.ts",
    "return current?.savedAt === known ? { ...current",
    "return current ? { ...current",
  ),
  one(
    "an older text takes the place of a newer one",
    DRAFTS,
    "(!unchanged || isOlder)",
    "(!unchanged || (isOlder && id === tip))",
  ),
  one(
    "a draft that was changed here is replaced by another machine's",
    DRAFTS,
    "const unchanged = local !== null && local.savedAt === stored?.saved;",
    "const unchanged = local !== null && stored !== null;",
  ),
  one(
    "nobody is told that a draft was sent",
    DRAFTS,
    "    if (drafts.length > 0) await this.#mail.tellRemovedDrafts(drafts);\n",
    "",
  ),
  one(
    "removals are not taken over",
    "client/mailbox/sync.ts",
    "  await forget(news.gone.filter((uid) => cache.has(uid)));\n",
    "",
  ),
  one(
    "changes may go back while messages do not",
    MEMORY,
    "|| modseq < least.modseq",
    "",
  ),
  one(
    "a new message may be hidden from a client that follows",
    CHANGES,
    "if (next < nextUid) {",
    "if (next < 0) {",
  ),
  one(
    "the last change may be hidden",
    CHANGES,
    "if (response.more || since !== modseq) throw contradiction();",
    "if (response.more) throw contradiction();",
  ),
  one(
    "changes may be repeated",
    CHANGES,
    "change.modseq <= since ||",
    "change.modseq < since ||",
  ),
  one(
    "a message that is gone may come back",
    CHANGES,
    'else if (this.#latest.get(uid) === "gone") throw contradiction();',
    "",
  ),
  one(
    "changes are taken over on top of what another client has taken over",
    CACHE,
    "if (textOf(this.fetched()) !== textOf(from)) {",
    "if (from.top < 0) {",
  ),
  one(
    "an unproven line keeps a client away for as long as it says",
    "protocol/plaintext.ts",
    "Math.min(Number(seconds), MAX_UNPROVEN_WAIT)",
    "Number(seconds)",
  ),
  one(
    "a client that connects by itself gives up because of an unproven answer",
    "client/connection/reconnecting_connection.ts",
    '  "secret-needed",\n  "usage",\n',
    '  "secret-needed",\n  "usage",\n  "version",\n  "server-identity",\n',
  ),
  one(
    "a message is not sent where only the cache has no room",
    "client/state/lanes.ts",
    '      if (!isSealpostError(error, "disk-full")) throw error;\n',
    "      throw error;\n",
  ),
  one(
    "a database without room is an error like any other",
    "files/atomic_file.ts",
    "SQLITE_DISK_FULL.includes(Number(error.errcode))",
    "error.errcode === undefined",
  ),
  one(
    "why SQLite refuses a statement is lost",
    "files/sqlite.ts",
    "db.prepare(one).run()",
    "db.exec(one)",
  ),
  both(
    "what a client keeps is not bound to its file",
    "client/state/state.ts",
    ["await aesSeal(this.#key, nonce, data, utf8(name))", "await aesSeal(this.#key, nonce, data)"],
    ["sealed.subarray(1 + NONCE_SIZE), utf8(file))", "sealed.subarray(1 + NONCE_SIZE))"],
  ),
  one(
    "texts are fetched although somebody asks for something",
    "client/background_texts.ts",
    "if (!this.#opening) this.pause();",
    "if (this.#opening) this.pause();",
  ),
  one(
    "texts are fetched without end",
    "client/background_texts.ts",
    "if (cache.textBytes() >= searchTexts) return false;",
    "if (cache.textBytes() < 0) return false;",
  ),
  one(
    "an old notice of an address wins over a newer one",
    "client/state/address_notice.ts",
    "decode(current).date >= date",
    "decode(current).date === date",
  ),
  one(
    "what was said to one notice counts for the next",
    "client/state/address_notice.ts",
    "const same = kept?.date === date;",
    "const same = kept !== null;",
  ),
  one(
    "what is taken back on the screen goes out",
    "client/held_sends.ts",
    "held.answer(goesOut);",
    "held.answer(true);",
  ),
  one(
    "what the screen sends is given up when it is left",
    "client/held_sends.ts",
    "for (const held of [...this.#held]) this.#answer(held, true);",
    "for (const held of [...this.#held]) this.#answer(held, false);",
  ),
  one(
    "what one client has set aside another one forgets",
    "client/state/outbox.ts",
    "if (await this.has(request.id)) release();",
    "if (fresh) release();",
  ),
  one(
    "a message waits until there is room for the reason why it is not sent",
    "client/state/outbox.ts",
    "const aside = `${path}${REFUSED}`;",
    "await note(why);\n        const aside = `${path}${REFUSED}`;",
  ),
];

/** Breakages beside the protocol: of what is kept on disks, and who may have it. */
export const OF_KEEPING: readonly Mutant[] = [...server, ...client];
