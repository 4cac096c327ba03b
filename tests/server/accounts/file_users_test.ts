import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import fc from "fast-check";
import { type Bytes, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { hashPassword, isPhc, verifyPassword } from "../../../crypto/phc.ts";
import { writeFileAtomic } from "../../../files/atomic_file.ts";
import { parseUserFile } from "../../../server/accounts/user_file.ts";
import { FileUsers, type FileUsersOptions } from "../../../server/accounts/file_users.ts";

const posix = Deno.build.os !== "windows";

/** The hash of "known", made once: Argon2id is slow on purpose. */
const known = await hashPassword(utf8("known"));

interface Case {
  readonly path: string;
  readonly problems: string[];
  readonly changes: string[][];
  write(text: string | Bytes): Promise<void>;
  read(): Promise<string>;
  open(options?: Partial<FileUsersOptions>): Promise<FileUsers>;
}

/** Runs `run` with a folder for a user_pass.json; what it opens is closed. */
async function withFile(run: (file: Case) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sealpost-users-" });
  const opened: FileUsers[] = [];
  const path = join(folder, "user_pass.json");
  const problems: string[] = [];
  const changes: string[][] = [];
  try {
    await run({
      path,
      problems,
      changes,
      write: (text) =>
        Deno.writeFile(path, typeof text === "string" ? utf8(text) : text, { mode: 0o600 }),
      read: () => Deno.readTextFile(path),
      open: async (options) => {
        const users = await FileUsers.open(path, {
          onProblem: (message) => problems.push(message),
          onChange: (added) => changes.push([...added]),
          ...options,
        });
        opened.push(users);
        return users;
      },
    });
    assertEquals([...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".tmp")), []);
  } finally {
    for (const users of opened) {
      users.close();
      // It may be looking at the file at this moment.
      await users.refresh();
    }
    await Deno.remove(folder, { recursive: true });
  }
}

function valueOf(text: string, name: string): string {
  const value: unknown = JSON.parse(text)[name];
  assert(typeof value === "string");
  return value;
}

Deno.test("a plain password is replaced by its hash; all else in the file stays to the byte", () =>
  withFile(async ({ write, read, open, path, problems }) => {
    const before =
      `\uFEFF{\r\n\t"zoe" :  "${known}" ,\r\n\r\n   "client1": "pass\\u0077ord\\"1",\n"Anna":"grüße 🔑"}\n\n`;
    await write(before);
    const users = await open();
    const after = await read();
    assertEquals(users.names(), ["zoe", "client1", "anna"]);
    const hash1 = valueOf(after.slice(1), "client1");
    const hash2 = valueOf(after.slice(1), "Anna");
    assertEquals(
      after,
      before.replace(`"pass\\u0077ord\\"1"`, `"${hash1}"`).replace(`"grüße 🔑"`, `"${hash2}"`),
    );
    assert(await verifyPassword(hash1, utf8(`password"1`)));
    assert(await verifyPassword(hash2, utf8("grüße 🔑")));
    assert(hash1.startsWith("$argon2id$v=19$m=19456,t=2,p=1$"));
    if (posix) assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
    assertEquals(problems, []);

    assert(await users.verify("client1", utf8(`password"1`)));
    assert(await users.verify("anna", utf8("grüße 🔑")));
    assert(await users.verify("zoe", utf8("known")));
    assert(!await users.verify("zoe", utf8("Known")));
    assert(!await users.verify("zoe", utf8("")));
    assert(!await users.verify("nobody", utf8("known")));
    assert(users.has("zoe") && !users.has("nobody"));
    assertEquals(await read(), after, "checking writes nothing");
  }));

Deno.test("a password typed in decomposed form is the one that clients send composed", () =>
  withFile(async ({ write, open }) => {
    await write(JSON.stringify({ anna: "gru\u0308\u00dfe" }));
    const users = await open();
    assert(await users.verify("anna", utf8("gr\u00fc\u00dfe")));
  }));

Deno.test("a file whose passwords are all hashed is not written", () =>
  withFile(async ({ write, open, path }) => {
    await write(JSON.stringify({ anna: known, bob: known }));
    const before = await Deno.stat(path);
    await open();
    const after = await Deno.stat(path);
    assertEquals([after.ino, after.mtime], [before.ino, before.mtime]);
  }));

Deno.test("an empty object is a file without users", () =>
  withFile(async ({ write, open }) => {
    await write("{}");
    const users = await open();
    assertEquals(users.names(), []);
    assert(!await users.verify("anna", utf8("known")));
  }));

