import { toBase64, toHex } from "../../crypto/bytes.ts";
import { ownAccount } from "./own_account.ts";
import type { Handler } from "./request_context.ts";

/** The own account and how full its mailbox is. */
export const handleWhoami: Handler<"whoami"> = async (_request, context) => {
  const { session: { name, fp }, store, users } = context;
  const account = await ownAccount(context);
  return {
    response: {
      ok: true,
      name,
      fp: toBase64(fp),
      epoch: toHex(account.epoch),
      nextUid: account.nextUid,
      modseq: account.modseq,
      ...await store.usage(name),
      ...users.hasOneTimePassword(name) ? { change: true } : {},
      ...account.seq === 0 ? {} : { seq: account.seq },
    },
  };
};
