import { assert, assertEquals } from "@std/assert";
import { TokenBucket, TokenBuckets } from "../../../server/admission/token_bucket.ts";

Deno.test("a bucket gives its burst at once, then one for each interval", () => {
  const rate = { perSecond: 1, burst: 3 };
  const bucket = new TokenBucket(rate, 0);
  assertEquals([0, 1, 2, 3].map(() => bucket.take(rate, 0)), [0, 0, 0, 1000]);
  assertEquals(bucket.take(rate, 400), 600);
  assertEquals(bucket.take(rate, 1000), 0);
  assertEquals(bucket.take(rate, 1000), 1000);
  // After any pause, no more than the burst.
  assertEquals([0, 1, 2, 3].map(() => bucket.take(rate, 1e9)), [0, 0, 0, 1000]);
});

Deno.test("what was refused is not counted: who waits as long as they are told is let through", () => {
  const rate = { perSecond: 0.7, burst: 1 };
  const bucket = new TokenBucket(rate, 0);
  let now = 0;
  for (let i = 0; i < 50; i++) {
    const wait = bucket.take(rate, now);
    if (wait > 0) {
      for (let j = 0; j < 5; j++) bucket.take(rate, now);
      now += wait;
      assertEquals(bucket.take(rate, now), 0);
    }
  }
  assert(now > 60_000 && now < 75_000, `${now}`);
});

Deno.test("another rate counts from now on", () => {
  const bucket = new TokenBucket({ perSecond: 1, burst: 2 }, 0);
  assertEquals(bucket.take({ perSecond: 1, burst: 100 }, 0), 0);
  assertEquals(bucket.take({ perSecond: 1, burst: 100 }, 0), 0);
  assertEquals(bucket.take({ perSecond: 100, burst: 100 }, 0), 10);
  assertEquals(bucket.take({ perSecond: Infinity, burst: 5 }, 0), 0);
});

Deno.test("buckets are by name, and full ones are forgotten", () => {
  let now = 0;
  let rate = { perSecond: 1, burst: 2 };
  const buckets = new TokenBuckets(() => rate, () => now);
  assertEquals([1, 2, 3].map(() => buckets.take("alice")), [0, 0, 1000]);
  assertEquals(buckets.take("bob"), 0);
  for (let i = 0; i < 1000; i++) {
    now += 10_000;
    assertEquals(buckets.take(`user${i}`), 0);
  }
  assert(buckets.size <= 65, `${buckets.size}`);
  rate = { perSecond: Infinity, burst: 2 };
  for (let i = 0; i < 10; i++) assertEquals(buckets.take("carol"), 0);
});
