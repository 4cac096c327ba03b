import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { dirname, join } from "@std/path";
import { EditorFile } from "../../../client/state/editor_file.ts";
import { type Draft, Drafts, emptyDraft } from "../../../client/state/drafts.ts";
import { formatDraft } from "../../../client/state/draft_text.ts";
import { State } from "../../../client/state/state.ts";
import { AutosavedDraft, withAutosave } from "../../../client/terminal/write_draft.ts";
import { openTerminal } from "../../../client/terminal/terminal.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { assertRefusedAsync } from "../../support/testing.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";
import { filesBelow, searchFolder } from "../../support/search.ts";
import { waitFor } from "../../support/wait.ts";
import { FakeIo } from "../../support/terminal_io.ts";

async function withState(
  test: (state: State, again: () => Promise<State>, dir: string) => Promise<void>,
): Promise<void> {
  const alice = await identityOf("alice");
  await inFolder(async (dir) => {
    const open = () => State.open(dir, "alice", alice);
    await test(await open(), open, dir);
  });
}

function draft(parts: Partial<Draft> = {}): Draft {
  return { ...emptyDraft(), to: ["bob"], subject: "Hello", text: "a confidential text", ...parts };
}

Deno.test("a draft is there for the next client, and gone when it is removed", async () => {
  await withState(async (state, again) => {
    const drafts = await Drafts.open(state);
    const first = await drafts.save(draft({ attachments: ["/a b"], answers: "x", cc: ["carol"] }));
    const second = await drafts.save(
      draft({
        bcc: ["dave"],
        forwards: { message: "y", attachments: [{ index: 1, name: "a", size: 5 }] },
      }),
    );
    const other = await Drafts.open(await again());
    assertEquals(other.recovered, []);
    const { drafts: listed, unreadable } = await other.list();
    assertEquals(new Set(listed), new Set([first, second]));
    assertEquals(unreadable, []);
    assertEquals(await other.load(first.id.slice(0, 8)), first);
    const changed = await drafts.save({ ...second, text: "another" });
    assertEquals((await other.load(second.id)).text, "another");
    assert(changed.savedAt >= second.savedAt);
    await drafts.remove(first.id);
    await drafts.remove(first.id);
    assertEquals((await other.list()).drafts, [changed]);
    await assertRefusedAsync("no-such-message", () => other.load(first.id));
  });
});

Deno.test("a draft whose message is on its way is dropped, and one that was changed since is not", async () => {
  await withState(async (state, again) => {
    const drafts = await Drafts.open(state);
    const [out, changed, held] = [
      await drafts.save(draft()),
      await drafts.save(draft()),
      await drafts.save(draft()),
    ];
    for (const { id, savedAt } of [out, changed, held]) {
      await drafts.sending(id, savedAt, `message of ${id}`);
    }
    const loaded = await drafts.load(changed.id);
    assertEquals(loaded.sentAs, `message of ${changed.id}`);
    await drafts.save({ ...loaded, text: "another text" });
    const next = await Drafts.open(await again());
    await next.dropSent((message) => message !== `message of ${held.id}`);
    const left = (await next.list()).drafts.map(({ id }) => id);
    assertEquals(new Set(left), new Set([changed.id, held.id]));
    // What was never saved is not made a draft by being sent.
    await drafts.sending("0123456789abcdef", 1, "message");
    await assertRefusedAsync("no-such-message", () => drafts.load("0123456789abcdef"));
  });
});

Deno.test("only the text that was sent is dropped, wherever it is by then", async () => {
  await withState(async (state) => {
    const drafts = await Drafts.open(state);
    const [first, second] = [await drafts.save(draft()), await drafts.save(draft())];
    // A sync gives the id to what another machine has written, and moves this text on.
    await drafts.move(first.id, first.savedAt, emptyDraft().id);
    const other = await drafts.take({ ...first, savedAt: first.savedAt + 5, text: "theirs" }, null);
    const newer = await drafts.save({ ...second, text: "newer" });
    for (const { id, savedAt } of [first, second]) {
      await drafts.sending(id, savedAt, "message");
      await drafts.removeSent(id, savedAt);
    }
    assertEquals(new Set((await drafts.list()).drafts), new Set([other, newer]));
  });
});

Deno.test("a draft is named by a beginning of its id that no other has", async () => {
  await withState(async (state) => {
    const drafts = await Drafts.open(state);
    await drafts.save(draft({ id: "0123456789abcdef" }));
    await drafts.save(draft({ id: "0123ffffffffffff" }));
    assertEquals((await drafts.load("01234")).id, "0123456789abcdef");
    await assertRefusedAsync("usage", () => drafts.load("0123"));
    for (const wrong of ["", "zz", "../x", "0123456789abcdef0"]) {
      await assertRefusedAsync("no-such-message", () => drafts.load(wrong));
    }
  });
});

Deno.test("one damaged draft hides no other, and nothing of a draft is readable on the disk", async () => {
  await withState(async (state, _, dir) => {
    const drafts = await Drafts.open(state);
    const kept = await drafts.save(draft());
    const damaged = await drafts.save(draft());
    const found = await searchFolder(dir, [
      { what: "text", text: "a confidential text" },
      { what: "subject", text: "Hello" },
    ]);
    assertEquals(found, []);
    const path = state.path(`draft-${damaged.id}`);
    const bytes = await Deno.readFile(path);
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    await Deno.writeFile(path, bytes);
    const { drafts: listed, unreadable } = await drafts.list();
    assertEquals(listed, [kept]);
    assertEquals(unreadable.length, 1);
    assertMatch(unreadable[0] ?? "", /draft-.*damaged/);
  });
});

