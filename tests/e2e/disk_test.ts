import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import type { AttachmentSource } from "../../client/message/compose.ts";
import { random } from "../../crypto/bytes.ts";
import { type ErrorCode, SealpostError } from "../../crypto/error.ts";
import { checkStore } from "../../server/maintenance/fsck.ts";
import { shell } from "../support/command.ts";
import { testInFullUnless } from "../support/full.ts";
import { makeGroup } from "../support/group_folder.ts";
import { FROM_SOURCE, passwordOf, run, ServerProcess } from "../support/program.ts";
import { openSession, type Session } from "../support/session.ts";

/**
 * Runs "$@" where `mail` is on a file system of 24 MiB, and `mail/bodies` can be made read-only apart
 * from it, which only it and its helpers see and which end with it.
 */
const MOUNT = `exec unshare --user --map-root-user --mount sh -c '
  set -e
  mount -t tmpfs -o size=24m,mode=0700 none server/mail
  mkdir server/mail/bodies
  mount --bind server/mail/bodies server/mail/bodies
  exec "$@"' sh "$@"`;

/** Whether this system lets everybody mount in a namespace of their own. */
const possible = Deno.build.os === "linux" && (await new Deno.Command("sh", {
  args: ["-c", "unshare --user --map-root-user --mount mount -t tmpfs none /mnt && nsenter --help"],
}).output()).success;

/** A server with a small disk of its own, and two clients that are bound. */
class SmallDisk implements AsyncDisposable {
  private constructor(
    readonly dir: string,
    readonly server: ServerProcess,
    readonly alice: Session,
    readonly bob: Session,
    private readonly remove: () => Promise<void>,
  ) {}

  static async open(): Promise<SmallDisk> {
    const { dir, remove } = await makeGroup(["alice", "bob"]);
    await Deno.mkdir(join(dir, "server", "mail"));
    const build = {
      command: "sh",
      args: ["-c", MOUNT, "sh", FROM_SOURCE.command, ...FROM_SOURCE.args],
    };
    const server = await ServerProcess.start({ cwd: dir, build });
    const bob = await openSession(dir, "bob", server.address);
    const alice = await openSession(dir, "alice", server.address);
    return new SmallDisk(dir, server, alice, bob, remove);
  }

  /** Runs a line of shell where the server's disk is seen, in the folder of its store. */
  async inside(line: string): Promise<string> {
    const script =
      `nsenter --preserve-credentials --user --mount --target "$0" sh -c 'cd "$0" && eval "$1"' "$1" "$2"`;
    const mail = join(this.dir, "server", "mail");
    return await shell(script, String(this.server.program.pid), mail, line);
  }

