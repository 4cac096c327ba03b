import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Bytes, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { MAX_LINE, openTerminal, type Terminal } from "../../../client/terminal/terminal.ts";
import { FakeIo, scripted } from "../../support/terminal_io.ts";

function piped(...input: (string | Bytes)[]): Terminal {
  return openTerminal({ pipedSecrets: true }, new FakeIo(input));
}

function typed(...input: (string | Bytes)[]): { terminal: Terminal; io: FakeIo } {
  const io = new FakeIo(input, { terminal: true });
  return { terminal: openTerminal({ pipedSecrets: true }, io), io };
}

async function cancelled(work: () => Promise<unknown>): Promise<void> {
  assertEquals((await assertRejects(work, SealpostError)).code, "cancelled");
}

Deno.test("piped questions take a line each, and what follows belongs to the next one", async () => {
  const { terminal, io } = scripted("one", "sécret", "text", "more", ".", "last");
  assertEquals(await terminal.ask("1? "), "one");
  assertEquals(await terminal.askSecret("2? "), utf8("sécret"));
  assertEquals(await terminal.askText("3? "), "text\nmore");
  assertEquals(await terminal.ask("4? "), "last");
  assertEquals(await terminal.ask("5? "), null);
  assertEquals(await terminal.askSecret("6? "), null);
  assertEquals(await terminal.askText("7? "), null);
  assertEquals(io.output, "1? 2? 3?\n4? 5? 6? 7?\n");
  assert(!terminal.interactive);
  assertEquals(io.raw, []);
});

Deno.test("piped lines end with LF or CRLF or the input, however it is cut", async () => {
  const input = utf8("aé\r\n\r\n\nb\rc\r\nend");
  for (const cut of [1, 2, 3, 100]) {
    const pieces: Bytes[] = [];
    for (let i = 0; i < input.length; i += cut) pieces.push(input.slice(i, i + cut));
    const terminal = piped(...pieces);
    for (const line of ["aé", "", "", "b\rc", "end", null]) {
      assertEquals(await terminal.ask(""), line, `in pieces of ${cut}`);
    }
  }
});

Deno.test("a text ends with a single dot, and dots can be typed by one dot more", async () => {
  const terminal = piped("..\n...\n.x\n..x\n. \n\n.\nnext\n");
  assertEquals(await terminal.askText(""), ".\n..\n.x\n..x\n. \n");
  assertEquals(await terminal.ask(""), "next");
});

Deno.test("every text can be sent through askText", async () => {
  const line = fc.string({ unit: fc.constantFrom(".", "..", " ", "é", "x") });
  await fc.assert(fc.asyncProperty(fc.array(line, { minLength: 1 }), async (lines) => {
    const stuffed = lines.map((line) => /^\.+$/.test(line) ? `.${line}` : line);
    assertEquals(await piped([...stuffed, "."].join("\n")).askText(""), lines.join("\n"));
  }));
});

Deno.test("the end of the input ends a text, and nothing at all is no text", async () => {
  assertEquals(await piped("a\nb").askText(""), "a\nb");
  assertEquals(await piped("a\nb\n").askText(""), "a\nb");
  assertEquals(await piped(".\n").askText(""), "");
  assertEquals(await piped("").askText(""), null);
});

Deno.test("a line of a megabyte comes through, and one over 8 MiB is refused whole", async () => {
  const terminal = piped(`${"x".repeat(1e6)}\n`, "y".repeat(MAX_LINE), "y\nnext\n");
  assertEquals((await terminal.ask(""))?.length, 1e6);
  assertEquals((await assertRejects(() => terminal.ask(""), SealpostError)).code, "limit");
  assertEquals(await terminal.ask(""), "next");
});

Deno.test("a text over 8 MiB is refused whole", async () => {
  const terminal = piped(`${"y".repeat(1000)}\n`.repeat(9000), ".\nnext\n");
  assertEquals((await assertRejects(() => terminal.askText(""), SealpostError)).code, "limit");
  assertEquals(await terminal.ask(""), "next");
});

Deno.test("bytes that are not UTF-8 are replaced in a line and refused in a secret", async () => {
  const bytes = new Uint8Array([0xff, 0x61, 0x0a]);
  assertEquals(await piped(bytes).ask(""), "\ufffda");
  const error = await assertRejects(() => piped(bytes).askSecret(""), SealpostError);
  assertEquals(error.code, "format");
});

