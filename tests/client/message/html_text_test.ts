import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { htmlToText } from "../../../client/message/html_text.ts";

Deno.test("paragraphs, lists and line breaks are kept", () => {
  assertEquals(
    htmlToText("<h1>Title</h1><p>one  two\nthree<br>four</p><ul><li>a<li>b</ul>end"),
    "Title\n\none two three\nfour\n\n* a\n* b\n\nend",
  );
  assertEquals(htmlToText("<div>a</div><div>b</div><div></div>c"), "a\nb\nc");
  assertEquals(htmlToText("<pre>  x\n   y</pre>z"), "  x\n   y\n\nz");
});

Deno.test("entities are read, and what they spell is not markup", () => {
  assertEquals(htmlToText("&lt;b&gt; &amp; &#x41;&eacute;&nbsp;&bogus;"), "<b> & Aé\u00a0&bogus;");
});

Deno.test("what is not text is left out", () => {
  assertEquals(
    htmlToText(
      "<title>t</title><style>b{}</style>a<script>x<p></script><!-- c -->b<img alt='pic'>",
    ),
    "abpic",
  );
});

Deno.test("a link shows where it leads", () => {
  assertEquals(
    htmlToText('<a href="https://evil.example/?a&amp;b">https://bank.example</a>!'),
    "https://bank.example <https://evil.example/?a&b>!",
  );
  assertEquals(htmlToText('<a href="https://x.y/">https://x.y/</a>'), "https://x.y/");
  assertEquals(htmlToText('<a href="mailto:a@b.c">a@b.c</a>'), "a@b.c");
  assertEquals(htmlToText('<a href="javascript:x">y</a> <a name=z>w</a></a>'), "y w");
});

Deno.test("what is quoted stands behind >", () => {
  assertEquals(
    htmlToText(
      "Yes.<blockquote>one<br><br>two<p>three</p><blockquote>deeper</blockquote></blockquote>end",
    ),
    "Yes.\n\n> one\n>\n> two\n>\n> three\n>\n>> deeper\n\nend",
  );
  assertEquals(
    htmlToText("<blockquote><pre>a\n  b</pre></blockquote>"),
    "> a\n>   b",
  );
  assertEquals(htmlToText("</blockquote>a<blockquote>b"), "a\n\n> b");
  const deep = htmlToText("<blockquote>".repeat(100_000) + "x<br>".repeat(3));
  assertEquals(deep, Array(3).fill(`${">".repeat(10)} x`).join("\n"));
});

Deno.test("what is hidden is left out, unless nothing else is there", () => {
  for (
    const style of [
      "style='display:none'",
      'style="color: red; DISPLAY : none !important"',
      "style=visibility:hidden",
      'style="max-height:0;overflow:hidden"',
      "style='max-height: 0px'",
      "style=opacity:0",
      "hidden",
    ]
  ) {
    const hidden = `<div ${style}>preview <div>more</div><a href="https://x.y">z</a></div>`;
    assertEquals(htmlToText(`${hidden}<p>text</p>`), "text", style);
    assertEquals(htmlToText(hidden), "preview\nmore\nz <https://x.y>", style);
  }
  assertEquals(htmlToText("<img hidden>a<br style=display:none>b"), "ab");
  assertEquals(htmlToText("<td hidden>a<td>b<p hidden>c<p>d"), "b\n\nd");
  for (const style of ["opacity:0.5", "max-height:0.5em", "font-size:0", "x-display:none"]) {
    assertEquals(htmlToText(`<div style="${style}">shown</div>`), "shown", style);
  }
});

Deno.test("what nobody sees in HTML is not there", () => {
  assertEquals(htmlToText("Donau&shy;dampf\u00adschiff"), "Donaudampfschiff");
  assertEquals(htmlToText("a&zwnj;&#847;\u200b\ufeff\u202eb\x1b[2J"), "ab[2J");
  assertEquals(htmlToText("<p>👩&zwj;👧 می&zwnj;خواهم</p>"), "👩\u200d👧 می\u200cخواهم");
});

