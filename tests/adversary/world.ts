import type { Item } from "../../client/mailbox/open.ts";
import { utf8 } from "../../crypto/bytes.ts";
import type { Summary } from "../../protocol/summary.ts";
import { identityOf } from "../support/identities.ts";
import { type SealedParts, sealMessage } from "../support/sealed.ts";
import { type Client, DishonestServer, logOnTo, PAGE } from "./dishonest_server.ts";

/** A dishonest server, and bob, who logs on to it as often as a test likes. */
export interface World {
  readonly server: DishonestServer;
  readonly dir: string;
  readonly logOn: (options?: { cache?: boolean; patience?: number }) => Promise<Client>;
}

export async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "sealpost-" });
  const clients: Client[] = [];
  try {
    await using server = await DishonestServer.start();
    for (const name of ["alice", "carol"]) server.keys.set(name, (await identityOf(name)).bundle);
    await work({
      server,
      dir,
      logOn: async (options) => {
        const client = await logOnTo(server, dir, "bob", options);
        clients.push(client);
        return client;
      },
    });
    for (const client of clients) await client[Symbol.asyncDispose]();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A message of alice to bob. */
export async function letter(text: string, more: Partial<Summary> = {}): Promise<SealedParts> {
  const bob = await identityOf("bob");
  const message = utf8(`Content-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n`);
  return await sealMessage(await identityOf("alice"), [bob.bundle], message, {
    subject: text.slice(0, 50),
    ...more,
  });
}

/** The inbox of a client, brought up to date. */
export async function inbox({ mail }: Client): Promise<Item[]> {
  await mail.sync();
  return await mail.list({ folder: "inbox", limit: PAGE });
}
