import { assert, assertEquals } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import { COMMANDS } from "../commands/table.ts";
import { parseCommand } from "../cli/options.ts";
import { parseInvitation } from "../protocol/invitation.ts";
import { ROOT } from "./support/program.ts";

const document = await Deno.readTextFile(join(ROOT, "docs", "OPERATING.md"));

/** The text of every source file of the server. */
async function sources(folder = join(ROOT, "server")): Promise<string> {
  let text = "";
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    text += isDirectory ? await sources(path) : await Deno.readTextFile(path);
  }
  return text;
}

Deno.test("every command in docs/OPERATING.md is taken as it stands there", () => {
  const lines = [
    ...document.matchAll(/(?:^|&& )(?:runuser -u sealpost -- )?sealpost ([^&\n]+)/gm),
    ...document.matchAll(/`sealpost ([a-z][^`…]*)`/g),
  ].map(([, line]) => line?.trim() ?? "");
  assert(lines.length > 20);
  for (const line of lines) {
    const words = line.replaceAll("'", "").split(" ");
    // What is left is a synopsis, which names what there may be.
    if (words[0] === "help" || line.includes("[")) continue;
    const command = COMMANDS.find(({ name }) =>
      words.slice(0, name.split(" ").length).join(" ") === name
    );
    assert(command, line);
    const args = words.slice(command.name.split(" ").length);
    // The name alone is how the text speaks of a command.
    if (args.length > 0) parseCommand(command, args);
  }
});

Deno.test("docs/OPERATING.md has every event of the log, and no other", async () => {
  const text = await sources();
  const logged = new Set(
    [...text.matchAll(/[lL]og\.(?:debug|info|warn|error)\(\s*"([^"]+)"/g)].map(([, event]) =>
      event
    ),
  );
  // One event is chosen between two.
  for (const event of ["login", "key-bound"]) {
    assert(text.includes(`"${event}"`));
    logged.add(event);
  }
  const table = /\| event \| level \| \|\n([\s\S]*?)\n\n/.exec(document)?.[1] ?? "";
  const told = table.split("\n").slice(1).flatMap((row) => {
    const [, cell = ""] = row.split("|");
    return [...cell.matchAll(/`([^`]+)`/g)].map(([, event]) => event);
  });
  assertEquals(told.sort(), [...logged].sort());
});

Deno.test("the invitation in docs/OPERATING.md is one", () => {
  assertEquals(parseInvitation(document).name, "alice");
});

Deno.test("the container gets every folder that the program is made of", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: ROOT,
  }).output();
  const graph: { readonly modules: readonly { readonly specifier: string }[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const root = toFileUrl(ROOT).href;
  const folders = new Set(
    graph.modules.map(({ specifier }) => specifier)
      .filter((specifier) => specifier.startsWith(root))
      .map((specifier) => specifier.slice(root.length).split("/"))
      .flatMap(([folder = "", file]) => file === undefined ? [] : folder),
  );
  assert(folders.size > 5);
  const read = (path: string) => Deno.readTextFile(join(ROOT, path));
  const copied = (await read("contrib/Dockerfile")).matchAll(/^COPY (\w+) \1$/gm);
  assertEquals(Array.from(copied, ([, folder = ""]) => folder), [...folders].sort());
  const sent = (await read(".dockerignore")).matchAll(/^!(\w+)$/gm);
  assertEquals(Array.from(sent, ([, folder = ""]) => folder), [...folders].sort());
});
