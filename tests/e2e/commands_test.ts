import { defined } from "../../crypto/defined.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { sealpost } from "../support/command.ts";
import { testInFull } from "../support/full.ts";
import { makeGroup } from "../support/group_folder.ts";
import { ok } from "../support/outcomes.ts";
import { type Outcome, passwordOf, ServerProcess } from "../support/program.ts";

/** A server and the folders of alice and bob, both with a sealpost.toml. */
async function withGroup(
  work: (group: {
    readonly dir: string;
    readonly server: ServerProcess;
    /** Runs a command in somebody's folder, with the permissions of its task. */
    readonly as: (
      name: string,
      args: readonly string[],
      options?: { readonly input?: string; readonly password?: string | null },
    ) => Promise<Outcome>;
  }) => Promise<void>,
): Promise<void> {
  const group = await makeGroup(["alice", "bob"]);
  const server = await ServerProcess.start({ cwd: group.dir });
  try {
    for (const name of ["alice", "bob"]) {
      await Deno.writeTextFile(
        join(group.dir, name, "sealpost.toml"),
        `server = "${server.address}"\n`,
      );
    }
    await work({
      dir: group.dir,
      server,
      as: (name, args, { input, password = passwordOf(name) } = {}) => {
        return sealpost(args, {
          cwd: join(group.dir, name),
          ...defined({ input }),
          env: password === null ? {} : { SEALPOST_PASSWORD: password },
        });
      },
    });
  } finally {
    await server.stop();
    await group.remove();
  }
}

Deno.test("the commands send, list, read, answer, move, mark and delete", async () => {
  await withGroup(async ({ dir, as }) => {
    ok(await as("bob", ["status"]));
    await Deno.writeFile(join(dir, "alice", "scan.bin"), new Uint8Array(70_000).fill(7));

    const printed = ok(
      await as("alice", ["send", "-t", "bob", "-s", "Hello", "-a", "scan.bin"], {
        input: "Dear Bob,\nsee below.",
      }),
    ).trim();

    const listed = JSON.parse(ok(await as("bob", ["inbox", "--unread", "--json"])));
    assertEquals(listed.length, 1);
    const { id } = listed[0];
    assert(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/.test(id), id);
    // Its last group is what is random; what send prints, lists show.
    assertEquals([listed[0].short, printed], [id.slice(24, 32), id.slice(24, 32)]);
    assertEquals(listed[0].from, "alice");
    assertEquals(listed[0].subject, "Hello");
    assertEquals(listed[0].attachments, [{ name: "scan.bin", size: 70_000 }]);
    assertEquals(Date.parse(listed[0].date) > 0, true);
    const short: string = listed[0].short;
    assertStringIncludes(ok(await as("bob", ["inbox"])), `${short}  alice`);

    const text = ok(await as("bob", ["read", short.slice(0, 5), "--save", "got"]));
    assertStringIncludes(text, "Dear Bob,\nsee below.");
    assertEquals(
      await Deno.readFile(join(dir, "bob", "got", "scan.bin")),
      new Uint8Array(70_000).fill(7),
    );
    assertEquals(JSON.parse(ok(await as("bob", ["inbox", "--unread", "--json"]))), []);
    assertStringIncludes(ok(await as("bob", ["read", id, "--raw"])), "Subject: Hello\r\n");
    assertEquals(ok(await as("bob", ["read", id, "--part", "1"])), "\x07".repeat(70_000));

    ok(await as("bob", ["reply", short], { input: "\uFEFFThank you." }));
    const [answer] = JSON.parse(ok(await as("alice", ["inbox", "--json"])));
    // The mark before it said how a file was written.
    assertStringIncludes(ok(await as("alice", ["read", answer.id])), "\nThank you.");
    assertEquals(answer.subject, "Re: Hello");
    assertEquals(answer.inReplyTo, id);
    const [answered] = JSON.parse(ok(await as("bob", ["inbox", "--json"])));
    assertEquals(answered.flags, ["seen", "answered"]);

    ok(await as("bob", ["forward", short, "-t", "bob"], { input: "for later" }));
    const [forwarded] = JSON.parse(ok(await as("bob", ["inbox", "--from", "bob", "--json"])));
    assertEquals(forwarded.subject, "Fwd: Hello");
    assertEquals(forwarded.attachments, [{ name: "scan.bin", size: 70_000 }]);
    assertStringIncludes(ok(await as("bob", ["read", forwarded.id])), "for later\n\n----------");

    assertStringIncludes(ok(await as("bob", ["inbox"])), "[answered] Hello [1 attached]");
    // The beginning of the whole id is the time, which neighbours share: it names nothing.
    const byTime = await as("bob", ["read", id.slice(0, 8)]);
    assertEquals(byTime.code, 66);
    assertStringIncludes(byTime.stderr, '"inbox" shows the ids');
    const shown = JSON.parse(ok(await as("bob", ["read", id, "--json", "--peek"])));
    assertEquals([shown.id, shown.short], [id, short]);
    assertEquals(shown.attachments, [
      { index: 1, name: "scan.bin", size: 70_000, message: false },
    ]);

    ok(await as("bob", ["mark", short, "--clear", "read", "--set", "flagged"]));
    assertStringIncludes(
      ok(await as("bob", ["inbox"])),
      "[new] [flagged] [answered] Hello [1 attached]",
    );
    ok(await as("bob", ["mark", short, "--set", "read"]));
    assertStringIncludes(ok(await as("bob", ["inbox"])), "  [flagged] [answered] Hello");
    ok(await as("bob", ["mark", short, "--clear", "read"]));
    ok(await as("bob", ["move", short, "--folder", "archive"]));
    const [moved] = JSON.parse(ok(await as("bob", ["inbox", "--folder", "archive", "--json"])));
    assertEquals(moved.id, id);
    assertEquals(moved.flags, ["answered", "flagged"]);
    ok(await as("bob", ["delete", short]));
    const [trashed] = JSON.parse(ok(await as("bob", ["inbox", "--folder", "trash", "--json"])));
    assertEquals(trashed.id, id);
    ok(await as("bob", ["delete", short, "--for-good", "--yes"]));
    assertEquals(JSON.parse(ok(await as("bob", ["inbox", "--folder", "trash", "--json"]))), []);
    const gone = await as("bob", ["read", id]);
    assertEquals(gone.code, 66);
    assertStringIncludes(gone.stderr, "there is no message");
  });
});

