import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat } from "../../../crypto/bytes.ts";
import { decodeFolderState, FOLDER_STATE_SIZE } from "../../../protocol/folder_state.ts";
import { assertRefusedAsync } from "../../support/testing.ts";
import { preseal, type RawSession } from "../../support/raw_session.ts";
import { Serving } from "../../support/serving.ts";

async function foldersOf({ link }: RawSession) {
  const { data } = await link.stream({ op: "folders" });
  const pieces: Bytes[] = [];
  for await (const piece of data) pieces.push(piece);
  const bytes = concat(...pieces);
  assertEquals(bytes.length % FOLDER_STATE_SIZE, 0);
  return Array.from({ length: bytes.length / FOLDER_STATE_SIZE }, (_, i) => {
    return decodeFolderState(bytes.slice(i * FOLDER_STATE_SIZE, (i + 1) * FOLDER_STATE_SIZE));
  });
}

Deno.test("every folder is told with its counts, and one of one's own is made and dropped", async () => {
  await using serving = await Serving.start(["alice", "bob"]);
  const [alice, bob] = [await serving.session("alice"), await serving.session("bob")];
  for (let i = 0; i < 3; i++) await alice.deliver(await preseal(alice.person, [bob.person]));
  const made = await bob.link.ask({ op: "folder-make", folder: 20 });
  assertEquals((await bob.link.ask({ op: "folder-make", folder: 20 })).validity, made.validity);
  await bob.link.ask({ op: "flag", uids: [1], set: ["seen"], clear: [], folder: 20 });
  const states = await foldersOf(bob);
  assertEquals(
    states.map(({ folder, count, unseen, next }) => [folder, count, unseen, next]),
    [
      ["inbox", 2, 2, 4],
      ["sent", 0, 0, 1],
      ["archive", 0, 0, 1],
      ["trash", 0, 0, 1],
      ["drafts", 0, 0, 1],
      [20, 1, 0, 2],
    ],
  );
  await assertRefusedAsync("limit", () => bob.link.ask({ op: "folder-drop", folder: 20 }));
  await bob.link.ask({ op: "flag", uids: [1], set: [], clear: [], folder: "inbox" });
  await bob.link.ask({ op: "folder-drop", folder: 20 });
  assertEquals((await foldersOf(bob)).length, 5);
  const again = await bob.link.ask({ op: "folder-make", folder: 20 });
  assert(again.validity > made.validity, "numbers of the folder that was there mean nothing now");
  // Nobody sees another's folders.
  assertEquals((await foldersOf(alice)).length, 5);
  await Promise.all([alice, bob].map((session) => session.close()));
});