Deno.test("an entry added while running can log in, a removed one cannot, a changed one changes", () =>
  withFile(async ({ write, read, open, changes, problems }) => {
    await write(`{ "anna": "${known}" }`);
    const users = await open();
    await write(`{ "anna": "${known}", "bob": "second" }`);
    assert(await users.verify("bob", utf8("second")));
    assertEquals(users.names(), ["anna", "bob"]);
    assert(isPhc(valueOf(await read(), "bob")), "hashed in the file too");
    assert(!(await read()).includes("second"));

    await write(`{ "bob": "third" }`);
    assert(!await users.verify("anna", utf8("known")));
    assert(!await users.verify("bob", utf8("second")));
    assert(await users.verify("bob", utf8("third")));
    assertEquals(users.names(), ["bob"]);
    assertEquals(changes, [["bob"], []]);
    assertEquals(problems, []);
  }));

Deno.test("a change is seen though the file's size and time stamp stay the same", () =>
  withFile(async ({ write, open, path }) => {
    const stamp = new Date(Date.now() + 60_000);
    await write(`{ "anna": "${known}" }`);
    await Deno.utime(path, stamp, stamp);
    const users = await open();
    for (const name of ["ann1", "ann2", "ann3", "ann4"]) {
      await write(`{ "${name}": "${known}" }`);
      await Deno.utime(path, stamp, stamp);
      await users.refresh();
      assertEquals(users.names(), [name]);
    }
  }));

Deno.test("many refreshes at once all see what was there when they were called", () =>
  withFile(async ({ write, open, path }) => {
    await write(`{ "anna": "${known}" }`);
    const users = await open();
    const seen: Promise<void>[] = [];
    for (let i = 0; i < 20; i++) {
      // Whole at every moment: what is read in the middle of a writing is damaged.
      await writeFileAtomic(path, `{ "user${i}": "${known}" }`);
      for (let j = 0; j < 5; j++) {
        seen.push(
          users.refresh().then(() => {
            const number = Number(users.names()[0]?.slice(4));
            assert(number >= i, `user${number} after user${i} was written`);
          }),
        );
      }
    }
    await Promise.all(seen);
  }));

Deno.test("the file is looked at without a login too", () =>
  withFile(async ({ write, open }) => {
    await write(`{ "anna": "${known}" }`);
    const changed = Promise.withResolvers<readonly string[]>();
    await open({ onChange: changed.resolve });
    await write(`{ "anna": "${known}", "bob": "${known}" }`);
    // The poll alone does not keep a process alive, so that something else has to here.
    const alive = setInterval(() => {}, 1000);
    assertEquals(await changed.promise, ["bob"]);
    clearInterval(alive);
  }));

Deno.test("a damaged file while running: the last good one stays, and each damage is told once", () =>
  withFile(async ({ write, open, path, problems, changes }) => {
    await write(`{ "anna": "${known}" }`);
    const users = await open();
    await write(`{\n  "anna": "x",\n  "bob" "secret-word"\n}`);
    assert(await users.verify("anna", utf8("known")));
    await users.refresh();
    await users.refresh();
    assertEquals(problems, [`${path}:3:9: expected a colon`]);

    await Deno.remove(path);
    await users.refresh();
    assert(await users.verify("anna", utf8("known")));
    assertEquals(problems.length, 2);
    assertMatch(problems[1] ?? "", /there is no .*user_pass\.json.*keygen server/);

    await write(`{ "anna": "${known}", "bob": "${known}" }`);
    assert(await users.verify("bob", utf8("known")));
    await write(`{\n  "anna": "x",\n  "bob" "secret-word"\n}`);
    await users.refresh();
    assertEquals(problems.length, 3, "the same damage after a good file is told again");
    assertEquals(changes, [["bob"]]);
  }));

Deno.test("an editor's change during the hashing is not overwritten", () =>
  withFile(async ({ write, read, open, path }) => {
    await write(`{ "anna": "first", "bob": "second" }`);
    const hashed: [number, number][] = [];
    const users = await open({
      onHashed: (done, total) => {
        hashed.push([done, total]);
        if (hashed.length > 1) return;
        Deno.writeTextFileSync(path, `{ "anna": "newer", "carl": "third" }`);
      },
    });
    assertEquals(users.names(), ["anna", "carl"]);
    assert(await users.verify("anna", utf8("newer")));
    assert(await users.verify("carl", utf8("third")));
    assert(isPhc(valueOf(await read(), "anna")));
    assertEquals(hashed, [[1, 2], [2, 2], [1, 2], [2, 2]]);
  }));

