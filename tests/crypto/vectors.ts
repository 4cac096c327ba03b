import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { testUnless } from "../support/testing.ts";

/** The conformance vectors are kept beside the project, not in it. */
const FOLDER = fromFileUrl(new URL("../../../shared/vectors/", import.meta.url));

/** A case of a Wycheproof file; what else it holds depends on the file. */
export interface Case {
  readonly tcId: number;
  readonly comment?: string;
  readonly flags: readonly string[];
  readonly result: "valid" | "invalid" | "acceptable";
}

interface VectorFile<G, C> {
  readonly numberOfTests: number;
  readonly testGroups: readonly (G & { readonly tests: readonly C[] })[];
}

/** Whether the vectors are there: null, or why not. */
const absent = folderIsThere() ? null : "../shared/vectors is not there";

function folderIsThere(): boolean {
  try {
    return Deno.statSync(FOLDER).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * A test that runs every case of a file. `run` returns false for a case that is not for us (say,
 * of another key size). The test fails unless the number of cases run is `expected`.
 */
export function vectorTest<G, C extends Case>(
  name: string,
  file: string,
  expected: number,
  run: (c: C, group: G) => Promise<boolean | void>,
): void {
  testUnless(absent, name, async () => {
    const vectors: VectorFile<G, C> = JSON.parse(await Deno.readTextFile(`${FOLDER}/${file}`));
    let ran = 0;
    let seen = 0;
    for (const group of vectors.testGroups) {
      for (const c of group.tests) {
        seen++;
        try {
          if (await run(c, group) !== false) ran++;
        } catch (cause) {
          throw new Error(`${file}: case ${c.tcId} (${c.result}; ${c.comment ?? ""})`, { cause });
        }
      }
    }
    assertEquals(seen, vectors.numberOfTests);
    assert(ran > 0, `${file}: no case was run`);
    assertEquals(ran, expected);
  });
}
