import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isFullName, isName, parseFullName, parseName } from "../../protocol/name.ts";
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

Deno.test("full names are words of any script, with single blanks, that can be seen", () => {
  const good = [
    "Bob",
    "Bob Müller",
    "김 철수",
    "محمد",
    "می\u200cخواهم",
    "O'Neill-Smith Jr.",
    "x".repeat(100),
  ];
  for (const name of good) assertEquals([isFullName(name), parseFullName(name)], [true, name]);
  assertEquals(parseFullName(" Bob \t Mu\u0308ller\n"), "Bob Müller");
  const bad = [
    "",
    " ",
    " Bob",
    "Bob ",
    "a  b",
    "a\nb",
    "a\u00a0b",
    "a\u202eb",
    "a\u200b",
    "\u200cx",
    "x".repeat(101),
    "Bob (verified in person)",
    "Bob <bob@mail.lan>",
    'Bob "the" Builder',
    "Bob, verified",
  ];
  for (const name of bad) assert(!isFullName(name), JSON.stringify(name));
  for (const name of ["", " \n", "a\u202eb", "a\u0000", "x".repeat(101)]) {
    assertRefused("format", () => parseFullName(name));
  }
});
