import { assert, assertEquals } from "@std/assert";
import { Group } from "../support/group.ts";
import { openSession } from "../support/session.ts";

/** How many RSA decryptions `work` makes in this process. */
async function decryptions(work: () => Promise<void>): Promise<number> {
  const { subtle } = crypto;
  const decrypt = subtle.decrypt.bind(subtle);
  let count = 0;
  subtle.decrypt = (algorithm, key, data) => {
    if (key.algorithm.name === "RSA-OAEP") count++;
    return decrypt(algorithm, key, data);
  };
  try {
    await work();
  } finally {
    Reflect.deleteProperty(subtle, "decrypt");
  }
  return count;
}

Deno.test("a message that was opened before, or came in a lane that is known, costs no RSA operation", async () => {
  await using group = await Group.start(["alice", "bob"]);
  const { address } = group.server;
  const list = async (use: (count: number) => void, times: number) => {
    const { mail } = await openSession(group.dir, "bob", address);
    try {
      for (let i = 0; i < times; i++) {
        await mail.sync();
        const items = await mail.list({ folder: "inbox", limit: 10 });
        for (const { opened } of items) {
          assert(opened);
          await (await mail.fetch(opened)).dispose();
        }
        use(items.length);
      }
      await mail.search(await mail.query("title"), { folder: null, limit: 10 });
    } finally {
      await mail.close();
    }
  };
  const none = (count: number) => assertEquals(count, 0);
  await list(none, 1);
  // From now on with a ticket, what that costs is always the same.
  const logIn = await decryptions(() => list(none, 1));
  const alice = await openSession(group.dir, "alice", address);
  for (let i = 0; i < 3; i++) {
    await alice.mail.send({ to: ["bob"], subject: `title ${i}`, text: "x", attachments: [] });
  }
  await alice.mail.close();
  const three = (count: number) => assertEquals(count, 3);
  // The three came in one lane.
  assertEquals(await decryptions(() => list(three, 3)) - logIn, 1);
  assertEquals(await decryptions(() => list(three, 1)) - logIn, 0);

  const again = await openSession(group.dir, "alice", address);
  await again.mail.send({ to: ["bob"], subject: "title 3", text: "x", attachments: [] });
  await again.mail.close();
  const four = (count: number) => assertEquals(count, 4);
  // A lane outlives both programs.
  assertEquals(await decryptions(() => list(four, 1)) - logIn, 0);
});
