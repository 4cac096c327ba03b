import { join } from "@std/path";
import { SERVER_NAME } from "../../files/key_files.ts";
import { openPostgresStore } from "../../server/store/postgres/postgres_store.ts";
import type { Cluster } from "./postgres.ts";
import { makeServerFolder, type ServerFolder } from "./server_folder.ts";
import { Serving } from "./serving.ts";

/** Several servers of this process on one database, each with a folder of its own, and their people. */
export class ServingSeveral implements AsyncDisposable {
  private constructor(
    readonly cluster: Cluster,
    readonly database: string,
    readonly servers: readonly Serving[],
  ) {}

  /** Starts `count` servers with these settings; `names` can log in at each. */
  static async start(
    names: readonly string[],
    count: number,
    cluster: Cluster,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<ServingSeveral> {
    const database = await cluster.makeStore();
    const first = await makeServerFolder(names);
    const store = await openPostgresStore(cluster.options(database));
    const users = JSON.parse(await Deno.readTextFile(join(first.dir, "user_pass.json")));
    await store.changeLogins(() => new Map(Object.entries(users)));
    await store.ensureAccounts(names);
    await store.close();
    const servers: Serving[] = [];
    for (let i = 0; i < count; i++) {
      const folder = i === 0 ? first : await copyOf(first);
      await Deno.writeTextFile(join(folder.dir, "store.password"), cluster.password);
      servers.push(
        await Serving.of(folder, {
          store: cluster.address(database),
          "store-password-file": "store.password",
          ...settings,
        }),
      );
    }
    return new ServingSeveral(cluster, database, servers);
  }

  /** The server with this number, from 1. */
  at(number: number): Serving {
    const server = this.servers[number - 1];
    if (server === undefined) throw new RangeError(`there is no server ${number} in this test`);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
    await this.cluster.removeDatabase(this.database);
  }
}

/** A folder with the same keys. */
async function copyOf(folder: ServerFolder): Promise<ServerFolder> {
  const root = await Deno.makeTempDir({ prefix: "sp-" });
  const dir = join(root, "server");
  await Deno.mkdir(dir, { mode: 0o700 });
  for (const kind of ["private", "public"]) {
    const name = `${SERVER_NAME}_${kind}.pem`;
    await Deno.copyFile(join(folder.dir, name), join(dir, name));
  }
  return {
    ...folder,
    dir,
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}
