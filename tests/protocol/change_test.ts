import { assertEquals } from "@std/assert";
import { type Bytes, concat, random, u32, u64 } from "../../crypto/bytes.ts";
import { decodeChange, encodeChange, type MailboxChange } from "../../protocol/change.ts";
import { encodeEntry } from "../../protocol/entry.ts";
import {
  decodeFolderState,
  encodeFolderState,
  type FolderState,
} from "../../protocol/folder_state.ts";
import { assertRefused } from "../support/testing.ts";

const entry = {
  uid: 4,
  modseq: 9,
  folder: "inbox" as const,
  number: 2,
  flags: ["seen" as const],
  receivedAt: 5,
  header: random(81),
  stanza: random(10),
  summary: random(10),
  note: null,
  bodySize: 4112,
};
const place = { uid: 4, folder: 16, number: 2 };
const CHANGES: readonly MailboxChange[] = [
  { kind: "new", modseq: 9, entry },
  { kind: "changed", modseq: 10, ...place, flags: ["answered", 62] },
  { kind: "gone", modseq: 11, ...place },
  { kind: "left", modseq: 12, ...place, folder: "drafts" },
  { kind: "skipped", modseq: 13, from: 5, to: 2 ** 40 },
];

Deno.test("a change comes out as it went in", () => {
  for (const change of CHANGES) assertEquals(decodeChange(encodeChange(change)), change);
});

Deno.test("changes are laid out as the protocol says", () => {
  const head = (kind: number, modseq: number) => concat(new Uint8Array([kind]), u64(modseq));
  const at = concat(u64(4), u32(16), u32(2));
  const expected: Bytes[] = [
    concat(head(1, 9), encodeEntry(entry)),
    concat(head(2, 10), at, u32(0x4000_0000), u32(2)),
    concat(head(3, 11), at),
    concat(head(4, 12), u64(4), u32(4), u32(2)),
    concat(head(5, 13), u64(5), u64(2 ** 40)),
  ];
  assertEquals(CHANGES.map(encodeChange), expected);
});

Deno.test("a change that is cut, goes on, or says what cannot be is refused", () => {
  for (const change of CHANGES) {
    const bytes = encodeChange(change);
    for (let size = 0; size < bytes.length; size++) {
      assertRefused("format", () => decodeChange(bytes.slice(0, size)));
    }
    assertRefused("format", () => decodeChange(concat(bytes, new Uint8Array(1))));
    const nowhere = bytes.slice();
    nowhere.fill(0, 1, 9);
    assertRefused("format", () => decodeChange(nowhere));
  }
  for (const kind of [0, 6, 255]) {
    const bytes = encodeChange({ kind: "gone", modseq: 1, ...place });
    bytes[0] = kind;
    assertRefused("format", () => decodeChange(bytes));
  }
  assertRefused("format", () => {
    decodeChange(encodeChange({ kind: "skipped", modseq: 1, from: 6, to: 5 }));
  });
  assertRefused("format", () => {
    decodeChange(encodeChange({ kind: "new", modseq: 8, entry }));
  });
});

Deno.test("the state of a folder comes out as it went in, in 40 bytes", () => {
  const state: FolderState = {
    folder: 16,
    validity: 1_795_000_000,
    next: 9,
    count: 4,
    unseen: 2,
    bytes: 2 ** 40,
    modseq: 77,
  };
  const bytes = encodeFolderState(state);
  assertEquals(
    bytes,
    concat(u32(16), u32(1_795_000_000), u32(9), u32(4), u32(2), u32(0), u64(2 ** 40), u64(77)),
  );
  assertEquals(decodeFolderState(bytes), state);
  for (let size = 0; size < bytes.length; size++) {
    assertRefused("format", () => decodeFolderState(bytes.slice(0, size)));
  }
  assertRefused("format", () => decodeFolderState(concat(bytes, new Uint8Array(1))));
  for (const wrong of [{ validity: 0 }, { next: 0 }, { count: 9 }, { unseen: 5 }]) {
    assertRefused("format", () => decodeFolderState(encodeFolderState({ ...state, ...wrong })));
  }
});
