import type { FileName, KeysFile } from "./files.ts";
import { FILES, pathOf } from "./files.ts";
import { Identities } from "./identities.ts";
import { makeEnvelopes } from "./make_envelopes.ts";
import { makeFrames } from "./make_frames.ts";
import { makeHandshakes } from "./make_handshakes.ts";
import { makeJson, makeJsonAdditions } from "./make_json.ts";
import { makeKem } from "./make_kem.ts";
import { makeKeys } from "./make_keys.ts";
import { makeMalformedMessages } from "./make_malformed_messages.ts";
import { makeMessages } from "./make_messages.ts";
import { makeRecords } from "./make_records.ts";
import { makeResumptions } from "./make_resumptions.ts";
import { makeRotations } from "./make_rotations.ts";
import { makeKeyLog } from "./make_key_log.ts";
import { makeLinks } from "./make_links.ts";
import { makeShared } from "./make_shared.ts";

/** The text of every file, from nothing but the seeds in the code, or from keys that are there. */
export async function makeFiles(keys: KeysFile): Promise<Record<FileName, string>> {
  const identities = new Identities(keys);
  const { file: messages, made } = await makeMessages(identities);
  return {
    "keys.json": format(keys),
    "kem.json": format(await makeKem(identities)),
    "handshake.json": format(await makeHandshakes(identities, keys)),
    "resumption.json": format(await makeResumptions(identities)),
    "records.json": format(await makeRecords()),
    "frames.json": format(makeFrames()),
    "json.json": format(makeJson()),
    "json_additions.json": format(makeJsonAdditions()),
    "messages.json": format(messages),
    "malformed_messages.json": format(await makeMalformedMessages(identities, made)),
    "envelopes.json": format(makeEnvelopes(made)),
    "rotation.json": format(await makeRotations(identities)),
    "shared.json": format(await makeShared(identities)),
    "key_log.json": format(await makeKeyLog(identities)),
    "links.json": format(await makeLinks(identities)),
  };
}

function format(value: unknown): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}

/** Writes the files that are missing. Those that are there are never changed, only compared. */
async function main(): Promise<void> {
  const files = await makeFiles(await makeKeys());
  let different = 0;
  for (const file of FILES) {
    const there = await Deno.readTextFile(pathOf(file)).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    });
    if (there === null) await Deno.writeTextFile(pathOf(file), files[file], { createNew: true });
    else if (there !== files[file]) different++;
    const state = there === null ? "written" : there === files[file] ? "the same" : "DIFFERENT";
    console.log(`${file}: ${state}, ${files[file].length} characters`);
  }
  if (different > 0) {
    console.error("Vectors do not change. Find out why they would; a new version has new files.");
    Deno.exit(1);
  }
}

if (import.meta.main) await main();
