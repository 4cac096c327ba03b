import { assertEquals } from "@std/assert";
import { defined } from "../../crypto/defined.ts";

Deno.test("what is undefined is left out, whatever else is false stays", () => {
  const made = defined({ a: undefined, b: null, c: 0, d: "", e: false });
  assertEquals(Object.keys(made), ["b", "c", "d", "e"]);
  const absent = new Map<string, string>().get("f");
  const typed: { readonly f?: string; readonly g: number } = defined({ f: absent, g: 1 });
  assertEquals(typed, { g: 1 });
});
