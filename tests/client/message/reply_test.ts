import { assertEquals } from "@std/assert";
import { withSignature } from "../../../client/message/reply.ts";
import { emptyDraft } from "../../../client/state/drafts.ts";
import { isEmpty } from "../../../client/terminal/empty_message.ts";

Deno.test("a signature stands below a text, and does not make a message of nothing", () => {
  assertEquals(withSignature("", "Alice\nRoom 12\n"), "\n\n-- \nAlice\nRoom 12\n");
  assertEquals(withSignature("see you\n\n", "Alice"), "see you\n\n-- \nAlice\n");
  for (const none of ["", " \n"]) assertEquals(withSignature("see you", none), "see you");
  const empty = (text: string) => isEmpty({ ...emptyDraft(), text });
  assertEquals([empty(withSignature("", "Alice")), empty(" \n")], [true, true]);
  assertEquals([empty(withSignature("x", "Alice")), empty("--\nx")], [false, false]);
});
