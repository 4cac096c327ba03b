import { assert, assertEquals } from "@std/assert";
import { testUnless } from "../crypto/support.ts";
import { largeTrip } from "../support/large.ts";

/** What neither process may need, however large the attachment. */
const MOST_MEMORY = 200_000_000;

const notLinux = Deno.build.os === "linux" ? null : "the peak of memory is read from /proc";

testUnless(
  notLinux,
  "a 64 MiB attachment comes out byte for byte, in less than 200 MB",
  async () => {
    const { peak, same } = await largeTrip(64 << 20);
    assertEquals(same, true);
    for (const [who, bytes] of Object.entries(peak)) {
      assert(bytes > 0 && bytes < MOST_MEMORY, `the ${who} had ${bytes} bytes`);
    }
  },
);
