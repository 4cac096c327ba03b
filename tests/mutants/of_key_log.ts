import { type Mutant, one } from "./mutant.ts";

const LOG = "protocol/key_log.ts";
const PROOF = "protocol/fork_proof.ts";
const CLIENT = "client/trust/key_log.ts";
const ROWS = "server/store/key_log_rows.ts";
const STORE = "server/store/sqlite_store.ts";

/** Breakages of the key log, of what finds two histories of it, and of what follows from that. */
export const OF_KEY_LOG: readonly Mutant[] = [
  one(
    "the hash of a key log leaves the hash before it out",
    LOG,
    "sha256Now(concat(before, encodeLogRecord(record)))",
    "sha256Now(encodeLogRecord(record))",
  ),
  one(
    "records of a key log may be left out",
    LOG,
    "record.index !== n + 1 || record.time < time",
    "record.index <= n || record.time < time",
  ),
  one(
    "a generation may begin behind any log",
    LOG,
    "record.seq <= generation || !equal(record.fp, hash)",
    "record.seq <= generation",
  ),
  one(
    "a head of another history fits",
    LOG,
    'equal(of.hash(n), head.hash) ? "fits" : "contradicts"',
    'n <= of.n ? "fits" : "contradicts"',
  ),
  one(
    "a former generation may go on",
    LOG,
    '  if (head.time > successor * 1000 + GENERATION_SLACK) return "contradicts";\n',
    "",
  ),
  one(
    "heads need no signature",
    LOG,
    "  return equal(head.serverFp, server.fp) &&\n",
    "  return equal(head.serverFp, server.fp) ||\n",
  ),
  one(
    "a proof of two histories may have heads that nobody signed",
    PROOF,
    "    if (!await isSignedHead(one, server)) throw",
    "    if (one.n < 0) throw",
  ),
  one(
    "a proof of two histories may have a head that was signed later",
    PROOF,
    '(standing === "ahead" && wentBack(head, other))',
    'standing === "ahead"',
  ),
  one(
    "a key that is not in the key log is used",
    CLIENT,
    "      for (const key of keys) await this.#requireLogged(key, shown);\n",
    "",
  ),
  one(
    "an old key log makes old keys the newest",
    CLIENT,
    "      if (this.#shown !== null && isBehind(shown, this.#shown)) throw wentBackNow();\n",
    "",
  ),
  one(
    "a login may show an old key log",
    CLIENT,
    'if (kept !== null && !isLogin && judgeHead(shown, kept.log) === "fits") return;',
    'if (kept !== null && judgeHead(shown, kept.log) === "fits") return;',
  ),
  one(
    "a binding may be hidden from the key log's reader",
    CLIENT,
    "      if (logged !== null) throw unlogged(key.name, null, logged);\n",
    "",
  ),
  one(
    "the server's log may go back",
    CLIENT,
    'before !== null && (standing === "contradicts" || standing === "ahead")',
    'before !== null && standing === "contradicts"',
  ),
  one(
    "a head in a message that contradicts the log is passed over",
    CLIENT,
    '    if (standing !== "contradicts") return;\n',
    "    if (log.n >= 0) return;\n",
  ),
  one(
    "records that never come are waited for without a word",
    CLIENT,
    '      if (standing === "ahead") await this.#foundFork(from, head, kept.log, kept.head);\n      else await',
    '      if (standing !== "ahead") await',
  ),
  one(
    "a full disk takes the alarm of two histories away",
    CLIENT,
    '        // The alarm matters more than the proof.\n        if (!isSealpostError(error, "disk-full")) throw error;\n',
    "        throw error;\n",
  ),
  one(
    "a key log of any length is followed",
    CLIENT,
    "    if (head.n <= MAX_LOG) return head;\n",
    "    if (head.n >= 0) return head;\n",
  ),
  one(
    "mail under a doubtful key goes out after a fork",
    CLIENT,
    'return kept.fork && isDoubtful(pin, kept, kept.fork.since) ? [{ pin, why: "fork" }] : [];',
    "return [];",
  ),
  one(
    "mail goes out to those whose key a restore has lost",
    CLIENT,
    '      if (lostNames(kept).includes(pin.name)) return [{ pin, why: "restore" }];\n',
    "",
  ),
  one(
    "a foreign key of one's own name is not told",
    CLIENT,
    "    for (const record of own) this.onNotice(foreignText(record));\n",
    "    for (const record of own) foreignText(record);\n",
  ),
  one(
    "a rotation is not logged",
    STORE,
    '      this.#log({ event: "rotated", name, fp: fpNew, seq }, at);\n',
    "",
  ),
  one(
    "times in the key log may go back",
    ROWS,
    "time: Math.max(at, time)",
    "time: at",
  ),
  one(
    "a head may carry the time of a record to come",
    STORE,
    "Math.max(at, this.#headTime + 1)",
    "Math.max(at, this.#headTime)",
  ),
  one(
    "a restore may begin a generation that there was",
    ROWS,
    "time) / 1000), generation + 1, above + 1)",
    "time) / 1000), generation + 1)",
  ),
  one(
    "fsck does not compare the key log with the accounts",
    "server/maintenance/row_check.ts",
    "    if (!same) {\n",
    "    if (same === null) {\n",
  ),
  one(
    "a person's certificate is taken for one of the server",
    "protocol/rotation.ts",
    '  if (certificate.name === "" && equal(certificate.serverFp, certificate.fpOld)) return certificate;\n',
    "  if (certificate.seq > 0) return certificate;\n",
  ),
  one(
    "a key that the server has left is answered for ever",
    "server/accounts/server_keys.ts",
    "return now <= time + SERVER_GRACE;",
    "return now + SERVER_GRACE >= time;",
  ),
  one(
    "a key of the server that came and went unserved is not logged",
    STORE,
    "keys.slice(keys.findLastIndex(({ fp }) => last && equal(fp, last)) + 1)",
    "keys.slice(-1).filter(({ fp }) => !last || !equal(fp, last))",
  ),
  one(
    "the server may go back to a key that it has left",
    "client/connection/follow_server.ts",
    "      to,\n      left,\n",
    "      to,\n      [],\n",
  ),
  one(
    "the server's newest key need not be in its key log",
    CLIENT,
    "if (newest && present && newest.seq === seq && equal(newest.fp, present.fp)) return;",
    "if (newest && present && newest.seq <= seq) return;",
  ),
  one(
    "heads that a former key of the server has signed begin a session",
    CLIENT,
    "if (signer === null || signer !== this.#servers[0]) {",
    "if (signer === null) {",
  ),
  one(
    "a refusal is taken back with a handshake that was left",
    "server/admission/penalties.ts",
    "    if (entry === undefined || entry.refusedUntil > this.#now()) return;\n    entry.endsAt -= this.#cost(offence, entry);\n",
    "    if (entry === undefined) return;\n    entry.endsAt = entry.refusedUntil = 0;\n",
  ),
];
