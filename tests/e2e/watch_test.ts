import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { testInFull, testInFullUnless } from "../support/full.ts";
import { buildFor } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { passwordOf, Program } from "../support/program.ts";
import { Relay } from "../support/relay.ts";
import { whyNoTmux } from "../support/tmux.ts";
import { waitFor } from "../support/wait.ts";

const posix = Deno.build.os === "windows" ? "there is no shell" : null;

testInFull("a line that nobody vouches for does not silence a watch", async () => {
  await using people = await Commanding.start(["alice", "bob"]);
  const [host = "", port] = people.group.server.address.split(":");
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  /** What the next connections are answered with, before one reaches the server. */
  const lines: string[] = [];
  const open: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      open.push(conn);
      const line = lines.shift();
      if (line !== undefined) {
        await conn.write(new TextEncoder().encode(line));
        conn.close();
        continue;
      }
      const server = await Deno.connect({ hostname: host, port: Number(port) });
      open.push(server);
      conn.readable.pipeTo(server.writable).catch(() => {});
      server.readable.pipeTo(conn.writable).catch(() => {});
    }
  })();
  const program = Program.start(
    ["watch", "--from-now", "--server", `127.0.0.1:${listener.addr.port}`],
    {
      cwd: people.group.path("bob"),
      build: await buildFor(["watch"]),
      env: { SEALPOST_PASSWORD: passwordOf("bob") },
    },
  );
  const send = (subject: string) =>
    people.ok("alice", ["send", "-t", "bob", "-s", subject], { input: "x" });
  await waitFor("the first look", async () => {
    const place = people.group.path("bob", ".sealpost", "bob", "watched-inbox");
    return await Deno.stat(place).catch(() => null);
  });
  await send("before");
  await program.expect("before");

  const cut = () => {
    for (const conn of open.splice(0)) {
      try {
        conn.close();
      } catch {
        // It has ended already.
      }
    }
  };
  // Another version, as anybody on the way could say: it connects again by itself.
  lines.push("sealpost: this server speaks version 9 of another protocol\n");
  cut();
  await program.expectError("this server speaks version 9");
  await program.expectError("trying again in");
  await send("between");
  await program.expect("between");

  lines.push("sealpost: not now (penalties); try again in 999999 s\n");
  cut();
  await program.expectError("does not take this connection now (penalties); try again in 60 s; ");
  const said = await program.expectError(" s.");
  const [, seconds] = /trying again in (\d+) s\.$/.exec(said) ?? [];
  assert(Number(seconds) <= 75, said);
  program.kill("SIGTERM");
  await program.finish();
  cut();
  listener.close();
  await accepting.catch(() => {});
});

