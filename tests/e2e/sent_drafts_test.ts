// Drafts that are stored on the server while they are sent, taken back and sent again.

import { assert, assertEquals } from "@std/assert";
import { sendDraft, TakenBackError } from "../../client/send_draft.ts";
import { emptyDraft, type SavedDraft } from "../../client/state/drafts.ts";
import { SyncedDrafts } from "../../client/sync_drafts.ts";
import { testInFull } from "../support/full.ts";
import { Group } from "../support/group.ts";
import { openSession } from "../support/session.ts";

/** Times that all of it is done: one in ten went wrong where a draft moved while it was sent. */
const TIMES = 40;

testInFull("what is sent is no draft any more, whenever drafts are stored meanwhile", async () => {
  await using group = await Group.start(["alice", "bob"]);
  const { address } = group.server;
  await (await openSession(group.dir, "bob", address)).mail.close();
  const { mail } = await openSession(group.dir, "alice", address);
  await mail.sync();
  for (let i = 0; i < TIMES; i++) {
    const drafts = new SyncedDrafts(mail);
    const storing: Promise<unknown>[] = [];
    /** Drafts are being stored from here on, and may be done before it goes on. */
    const store = async () => {
      storing.push(drafts.run());
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 120));
    };
    const send = (draft: SavedDraft, goesOut: boolean) => {
      const hold = async () => {
        await store();
        return goesOut;
      };
      return sendDraft(mail, draft, { note: () => {}, hold });
    };
    const written = { ...emptyDraft(), to: ["bob"], subject: "once", text: "x" };
    const draft = await mail.drafts.save(written);
    await store();
    const back = await send(draft, false).then(() => null, (error: unknown) => error);
    assert(back instanceof TakenBackError, String(back));
    await store();
    const { draft: again } = await mail.drafts.saveOver(back.draft, back.draft.savedAt);
    await store();
    await send(again, true);
    await Promise.all(storing);
    await drafts.run();
    assertEquals((await mail.drafts.list()).drafts, []);
  }
  await mail.close();
});
