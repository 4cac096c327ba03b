// What is deleted for good leaves nothing behind on any machine of its reader.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { State } from "../../client/state/state.ts";
import { toHex } from "../../crypto/bytes.ts";
import { loadIdentity } from "../../files/key_files.ts";
import { buildFor, shell } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { passwordOf, Program } from "../support/program.ts";
import { filesBelow, type Finding, searchBytes, type Secret } from "../support/search.ts";
import { waitFor } from "../support/wait.ts";
import { testInFull } from "../support/full.ts";

const TITLE = "a title that stands nowhere else";
const NAME = "a-name-of-an-attachment.txt";
const WORDS = "words that only this text has";
const PLAIN: readonly Secret[] = [
  { what: "title", text: TITLE },
  { what: "name", text: NAME },
  { what: "words", text: WORDS },
];

/** Sealed bytes that a deletion must remove: pieces of rows and files as they are on the disk. */
interface Sealed {
  readonly what: string;
  readonly bytes: string;
}

const latin1 = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

/** The state of a person in a folder, with what their keys open of it. */
class Kept {
  private constructor(readonly folder: string, readonly state: State) {}

  static async open(dir: string, name: string): Promise<Kept> {
    const identity = await loadIdentity(dir, name, () => Promise.resolve(null));
    return new Kept(join(dir, ".sealpost", name), await State.open(dir, name, identity));
  }

  /** The rows of the cache, as they are on the disk. */
  rows(): { context: string; sealed: Uint8Array }[] {
    using db = new DatabaseSync(join(this.folder, "cache.db"), { readOnly: true });
    const rows = [
      ...db.prepare("SELECT 'entry' AS kind, uid, sealed FROM entry").all(),
      ...db.prepare("SELECT kind, uid, sealed FROM record").all(),
    ];
    return rows.map(({ kind, uid, sealed }) => {
      assert(sealed instanceof Uint8Array);
      return { context: `cache ${kind} ${uid}`, sealed };
    });
  }

  /** Pieces of the sealed rows and bodies that are here now. */
  async sealed(): Promise<Sealed[]> {
    const pieces = (what: string, bytes: Uint8Array) =>
      [0, Math.floor(bytes.length / 2), bytes.length - 40].map((at) => {
        return { what: `${what} from byte ${at}`, bytes: latin1(bytes.subarray(at, at + 40)) };
      });
    const out = this.rows().flatMap(({ context, sealed }) => pieces(context, sealed));
    for (const file of await filesBelow(join(this.folder, "bodies"))) {
      out.push(...pieces(file, await Deno.readFile(join(this.folder, "bodies", file))));
    }
    return out;
  }

  /** Where any of `sealed` still is, in any file. */
  async left(sealed: readonly Sealed[]): Promise<string[]> {
    const left: string[] = [];
    for (const file of await filesBelow(this.folder)) {
      const text = latin1(await Deno.readFile(join(this.folder, file)));
      left.push(
        ...sealed.filter(({ bytes }) => text.includes(bytes)).map(({ what }) => {
          return `${what} in ${file}`;
        }),
      );
    }
    return left;
  }

  /** Where any of `secrets` is in what the person's keys open here: rows, and the files of the state. */
  async readable(secrets: readonly Secret[]): Promise<Finding[]> {
    const found: Finding[] = [];
    for (const { context, sealed } of this.rows()) {
      const data = await this.state.open(context, sealed.slice());
      assert(data, context);
      found.push(...searchBytes(context, data, secrets));
    }
    for (const file of await filesBelow(this.folder)) {
      const bytes = await Deno.readFile(join(this.folder, file));
      const data = await this.state.open(file, bytes);
      found.push(...searchBytes(file, data ?? bytes, secrets));
    }
    return found;
  }

  /** The keys of the messages that were opened here, as a text to search for. */
  async fileKeys(): Promise<string[]> {
    const keys: string[] = [];
    for (const { context, sealed } of this.rows()) {
      if (!context.startsWith("cache opened")) continue;
      const record = await this.state.open(context, sealed.slice());
      assert(record);
      keys.push(toHex(record.slice(32, 64)));
    }
    return keys;
  }
}

testInFull("what is deleted for good leaves no trace, here or on another machine", async () => {
  await using people = await Commanding.start(["alice", "bob"]);
  const { group } = people;
  await Deno.writeTextFile(group.path("alice", NAME), "x".repeat(200_000));
  const send = (subject: string, input: string, ...args: string[]) =>
    people.ok("alice", ["send", "-t", "bob", "-s", subject, ...args], { input });
  await send("one that stays", "other words");
  const id = (await send(TITLE, `${WORDS}\n`, "-a", NAME)).trim();
  // Another machine of bob's: the same keys.
  await shell('cp -r "$0" "$1"', group.path("bob"), group.path("bob2"));
  const bob2 = async (args: readonly string[]) => {
    const program = Program.start(args, {
      cwd: group.path("bob2"),
      build: await buildFor(args),
      env: { SEALPOST_PASSWORD: passwordOf("bob") },
    });
    const { code, stdout, stderr } = await program.finish();
    assertEquals(code, 0, stderr);
    return stdout;
  };

  assertStringIncludes(await people.ok("bob", ["read", id]), WORDS);
  assertStringIncludes(await bob2(["read", id]), WORDS);
  const here = await Kept.open(group.path("bob"), "bob");
  const there = await Kept.open(group.path("bob2"), "bob");
  const before: Sealed[][] = [];
  const secrets: Secret[][] = [];
  for (const kept of [here, there]) {
    before.push(await kept.sealed());
    // Only what was opened here: the file key is that of this message.
    const found = new Set((await kept.readable(PLAIN)).map(({ what }) => what));
    assertEquals([...found].sort(), ["name", "title", "words"]);
  }
  // One row after the other was read by now; what stays is read, and then all that is gone is new.
  await people.ok("bob", ["inbox"]);
  const keysBefore = await here.fileKeys();

  // Another program of bob's has the cache open all the while.
  const watching = Program.start(["watch"], {
    cwd: group.path("bob"),
    build: await buildFor(["watch"]),
    env: { SEALPOST_PASSWORD: passwordOf("bob") },
  });
  await waitFor("the first look", async () => {
    return await Deno.stat(join(here.folder, "watched-inbox")).catch(() => null);
  });
  await send("it is heard of", "x");
  await watching.expect("it is heard of");
  await people.ok("bob", ["delete", id, "--for-good", "--yes"]);

  const check = async (kept: Kept, sealed: readonly Sealed[]) => {
    const stay = new Set((await kept.sealed()).map(({ bytes }) => bytes));
    const gone = sealed.filter(({ bytes }) => !stay.has(bytes));
    assert(gone.length >= 12, "entry, what was opened, text and body");
    assertEquals(await kept.left(gone), []);
    const keysLeft = await kept.fileKeys();
    const keys = keysBefore.filter((key) => !keysLeft.includes(key))
      .map((text) => ({ what: "file key", text }));
    assertEquals(keys.length, 1);
    assertEquals(await kept.readable([...PLAIN, ...keys]), []);
    secrets.push(keys);
  };
  await check(here, before[0] ?? []);
  watching.kill("SIGTERM");
  await watching.finish();
  await check(here, before[0] ?? []);

  await bob2(["inbox"]);
  await check(there, before[1] ?? []);
  assertEquals(secrets[2], secrets[0]);
  assertEquals((await people.as("bob", ["read", id])).code, 66);
});
