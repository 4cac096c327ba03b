import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { CONFIG_FILE, readConfig, writeConfig } from "../../../client/state/config.ts";
import { SealpostError } from "../../../crypto/error.ts";

/** What reading a `sealpost.toml` with this text gives. */
async function read(text: string): Promise<unknown> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(dir, CONFIG_FILE), text);
    return await readConfig(dir).catch((error) => {
      throw new SealpostError(error.code, error.message.replaceAll(join(dir, ""), ""));
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("what is wrong with a setting is said with the file and the setting", async () => {
  for (
    const [text, message] of [
      [
        'name = "alice"',
        'sealpost.toml: there is no setting "name"; "sealpost help settings" lists',
      ],
      ['sever = "a"', 'sealpost.toml: there is no setting "sever"; did you mean server?'],
      ["cache = 1", "sealpost.toml: cache has a value of the wrong type"],
      [
        'server = "alice@mail.lan:1"',
        'sealpost.toml: server: "alice@mail.lan:1" is not an address',
      ],
      ['server = "mail.lan:1"\nuser', "sealpost.toml:2:"],
    ] as const
  ) {
    const error = await assertRejects(() => read(text), SealpostError, message);
    assertEquals([error.code, error.message.includes("\n")], ["config", false]);
  }
});

Deno.test("a setting is written in its place, and every other line stays", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = join(dir, CONFIG_FILE);
    await Deno.writeTextFile(path, '# mine\nserver = "a:1" # here\nbell = true\n');
    await writeConfig(dir, { server: "b:2", user: "bob" });
    assertEquals(await readConfig(dir), { server: "b:2", user: "bob", bell: true });
    const lines = (await Deno.readTextFile(path)).split("\n");
    assertEquals([lines.includes("# mine"), lines.includes("bell = true")], [true, true]);
    await writeConfig(dir, { server: "b:2" });
    assertEquals((await Deno.readTextFile(path)).split("\n"), lines);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
