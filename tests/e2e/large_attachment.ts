// A 1 GiB attachment from client to client, with what it takes: `deno task test:large`. It needs
// some 6 GB of disk, and on two cores a minute or two; so it is not among the tests of every day.

import { assert, assertEquals } from "@std/assert";
import { largeTrip } from "../support/large.ts";

Deno.test("a 1 GiB attachment comes out byte for byte, in less than 200 MB", async () => {
  const { time, peak, same } = await largeTrip(2 ** 30);
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  console.log(`sent in ${seconds(time.send)}, read and saved in ${seconds(time.receive)}`);
  for (const [who, bytes] of Object.entries(peak)) {
    console.log(`peak of memory of the ${who}: ${megabytes(bytes)}`);
  }
  assertEquals(same, true);
  for (const [who, bytes] of Object.entries(peak)) {
    assert(bytes > 0 && bytes < 200_000_000, `the ${who} had ${bytes} bytes`);
  }
});
