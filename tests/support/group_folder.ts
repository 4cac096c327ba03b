import { join } from "@std/path";
import { bundleToPem } from "../../crypto/identity.ts";
import { saveIdentityFiles, SERVER_NAME } from "../../files/key_files.ts";
import { newIdentityOf } from "./identities.ts";
import { type Build, passwordOf, run } from "./program.ts";
import { hashedUsers } from "./users.ts";

/** How {@linkcode makeGroup} makes a folder. */
export interface GroupFolderOptions {
  /** Names with a password and without keys. */
  readonly others?: readonly string[];
  /** Whether user_pass.json has the passwords themselves, for the server to hash; default: no. */
  readonly plain?: boolean;
  /** The program whose `keygen` makes the keys; default: they are those of {@linkcode newIdentityOf}. */
  readonly keygen?: Build;
}

/**
 * A folder as a group has it: `server/` with keys and passwords (`NAME` has the password
 * `password of NAME`), and a folder with keys for each of `clients`.
 */
export async function makeGroup(
  clients: readonly string[],
  options: GroupFolderOptions = {},
): Promise<{ readonly dir: string; readonly remove: () => Promise<void> }> {
  const dir = await Deno.makeTempDir({ prefix: "sealpost-" });
  for (const name of [SERVER_NAME, ...clients]) {
    if (options.keygen) await runKeygen(dir, name, options.keygen);
    else await writeFolder(dir, name);
  }
  const names = [...clients, ...options.others ?? []];
  const users = options.plain
    ? Object.fromEntries(names.map((name) => [name, passwordOf(name)]))
    : await hashedUsers(names);
  await Deno.writeTextFile(
    join(dir, SERVER_NAME, "user_pass.json"),
    JSON.stringify(users, null, 2),
    { mode: 0o600 },
  );
  return { dir, remove: () => Deno.remove(dir, { recursive: true }) };
}

async function runKeygen(cwd: string, name: string, build: Build): Promise<void> {
  const { code, stderr } = await run(["keygen", name, "--bits", "2048"], { cwd, build });
  if (code !== 0) throw new Error(`keygen ${name}: ${stderr}`);
}

/** Writes what `keygen NAME` writes, without the time that generating keys takes. */
async function writeFolder(dir: string, name: string): Promise<void> {
  const folder = join(dir, name);
  await saveIdentityFiles(folder, name, await newIdentityOf(name));
  if (name === SERVER_NAME) return;
  await Deno.mkdir(join(folder, "files"), { mode: 0o700 });
  const { bundle } = await newIdentityOf(SERVER_NAME);
  await Deno.writeTextFile(join(folder, "server_public.pem"), bundleToPem(bundle));
}
