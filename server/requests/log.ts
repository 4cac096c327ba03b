import { type Bytes, lp, toBase64 } from "../../crypto/bytes.ts";
import { encodeLogRecord, type LogRecord, MAX_LOG_PAGE } from "../../protocol/key_log.ts";
import type { Handler } from "./request_context.ts";

/** The key log, which every user sees whole. */
export const handleLog: Handler<"log"> = async ({ after }, { store, heads }) => {
  const { first, log, records } = await store.logRecords(after, MAX_LOG_PAGE);
  const head = toBase64(await heads.sign(log));
  return { response: { ok: true, first, head }, data: encoded(records) };
};

async function* encoded(
  records: readonly LogRecord[],
): AsyncGenerator<Bytes, void, undefined> {
  for (const record of records) yield await Promise.resolve(lp(encodeLogRecord(record)));
}
