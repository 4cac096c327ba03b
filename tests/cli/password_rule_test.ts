import { assert, assertEquals } from "@std/assert";
import { passwordProblem } from "../../cli/password_rule.ts";
import { MAX_PASSWORD, MIN_PASSWORD } from "../../protocol/limits.ts";

Deno.test("a password is refused for its size, or for being what everybody tries first", () => {
  assertEquals(
    passwordProblem("x".repeat(MIN_PASSWORD - 1)),
    "a password has 8 characters or more",
  );
  assert(passwordProblem("ab🙂".repeat(MAX_PASSWORD)) !== null);
  for (
    const common of ["password", "PassWord1", "12345678", "qwertyuiop", "Sealpost", "11111111"]
  ) {
    assertEquals(
      passwordProblem(common),
      "that is one of the passwords that everybody tries first",
      common,
    );
  }
  for (const fine of ["correct horse", "password of alice", "K7v-9qXw", "Grüße an alle"]) {
    assertEquals(passwordProblem(fine), null, fine);
  }
});
