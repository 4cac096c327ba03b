import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import {
  jsonLine,
  LOG_LEVELS,
  type LogLine,
  logTo,
  peerFields,
  terminalLine,
  textLine,
} from "../../../server/observe/log.ts";

/** The lines of a log of `level`. */
function recorded(level: typeof LOG_LEVELS[number]) {
  const lines: LogLine[] = [];
  return { lines, log: logTo(level, (line) => lines.push(line)) };
}

const time = new Date("2026-11-22T10:15:00Z");

Deno.test("an event is written in each form", () => {
  const { lines, log } = recorded("info");
  log.warn("login-failed", {
    name: "alice",
    peer: "192.0.2.7:50312",
    why: 'name or "password"',
    n: 3,
    ok: false,
    none: "",
  });
  const [line] = lines.map((line) => ({ ...line, time }));
  assert(line);
  const fields =
    'name=alice from=192.0.2.7 port=50312 why="name or \\"password\\"" n=3 ok=false none=""';
  assertEquals(textLine(line), `2026-11-22T10:15:00.000Z warn login-failed ${fields}`);
  assertEquals(JSON.parse(jsonLine(line)), {
    time: "2026-11-22T10:15:00.000Z",
    level: "warn",
    event: "login-failed",
    name: "alice",
    from: "192.0.2.7",
    port: 50312,
    why: 'name or "password"',
    n: 3,
    ok: false,
    none: "",
  });
  assertMatch(terminalLine(line, false), /^\d\d:\d\d:00 warn login-failed name=alice /);
  assertMatch(terminalLine({ ...line, level: "info" }, false), /^\d\d:\d\d:00 login-failed /);
  // deno-lint-ignore no-control-regex
  assertMatch(terminalLine(line, true), /^\d\d:\d\d:00 \x1b\[1;33mwarn login-failed\x1b\[0m name=/);
});

Deno.test("a level leaves out what is less urgent", () => {
  for (const [at, level] of LOG_LEVELS.entries()) {
    const { lines, log } = recorded(level);
    for (const one of LOG_LEVELS) log[one]("event");
    assertEquals(lines.map(({ level }) => level), LOG_LEVELS.slice(at));
  }
});

Deno.test("the address of a peer is what a firewall takes", () => {
  const cases: readonly (readonly [peer: string, from: string, port: number])[] = [
    ["192.0.2.7:1", "192.0.2.7", 1],
    ["[2001:db8::7]:65535", "2001:db8::7", 65535],
    ["[::ffff:192.0.2.7]:50312", "192.0.2.7", 50312],
    ["[fe80::1%eth0]:50312", "fe80::1", 50312],
  ];
  for (const [peer, from, port] of cases) assertEquals(peerFields(peer), { from, port });
  assertEquals(peerFields("local"), { from: "local" });
});

Deno.test("whatever a field holds, an event is one line that nothing hides in", () => {
  const nasty = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      "x\n2026-11-22T10:15:00.000Z warn login-failed name=alice from=192.0.2.7 port=1",
      '" warn login-failed name=alice from=192.0.2.7 port=1 x="',
      "\x1b[2J\x1b]0;title\x07",
      "a\u202eb\u2028c\u0085d\r",
    ),
  );
  fc.assert(fc.property(nasty, (value) => {
    const line = { time, level: "info", event: "event", fields: { value, last: 1 } } as const;
    for (const text of [textLine(line), jsonLine(line), terminalLine(line, false)]) {
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(text));
      assert(text.isWellFormed());
    }
    assertMatch(textLine(line), /^\S+ info event value=(?:"(?:[^"\\]|\\.)*"|[^\s"=]+) last=1$/);
    assertEquals(Object.keys(JSON.parse(jsonLine(line))), [
      "time",
      "level",
      "event",
      "value",
      "last",
    ]);
  }));
});
