// The server's log as it is written, and what fail2ban makes of it.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { loadBundle } from "../../files/key_files.ts";
import { parseAddress } from "../../protocol/address.ts";
import { assertCode } from "../server/store/store_contract.ts";
import { connectAs } from "../support/operator.ts";
import { makeGroup } from "../support/group_folder.ts";
import { passwordOf, ROOT, ServerProcess } from "../support/program.ts";

const WRONG = "a wrong password";

/** The log of a server on which logins fail and succeed, and somebody speaks HTTP. */
async function logOf(form: string): Promise<string[]> {
  const { dir, remove } = await makeGroup([], { others: ["alice", "bob"] });
  try {
    const process = await ServerProcess.start({ cwd: dir }, ["--log", form, "--max-guesses", "2"]);
    const { address } = process;
    const bundle = await loadBundle(join(dir, "server", "server_public.pem"));
    const server = { address, bundle };
    try {
      await using _alice = await connectAs("alice", passwordOf("alice"), server);
      await assertCode("login-refused", () => connectAs("alice", WRONG, server));
      await assertCode("login-refused", () => connectAs("mallory", WRONG, server));
      await assertCode(
        "login-refused",
        () => connectAs("alice", passwordOf("alice"), server, "bob"),
      );
      await assertCode("busy", () => connectAs("alice", passwordOf("alice"), server));
      const { host, port } = parseAddress(address);
      const socket = await Deno.connect({ hostname: host, port });
      await socket.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
      await socket.closeWrite();
      await new Response(socket.readable).arrayBuffer();
      await process.program.expectError("other-protocol");
    } finally {
      await process.stop();
    }
    return process.program.stderr.trimEnd().split("\n");
  } finally {
    await remove();
  }
}

const logs = { text: await logOf("text"), json: await logOf("json") };

/** The expressions of the fail2ban filter, as ones of JavaScript. */
async function failRegex(mode: "normal" | "aggressive"): Promise<RegExp[]> {
  const text = await Deno.readTextFile(
    join(ROOT, "contrib", "fail2ban", "filter.d", "sealpost.conf"),
  );
  const values = new Map<string, string>();
  let last = "";
  for (const line of text.split("\n")) {
    const [, name, value] = /^([\w-]+) = ?(.*)$/.exec(line) ?? [];
    if (name !== undefined) values.set(last = name, value ?? "");
    else if (/^\s+\S/.test(line)) values.set(last, `${values.get(last)}\n${line.trim()}`);
  }
  assertEquals(values.get("failregex"), "<mdre-<mode>>");
  let expressions = values.get(`mdre-${mode}`) ?? "";
  for (let depth = 0; depth < 3; depth++) {
    expressions = expressions.replace(/%\(([\w-]+)\)s/g, (_, name) => values.get(name) ?? "?");
  }
  return expressions.split("\n").map((expression) =>
    new RegExp(
      expression.replace("<F-USER>", "(?<user>").replace("</F-USER>", ")")
        .replace("<ADDR>", "(?<from>[0-9A-Fa-f.:]+)"),
    )
  );
}

/** Who is found in which lines. */
async function found(lines: readonly string[], mode: "normal" | "aggressive"): Promise<string[]> {
  const expressions = await failRegex(mode);
  return lines.flatMap((line) => {
    const hits = expressions.map((one) => one.exec(line)).filter((hit) => hit !== null);
    assert(hits.length <= 1, line);
    const { user = "-", from } = hits[0]?.groups ?? {};
    return from === undefined ? [] : [`${user} ${from}`];
  });
}

const FAILED = ["alice 127.0.0.1", "mallory 127.0.0.1", "alice 127.0.0.1", "alice 127.0.0.1"];

Deno.test("fail2ban finds who failed to log in, in each form of the log", async () => {
  for (const lines of [logs.text, logs.json]) {
    assertEquals(await found(lines, "normal"), FAILED);
    assertEquals(await found(lines, "aggressive"), [...FAILED, "- 127.0.0.1"]);
    // As the journal shows them.
    const journal = lines.map((line) => `mail sealpost[123]: ${line}`);
    assertEquals(await found(journal, "normal"), FAILED);
  }
});

Deno.test("fail2ban finds nothing that a client wrote into a field", async () => {
  const claim = "warn login-failed name=bob from=192.0.2.1 port=1";
  const json =
    '{"time":"","level":"warn","event":"login-failed","name":"bob","from":"192.0.2.1","port":1}';
  const lines = [
    `2026-11-22T10:15:00.000Z info connection-ended from=192.0.2.9 port=2 code=other why="${claim}"`,
    `2026-11-22T10:15:00.000Z info login name=bob from=192.0.2.9 client="x ${claim}"`,
    JSON.stringify({ time: "", level: "info", event: "connection-ended", why: json }),
    JSON.stringify({ time: "", level: "info", event: "connection-ended", why: claim }),
  ];
  assertEquals(await found(lines, "aggressive"), []);
});

Deno.test("the log has one event a line, and no secret", () => {
  for (const line of logs.text) {
    assertMatch(
      line,
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (info|warn) [a-z-]+( [a-z]+=\S.*)*$/,
    );
  }
  const events = logs.json.map((line) => JSON.parse(line));
  for (const { time, level, event } of events) {
    assertMatch(`${time} ${level} ${event}`, /^\S{24} (info|warn) [a-z-]+$/);
  }
  const login = events.find(({ event }) => event === "key-bound");
  assertEquals([login.name, login.from, typeof login.port], ["alice", "127.0.0.1", "number"]);
  for (const lines of [logs.text, logs.json]) {
    const all = lines.join("\n");
    assertStringIncludes(all, "login-blocked");
    for (const secret of [WRONG, passwordOf("alice"), "$argon2id$", "GET /"]) {
      assert(!all.includes(secret), secret);
    }
  }
});