Deno.test("what was in an editor when everything ended is a draft at the next start", async () => {
  await withState(async (state, again) => {
    const drafts = await Drafts.open(state);
    const known = await drafts.save(draft({ answers: "x" }));
    const fresh = emptyDraft();
    const broken = emptyDraft();
    const same = await drafts.save(draft());
    for (
      const [id, text] of [
        [known.id, formatDraft({ ...known, text: "edited" })],
        [fresh.id, formatDraft({ ...fresh, to: ["carol"], text: "never saved" })],
        [broken.id, "Dear Bob,\nwithout headers"],
        [same.id, formatDraft(same)],
      ] as const
    ) (await EditorFile.create(state, id, text))[Symbol.dispose]();
    // However old it is: it is no temporary file.
    const old = new Date(Date.now() - 48 * 3_600_000);
    for (const name of await filesBelow(state.tempFolder())) {
      await Deno.utime(join(state.tempFolder(), name), old, old);
      await Deno.utime(dirname(join(state.tempFolder(), name)), old, old);
    }

    const recovered = await Drafts.open(await again());
    assertEquals([...recovered.recovered].sort(), [known.id, fresh.id, broken.id].sort());
    const edited = await recovered.load(known.id);
    assertEquals([edited.text, edited.answers], ["edited", "x"]);
    assertEquals((await recovered.load(fresh.id)).to, ["carol"]);
    const unparsed = await recovered.load(broken.id);
    assertEquals([unparsed.text, unparsed.unparsed], ["Dear Bob,\nwithout headers", true]);
    assertEquals(await filesBelow(state.tempFolder()), []);
    assertEquals((await Drafts.open(await again())).recovered, []);
  });
});

Deno.test("the file of an editor that is at work stays, and what an editor left beside it too", async () => {
  await withState(async (state, again) => {
    const { id } = emptyDraft();
    const text = formatDraft({ ...emptyDraft(), text: "being written" });
    using file = await EditorFile.create(state, id, text);
    assertEquals((await Drafts.open(await again())).recovered, []);
    assertEquals(await file.read(), text);
    await assertRefusedAsync("busy", () => EditorFile.create(state, id, text));
    const swap = join(dirname(file.path), ".message.txt.swp");
    await Deno.writeTextFile(swap, "what an editor can recover");
    await file.clear();
    file[Symbol.dispose]();
    assert(await exists(swap));
    const drafts = await Drafts.open(await again());
    assert(await exists(swap));
    await drafts.remove(id);
    assert(!await exists(swap));
  });
});

Deno.test("an editor's file that cannot be taken over stays, and is told of", async () => {
  await withState(async (state, again) => {
    const { id } = emptyDraft();
    const file = await EditorFile.create(state, id, "To: bob\n\n" + "x".repeat(17 * 1024 * 1024));
    file[Symbol.dispose]();
    const drafts = await Drafts.open(await again());
    const { unreadable } = await drafts.list();
    assertMatch(unreadable.join("\n"), /message\.txt is left from an editor, and stays/);
    assert(await exists(file.path));
  });
});

Deno.test("what is typed is saved without being asked to", async () => {
  await withState(async (state, again) => {
    await using autosaved = new AutosavedDraft(await Drafts.open(state), draft({ text: "" }));
    autosaved.type(() => "typed so far");
    const other = await Drafts.open(await again());
    const saved = await waitFor("a draft", async () => (await other.list()).drafts[0] ?? null);
    assertEquals([saved.text, saved.to], ["typed so far", ["bob"]]);
  });
});

Deno.test("what fails while somebody writes leaves a draft, and says which", async () => {
  await withState(async (state) => {
    const drafts = await Drafts.open(state);
    const io = new FakeIo([]);
    const refused = new SealpostError("quota", "no room");
    const failing = (text: string) =>
      withAutosave(
        openTerminal({ pipedSecrets: true }, io),
        drafts,
        draft({ text: "" }),
        (autosaved) => {
          autosaved.type(() => text);
          return Promise.reject(refused);
        },
      );
    assertEquals(await assertRejects(() => failing("half a text")), refused);
    const [kept] = (await drafts.list()).drafts;
    assertEquals(kept?.text, "half a text");
    assertMatch(io.errors, new RegExp(`^Kept as draft ${kept?.id.slice(0, 8)}:`));
    await assertRejects(() => failing(" \n"));
    assertEquals((await drafts.list()).drafts.length, 1);
  });
});

Deno.test("a text that cannot be saved stays until the person has decided", async () => {
  await withState(async (state, _, dir) => {
    const drafts = await Drafts.open(state);
    const written = draft({ text: "" });
    // A folder in its place: nothing can be written there.
    await Deno.mkdir(state.path(`draft-${written.id}`));
    const path = join(dir, "rescued.txt");
    const io = new FakeIo([`t\np\nf\n${path}\n`.replaceAll("\n", "\r")], { terminal: true });
    await assertRejects(() =>
      withAutosave(openTerminal({ pipedSecrets: true }, io), drafts, written, (autosaved) => {
        autosaved.type(() => "precious \x1b[2J words");
        return Promise.reject(new SealpostError("disk-full", "no space left"));
      })
    );
    assertEquals(io.errors.match(/Your text is not saved/g)?.length, 2);
    assertMatch(io.output, /precious \\x1b\[2J words/);
    assertEquals(
      await Deno.readTextFile(path),
      formatDraft({
        ...written,
        text: "precious \x1b[2J words",
      }),
    );
  });
});
