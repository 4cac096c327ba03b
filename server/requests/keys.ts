import { toBase64 } from "../../crypto/bytes.ts";
import type { Response } from "../../protocol/request.ts";
import type { Handler } from "./request_context.ts";

/** The keys of other users. That of a removed user still verifies the mail they wrote. */
export const handleKeys: Handler<"keys"> = async ({ names }, { store, users }) => {
  const found: Response<"keys">["keys"] = [];
  for (const name of names) {
    const account = await store.account(name);
    if (account?.bundle) {
      const { seq } = account;
      const bundle = toBase64(account.bundle);
      found.push({ name, state: "bound", bundle, ...seq === 0 ? {} : { seq } });
    } else found.push({ name, state: users.has(name) ? "no-key" : "unknown" });
  }
  return { response: { ok: true, keys: found } };
};
