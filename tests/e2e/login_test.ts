// What a login shows, and to whom: looked at on the wire, between real clients and a real server.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { SIZE_A, SIZE_B, SIZE_C, SIZE_D, SIZE_E, SIZE_FORMER_A } from "../../protocol/handshake.ts";
import { VERDICT_SIZE } from "../../protocol/request.ts";
import { testInFull } from "../support/full.ts";
import { ended, Group, LOGIN_REFUSED } from "../support/group.ts";
import { passwordOf, run } from "../support/program.ts";
import { Relay, type Run } from "../support/relay.ts";

/** How a login looks from outside. */
interface Seen {
  /** Messages A to E. */
  readonly handshake: readonly Run[];
  /** What went each way in all. The two goodbyes at the end cross in any order. */
  readonly total: { readonly up: number; readonly down: number };
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly up: Uint8Array;
  readonly down: Uint8Array;
}

Deno.test("every failed login looks the same on the wire, to the user, and to a script", async () => {
  await using group = await Group.start(["alice", "bob", "nobody"], { others: ["carol"] });
  await group.bind("alice");
  // Nobody has keys and no account; keys for alice of another size than hers lie in other/.
  const { dir } = group;
  await edit(group, (users) => delete users.nobody);
  assertEquals(
    (await run(["keygen", "alice", "--dir", "other", "--bits", "3072"], { cwd: dir })).code,
    0,
  );
  await Deno.copyFile(
    group.path("alice", "server_public.pem"),
    group.path("other", "server_public.pem"),
  );
  assertEquals((await run(["keygen", "carol", "--bits", "2048"], { cwd: dir })).code, 0);
  // Carol's keys under alice's name in carol/, and alice's under carol's in alice/.
  for (const half of ["public", "private"]) {
    for (const [of, as] of [["carol", "alice"], ["alice", "carol"]] as const) {
      await Deno.copyFile(group.path(of, `${of}_${half}.pem`), group.path(of, `${as}_${half}.pem`));
    }
  }
  await using relay = Relay.start(group.server.address, { record: true });

  const login = async (
    name: string,
    password: string,
    folder = group.path(name),
  ): Promise<Seen> => {
    const outcome = await group.logIn(name, password, { address: relay.address, folder });
    const { code, stdout, stderr } = outcome;
    await relay.last.ended();
    const { last } = relay;
    return {
      code,
      stdout,
      stderr,
      handshake: last.runs().slice(0, 5),
      total: { up: last.count("up"), down: last.count("down") },
      up: last.sent("up"),
      down: last.sent("down"),
    };
  };
  const failures: Record<string, Seen> = {
    "a wrong password": await login("alice", "not the password"),
    "a wrong password as long as any may be": await login("alice", "x".repeat(256)),
    "a name that is not there": await login("nobody", passwordOf("nobody")),
    "the right password and another key": await login(
      "alice",
      passwordOf("alice"),
      group.path("other"),
    ),
    "the right password and another's key": await login(
      "alice",
      passwordOf("alice"),
      group.path("carol"),
    ),
    "the right password and a key that another has": await login(
      "carol",
      passwordOf("carol"),
      group.path("alice"),
    ),
    "a wrong password before the first connection": await login("bob", "not the password"),
  };
  const [first] = Object.values(failures);
  assert(first);
  assertEquals(first.code, 77);
  assertEquals(first.stdout, "Enter your password: ");
  assertEquals(first.stderr, `sealpost: ${LOGIN_REFUSED}\n`);
  const { up: _up, down: _down, ...outside } = first;
  for (const [what, { up: _up, down: _down, ...seen }] of Object.entries(failures)) {
    assertEquals(seen, outside, what);
  }
  // A to E as the protocol has them.
  assertEquals(first.handshake, [
    { direction: "up", bytes: SIZE_A },
    { direction: "down", bytes: SIZE_B },
    { direction: "up", bytes: SIZE_C },
    { direction: "down", bytes: SIZE_D },
    { direction: "up", bytes: SIZE_E },
  ]);
  // The same in all of them are version, suite and kind, the padding of an RSA ciphertext for the
  // server's 2048 bits, and the lengths of records; all the rest is random or ciphertext.
  const all = Object.values(failures);
  const ctMlkem = 1088;
  const upRecord = SIZE_A + SIZE_C + SIZE_E;
  const downRecord = SIZE_B + SIZE_D;
  assertEquals(commonBytes(all.map(({ up }) => up)), [
    [0, 3],
    [SIZE_A - ctMlkem - 256, SIZE_A - ctMlkem],
    [upRecord, upRecord + 3],
  ]);
  const goodbye = downRecord + 3 + VERDICT_SIZE + 16;
  assertEquals(commonBytes(all.map(({ down }) => down)), [
    [downRecord, downRecord + 3],
    [goodbye, goodbye + 3],
  ]);

  // Another key than the bound one stays refused, and the right one is still taken.
  await group.talk("alice", []);
  const accepted = await login("alice", passwordOf("alice"));
  assertEquals(accepted.code, 0);
  assertEquals(accepted.handshake, first.handshake);
  // The log tells the operator what the client is not told.
  assertMatch(group.log, /warn login-failed name=alice .*why="name or password"/);
  assertMatch(group.log, /warn login-failed name=nobody .*why="name or password"/);
  assertMatch(group.log, /warn login-failed name=alice .*key=SHA256:.* why=/);
});

