import { SealpostError } from "../../crypto/error.ts";
import type { Account } from "../store/store.ts";
import type { RequestContext } from "./request_context.ts";

/** The account of the session's user. */
export async function ownAccount({ store, session }: RequestContext): Promise<Account> {
  const account = await store.account(session.name);
  if (!account) throw new SealpostError("internal", "a session without an account");
  return account;
}
