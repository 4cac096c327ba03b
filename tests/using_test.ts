// README.md and docs/USING.md say what is so.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { dirname, join } from "@std/path";
import { COMMANDS } from "../commands/table.ts";
import { EXIT_CODES } from "../cli/exit_codes.ts";
import { parseCommand } from "../cli/options.ts";
import { ROOT } from "./support/program.ts";

const DOCUMENTS = ["README.md", "docs/USING.md"];

async function read(path: string): Promise<string> {
  return await Deno.readTextFile(join(ROOT, path));
}

/** The words of a command line up to a comment, an explanation, or another command. */
function wordsOf(line: string): string[] {
  const [command = ""] = line.split(/ {3,}| [<>|#&] |…/);
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? "");
}

Deno.test("every command in the README and the user's guide is taken as it stands there", async () => {
  for (const path of DOCUMENTS) {
    const document = await read(path);
    const lines = [
      ...document.matchAll(/^(?:sealpost|deno task) ([^\n]+)/gm),
      ...document.matchAll(/`(?:sealpost|deno task) ([a-z][^`…]*)`/g),
    ].map(([, line = ""]) => wordsOf(line));
    assert(lines.length > 15, path);
    for (const words of lines) {
      // Tasks of this folder, not commands of the program.
      if (["help", "compile", "release"].includes(words[0] ?? "")) continue;
      const found = [2, 1].map((count) => {
        return COMMANDS.find(({ name }) => name === words.slice(0, count).join(" "));
      }).find((command) => command !== undefined);
      const text = `${path}: ${words.join(" ")}`;
      assert(found, text);
      const args = words.slice(found.name.split(" ").length);
      // The name alone is how the text speaks of a command.
      if (args.length === 0) continue;
      try {
        parseCommand(found, args);
      } catch (cause) {
        throw new Error(text, { cause });
      }
    }
  }
});

Deno.test("the README and the user's guide point to what is there", async () => {
  for (const path of DOCUMENTS) {
    const document = await read(path);
    const targets = [
      ...document.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g),
      ...document.matchAll(/(?:src|srcset)="([^"]+)"/g),
    ].map(([, target = ""]) => target);
    assert(targets.length > 3, path);
    for (const target of targets) {
      assert(await exists(join(ROOT, dirname(path), target)), `${path}: ${target}`);
    }
    const headings = [...document.matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) => {
      return text.toLowerCase().replace(/[^a-z0-9 -]/g, "").replaceAll(" ", "-");
    });
    for (const [, anchor = ""] of document.matchAll(/\]\(#([^)]+)\)/g)) {
      assert(headings.includes(anchor), `${path}: #${anchor}`);
    }
  }
});

Deno.test("the README has every dependency, and the guide every exit code a user can meet", async () => {
  const readme = await read("README.md");
  for (const path of ["deno.json", "page/deno.json"]) {
    const { imports } = JSON.parse(await read(path));
    for (const target of Object.values<string>(imports)) {
      const name = /^npm:\/?(@?[^@]+)@/.exec(target)?.[1];
      if (name !== undefined) assertStringIncludes(readme, `\`${name}\``);
    }
  }
  const guide = await read("docs/USING.md");
  const table = /\| exit code \|[\s\S]*?\n\n/.exec(guide)?.[0] ?? "";
  const told = [...table.matchAll(/\b(\d+)\b(?=[^|]*\|[^|]*\|[^|]*\|$)/gm)].map(([, code]) =>
    Number(code)
  );
  const known: readonly number[] = EXIT_CODES.map(({ code }) => code);
  for (const code of told) assert(known.includes(code), `${code}`);
  // A defect, and another version, are the maker's and the operator's.
  assertEquals(known.filter((code) => !told.includes(code)), [70, 76]);
});
