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

Deno.test("any input gives text, in time proportional to its length", () => {
  fc.assert(fc.property(
    fc.string({ unit: fc.constantFrom(..."<>/abp!-&;#x=\"' \n") }),
    (html) => assert(htmlToText(html).length <= 4 * html.length + 4),
  ));
  for (const unit of ["<b>", "<a href=x>", "<", "&", "</p>", "<!--", "<pre>\n", "<br>x", "<ul>"]) {
    assert(htmlToText(unit.repeat(300_000)).length <= 2_000_000, unit);
  }
});
