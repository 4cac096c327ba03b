import { toBase64 } from "../../crypto/bytes.ts";
import type { Response } from "../../protocol/request.ts";
import type { Handler } from "./request_context.ts";

/** The keys of other users. That of a removed user still verifies the mail they wrote. */
export const handleKeys: Handler<"keys"> = async ({ names }, { store, users, heads }) => {
  // Of one moment: what the log's head says and what the keys are is the same.
  const { accounts, log } = await store.accountsAndLog(names);
  const keys = names.map((name, i): Response<"keys">["keys"][number] => {
    const account = accounts[i];
    if (!account?.bundle) return { name, state: users.has(name) ? "no-key" : "unknown" };
    const { seq } = account;
    const bundle = toBase64(account.bundle);
    return { name, state: "bound", bundle, ...seq === 0 ? {} : { seq } };
  });
  return { response: { ok: true, keys, head: toBase64(await heads.sign(log)) } };
};
