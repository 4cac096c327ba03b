import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { listingLine } from "../../client/mailbox/show.ts";
import { utf8 } from "../../crypto/bytes.ts";
import { BUILT_IN_FOLDERS, type Flag, type Folder } from "../../protocol/entry.ts";
import { testInFull } from "../support/full.ts";
import { shell } from "../support/command.ts";
import { makeGroup } from "../support/group_folder.ts";
import { listAll } from "../support/ledger.ts";
import { run, ServerProcess } from "../support/program.ts";
import { openSession, type Session } from "../support/session.ts";

const FOLDERS: readonly Folder[] = [...BUILT_IN_FOLDERS, 16, 70_000];
const FLAGS: readonly Flag[] = ["seen", "answered", "flagged", "forwarded", 4, 31, 32, 62];

/** What a mailbox should have: folder and flags of each message, by its UID. */
type Model = Map<number, { readonly folder: Folder; readonly flags: readonly Flag[] }>;

function any<T>(values: readonly T[]): T {
  const value = values[Math.floor(Math.random() * values.length)];
  assert(value !== undefined);
  return value;
}

function some<T>(values: readonly T[], most: number): T[] {
  return [...new Set(Array.from({ length: Math.ceil(Math.random() * most) }, () => any(values)))];
}

/** A message to be stored, of `size` bytes. */
function letter(folder: Folder, flags: readonly Flag[], size = 200) {
  const bytes = utf8(`Subject: x\r\n\r\n${"x".repeat(size)}\r\n`);
  return {
    stored: { kind: "import", from: "Carol <carol@example.org>" },
    subject: "from elsewhere",
    date: 1_700_000_000_000,
    attachments: [],
    headers: { messageId: "abc@example.org", type: "text/plain" },
    composed: { size: bytes.length, stream: () => ReadableStream.from([bytes]) },
    folder,
    receivedAt: 1_700_000_000_000,
    flags,
  } as const;
}

/** What the cache of a session has, as a {@linkcode Model}. */
async function cached({ mail }: Session): Promise<Model> {
  const entries = await mail.cache.list({ folder: null, limit: 10_000 });
  return new Map(entries.map(({ entry: { uid, folder, flags } }) => [uid, { folder, flags }]));
}

/** Sets and clears flags of some messages on one machine, and in the model, and moves them. */
async function change(one: Session, model: Model): Promise<void> {
  const uids = some([...model.keys()], 5);
  const set = some(FLAGS, 3);
  const clear = some(FLAGS, 2).filter((flag) => !set.includes(flag));
  const folder = Math.random() < 0.5 ? any(FOLDERS) : undefined;
  await one.mail.flag(uids, set, clear, folder);
  for (const uid of uids) {
    const before = model.get(uid);
    assert(before);
    const flags = FLAGS.filter((flag) => {
      return !clear.includes(flag) && (set.includes(flag) || before.flags.includes(flag));
    });
    model.set(uid, { folder: folder ?? before.folder, flags });
  }
}

