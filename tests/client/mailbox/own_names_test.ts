import { assertEquals, assertThrows } from "@std/assert";
import {
  type EntryChange,
  OwnNames,
  parseOwnName,
  planFolder,
  planKeyword,
  planRemoval,
  planRename,
} from "../../../client/mailbox/own_names.ts";
import { SealpostError } from "../../../crypto/error.ts";
import {
  EMPTY_RECORD,
  mergeRecords,
  nextVersion,
  type SharedRecord,
} from "../../../protocol/shared_record.ts";

function after(record: SharedRecord, changes: readonly EntryChange[]): SharedRecord {
  const version = nextVersion(record);
  const made = changes.map(({ key, value }) => ({ key, value, version, machine: "0".repeat(16) }));
  return mergeRecords(record, {
    entries: new Map(made.map((one) => [one.key, one])),
    machines: new Map(),
  });
}

const made = (...names: readonly string[]) =>
  names.reduce((record, name) => after(record, planFolder(record, name, 0)), EMPTY_RECORD);
const shown = (record: SharedRecord) => new OwnNames(record).folders.map(({ shown }) => shown);

Deno.test("a number or a bit that had a name is not given again", () => {
  const removed = after(made("a", "b"), planRemoval(17));
  assertEquals(planFolder(removed, "c", 0)[0]?.key, "folder/18");
  // Nor one that only the server knows.
  assertEquals(planFolder(removed, "c", 40)[0]?.key, "folder/41");
  const keyword = after(EMPTY_RECORD, planKeyword(EMPTY_RECORD, "urgent"));
  const gone = after(keyword, [{ key: "keyword/4", value: undefined, isNew: false }]);
  assertEquals(planKeyword(gone, "later")[0]?.key, "keyword/5");
});

Deno.test("there are 59 keywords, and no more", () => {
  let record = EMPTY_RECORD;
  for (let i = 0; i < 59; i++) record = after(record, planKeyword(record, `word${i}`));
  assertEquals(new OwnNames(record).keywords.length, 59);
  assertThrows(() => planKeyword(record, "more"), SealpostError, "59 keywords");
});

Deno.test("a folder is found by its name in any case, if that is one only, and by its number", () => {
  // Two machines at once can make names that only their case tells apart.
  const other = { key: "folder/17", value: { name: "work" }, isNew: true };
  const record = after(made("Work"), [other]);
  const names = new OwnNames(after(record, planFolder(record, "Über", 0)));
  assertEquals(names.findFolder("work"), 17);
  assertEquals(names.findFolder("Work"), 16);
  assertEquals(names.findFolder("WORK"), null);
  assertEquals(names.findFolder("u\u0308BER"), 18);
  assertEquals(names.findFolder("#99"), 99);
  assertEquals(names.findFolder("#5"), null);
  assertEquals(names.findFolder("INBOX"), "inbox");
  assertEquals(names.folderName(99), "#99");
});

Deno.test("a renamed folder takes those in it along, and takes nobody's name", () => {
  const record = made("work", "work/a", "work/a/b", "workshop", "job/a");
  assertEquals(shown(after(record, planRename(record, "work", "play"))), [
    "job/a",
    "play",
    "play/a",
    "play/a/b",
    "workshop",
  ]);
  assertThrows(() => planRename(record, "work", "job"), SealpostError, '"job/a" already');
  assertThrows(() => planRename(record, "none", "x"), SealpostError, 'no folder "none"');
  assertThrows(() => planRename(record, "inbox", "x"), SealpostError, "for everybody");
  const long = "x".repeat(99);
  assertThrows(() => planRename(record, "work", long), SealpostError, "not 1 to 100");
  // Into itself, and in another case.
  assertEquals(shown(after(record, planRename(record, "work", "Work")))[0], "Work");
});

Deno.test("a name has 1 to 100 characters that can be seen, and no other meaning", () => {
  for (const name of ["a", "work/reports", "Ü ber 2", "\u{1f319}".repeat(100)]) {
    assertEquals(parseOwnName(name, "folder"), name);
  }
  for (const name of ["", "/a", "a/", "a //b", "inbox", "Trash", "#1", "a\tb", "\u202ea"]) {
    assertThrows(() => parseOwnName(name, "folder"), SealpostError, "no name of a folder");
  }
  for (const word of ["read", "seen", "two words", "a/b", "#4", "x".repeat(101)]) {
    assertThrows(() => parseOwnName(word, "keyword"), SealpostError, "no name of a keyword");
  }
});
