import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isName, parseName } from "../../protocol/name.ts";
import { accepts, assertRefused } from "../support/testing.ts";

Deno.test("names are 1 to 32 of a-z 0-9 . _ - and start with a letter or digit", () => {
  const good = ["a", "0", "alice", "client1", "a.b_c-d", "x".repeat(32), "9lives", "a..b", "a-"];
  for (const name of good) {
    assert(isName(name));
    assertEquals(parseName(name), name);
  }
  const bad = [
    "",
    " ",
    ".",
    "..",
    "-a",
    "_a",
    ".a",
    "../client2",
    "a/b",
    "a\\b",
    "a b",
    "a\nb",
    "a\u0000",
    "\u00e9",
    "\uff41",
    "\u017f",
    "\u212a",
    "\u0130",
    "x".repeat(33),
    "a@b",
    "a:b",
    "$HOME",
    "\u202ea",
  ];
  for (const name of bad) {
    assert(!isName(name), name);
    assertRefused("format", () => parseName(name));
  }
  for (const name of ["a\n", "\na", "Alice", " alice"]) assert(!isName(name));
});

Deno.test("a name is taken in lower case and without the blanks around it", () => {
  for (const text of ["Alice", "ALICE", " alice ", "\talice\n"]) {
    assertEquals(parseName(text), "alice");
  }
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    if (!accepts("format", () => parseName(text))) return;
    const name = parseName(text);
    assert(/^[a-z0-9._-]{1,32}$/.test(name) && isName(name));
    assertEquals(parseName(name), name);
  }));
});
