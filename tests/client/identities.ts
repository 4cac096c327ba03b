import { generateIdentity, type Identity } from "../../crypto/identity.ts";

let made: Promise<{ alice: Identity; bob: Identity }> | undefined;

/** Two identities, made once for all tests of a file: RSA takes its time. */
export function identities(): Promise<{ alice: Identity; bob: Identity }> {
  made ??= Promise.all([1, 2].map(() => generateIdentity({ rsaBits: 2048 }))).then(
    ([alice, bob]) => {
      if (!alice || !bob) throw new Error("no identities");
      return { alice, bob };
    },
  );
  return made;
}