Deno.test("a blind copy is known to its reader and its sender alone", async () => {
  await withGroup(async ({ as }) => {
    ok(await as("bob", ["status"]));
    const args = ["send", "-t", "alice", "-b", "bob", "-s", "Quiet", "--json"];
    const { id, short, waiting } = JSON.parse(ok(await as("alice", args, { input: "x" })));
    assertEquals(waiting, false);
    const seen = JSON.parse(ok(await as("bob", ["read", short, "--json"])));
    assertEquals([seen.to, seen.cc, seen.bcc], [["alice"], [], []]);
    const [sent] = JSON.parse(ok(await as("alice", ["inbox", "--folder", "sent", "--json"])));
    assertEquals(sent.id, id);
  });
});

Deno.test("after a login the commands need no password, and a wrong one is not asked for", async () => {
  await withGroup(async ({ as }) => {
    const refused = await as("alice", ["status"], { password: "wrong" });
    assertEquals([refused.code, refused.stdout], [77, ""]);
    assertEquals((await as("alice", ["status"], { password: null })).code, 64);
    ok(await as("alice", ["status"]));
    const status = JSON.parse(ok(await as("alice", ["status", "--json"], { password: null })));
    assertEquals(status.name, "alice");
    // Neither after a command that fails: what it was given for the next time is kept.
    const failed = await as("alice", ["send", "-t", "nobody"], { password: null, input: "x" });
    assertEquals(failed.code, 67, failed.stderr);
    ok(await as("alice", ["status"], { password: null }));
  });
});

testInFull("what the commands refuse is one line and the right exit code", async () => {
  await withGroup(async ({ dir, as }) => {
    ok(await as("alice", ["status"]));
    for (
      const [args, code] of [
        [["send", "-s", "x"], 64],
        [["send", "-t", "../bob", "-s", "x"], 67],
        [["send", "-t", "nobody"], 67],
        [["send", "-t", "bob"], 75],
        [["send", "-t", "alice", "-a", "nothing.pdf"], 66],
        [["send", "-t", "alice", "-s", "x".repeat(101)], 65],
        [["read", "ffff"], 66],
        [["read", "zz"], 66],
        [["inbox", "--folder", "spam"], 64],
        [["inbox", "--since", "tomorrow-ish"], 64],
        [["mark", "ffff", "--set", "starred"], 64],
        [["delete"], 64],
        [["read", "ffff", "--password", "x"], 64],
      ] as const
    ) {
      const { code: got, stdout, stderr } = await as("alice", args, { input: "text" });
      assertEquals([got, stdout], [code, ""], `${args.join(" ")}: ${stderr}`);
      assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    }
    await Deno.writeTextFile(join(dir, "alice", "sealpost.toml"), 'sever = "x"\n');
    const misspelt = await as("alice", ["status"]);
    assertEquals(misspelt.code, 78);
    assertStringIncludes(misspelt.stderr, "did you mean server?");
    await Deno.writeTextFile(join(dir, "alice", "sealpost.toml"), 'server = "x\n');
    assertStringIncludes((await as("alice", ["status"])).stderr, "sealpost.toml:1:");
  });
});
