import { assert, assertEquals } from "@std/assert";
import {
  type EnvelopesFile,
  FILES,
  type FramesFile,
  type HandshakeFile,
  type JsonFile,
  type KemFile,
  type KeyLogFile,
  type KeysFile,
  type MalformedMessagesFile,
  pathOf,
  readVectors,
  type RecordsFile,
  type Refused,
  type ResumptionFile,
  type RotationFile,
  type SharedFile,
} from "./files.ts";
import { makeFiles } from "./generate.ts";

/** Most bytes of all files together: they are read by people who check a copy out. */
const MAX_SIZE = 1_700_000;

const keys = await readVectors<KeysFile>("keys.json");

async function allRefused(): Promise<Refused[]> {
  const envelopes = await readVectors<EnvelopesFile>("envelopes.json");
  const rotations = await readVectors<RotationFile>("rotation.json");
  return [
    ...keys.malformedBundles,
    ...keys.malformedFiles,
    ...(await readVectors<KemFile>("kem.json")).malformed,
    ...(await readVectors<HandshakeFile>("handshake.json")).malformed,
    ...(await readVectors<ResumptionFile>("resumption.json")).malformed,
    ...(await readVectors<RecordsFile>("records.json")).malformed,
    ...(await readVectors<FramesFile>("frames.json")).malformed,
    ...(await readVectors<JsonFile>("json.json")).malformed,
    ...(await readVectors<JsonFile>("json_additions.json")).malformed,
    ...(await readVectors<SharedFile>("shared.json")).malformed,
    ...(await readVectors<KeyLogFile>("key_log.json")).malformed,
    ...rotations.malformed,
    ...rotations.refused,
    ...(await readVectors<MalformedMessagesFile>("malformed_messages.json")).malformed,
    ...envelopes.malformedEntries,
    ...envelopes.malformedEnvelopes,
  ];
}

Deno.test("the vectors are what their seeds give, and nobody changed them", async () => {
  // The keys themselves take seconds to make; `deno task vectors` makes them too.
  const made = await makeFiles(keys);
  for (const file of FILES) {
    // Not assertEquals, which would compare a megabyte line by line to say where.
    assert(await Deno.readTextFile(pathOf(file)) === made[file], `${file} differs`);
  }
});

Deno.test("all files of vectors are named in the list that is run, and are small", async () => {
  const there: string[] = [];
  let size = 0;
  for await (const { name } of Deno.readDir(new URL(".", import.meta.url))) {
    if (!name.endsWith(".json")) continue;
    there.push(name);
    size += (await Deno.stat(new URL(name, import.meta.url))).size;
  }
  assertEquals(there.sort(), [...FILES].sort());
  assert(size < MAX_SIZE, `${size} bytes`);
});

Deno.test("each malformed case has a name of its own, a reason, and an error of the protocol", async () => {
  const refused = await allRefused();
  const protocol = await Deno.readTextFile(new URL("../../docs/PROTOCOL.md", import.meta.url));
  const [, codes = ""] = protocol.split("\n## 11. Error codes");
  assert(refused.length >= 300, `${refused.length} cases`);
  assertEquals(new Set(refused.map(({ name }) => name)).size, refused.length);
  for (const { name, why, error } of refused) {
    assert(/^[a-z0-9-]+$/.test(name) && why.length > 0, name);
    assert(codes.includes(`\`${error}\``), name);
  }
});

Deno.test("the README describes every file of vectors", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", import.meta.url));
  for (const file of FILES) assert(readme.includes(`## \`${file}\``), file);
});
