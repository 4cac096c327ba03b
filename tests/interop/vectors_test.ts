import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { testUnless } from "../support/testing.ts";
import { inFolder } from "../support/command.ts";
import { stepInFull } from "../support/full.ts";
import { ROOT } from "../support/program.ts";
import { install, missing, runNode } from "./node.ts";

const VECTORS = join(ROOT, "tests", "vectors");

/** An answer in each file, which is put wrong: the list, and the way from its first case. */
const WRONG: Record<string, readonly string[]> = {
  "envelopes.json": ["malformedEntries", "error"],
  "frames.json": ["records", "plaintext"],
  "handshake.json": ["handshakes", "split", "responder"],
  "json.json": ["malformed", "error"],
  "json_additions.json": ["malformed", "error"],
  "kem.json": ["encapsulations", "secret"],
  "key_log.json": ["heads", "head"],
  "keys.json": ["identities", "fingerprint"],
  "links.json": ["links", "answer"],
  "malformed_messages.json": ["malformed", "check"],
  "messages.json": ["messages", "uploadSha256"],
  "records.json": ["malformed", "error"],
  "resumption.json": ["resumptions", "messages", "R2"],
  "rotation.json": ["proofs", "proof"],
  "shared.json": ["sealed", "sealed"],
};

/** Copies all vectors to `folder`, with one answer of each file put wrong. */
async function copyWrong(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(VECTORS)) {
    if (!name.endsWith(".json")) continue;
    const content = JSON.parse(await Deno.readTextFile(join(VECTORS, name)));
    const [list = "", ...way] = WRONG[name] ?? [];
    const last = way.pop() ?? "";
    const place = way.reduce((object, member) => object[member], content[list][0]);
    // Another last character: still hexadecimal, where it was.
    place[last] = place[last].replace(/.$/, (end: string) => end === "0" ? "1" : "0");
    await Deno.writeTextFile(join(folder, name), JSON.stringify(content));
  }
}

testUnless(missing, "the Node implementation gives the known answers", async (t) => {
  await using node = await install();

  await t.step("to every case of every file", async () => {
    const lists = (await runNode(node.dir, "check_vectors.mjs", VECTORS)).trim().split("\n");
    const counts = lists.map((line) => {
      const [, file = "", list = "", count = ""] = /^(\S+) (\S+): (\d+)$/.exec(line) ?? [];
      return { file, list, count: Number(count) };
    });
    assert(counts.every(({ count }) => count > 0), lists.join("\n"));
    assertEquals([...new Set(counts.map(({ file }) => file))].sort(), Object.keys(WRONG));
    const malformed = counts.filter(({ list }) => list.startsWith("malformed"));
    assert(malformed.reduce((sum, { count }) => sum + count, 0) >= 60, lists.join("\n"));
  });

  await stepInFull(t, "and notices one that is wrong, in every file", async () => {
    await inFolder(async (folder) => {
      await copyWrong(folder);
      const error = await assertRejects(() => runNode(node.dir, "check_vectors.mjs", folder));
      const message = error instanceof Error ? error.message : "";
      const found = [...message.matchAll(/^(\S+\.json) \S+ ".*": /gm)].map(([, file]) => file);
      assertEquals(found.sort(), Object.keys(WRONG), message);
    });
  });

  await stepInFull(t, "and does not take a folder without answers for one", async () => {
    await inFolder(async (folder) => {
      await assertRejects(() => runNode(node.dir, "check_vectors.mjs", folder));
      await assertRejects(() => runNode(node.dir, "check_vectors.mjs", join(folder, "missing")));
      await Deno.writeTextFile(join(folder, "more.json"), "{}");
      await assertRejects(() => runNode(node.dir, "check_vectors.mjs", folder));
    });
  });
});