Deno.test("a secret is in NFC, and at most 1024 bytes", async () => {
  assertEquals(await piped("e\u0301\n").askSecret(""), utf8("\u00e9"));
  assertEquals((await piped(`${"x".repeat(1024)}\r\n`).askSecret(""))?.length, 1024);
  for (
    const terminal of [
      piped(`${"x".repeat(1025)}\nnext\n`),
      typed(`${"x".repeat(1025)}\rnext\r`).terminal,
    ]
  ) {
    assertEquals((await assertRejects(() => terminal.askSecret(""), SealpostError)).code, "limit");
    assertEquals(await terminal.ask(""), "next");
  }
});

Deno.test("a typed line is shown as it is edited", async () => {
  const { terminal, io } = typed("he", "l", "p\x7flo wor\x17you\r");
  assertEquals(await terminal.ask("> "), "hello you");
  assert(io.output.startsWith("> help"));
  assert(io.output.endsWith("you\r\n"));
  assertEquals(io.raw, [true, false]);
  assert(terminal.interactive);
});

Deno.test("a typed secret is not shown", async () => {
  const { terminal, io } = typed(
    "sécre\x7f",
    "\x7f\x7f\x7f",
    "\x1b[D\x15",
    "nëw\x1bOAe\u0301\x7f\x7f\r",
  );
  assertEquals(await terminal.askSecret("Password: "), utf8("nëw"));
  assertEquals(io.output, "Password: \r\n");
  assertEquals(io.raw, [true, false]);
});

Deno.test("Ctrl-C cancels every question and leaves raw mode", async () => {
  for (const kind of ["ask", "askSecret", "askText"] as const) {
    const { terminal, io } = typed("some\x03next\r");
    await cancelled(() => terminal[kind](""));
    assertEquals(io.raw, [true, false]);
    assertEquals(await terminal.ask(""), "next");
  }
});

Deno.test("Ctrl-D ends the input on an empty line only", async () => {
  for (const kind of ["ask", "askSecret", "askText"] as const) {
    const { terminal } = typed("\x04x\x04y\r");
    assertEquals(await terminal[kind](""), null);
    assertEquals(await terminal.ask(""), "xy");
  }
  const { terminal } = typed("one\r\x04");
  assertEquals(await terminal.askText(""), "one");
});

Deno.test("a paste of several lines answers several questions", async () => {
  const { terminal } = typed("one\rtwo\r\nthree\nfour\r", "\nfive\r");
  for (const line of ["one", "two", "three", "four", "five"]) {
    assertEquals(await terminal.ask(""), line);
  }
});

Deno.test("a pasted line of a hundred thousand characters arrives whole", async () => {
  const line = "漢é👍x".repeat(25_000);
  const bytes = utf8(`${line}\r`);
  const pieces: Bytes[] = [];
  for (let i = 0; i < bytes.length; i += 4095) pieces.push(bytes.slice(i, i + 4095));
  assertEquals(await typed(...pieces).terminal.ask("> "), line);
});

Deno.test("a person whose output goes elsewhere still answers, unseen where it is secret", async () => {
  const io = new FakeIo(["line\n", "secret\n"], { terminal: true, outputIsTerminal: false });
  const terminal = openTerminal({ pipedSecrets: true }, io);
  assert(!terminal.interactive);
  assertEquals(await terminal.ask("? "), "line");
  assertEquals(io.raw, []);
  assertEquals(await terminal.askSecret("? "), utf8("secret"));
  assertEquals(io.raw, [true, false]);
});

Deno.test("what is printed and what is complained of go to their streams", () => {
  const { terminal, io } = scripted();
  terminal.print("out");
  terminal.print();
  terminal.printError("error");
  assertEquals([io.output, io.errors], ["out\n\n", "error\n"]);
});

Deno.test("a long line fits a terminal, and goes through a pipe as it is", () => {
  const line = `${"word ".repeat(20)}end`;
  const broken = `${"word ".repeat(16).trimEnd()}\n${"word ".repeat(4)}end\n`;
  for (const isTerminal of [true, false]) {
    const io = new FakeIo([], { terminal: isTerminal });
    const terminal = openTerminal({ pipedSecrets: true }, io);
    terminal.print(line);
    terminal.printError(line);
    assertEquals([io.output, io.errors], Array(2).fill(isTerminal ? broken : `${line}\n`));
  }
});
