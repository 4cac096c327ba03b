import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { AuditLog } from "../../../server/observe/audit.ts";
import { type LogLine, logTo } from "../../../server/observe/log.ts";
import { inFolder } from "../../support/command.ts";

const silent = logTo("error", () => {});
const origin = { via: "control", pid: 7, operator: "olga" } as const;

Deno.test("records are lines in their order, also when many are made at once", () =>
  inFolder(async (dir) => {
    const audit = new AuditLog(dir, silent);
    const names = Array.from({ length: 50 }, (_, i) => `user${i}`);
    await Promise.all(
      names.map((name) => audit.record({ action: "user-add", origin, name, result: "done" })),
    );
    const text = await Deno.readTextFile(join(dir, "audit.log"));
    const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.map(({ name }) => name), names);
    assertMatch(lines[0].time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assertEquals({ ...lines[0], time: "" }, {
      time: "",
      action: "user-add",
      name: "user0",
      result: "done",
      via: "control",
      pid: 7,
      operator: "olga",
    });
  }));

Deno.test("a record begins a line of its own after one that was cut short", () =>
  inFolder(async (dir) => {
    const path = join(dir, "audit.log");
    await Deno.writeTextFile(path, '{"time":"2026-');
    const audit = new AuditLog(dir, silent);
    await audit.record({ action: "reload", origin, result: "done" });
    await audit.record({ action: "reload", origin, result: "config" });
    const lines = (await Deno.readTextFile(path)).split("\n");
    assertEquals(lines.length, 4);
    assertEquals([JSON.parse(lines[1] ?? "").result, JSON.parse(lines[2] ?? "").result], [
      "done",
      "config",
    ]);
  }));

Deno.test("the log can be moved away at any time", () =>
  inFolder(async (dir) => {
    const audit = new AuditLog(dir, silent);
    await audit.record({ action: "reload", origin, result: "done" });
    await Deno.rename(join(dir, "audit.log"), join(dir, "audit.log.1"));
    await audit.record({ action: "reload", origin, result: "config" });
    assertStringIncludes(await Deno.readTextFile(join(dir, "audit.log")), "config");
  }));

Deno.test("what operators say of themselves cannot break a line", () =>
  inFolder(async (dir) => {
    const audit = new AuditLog(dir, silent);
    const operator = 'x\n{"time":"now"}\u202e';
    await audit.record({ action: "reload", origin: { ...origin, operator }, result: "done" });
    const text = await Deno.readTextFile(join(dir, "audit.log"));
    assertEquals(text.split("\n").length, 2);
    assert(!text.includes("\u202e"));
  }));

Deno.test("a record that cannot be written goes to the server's log", () =>
  inFolder(async (dir) => {
    await Deno.mkdir(join(dir, "audit.log"));
    const lines: LogLine[] = [];
    const audit = new AuditLog(dir, logTo("error", (line) => lines.push(line)));
    await audit.record({ action: "user-unbind", origin, name: "alice", result: "done" });
    assertEquals(lines.map(({ event }) => event), ["audit-failed"]);
    assertMatch(String(lines[0]?.fields["record"]), /"action":"user-unbind","name":"alice"/);
  }));