  /** Asserts that nothing is damaged or left over, in a copy of the store. */
  async assertClean(): Promise<void> {
    const copy = join(this.dir, "copy");
    await Deno.remove(copy, { recursive: true }).catch(() => {});
    const path = `/proc/${this.server.program.pid}/root${join(this.dir, "server", "mail")}`;
    await shell('cp -r "$0" "$1" && chmod -R go= "$1"', path, copy);
    assertEquals((await checkStore(copy)).findings, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.alice.mail.close();
    await this.bob.mail.close();
    await this.server.stop();
    await this.remove();
  }
}

function attachment(size: number): AttachmentSource {
  const data = random(size);
  return {
    name: "data.bin",
    size,
    open: () => Promise.resolve(new Blob([data]).stream()),
  };
}

async function send(from: Session, subject: string, size = 0): Promise<void> {
  const attachments = size === 0 ? [] : [attachment(size)];
  const text = `${subject}\n`;
  const { waits } = await from.mail.send({ to: ["bob"], subject, text, attachments });
  if (waits) throw waits;
}

async function refused(code: ErrorCode, work: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects(work, SealpostError);
  assertEquals(error.code, code, error.message);
  return error.message;
}

/** The titles in an inbox, newest first, each message read to its end. */
async function inbox({ mail }: Session): Promise<string[]> {
  await mail.sync();
  const titles: string[] = [];
  for (const { opened, problem } of await mail.list({ folder: "inbox", limit: 100 })) {
    assert(opened, problem ?? "");
    await (await mail.fetch(opened)).dispose();
    titles.push(opened.summary.subject);
  }
  return titles;
}

Deno.test({
  name:
    "a full disk refuses mail with its reason, mail can be read, and all goes on when there is room",
  ignore: !possible,
  fn: async () => {
    await using disk = await SmallDisk.open();
    const { alice, bob } = disk;
    await send(alice, "before");
    await send(alice, "before, large", 600_000);
    await disk.inside("dd if=/dev/zero of=filler bs=4k 2>/dev/null || :");

    for (let i = 0; i < 3; i++) {
      const said = await refused("disk-full", () => send(alice, `large ${i}`, 700_000));
      assertMatch(
        said,
        /^the server's disk is full; tell its operator.* kept sealed in the outbox/,
      );
    }
    // The log may have room for a few that are small.
    let small = 0;
    const stored: string[] = [];
    while (small < 200) {
      const title = `small ${small++}`;
      try {
        await send(alice, title, 100_000);
        stored.unshift(title);
      } catch (error) {
        assert(error instanceof SealpostError && error.code === "disk-full", String(error));
        break;
      }
    }
    assert(small < 200, "the disk is full");
    assertEquals(await inbox(bob), [...stored, "before, large", "before"]);
    assertEquals(await disk.inside("ls bodies/tmp | wc -l"), "0\n");
    await disk.assertClean();

    await disk.inside("rm filler");
    const { sent, refused: left } = await alice.mail.flushOutbox();
    assertEquals([sent, left], [4, []]);
    await send(alice, "after", 600_000);
    const titles = await inbox(bob);
    assertEquals(titles.length, 2 + stored.length + 5);
    assertEquals(new Set(titles).size, titles.length, "each once");
    assertEquals(titles[0], "after");
    assertMatch(disk.server.program.stderr, /store-error.*(disk|space)/);
    await disk.assertClean();
  },
});

Deno.test({
  name: "where bodies cannot be written large messages are refused, and nothing else",
  ignore: !possible,
  fn: async () => {
    await using disk = await SmallDisk.open();
    const { alice, bob } = disk;
    await send(alice, "before", 600_000);
    const mode = (mode: string) => disk.inside(`mount -o remount,bind,${mode} bodies`);
    await mode("ro");
    const said = await refused("file-io", () => send(alice, "large", 700_000));
    assertMatch(said, /^the server's disk fails; tell its operator.* kept sealed in the outbox/);
    await send(alice, "small");
    assertEquals(await inbox(bob), ["small", "before"]);
    await mode("rw");
    assertEquals(await alice.mail.flushOutbox(), { sent: 1, refused: [] });
    assertEquals(await inbox(bob), ["large", "small", "before"]);
    await disk.assertClean();
  },
});

Deno.test({
  name: "on a disk that is read-only a server does not start, and says why in one line",
  ignore: !possible,
  fn: async () => {
    const { dir, remove } = await makeGroup([]);
    try {
      const first = await ServerProcess.start({ cwd: dir });
      await first.stop();
      const script = `exec unshare --user --map-root-user --mount sh -c '
        mount --bind server/mail server/mail && mount -o remount,bind,ro server/mail && exec "$@"' sh "$@"`;
      const build = {
        command: "sh",
        args: ["-c", script, "sh", FROM_SOURCE.command, ...FROM_SOURCE.args],
      };
      const { code, stdout, stderr } = await run(["serve", "--listen", "127.0.0.1:0"], {
        cwd: dir,
        build,
      });
      assertEquals([code, stdout], [74, ""]);
      assertMatch(stderr, /^sealpost: cannot .*mail.*read-only file system\n$/);
    } finally {
      await remove();
    }
  },
});

/**
 * Runs "$@" where alice's folder is a file system of 2 MiB of its own with $1 KiB of room, a copy that
 * ends with it.
 */
const CLIENT_MOUNT = `exec unshare --user --map-root-user --mount sh -c '
  set -e
  room=$1; shift
  cp -r alice saved
  mount -t tmpfs -o size=2m,mode=0700 none alice
  cp -r saved/. alice && rm -r saved
  dd if=/dev/zero of=alice/filler bs=4k 2>/dev/null || :
  truncate -s "-$room"K alice/filler
  exec "$@"' sh "$@"`;

testInFullUnless(
  possible ? null : "mounting needs rights that are not there",
  "on a client's full disk a message goes out, or is said not to have been sent",
  async () => {
    const { dir, remove } = await makeGroup(["alice", "bob"]);
    const server = await ServerProcess.start({ cwd: dir });
    try {
      for (const name of ["bob", "alice"]) {
        const { mail } = await openSession(dir, name, server.address);
        await mail.close();
      }
      const send = (room: number) =>
        run([
          "send",
          "-t",
          "bob",
          "-s",
          `room ${room}`,
          "--server",
          server.address,
          "--dir",
          "alice",
        ], {
          cwd: dir,
          input: "x".repeat(2000),
          env: { SEALPOST_PASSWORD: passwordOf("alice") },
          build: {
            command: "sh",
            args: ["-c", CLIENT_MOUNT, "sh", `${room}`, FROM_SOURCE.command, ...FROM_SOURCE.args],
          },
        });
      const outcomes: number[] = [];
      for (const room of [0, 12, 200, 1000]) {
        const { code, stdout, stderr } = await send(room);
        outcomes.push(code);
        if (code === 0) assertMatch(stdout, /^[0-9a-f]{8}\n$/);
        else {
          assertEquals([code, stdout], [74, ""]);
          assertMatch(
            stderr,
            /no space left on the disk; nothing was sent, make room and send it again\n$/,
          );
        }
      }
      assertEquals([outcomes[0], outcomes[3]], [74, 0]);
      const bob = await openSession(dir, "bob", server.address);
      assertEquals((await inbox(bob)).length, outcomes.filter((code) => code === 0).length);
      await bob.mail.close();
    } finally {
      await server.stop();
      await remove();
    }
  },
);

testInFullUnless(
  possible ? null : "mounting needs rights that are not there",
  "a server whose new store has no room does not start, and starts once there is some",
  async () => {
    const { dir, remove } = await makeGroup([]);
    try {
      await Deno.mkdir(join(dir, "server", "mail"));
      const start = (kilobytes: number) => {
        const script = `exec unshare --user --map-root-user --mount sh -c '
          size=$1; shift
          mount -t tmpfs -o size="$size"k,mode=0700 none server/mail && exec "$@"' sh "$@"`;
        const { command, args } = FROM_SOURCE;
        return {
          cwd: dir,
          build: { command: "sh", args: ["-c", script, "sh", `${kilobytes}`, command, ...args] },
        };
      };
      // SQLite's own files alone take some 50 KiB, its tables as much again.
      for (const kilobytes of [8, 24, 40, 56, 72, 88]) {
        const { code, stdout, stderr } = await run(
          ["serve", "--listen", "127.0.0.1:0"],
          start(kilobytes),
        );
        assertEquals([code, stdout], [74, ""], `${kilobytes} KiB: ${stderr}`);
        assertMatch(stderr, /^sealpost: .*mail.*no space left on the disk\n$/);
      }
      await (await ServerProcess.start(start(4096))).stop();
    } finally {
      await remove();
    }
  },
);
