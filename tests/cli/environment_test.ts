import { assertEquals } from "@std/assert";
import { expandHome, variable } from "../../cli/environment.ts";
import { assertRefused } from "../support/testing.ts";

Deno.test("~ is the home folder at the beginning of a path only", () => {
  const before = Deno.env.get("HOME");
  try {
    Deno.env.set("HOME", "/home/alice");
    assertEquals(expandHome("~"), "/home/alice");
    assertEquals(expandHome("~/a/~b"), "/home/alice/a/~b");
    for (const path of ["a/~", "~bob/x", "./~", "", "/~/x"]) assertEquals(expandHome(path), path);
    Deno.env.delete("HOME");
    assertRefused("usage", () => expandHome("~/x"));
  } finally {
    if (before !== undefined) Deno.env.set("HOME", before);
  }
});

Deno.test("a variable that this process may not read is not there, and nobody is asked", () => {
  assertEquals(variable("SOME_VARIABLE_OF_OTHERS"), undefined);
});
