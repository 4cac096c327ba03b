import { assert, assertEquals } from "@std/assert";
import { parseNetblock } from "../../../server/settings/netblock.ts";
import {
  type Offence,
  Penalties,
  type RefusedSource,
} from "../../../server/admission/penalties.ts";
import type { Values } from "../../../server/settings/setting_values.ts";
import { settingsWith } from "../../../server/settings/settings.ts";
import { type Source, sourceOf } from "../../../server/admission/source.ts";

/** Penalties whose clock is moved by hand, in seconds. */
class Scene {
  readonly refusals: RefusedSource[] = [];
  readonly penalties: Penalties;
  settings: Values;
  now = 1000;

  constructor(changes: Partial<Values> = {}) {
    this.settings = settingsWith({ penaltyExempt: [], ...changes });
    this.penalties = new Penalties(
      () => this.settings,
      (refusal) => this.refusals.push(refusal),
      () => 1000 * this.now,
    );
  }

  offend(offence: Offence, source = from("192.0.2.1")): void {
    this.penalties.add(source, offence);
  }

  refused(source = from("192.0.2.1")): number {
    return this.penalties.refusedFor(source);
  }
}

function from(address: string): Source {
  return sourceOf(`${address.includes(":") ? `[${address}]` : address}:50312`, { v4: 32, v6: 64 });
}

Deno.test("a few wrong passwords cost nothing, many in a row cost a while", () => {
  const scene = new Scene();
  for (let i = 0; i < 10; i++) {
    scene.offend("login");
    assertEquals(scene.refused(), 0);
    scene.now += 5; // As fast as it is forgotten.
  }
  scene.offend("login");
  scene.offend("login");
  assertEquals(scene.refused(), 0);
  scene.offend("login");
  assertEquals(scene.refused(), 15);
  assertEquals(scene.refusals, [{ source: "192.0.2.1", offence: "login", seconds: 15 }]);
  scene.now += 14.5;
  assertEquals(scene.refused(), 1);
  scene.now += 0.5;
  assertEquals(scene.refused(), 0);
});

Deno.test("each offence has its own price; breaking the protocol is refused at once", () => {
  const until: Record<Offence, number> = {
    login: 3,
    garbage: 2,
    timeout: 2,
    abandoned: 15,
    crash: 1,
  };
  for (const [offence, count] of Object.entries(until) as [Offence, number][]) {
    const scene = new Scene();
    for (let i = 1; i <= count; i++) {
      assertEquals(scene.refused(), 0, `${offence} ${i}`);
      scene.offend(offence);
    }
    assert(scene.refused() > 0, offence);
  }
});

Deno.test("who comes back and goes on is refused for longer each time, up to a limit", () => {
  const scene = new Scene();
  const periods: number[] = [];
  for (let i = 0; i < 8; i++) {
    while (scene.refused() === 0) scene.offend("login");
    periods.push(scene.refused());
    scene.now += scene.refused();
  }
  assertEquals(periods, [15, 20, 20, 40, 80, 160, 320, 600]);

  // A step is forgiven for each ten minutes without offence.
  scene.now += 600 * 6;
  while (scene.refused() === 0) scene.offend("login");
  assertEquals(scene.refused(), 20);
});

Deno.test("without growth an offence costs the same every time", () => {
  const scene = new Scene({ penaltyGrowth: 1 });
  for (let i = 0; i < 5; i++) {
    while (scene.refused() === 0) scene.offend("login");
    assertEquals(scene.refused(), 15);
    scene.now += 15;
  }
});

Deno.test("offences of connections that were open already prolong a refusal, which is told once", () => {
  const scene = new Scene();
  scene.offend("crash");
  assertEquals(scene.refused(), 90);
  for (let i = 0; i < 20; i++) scene.offend("crash");
  assertEquals(scene.refused(), 600);
  assertEquals(scene.refusals.length, 1);
});

Deno.test("one source's penalty is not another's", () => {
  const scene = new Scene();
  scene.offend("crash", from("2001:db8:0:1::5"));
  assertEquals(scene.refused(from("2001:db8:0:1:ffff::1")), 90);
  assertEquals(scene.refused(from("2001:db8:0:2::5")), 0);
  assertEquals(scene.refused(), 0);
});

Deno.test("the exempt are never refused, nor anybody when penalties are off", () => {
  const office = parseNetblock("192.0.2.0/24");
  assert(office);
  const scene = new Scene({ penaltyExempt: [office] });
  scene.offend("crash");
  assertEquals([scene.refused(), scene.penalties.size], [0, 0]);
  scene.offend("crash", from("198.51.100.1"));
  assertEquals(scene.refused(from("198.51.100.1")), 90);

  scene.settings = settingsWith({ penaltyExempt: [], penalties: false });
  assertEquals(scene.refused(from("198.51.100.1")), 0);
  scene.offend("crash");
  assertEquals(scene.refused(), 0);

  // An exemption that is added helps who is refused already.
  scene.settings = settingsWith({ penaltyExempt: [] });
  scene.offend("crash");
  assertEquals(scene.refused(), 90);
  scene.settings = settingsWith({ penaltyExempt: [office] });
  assertEquals(scene.refused(), 0);
});

Deno.test("this machine is exempt unless somebody says otherwise", () => {
  const scene = new Scene();
  scene.settings = settingsWith();
  scene.offend("crash", from("127.0.0.1"));
  scene.offend("crash", from("::1"));
  assertEquals([scene.refused(from("127.0.0.1")), scene.refused(from("::1"))], [0, 0]);
});

Deno.test("the table is bounded, IPv6 cannot push out IPv4, and those who go on are kept", () => {
  const scene = new Scene();
  scene.offend("crash");
  scene.offend("crash", from("2001:db8::1"));
  for (let i = 0; i < 40_000; i++) {
    const group = (n: number) => n.toString(16);
    scene.offend("abandoned", from(`2001:db9:${group(i >> 8)}:${group(i & 0xff)}::1`));
  }
  assertEquals(scene.penalties.size, 32_768 + 1);
  assert(scene.refused() > 0);
  assertEquals(scene.refused(from("2001:db8::1")), 0);
});

Deno.test("what was added for a handshake that was left can be taken back, but no refusal", () => {
  const scene = new Scene();
  const source = from("192.0.2.1");
  for (let i = 0; i < 30; i++) {
    scene.offend("abandoned");
    scene.penalties.takeBack(source, "abandoned");
  }
  assertEquals(scene.refused(), 0);
  while (scene.refused() === 0) scene.offend("abandoned");
  const until = scene.refused();
  scene.penalties.takeBack(source, "abandoned");
  assertEquals(scene.refused(), until);
  scene.penalties.takeBack(from("192.0.2.2"), "abandoned");
});