Deno.test("a damaged file stops the start and says where, without the password", async (t) => {
  const long = "ü".repeat(129);
  const cases: [string, string | Bytes, RegExp][] = [
    ["nothing in it", "", /:1:1: expected a value$/],
    ["text that is not JSON", "hello", /:1:1: text that is not JSON$/],
    ["a list", `\n ["anna"]`, /:2:2: expected an object/],
    ["a number", `7`, /:1:1: expected an object/],
    ["a comment", `{\n  // who\n "anna": "secret-word" }`, /:2:3: comments are not allowed/],
    ["a trailing comma", `{\n "anna": "secret-word",\n}`, /:3:1: expected a name/],
    [
      "a missing comma",
      `{ "anna": "secret-word"\n  "bob": "secret-word" }`,
      /:2:3: expected a comma/,
    ],
    ["an open end", `{ "anna": "secret-word"`, /:1:24: expected a closing brace/],
    ["an open quote", `{ "anna": "secret-word }`, /:1:11: a closing quote is missing/],
    ["text after the end", `{ "anna": "secret-word" }\n}`, /:2:1: text after the end/],
    ["single quotes", `{ 'anna': "secret-word" }`, /:1:3: text that is not JSON/],
    ["a number as password", `{\r\n  "anna": 12345678 }`, /:2:11: a password has to be text/],
    ["null as password", `{ "anna": null }`, /:1:11: a password has to be text/],
    ["an object as password", `{ "anna": { "a": "secret-word" } }`, /:1:11: a password has to be/],
    ["an empty password", `{ "anna": "" }`, /:1:11: an empty password$/],
    ["a long password", `{ "anna": "${long}" }`, /:1:11: a password of more than 256 bytes$/],
    ["half a surrogate pair", `{ "anna": "\\ud83d" }`, /:1:11: .*surrogate/],
    ["a name twice", `{ "anna": "${known}",\n "anna": "${known}" }`, /:2:2: .*anna.* line 1$/],
    ["a name twice in two cases", `{ "anna": "a",\n "ANNA": "b" }`, /:2:2: .*anna.* line 1$/],
    ["an empty name", `{ "": "secret-word" }`, /:1:3: a name is 1 to 32/],
    ["a path as name", `{ "../anna": "secret-word" }`, /:1:3: a name is 1 to 32/],
    ["a blank in a name", `{ "anna ": "secret-word" }`, /:1:3: a name is 1 to 32/],
    ["a long name", `{ "${"a".repeat(33)}": "secret-word" }`, /:1:3: a name is 1 to 32/],
    ["a cut hash", `{ "anna": "$argon2id$v=19$secret-word" }`, /:1:11: not a usable Argon2id/],
    [
      "a hash of too much memory",
      `{ "anna": "${known.replace("19456", "9999999")}" }`,
      /:1:11: not a/,
    ],
    [
      "bytes that are not UTF-8",
      new Uint8Array([0x7b, 10, 0x22, 0xff]),
      /:2: text that is not UTF-8/,
    ],
    ["more than 4 MiB", `{ "anna": "${"x".repeat(5_000_000)}" }`, /larger than 4194304 bytes/],
  ];
  for (const [name, text, message] of cases) {
    await t.step(name, () =>
      withFile(async ({ write, open, path, problems }) => {
        await write(text);
        const error = await assertRejects(() => open(), SealpostError);
        assertEquals(error.code, "config");
        assertMatch(error.message, message);
        assert(error.message.includes(path));
        assert(!error.message.includes("\n"));
        assert(!error.message.includes("secret-word"));
        assertEquals(await Deno.readFile(path), typeof text === "string" ? utf8(text) : text);
        assertEquals(problems, []);
      }));
  }
});

Deno.test({
  name: "hashes that cannot be written stop a start, and while running are told of and used",
  ignore: !posix,
  fn: () =>
    withFile(async ({ path, problems }) => {
      // No temporary file fits beside a name as long as this.
      const unwritable = join(dirname(path), "u".repeat(250));
      const hashed: number[] = [];
      const open = () =>
        FileUsers.open(unwritable, {
          onProblem: (message) => problems.push(message),
          onHashed: (done) => hashed.push(done),
        });
      await Deno.writeTextFile(unwritable, `{ "anna": "plain" }`, { mode: 0o600 });
      const error = await assertRejects(open, SealpostError);
      assertEquals(error.code, "file-io");
      assertMatch(error.message, /could not be replaced by hashes/);

      await Deno.writeTextFile(unwritable, `{ "anna": "${known}" }`);
      const users = await open();
      try {
        hashed.length = 0;
        await Deno.writeTextFile(unwritable, `{ "anna": "${known}", "bob": "plain" }`);
        assert(await users.verify("bob", utf8("plain")));
        assert(await users.verify("bob", utf8("plain")));
        await users.refresh();
        assertEquals(problems.length, 1);
        assertMatch(problems[0] ?? "", /could not be replaced by hashes/);
        assertEquals(hashed, [1], "hashed once");
        assertEquals(JSON.parse(await Deno.readTextFile(unwritable)).bob, "plain");
      } finally {
        users.close();
      }
    }),
});

