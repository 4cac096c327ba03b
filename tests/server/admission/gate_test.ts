import { assert, assertEquals } from "@std/assert";
import type { ByteStream } from "../../../protocol/byte_stream.ts";
import { Gate, type GateEntry } from "../../../server/admission/gate.ts";
import { Penalties } from "../../../server/admission/penalties.ts";
import type { Values } from "../../../server/settings/setting_values.ts";
import { settingsWith } from "../../../server/settings/settings.ts";
import { Wire } from "../../../server/admission/wire.ts";

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
  readonly gate: Gate;
  readonly penalties: Penalties;
  #port = 1000;

  constructor(public settings: Values) {
    this.penalties = new Penalties(() => this.settings);
    this.gate = new Gate(() => this.settings, this.penalties);
  }

  come(address: string): { stream: Quiet; entry: GateEntry } {
    const stream = new Quiet(`${address}:${this.#port++}`);
    const entry = this.gate.enter(stream);
    assert("admit" in entry, JSON.stringify(entry));
    return { stream, entry };
  }

  away(address: string): [limit: string, retryAfter: number] {
    const answer = this.gate.enter(new Quiet(`${address}:${this.#port++}`));
    assert("limit" in answer);
    return [answer.limit, answer.retryAfter];
  }
}

Deno.test("connections are bounded in all and for each source, and a place that is left is free", () => {
  const scene = new Scene(settingsWith({ maxConnections: 4, maxConnectionsPerSource: 2 }));
  const [a, b] = [scene.come("192.0.2.1"), scene.come("192.0.2.1")];
  assertEquals(scene.away("192.0.2.1"), ["max-connections-per-source", 10]);
  assert(a.entry.admit("alice"));
  // Logged in or not: a connection is one.
  assertEquals(scene.away("192.0.2.1"), ["max-connections-per-source", 10]);
  scene.come("192.0.2.2");
  scene.come("192.0.2.3");
  assertEquals(scene.away("192.0.2.4"), ["max-connections", 10]);
  assertEquals([scene.gate.size, scene.gate.strangers], [4, 3]);
  a.entry.leave();
  a.entry.leave();
  scene.come("192.0.2.1");
  b.entry.leave();
  assertEquals([scene.gate.size, scene.gate.strangers], [3, 3]);
});

Deno.test("strangers are bounded for each source; when there are too many, the oldest goes", () => {
  const scene = new Scene(settingsWith({ maxUnauthenticated: 3, maxUnauthenticatedPerSource: 2 }));
  const [a, b] = [scene.come("192.0.2.1"), scene.come("192.0.2.1")];
  assertEquals(scene.away("192.0.2.1"), ["max-unauthenticated-per-source", 10]);
  const c = scene.come("192.0.2.2");
  const d = scene.come("192.0.2.3");
  assertEquals([a, b, c, d].map(({ stream }) => stream.closed), [true, false, false, false]);
  assertEquals([a, b].map(({ entry }) => entry.dropped()), [true, false]);
  assert(b.entry.admit("bob"));
  scene.come("192.0.2.4");
  assertEquals([b, c].map(({ stream }) => stream.closed), [false, false]);
  scene.gate.closeAll();
  assertEquals([b, c, d].map(({ stream }) => stream.closed), [false, true, true]);
  assertEquals(scene.gate.strangers, 0);
});

Deno.test("connections of a user are bounded over all sources", () => {
  const scene = new Scene(settingsWith({ maxConnectionsPerUser: 2 }));
  const [a, b, c] = [scene.come("192.0.2.1"), scene.come("192.0.2.2"), scene.come("192.0.2.3")];
  assert(a.entry.admit("alice") && b.entry.admit("alice"));
  assertEquals(c.entry.admit("alice"), false);
  assert(scene.come("192.0.2.4").entry.admit("bob"));
  c.entry.leave();
  a.entry.leave();
  assert(scene.come("192.0.2.5").entry.admit("alice"));
  assertEquals(scene.come("192.0.2.6").entry.admit("alice"), false);
});

Deno.test("a penalised source is turned away with the time, before anything else is looked at", () => {
  const scene = new Scene(settingsWith({ maxConnections: 1 }));
  const { entry } = scene.come("192.0.2.1");
  scene.penalties.add(entry.source, "crash");
  assertEquals(scene.away("192.0.2.1"), ["penalties", 90]);
  assertEquals(scene.away("192.0.2.2"), ["max-connections", 10]);
});

Deno.test("a client's own delays before its login are limited; what the server takes is not", async () => {
  const stream = new Quiet("192.0.2.1:1");
  const wire = new Wire(stream, 200, { add() {} });
  await new Promise((resolve) => setTimeout(resolve, 300)); // The server's.
  assertEquals(wire.late, false);
  assertEquals(await wire.read(new Uint8Array(1)), null);
  assertEquals([wire.late, stream.closed], [true, true]);

  const other = new Quiet("192.0.2.1:2");
  const relaxed = new Wire(other, 50, { add() {} });
  relaxed.relax();
  const reading = relaxed.read(new Uint8Array(1));
  const writing = relaxed.write(new Uint8Array(1));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assertEquals([relaxed.late, other.closed], [false, false]);
  assert(relaxed.writingSince !== null);
  other.close();
  await Promise.race([reading, writing]);
});
