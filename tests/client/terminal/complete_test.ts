import { assertEquals } from "@std/assert";
import { commonStart, completePath } from "../../../client/terminal/complete.ts";

Deno.test("paths are completed as far as they are certain", async () => {
  assertEquals(commonStart(["carol", "carl", "cara"]), "car");
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/report one.txt`, "");
    await Deno.writeTextFile(`${dir}/report two.txt`, "");
    await Deno.mkdir(`${dir}/sub`);
    assertEquals(await completePath(`${dir}/re`), {
      text: `${dir}/report `,
      choices: ["report one.txt", "report two.txt"],
    });
    assertEquals((await completePath(`${dir}/s`)).text, `${dir}/sub/`);
    assertEquals((await completePath(`${dir}/none/x`)).choices, []);
    assertEquals(await completePath("s", dir), { text: "sub/", choices: ["sub/"] });
    assertEquals(await completePath("", dir), {
      text: "",
      choices: ["report one.txt", "report two.txt", "sub/"],
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
