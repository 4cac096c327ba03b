import { assertEquals } from "@std/assert";
import { PasswordCheck } from "../../../client/bridge/password.ts";
import { isSealpostError } from "../../../crypto/error.ts";

Deno.test("each of several accounts of one name is found by its own password", async () => {
  const check = new PasswordCheck({ first: 0, most: 0 });
  const right = ["aaaa-1111", "bbbb-2222"];
  assertEquals(await check.find("aaaa-1111", right), 0);
  assertEquals(await check.find(" BBBB2222 ", right), 1);
  assertEquals(await check.find("cccc-3333", right), null);
  assertEquals(await check.find("", []), null);
});

Deno.test("who gives a wrong password while twenty wait is sent away, and the right one is let in", async () => {
  const check = new PasswordCheck({ first: 5, most: 5 });
  const wrong = Array.from({ length: 25 }, () => check.find("no", ["yes"]));
  assertEquals(await check.find("yes", ["yes"]), 0);
  const ends = await Promise.allSettled(wrong);
  const sentAway = ends.map((end) => {
    return end.status === "rejected" && isSealpostError(end.reason, "busy");
  });
  assertEquals(sentAway, [...Array(20).fill(false), ...Array(5).fill(true)]);
  assertEquals(await check.find("no", ["yes"]), null);
});
