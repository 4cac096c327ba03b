import { assert, assertEquals } from "@std/assert";
import { isSealpostError } from "../../../crypto/error.ts";
import { utf8 } from "../../../crypto/bytes.ts";
import { hashPassword } from "../../../crypto/phc.ts";
import { changeUsers, parseUserFile } from "../../../server/accounts/user_file.ts";
import { FileUsers } from "../../../server/accounts/file_users.ts";
import {
  formatUserState,
  isUserState,
  parseUserState,
} from "../../../server/accounts/user_state.ts";
import { assertRefused } from "../../support/testing.ts";
import { inFolder } from "../../support/command.ts";
import { join } from "@std/path";

/** The hash of "known", made once: Argon2id is slow on purpose. */
const phc = await hashPassword(utf8("known"));
const expires = Date.parse("2026-11-29T10:15:00Z");

Deno.test("a user's state is written and read in every form", () => {
  const forms = [
    [phc, { phc, disabled: false, expires: null }],
    [`!${phc}`, { phc, disabled: true, expires: null }],
    [`once:2026-11-29T10:15:00Z:${phc}`, { phc, disabled: false, expires }],
    [`!once:2026-11-29T10:15:00Z:${phc}`, { phc, disabled: true, expires }],
  ] as const;
  for (const [text, state] of forms) {
    assert(isUserState(text));
    assertEquals(parseUserState(text), state);
    assertEquals(formatUserState(state), text);
  }
});

Deno.test("what only looks like a state is told, and a plain password is none", () => {
  for (
    const wrong of [
      "!$argon2id$",
      `once:2026-11-29:${phc}`,
      `once:2026-11-31T10:15:00+01:00:${phc}`,
      `once:${phc}`.replace("once:", "once::"),
      `!once:soon:${phc}`,
      `${phc}x!`,
    ]
  ) {
    assert(isUserState(wrong), wrong);
    assertRefused("format", () => parseUserState(wrong));
    const error = ((): unknown => {
      try {
        return parseUserFile(JSON.stringify({ alice: wrong }), "user_pass.json");
      } catch (error) {
        return error;
      }
    })();
    assert(isSealpostError(error, "config"));
  }
  for (
    const plain of ["!", "!secret", "once:", "once:2026-11-29T10:15:00Z:secret", "x$argon2id$"]
  ) {
    assert(!isUserState(plain), plain);
  }
});

Deno.test("a file is changed in one place, and stays as it is in all others", () => {
  const text = `\uFEFF{\r\n\t"Alice" :  "a" ,\r\n\t"bob":"b"\r\n}\r\n`;
  const change = (changes: Record<string, string | null>) =>
    changeUsers(text, "user_pass.json", new Map(Object.entries(changes)));
  assertEquals(change({ alice: "new" }), text.replace('"a"', '"new"'));
  assertEquals(change({}), text);
  assertEquals(change({ nobody: null }), text);
  assertEquals(
    change({ carol: 'c"\\' }),
    text.replace('"bob":"b"', '"bob":"b",\r\n\t"carol": "c\\"\\\\"'),
  );
  assertEquals(change({ alice: null }), text.replace('"Alice" :  "a" ,\r\n\t', ""));
  assertEquals(change({ bob: null }), text.replace(' ,\r\n\t"bob":"b"', ""));
  assertEquals(change({ alice: null, bob: null }), text.replace(/"Alice".*"b"/s, ""));
  const both = change({ bob: null, dora: "d" });
  assertEquals(both, text.replace(' ,\r\n\t"bob":"b"', ',\r\n\t"dora": "d"'));
  assertEquals(changeUsers("{ }\n", "x", new Map([["a", "$&"]])), '{\n  "a": "$&"\n}\n');
  assertEquals(changeUsers('{"a":"1"}', "x", new Map([["b", "2"]])), '{"a":"1","b": "2"}');
});

Deno.test("disabled users and one-time passwords that have ended open nothing", () =>
  inFolder(async (dir) => {
    const path = join(dir, "user_pass.json");
    const once = (at: number) => formatUserState({ phc, disabled: false, expires: at });
    const later = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
    const file = {
      open: phc,
      disabled: `!${phc}`,
      invited: once(later),
      expired: once(later - 7_200_000),
      both: formatUserState({ phc, disabled: true, expires: later }),
    };
    await Deno.writeTextFile(path, JSON.stringify(file, null, 2), { mode: 0o600 });
    const problems: string[] = [];
    const users = await FileUsers.open(path, { onProblem: (problem) => problems.push(problem) });
    try {
      const opens = [];
      for (const name of users.names()) {
        if (await users.verify(name, utf8("known"))) opens.push(name);
        assertEquals(await users.verify(name, utf8("unknown")), null);
      }
      assertEquals(opens, ["open", "invited"]);
      assertEquals(users.state("invited")?.expires, later);
      assertEquals([users.has("disabled"), users.state("nobody")], [true, null]);
      // Nothing was taken for a plain password.
      assertEquals(JSON.parse(await Deno.readTextFile(path)), file);

      await users.change(() => new Map([["disabled", phc], ["open", null]]));
      assert(await users.verify("disabled", utf8("known")));
      assertEquals(users.has("open"), false);
      assertEquals(problems, []);
    } finally {
      users.close();
    }
  }));

Deno.test("changes at the same time all take place", () =>
  inFolder(async (dir) => {
    const path = join(dir, "user_pass.json");
    await Deno.writeTextFile(path, "{}", { mode: 0o600 });
    const users = await FileUsers.open(path, { onProblem: () => {} });
    try {
      const names = Array.from({ length: 8 }, (_, i) => `user${i}`);
      await Promise.all(names.map((name) =>
        users.change((existing) => {
          assert(!existing.has(name));
          return new Map([[name, phc]]);
        })
      ));
      assertEquals([...users.names()].sort(), names);
      await users.change(() => {
        throw new RangeError("changed its mind");
      }).catch((error) => assert(error instanceof RangeError));
      assertEquals(Object.keys(JSON.parse(await Deno.readTextFile(path))).sort(), names);
    } finally {
      users.close();
    }
  }));
