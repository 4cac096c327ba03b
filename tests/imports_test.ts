import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join, relative, toFileUrl } from "@std/path";

/** The folders and files at the top, and what each may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "std": [],
  "crypto": ["std"],
  "protocol": ["crypto", "std", "deno.json"],
  "client": ["protocol", "crypto", "std"],
  "server": ["protocol", "crypto", "std"],
  "keygen.ts": ["protocol", "crypto", "std"],
  "commands/workspace.ts": ["keygen.ts", "server", "protocol", "crypto", "std"],
  "commands": ["protocol"],
  "commands/table.ts": ["commands", "server", "protocol"],
  "main.ts": [
    "commands",
    "commands/table.ts",
    "keygen.ts",
    "commands/workspace.ts",
    "client",
    "server",
    "protocol",
    "crypto",
  ],
};

interface Arrow {
  readonly specifier: string;
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
}

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly Arrow[];
  }[];
}

const ROOT = fromFileUrl(new URL("../", import.meta.url));

/** The modules that `file` reaches, dynamic imports and types included. */
async function graphOf(file: string): Promise<Graph> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-remote", "--lock", join(ROOT, "deno.lock"), file],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Every import in `graph` that the house does not allow, as `FILE imports SPECIFIER`. */
function forbidden(graph: Graph, root: string): string[] {
  const found: string[] = [];
  for (const module of graph.modules) {
    if (module.error !== undefined) found.push(`${shown(module.specifier, root)}: ${module.error}`);
    const from = part(module.specifier, root);
    if (from === null) continue;
    for (const { specifier, code, type } of module.dependencies ?? []) {
      const remote = /^(jsr|https?):/.test(specifier);
      const targets = [code?.specifier, type?.specifier].filter((to) => to !== undefined);
      const wrong = targets.some((to) => {
        const into = part(to, root);
        return into !== null && into !== from && !MAY_IMPORT[from]?.includes(into);
      });
      if (remote || wrong) found.push(`${shown(module.specifier, root)} imports ${specifier}`);
    }
  }
  return found.sort();
}

/** The top-level folder or file that a module of the project is in; null for all other modules. */
function part(specifier: string, root: string): string | null {
  if (!specifier.startsWith("file:")) return null;
  const path = relative(root, fromFileUrl(specifier)).replaceAll("\\", "/");
  return path.startsWith("../") ? null : path.split("/")[0] ?? null;
}

/** The source files in a folder and its subfolders, as paths from the root. */
async function* sourcesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    if (isDirectory) yield* sourcesIn(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}

function shown(specifier: string, root: string): string {
  return specifier.replace(toFileUrl(root).href.replace(/\/?$/, "/"), "");
}

Deno.test("imports go down only, and none comes from jsr: or https:", async () => {
  const graph = await graphOf(join(ROOT, "main.ts"));
  assert(graph.modules.length > 50, "the module graph was read");
  assertEquals(forbidden(graph, ROOT), []);
});

Deno.test("every source file is reached from main.ts", async () => {
  const graph = await graphOf(join(ROOT, "main.ts"));
  const reached = new Set(graph.modules.map(({ specifier }) => shown(specifier, ROOT)));
  const orphans: string[] = [];
  for (const folder of ["client", "crypto", "protocol", "server"]) {
    for await (const path of sourcesIn(folder)) {
      if (!reached.has(path)) orphans.push(path);
    }
  }
  assertEquals(orphans.sort(), []);
});

Deno.test("only protocol/socket.ts touches a socket, and crypto/ touches no file", async () => {
  const found: string[] = [];
  for (const folder of ["client", "crypto", "protocol", "server"]) {
    for await (const path of sourcesIn(folder)) {
      const text = await Deno.readTextFile(join(ROOT, path));
      const socket =
        /\bDeno\.(connect|listen|startTls|resolveDns|serve)|"node:(net|tls|dgram|http)/;
      if (socket.test(text)) found.push(path);
      if (folder === "crypto" && /\bDeno\.\w+|"node:fs/.test(text)) found.push(path);
    }
  }
  assertEquals(found, ["protocol/socket.ts"]);
});

Deno.test("an import that goes up, across or out is noticed", async () => {
  const root = await Deno.makeTempDir();
  try {
    const files: Record<string, string> = {
      "main.ts": 'import "./client/a.ts"; import "./server/a.ts"; import "./keygen.ts";',
      "keygen.ts": 'await import("./client/a.ts");',
      "client/a.ts": 'import "../server/a.ts"; import "../crypto/a.ts";',
      "server/a.ts": 'import type { A } from "../client/a.ts"; export type B = A;',
      "crypto/a.ts": 'import "../protocol/a.ts";',
      "protocol/a.ts": 'import "../main.ts"; import "https://example.com/a.ts"; import "jsr:@a/b";',
    };
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(join(root, name, ".."), { recursive: true });
      await Deno.writeTextFile(join(root, name), text);
    }
    const found = forbidden(await graphOf(join(root, "main.ts")), root);
    const imports = found.filter((line) => line.includes(" imports "));
    assertEquals(imports, [
      "client/a.ts imports ../server/a.ts",
      "crypto/a.ts imports ../protocol/a.ts",
      "keygen.ts imports ./client/a.ts",
      "protocol/a.ts imports ../main.ts",
      "protocol/a.ts imports https://example.com/a.ts",
      "protocol/a.ts imports jsr:@a/b",
      "server/a.ts imports ../client/a.ts",
    ]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
