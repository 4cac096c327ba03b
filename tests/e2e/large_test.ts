import { assert, assertEquals } from "@std/assert";
import { nativeArgon2 } from "../../crypto/argon2.ts";
import { testInFullUnless } from "../support/full.ts";
import { largeTrip } from "../support/large.ts";

/** What no process may need, however large the attachment. */
const MOST_MEMORY = 200_000_000;

/**
 * Where the runtime has no Argon2id, each password check leaves 20 MB of WebAssembly's memory to the
 * collector, which takes its time: five of them more than anything that an attachment needs.
 */
const MOST_MEMORY_OF_A_SERVER = nativeArgon2 ? MOST_MEMORY : MOST_MEMORY + 5 * 20_000_000;

const notLinux = Deno.build.os === "linux" ? null : "the peak of memory is read from /proc";

testInFullUnless(
  notLinux,
  "a 64 MiB attachment comes out byte for byte, in less than 200 MB",
  async () => {
    const { peak, same } = await largeTrip(64 << 20);
    assertEquals(same, true);
    for (const [who, bytes] of Object.entries(peak)) {
      const most = who === "server" ? MOST_MEMORY_OF_A_SERVER : MOST_MEMORY;
      assert(bytes > 0 && bytes < most, `the ${who} had ${bytes} bytes`);
    }
  },
);
