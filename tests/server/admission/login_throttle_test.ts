import { assertEquals } from "@std/assert";
import { LoginThrottle } from "../../../server/admission/login_throttle.ts";
import { settingsWith } from "../../../server/settings/settings.ts";

Deno.test("wrong guesses are counted by name and source, for a window that begins with the first", () => {
  let now = 0;
  const settings = settingsWith({ maxGuesses: 3, guessWindow: 60_000 });
  const guesses = new LoginThrottle(() => settings, () => now);
  for (let i = 0; i < 3; i++) {
    assertEquals(guesses.blockedFor("alice", "a"), 0);
    guesses.failed("alice", "a");
    now += 10_000;
  }
  assertEquals(guesses.blockedFor("alice", "a"), 30);
  assertEquals([guesses.blockedFor("alice", "b"), guesses.blockedFor("bob", "a")], [0, 0]);
  now += 29_999;
  assertEquals(guesses.blockedFor("alice", "a"), 1);
  now += 1;
  assertEquals(guesses.blockedFor("alice", "a"), 0);
  guesses.failed("alice", "a");
  guesses.failed("alice", "a");
  guesses.succeeded("alice", "a");
  guesses.failed("alice", "a");
  assertEquals(guesses.blockedFor("alice", "a"), 0);
});
