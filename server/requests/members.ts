import { defined } from "../../crypto/defined.ts";
import { MAX_MEMBERS } from "../../protocol/limits.ts";
import type { Handler } from "./request_context.ts";

/** Who is in the user list, by name, a page at a time. Any user may ask. */
export const handleMembers: Handler<"members"> = async ({ after = "" }, { store, users }) => {
  const names = users.names().filter((name) => name > after).sort();
  const page = names.slice(0, MAX_MEMBERS);
  const members = (await store.accounts(page)).map(({ name, fullName, since, fp }) => {
    return { name, ...defined({ fullName: fullName ?? undefined }), since, bound: fp !== null };
  });
  return { response: { ok: true, members, more: names.length > page.length } };
};