Deno.test("any input gives text, in time proportional to its length", () => {
  fc.assert(fc.property(
    fc.string({ unit: fc.constantFrom(..."<>/abp!-&;#x=\"' \n") }),
    (html) => assert(htmlToText(html).length <= 4 * html.length + 4),
  ));
  for (const unit of ["<b>", "<a href=x>", "<", "&", "</p>", "<!--", "<pre>\n", "<br>x", "<ul>"]) {
    assert(htmlToText(unit.repeat(300_000)).length <= 2_000_000, unit);
  }
});

Deno.test("a hidden paragraph that nobody closed ends where the next element begins", () => {
  for (const tag of ["div", "table", "ul", "h1", "p"]) {
    const html = `<p>Hi</p><p style="display:none">preview<${tag}>Hello</${tag}>`;
    assertEquals(htmlToText(html).replace(/[^A-Za-z]+/g, " ").trim(), "Hi Hello", tag);
  }
  assertEquals(htmlToText('<div style="display:none">a<p>b</p></div>c').trim(), "c");
});

Deno.test("a table of data stands in aligned columns, numbers to the right", () => {
  assertEquals(
    htmlToText(
      "<p>Dear all</p><table><caption></caption><tr><th>Item<th>Price</tr>" +
        "<tr><td>Bread</td><td>1.20</td></tr><tr><td>日本<td>$12.00</table>Bye",
    ),
    "Dear all\n\nItem    Price\n-----  ------\nBread    1.20\n日本   $12.00\n\nBye",
  );
  assertEquals(
    htmlToText("<table><tr><td rowspan=2>a<td>b<tr><td>c<br>d<tr><td colspan=2>e</table>"),
    "a  b\n   c\n   d\ne",
  );
  assertEquals(
    htmlToText("<blockquote><table><tr><td>a<td>b<tr><td>c<td>d</table></blockquote>"),
    "> a  b\n> c  d",
  );
});

Deno.test("long cells of a table are broken between words, within the width", () => {
  const cells = "<tr><td>name<td>" + "one word after another ".repeat(8);
  for (const columns of [20, 40, 76, 120]) {
    const lines = htmlToText(`<table>${cells}${cells}</table>`, columns).split("\n");
    for (const line of lines) assert(line.length <= columns, line);
    assertEquals(lines.filter((line) => line.startsWith("name  ")).length, 2, `${columns}`);
    assertEquals(lines.filter((line) => !/^(name| {4}) {2}\S/.test(line)), []);
  }
});

Deno.test("what is no table of data is read cell by cell", () => {
  const url = "https://example.org/" + "x".repeat(80);
  const cases = [
    ["<table><tr><td>a<table><tr><td>b</table><tr><td>c<td>d</table>", "a\n\nb\n\nc\nd"],
    ["<table role=presentation><tr><td>a<td>b<tr><td>c<td>d</table>", "a\nb\nc\nd"],
    ["<table><tr><td>a<td>b</table>", "a\nb"],
    ["<table>x<tr><td>a<td>b<tr><td>c<td>d</table>", "x\na\nb\nc\nd"],
    [`<table><tr><td>a<td>${url}<tr><td>c<td>d</table>`, `a\n${url}\nc\nd`],
    ["<table><tr><td>a<td><tr><td>c<td>&nbsp;</table>", "a\nc\n\u00a0"],
    ["<table><tr><td>a<td>b<tr><td>c<td>d", "a\nb\nc\nd"],
  ] as const;
  for (const [html, text] of cases) assertEquals(htmlToText(html), text);
});

Deno.test("a table of any form and size takes time and memory proportional to its length", () => {
  const tables = [
    "<table>",
    "<table><tr><td>a<td>b",
    "<tr>",
    "<td>x",
    "<table><tr><td rowspan=999 colspan=999>x</table>",
    "<table><tr><td>a<td>b<tr><td>c<td>d</table>",
  ];
  for (const unit of tables) {
    for (const before of ["", "<table><tr><td>" + "wide ".repeat(190) + "<td>x"]) {
      const html = before + unit.repeat(1_000_000 / unit.length) + "</table>";
      assert(htmlToText(html).length <= 4 * html.length, before + unit);
    }
  }
  const wide = "<table><tr><td>" + "wide ".repeat(190) + "<td>x" + "<tr><td><td>x".repeat(9000);
  assert(htmlToText(`${wide}</table>`).length <= 4 * wide.length);
});
