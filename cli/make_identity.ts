import { utf8 } from "../crypto/bytes.ts";
import { generateIdentity, type NewIdentity } from "../crypto/identity.ts";

/**
 * A new identity with an RSA key of `rsaBits`; what is being made is shown on standard error if that
 * is a terminal, and gone afterwards. Throws `usage` for a wrong size.
 */
export async function makeIdentity(rsaBits: number): Promise<NewIdentity> {
  if (!Deno.stderr.isTerminal()) return await generateIdentity({ rsaBits });
  const show = (text: string) => Deno.stderr.writeSync(utf8(`\r\x1b[K${text}`));
  try {
    return await generateIdentity({ rsaBits, onStep: (what) => show(`Making keys: ${what} …`) });
  } finally {
    show("");
  }
}