testInFullUnless(
  posix,
  "each new message is told of once, whatever happens to the connection",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    const watch = async (...args: string[]) => {
      return Program.start(["watch", ...args], {
        cwd: people.group.path("bob"),
        build: await buildFor(["watch"]),
        env: { SEALPOST_PASSWORD: passwordOf("bob") },
      });
    };
    const send = async (subject: string) => {
      const args = ["send", "-t", "bob", "-s", subject, "--json"];
      const { id }: { id: string } = JSON.parse(await people.ok("alice", args, { input: "x" }));
      return id;
    };
    /** The file that says up to where was told is the sign that a watch is at work. */
    const watching = () =>
      waitFor("the first look", async () => {
        const path = people.group.path("bob", ".sealpost", "bob", "watched-inbox");
        return await Deno.stat(path).catch(() => null);
      });
    let through = true;
    await using relay = Relay.start(people.group.server.address, {
      hook: (piece) => through ? piece : null,
    });
    await send("before the first watch");

    await t.step("as it comes, and after a lost connection", async () => {
      const program = await watch("--json", "--server", relay.address);
      await watching();
      const first = await send("first");
      const line = JSON.parse(await program.expect("\n"));
      assertEquals([line.id, line.from, line.subject], [first, "alice", "first"]);
      through = false;
      relay.last.cut();
      await program.expectError("Offline: ");
      const others = [await send("while it was away"), await send("and another")];
      through = true;
      for (const id of others) assertEquals(JSON.parse(await program.expect("\n")).id, id);
      program.kill("SIGINT");
      const { code, stdout } = await program.finish();
      assertEquals([code, stdout.trimEnd().split("\n").length], [130, 3]);
    });

    await t.step("and what came while none was running, in the order it came", async () => {
      const ids = [await send("one"), await send("two"), await send("three")];
      const program = await watch("--count", "2");
      const { code, stdout } = await program.finish();
      assertEquals(code, 0);
      assertMatch(stdout, /^[0-9a-f]{8} {2}alice {2}.* one\n[0-9a-f]{8} {2}alice {2}.* two\n$/);
      const last = await watch("--once", "--json");
      assertEquals(JSON.parse((await last.finish()).stdout).id, ids[2]);
      await send("passed over");
      const place = people.group.path("bob", ".sealpost", "bob", "watched-inbox");
      const before = await Deno.readFile(place);
      const fresh = await watch("--once", "--from-now", "--json");
      await waitFor("the first look", async () => {
        return (await Deno.readFile(place)).join() !== before.join() || null;
      });
      const id = await send("told of");
      assertEquals(JSON.parse((await fresh.finish()).stdout).id, id);
    });

    await t.step("a command runs for each, one after the other, and is told which", async () => {
      const script = people.group.path("bob", "incoming.sh");
      await Deno.writeTextFile(
        script,
        'echo "start $SEALPOST_FROM"; printf "%s|%s\\n" "$SEALPOST_ID" "$SEALPOST_SUBJECT" >> told\n' +
          'cat; printf end; exit "${CODE:-0}"',
      );
      const titles = [
        "$(touch pwned) `touch pwned`; touch pwned",
        '"; touch pwned #',
        "\x1b[31mred\nx",
      ];
      const program = await watch("--count", "3", "--exec", `sh '${script}'`);
      await watching();
      const ids: string[] = [];
      for (const title of titles) ids.push(await send(title));
      const { code, stdout, stderr } = await program.finish();
      assertEquals([code, stderr], [0, ""]);
      assertEquals(stdout.match(/^start alice\nend/gm)?.length, 3, stdout);
      const told = await Deno.readTextFile(people.group.path("bob", "told"));
      assertEquals(told.trimEnd().split("\n"), [
        `${ids[0]}|${titles[0]}`,
        `${ids[1]}|${titles[1]}`,
        `${ids[2]}|\\x1b[31mred\\nx`,
      ]);
      const names = [...Deno.readDirSync(people.group.path("bob"))].map(({ name }) => name);
      assert(!names.includes("pwned"), names.join());
    });

    await t.step("a command that fails is told of, and does not stop the others", async () => {
      const program = await watch("--count", "2", "--exec", "exit 7");
      await send("x");
      await send("y");
      const { code, stderr } = await program.finish();
      assertEquals(code, 0);
      assertEquals(stderr.match(/The command for [0-9a-f]{8} ended with code 7\.\n/g)?.length, 2);
    });

    await t.step("a message whose command was killed is told of again", async () => {
      const mark = people.group.path("bob", "started");
      const program = await watch(
        "--exec",
        `echo "$SEALPOST_ID" > '${mark}'; while [ -e '${mark}' ]; do sleep 0.1; done`,
      );
      const id = await send("z");
      await waitFor("the command", async () => {
        return (await Deno.readTextFile(mark).catch(() => "")).trim() === id || null;
      });
      program.kill("SIGKILL");
      await Deno.remove(mark);
      await program.finish();
      const again = await watch("--once", "--json");
      assertEquals(JSON.parse((await again.finish()).stdout).id, id);
    });
  },
);

testInFullUnless(
  posix ?? await whyNoTmux(),
  "on a terminal the desktop says that mail came, or the terminal does",
  async () => {
    await using people = await Commanding.start(["alice", "bob"]);
    const bin = people.group.path("bin");
    await Deno.mkdir(bin);
    const arguments_ = people.group.path("notified");
    await Deno.writeTextFile(
      join(bin, "notify-send"),
      `#!/bin/sh\nprintf '%s\\n' "$@" > '${arguments_}'\n`,
      { mode: 0o755 },
    );
    const path = Deno.env.get("PATH") ?? "/usr/bin:/bin";
    for (
      const [env, how] of [
        [{ PATH: `${bin}:${path}`, DISPLAY: ":0" }, "desktop"],
        [{ PATH: `${bin}:${path}`, DISPLAY: "" }, "sequence"],
        [{ TERM: "dumb", DISPLAY: "" }, "bell"],
      ] as const
    ) {
      await using screen = await people.at("bob", ["watch", "--once"], { env });
      await waitFor("the watch", async () => {
        const folder = people.group.path("bob", ".sealpost", "bob", "watched-inbox");
        return await Deno.stat(folder).catch(() => null);
      });
      await people.ok("alice", ["send", "-t", "bob", "-s", "<b>Hi</b> & \x1b]0;x\x07"], {
        input: "x",
      });
      assertEquals((await screen.ended()).code, 0);
      const written = await screen.written();
      assertStringIncludes(written, "<b>Hi</b> & \\x1b]0;x\\x07");
      const sequence = "\x1b]9;Mail from alice: <b>Hi</b> & \\x1b]0;x\\x07\x07";
      assertEquals(written.includes(sequence), how === "sequence");
      assertEquals(written.includes("\x07"), how !== "desktop");
    }
    assertEquals(
      (await Deno.readTextFile(arguments_)).split("\n"),
      [
        "-a",
        "Sealpost",
        "--",
        "Mail from alice",
        "&#60;b&#62;Hi&#60;/b&#62; &#38; \\x1b]0;x\\x07",
        "",
      ],
    );
  },
);
