// Transfers that break off, at many points and in many ways: they go on where they were.

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { AttachmentSource } from "../../client/message/compose.ts";
import { parseMessage } from "../../client/message/parse.ts";
import { type Bytes, concat, random } from "../../crypto/bytes.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { sampleOf, testInFull } from "../support/full.ts";
import { Group } from "../support/group.ts";
import { buildFor } from "../support/command.ts";
import { passwordOf, Program } from "../support/program.ts";
import { type Direction, type Hook, Relay } from "../support/relay.ts";
import { filesBelow } from "../support/search.ts";
import { openSession, type Session } from "../support/session.ts";
import { waitFor } from "../support/wait.ts";

const MIB = 1 << 20;
/** What may be on its way between the relay and the disk of the other end, bytes. */
const IN_FLIGHT = 0.7 * MIB;

function source(data: Bytes): AttachmentSource {
  return {
    name: "bulk.bin",
    size: data.length,
    open: () => Promise.resolve(new Blob([data]).stream()),
  };
}

/** Waits until the unfinished files in `folder` have as many bytes, less those that are on their way. */
async function written(folder: string, bytes: number): Promise<void> {
  await waitFor("what was sent", async () => {
    const unfinished = (await filesBelow(folder)).filter((path) => path.includes("."));
    const sizes = unfinished.map((path) => Deno.statSync(join(folder, path)).size);
    return sizes.reduce((sum, size) => sum + size, 0) >= bytes - IN_FLIGHT ? true : null;
  });
}

/**
 * Cuts the first connection through a relay as soon as one side has sent so many bytes, and the other
 * has written them to `folder`.
 */
function cutting(direction: Direction, after: number, folder: string, relay: () => Relay): Hook {
  return async (piece, { direction: way, offset, line }) => {
    if (way !== direction || offset + piece.length <= after || line !== relay().lines[0]) {
      return piece;
    }
    await written(folder, offset);
    return null;
  };
}

/** The one attachment of the newest message in the inbox. */
async function received(session: Session): Promise<Bytes> {
  await session.mail.sync();
  const [item] = await session.mail.list({ folder: "inbox", limit: 1 });
  if (!item?.opened) throw new Error(`it did not open: ${item?.problem}`);
  const message = await session.mail.fetch(item.opened);
  try {
    const pieces: Bytes[] = [];
    await parseMessage(message.stream(), {
      attachment: async (_part, content) => {
        for await (const piece of content) pieces.push(piece);
      },
    });
    return concat(...pieces);
  } finally {
    await message.dispose();
  }
}

testInFull("an upload and a download go on where they broke off, wherever that is", async (t) => {
  await using group = await Group.start(["alice", "bob"], {
    serve: ["--messages-per-minute", "1000", "--messages-burst", "1000"],
  });
  await group.bind("alice", "bob");
  const { address } = group.server;
  const data = random(2 * MIB);
  const sealed = Math.floor(data.length * 78 / 57);
  const uploads = group.path("server", "mail", "uploads");
  // Beginning, end, and what lies between, the edges of what is acknowledged or synced included.
  const cuts = [9_000, 300_000, 1.4 * MIB, 2.1 * MIB, sealed];

  for (const cut of sampleOf(cuts.map(Math.floor), 3)) {
    await t.step(`cut after ${cut} of some ${sealed} bytes`, async () => {
      await using up: Relay = Relay.start(address, { hook: cutting("up", cut, uploads, () => up) });
      const alice = await openSession(group.dir, "alice", up.address, "alice", 2);
      const { waits } = await alice.mail.send({
        to: ["bob"],
        subject: `cut at ${cut}`,
        text: "",
        attachments: [source(data)],
      });
      assertEquals(waits, null);
      assert(up.lines.length >= 2, "it was cut");
      const again = up.last.count("up");
      assert(again < sealed - cut + 1.5 * IN_FLIGHT, `${again} bytes after the cut at ${cut}`);
      await alice.mail.close();
      assertEquals(await filesBelow(uploads), [], "nothing of it is left beside the message");

      const fetched = group.path("bob", ".sealpost", "bob", "bodies");
      await Deno.remove(fetched, { recursive: true }).catch(() => {});
      await using down: Relay = Relay.start(address, {
        hook: cutting("down", cut, fetched, () => down),
      });
      const bob = await openSession(group.dir, "bob", down.address, "bob", 2);
      assertEquals(await received(bob), data);
      assert(down.lines.length >= 2, "it was cut");
      assert(down.last.count("down") < sealed - cut + 1.5 * IN_FLIGHT, "it went on");
      const before = down.last.count("down");
      // What was fetched once is here, and is not fetched again.
      assertEquals(await received(bob), data);
      assert(down.last.count("down") - before < 100_000);
      await bob.mail.close();
    });
  }
});

