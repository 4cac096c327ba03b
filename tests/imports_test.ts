import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join, relative } from "@std/path";

/**
 * The rooms of the top folder, from the highest down. A room imports from itself and from what is
 * on a lower line; rooms on one line know nothing of each other.
 */
const TOP: readonly (readonly string[])[] = [
  ["main.ts"],
  ["commands"],
  ["client", "server", "keygen.ts"],
  ["files"],
  ["cli"],
  ["protocol"],
  ["crypto"],
  ["std", "deno.json"],
];

/** `commands/` alone stands above keygen.ts and both sides; the inner rooms of each, likewise. */
const INSIDE: Readonly<Record<string, readonly (readonly string[])[]>> = {
  client: [
    ["commands", "connect.ts", "web"],
    ["bridge"],
    ["menu.ts", "tui", "setup", "account"],
    ["session.ts", "sync_drafts.ts", "arrivals.ts", "background_texts.ts"],
    ["send_draft.ts", "held_sends.ts", "follow_address.ts"],
    ["mail.ts"],
    ["mailbox"],
    ["message"],
    ["trust"],
    ["terminal", "connection"],
    ["state"],
  ],
  server: [
    ["serve.ts"],
    ["server.ts"],
    ["session.ts"],
    ["login.ts"],
    ["visit.ts"],
    ["requests", "control", "maintenance"],
    ["nodes"],
    ["accounts", "admission", "observe"],
    ["store", "settings"],
  ],
};

/** The files that may open or accept connections. */
const SOCKET_FILES: readonly string[] = [
  "client/bridge/smtp.ts",
  "protocol/socket.ts",
  "server/store/postgres/pool.ts",
];

