import { join } from "@std/path";
import { loadBundle, loadIdentity } from "../../files/key_files.ts";
import { withControl } from "./control.ts";
import { makeGroup } from "./group_folder.ts";
import type { Cluster } from "./postgres.ts";
import { type Outcome, passwordOf, run, ServerProcess } from "./program.ts";
import { type Person, RawSession } from "./raw_session.ts";

/** A database of whichever kind. */
export type AnyCluster = Pick<
  Cluster,
  "address" | "makeDatabase" | "options" | "password" | "removeDatabase"
>;

/** The folders of several servers with one key, and a database for them. */
export class Several implements AsyncDisposable {
  private constructor(
    readonly cluster: AnyCluster,
    readonly database: string,
    readonly dir: string,
    readonly remove: () => Promise<void>,
  ) {}

  /**
   * Makes folders for `servers` servers with these settings; `names` can log in. `addressFor` gives the
   * address at which a server, numbered from 1, finds the database.
   */
  static async make(
    names: readonly string[],
    servers: number,
    cluster: AnyCluster,
    settings: Readonly<Record<string, string>> = {},
    addressFor: (server: number, database: string) => string = (_, database) =>
      cluster.address(database),
  ): Promise<Several> {
    const database = await cluster.makeDatabase();
    const { dir, remove } = await makeGroup(names);
    const several = new Several(cluster, database, dir, remove);
    const made = [dir];
    for (let i = 1; i < servers; i++) made.push(join(dir, `node${i + 1}`));
    for (const [i, each] of made.entries()) {
      if (each !== dir) await copyKeys(join(dir, "server"), join(each, "server"));
      const server = join(each, "server");
      await Deno.writeTextFile(
        join(server, "sealpost.toml"),
        `store = "${addressFor(i + 1, database)}"\nstore-password-file = "store.password"\n` +
          Object.entries(settings).map(([name, value]) => `${name} = "${value}"\n`).join(""),
      );
      await Deno.writeTextFile(join(server, "store.password"), `${cluster.password}\n`);
    }
    return several;
  }

  /** The folder in which the folder `server` of the server with this number, from 1, is. */
  folder(server: number): string {
    return server === 1 ? this.dir : join(this.dir, `node${server}`);
  }

  run(server: number, ...args: readonly string[]): Promise<Outcome> {
    const cwd = this.folder(server);
    return run(args, { cwd, build: withControl(cwd), env: { USER: "root" } });
  }

  start(server: number): Promise<ServerProcess> {
    const cwd = this.folder(server);
    return ServerProcess.start({ cwd, build: withControl(cwd) });
  }

  async person(name: string): Promise<Person> {
    const identity = await loadIdentity(join(this.dir, name), name, () => Promise.resolve(null));
    return { name, identity, password: passwordOf(name) };
  }

  async logIn(at: ServerProcess, person: Person) {
    const bundle = await loadBundle(join(this.dir, "server", "server_public.pem"));
    return await RawSession.logIn(at.address, bundle, person);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster.removeDatabase(this.database);
    await this.remove();
  }
}

/** What all servers have in common: the keys. */
async function copyKeys(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true, mode: 0o700 });
  for (const name of ["server_private.pem", "server_public.pem"]) {
    await Deno.copyFile(join(from, name), join(to, name));
  }
}
