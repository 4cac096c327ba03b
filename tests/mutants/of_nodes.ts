import { type Mutant, one } from "./mutant.ts";

const POOL = "server/store/postgres/pool.ts";
const STORE = "server/store/postgres/postgres_store.ts";

const SHARED_LIMITS = "server/nodes/shared_limits.ts";

/** Breakages of what several servers do on one database. */
export const OF_NODES: readonly Mutant[] = [
  one(
    "users that were changed are told as a failure when the answer is lost",
    STORE,
    "if (again && tried.size > 0 && isDone) return true;",
    "if (again && tried.size < 0 && isDone) return true;",
  ),
  one(
    "an end of sessions whose answer is lost counts twice",
    STORE,
    "WHERE name = $1 AND ended_by IS DISTINCT FROM $2",
    "WHERE name = $1 AND ended_by IS DISTINCT FROM $2 || 'x'",
  ),
  one(
    "the time of a record does not know of heads that other servers have signed",
    STORE,
    "nextRecord(logStateOf(last), logged, Math.max(at, above))",
    "nextRecord(logStateOf(last), logged, Math.max(at, above - 1))",
  ),
  one(
    "statements that wait for an answer wait on when the connection is lost",
    POOL,
    "    for (const end of this.#waiting) end();\n",
    "    for (const end of this.#waiting) this.#waiting.has(end);\n",
  ),
  one(
    "wrong guesses count where they were made alone",
    SHARED_LIMITS,
    "    loginThrottle.onOwn = (what, name, source) => tell(`${what} ${name} ${source}`);\n",
    "",
  ),
  one(
    "penalties count where they were earned alone",
    SHARED_LIMITS,
    '        if (isOffence(first)) penalties.add(sourceNamed(second), first, "elsewhere");\n',
    "",
  ),
  one(
    "messages count where they were sent alone",
    SHARED_LIMITS,
    "        return messages.spend(first);\n",
    "        return;\n",
  ),
  one(
    "two servers have one number",
    "server/store/postgres/node_rows.ts",
    "WHERE n NOT IN (SELECT number FROM node)",
    "WHERE n NOT IN (SELECT 0 * number FROM node)",
  ),
  one(
    "a server that died is believed to be there",
    "server/store/postgres/node_rows.ts",
    "AND seen_at < clock_timestamp() - $2 * interval '1 millisecond'",
    "AND seen_at < clock_timestamp() - $2 * interval '1 day'",
  ),
  one(
    "sessions are ended at the server that is asked alone",
    "server/control/operations.ts",
    "Promise.all([this.#endHere(who), this.#ofOthers(request)])",
    "Promise.all([this.#endHere(who), { results: [], missing: [] }])",
  ),
  one(
    "a standby is taken for the server that takes writes",
    POOL,
    'target_session_attrs: "primary" as const,',
    'target_session_attrs: "read-write" as const,',
  ),
  one(
    "what others have changed since is changed all the same in a database",
    STORE,
    'if (integer(row, "modseq") > limit && !(again && same)) {',
    "if (limit < 0 && !(again && same)) {",
  ),
  one(
    "a change of flags is told under the modification sequence before it in a database",
    STORE,
    "numbers(changed.map(({ modseq }) => modseq)),",
    "numbers(changed.map(({ modseq }) => modseq - 1)),",
  ),
  one(
    "anybody may say whom they connect for",
    "server/server.ts",
    "if (!isIn(proxyFrom, sourceOf(accepted.peer, perSourceNetblock))) return accepted;",
    "if (proxyFrom.length === 0) return accepted;",
  ),
  one(
    "a balancer's header may be as long as it likes",
    "server/admission/proxy_header.ts",
    "if (length > MAX_REST) throw",
    "if (length < 0) throw",
  ),
  one(
    "a balancer's header may take as long as it likes",
    "server/admission/proxy_header.ts",
    "    late = true;\n    stream.close();\n",
    "    late = true;\n",
  ),
  one(
    "a server's own trouble with a login is held against who came",
    "server/admission/offence.ts",
    '    case "internal":\n',
    "",
  ),
];
