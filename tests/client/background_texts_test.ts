import { assert, assertEquals } from "@std/assert";
import { BackgroundTexts } from "../../client/background_texts.ts";
import type { Mail } from "../../client/mail.ts";
import { makeGroup } from "../support/group_folder.ts";
import { ServerProcess } from "../support/program.ts";
import { type Hook, Relay } from "../support/relay.ts";
import { openSession } from "../support/session.ts";
import { waitFor } from "../support/wait.ts";

/** Bob's mail with messages for alice, and alice's, brought up to date, through a relay with `hook`. */
async function withMail(
  texts: readonly string[],
  work: (alice: Mail, more: () => Promise<Mail>) => Promise<void>,
  hook?: Hook,
): Promise<void> {
  const { dir, remove } = await makeGroup(["alice", "bob"]);
  const server = await ServerProcess.start({ cwd: dir });
  const relay = Relay.start(server.address, hook ? { hook } : {});
  const opened: Mail[] = [];
  const open = async (name: string, address: string) => {
    const { mail } = await openSession(dir, name, address, name);
    opened.push(mail);
    return mail;
  };
  try {
    const alice = await open("alice", relay.address);
    const bob = await open("bob", server.address);
    for (const [i, text] of texts.entries()) {
      await bob.send({ to: ["alice"], subject: `number ${i}`, text, attachments: [] });
    }
    await alice.sync();
    await work(alice, () => open("alice", server.address));
  } finally {
    for (const mail of opened) await mail.close();
    await relay[Symbol.asyncDispose]();
    await server.stop();
    await remove();
  }
}

/** How many messages a search for `words` finds, and of how many it does not know the texts. */
async function looked(mail: Mail, words = "needle") {
  const { matches, unindexed } = await mail.search(await mail.query(words), {
    folder: null,
    limit: 10,
  });
  return { found: matches.length, unknown: unindexed.length };
}

/** Waits until no text is unknown. */
async function whenComplete(mail: Mail): Promise<void> {
  await waitFor("all texts", async () => (await looked(mail)).unknown === 0 || null);
}

const TEXTS = ["hay", "a needle", "more hay"];

Deno.test("texts come by themselves while nobody does anything, also of what comes later", async () => {
  await withMail(TEXTS, async (alice) => {
    assertEquals(await looked(alice), { found: 0, unknown: 3 });
    const texts = new BackgroundTexts(alice, { quiet: 1 });
    await whenComplete(alice);
    assertEquals(await looked(alice), { found: 1, unknown: 0 });
    await alice.send({ to: ["alice"], subject: "to myself", text: "needle", attachments: [] });
    await alice.sync();
    await waitFor("the new text", async () => (await looked(alice)).found > 1 || null);
    await texts.close();
  });
});

Deno.test("without room, and where nothing is to be kept, no text is fetched", async () => {
  for (const room of [0, 1]) {
    await withMail(TEXTS, async (alice) => {
      // What a search keeps of a message takes more than one byte.
      assertEquals(await looked(alice), { found: 0, unknown: 3 });
      alice.searchTexts = room;
      const texts = new BackgroundTexts(alice, { quiet: 1 });
      await new Promise((resolve) => setTimeout(resolve, 300));
      assertEquals(await looked(alice), { found: 0, unknown: 3 });
      await texts.close();
    });
  }
});

/** Messages of 800 KB, of which nothing but the beginning comes until `goOn` is called. */
async function withHeldText(
  work: (
    alice: Mail,
    held: { begun: Promise<void>; goOn: () => void; begin: () => void },
  ) => Promise<void>,
): Promise<void> {
  const held = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let counting = false;
  let bytes = 0;
  const hook: Hook = async (piece, { direction }) => {
    if (counting && direction === "down") bytes += piece.length;
    if (bytes > 100_000) {
      begun.resolve();
      await held.promise;
    }
    return piece;
  };
  await withMail([`needle ${"hay ".repeat(200_000)}`], async (alice) => {
    const begin = () => counting = true;
    await work(alice, { begun: begun.promise, goOn: held.resolve, begin });
  }, hook);
}

Deno.test("a request of anybody's breaks off what is being fetched, which is fetched later", async () => {
  await withHeldText(async (alice, { begun, goOn, begin }) => {
    begin();
    const outcomes: string[] = [];
    const fetchText = alice.fetchTextBehind.bind(alice);
    alice.fetchTextBehind = (opened, channel) => {
      return fetchText(opened, channel).then(() => void outcomes.push("fetched"), (error) => {
        outcomes.push(error.code);
        throw error;
      });
    };
    const texts = new BackgroundTexts(alice, { quiet: 1 });
    await begun;
    const asked = alice.connection.ask({ op: "whoami" });
    goOn();
    assertEquals((await asked).name, "alice");
    await whenComplete(alice);
    assertEquals(outcomes, ["cancelled", "fetched"]);
    await texts.close();
  });
});

Deno.test("it ends in the middle of a text, and leaves nothing behind", async () => {
  await withHeldText(async (alice, { begun, goOn, begin }) => {
    begin();
    const texts = new BackgroundTexts(alice, { quiet: 1 });
    await begun;
    await texts.close();
    assertEquals([...Deno.readDirSync(alice.tempFolder())], []);
    assertEquals((await looked(alice)).unknown, 1);
    goOn();
  });
});

Deno.test("one program of a person fetches texts at a time, and another goes on when it ends", async () => {
  await withMail(TEXTS, async (alice, more) => {
    const other = await more();
    await other.sync();
    const lock = await alice.state.tryLock("search-texts.lock");
    assert(lock);
    const texts = new BackgroundTexts(other, { quiet: 1 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    assertEquals((await looked(other)).unknown, 3);
    lock[Symbol.dispose]();
    await whenComplete(other);
    await texts.close();
  });
});
