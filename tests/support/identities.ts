import { generateIdentity, type Identity } from "../../crypto/identity.ts";

const made = new Map<string, Promise<Identity>>();

/**
 * The identity of `name`, generated at most once in a process: keys of RSA take their time. Tests
 * that do not say otherwise get the smallest size, 2048 bits.
 */
export function identityOf(name: string, rsaBits = 2048): Promise<Identity> {
  const key = `${name} ${rsaBits}`;
  const known = made.get(key);
  if (known) return known;
  const fresh = generateIdentity({ rsaBits });
  made.set(key, fresh);
  return fresh;
}
