import { type Bytes, random } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { blob, integer, text } from "../statements.ts";
import type { NodeRow } from "../store.ts";
import type { Pool } from "./pool.ts";

/** The lock under which servers join: "SPno". */
const NODES_LOCK = 0x53506e6f;

/** Most servers on a database. */
const MAX_NODES = 99;

/** A question that is older was left by a server that died. */
const OLD_QUESTION = "interval '1 minute'";

const NODES = "SELECT id, number, address FROM node ORDER BY number";

/** The servers on a database, and what they ask each other: as in `SharedStore`. */
export class NodeRows {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async renew(node: Pick<NodeRow, "id" | "address">, lease: number): Promise<readonly NodeRow[]> {
    const { id, address } = node;
    const rows = await this.#pool.transaction(async (tx) => {
      const seen = await tx.run(
        "UPDATE node SET seen_at = clock_timestamp(), address = $2 WHERE id = $1",
        [id, address],
      );
      const late = await tx.run(
        `DELETE FROM node WHERE id <> $1
          AND seen_at < clock_timestamp() - $2 * interval '1 millisecond'`,
        [id, lease],
      );
      if (late > 0) await tx.run(`DELETE FROM question WHERE at < now() - ${OLD_QUESTION}`);
      if (seen === 0) {
        await tx.query("SELECT pg_advisory_xact_lock($1)", [NODES_LOCK]);
        const added = await tx.run(
          `INSERT INTO node (id, number, address, seen_at)
            SELECT $1, min(n), $2, clock_timestamp() FROM generate_series(1, ${MAX_NODES}) AS n
            WHERE n NOT IN (SELECT number FROM node) HAVING min(n) IS NOT NULL`,
          [id, address],
        );
        if (added === 0) {
          throw new SealpostError("limit", `more than ${MAX_NODES} servers on one database`);
        }
      }
      return await tx.query(NODES);
    });
    return rows.map((row) => ({
      id: blob(row, "id"),
      number: integer(row, "number"),
      address: text(row, "address"),
    }));
  }

  async remove(id: Bytes): Promise<void> {
    await this.#pool.run("DELETE FROM node WHERE id = $1", [id]);
  }

  async addQuestion(from: Bytes, question: string): Promise<Bytes> {
    const id = random(16);
    await this.#pool.run(
      `INSERT INTO question (id, node_id, question, at) VALUES ($1, $2, $3, now())
        ON CONFLICT (id) DO NOTHING`,
      [id, from, question],
    );
    return id;
  }

  async removeQuestion(id: Bytes): Promise<void> {
    await this.#pool.run("DELETE FROM question WHERE id = $1", [id]);
  }

  async questionsFor(node: Bytes) {
    const rows = await this.#pool.query(
      `SELECT q.id, q.question FROM question AS q WHERE q.node_id <> $1
        AND q.at > now() - ${OLD_QUESTION} AND NOT EXISTS
          (SELECT 1 FROM answer AS a WHERE a.question_id = q.id AND a.node_id = $1)
        ORDER BY q.at`,
      [node],
    );
    return rows.map((row) => ({ id: blob(row, "id"), question: text(row, "question") }));
  }

  async addAnswer(question: Bytes, node: Bytes, answer: string): Promise<void> {
    await this.#pool.run(
      `INSERT INTO answer (question_id, node_id, text)
        SELECT id, $2, $3 FROM question WHERE id = $1 FOR KEY SHARE
        ON CONFLICT (question_id, node_id) DO NOTHING`,
      [question, node, answer],
    );
  }

  async answersTo(question: Bytes) {
    const rows = await this.#pool.query(
      "SELECT node_id, text FROM answer WHERE question_id = $1",
      [question],
    );
    return rows.map((row) => ({ node: blob(row, "node_id"), text: text(row, "text") }));
  }
}