Deno.test("a client that has another server's public key says so, and has sent nothing of itself", async () => {
  await using group = await Group.start(["alice"]);
  await using relay = Relay.start(group.server.address, { record: true });
  assertEquals(
    (await run(["keygen", "server", "--dir", "elsewhere", "--bits", "2048"], { cwd: group.dir }))
      .code,
    0,
  );
  await Deno.copyFile(
    group.path("elsewhere", "server_public.pem"),
    group.path("alice", "server_public.pem"),
  );
  const { stdout } = await run(["keygen", "server", "--dir", "elsewhere", "--public"], {
    cwd: group.dir,
  });
  const [pinned] = /SHA256:\S+/.exec(stdout) ?? [];
  assert(pinned);

  const client = group.connect("alice", { address: relay.address });
  const { stderr } = await ended(client, 77);
  assertEquals(
    stderr,
    `sealpost: the server is not the one whose key is pinned (${pinned}); nothing was sent. Ask ` +
      "whoever runs your server whether it has a new key: if so, get the new server_public.pem " +
      "from them; if not, somebody else answers in its place\n",
  );
  await relay.last.ended();
  // And once more, whether it has left that key for another: it never had it.
  assertEquals(relay.lines.map((line) => line.runs()), [
    [{ direction: "up", bytes: SIZE_A }, { direction: "down", bytes: SIZE_B }],
    [{ direction: "up", bytes: SIZE_FORMER_A }],
  ]);
  assertEquals(group.log.includes("login"), false, group.log);
});

testInFull(
  "after ten wrong guesses a name waits, at one address, whether or not it exists",
  async () => {
    await using group = await Group.start(["alice", "nobody"]);
    await group.bind("alice");
    await edit(group, (users) => delete users.nobody);
    await Promise.all(["alice", "nobody"].map(async (name) => {
      for (let i = 0; i < 10; i++) {
        const { code, stderr } = await group.logIn(name, `guess ${i}`);
        assertEquals({ code, stderr }, { code: 77, stderr: `sealpost: ${LOGIN_REFUSED}\n` });
      }
      const { code, stderr } = await group.logIn(name, passwordOf(name));
      assertEquals(code, 75);
      assertEquals(
        stderr,
        "sealpost: too many wrong guesses for this name from your address; try again in 15 min\n",
      );
    }));
  },
);

Deno.test("a client that talks to something else is told so", async () => {
  await using group = await Group.start(["alice"]);
  const answer = async (serve: (socket: Deno.TcpConn) => Promise<void>) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const serving = (async () => {
      const socket = await listener.accept();
      // Nobody answers when it asks for a key that was left.
      listener.close();
      await serve(socket);
      socket.close();
    })();
    const outcome = await group.connect("alice", { address: `127.0.0.1:${port}` }).finish();
    await serving;
    return outcome;
  };
  const drain = async (socket: Deno.TcpConn) => {
    let left = SIZE_A;
    const buffer = new Uint8Array(SIZE_A);
    while (left > 0) left -= await socket.read(buffer) ?? left;
  };
  const hangsUp = await answer(drain);
  assertEquals(hangsUp.code, 75);
  assertEquals(
    hangsUp.stderr,
    "sealpost: the server ended the connection before the login; it may be busy, try again in a minute\n",
  );
  const web = await answer(async (socket) => {
    await drain(socket);
    await socket.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n".padEnd(4000)));
  });
  assertEquals(web.code, 77);
  assertMatch(web.stderr, /^sealpost: the server is not the one whose key is pinned .*\n$/);
});

Deno.test("a connection in another protocol gets one fixed answer", async () => {
  await using group = await Group.start([]);
  const port = Number(group.server.address.split(":")[1]);
  const answers = [];
  for (
    const greeting of [
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "\x01\x02\x01 another suite",
      "\x02\x01\x01 another version",
    ]
  ) {
    using socket = await Deno.connect({ hostname: "127.0.0.1", port });
    await socket.write(new TextEncoder().encode(greeting));
    answers.push(await new Response(socket.readable).text());
  }
  const [first = ""] = answers;
  assertMatch(first, /^sealpost.*\n$/);
  assertEquals(answers, [first, first, first]);
});

testInFull("a server whose keys were renewed is not the one the client knows", async () => {
  await using group = await Group.start(["alice"]);
  await group.bind("alice");
  await group.server.stop();
  const { code } = await run(["keygen", "server", "--force", "--bits", "2048"], { cwd: group.dir });
  assertEquals(code, 0);
  await group.restart();
  const { stderr } = await ended(group.connect("alice"), 77);
  assertStringIncludes(stderr, "the server is not the one whose key is pinned");
  assertEquals((await run(["pubkey", "alice"], { cwd: group.dir })).code, 0);
  await group.talk("alice", []);
});

/** Where all of `messages` have the same bytes: from, and up to but without. */
function commonBytes(messages: readonly Uint8Array[]): [number, number][] {
  const [first, ...others] = messages;
  assert(first && others.length >= 5, "by chance few messages have many bytes in common");
  const ranges: [number, number][] = [];
  for (const [at, byte] of first.entries()) {
    if (!others.every((other) => other[at] === byte)) continue;
    const last = ranges.at(-1);
    if (last?.[1] === at) last[1]++;
    else ranges.push([at, at + 1]);
  }
  return ranges;
}

/** Changes user_pass.json as an operator would. */
async function edit(group: Group, change: (users: Record<string, string>) => void): Promise<void> {
  const path = group.path("server", "user_pass.json");
  const users = JSON.parse(await Deno.readTextFile(path));
  change(users);
  await Deno.writeTextFile(path, JSON.stringify(users, null, 2));
}