/** What opens or accepts a connection: calls of the runtime, modules of Node, functions of the web. */
const SOCKET = new RegExp(
  [
    /\bDeno\.(connect|listen|startTls|resolveDns|serve|createHttpClient)/,
    /\b(from |import |import\()"(node:)?(net|tls|dgram|http|https|http2|dns)(\/promises)?"/,
    /(?<![\w.#])(?<!^ *(async )?)fetch\(/m,
    /\bfrom "(smtp-server|postgres)"/,
    /\bnew (WebSocket|WebSocketStream|EventSource|WebTransport|Worker)\(/,
  ].map(({ source }) => source).join("|"),
  "m",
);

/** What touches a file. */
const FILE_ACCESS = /\bDeno\.\w+|"(node:)?(fs|sqlite|child_process)/;

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

/** The files of the project in `graph`, each with the files of the project that it imports. */
function filesOf(graph: Graph, root: string): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const { specifier, dependencies } of graph.modules) {
    const file = pathOf(specifier, root);
    if (file === null) continue;
    const targets = (dependencies ?? []).flatMap(({ code, type }) => [code, type])
      .map((to) => to?.specifier === undefined ? null : pathOf(to.specifier, root));
    files.set(file, [...new Set(targets.filter((to) => to !== null))]);
  }
  return files;
}

/** A module's path below `root`; null for what is not of the project. */
function pathOf(specifier: string, root: string): string | null {
  if (!specifier.startsWith("file:")) return null;
  const path = relative(root, fromFileUrl(specifier)).replaceAll("\\", "/");
  return path.startsWith("../") ? null : path;
}

/** Whether `order` lets the room `from` import from the room `into`. */
function goesDown(order: readonly (readonly string[])[], from: string, into: string): boolean {
  if (from === into) return true;
  const lineOf = (room: string) => order.findIndex((line) => line.includes(room));
  return lineOf(from) >= 0 && lineOf(from) < lineOf(into);
}

/** Every import that goes up or across, as `FILE imports FILE`, and every one from jsr: or https:. */
function forbidden(graph: Graph, root: string): string[] {
  const found: string[] = [];
  for (const { specifier, error, dependencies } of graph.modules) {
    const file = pathOf(specifier, root);
    if (error !== undefined) found.push(`${file ?? specifier}: ${error}`);
    if (file === null) continue;
    for (const { specifier } of dependencies ?? []) {
      if (/^(jsr|https?):/.test(specifier)) found.push(`${file} imports ${specifier}`);
    }
  }
  for (const [file, targets] of filesOf(graph, root)) {
    const [from = "", fromInner = ""] = file.split("/");
    for (const target of targets) {
      const [into = "", intoInner = ""] = target.split("/");
      const inside = INSIDE[from];
      const allowed = from !== into
        ? goesDown(TOP, from, into)
        : inside === undefined || goesDown(inside, fromInner, intoInner);
      if (!allowed) found.push(`${file} imports ${target}`);
    }
  }
  return found.sort();
}

/** The circles of files, each as its files in alphabetical order. */
function circles(files: ReadonlyMap<string, readonly string[]>): string[][] {
  const reached = new Map<string, Set<string>>();
  for (const start of files.keys()) {
    const seen = new Set<string>();
    const open = [...files.get(start) ?? []];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      open.push(...files.get(file) ?? []);
    }
    reached.set(start, seen);
  }
  const found = new Map<string, string[]>();
  for (const [file, seen] of reached) {
    if (!seen.has(file)) continue;
    const circle = [...seen].filter((other) => reached.get(other)?.has(file)).sort();
    found.set(circle.join(), circle);
  }
  return [...found.values()].sort();
}

/** The source files in a folder and its subfolders, as paths from the root. */
async function* sourcesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    if (isDirectory) yield* sourcesIn(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}

const SOURCES = ["client", "server", "commands", "files", "cli", "protocol", "crypto"];

Deno.test("imports go down only, and none comes from jsr: or https:", async () => {
  const graph = await graphOf(join(ROOT, "main.ts"));
  assert(graph.modules.length > 50, "the module graph was read");
  assertEquals(forbidden(graph, ROOT), []);
});

Deno.test("no files import each other in a circle", async () => {
  assertEquals(circles(filesOf(await graphOf(join(ROOT, "main.ts")), ROOT)), []);
});

Deno.test("every source file is reached from main.ts", async () => {
  const reached = filesOf(await graphOf(join(ROOT, "main.ts")), ROOT);
  const orphans: string[] = [];
  for (const folder of SOURCES) {
    for await (const path of sourcesIn(folder)) {
      if (!reached.has(path) && !path.endsWith(".d.ts")) orphans.push(path);
    }
  }
  assertEquals(orphans.sort(), []);
});

Deno.test("only the named files touch a socket, and crypto/ touches no file", async () => {
  const found: string[] = [];
  for (const folder of SOURCES) {
    for await (const path of sourcesIn(folder)) {
      const text = await Deno.readTextFile(join(ROOT, path));
      if (SOCKET.test(text)) found.push(path);
      if (folder === "crypto" && FILE_ACCESS.test(text)) found.push(path);
    }
  }
  assertEquals(found.sort(), SOCKET_FILES);
});

Deno.test("the page takes from the program what its interface sends, as types, and nothing else", async () => {
  const graph = await graphOf(join(ROOT, "page", "main.tsx"));
  const files = filesOf(graph, ROOT);
  assert(files.size > 10, "the module graph was read");
  const others = [...files.keys()].filter((file) => !file.startsWith("page/"));
  assertEquals(others, ["client/web/types.ts"]);
  const types = await Deno.readTextFile(join(ROOT, "client", "web", "types.ts"));
  assert(!/^(export )?(const|let|function|class|import)\b/m.test(types), "it has types alone");
  // And the interface knows nothing of the page.
  const program = filesOf(await graphOf(join(ROOT, "main.ts")), ROOT);
  assertEquals([...program.keys()].filter((file) => file.startsWith("page/")), []);
});

Deno.test("each way to open or accept a connection, or to touch a file, is noticed", () => {
  for (
    const text of [
      "await Deno.connect({ port });",
      "Deno.listenDatagram(options);",
      'Deno.serve(() => new Response(""));',
      'import { connect } from "node:net";',
      'await import("node:https");',
      'import dns from "node:dns/promises";',
      "const page = await fetch(url);",
      "void [fetch(url)];",
      "new WebSocket(url);",
    ]
  ) assert(SOCKET.test(text), text);
  for (const text of ["  fetch(opened: Opened) {", "mail.fetch(opened);", "// the net"]) {
    assert(!SOCKET.test(text), text);
  }
  for (const text of ['Deno.readFile("a")', 'import "node:fs/promises";']) {
    assert(FILE_ACCESS.test(text), text);
  }
});

Deno.test("an import that goes up, across, in a circle or out is noticed", async () => {
  const root = await Deno.makeTempDir();
  try {
    const files: Record<string, string> = {
      "main.ts": 'import "./commands/a.ts";',
      "commands/a.ts": 'import "../client/mail.ts"; import "../server/serve.ts"; ' +
        'await import("../keygen.ts");',
      "keygen.ts": 'await import("./client/mail.ts");',
      "client/mail.ts": 'import "../server/store/a.ts"; import "../crypto/a.ts"; ' +
        'import "./state/a.ts"; import "./mailbox/a.ts";',
      "client/mailbox/a.ts": 'import "./b.ts";',
      "client/mailbox/b.ts": 'import "./c.ts";',
      "client/mailbox/c.ts": 'import "./a.ts";',
      "client/state/a.ts": 'import "../terminal/a.ts";',
      "client/terminal/a.ts": 'import "../connection/a.ts";',
      "client/connection/a.ts": "",
      "server/serve.ts": 'import "./store/a.ts"; import "../files/a.ts";',
      "server/store/a.ts": 'import type { A } from "../../client/mail.ts"; export type B = A; ' +
        'import "../requests/a.ts";',
      "server/requests/a.ts": "",
      "files/a.ts": 'import "../cli/a.ts"; import "../commands/a.ts";',
      "cli/a.ts": 'import "../files/b.ts";',
      "files/b.ts": "",
      "crypto/a.ts": 'import "../protocol/a.ts";',
      "protocol/a.ts": 'import "../main.ts"; import "https://example.com/a.ts"; import "jsr:@a/b";',
    };
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(join(root, name, ".."), { recursive: true });
      await Deno.writeTextFile(join(root, name), text);
    }
    const graph = await graphOf(join(root, "main.ts"));
    const imports = forbidden(graph, root).filter((line) => line.includes(" imports "));
    assertEquals(imports, [
      "cli/a.ts imports files/b.ts",
      "client/mail.ts imports server/store/a.ts",
      "client/state/a.ts imports client/terminal/a.ts",
      "client/terminal/a.ts imports client/connection/a.ts",
      "crypto/a.ts imports protocol/a.ts",
      "files/a.ts imports commands/a.ts",
      "keygen.ts imports client/mail.ts",
      "protocol/a.ts imports https://example.com/a.ts",
      "protocol/a.ts imports jsr:@a/b",
      "protocol/a.ts imports main.ts",
      "server/store/a.ts imports client/mail.ts",
      "server/store/a.ts imports server/requests/a.ts",
    ]);
    assert(
      circles(filesOf(graph, root)).some((circle) => circle.includes("client/mailbox/a.ts")),
    );
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
