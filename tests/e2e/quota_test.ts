import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

import { Commanding } from "../support/commanding.ts";
import { testInFull } from "../support/full.ts";

testInFull(
  "who is full learns it before others do, and who writes to them whose mailbox it is",
  async () => {
    await using people = await Commanding.start(["alice", "bob"], { serve: ["--quota", "1MiB"] });
    const empty = await people.json("bob", ["status"]);
    assertEquals([empty.bytes, empty.quota], [0, 2 ** 20]);
    assertStringIncludes(await people.ok("bob", ["status"]), "0 bytes of 1.0 MiB used (0 %)");

    // A copy in the inbox, and one in Sent.
    const long = "all work and no play\n".repeat(350_000 / 21);
    await people.ok("bob", ["send", "-t", "bob", "-s", "Long"], { input: long });
    const warned = await people.as("bob", ["status"]);
    assertMatch(warned.stderr, /^Your mailbox is nearly full: .* of 1\.0 MiB used \(9\d %\)\. /);
    assertMatch(warned.stdout, /of 1\.0 MiB used \(9\d %\)/);
    const again = await people.as("bob", ["status"]);
    assertEquals([again.code, again.stderr], [0, ""]);

    const sent = await people.as("alice", ["send", "-t", "bob", "-s", "More"], {
      input: long.slice(0, 100_000),
    });
    assertStringIncludes(sent.stderr, "the mailbox of bob has no room for this message");
    assertEquals((await people.json("alice", ["outbox"])).length, 1);
    const [{ short }] = await people.json("bob", ["inbox"]);
    await people.ok("bob", ["delete", short, "--for-good", "--yes"]);
    await people.ok("alice", ["outbox", "flush"]);
    assertEquals((await people.json("bob", ["inbox"]))[0].subject, "More");
  },
);
