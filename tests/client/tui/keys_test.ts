import { assert, assertEquals } from "@std/assert";
import { keyOf } from "../../../client/tui/display.ts";
import { lineText } from "../../../client/tui/frame.ts";
import { actionOf, hints, KEY_TABLE, keyName, type Mode } from "../../../client/tui/keys.ts";
import { helpLines } from "../../../client/tui/screens/help.ts";

const MODES = Object.keys(KEY_TABLE) as Mode[];

Deno.test("no key means two things on one screen", () => {
  for (const mode of MODES) {
    const keys = KEY_TABLE[mode].flatMap((binding) => binding.keys);
    assertEquals(keys.filter((key, i) => keys.indexOf(key) !== i), [], mode);
  }
});

Deno.test("every key of the table does what it says, and the help shows all of them", () => {
  for (const mode of MODES) {
    const help = helpLines(mode, 120).map(lineText);
    const entries = entriesOf(helpLines(mode, 80).map(lineText));
    for (const { keys, action, help: says } of KEY_TABLE[mode]) {
      for (const key of keys) {
        assertEquals(actionOf(mode, key), action, `${mode} ${key}`);
      }
      if (says === "") continue;
      const line = `   ${keys.map(keyName).join(", ").padEnd(18)} ${says}`;
      assert(help.some((shown) => shown.trimEnd() === line), `${mode}: ${line}`);
      // On a narrow screen an entry goes on in the next line.
      assert(entries.includes(line.trim().replaceAll(/ +/g, " ")), `${mode}: ${line}`);
    }
    assertEquals(help.filter((line) => line.length !== 120), []);
  }
});

Deno.test("a key that is not in the table does nothing, and no key waits for another", () => {
  assertEquals(actionOf("list", "Z"), null);
  assertEquals(actionOf("list", "g"), "top");
  for (const mode of MODES) {
    for (const { keys } of KEY_TABLE[mode]) assert(keys.every((key) => !key.includes(" ")), mode);
  }
});

Deno.test("keys are named as people write them", () => {
  assertEquals(
    ["ctrl+x", "shift+tab", "G", "pageDown", "f1", "-", "alt+u"].map(keyName),
    ["^X", "Shift-Tab", "G", "PgDn", "F1", "-", "Alt-u"],
  );
  assert(hints("list").some(({ key, word }) => key === "?" && word === "help"));
});

Deno.test("what a terminal sends is a key, or a text that was typed", () => {
  const names = (data: string) => keyOf(data)?.name;
  assertEquals(
    ["\r", "\x7f", "\x1b[A", "\x1b[5~", "\x18", "\t", "\x1b[Z", "\x1b", " ", "j"].map(names),
    ["enter", "backspace", "up", "pageUp", "ctrl+x", "tab", "shift+tab", "escape", "space", "j"],
  );
  assertEquals(keyOf("ü"), { name: "ü", text: "ü" });
  assertEquals(keyOf("🙂"), { name: "🙂", text: "🙂" });
  assertEquals(keyOf("\x1b[99;99;99Q"), null);
});

/** The entries of a help, each in one line with single spaces. */
function entriesOf(lines: readonly string[]): string[] {
  return lines.join("\n").split(/\n {1,3}(?=\S)/).map((entry) => {
    return entry.trim().replaceAll(/\s+/g, " ");
  });
}
