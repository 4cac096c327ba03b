import type { Argon2Params } from "../../crypto/argon2.ts";
import { utf8 } from "../../crypto/bytes.ts";
import { hashPassword } from "../../crypto/phc.ts";
import { passwordOf } from "./program.ts";

/** The least that checking a password may cost by the server's rules. */
const CHEAP: Argon2Params = { memory: 8, passes: 1, parallelism: 1 };

/** What user_pass.json has for `names`, each with its {@linkcode passwordOf}: `cost` is cheap if not given. */
export async function hashedUsers(
  names: readonly string[],
  cost = CHEAP,
): Promise<Record<string, string>> {
  const users: Record<string, string> = {};
  for (const name of names) users[name] = await hashPassword(utf8(passwordOf(name)), cost);
  return users;
}
