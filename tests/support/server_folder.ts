import { join } from "@std/path";
import type { Argon2Params } from "../../crypto/argon2.ts";
import type { Bundle } from "../../crypto/identity.ts";
import { loadBundle, saveIdentityFiles } from "../../files/key_files.ts";
import { identityOf, newIdentityOf } from "./identities.ts";
import { passwordOf } from "./program.ts";
import type { Person } from "./raw_session.ts";
import { hashedUsers } from "./users.ts";

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

/** Makes a folder for a server, with a user for each of `names`. */
export async function makeServerFolder(
  names: readonly string[],
  options: ServerFolderOptions = {},
): Promise<ServerFolder> {
  const { toml = "", rsaBits = 2048, cost } = options;
  const root = await Deno.makeTempDir({ prefix: "sp-" });
  const dir = join(root, "server");
  await Deno.mkdir(dir, { mode: 0o700 });
  await saveIdentityFiles(dir, "server", await newIdentityOf("server", rsaBits));
  const users = await hashedUsers(names, cost);
  const people = new Map<string, Person>();
  for (const name of names) {
    people.set(name, { name, identity: await identityOf(name), password: passwordOf(name) });
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
