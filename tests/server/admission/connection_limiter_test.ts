import { assert, assertEquals } from "@std/assert";
import type { ByteStream } from "../../../protocol/byte_stream.ts";
import {
  ConnectionLimiter,
  type ConnectionSlot,
} from "../../../server/admission/connection_limiter.ts";
import { Penalties } from "../../../server/admission/penalties.ts";
import type { Values } from "../../../server/settings/setting_values.ts";
import { settingsWith } from "../../../server/settings/settings.ts";
import { TimedStream } from "../../../server/admission/timed_stream.ts";

/** A stream that nobody writes to. */
class Quiet implements ByteStream {
  closed = false;
  #onClose = () => {};

  constructor(readonly peer: string) {}

  read(): Promise<number | null> {
    return new Promise((resolve) => this.#onClose = () => resolve(null));
  }
  write(): Promise<void> {
    return this.closed ? Promise.resolve() : new Promise((resolve) => this.#onClose = resolve);
  }
  closeWrite(): Promise<void> {
    return Promise.resolve();
  }
  close(): void {
    this.closed = true;
    this.#onClose();
  }
}

class Scene {
  readonly limiter: ConnectionLimiter;
  readonly penalties: Penalties;
  #port = 1000;

  constructor(public settings: Values) {
    this.penalties = new Penalties(() => this.settings);
    this.limiter = new ConnectionLimiter(() => this.settings, this.penalties);
  }

  come(address: string): { stream: Quiet; slot: ConnectionSlot } {
    const stream = new Quiet(`${address}:${this.#port++}`);
    const slot = this.limiter.enter(stream);
    assert("admit" in slot, JSON.stringify(slot));
    return { stream, slot };
  }

  away(address: string): [limit: string, retryAfter: number] {
    const answer = this.limiter.enter(new Quiet(`${address}:${this.#port++}`));
    assert("limit" in answer);
    return [answer.limit, answer.retryAfter];
  }
}

Deno.test("connections are bounded in all and for each source, and a place that is left is free", () => {
  const scene = new Scene(settingsWith({ maxConnections: 4, maxConnectionsPerSource: 2 }));
  const [a, b] = [scene.come("192.0.2.1"), scene.come("192.0.2.1")];
  assertEquals(scene.away("192.0.2.1"), ["max-connections-per-source", 10]);
  assert(a.slot.admit("alice"));
  // Logged in or not: a connection is one.
  assertEquals(scene.away("192.0.2.1"), ["max-connections-per-source", 10]);
  scene.come("192.0.2.2");
  scene.come("192.0.2.3");
  assertEquals(scene.away("192.0.2.4"), ["max-connections", 10]);
  assertEquals([scene.limiter.size, scene.limiter.unauthenticated], [4, 3]);
  a.slot.release();
  a.slot.release();
  scene.come("192.0.2.1");
  b.slot.release();
  assertEquals([scene.limiter.size, scene.limiter.unauthenticated], [3, 3]);
});

Deno.test("strangers are bounded for each source; when there are too many, the oldest goes", () => {
  const scene = new Scene(settingsWith({ maxUnauthenticated: 3, maxUnauthenticatedPerSource: 2 }));
  const [a, b] = [scene.come("192.0.2.1"), scene.come("192.0.2.1")];
  assertEquals(scene.away("192.0.2.1"), ["max-unauthenticated-per-source", 10]);
  const c = scene.come("192.0.2.2");
  const d = scene.come("192.0.2.3");
  assertEquals([a, b, c, d].map(({ stream }) => stream.closed), [true, false, false, false]);
  assertEquals([a, b].map(({ slot }) => slot.evicted()), [true, false]);
  assert(b.slot.admit("bob"));
  scene.come("192.0.2.4");
  assertEquals([b, c].map(({ stream }) => stream.closed), [false, false]);
  scene.limiter.closeAll();
  assertEquals([b, c, d].map(({ stream }) => stream.closed), [false, true, true]);
  assertEquals(scene.limiter.unauthenticated, 0);
});

Deno.test("connections of a user are bounded over all sources", () => {
  const scene = new Scene(settingsWith({ maxConnectionsPerUser: 2 }));
  const [a, b, c] = [scene.come("192.0.2.1"), scene.come("192.0.2.2"), scene.come("192.0.2.3")];
  assert(a.slot.admit("alice") && b.slot.admit("alice"));
  assertEquals(c.slot.admit("alice"), false);
  assert(scene.come("192.0.2.4").slot.admit("bob"));
  c.slot.release();
  a.slot.release();
  assert(scene.come("192.0.2.5").slot.admit("alice"));
  assertEquals(scene.come("192.0.2.6").slot.admit("alice"), false);
});

Deno.test("a penalised source is turned away with the time, before anything else is looked at", () => {
  const scene = new Scene(settingsWith({ maxConnections: 1 }));
  const { slot } = scene.come("192.0.2.1");
  scene.penalties.add(slot.source, "crash");
  assertEquals(scene.away("192.0.2.1"), ["penalties", 90]);
  assertEquals(scene.away("192.0.2.2"), ["max-connections", 10]);
});

Deno.test("a client's own delays before its login are limited; what the server takes is not", async () => {
  const stream = new Quiet("192.0.2.1:1");
  const wire = new TimedStream(stream, 200, { add() {} });
  await new Promise((resolve) => setTimeout(resolve, 300)); // The server's.
  assertEquals(wire.timedOut, false);
  assertEquals(await wire.read(new Uint8Array(1)), null);
  assertEquals([wire.timedOut, stream.closed], [true, true]);

  const other = new Quiet("192.0.2.1:2");
  const relaxed = new TimedStream(other, 50, { add() {} });
  relaxed.endLoginTimeout();
  const reading = relaxed.read(new Uint8Array(1));
  const writing = relaxed.write(new Uint8Array(1));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assertEquals([relaxed.timedOut, other.closed], [false, false]);
  assert(relaxed.writingSince !== null);
  other.close();
  await Promise.race([reading, writing]);
});
