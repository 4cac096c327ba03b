import { assert, assertEquals } from "@std/assert";
import { keyOf } from "../../../client/tui/display.ts";
import { textOf } from "../../../client/tui/frame.ts";
import { hints, KEY_TABLE, keyName, type Mode, press } from "../../../client/tui/keys.ts";
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
    const help = helpLines(mode, 120).map(textOf);
    for (const { keys, action, help: says } of KEY_TABLE[mode]) {
      for (const key of keys) {
        const [first = "", second] = key.split(" ");
        const pressed = second === undefined ? press(mode, first) : press(mode, second, first);
        if (pressed.kind === "wait") assertEquals(pressed.alone, action, key);
        else assertEquals(pressed, { kind: "action", action }, `${mode} ${key}`);
      }
      if (says === "") continue;
      const line = `   ${keys.map(keyName).join(", ").padEnd(18)} ${says}`;
      assert(help.some((shown) => shown.trimEnd() === line), `${mode}: ${line}`);
    }
    assertEquals(help.filter((line) => line.length !== 120), []);
  }
});

Deno.test("of two keys the first waits, and a second that does not fit is one of its own", () => {
  assertEquals(press("list", "g"), { kind: "wait", alone: "reply-all" });
  assertEquals(press("list", "g", "g"), { kind: "action", action: "top" });
  assertEquals(press("list", "j", "g"), { kind: "action", action: "down" });
  assertEquals(press("folders", "g"), { kind: "wait", alone: null });
  assertEquals(press("list", "Z"), { kind: "unknown" });
});

Deno.test("keys are named as people write them", () => {
  assertEquals(
    ["ctrl+x", "shift+tab", "g g", "G", "pageDown", "f1", "-", "alt+u"].map(keyName),
    ["^X", "Shift-Tab", "gg", "G", "PgDn", "F1", "-", "Alt-u"],
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
