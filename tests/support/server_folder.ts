import { join } from "@std/path";
import type { Argon2Params } from "../../crypto/argon2.ts";
import { utf8 } from "../../crypto/bytes.ts";
import type { Bundle } from "../../crypto/identity.ts";
import { hashPassword } from "../../crypto/phc.ts";
import { loadBundle, saveIdentityFiles } from "../../files/key_files.ts";
import { generateIdentity, type NewIdentity } from "../../crypto/identity.ts";
import { identityOf } from "./identities.ts";
import { passwordOf } from "./program.ts";
import type { Person } from "./raw_session.ts";

/** A server's folder, and its people. */
export interface ServerFolder extends AsyncDisposable {
  /** The server's folder. */
  readonly dir: string;
  readonly bundle: Bundle;
  person(name: string): Person;
}

/** How {@linkcode makeServerFolder} makes it. */
export interface ServerFolderOptions {
  /** The text of sealpost.toml. */
  readonly toml?: string;
  /** The size of the server's RSA key; default: 2048, which is made faster. */
  readonly rsaBits?: number;
  /** What checking a password costs; default: next to nothing. */
  readonly cost?: Argon2Params;
}

const CHEAP: Argon2Params = { memory: 8, passes: 1, parallelism: 1 };

let serverKeys: Promise<NewIdentity> | null = null;

/** Makes a folder for a server, with a user for each of `names`. */
export async function makeServerFolder(
  names: readonly string[],
  options: ServerFolderOptions = {},
): Promise<ServerFolder> {
  const { toml = "", rsaBits = 2048, cost = CHEAP } = options;
  const root = await Deno.makeTempDir({ prefix: "sp-" });
  const dir = join(root, "server");
  await Deno.mkdir(dir, { mode: 0o700 });
  await saveIdentityFiles(
    dir,
    "server",
    await (serverKeys ??= generateIdentity({ rsaBits })),
  );
  const users: Record<string, string> = {};
  const people = new Map<string, Person>();
  for (const name of names) {
    const password = passwordOf(name);
    users[name] = await hashPassword(utf8(password), cost);
    people.set(name, { name, identity: await identityOf(name), password });
  }
  await Deno.writeTextFile(join(dir, "user_pass.json"), JSON.stringify(users), { mode: 0o600 });
  if (toml !== "") await Deno.writeTextFile(join(dir, "sealpost.toml"), toml);
  return {
    dir,
    bundle: await loadBundle(join(dir, "server_public.pem")),
    person: (name) => {
      const person = people.get(name);
      if (!person) throw new Error(`there is no ${name} in this test`);
      return person;
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}
