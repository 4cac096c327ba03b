import { type Mutant, one } from "./mutant.ts";

const POOL = "server/store/postgres/pool.ts";
const STORE = "server/store/postgres/postgres_store.ts";

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
    "a server's own trouble with a login is held against who came",
    "server/admission/offence.ts",
    '    case "internal":\n',
    "",
  ),
];