Deno.test("a missing file stops the start and says what to do", () =>
  withFile(async ({ open }) => {
    const error = await assertRejects(() => open(), SealpostError);
    assertEquals(error.code, "config");
    assertMatch(error.message, /there is no .*user_pass\.json.*sealpost keygen server/);
  }));

Deno.test("exactly the texts that are JSON objects of good names and passwords are taken", () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,6}$/);
  const password = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" });
  fc.assert(fc.property(fc.dictionary(name, password, { maxKeys: 5 }), (users) => {
    const text = JSON.stringify(users, null, 1);
    // A parsed object may order its keys anew: numbers come first.
    assertEquals(
      parseUserFile(text, "f").map(({ name, value }) => [name, value]).sort(),
      Object.entries(users).sort(),
    );
  }));
  const piece = fc.constantFrom(
    ..."{}[]:,\"\\/'*#x17.-eE+ \t\n\r\f\u00a0\u2028\u0000",
    "null",
    "\\u00e4",
    "\\u12",
    "\\n",
    `"a"`,
    `"b"`,
    `"a":"b"`,
    `"c":"d",`,
    "//",
    "/*",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const text = `{${pieces.join("")}}`;
      let json = true;
      try {
        JSON.parse(text);
      } catch {
        json = false;
      }
      if (!json) assertThrows(() => parseUserFile(text, "f"), SealpostError);
    }),
    { numRuns: 2000 },
  );
});

Deno.test({
  name: "a file that others can read is told of once, and is private after a replacement",
  ignore: !posix,
  fn: () =>
    withFile(async ({ write, open, path, problems }) => {
      await write(`{ "anna": "${known}" }`);
      await Deno.chmod(path, 0o644);
      const users = await open();
      await users.refresh();
      assertEquals(problems.length, 1);
      assertMatch(problems[0] ?? "", /user_pass\.json: others .* can read .*chmod 600/);

      await write(`{ "anna": "${known}", "bob": "plain" }`);
      await Deno.chmod(path, 0o644);
      await users.refresh();
      assertEquals(problems.length, 2);
      assertMatch(problems[1] ?? "", /could read the passwords/);
      assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
      await users.refresh();
      assertEquals(problems.length, 2);
    }),
});

Deno.test({
  name: "a symbolic link stays one, and the file behind it gets the hashes",
  ignore: !posix,
  fn: () =>
    withFile(async ({ write, read, open, path }) => {
      await write(`{ "anna": "plain" }`);
      const target = path.replace("user_pass", "elsewhere");
      await Deno.rename(path, target);
      // Deno.symlink needs the right to every file.
      await new Deno.Command("sh", { args: ["-c", `ln -s "$0" "$1"`, target, path] }).output();
      await open();
      assert((await Deno.lstat(path)).isSymlink);
      assert(isPhc(valueOf(await read(), "anna")));
      assert(isPhc(valueOf(await Deno.readTextFile(target), "anna")));
    }),
});

Deno.test("as many users as the file may have are read, changed, and told apart by line", () =>
  withFile(async ({ path, write, open, changes }) => {
    const names = Array.from({ length: 30_000 }, (_, i) => `user${i}`);
    await write(JSON.stringify(Object.fromEntries(names.map((name) => [name, known])), null, 2));
    const users = await open();
    assertEquals([users.names().length, users.names().at(-1)], [30_000, "user29999"]);
    await users.change(() => new Map([["user7", null], ["one.more", known]]));
    assertEquals(changes, [["one.more"]]);
    assertEquals([users.has("user7"), users.has("one.more"), users.names().length], [
      false,
      true,
      30_000,
    ]);
    const text = await Deno.readTextFile(path);
    await assertRejects(
      async () => {
        await write(text.replace("\n}", `,\n  "USER3": "${known}"\n}`));
        await open();
      },
      SealpostError,
      "user_pass.json:30002:3: the name user3 is there already in line 5",
    );
  }));