testInFull("a transfer goes on after either side was killed", async (t) => {
  await using group = await Group.start(["alice", "bob"]);
  await group.bind("alice", "bob");
  const data = random(3 * MIB);
  await Deno.writeFile(group.path("alice", "bulk.bin"), data);
  const uploads = group.path("server", "mail", "uploads");
  const bodies = group.path("bob", ".sealpost", "bob", "bodies");
  /** Runs a command as `name`; `kill` is called once one side has sent 2 MiB. */
  const broken = async (
    name: string,
    args: readonly string[],
    direction: Direction,
    kill: (client: Program) => void,
  ) => {
    let client: Program | null = null;
    await using relay = Relay.start(group.server.address, {
      hook: async (piece, { direction: way, offset }) => {
        if (way !== direction || offset < 2 * MIB) return piece;
        await written(direction === "up" ? uploads : bodies, offset);
        if (client) kill(client);
        return null;
      },
    });
    client = Program.start([...args, "--server", `${name}@${relay.address}`], {
      build: await buildFor(args),
      cwd: group.path(name),
      env: { SEALPOST_PASSWORD: passwordOf(name) },
    });
    const outcome = await client.finish();
    assert((relay.lines[0]?.count(direction) ?? 0) > 2 * MIB, outcome.stderr);
  };
  /** What goes over the wire when everything is done with that was left. */
  const rest = async (name: string, direction: Direction, work: (s: Session) => Promise<void>) => {
    await using relay = Relay.start(group.server.address);
    const session = await openSession(group.dir, name, relay.address);
    await work(session);
    await session.mail.close();
    return relay.last.count(direction);
  };
  const flush = async ({ mail }: Session) => {
    assertEquals(await mail.flushOutbox(), { sent: 1, refused: [] });
    assertEquals(await mail.flushOutbox(), { sent: 0, refused: [] });
  };
  await Deno.writeTextFile(group.path("alice", "text"), "see the file");
  const send = ["send", "--to", "bob", "--file", "text", "--attach", "bulk.bin"];

  await t.step("the client, while it uploads", async () => {
    await broken("alice", send, "up", (client) => client.kill("SIGKILL"));
    assert(await rest("alice", "up", flush) < 2.2 * MIB + 1.5 * IN_FLIGHT);
  });

  await t.step("the server, while it receives", async () => {
    await broken("alice", send, "up", (client) => {
      group.server.program.kill("SIGKILL");
      client.kill("SIGKILL");
    });
    await group.server.program.finish();
    await group.restart();
    assert(await rest("alice", "up", flush) < 2.2 * MIB + 1.5 * IN_FLIGHT);
  });

  await t.step("the client, while it downloads; the server, while it sends", async () => {
    const bob = await openSession(group.dir, "bob", group.server.address);
    await bob.mail.sync();
    const [newest, older] = await bob.mail.list({ folder: "inbox", limit: 2 });
    await bob.mail.close();
    for (const item of [newest, older]) {
      assert(item?.opened);
      const id = formatMessageId(item.opened.id);
      await broken("bob", ["read", id, "--json"], "down", (client) => {
        if (item === older) group.server.program.kill("SIGKILL");
        client.kill("SIGKILL");
      });
      if (item === older) {
        await group.server.program.finish();
        await group.restart();
      }
      const files = await filesBelow(bodies);
      assertEquals(files.filter((path) => path.endsWith(".partial")).length, 1);
      const { opened } = item;
      const bytes = await rest("bob", "down", async ({ mail }) => {
        const message = await mail.fetch(opened);
        await message.dispose();
      });
      assert(bytes < 2.2 * MIB + 1.5 * IN_FLIGHT, `${bytes} bytes`);
    }
    const session = await openSession(group.dir, "bob", group.server.address);
    assertEquals(await received(session), data);
    await session.mail.close();
  });
});
