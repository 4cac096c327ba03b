import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { printable } from "../../../cli/printable.ts";
import {
  addressOf,
  clipboardSequence,
  linksIn,
  MAX_LINKS,
  withHyperlinks,
} from "../../../client/message/links.ts";

const ESC = "\x1b";

Deno.test("links are listed once each, with where they lead and the words before them", () => {
  const { links, more } = linksIn([
    "Read our page <https://bank.example@evil.example/login?a=1>, please.",
    "> See https://example.org/a_(b) (or http://example.org/c). And https://example.org/a_(b)!",
    "Write to Bob <mailto:bob@example.net>; ftp://files.example/x",
    "https://bücher.example/ü and HTTPS://EXAMPLE.ORG/C",
  ].join("\n"));
  assertEquals(links.map(({ number, address, host, words }) => [number, address, host, words]), [
    [1, "https://bank.example@evil.example/login?a=1", "evil.example", "Read our page"],
    [2, "https://example.org/a_(b)", "example.org", "See"],
    [3, "http://example.org/c", "example.org", "See https://example.org/a_(b) (or"],
    [4, "mailto:bob@example.net", "example.net", "Write to Bob"],
    [5, "ftp://files.example/x", "files.example", "Write to Bob <mailto:bob@example.net>;"],
    [6, "https://xn--bcher-kva.example/%C3%BC", "xn--bcher-kva.example", ""],
    [7, "https://example.org/C", "example.org", "https://bücher.example/ü and"],
  ]);
  assertEquals(more, false);
});

Deno.test("a thousand links are listed, and that there are more is said", () => {
  const text = Array.from({ length: 200_000 }, (_, i) => `http://a.example/${i}`).join(" ");
  const { links, more } = linksIn(text);
  assertEquals([links.length, more], [MAX_LINKS, true]);
  assertEquals(linksIn("http://a.example/ ".repeat(200_000)).links.length, 1);
  assertEquals(linksIn(`http://a.example/${")".repeat(1_000_000)}`).links.length, 0);
  assertEquals(linksIn(`http://a.example/${"x".repeat(1_000_000)}`).links, []);
});

Deno.test("what leads nowhere that a browser goes is no link", () => {
  for (
    const text of [
      "javascript:alert(1)",
      "file:///etc/passwd",
      "data:text/html,x",
      "http://",
      "https://[::1",
      "ssh://a.example",
      "no link: at all",
    ]
  ) {
    assertEquals(linksIn(text).links, [], text);
    assertEquals(addressOf(text), null, text);
  }
});

Deno.test("a terminal gets addresses without anything that it would obey, and the text as it is", () => {
  assertEquals(
    withHyperlinks("see https://example.org/ü."),
    `see ${ESC}]8;id=m;https://example.org/%C3%BC${ESC}\\https://example.org/ü${ESC}]8;;${ESC}\\.`,
  );
  fc.assert(fc.property(
    fc.array(fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("https://", "mailto:", ESC, "\x07", "\x9c", ";", "\\", "\u202e", " ", "a.b"),
    )),
    (parts) => {
      const text = printable(parts.join(""));
      for (const { address } of linksIn(text).links) assert(/^[\x21-\x7e]+$/.test(address));
      const whole = withHyperlinks(text);
      // deno-lint-ignore no-control-regex -- the one thing that may be in there
      const bare = whole.replace(/\x1b\]8;(?:id=m)?;[\x21-\x7e]*\x1b\\/g, "");
      assertEquals(bare, text);
    },
  ));
  assertEquals(addressOf(`https://a.example/${ESC}]0;x\x07`)?.includes(ESC), false);
});

Deno.test("what is copied reaches a terminal in base64", () => {
  assertEquals(
    clipboardSequence("https://a.example/\x07"),
    `${ESC}]52;c;aHR0cHM6Ly9hLmV4YW1wbGUvBw==\x07`,
  );
});