testInFull(
  "a second machine that follows a day of changes ends with the same mailbox, also after a restore",
  async () => {
    const { dir, remove } = await makeGroup(["alice", "bob"]);
    // Another machine of bob's: the same keys.
    await shell('cp -r "$0" "$1"', join(dir, "bob"), join(dir, "bob2"));
    let server = await ServerProcess.start({ cwd: dir });
    const sessions: Session[] = [];
    const open = async (name: string, own?: string) => {
      const session = await openSession(dir, name, server.address, own);
      sessions.push(session);
      return session;
    };
    const closeAll = async () => {
      for (const { mail } of sessions.splice(0)) await mail.close();
    };
    const command = async (...args: string[]) => {
      const { code, stderr } = await run(args, { cwd: dir });
      assertEquals([code, stderr], [0, ""], args.join(" "));
    };
    let model: Model = new Map();
    let backedUp: Model = new Map();
    let fresh = 0;
    let [alice, one, two] = [await open("alice"), await open("bob"), await open("bob", "bob2")];
    const place = async (folder: Folder, flags: readonly Flag[]) => {
      const { nextUid } = await one.link.ask({ op: "whoami" });
      model.set(nextUid - 1, { folder, flags });
    };
    const compare = async (session: Session) => {
      fresh += (await session.mail.sync()).fresh.length;
      const now = await cached(session);
      assertEquals([...now].sort(([a], [b]) => a - b), [...model].sort(([a], [b]) => a - b));
    };
    try {
      for (let step = 0; step < 240; step++) {
        const what = model.size === 0 ? 0 : Math.random();
        if (what < 0.3) {
          await alice.mail.send({
            to: ["bob"],
            subject: `${step}`,
            text: "words",
            attachments: [],
          });
          await place("inbox", []);
        } else if (what < 0.45) {
          const [folder, flags] = [any(FOLDERS), FLAGS.filter(() => Math.random() < 0.3)];
          await one.mail.append(letter(folder, flags));
          await place(folder, flags);
        } else if (what < 0.85) await change(any([one, two]), model);
        else {
          const uids = some([...model.keys()], 2);
          await any([one, two]).mail.remove(uids);
          for (const uid of uids) model.delete(uid);
        }
        if (Math.random() < 0.15) await compare(two);
        if (Math.random() < 0.05) await compare(one);
        if (step === 100) {
          await command("backup", "backups");
          backedUp = new Map(model);
        }
        if (step === 160) {
          // The disk is lost, with all that was done since the backup.
          await closeAll();
          await server.stop();
          await command("restore", "backups", "--force");
          model = backedUp;
          server = await ServerProcess.start({ cwd: dir });
          [alice, one, two] = [await open("alice"), await open("bob"), await open("bob", "bob2")];
        }
      }
      assert(fresh > 20);
      for (const session of [one, two]) {
        await compare(session);
        // Numbers and modification sequences too, and every byte that is sealed.
        const { entries } = await listAll(session.link);
        const here = await session.mail.cache.list({ folder: null, limit: 10_000 });
        assertEquals(here.map(({ entry }) => entry), entries.toReversed());
        assert(here.every(({ duplicate }) => !duplicate));
      }
    } finally {
      await closeAll();
      await server.stop();
      await remove();
    }
  },
);

testInFull(
  "what one stores oneself is shown as a claim, and arrives once over lost connections",
  async () => {
    const { dir, remove } = await makeGroup(["bob"]);
    const server = await ServerProcess.start({ cwd: dir });
    const bob = await openSession(dir, "bob", server.address, "bob", 5);
    try {
      const small = await bob.mail.append(letter("drafts", ["seen"]));
      assertEquals(small.uid, 1);
      // A large one, whose connection is lost in the middle.
      const large = letter(16, [4], 8_000_000);
      let lost = false;
      const { connection } = bob.mail;
      const upload = connection.upload.bind(connection);
      let sent = 0;
      connection.upload = (request, sealed, onProgress) =>
        upload(request, sealed, (done) => {
          sent = Math.max(sent, done);
          if (!lost && done > 6_000_000) {
            lost = true;
            bob.link.close();
          }
          onProgress?.(done);
        });
      const { id } = await bob.mail.append(large);
      assert(lost, "the connection was lost");
      await bob.mail.sync();
      const items = await bob.mail.list({ folder: null, limit: 10 });
      assertEquals(items.map(({ entry: { uid, folder, flags } }) => [uid, folder, flags]), [
        [2, 16, [4]],
        [1, "drafts", ["seen"]],
      ]);
      const [item] = items;
      assert(item?.opened);
      const { opened } = item;
      assertEquals([opened.verification.state, opened.verification.verified], ["claimed", false]);
      assertEquals(opened.summary.stored?.from, "Carol <carol@example.org>");
      const { from, subject } = listingLine(item);
      assertEquals(from, "Carol <carol@example.org>");
      assertMatch(subject, /\[imported\] from elsewhere/);
      assertEquals(item.entry.receivedAt, 1_700_000_000_000);
      const message = await bob.mail.fetch(opened);
      assertEquals(message.size, large.composed.size);
      await message.dispose();
      // Programs are not told a claim as a sender, and people are told what it is.
      const told = await run(["read", id, "--dir", "bob", "--server", `bob@${server.address}`], {
        cwd: dir,
        env: { SEALPOST_PASSWORD: "password of bob" },
      });
      assertMatch(
        told.stdout,
        /^From: Carol <carol@example.org> \(a claim: you stored this yourself/m,
      );
      const json = await run([
        "read",
        id,
        "--json",
        "--dir",
        "bob",
        "--server",
        `bob@${server.address}`,
      ], {
        cwd: dir,
        env: { SEALPOST_PASSWORD: "password of bob" },
      });
      assertMatch(json.stdout, /"from":\s*null/);
      assertMatch(json.stdout, /"verified":\s*false/);
    } finally {
      await bob.mail.close();
      await server.stop();
      await remove();
    }
  },
);
