import { assertEquals } from "@std/assert";
import { utf8 } from "../../../crypto/bytes.ts";
import { pictureType } from "../../../client/web/pictures.ts";

Deno.test("a picture is known by its first bytes, and nothing that can run is one", () => {
  const bytes = (...first: number[]) => new Uint8Array([...first, ...new Array(20).fill(0)]);
  assertEquals(pictureType(bytes(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)), "image/png");
  assertEquals(pictureType(bytes(0xff, 0xd8, 0xff, 0xe0)), "image/jpeg");
  assertEquals(pictureType(utf8("GIF89a......")), "image/gif");
  assertEquals(pictureType(utf8("RIFF....WEBPVP8 ")), "image/webp");
  for (
    const text of [
      "",
      "<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
      "%PDF-1.7",
      "<html><script>1</script>",
      "RIFF....AVI LIST",
      "\x89PNG",
    ]
  ) assertEquals(pictureType(utf8(text)), null, text);
});
