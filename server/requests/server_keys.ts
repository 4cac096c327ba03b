import { equal, fromBase64, toBase64 } from "../../crypto/bytes.ts";
import { MAX_LINKS } from "../../protocol/rotation.ts";
import type { Handler } from "./request_context.ts";

/** The certificates that lead from a key that the server had to its present one. */
export const handleServerKeys: Handler<"server-keys"> = (
  { since },
  { serverLinks, serverBundle },
) => {
  const from = fromBase64(since);
  const at = serverLinks.findIndex(({ left }) => equal(left.fp, from));
  const links = at < 0 ? [] : serverLinks.slice(at, at + MAX_LINKS);
  return Promise.resolve({
    response: {
      ok: true,
      links: links.map(({ certificate, bundle }) => {
        return { certificate: toBase64(certificate), bundle: toBase64(bundle) };
      }),
      bundle: toBase64(serverBundle),
    },
  });
};
